"""Fields: the box is what changes when pixels do, the heat is by how much."""

import numpy as np
import pytest
from pictures.checks import check_picture, words

import graphcnn as cnn
from graphcnn.models import MODELS


def positive() -> cnn.Model:
    """Linear, every weight above 0: what a pixel can change, it changes."""
    image = cnn.input("image", (2, 9, 11))
    x = cnn.conv2d(image, 3, 3, stride=2, padding=(1, 0), name="first")
    x = cnn.avg_pool2d(x, 2, stride=1, name="pool")
    x = cnn.conv2d(x, 4, (1, 2), dilation=(1, 2), name="second")
    model = cnn.Model(image, cnn.dense(cnn.flatten(x), 2, name="out")).initialize(0)
    model.set_parameters({k: np.abs(a) + 0.1 for k, a in model.parameters.items()})
    return model


def answers(model: cnn.Model, layer: str, row: int, column: int, channel: int = 0) -> np.ndarray:
    """By how much a layer changes, (C, H, W), when one pixel of a black image becomes 1."""
    x = np.zeros((2, 9, 11), np.float32)
    before = model.activations(x)[layer][0]
    x[channel, row, column] = 1
    return model.activations(x)[layer][0] - before


def test_the_heat_is_the_derivative_by_each_pixel() -> None:
    model = positive()
    found = model.lens().field("second", at=(1, 0), channel=2, samples=3)
    expected = np.zeros((9, 11))
    for row in range(9):
        for column in range(11):
            each = [answers(model, "second", row, column, c)[2, 1, 0] for c in range(2)]
            expected[row, column] = np.sqrt(sum(float(v) ** 2 for v in each))
    assert np.allclose(found["heat"], expected, atol=1e-4)
    top, left, bottom, right = found["box"]
    inside = np.zeros((9, 11), bool)
    inside[top:bottom, left:right] = True
    assert not expected[~inside].any() and "exact" in found.facts["field"]
    # Over random signs of all channels, what all of them make together.
    every = model.lens().field("second", at=(1, 0), samples=600)
    squares = np.zeros((9, 11))
    for row, column in np.argwhere(inside):
        squares[row, column] = sum(
            (answers(model, "second", row, column, c)[:, 1, 0] ** 2).sum() for c in range(2)
        )
    assert np.allclose(every["heat"], np.sqrt(squares), rtol=0.08)


def test_a_pixel_reaches_what_changes_with_it() -> None:
    model = positive()
    for pixel in ((0, 0), (4, 5), (8, 10), (3, 9)):
        found = model.lens().field("second", pixel=pixel, samples=1)
        for layer, (top, left, bottom, right) in zip(found["layers"], found["reach"], strict=True):
            if layer == "out":
                continue
            changed = (answers(model, str(layer), *pixel) != 0).any(0)
            box = np.zeros_like(changed)
            box[top:bottom, left:right] = True
            assert not changed[~box].any(), f"{layer}: more than was said changes with {pixel}"
            if layer != "second":  # between the two columns of its dilated kernel lies a gap
                assert changed[box].all(), f"{layer}: less than was said changes with {pixel}"


def test_lenet5_sees_what_its_table_says() -> None:
    lens = MODELS["lenet5"]().initialize(0).lens()
    found = lens.field("C3", at=(4, 4))
    assert found["box"].tolist() == [6, 6, 20, 20]
    sizes = dict(zip(found["layers"].tolist(), found["size"].tolist(), strict=True))
    assert sizes["C1"] == [5, 5] and sizes["S4"] == [16, 16] and sizes["C5"] == [28, 28]
    assert lens.field("C3", at=(0, 0))["box"].tolist() == [0, 0, 12, 12]  # 2 of padding
    check_picture(found.picture)
    picture = lens.field("C5").picture
    check_picture(picture)
    assert not any("…" in line for line in words(picture.scene)), "all is written out"


def test_any_number_of_threads_gives_the_same_bytes() -> None:
    model = MODELS["digits_cnn"]().initialize(0)
    one, two = (model.lens(threads=t).field("conv2", samples=9, seed=4).svg() for t in (1, 2))
    assert one == two


def test_a_field_that_is_none_is_refused() -> None:
    model = MODELS["lenet5"]().initialize(0)
    with pytest.raises(cnn.LensError, match=r"image of 28×28 pixels, found \(28, 0\)"):
        model.lens().field("C3", pixel=(28, 0))
    with pytest.raises(cnn.LensError, match=r"in the 10×10 maps of 'C3', found \(10, 0\)"):
        model.lens().field("C3", at=(10, 0))
    model.set_parameters({"C1.bias": np.full(6, -99, np.float32)})
    with pytest.raises(cnn.LensError, match=r"for 'C3' at \(4, 4\): every path to it is blocked"):
        model.lens().field("C3", at=(4, 4))
