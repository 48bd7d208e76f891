from hashlib import sha256

import numpy as np
import pytest

from graphcnn.data import Dataset, arrays
from graphcnn.data.normalisation import Normalisation
from graphcnn.errors import DataError


def numbered(n: int, classes: int = 2) -> Dataset:
    """Image i has level i in its only pixel; its class is i mod `classes`."""
    images = np.arange(n, dtype=np.uint8).reshape(n, 1, 1, 1)
    return arrays(images, np.arange(n) % classes, name="numbered")


def levels(dataset: Dataset) -> list[int]:
    return dataset.images.reshape(-1).tolist()


def test_basics():
    dataset = numbered(7, 3)
    assert len(dataset) == 7 and dataset.image_shape == (1, 1, 1)
    assert dataset.classes == ("0", "1", "2") and dataset.labels.dtype == np.int64
    assert repr(dataset) == "<Dataset 'numbered': 7 images 1×1×1 uint8, 3 classes>"


def test_slices_and_indices_keep_the_rest():
    dataset = numbered(7, 3)
    assert levels(dataset[2:5]) == [2, 3, 4]
    assert levels(dataset[np.array([6, 0])]) == [6, 0] and levels(dataset[[1]]) == [1]
    assert levels(dataset[dataset.labels == 2]) == [2, 5]
    assert dataset[:1].classes == dataset.classes


def test_one_index_gives_image_and_label_so_that_a_loop_ends():
    image, label = numbered(7, 3)[5]
    assert image.shape == (1, 1, 1) and image[0, 0, 0] == 5 and label == 2
    assert [int(label) for _, label in numbered(3)] == [0, 1, 0]


def test_batch_and_batches_are_as_read_and_both_can_be_normalised():
    dataset = numbered(4)
    raw, _ = dataset.batch([3, 1])
    assert raw.dtype == np.uint8 and raw.reshape(-1).tolist() == [3, 1]
    (same, _), _ = dataset.batches(2, np.array([3, 1, 0, 2]))
    assert same.dtype == np.uint8 and same.reshape(-1).tolist() == [3, 1]
    (scaled, _), _ = dataset.batches(2, np.array([3, 1, 0, 2]), normalised=True)
    np.testing.assert_array_equal(scaled, dataset.batch([3, 1], normalised=True)[0])


def test_batch_is_normalised_where_asked_for():
    x, y = numbered(4).batch([3, 1], normalised=True)
    np.testing.assert_allclose(x.reshape(-1), [3 / 255, 1 / 255])
    assert x.dtype == np.float32 and y.tolist() == [1, 1]
    dataset = arrays(np.ones((1, 1, 1, 1)), [0], normalisation=Normalisation((0.5,), (0.5,)))
    assert dataset.batch(slice(None), normalised=True)[0].item() == 1.0


def test_batches_are_raw_and_the_last_is_short():
    batches = list(numbered(7).batches(3))
    assert [len(x) for x, _ in batches] == [3, 3, 1]
    assert all(x.dtype == np.uint8 for x, _ in batches)
    assert np.concatenate([x for x, _ in batches]).reshape(-1).tolist() == list(range(7))


def test_batches_in_an_order_from_a_batch_on():
    dataset = numbered(7)
    order = dataset.shuffled_order(seed=1, epoch=0)
    every = [x.reshape(-1).tolist() for x, _ in dataset.batches(3, order)]
    assert [i for batch in every for i in batch] == order.tolist()
    assert [x.reshape(-1).tolist() for x, _ in dataset.batches(3, order, start=1)] == every[1:]
    assert list(dataset.batches(3, order, start=3)) == []


def test_batch_size():
    dataset = numbered(7)
    dataset.check_batch_size(7)
    for wrong in (0, 8):
        with pytest.raises(DataError, match=f"from 1 to the 7 images .* found {wrong}"):
            dataset.check_batch_size(wrong)
    with pytest.raises(DataError, match="at least 1, found 0"):
        next(dataset.batches(0))
    with pytest.raises(DataError, match=r"an int of at least 1, found 2\.0"):
        next(dataset.batches(2.0))


def test_order_is_a_pure_function_of_seed_and_epoch():
    first, second = numbered(50), numbered(50)
    assert sorted(first.shuffled_order(3, 4)) == list(range(50))
    assert first.shuffled_order(3, 4).tolist() == second.shuffled_order(3, 4).tolist()
    others = {tuple(first.shuffled_order(s, e)) for s in range(3) for e in range(3)}
    assert len(others) == 9


