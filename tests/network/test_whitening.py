"""`whiten`: a kernel that makes patches white, the same for all ways to give the same images."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import graphcnn as cnn
from graphcnn.errors import DataError, GraphError
from graphcnn.network.whitening import eigen

RNG = np.random.default_rng(0)
#: Neighbours resemble each other, channels too.
SMOOTH = RNG.normal(size=(200, 1, 12, 12)).cumsum(2).cumsum(3) + RNG.normal(size=(200, 3, 12, 12))
IMAGES = np.clip(SMOOTH * 12 + 128, 0, 255).astype(np.uint8)
LABELS = np.zeros(200, np.int64)
MEAN = cnn.Normalisation((0.4, 0.5, 0.6), (0.2, 0.3, 0.25))


def model(filters: int = 24, channels: int = 3, **options: object) -> cnn.Model:
    image = cnn.input("image", (channels, 12, 12))
    x = cnn.conv2d(image, filters, 2, name="white", **options)  # type: ignore[arg-type]
    x = cnn.conv2d(cnn.relu(x), 4, 3, name="next")
    return cnn.Model(image, cnn.dense(cnn.flatten(x), 2)).initialize(0)


def test_patches_are_white_and_both_signs_come() -> None:
    """By the network itself, whose filters are turned or not; half of the values are given."""
    for options in ({}, {"flip_kernel": True}):
        net = model(**options)
        values = cnn.whiten(
            net, "white", cnn.data.Dataset(IMAGES, LABELS, normalisation=MEAN), epsilon=0
        )
        assert net.normalisation == MEAN and values == sorted(values, reverse=True)
        seen = cnn.Model(net.graph.inputs[0], net["white"]).predict(IMAGES)
        np.testing.assert_array_equal(seen[:, :12], -seen[:, 12:])
        flat = seen[:, :12].transpose(1, 0, 2, 3).reshape(12, -1).astype(np.float64)
        np.testing.assert_allclose(flat @ flat.T / flat.shape[1], np.eye(12), atol=2e-4)
    net = model(filters=6)
    np.testing.assert_array_equal(cnn.whiten(net, "white", IMAGES[:, :, :9]),
                                  cnn.whiten(model(), "white", IMAGES[:, :, :9])[:3])  # fmt: skip


def test_moments_are_those_of_numpy_for_bytes_and_floats() -> None:
    net, beside = model(), model()
    net.normalisation = beside.normalisation = MEAN
    values = cnn.whiten(net, "white", IMAGES)
    floats = (IMAGES / np.float32(255)).astype(np.float32)
    np.testing.assert_allclose(cnn.whiten(beside, "white", floats), values, 1e-6)
    patches = sliding_window_view(np.asarray(MEAN.apply(IMAGES), np.float64), (2, 2), axis=(2, 3))
    x = patches.transpose(0, 2, 3, 1, 4, 5).reshape(-1, 12)
    wanted, vectors = np.linalg.eigh(x.T @ x / len(x))
    np.testing.assert_allclose(values, wanted[::-1], 1e-5)
    found = net.parameters["white.weight"][:12].reshape(12, 12).astype(np.float64)
    signs = np.sign(found[np.arange(12), np.abs(found).argmax(1)])
    assert (signs == 1).all()
    wanted_filters = vectors.T[::-1] / np.sqrt(wanted[::-1] + 5e-4)[:, None]
    np.testing.assert_allclose(np.abs(found @ wanted_filters.T), np.diag(1 / (wanted[::-1] + 5e-4)),
                               atol=2e-2)  # fmt: skip


def test_grey_images_and_equal_eigenvalues() -> None:
    grey = cnn.whiten(model(filters=8, channels=1), "white", IMAGES[:, :1])
    assert len(grey) == 4 and min(grey) > 0
    values, vectors = eigen(np.diag([1.0, 3.0, 3.0, 0.0]))
    assert list(values) == [3.0, 3.0, 1.0, 0.0]
    np.testing.assert_array_equal(vectors, np.eye(4)[[1, 2, 0, 3]])
    symmetric = (lambda a: a @ a.T)(RNG.normal(size=(27, 40)))
    values, vectors = eigen(symmetric)
    np.testing.assert_allclose(vectors.T * values @ vectors, symmetric, atol=1e-12)
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(27), atol=1e-13)


def test_what_cannot_be_whitened_is_told() -> None:
    shared = cnn.input("image", (3, 12, 12))
    twice = cnn.conv2d(shared, 24, 2, weight=cnn.parameter((24, 3, 2, 2)) * 2.0, name="white")
    for net, name, images, error, words in (
        (model(), "whit", IMAGES, GraphError, "unknown convolution 'whit'; did you mean 'white'"),
        (model(), "next", IMAGES, GraphError, "'next' does not see the images themselves, but"),
        (cnn.Model(shared, twice), "white", IMAGES, GraphError, "is computed, and cannot be set"),
        (model(26), "white", IMAGES, GraphError, r"at most 2·3·2·2 = 24, found 26 in 1"),
        (model(9), "white", IMAGES, GraphError, "even number of filters in one group"),
        (model(), "white", IMAGES[:0], DataError, "no images"),
        (model(), "white", IMAGES[:, :2], DataError, r"images must be \(n, 3, height, width\)"),
        (model(), "white", np.zeros((4, 3, 12, 12)), DataError, "the images are constant"),
        (model(), "white", np.full((4, 3, 12, 12), np.nan), DataError, "nan|NaN"),
    ):
        before = dict(net.initialize(0).parameters)
        with pytest.raises(error, match=words):
            cnn.whiten(net, name, images)
        assert all(np.array_equal(before[key], x) for key, x in net.parameters.items())
