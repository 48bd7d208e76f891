"""Worked examples: their numbers are those of the operators, and nothing lies over anything."""

import numpy as np
import pytest
from pictures.checks import check_picture, check_texts

import graphcnn as cnn
from graphcnn.models import build
from graphcnn.passes.simplify.conv_to_dense import dense_equivalent
from graphcnn.passes.simplify.dense_part import dense_part
from graphcnn.pictures.lessons.shared_weights import SharedWeights, shared_weights_picture


def dense_form(model: cnn.Model, layer: str) -> SharedWeights:
    node = next(n for n in model.graph.nodes if n.name == layer)
    kernel = np.asarray(model.states[node.inputs[1].node.name])
    part, counts = dense_part(node, kernel), dense_equivalent(node)
    return SharedWeights(
        layer, "as it is", kernel, node.inputs[0].shape[1:], node.output.shape[1:],
        part.outputs, part.inputs, part.taps, counts.parameters, counts.weights, counts.nonzero,
    )  # fmt: skip


def one_layer(channels: int, size: int, maps: int, kernel: int, **options: int) -> cnn.Model:
    x = cnn.input("x", (channels, size, size))
    y = cnn.conv2d(x, maps, kernel, bias=False, name="C1", **options)
    model = cnn.Model(x, y, name="one")
    model.initialize(0)
    return model


FORMS = {
    "small": lambda: one_layer(1, 5, 1, 3),
    "strided": lambda: one_layer(1, 5, 1, 3, stride=2, padding=1),
    "blocks": lambda: one_layer(2, 4, 2, 3, padding=1),
    "grouped": lambda: one_layer(4, 9, 4, 3, groups=2),
    "large": lambda: one_layer(1, 16, 1, 11),
    "lenet5": lambda: build("lenet5"),
}


@pytest.mark.parametrize("name", FORMS)
def test_the_dense_form_of_a_convolution(name: str) -> None:
    model = FORMS[name]()
    if name == "lenet5":
        model.initialize(0)
    form = dense_form(model, "C3" if name == "lenet5" else "C1")
    picture = shared_weights_picture(form)
    check_picture(picture)
    check_texts(picture.scene)
    assert f"{form.weights:,} weights" in picture.text()
    # As many squares of a weight's paint as the part has places of that weight.
    rows = [g for g in picture.scene.groups("card") if g.key.startswith("row")]
    paints = [i.paint for row in rows for i in row.items if hasattr(i, "box")]
    taps = [int(t) for t in form.taps.ravel() if t >= 0]
    assert sorted(paints) == sorted(form.paint(t) for t in taps)
    if form.is_told_apart:
        assert len(set(paints)) == len(set(taps))
    assert form.is_whole == (name in ("small", "strided", "blocks"))
    assert form.is_whole == ("shown:" not in "".join(picture.scene.footer))


def test_the_counts_of_a_small_dense_form() -> None:
    picture = shared_weights_picture(dense_form(FORMS["small"](), "C1"))
    assert "225 weights: 144 removed, the other 81 share 9" in picture.text()
