"""The reference for a graph that every shard of a batch runs: all of them, node beside node.

`all_reduce` takes what the shards have at that moment, and gives each of them the sum in the one
order (`graphcnn.ops.parts.tree`). This defines the numbers of a step in shards; all shards are
alive at once, which no other runtime needs.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from graphcnn.ir.evaluate import Evaluator, results_of
from graphcnn.ir.node import Array, Node, Value
from graphcnn.ir.sources import Input, State
from graphcnn.ops.parts.tree import tree_sum
from graphcnn.ops.reduce import AllReduce
from graphcnn.runtime.reference import Ready, Reference, fed

Arrays = Mapping[str, Array]


class ShardedReference:
    """Runs the bound graphs of the shards of one batch, which differ in their sizes alone."""

    def __init__(self, references: Sequence[Reference]) -> None:
        self._references = references

    def run(
        self, feeds: Sequence[Arrays], states: Sequence[Arrays], ready: Ready | None = None
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """Outputs and updates of the step, given what each shard is fed and its states.

        `ready` sees the gradients that the graph keeps, and may change them.
        """
        shards = [_Shard(*each) for each in zip(self._references, feeds, states, strict=True)]
        for nodes in zip(*(shard.before.nodes for shard in shards), strict=True):
            if isinstance(nodes[0].op, AllReduce):
                parts = [s.arrays[n.inputs[0]] for s, n in zip(shards, nodes, strict=True)]
                total = np.asarray(tree_sum(parts, np.add))
                for shard, node in zip(shards, nodes, strict=True):
                    shard.take(node, (total,))
            else:
                for shard, node in zip(shards, nodes, strict=True):
                    shard.take(node, shard.computed(node))
        return shards[-1].finished(ready)  # all have the same totals: one goes on


class _Shard:
    """One shard, how far it got."""

    def __init__(self, reference: Reference, feeds: Arrays, states: Arrays) -> None:
        self.reference, self.feeds, self.states = reference, feeds, states
        self.before: Evaluator = reference.halves[0]
        self.arrays: dict[Value, Array] = {}

    def computed(self, node: Node) -> tuple[Array, ...]:
        if isinstance(node.op, Input | State):
            source = self.feeds if isinstance(node.op, Input) else self.states
            return (fed(source, node.op, node),)
        return results_of(node, [self.arrays[v] for v in node.inputs])

    def take(self, node: Node, results: tuple[Array, ...]) -> None:
        self.arrays.update(zip(node.outputs, results, strict=True))
        for value in self.before.dying.get(node, ()):
            del self.arrays[value]

    def finished(self, ready: Ready | None) -> tuple[dict[str, Array], dict[str, Array]]:
        return self.reference.finish(self.arrays, self.feeds, self.states, ready)
