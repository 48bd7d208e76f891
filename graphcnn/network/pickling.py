"""A model as plain data, for `pickle`, `copy` and `joblib`: the bytes that `save` would write.

Nothing in them is code. They are an array of bytes, which `joblib` maps from a file where they are
many. A model without weights stays one, and draws the same ones later. Models that share states and
are kept together share those of the copies: for each state there is a `Mark`, which `pickle` writes
once.
"""

import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from graphcnn.errors import WeightsError
from graphcnn.ir.cells import Cell
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.initializers import Custom
from graphcnn.ir.node import Array, Node, Value, build
from graphcnn.ir.sources import State
from graphcnn.network import weights
from graphcnn.network.metadata import read_graph
from graphcnn.network.weights import check_states
from graphcnn.text.write import dump_graph

FORMAT = "graphcnn model 2"
_WHAT = "a pickled model"


class Mark:
    """Stands for a state in what is kept: equal states have the same one."""

    @cached_property
    def cell(self) -> Cell:
        """The state of the copies; asked for once everything is read."""
        return Cell()

    def __reduce__(self) -> tuple[type["Mark"], tuple[()]]:
        return Mark, ()


_marks: "weakref.WeakKeyDictionary[Cell, Mark]" = weakref.WeakKeyDictionary()


def packed(graph: Graph, states: Mapping[str, Array], metadata: Mapping[str, str]) -> Any:
    """The state of a model."""
    file = weights.packed(states, {"graph": dump_graph(graph), **metadata})
    return {
        "format": FORMAT,
        "file": np.frombuffer(file, np.uint8),
        "marks": {s.key: _marks.setdefault(s.cell, Mark()) for s in map(state_of, graph.states)},
    }


def unpacked(state: Any) -> tuple[Graph, dict[str, Array], dict[str, str]]:
    """Graph, states and metadata of `packed`. Raises `WeightsError` for anything else.

    The cells of states whose marks were met before are those made then, with their values.
    """
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        found = state.get("format") if isinstance(state, dict) else type(state).__name__
        raise WeightsError(f"{_WHAT} must be of the format {FORMAT!r}, found {found!r}")
    file: Any = state.get("file")
    marks: Any = state.get("marks", {})
    if not isinstance(file, np.ndarray) or file.dtype != np.uint8:
        raise WeightsError(f"{_WHAT} must hold its file as an array of bytes")
    if not _maps(marks, Mark):
        raise WeightsError(f"{_WHAT} must hold a mark for each of its states by name")
    states, metadata = weights.unpacked(file.tobytes(), _WHAT)
    graph = read_graph(metadata, _WHAT)
    if graph.updates or not all(state_of(s).key for s in graph.states):
        raise WeightsError(f"{_WHAT} must hold the graph of a model, found {graph!r}")
    known = [s for s in graph.states if state_of(s).key in states]
    check_states(states, known, _WHAT)
    graph = _with_cells(graph, lambda op: marks[op.key].cell if op.key in marks else op.cell)
    return graph, {key: np.array(array) for key, array in states.items()}, metadata


def _maps(found: Any, kind: type) -> bool:
    return isinstance(found, dict) and all(
        isinstance(key, str) and isinstance(value, kind) for key, value in found.items()
    )


def drawn_by_functions(graph: Graph) -> bool:
    """Whether initial values are drawn by functions, which are no data."""
    return any(isinstance(state_of(s).initial, Custom) for s in graph.states)


def with_own_cells(graph: Graph, memo: dict[int, Any]) -> Graph:
    """The same graph, whose states have no values yet, for `copy.deepcopy` and its `memo`: models
    that share states and are copied together share those of the copies."""

    return _with_cells(graph, lambda op: memo.setdefault(id(op.cell), Cell(None, op.trainable)))


def _with_cells(graph: Graph, cell_of: Callable[[State], Cell]) -> Graph:
    """The same graph with other cells for its states."""

    def own(node: Node, inputs: tuple[Value, ...]) -> Any:
        if not isinstance(node.op, State):
            return None
        return build(replace(node.op, cell=cell_of(node.op)), (), node.name, node.origin).outputs

    return graph.transform(own)
