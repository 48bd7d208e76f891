"""Weights of items and of classes, targets of several outputs, and items that are no arrays."""

import numpy as np
import pytest
from support.small_training import same_bits, small, stripes

import graphcnn as cnn
from graphcnn.data import Dataset, arrays

PETS = ("cat", "dog", "eel")


def pets(labels: list[int]) -> Dataset:
    images = np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1, 1)
    return Dataset(images, np.array(labels), PETS, name="pets")


def test_balanced_weights_are_those_of_scikit_learn():
    labels = [0, 0, 0, 0, 1, 1, 2]
    found = pets(labels).weighted("balanced")
    # sklearn.utils.class_weight.compute_class_weight("balanced", ...) of these labels
    np.testing.assert_allclose(found.weights[[0, 4, 6]], [7 / 12, 7 / 6, 7 / 3], rtol=1e-7)
    assert found.weights.dtype == np.float32 and found.weights.sum() == pytest.approx(7)


def test_weights_by_name_by_number_and_by_item():
    data = pets([0, 1, 2, 1])
    assert data.weights is None
    assert data.weighted({"dog": 3, 2: 0.5}).weights.tolist() == [1, 3, 0.5, 3]
    both = data.weighted({"dog": 3}).weighted([1, 2, 3, 4])
    assert both.weights.tolist() == [1, 6, 3, 12] and both[1:3].weights.tolist() == [6, 3]
    masks = arrays(np.zeros((2, 1, 1, 2)), [[[0, 1]], [[1, 255]]], ignore_index=255)
    assert masks.weighted({1: 4}).weights.tolist() == [[[1, 4]], [[4, 0]]]
    assert masks.weighted({1: 4}).weighted([1, 2]).weights.tolist() == [[[1, 4]], [[8, 0]]]


def test_batches_have_the_weights_of_their_items():
    data = pets([0, 1, 2, 1]).weighted([0, 1, 2, 3])
    assert data.digest != pets([0, 1, 2, 1]).digest != data.weighted({"cat": 2}).digest
    for images, labels, weights in data.epoch(3, 1, 3):
        assert weights.tolist() == images.reshape(-1).tolist() and len(labels) == len(weights)
    (image, label), (_, _, found) = data[1], data.batch([3, 1])
    assert label == 1 and image.item() == 1 and found.tolist() == [3, 1]


@pytest.mark.parametrize(
    ("weights", "match"),
    [
        ({"dogs": 1}, r"no class 'dogs' \(is it 'dog'\?\); its classes are cat, dog, eel"),
        ({3: 1}, "no class 3; its classes"),
        ({"dog": -1}, "the weight of class 'dog' must be finite and at least 0, found -1"),
        ("even", "weights must be 'balanced', a dict or an array, found 'even'"),
        ([1, 2], r"shape \(4,\), found \(2,\)"),
        ([1, 2, -1, 0], r"weight -1.0 in row 2 must be finite and at least 0"),
        ([0, 0, 0, 0], "all weights are 0"),
    ],
)
def test_weights_that_are_refused(weights, match):
    with pytest.raises(cnn.DataError, match=match):
        pets([0, 1, 2, 1]).weighted(weights)


def test_class_weights_need_classes():
    numbers = arrays(np.zeros((2, 1, 1, 1)), np.zeros(2))
    with pytest.raises(cnn.DataError, match="'arrays' has no classes"):
        numbers.weighted("balanced")


def several(n: int = 6) -> Dataset:
    labels = {"digit": np.arange(n) % 2, "angle": np.arange(n, dtype=np.float64)}
    return Dataset(np.arange(n, dtype=np.uint8).reshape(n, 1, 1, 1), labels, ("odd", "even"))


