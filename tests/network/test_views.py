"""Test-time augmentation: means over views, against the same made in NumPy."""

from collections.abc import Callable

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.errors import DataError
from graphcnn.ir.node import Array

Scores = Callable[[Array], Array]


def classifier(last: str | None = None) -> cnn.Model:
    image = cnn.input("image", (2, 7, 6))
    x = cnn.conv2d(image, 5, 3, activation="relu")
    x = cnn.dense(cnn.flatten(cnn.max_pool2d(x, 2)), 4, name="logits")
    x = cnn.softmax(x) if last == "softmax" else x
    model = cnn.Model(image, x).initialize(3)
    model.normalisation = cnn.Normalisation((0.4, 0.5), (0.2, 0.3))
    return model


def pixels(n: int = 9) -> Array:
    return np.random.default_rng(0).integers(0, 256, (n, 2, 7, 6), np.uint8)


def mirror(net: Scores, x: Array) -> Array:
    """`infer_mirror` of K. Jordan's airbench94."""
    return 0.5 * net(x) + 0.5 * net(x[:, :, :, ::-1])


def translated(net: Scores, x: Array, plain: Scores | None = None) -> Array:
    """`infer_mirror_translate` of it; `net` gives the scores of a view."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="reflect")
    h, w = x.shape[2:]
    moved = [padded[:, :, :h, :w], padded[:, :, 2:, 2:]]
    return 0.5 * net(x) + 0.5 * (net(moved[0]) + net(moved[1])) / 2


def test_the_views_are_averaged_as_written_down() -> None:
    model, x = classifier(), pixels()
    wanted = {
        "flip": mirror(model.predict, x),
        "shift": translated(model.predict, x),
        "flip+shift": translated(lambda each: mirror(model.predict, each), x),
    }
    for tta, mean in wanted.items():
        found = model.predict(x, tta=tta)
        np.testing.assert_allclose(found, mean, rtol=2e-5, atol=2e-6)
        assert np.abs(found - model.predict(x)).max() > 0.01
        for threads in (1, 2):
            np.testing.assert_array_equal(model.predict(x, tta=tta, threads=threads), found)
        np.testing.assert_allclose(
            model.predict(x, tta=tta, batch_size=2), found, rtol=1e-5, atol=1e-6
        )
    np.testing.assert_array_equal(
        model.predict(x, tta="shift+flip"), model.predict(x, tta="flip+shift")
    )
    np.testing.assert_array_equal(model.predict(x), classifier().predict(x))


@pytest.mark.filterwarnings("ignore:model ends in softmax")
def test_scores_are_averaged_before_softmax_and_measured_so() -> None:
    model, raw, x = classifier("softmax"), classifier(), pixels(40)
    raw.loss = model.loss = "cross_entropy"
    scores = mirror(lambda each: raw.predict(each, raw=True), x)
    e = np.exp(scores - scores.max(1, keepdims=True))
    wanted = e / e.sum(1, keepdims=True)
    for each in (model, raw):
        np.testing.assert_allclose(each.predict(x, tta="flip"), wanted, rtol=1e-4, atol=1e-6)
    labels = np.random.default_rng(1).integers(0, 4, 40)
    loss = -np.log(wanted[np.arange(40), labels]).mean()
    for each in (raw, model):
        row = each.evaluate(x, labels, tta="flip", batch_size=16)
        assert row["accuracy"] == np.mean(wanted.argmax(1) == labels)
        assert row["loss"] == pytest.approx(loss, rel=1e-5)
    assert raw.evaluate(x, labels)["loss"] != pytest.approx(loss, rel=1e-5)


def test_scores_of_pixels_are_mirrored_back() -> None:
    model = cnn.models.unet(size=16, channels=(4, 8)).initialize(0)
    x = np.random.default_rng(0).random((3, 1, 16, 16), np.float32)
    wanted = 0.5 * (model.predict(x) + model.predict(x[..., ::-1])[..., ::-1])
    np.testing.assert_allclose(model.predict(x, tta="flip"), wanted, rtol=1e-4, atol=1e-6)
    with pytest.raises(DataError, match=r"tta='shift' moves images, and output 'logits' of unet"):
        model.predict(x, tta="shift")


def test_what_a_mean_over_views_has_no_meaning_for_is_refused() -> None:
    model = classifier()
    with pytest.raises(
        DataError, match=r"tta must be one of flip, shift, flip\+shift, found 'rot'"
    ):
        model.predict(pixels(), tta="rot")
    model.loss = "mse"
    with pytest.raises(DataError, match=r"is f32\[N,4\], and was trained with mse"):
        model.predict(pixels(), tta="flip")
    rows = cnn.input("x", (3,))
    with pytest.raises(DataError, match=r"tta is for models of one image .* takes x f32\[N,3\]"):
        cnn.Model(rows, cnn.dense(rows, 2)).predict(np.zeros((1, 3)), tta="flip")
    image = cnn.input("image", (1, 8, 8))
    maps = cnn.Model(image, cnn.conv2d(image, 3, 3, name="maps"))
    with pytest.raises(DataError, match=r"output 'maps' of model is f32\[N,3,6,6\]"):
        maps.evaluate(np.zeros((1, 1, 8, 8), np.uint8), np.zeros((1, 6, 6), int), tta="flip")


def test_a_fixed_batch_runs_in_pieces() -> None:
    model, x = classifier(), pixels()
    fixed = classifier()
    fixed.graph = fixed.graph.bind(N=2)
    np.testing.assert_allclose(
        fixed.predict(x, tta="flip"), model.predict(x, tta="flip"), rtol=1e-5, atol=1e-6
    )


def test_weights_that_are_replaced_are_those_of_the_next_prediction() -> None:
    """And the code is kept, as that of `predict`."""
    model, x = classifier(), pixels()
    first = model.predict(x, tta="flip")
    assert len(model._runners) == 1
    model.predict(x, tta="flip")
    assert len(model._runners) == 1
    model.initialize(8)
    again = model.predict(x, tta="flip")
    np.testing.assert_allclose(again, mirror(model.predict, x), rtol=2e-5, atol=2e-6)
    assert not np.allclose(first, again)
