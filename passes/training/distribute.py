"""Cut the batch of a training step into shards whose results add up to those of the whole.

    loss(batch)         ->  all_reduce(loss(shard) · share)         for a mean over the items
    a(batch) / b(batch) ->  all_reduce(a(shard) / all_reduce(b(shard)))   a, b sums; b of targets
    gradient            ->  all_reduce(gradient)                    before the optimiser sees it

What becomes of a loss is read off the graph (`graphcnn.analysis.batch_axis`): whether it is a mean
over the items, a sum, or a fixed number such as a penalty of weights, and where it is put together
of such, each part by itself. Sums over the items that depend on targets and their weights alone
(how many count, where some labels are left out) are taken over the whole batch first: so the mean
is that over the counted items of the batch, and not the mean of the shards' means. A loss that
takes items together in any other way is refused, with the node that does.

Gradients are added up as they are; what is not linear in them (a clip of their norm) comes after.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from graphcnn.analysis.batch_axis import BatchAxes, batch_axes
from graphcnn.errors import GraphError
from graphcnn.ir.batch import FIXED, Batch, Kind, items
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.node import Node, Value, build
from graphcnn.ir.origin import inherit
from graphcnn.ir.plan import GRADIENT
from graphcnn.ir.sources import Constant, State
from graphcnn.ir.tensor_type import open_axes
from graphcnn.ops.elementwise import Add, Div, Mul, Neg, Sub
from graphcnn.ops.random import RandomUniform
from graphcnn.ops.reduce import AllReduce
from graphcnn.passes.driver.base import Pass, PassLog
from graphcnn.passes.training.shares import Shares

#: Kinds of values that are taken over the items of a batch.
TOTALS = frozenset({Kind.SUM, Kind.MEAN, Kind.COUNT})


@dataclass(frozen=True)
class ShareBatch(Pass):
    """Loss and metrics of a definition with a loss, as those of `shards` parts of the batch.

    It comes before `TrainingMode`: the items of a batch norm are apart, each shard has its own
    statistics. A metric that needs all the scores of a batch at once is left out.

    Attributes:
        losses: the outputs that are differentiated.

    Raises `GraphError` where a loss is no sum of means and sums over the items.
    """

    shards: int = 2
    losses: tuple[str, ...] = ("loss",)

    tolerance: ClassVar[float | None] = None
    stage: ClassVar[str] = "definition"

    def run(self, graph: Graph, log: PassLog) -> Graph:
        shares = Shares.of(graph, self.shards)
        graph = _totals_of_targets(graph, shares, log)
        cut = _Cut(graph, _axes(graph), shares)
        for state, new in graph.updates.items():
            if not cut.axes[new].is_fixed:
                key = state_of(state).key
                raise GraphError(f"the batch cannot be cut: {key!r} is updated by what it holds")
        with inherit(graph.outputs[self.losses[0]].node.origin.by(self.name)):
            # differentiated, then added up
            outputs = {key: cut.local(graph.outputs[key]) for key in self.losses}
            for key, value in graph.outputs.items():
                if key not in self.losses and (whole := cut.whole(value, key)) is not None:
                    outputs[key] = whole
        log.fired["all_reduce"] += len(outputs) - len(self.losses)
        return graph.with_outputs(outputs)


@dataclass(frozen=True)
class ShareGradients(Pass):
    """The loss and every output that holds a gradient become the sums over the shards."""

    shards: int = 2

    tolerance: ClassVar[float | None] = None
    stage: ClassVar[str] = "training"

    def run(self, graph: Graph, log: PassLog) -> Graph:
        shares, found = Shares.of(graph, self.shards), dict[Value, Value]()
        for key, value in graph.outputs.items():
            if _added(key) and value not in found:
                with inherit(value.node.origin.by(self.name)):
                    found[value] = shares.total(value, key)
                log.fired["all_reduce"] += 1
        outputs = {k: found[v] if _added(k) else v for k, v in graph.outputs.items()}
        return graph.with_outputs(outputs)


def _added(key: str) -> bool:
    """Whether an output is what a shard adds, and not yet what it comes to."""
    return key == "loss" or key.startswith(GRADIENT)


def _axes(graph: Graph) -> BatchAxes:
    """What is proven of the values of a shard; random numbers are drawn item by item, and what is
    added up is the same for all shards, whatever this one sees."""
    known: dict[Value, Batch] = {}
    for node in graph.nodes:
        if isinstance(node.op, RandomUniform) and open_axes(node.op.shape) == (0,):
            known[node.output] = items(0)
        elif isinstance(node.op, AllReduce):
            known[node.output] = FIXED
    return batch_axes(graph, known)


def _totals_of_targets(graph: Graph, shares: Shares, log: PassLog) -> Graph:
    """Take over the whole batch what something is divided by, where it can be known before.

    That is each total over the items that depends on no state, and that a node reads whose result
    is neither a sum nor a mean.
    """
    axes = _axes(graph)
    learned = _of_states(graph)
    wanted: dict[Value, None] = {}
    for node in graph.nodes:
        if any(axes[v].is_mixed for v in node.outputs):
            known = (v for v in node.inputs if axes[v].kind in TOTALS and v not in learned)
            wanted.update(dict.fromkeys(known))
    if not wanted:
        return graph
    log.fired["total of targets"] += len(wanted)
    names = iter(f"total {i}" for i in range(len(wanted)))

    def whole(node: Node, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
        if not any(v in wanted for v in node.outputs):
            return None
        made = build(node.op, inputs, node.name, node.origin).outputs
        return [
            y if v not in wanted else _total(y, axes[v], shares, next(names))
            for v, y in zip(node.outputs, made, strict=True)
        ]

    return graph.transform(whole, by="share_batch")


def _of_states(graph: Graph) -> set[Value]:
    """The values that depend on a state."""
    found: set[Value] = set()
    for node in graph.nodes:
        if isinstance(node.op, State) or any(v in found for v in node.inputs):
            found.update(node.outputs)
    return found


def _total(value: Value, batch: Batch, shares: Shares, name: str) -> Value:
    """A sum or mean over the items of all shards."""
    return (shares.mean if batch.kind is Kind.MEAN else shares.total)(value, name)


@dataclass(frozen=True)
class _Cut:
    """Values of the batch, made of those of a shard."""

    graph: Graph
    axes: BatchAxes
    shares: Shares

    def local(self, value: Value) -> Value:
        """What a shard adds to a value, for one that is linear in sums and means."""
        kind = self.axes[value].kind
        if kind in (Kind.MEAN, Kind.FIXED):
            return self.shares.part(value)
        if kind in (Kind.SUM, Kind.COUNT):
            return value
        node = value.node
        if isinstance(node.op, Add | Sub):
            return build(node.op, [self.local(v) for v in node.inputs], node.name).outputs[0]
        if isinstance(node.op, Neg):
            return Neg()(self.local(node.inputs[0]))
        if isinstance(node.op, Mul | Div):
            fixed = [self.axes[v].is_fixed for v in node.inputs]
            if fixed == [False, True] or (fixed == [True, False] and isinstance(node.op, Mul)):
                pairs = zip(node.inputs, fixed, strict=True)
                parts = [v if constant else self.local(v) for v, constant in pairs]
                return build(node.op, parts, node.name).outputs[0]
        raise GraphError(
            f"the batch cannot be cut into shards: {self.axes.reason(value)}, and the loss is no "
            "sum of means over the items any more, so that the gradients of the parts do not add "
            "up to that of the whole; train with shards=1"
        )

    def whole(self, value: Value, name: str) -> Value | None:
        """A value of the whole batch, of sums and means of the shards; None if items meet in it."""
        batch = self.axes[value]
        if batch.is_fixed:
            return value
        if batch.kind in TOTALS:
            return _total(value, batch, self.shares, name)
        if batch.is_items:
            return None
        parts: list[Value] = []
        for i, v in enumerate(value.node.inputs):
            part = v if isinstance(v.node.op, Constant) else self.whole(v, f"{name}.{i}")
            if part is None:
                return None
            parts.append(part)
        made = build(value.node.op, parts, value.node.name, value.node.origin)
        return made.outputs[value.index]
