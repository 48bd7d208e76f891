"""Evaluate a graph by its definition: every node's `op.evaluate`, in order. The oracle of tests."""

from collections.abc import Mapping

import numpy as np

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Value
from graphcnn.ir.sources import Input, State

Arrays = Mapping[str, Array]


def evaluate(
    graph: Graph, feeds: Arrays | None = None, states: Arrays | None = None
) -> dict[str, Array]:
    """The outputs, by name, of a bound graph: inputs and states are given by key."""
    values = all_values(graph, feeds or {}, states or {})
    return {key: values[v] for key, v in graph.outputs.items()}


def evaluate_updates(
    graph: Graph, feeds: Arrays | None = None, states: Arrays | None = None
) -> dict[str, Array]:
    """The new values of the states that the graph updates, by key."""
    values = all_values(graph, feeds or {}, states or {})
    return {state.node.op.key: values[v] for state, v in graph.updates.items()}


def all_values(graph: Graph, feeds: Arrays, states: Arrays) -> dict[Value, Array]:
    """The array of every value of a bound graph."""
    values: dict[Value, Array] = {}
    for node in graph.nodes:
        if isinstance(node.op, Input):
            found = feeds[node.op.key]
        elif isinstance(node.op, State):
            found = states[node.op.key]
        else:
            found = node.op.evaluate(*(values[v] for v in node.inputs))
        results = found if isinstance(found, tuple) else (found,)
        for value, array in zip(node.outputs, results, strict=True):
            values[value] = np.asarray(array)
            assert values[value].shape == value.shape, f"{node!r}: {values[value].shape}"
            assert values[value].dtype == value.dtype.numpy, f"{node!r}: {values[value].dtype}"
    return values
