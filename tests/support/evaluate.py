"""The oracle of tests for whole graphs: `graphcnn.testing.definition`, with what is fed by name."""

from collections.abc import Mapping

import numpy as np

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Value
from graphcnn.ir.sources import Input, State
from graphcnn.testing.definition import arrays_of, run

__all__ = ["all_values", "arrays_of", "evaluate", "evaluate_updates", "run"]

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
    given = {Input: feeds, State: states}
    sources = [n for n in graph.nodes if isinstance(n.op, Input | State)]
    known = {n.output: given[type(n.op)][n.op.key] for n in sources}
    for value, array in known.items():
        found = np.asarray(array)
        assert (found.shape, found.dtype) == (value.shape, value.dtype.numpy), f"{value!r}"
    return arrays_of((v for n in graph.nodes for v in n.outputs), known)
