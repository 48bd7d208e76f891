"""Images that a unit answers most: what they are made of, how they are found, when they are not."""

import re

import numpy as np
import pytest
from support.evaluate import run
from support.small_training import small

import graphcnn as cnn
from graphcnn.errors import LensError
from graphcnn.lens.synthesis.canvas import Canvas
from graphcnn.lens.synthesis.motion import Motion
from graphcnn.lens.synthesis.penalties import PENALTIES


def evaluate(value: cnn.Value) -> np.ndarray:
    return run([value], {})[0]


@pytest.mark.parametrize("kind", ["pixels", "dct"])
@pytest.mark.parametrize("channels", [1, 3])
def test_free_numbers_are_those_of_an_image(kind: str, channels: int) -> None:
    canvas = Canvas(kind, (channels, 6, 9))
    images = np.random.default_rng(0).random((2, channels, 6, 9), np.float32)
    numbers = canvas.numbers(images)
    again = evaluate(canvas.image(cnn.constant(numbers)))
    np.testing.assert_allclose(again, np.clip(images, 0.002, 0.998), atol=2e-5)
    starts = np.stack([canvas.noise(3, k) for k in range(400)])
    assert np.array_equal(starts[5], canvas.noise(3, 5)) and (starts[5] != starts[6]).all()
    pixels = evaluate(canvas.image(cnn.constant(starts))).astype(np.float64)
    assert np.log(pixels / (1 - pixels)).std() == pytest.approx(1.5, rel=0.05)


def test_an_image_is_moved_by_at_most_what_was_asked_for() -> None:
    x = np.random.default_rng(0).random((2, 3, 7, 9), np.float32)
    found = evaluate(Motion(jitter=2)(cnn.constant(x)))
    rows, columns = np.arange(7), np.arange(9)
    shifted = {
        (i, j): x[:, :, np.clip(rows + i, 0, 6)][..., np.clip(columns + j, 0, 8)]
        for i in range(-2, 3)
        for j in range(-2, 3)
    }
    assert sum(np.array_equal(found, y) for y in shifted.values()) == 1
    assert np.array_equal(evaluate(Motion()(cnn.constant(x))), x)
    i, j = np.mgrid[:21, :21].astype(np.float32) - 10
    ramps = np.stack([i, j])[None]  # where each pixel was read
    y, z = evaluate(Motion(turn=20, zoom=1.2)(cnn.constant(ramps)))[0, :, 6:15, 6:15]
    u, v = (g[6:15, 6:15] for g in (i, j))
    size, angle = np.hypot(y, z) / np.maximum(np.hypot(u, v), 1e-9), np.arctan2(z, y)
    turned = (angle - np.arctan2(v, u) + np.pi) % (2 * np.pi) - np.pi
    size, turned = np.delete(size, 40), np.delete(turned, 40)  # but for the middle
    assert np.ptp(size) < 1e-4 and 1 / 1.2 < size.mean() < 1.2 and abs(size.mean() - 1) > 1e-3
    assert np.ptp(turned) < 1e-4 and 1e-3 < abs(turned.mean()) < np.radians(20)


def test_motions_are_drawn_anew_at_every_step_and_have_a_gradient() -> None:
    x, image = cnn.parameter((1, 1, 8, 8), "zeros", name="x"), np.zeros((1, 1, 8, 8), np.float32)
    image[0, 0, 3, 4] = 1
    seen = Motion(jitter=2, turn=10, zoom=1.1)(x + image)
    found = cnn.minimise(cnn.sum(seen), x, cnn.SGD(1e-9), steps=12, watch={"seen": seen})
    frames = found.history["seen"].reshape(12, -1)
    assert len(np.unique(frames.round(3), axis=0)) == 12
    gradient = cnn.minimise(-cnn.sum(seen), x, cnn.SGD(1.0), steps=1).values[0]
    assert gradient.sum() == pytest.approx(64, rel=1e-3)  # every pixel seen is one of x


def test_penalties_are_their_formulas() -> None:
    x = np.random.default_rng(0).random((3, 2, 5, 6), np.float32)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), "edge")
    rows = (padded[:, :, :-2] + 2 * padded[:, :, 1:-1] + padded[:, :, 2:]) / 4
    blurred = (rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:]) / 4
    down, right = np.abs(np.diff(x, axis=2)), np.abs(np.diff(x, axis=3))
    expected = {
        "tv": down.mean((1, 2, 3)) + right.mean((1, 2, 3)),
        "l1": x.mean((1, 2, 3)),
        "l2": (x**2).mean((1, 2, 3)),
        "alpha": ((2 * x - 1) ** 6).mean((1, 2, 3)),
        "blur": ((x - blurred) ** 2).mean((1, 2, 3)),
    }
    assert expected.keys() == PENALTIES.keys()
    for name, formula in PENALTIES.items():
        np.testing.assert_allclose(evaluate(formula(cnn.constant(x))), expected[name], rtol=1e-5)


