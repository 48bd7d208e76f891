"""A part of the dense weight of a convolution is that part of the whole."""

import numpy as np
import pytest
from rewrites import graph_of
from support.evaluate import all_values

from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph
from graphcnn.models import build
from graphcnn.ops.activation import Relu
from graphcnn.ops.conv import Conv2d
from graphcnn.passes.simplify.conv_to_dense import ConvToDense, dense_equivalent
from graphcnn.passes.simplify.dense_part import dense_part

CASES = {
    "whole": (Conv2d(), (1, 1, 5, 5), (1, 1, 3, 3)),
    "strided": (Conv2d(stride=(2, 1), padding=(1, 0, 2, 1)), (1, 3, 9, 8), (4, 3, 3, 2)),
    "flipped": (Conv2d(dilation=(2, 2), flip_kernel=True), (1, 2, 9, 9), (3, 2, 2, 3)),
    "grouped": (Conv2d(groups=2, padding=(1, 1, 1, 1)), (1, 4, 8, 7), (6, 2, 3, 3)),
    "depthwise": (Conv2d(groups=3, padding=(1, 1, 1, 1)), (1, 3, 8, 8), (3, 1, 3, 3)),
    "wide": (Conv2d(), (1, 1, 12, 12), (2, 1, 11, 11)),
    "padding only": (Conv2d(padding=(3, 3, 3, 3)), (1, 1, 6, 6), (1, 1, 2, 2)),
}


@pytest.mark.parametrize("name", CASES)
def test_a_part_is_that_of_the_whole_matrix(name: str) -> None:
    op, x, w = CASES[name]

    def conv(**shapes: tuple[int, ...]) -> Graph:
        return graph_of(lambda x, w: op(x, w, name="C1"), **shapes)

    graph = conv(x=x, w=w)
    kernel = np.random.default_rng(0).normal(size=w)
    part = dense_part(graph.outputs["result"].node, kernel)
    after = ConvToDense()(graph)
    (dense,) = (n for n in after.nodes if n.op.name == "dense")
    states = {"x": np.zeros(x), "w": kernel}
    whole = all_values(after, states, states)[dense.inputs[1]]
    out = graph.outputs["result"].shape[1:]
    rows = [np.ravel_multi_index(place, out) for place in part.outputs]
    columns = [np.ravel_multi_index(place, x[1:]) for place in part.inputs]
    np.testing.assert_array_equal(part.weights, whole[np.ix_(rows, columns)])
    kept = part.taps >= 0
    np.testing.assert_array_equal(part.weights[kept], kernel.ravel()[part.taps[kept]])
    assert (part.weights[~kept] == 0).all()
    # What was left out of the channels shown is removed in these rows.
    channels = {c for c, _, _ in part.inputs}
    others = [
        i for i, c in enumerate(np.indices(x[1:])[0].ravel()) if c in channels and i not in columns
    ]
    assert (whole[np.ix_(rows, others)] == 0).all()


def test_a_part_of_a_large_layer_is_small() -> None:
    model = build("resnet18")
    model.initialize(0)
    for node in (n for n in model.graph.nodes if n.op.name == "conv2d"):
        kernel = model.states[node.inputs[1].node.name]
        part = dense_part(node, kernel)
        assert part.weights.shape[0] <= 50 and part.weights.shape[1] <= 75
        assert dense_equivalent(node).weights > part.weights.size


def test_what_has_no_part() -> None:
    graph = graph_of(lambda x, w: Conv2d()(x, w, name="C1"), x=(1, 1, 4, 4), w=(1, 1, 2, 2))
    with pytest.raises(GraphError, match="found an array of shape"):
        dense_part(graph.outputs["result"].node, np.zeros((1, 1, 3, 3)))
    with pytest.raises(GraphError, match="relu has no dense equivalent"):
        dense_part(graph_of(lambda x: Relu()(x), x=(1, 2)).outputs["result"].node, np.zeros((1, 1)))
