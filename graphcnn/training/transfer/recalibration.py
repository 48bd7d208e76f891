"""The running statistics of batch normalisation anew, exactly, over a data set.

Layer after layer from the input on: a normalisation is measured where all before it have their new
statistics already, those that do not wait for each other in one pass. So each has the mean and the
unbiased variance of all n numbers of a channel that it sees in inference, and neither batches nor
their order are in them. Put together in float64,

    mean = sum of x / n      variance = sum of (x - mean)² / (n - 1)

Sums of pieces are joined by the update of T. Chan, G. Golub, R. LeVeque (1979), which subtracts no
large numbers from one another.
"""

import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphcnn.compile.runner import Runner
from graphcnn.data.dataset import Dataset
from graphcnn.data.samples import is_map
from graphcnn.data.streams import is_stream
from graphcnn.errors import DataError, GraphError
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.node import Array, Node
from graphcnn.ir.sources import State
from graphcnn.network.feeding import as_dataset, at_least_one, item_feeds, named_inputs
from graphcnn.network.freezing import running
from graphcnn.network.network import Network
from graphcnn.network.pieces import opened_model
from graphcnn.ops.norm import BatchNorm, reduced_axes
from graphcnn.runtime.execution import NATIVE, Execution

#: Items of a piece, of which all results to be measured are in memory.
PIECE = 64


def recalibrate(
    model: Network,
    data: Any,
    layers: str = "*",
    batch_size: int | None = None,
    execution: Execution = NATIVE,
) -> list[str]:
    """Estimate the running statistics anew. See `Model.recalibrate`."""
    size = PIECE if batch_size is None else at_least_one(batch_size, "batch_size")
    graph = opened_model(model).graph
    norms = _levels(graph, layers)
    data = _checked(model, data)
    if not hasattr(data, "epoch"):
        data = named_inputs(model, data)
    states = dict(model.states.snapshot())
    estimated: dict[str, Array] = {}  # the model gets all of them, or after an error none
    for level in norms:
        measured = {n.name: Moments() for n in level}
        part = graph.with_outputs({n.name: n.inputs[0] for n in level}, {})
        runner = Runner(part, execution)
        for items in _batches(data, size):
            found, _ = runner.run(_feeds(model, items, part), states)
            for name, array in found.items():
                measured[name].add(array)
        found = {key: a for n in level for key, a in _estimates(n, measured[n.name]).items()}
        estimated |= found
        states |= found
    model.update_states(estimated)
    return [n.name for level in norms for n in level]


@dataclass
class Moments:
    """Count, mean and sum of squared differences from it, per channel, of all that was added."""

    count: int = 0
    mean: Array = field(default_factory=lambda: np.zeros(()))
    squares: Array = field(default_factory=lambda: np.zeros(()))

    def add(self, x: Array) -> None:
        """x (n, C, ...)."""
        axes = reduced_axes(x.shape)
        count = x.size // x.shape[1]
        mean = x.mean(axis=axes, dtype=np.float64)
        centred = x - mean.reshape(1, -1, *(1,) * (x.ndim - 2))
        squares = np.square(centred, out=centred).sum(axis=axes)
        total, apart = self.count + count, mean - self.mean
        self.squares = self.squares + squares + apart * apart * (self.count * count / total)
        self.mean = self.mean + apart * (count / total)
        self.count = total


def _levels(graph: Graph, layers: str) -> list[list[Node]]:
    """The normalisations whose names match, in the order in which they are measured."""
    states = {*running(graph)}
    depth: dict[Node, int] = {}
    found: dict[int, list[Node]] = {}
    known, owner = [], dict[str, int]()
    for node in graph.nodes:
        before = max((depth.get(v.node, 0) for v in node.inputs), default=0)
        depth[node] = before
        if not isinstance(node.op, BatchNorm) or not _keeps(node, states):
            continue
        known.append(node.name)
        if not fnmatch.fnmatchcase(node.name, layers):
            continue
        depth[node] = before + 1
        key = state_of(node.inputs[3]).key
        if key in owner:
            raise GraphError(
                f"the statistics {key!r} are used more than once, so that they would be estimated "
                "of different numbers"
            )
        owner[key] = before
        found.setdefault(before, []).append(node)
    if not found:
        names = ", ".join(known) or "none"
        raise GraphError(
            f"no batch normalisation of {graph.name!r} matches {layers!r}: there are {names}"
        )
    return [found[level] for level in sorted(found)]


def _keeps(node: Node, states: set[str]) -> bool:
    return all(isinstance(v.node.op, State) and v.node.op.key in states for v in node.inputs[3:])


def _checked(model: Network, data: Any) -> Any:
    """A data set that fits the model, or items that are no data set as they are."""
    if isinstance(data, Dataset) or is_map(data) or is_stream(data):
        return as_dataset(data, model)
    pair = isinstance(data, tuple | list) and len(data) == 2
    one = len(model.graph.inputs) == 1
    return data[0] if pair and (one or isinstance(data[0], Mapping | tuple | list)) else data


def _batches(data: Any, size: int) -> Iterator[Any]:
    """The items in their order, `size` at a time; those of several inputs by name."""
    if hasattr(data, "epoch"):
        yield from (batch[0] for batch in data.epoch(None, 0, size))
        return
    if not isinstance(data, Mapping):
        yield from (data[at : at + size] for at in range(0, len(data), size))
        return
    for at in range(0, len(next(iter(data.values()))), size):
        yield {key: array[at : at + size] for key, array in data.items()}


def _feeds(model: Network, items: Any, graph: Graph) -> dict[str, Array]:
    names = {v.node.name for v in graph.inputs}
    return {key: a for key, a in item_feeds(model, items).items() if key in names}


def _estimates(node: Node, found: Moments) -> dict[str, Array]:
    """The states of a normalisation. Raises `DataError` for what no statistics can be made of."""
    where = f" ({node.origin.location})" if node.origin.location else ""
    if found.count < 2:
        raise DataError(
            f"batch_norm {node.name!r}{where} sees {found.count} number per channel: a variance "
            "takes two"
        )
    if not (np.isfinite(found.mean).all() and np.isfinite(found.squares).all()):
        raise DataError(f"what batch_norm {node.name!r}{where} is fed is not finite")
    values = (found.mean, found.squares / (found.count - 1))
    return {
        state_of(v).key: value.astype(v.dtype.numpy)
        for v, value in zip(node.inputs[3:], values, strict=True)
    }