def test_same_seed_same_bytes_on_any_number_of_threads() -> None:
    model = small().initialize(1)
    model.normalisation = cnn.Normalisation((0.3,), (0.5,))
    found = [
        model.lens(threads=threads).maximise(
            "c1", steps=20, seed=4, jitter=1, turn=5, zoom=1.1, penalties={"tv": 0.1}
        )
        for threads in (1, 2)
    ]
    one, two = found
    assert all(one[name].tobytes() == two[name].tobytes() for name in one.arrays)
    assert one.svg() == two.svg() and "tv 0.1" in one.caption and "seed 4" in one.caption
    assert one["images"].min() >= 0 and one["images"].max() <= 1
    assert (one["scores"][-1] > one["scores"][0] + 0.1).all()
    values = model.activations(one["images"])["c1"]
    np.testing.assert_allclose(
        one["scores"][-1], values[range(4), range(4)].mean((1, 2)), rtol=1e-4, atol=1e-5
    )
    alone = model.lens().maximise(
        "c1", channel=2, steps=20, seed=4, jitter=1, turn=5, zoom=1.1, penalties={"tv": 0.1}
    )
    np.testing.assert_allclose(alone["images"][0], one["images"][2], atol=1e-4)
    other = model.lens().maximise("c1", channel=2, steps=20, seed=5)
    assert not np.allclose(alone["images"], other["images"], atol=0.1)


def test_what_is_answered_may_be_a_class_a_place_or_the_least() -> None:
    model = small().initialize(1)
    model.classes = ("across", "down")
    wrapped = cnn.Model(model.graph.inputs, cnn.softmax(model["logits"]), "wrapped")
    wrapped.classes = model.classes
    by_name = wrapped.lens().maximise(unit="down", steps=30)
    by_number = model.lens().maximise("logits", unit=1, steps=30)
    assert np.array_equal(by_name["images"], by_number["images"])
    assert "'down'" in by_name.caption and by_name["scores"][-1] > by_name["scores"][0] + 0.4
    place = model.lens().maximise("c1", channel=[0, 3], at=(2, 5), steps=40, jitter=0)
    far = np.abs(place["images"] - place["frames"][0])[..., :2, :].max()
    near = np.abs(place["images"] - place["frames"][0])[..., 2:5, 5:8].max((1, 2, 3))
    assert (near > 0.2).all() and far < near.min(), "the kernel reads rows 2 to 4 only"
    least = model.lens().maximise("c1", channel=0, negative=True, steps=30)
    assert least["scores"][-1] < least["scores"][0] - 0.1 and "least" in least.title
    with pytest.raises(LensError, match="0 to 3 among the 4 channels of 'c1'"):
        model.lens().maximise("c1", channel=4)
    with pytest.raises(LensError, match="'colour'"):
        model.lens().maximise("c1", penalties={"colour": 1})


def shut(bias: float) -> cnn.Model:
    """Its only unit answers images whose mean is more than -bias."""
    image = cnn.input("image", (1, 6, 6))
    x = cnn.conv2d(image, 1, 6, activation="relu", name="mean")
    y = cnn.dense(cnn.flatten(x), 1, name="out")
    model = cnn.Model(image, y).initialize(0)
    weights = {"mean.weight": np.full((1, 1, 6, 6), 1 / 36), "mean.bias": [bias]}
    model.set_parameters({**weights, "out.weight": [[1.0]], "out.bias": [0.0]})
    return model


def test_shut_rectifiers_are_passed_once_and_named_where_they_stay_shut() -> None:
    opened = shut(-0.8).lens().maximise("out", unit=0, steps=60, canvas="pixels")
    assert opened["scores"][-1] > 0.1 and opened["images"].mean() > 0.9
    assert re.search(r"shut: out\[0\] for (16|32|48|64) steps", opened.facts["redirected"])
    with pytest.raises(LensError, match=r"gradient ends at relu 'mean.relu', which lets nothing"):
        shut(-2.0).lens().maximise("out", unit=0, steps=60)
    half = cnn.Model(*_with_a_dead_channel())
    found = half.initialize(0).lens().maximise("two", steps=30)
    assert "two[1] at relu 'two.relu'" in found.facts["blocked"]
    assert found["scores"][-1, 0] > 0 and found["scores"][-1, 1] == 0


def _with_a_dead_channel() -> tuple[cnn.Value, cnn.Value]:
    image = cnn.input("image", (1, 6, 6))
    kernel = cnn.parameter((2, 1, 3, 3), np.array([1, -1]).reshape(2, 1, 1, 1) * np.ones((3, 3)))
    return image, cnn.conv2d(image, 2, 3, weight=kernel, bias=False, activation="relu", name="two")


def test_a_network_of_a_file_is_looked_into_like_ours(tmp_path) -> None:
    model = small().initialize(1)
    model.normalisation = cnn.Normalisation((0.3,), (0.5,))
    model.export_onnx(tmp_path / "small.onnx", verify=False)
    other = cnn.import_onnx(tmp_path / "small.onnx")
    ours, theirs = (m.lens().maximise(unit=1, steps=10, frames=1) for m in (model, other))
    np.testing.assert_allclose(ours["images"], theirs["images"], atol=1e-3)
