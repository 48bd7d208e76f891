"""Balanced epochs and folds: pure functions of the seed, each class in its share."""

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.data import Dataset


def uneven(counts: tuple[int, ...] = (40, 7, 3)) -> Dataset:
    labels = np.repeat(np.arange(len(counts)), counts)
    images = np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1, 1)
    return Dataset(images, labels, "abcdefgh"[: len(counts)], name="uneven")


def drawn(data: Dataset, seed: int, epoch: int) -> np.ndarray:
    return np.concatenate([x.reshape(-1) for x, *_ in data.epoch(seed, epoch, 8)])


def test_a_balanced_epoch_has_equally_many_of_each_class():
    data = uneven().balanced()
    assert data.digest != uneven().digest and len(data) == 50
    seen = [drawn(data, 3, epoch) for epoch in range(40)]
    for items in seen:
        per_class = np.bincount(data.labels[items], minlength=3)
        assert len(items) == 50 and sorted(per_class.tolist()) == [16, 17, 17]
        assert len({*items[data.labels[items] == 0].tolist()}) >= 16  # none twice
        times = np.bincount(items, minlength=50)[40:47]
        assert times.min() >= 2 and times.max() <= 3  # all before any comes again
    assert (drawn(data, 3, 5) == seen[5]).all() and (drawn(data, 4, 5) != seen[5]).any()
    assert {*np.concatenate(seen)} == {*range(50)} and len({x.tobytes() for x in seen}) == 40
    first = [np.argmax(np.bincount(data.labels[x[:16]], minlength=3)) for x in seen]
    assert len({*first}) == 3  # shuffled, not class by class
    rest = [x for batch in data.epoch(3, 5, 8, 2) for x in batch[0].reshape(-1)]
    assert rest == seen[5][16:].tolist()
    assert drawn(data, 0, 0)[:10].tolist() == KNOWN  # the same in every version
    measured = np.concatenate([x.reshape(-1) for x, _ in data.epoch(None, 0, 8)])
    assert measured.tolist() == list(range(50))


KNOWN = [43, 47, 42, 44, 48, 48, 40, 49, 42, 49]


def test_what_cannot_be_balanced():
    with pytest.raises(cnn.DataError, match="'arrays' cannot be balanced: it has no class"):
        cnn.data.arrays(np.zeros((4, 1)), np.zeros(4)).balanced()
    with pytest.raises(cnn.DataError, match="'uneven' is balanced, which is an order"):
        next(uneven().balanced().epoch(0, 0, 4, shuffle=False))


@pytest.mark.parametrize("count", [2, 3, 5])
def test_folds_share_out_every_class(count):
    data = uneven()
    found = data.folds(count, seed=1)
    held = np.concatenate([v.images.reshape(-1) for _, v in found])
    assert len(found) == count and sorted(held) == list(range(50))
    for train, validation in found:
        both = [*train.images.reshape(-1), *validation.images.reshape(-1)]
        assert sorted(both) == list(range(50))
    each = np.array([np.bincount(v.labels, minlength=3) for _, v in found])
    assert (np.ptp(each, axis=0) <= 1).all() and np.ptp(each.sum(1)) <= 1
    again, other = data.folds(count, seed=1), data.folds(count, seed=2)
    assert (again[0][1].images == found[0][1].images).all()
    assert not np.array_equal(other[0][1].images, found[0][1].images)
    with pytest.raises(cnn.DataError, match="folds must be from 2 to its 50 items, found 51"):
        data.folds(51)
    numbers = cnn.data.arrays(np.zeros((7, 1)), np.zeros(7)).folds(3)
    assert [len(v) for _, v in numbers] == [3, 2, 2]