def test_targets_of_several_outputs():
    data = several()
    assert len(data) == 6 and data.target_sample["angle"].shape == (0,)
    assert {k: a.dtype for k, a in data.target_sample.items()} == {
        "digit": np.int64,
        "angle": np.float32,
    }
    image, label = data[3]
    assert image.item() == 3 and label == {"digit": 1, "angle": 3.0}
    for images, targets in data.epoch(0, 0, 4):
        assert targets["angle"].tolist() == images.reshape(-1).tolist()
        assert targets["digit"].source is data
    first, second = data.split(0.5)
    assert sorted([*first.labels["angle"], *second.labels["angle"]]) == list(range(6))
    assert np.bincount(first.labels["digit"]).tolist() in ([2, 1], [1, 2])
    assert data.digest == several().digest != several(4).digest
    with pytest.raises(cnn.DataError, match="'data' has several targets"):
        data.weighted("balanced")
    with pytest.raises(cnn.DataError, match=r"2 images but 3 labels"):
        Dataset(np.zeros((2, 1)), {"a": [0.0, 1.0], "b": [0.0, 1.0, 2.0]})
    with pytest.raises(cnn.DataError, match="target 'b': target 1 holds NaN"):
        Dataset(np.zeros((2, 1)), {"a": [0.0, 1.0], "b": [0.0, np.nan]})


class Drawn:
    """Items that are made when they are wanted; it counts how often."""

    shape, dtype, digest = (10, 1, 2, 2), np.dtype(np.uint8), "drawn"

    def __init__(self):
        self.wanted: list[int] = []

    def __len__(self):
        return 10

    def __getitem__(self, index):
        rows = np.arange(10)[index]
        self.wanted += np.atleast_1d(rows).tolist()
        return np.broadcast_to(rows.astype(np.uint8)[..., None, None, None], (*rows.shape, 1, 2, 2))


def test_items_that_are_no_array_are_read_once_and_batch_by_batch():
    images = Drawn()
    data = Dataset(images, np.arange(10) % 2, ("a", "b"))
    assert data.images is images and data.image_shape == (1, 2, 2)
    assert repr(data) == "<Dataset 'data': 10 images 1×2×2 uint8, 2 classes>"
    train, test = data.split(0.3)
    assert data.digest and not images.wanted
    taken = [int(i) for x, _ in train.epoch(0, 0, 4) for i in x[:, 0, 0, 0]]
    assert images.wanted == taken and len({*taken}) == 7
    whole = cnn.data.parts.Parts(train, test).joined()
    assert sorted(whole.images[:][:, 0, 0, 0]) == list(range(10))
    assert whole.images[3][0, 0, 0] == whole.images[np.array([3])][0, 0, 0, 0]
    assert train.digest != test.digest and train[2:].images[0][0, 0, 0] == train.images[2][0, 0, 0]


def test_weights_of_classes_of_items_and_of_batches_train_alike():
    """To the same bits; and none is as if all were 1."""
    data = stripes()

    def trained(given: object, **options: object) -> cnn.Model:
        model = small()
        model.fit(given, epochs=1, seed=3, progress=False, **options)
        return model

    def batches():
        for images, labels in data.epoch(3, 0, 16):
            yield images, labels, np.where(np.asarray(labels) == 0, 3, 0.5)

    with pytest.raises(cnn.DataError, match=r"'balanced' or a dict .* found \[3, 0.5\]"):
        trained(data, class_weights=[3, 0.5])
    by_class = trained(data, batch_size=16, class_weights={"0": 3, 1: 0.5})
    each = np.where(data.labels == 0, 3, 0.5)
    assert same_bits(by_class, trained(data, batch_size=16, weights=each))
    assert same_bits(by_class, trained(cnn.data.stream(batches)))
    plain = trained(data, batch_size=16)
    assert not same_bits(by_class, plain)


def test_what_is_set_aside_is_measured_without_weights() -> None:
    images = np.random.default_rng(0).random((40, 1, 6, 6), np.float32)
    labels, counted = np.arange(40) % 2, np.arange(40) % 4 == 0
    image = cnn.input("image", (1, 6, 6))
    model = cnn.Model(image, cnn.dense(cnn.flatten(image), 2))
    metrics = {"own": cnn.metrics.F1(item_weights=True), "plain": cnn.metrics.F1()}
    row = model.fit(
        images, labels, weights=counted, validation=0.5, metrics=metrics, progress=False
    )[-1]
    assert row["own"] != row["plain"] and row["val_own"] == row["val_plain"]
