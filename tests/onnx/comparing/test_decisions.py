"""Which values show the decisions of a graph."""

import numpy as np

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Value, constant_of
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import N, TensorType
from graphcnn.onnx.comparing.decisions import points
from graphcnn.ops.comparison import Less, Where
from graphcnn.ops.elementwise import Floor


def shown(y: Value) -> list[Value]:
    """What the decisions are seen at, where only y can be seen."""
    graph = Graph.of([v for v in (X, Z)], {"y": y})
    return [p.value for p in points(graph, {graph.outputs["y"]})]


X, Z = (Input(name, TensorType((N, 4)))() for name in "xz")
ZERO = constant_of(np.float32(0))


def test_a_choice_between_computed_floats_shows_no_decision():
    """Its own numbers are rounded, so they differ from the exact ones where nothing is decided
    otherwise: a PReLU in a network."""
    computed = X * Z
    assert not shown(Where()(Less()(computed, ZERO), computed * constant_of(0.25), computed))
    assert not shown(computed - Floor()(computed))


def test_a_choice_between_given_numbers_shows_it():
    computed = X * Z
    y = Where()(Less()(computed, ZERO), constant_of(0.25), X)
    assert shown(y) == [y]
    y = Floor()(computed) * constant_of(0.5) + X
    assert shown(y) == [y]
