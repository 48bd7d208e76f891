"""A step in shards: the batch cut into them, and what is known of the whole before the first runs.

Totals over the batch that depend on targets alone are computed for all shards beforehand, by the
reference: they are as cheap as counting labels. The step takes them as states.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from graphcnn.compile.runner import batch_size
from graphcnn.errors import DataError
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.item_places import fed_items, take_items
from graphcnn.ir.node import Array, Node, Value
from graphcnn.ir.plan import is_all_reduce, shards
from graphcnn.ir.sources import Role, State
from graphcnn.ops.parts.tree import cut, tree_sum
from graphcnn.passes.training.shares import FIRST, SHARE
from graphcnn.runtime.reference import Reference

Arrays = Mapping[str, Array]


#: Names of the states in which a step finds totals of the whole batch.
TOTAL = "training.total."


@dataclass(frozen=True)
class Part:
    """One shard of one batch.

    Attributes:
        items: how many it has.
        settings: the states that tell its nodes which part it is; none where the batch is whole.
    """

    items: int
    feeds: Arrays
    settings: Arrays = field(default_factory=dict)


def cut_batch(graph: Graph, feeds: Arrays, count: int) -> Sequence[Part]:
    """The shards of what a graph is fed, as equal as can be, the longer ones first.

    Raises `DataError` for fewer items than shards.
    """
    n = batch_size(graph, feeds)
    if count == 1:
        return (Part(n, feeds),)
    if n < count:
        raise DataError(
            f"a batch of {n} item{'s'[: n > 1]} cannot be cut into {count} shards; take larger "
            "batches or fewer shards (drop_last=True leaves out a last batch that is too short)"
        )
    places = [(v.node.name, fed_items(v.type)) for v in graph.inputs]
    found = []
    for first, last in cut(n, count):
        own = {
            key: feeds[key] if place is None else take_items(feeds[key], place, first, last)
            for key, place in places
        }
        settings = {SHARE: np.array((last - first) / n), FIRST: np.array(first, np.int64)}
        found.append(Part(last - first, own, settings))
    return found


@dataclass(frozen=True, eq=False)
class SplitStep:
    """A training step as it is compiled: run for each shard, then once.

    Attributes:
        shards: 1 where the batch is not cut; then there are no totals.
        totals: what the totals of the batch are sums of, by the states that hold them.
    """

    step: Graph
    shards: int = 1
    totals: Graph | None = None

    @cached_property
    def totals_before(self) -> dict[str, Array]:
        """Of the states that hold totals what they are at first."""
        outputs = {} if self.totals is None else self.totals.outputs
        return {key: np.zeros((), value.dtype.numpy) for key, value in outputs.items()}

    def totals_of(self, parts: Sequence[Part]) -> dict[str, Array]:
        """The totals over the shards of a batch."""
        if self.totals is None:
            return {}
        runs = (Reference(self.totals.bind(N=part.items)) for part in parts)
        found = [run.run(p.feeds, p.settings)[0] for run, p in zip(runs, parts, strict=True)]
        return {k: np.asarray(tree_sum([f[k] for f in found], np.add)) for k in self.totals.outputs}


def split_step(graph: Graph) -> SplitStep:
    """Take the sums over shards that need no weights out of a step."""
    count = shards(graph)
    if count == 1:
        return SplitStep(graph)
    learned: set[Node] = set()
    totals: dict[Value, Value] = {}
    for node in graph.nodes:
        own = isinstance(node.op, State) and node.op.key not in (SHARE, FIRST)
        if own or any(v.node in learned for v in node.inputs):
            learned.add(node)
        elif is_all_reduce(node) and node.types[0].shape == ():
            key = f"{TOTAL}{len(totals)}"
            totals[node.output] = State(key, node.types[0], Role.SETTING, False)(name=key)
    if not totals:
        return SplitStep(graph, count)

    def known(node: Node, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
        return [totals[node.output]] if node.outputs[0] in totals else None

    before = {state_of(state).key: v.node.inputs[0] for v, state in totals.items()}
    needed = Graph.of(graph.inputs, before, name=f"{graph.name} totals")
    return SplitStep(graph.transform(known), count, needed)