def test_order_is_the_same_on_every_machine_and_in_every_version():
    """Runs are resumed by another machine and by a later version to the same bits."""
    assert numbered(8).shuffled_order(0, 0).tolist() == [6, 7, 1, 2, 3, 5, 0, 4]
    known, total = "c396232b1f7ae4bffd3d9933db26fbf95307cd9da5f005b3facd861987d0b559", sha256()
    data = Dataset(np.zeros((1000, 1)), np.arange(1000))
    for seed, epoch in ((0, 0), (0, 1), (1, 0), (2**40, 7), (-3, 2)):
        taken = np.concatenate([labels for _, labels in data.epoch(seed, epoch, 64)])
        total.update(taken.astype("<i8").tobytes())
    assert total.hexdigest() == known


def test_an_epoch_goes_on_where_one_stopped():
    data = numbered(10)

    def taken(*args, **options):
        return [levels(Dataset(x, y)) for x, y in data.epoch(*args, **options)]

    whole = taken(1, 2, 4)
    assert [i for batch in whole for i in batch] == data.shuffled_order(1, 2).tolist()
    assert [*map(len, whole)] == [4, 4, 2]
    assert taken(1, 2, 4, 1) == whole[1:] and taken(1, 2, 4, drop_last=True) == whole[:2]
    stored = [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert taken(None, 2, 4) == taken(1, 2, 4, shuffle=False) == stored
    with pytest.raises(DataError, match="batch_size must be an int of at least 1, found 0"):
        taken(0, 0, 0)


@pytest.mark.parametrize("fraction", [0.1, 0.29, 0.5, 0.9])
def test_split_is_exact_and_in_proportion(fraction):
    dataset = numbered(100, 4)
    rest, held = dataset.split(fraction, seed=5)
    assert len(held) == round(100 * fraction)
    assert sorted(levels(rest) + levels(held)) == list(range(100))
    per_class = np.bincount(held.labels, minlength=4)
    assert per_class.max() - per_class.min() <= 1
    assert levels(held) == levels(dataset.split(fraction, seed=5)[1])
    assert levels(held) != levels(dataset.split(fraction, seed=6)[1])


def test_split_of_targets():
    dataset = arrays(np.zeros((10, 1, 2, 2)), np.linspace(0, 1, 10))
    assert [len(part) for part in dataset.split(0.3)] == [7, 3]


@pytest.mark.parametrize("fraction", [0, 1, -0.5, 2, 0.01, 0.99])
def test_split_that_leaves_a_side_empty(fraction):
    with pytest.raises(DataError, match="fraction"):
        numbered(7).split(fraction)


def test_targets_of_any_shape_need_no_classes():
    dataset = arrays(np.zeros((3, 2, 4, 4)), np.zeros((3, 2, 4, 4)))
    assert dataset.classes == () and dataset.labels.dtype == np.float32
    assert dataset[1:].labels.shape == (2, 2, 4, 4)


@pytest.mark.parametrize(
    ("x", "y", "options", "match"),
    [
        (np.zeros((0, 1, 2, 2)), [], {}, "data set 'arrays': no images"),
        (np.zeros((3, 1, 2, 2)), [0, 1], {}, "3 images but 2 labels"),
        (np.zeros((2, 1, 2, 2)), [0.5], {}, "2 images but 1 labels"),
        (np.zeros((2, 1, 2, 2)), [0, 5], {"classes": ("a", "b")}, "label 5 in row 1"),
        (np.zeros((2, 1, 2, 2)), [0.0, 1.0], {"classes": ("a", "b")}, "must be integers"),
        (np.zeros((2, 1, 2, 2)), [0, -1], {}, "label -1 in row 1"),
        (np.zeros((2, 1, 2, 2)), [[0, 1], [1, 0]], {}, "one-hot"),
        (np.zeros((2, 1, 2, 2), np.int64), [0, 1], {}, "uint8 .* or float .*found int64"),
        (np.full((2, 1, 2, 2), np.nan), [0, 1], {}, "image 0 holds NaN"),
        (np.zeros(()), [0, 1], {}, "no items"),
        (np.zeros((2, 0)), [0, 1], {}, "no items"),
        (np.array(["a", "b"]), [0, 1], {}, "items must be numbers, found str"),
        (np.array([0.0, np.inf]), [0, 1], {}, "item 1 holds an infinite number"),
        ({}, [0, 1], {}, "the dict of inputs is empty"),
        ({"a": [1.0], "b": [1.0, 2.0]}, [0], {}, "equally many items, found 1 of a, 2 of b"),
        ({"a": [1.0], "b": [np.nan]}, [0], {}, "input 'b': item 0 holds NaN"),
        (np.zeros((2, 1, 2, 2)), [0, 7], {"classes": "ab", "ignore_index": 9}, "and 9 is ignored"),
    ],
)
def test_data_that_is_refused(x, y, options, match):
    with pytest.raises(DataError, match=match):
        arrays(x, y, **options)
