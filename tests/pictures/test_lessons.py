"""Worked examples: their numbers are those of the operators, and nothing lies over anything."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from pictures.checks import check_legible, check_picture, check_texts
from support.command_line import done

import graphcnn as cnn
from graphcnn.errors import GraphError
from graphcnn.models import build
from graphcnn.passes.simplify.conv_to_dense import dense_equivalent
from graphcnn.pictures.scene.colors import SHARES
from graphcnn.pictures.scene.scene import Rect


def one_layer(
    channels: int, size: int, maps: int, kernel: int, name: str = "C1", **options: int
) -> cnn.Model:
    x = cnn.input("x", (channels, size, size))
    y = cnn.conv2d(x, maps, kernel, bias=False, name=name, **options)
    model = cnn.Model(x, y, name="one")
    model.initialize(0)
    return model


FORMS = {
    "small": lambda: one_layer(1, 5, 1, 3),
    "strided": lambda: one_layer(1, 5, 1, 3, stride=2, padding=1),
    "blocks": lambda: one_layer(2, 4, 2, 3, padding=1),
    "grouped": lambda: one_layer(4, 9, 4, 3, groups=2),
    "large": lambda: one_layer(1, 16, 1, 11),
    "lenet5": lambda: build("lenet5").initialize(0),
}


@pytest.mark.parametrize("name", FORMS)
def test_the_dense_form_of_a_convolution(name: str) -> None:
    model = FORMS[name]()
    layer = "C3" if name == "lenet5" else "C1"
    found = model.lens().dense_form(layer)
    picture = found.picture
    check_picture(picture)
    check_texts(picture.scene)
    check_legible(picture.scene, least=6.6)  # an 11×11 kernel is wider than a page
    node = model.value(layer, activated=False).node
    counts = dense_equivalent(node)
    kernel = model.states[f"{layer}.weight"].ravel()
    taps, kept = found["taps"], found["taps"] >= 0
    np.testing.assert_array_equal(found["weights"][kept], kernel[taps[kept]])
    assert not found["weights"][~kept].any()
    removed = counts.weights - counts.nonzero
    assert (
        f"{counts.weights:,} weights: {removed:,} removed, the other {counts.nonzero:,} share "
        f"{counts.parameters:,}" in picture.text()
    )
    # As many squares of a weight's paint as the part has places of that weight, one paint each.
    rows = [g for g in picture.scene.groups("card") if g.key.startswith("row")]
    paints = [i.paint for row in rows for i in row.items if isinstance(i, Rect)]
    counted = sorted(Counter(taps[kept].tolist()).values())
    told_apart = len(counted) <= SHARES
    assert (sorted(Counter(paints).values()) == counted) == told_apart
    assert len(paints) == kept.sum()
    whole = taps.size == counts.weights
    assert whole == (name in ("small", "strided", "blocks"))
    assert whole == ("shown:" not in "".join(picture.scene.footer))


def test_the_counts_of_a_small_dense_form() -> None:
    text = FORMS["small"]().lens().dense_form("C1").picture.text()
    assert "225 weights: 144 removed, the other 81 share 9" in text


def test_what_has_no_dense_form() -> None:
    model = build("lenet5")
    with pytest.raises(GraphError, match="dense has no dense equivalent here, only conv2d has"):
        model.lens().dense_form("F6")


def test_the_command_draws_it(tmp_path: Path) -> None:
    path = tmp_path / "dense.svg"
    done("lesson", "dense", "--stride", 2, "--padding", 1, "-o", path)
    model = one_layer(1, 5, 1, 3, "conv", stride=2, padding=1)
    assert path.read_text() == model.lens().dense_form("conv").svg()
