"""Of colours, which are drawn one after the other, the order is proven on the graph."""

from functools import partial

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.generative.graphs import all_pixels
from graphcnn.generative.noise import uniforms
from graphcnn.generative.pixels import check_order, fed
from graphcnn.ir.node import Value
from graphcnn.passes.streaming.colours import check_colours
from graphcnn.passes.streaming.lines import CannotStreamError

H, W = 4, 5
masked = partial(cnn.conv2d, mask_groups=3, padding=1)


def model_of(layers) -> cnn.Model:
    image = cnn.input("image", (3, H, W))
    model = cnn.Model(image, {"logits": layers(image)}, name="colours").initialize(1)
    rng = np.random.default_rng(5)
    model.set_parameters(
        {k: rng.normal(size=v.shape).astype("f4") for k, v in model.parameters.items()}
    )
    model.sampler = cnn.samplers.Pixels()
    return model


def first(image: Value, out: int = 6) -> Value:
    return masked(image, out, 3, mask="A", name="first")


def all_masked(image: Value) -> Value:
    x = cnn.tanh(first(image))
    x = x + masked(x, 6, 3, mask="B", name="second")
    return cnn.conv2d(x, 3, 1, mask="B", mask_groups=3, name="last")


def cut_and_joined(image: Value) -> Value:
    """The colours apart, halved, each half elsewhere, and in their order again."""
    red, green, blue = cnn.split(first(image, 12), 3)
    halves = [h for x in (red, green, blue) for h in cnn.split(x, 2)]
    x = cnn.concat([cnn.tanh(a) * b for a, b in zip(halves[::2], halves[1::2], strict=True)])
    return cnn.conv2d(x, 3, 1, mask="B", mask_groups=3, name="last")


def grouped(image: Value) -> Value:
    x = cnn.conv2d(first(image), 6, 1, groups=3, name="each")
    x = cnn.batch_norm(cnn.conv2d(x, 12, 1, groups=6, name="depthwise"), name="bn")
    return cnn.conv2d(x, 3, 1, mask="B", mask_groups=3, name="last")


def from_above(image: Value) -> Value:
    """What is above may go into all colours, and what is left of a pixel."""
    above = cnn.conv2d(image, 6, (2, 3), padding=(1, 0, 1, 1), name="above")
    above = cnn.pad2d(above, (1, 0, 0, 0))[:, :, :H]
    left = cnn.softmax(cnn.pad2d(image, (0, 0, 1, 0))[:, :, :, :W], axis=1)
    x = cnn.concat([first(image), above, left], axis=1)
    red, green, blue = (cnn.concat([x[:, 2 * c : 2 * c + 2], x[:, 6:]]) for c in range(3))
    each = [cnn.conv2d(v, 1, 1, name=f"last{c}") for c, v in enumerate((red, green, blue))]
    return cnn.concat(each)


def unmasked(image: Value) -> Value:
    return cnn.conv2d(cnn.relu(first(image)), 3, 3, padding=1, mask="B", name="second")


def blue_goes_first(image: Value) -> Value:
    x = first(image)
    x = cnn.concat([x[:, 4:], x[:, :4]])
    return cnn.conv2d(x, 3, 1, mask="B", mask_groups=3, name="last")


def sees_itself(image: Value) -> Value:
    x = masked(image, 6, 3, mask="B", name="first")
    return cnn.conv2d(x, 3, 1, mask="B", mask_groups=3, name="last")


def over_channels(image: Value) -> Value:
    x = cnn.softmax(first(image), axis=1)
    return cnn.conv2d(x, 3, 1, mask="B", mask_groups=3, name="last")


def across(image: Value) -> Value:
    x = cnn.pad2d(first(image), (0, 0, 1, 0))[:, :, :, :W]  # of the pixel to the left
    x = cnn.pad2d(cnn.conv2d(x, 6, 1, name="mixed"), (0, 0, 0, 1))[:, :, :, 1:]  # and back
    return cnn.conv2d(x, 3, 1, mask="B", mask_groups=3, name="last")


IN_ORDER = [all_masked, cut_and_joined, grouped, from_above]
WRONG = [
    (unmasked, "conv2d 'second'"),
    (blue_goes_first, "slice '[^']*'"),
    (sees_itself, "conv2d 'first'"),
    (over_channels, "softmax '[^']*'"),
]


def by_trying(model: cnn.Model) -> None:
    graph = all_pixels(model.graph, model.sampler)
    feeds = fed(uniforms(3, 0, 1, (3, H, W)), 1.0, {})
    runner = cnn.Model(graph.inputs, graph.outputs).runner(runtime="reference")
    check_order(runner, model.states.snapshot(), model.sampler, feeds, model.name)


def by_proof(model: cnn.Model) -> None:
    check_colours(model.graph.inputs[0], model.graph.outputs["logits"])


@pytest.mark.parametrize("layers", IN_ORDER)
def test_what_is_in_order_is_proven(layers):
    model = model_of(layers)
    by_trying(model)
    by_proof(model)
    assert model.sample(3).shape == (3, 3, H, W)


@pytest.mark.parametrize(("layers", "name"), WRONG)
def test_a_colour_that_is_seen_too_early_is_told_by_its_node(layers, name):
    model = model_of(layers)
    with pytest.raises(cnn.GraphError, match=r"depends on channel"):
        by_trying(model)
    says = rf"{name} .*channel 0 depends on channel 0 of the same pixel.*groups=3"
    with pytest.raises(cnn.GraphError, match=says):
        by_proof(model)
    with pytest.raises(cnn.GraphError, match=says):
        model.sample(1)


def test_the_places_count_that_a_way_goes_back():
    model = model_of(across)
    with pytest.raises(cnn.GraphError, match=r"conv2d 'mixed' .*channel 0 depends on channel 0"):
        by_proof(model)
    with pytest.raises(cnn.GraphError, match=r"slice '[^']*' .* reads a column that is not drawn"):
        model.sample(1)


def test_what_is_not_known_to_keep_colours_apart_is_tried():
    def layers(image: Value) -> Value:
        x = first(image)
        x = cnn.transpose(cnn.transpose(x, (0, 2, 3, 1)), (0, 3, 1, 2))
        return cnn.conv2d(x, 3, 1, mask="B", mask_groups=3, name="last")

    model = model_of(layers)
    with pytest.raises(CannotStreamError, match=r"transpose .* keep colours apart"):
        by_proof(model)
    with pytest.warns(cnn.GraphCnnWarning, match="a whole forward pass"):
        assert model.sample(1).shape == (1, 3, H, W)
