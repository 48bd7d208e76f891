"""A graph that mixes items, cut in two: what runs on pieces of a data set, and the rest.

    metric = 2 * sum(hits) / (sum(hits) + sum(wanted))

is no mean over the items. But its sums are what pieces of the items can be added up to, and then
`metric` is computed once, of the whole. So every value that is computed of MIXED ones, and each of
these, goes to the second graph, the *tail*; what the tail reads (FIXED, ITEMS, SUM, MEAN, COUNT)
are the outputs of the first, the *head*, and is put together from pieces by `Collected`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphcnn.analysis.batch_axis import BatchAxes
from graphcnn.errors import GraphError
from graphcnn.ir.batch import Batch, Kind
from graphcnn.ir.graph import Graph
from graphcnn.ir.item_places import join_items
from graphcnn.ir.node import Array, Node, Value, build
from graphcnn.ir.sources import Constant, Input, State


@dataclass(frozen=True, eq=False)
class BatchSplit:
    """The two graphs. Without a tail the head is the graph itself.

    Attributes:
        kinds: of the outputs of the head.
        tail: reads them by their names, and gives the outputs that are MIXED.
    """

    head: Graph
    kinds: Mapping[str, Batch]
    tail: Graph | None


def split_batch(axes: BatchAxes) -> BatchSplit:
    """Cut a graph where items meet in a way that only all of them together can be computed.

    Raises `GraphError` where an input itself has more than one batch axis.
    """
    graph, outputs = axes.graph, axes.outputs
    whole = {name: v for name, v in graph.outputs.items() if axes[v].is_mixed}
    if not whole:
        return BatchSplit(graph, outputs, None)
    nodes = _mixed_nodes(axes, whole.values())
    kept = {name: v for name, v in graph.outputs.items() if name not in whole}
    new: dict[Value, Value] = {}
    for node in nodes:
        if isinstance(node.op, Input):
            raise GraphError(
                f"{graph.name} cannot run on parts of a batch: {axes.reason(node.output)}"
            )
        for value in node.inputs:
            if value in new or axes[value].is_mixed:
                continue
            if isinstance(value.node.op, State | Constant):
                new[value] = value
            else:
                key = f"whole {len(new)}"
                new[value], kept[key] = Input(key, value.type)(name=key), value
    inputs = [v for v in new.values() if isinstance(v.node.op, Input)]
    for node in nodes:
        made = build(node.op, [new[v] for v in node.inputs], node.name, node.origin)
        new.update((v, y) for v, y in zip(node.outputs, made.outputs, strict=True) if v not in new)
    tail = Graph.of(inputs, {k: new[v] for k, v in whole.items()}, name=graph.name)
    kept = kept or {"whole": graph.inputs[0]}
    return BatchSplit(graph.with_outputs(kept, {}), {k: axes[v] for k, v in kept.items()}, tail)


def _mixed_nodes(axes: BatchAxes, values: Iterable[Value]) -> list[Node]:
    """The nodes of these MIXED values and of the MIXED ones that they are computed of, in order."""
    wanted = {v.node for v in values}
    for node in reversed(axes.graph.nodes):
        if node in wanted:
            wanted.update(v.node for v in node.inputs if axes[v].is_mixed)
    return [node for node in axes.graph.nodes if node in wanted]


class Collected:
    """Values of the whole, put together from those of pieces. Floats are summed in float64."""

    def __init__(self, kinds: Mapping[str, Batch]) -> None:
        self._kinds = kinds
        self._count = 0
        self._parts: dict[str, list[Array]] = {key: [] for key in kinds}
        self._totals: dict[str, Any] = {}

    def add(self, results: Mapping[str, Array], count: int) -> None:
        """Take the results for a piece of `count` items."""
        self._count += count
        for key, kind in self._kinds.items():
            array = np.asarray(results[key])
            if kind.is_items or (kind.is_fixed and not self._parts[key]):
                self._parts[key].append(array)
            elif not kind.is_fixed:
                wide = array.astype(np.float64) if array.dtype.kind not in "iu" else array
                share = wide * count if kind.kind is Kind.MEAN else wide
                self._totals[key] = self._totals[key] + share if key in self._totals else share
                self._parts[key] = [array]

    def results(self) -> dict[str, Array]:
        """The values for all items, in the element types of the pieces."""
        return {key: self._result(key, kind) for key, kind in self._kinds.items()}

    def totals(self) -> dict[str, Array]:
        """The values for all items, totals not rounded to the element types of the pieces."""
        return {key: np.asarray(self._total(key, kind)) for key, kind in self._kinds.items()}

    def _total(self, key: str, kind: Batch) -> Any:
        if key not in self._totals:
            parts = self._parts[key]
            return join_items(parts, kind) if kind.is_items else parts[0]
        return self._totals[key] / self._count if kind.kind is Kind.MEAN else self._totals[key]

    def _result(self, key: str, kind: Batch) -> Array:
        with np.errstate(over="ignore"):
            return np.asarray(self._total(key, kind)).astype(self._parts[key][0].dtype, copy=False)
