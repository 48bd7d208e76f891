"""The oracle of tests: graphs by their definition, every node's `op.evaluate`, in order.

It shares nothing with `graphcnn.ir.evaluate`, which the reference runtime is made of and which is
compared with it: it keeps every array, frees none, and insists on the type that each node promised.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from graphcnn.ir.graph import Graph, topological_order
from graphcnn.ir.node import Array, Value
from graphcnn.ir.sources import Input, State

Arrays = Mapping[str, Array]


def arrays_of(
    values: Iterable[Value], known: Mapping[Value, Any], n: int = 1
) -> dict[Value, Array]:
    """The arrays of `values` and of all they depend on, at batch size `n`, given some of them."""
    arrays = {v: np.asarray(a, v.dtype.numpy) for v, a in known.items()}
    for node in topological_order(v.node for v in values):
        if node.output in arrays:
            continue
        found = node.op.bind(n).evaluate(*(arrays[v] for v in node.inputs))
        results = found if isinstance(found, tuple) else (found,)
        for value, result in zip(node.outputs, results, strict=True):
            array = np.asarray(result)
            assert array.shape == value.type.bind(n).shape, f"{node!r}: {array.shape}, {value.type}"
            assert array.dtype == value.dtype.numpy, f"{node!r}: {array.dtype}, {value.type}"
            arrays[value] = array
    return arrays


def run(values: Iterable[Value], known: Mapping[Value, Any], n: int = 1) -> list[Array]:
    """The arrays of `values`, in their order."""
    values = [*values]
    arrays = arrays_of(values, known, n)
    return [arrays[v] for v in values]


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
