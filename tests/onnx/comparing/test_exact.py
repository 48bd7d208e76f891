"""The exact result and its spread, operator by operator; and decisions on floats."""

import numpy as np
import pytest
from samples import all_samples

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import build
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.onnx.comparing.decisions import explained, needed, points
from graphcnn.onnx.comparing.exact import Exact
from graphcnn.onnx.comparing.judge import ALL, Judge, Side
from graphcnn.onnx.comparing.yardstick import FAR
from graphcnn.ops.elementwise import Round
from graphcnn.ops.reduce import ArgMax
from graphcnn.runtime.reference import Reference

#: Operators that only stand in graphs that are no models, and random ones.
LEFT = {"fused", "relayout", "placed", "random_uniform", "dropout"}


def graph_of(sample):
    """A graph of one operator in float32, and what it is fed."""
    arrays = sample.arrays(np.float32)
    types = [TensorType(a.shape, DType.of(a.dtype)) for a in arrays]
    inputs = [Input(f"x{i}", t)() for i, t in enumerate(types)]
    node = build(sample.op, inputs)
    outputs = {f"y{i}": v for i, v in enumerate(node.outputs)}
    return Graph.of(inputs, outputs), {f"x{i}": a for i, a in enumerate(arrays)}


@pytest.mark.parametrize("name", sorted({s.op.name for s in all_samples()} - LEFT))
def test_the_reference_is_within_float32_of_the_exact_result(name):
    for sample in [s for s in all_samples() if s.op.name == name][:4]:
        graph, feeds = graph_of(sample)
        with np.errstate(all="ignore"):
            ours, _ = Reference(graph).run(feeds, {})
        judge = Judge(Exact(graph, feeds, {}))
        seen = judge.points([v for node in graph.nodes for v in node.outputs])
        keys = {v: key for key, v in graph.outputs.items()}
        side = Side("reference", ours, {p.value: ours[keys[p.value]] for p in seen})
        for found in judge.judge(side, seen):
            assert found.right, (sample.label, found)


def decision(op, array):
    """The point of a graph with one decision, on what a multiplication by 1 rounds."""
    x = Input("x", TensorType(array.shape))()
    y = op(x * 1.0)
    exact = Exact(Graph.of([x], {"y": y}), {"x": array}, {})
    (point,) = points(exact.graph, [y])
    spreads = exact.measure(sorted(needed([point]), key=lambda v: v.node.name), {}, ALL)
    numbers = {v: s.exact for v, s in spreads.items()}
    return point, numbers, lambda v: FAR * spreads[v].scale()


def test_a_rounding_is_explained_where_it_is_near_its_boundary():
    x = np.array([2.5000002, 2.4, 7.0, -3.4999998], np.float32)
    point, exact, near = decision(Round(), x)
    for taken, wrong in (
        ([3, 2, 7, -3], 0),
        ([2, 2, 7, -4], 0),
        ([3, 3, 7, -3], 1),
        ([3, 2, 8, -5], 2),
    ):
        found = explained(point, np.array(taken, np.float32), exact, near)
        assert found.wrong == wrong and found.right == (wrong == 0), taken


def test_a_place_is_explained_where_it_holds_nearly_the_largest():
    x = np.array([[1.0, 5.0, 4.9999995, 2.0], [0.0, 1.0, 3.0, 2.9]], np.float32)
    point, exact, near = decision(ArgMax(1), x)
    for taken, wrong in (([1, 2], 0), ([2, 2], 0), ([0, 2], 1), ([1, 3], 1), ([7, -1], 2)):
        assert explained(point, np.array(taken), exact, near).wrong == wrong, taken
