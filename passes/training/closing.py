"""The end of a training step: what does nothing but give states their new values.

It runs last, over the old values. Whether a step is accepted can be decided just before it (the
loss is known, and its gradients), so that no second copy of the states is needed: a step that is
refused or interrupted has changed nothing yet. Where the graph keeps its gradients, what comes of
them waits for the last of them: they may be changed then. What comes of sums over the shards of a
batch waits for all of these: it runs once, and what is before it for every shard.
"""

from collections.abc import Callable

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Op, Value
from graphcnn.ir.plan import after_gradients, after_sums, is_step, reduced, root
from graphcnn.ops.fused import Fused
from graphcnn.ops.layout import inner


def closing(graph: Graph) -> set[Node]:
    """The elementwise nodes whose results are new values of states, or serve such nodes alone."""
    new = {root(v) for v in graph.updates.values()}
    leaving = {*map(root, graph.outputs.values()), *reduced(graph).values()}
    readers: dict[Value, list[Node]] = {}
    steps = [node for node in graph.nodes if is_step(node)]
    for node in steps:
        for value in node.inputs:
            readers.setdefault(root(value), []).append(node)
    found: set[Node] = set()
    for node in reversed(steps):
        if _is_elementwise(node.op) and all(
            v not in leaving
            and (v in new or v in readers)
            and all(reader in found for reader in readers.get(v, ()))
            for v in node.outputs
        ):
            found.add(node)
    return found


def stages(graph: Graph) -> Callable[[Node], int]:
    """When a node may run: 0, after all sums over shards (1), after all gradients that are kept
    (2), or at the end (3)."""
    last, later, summed = closing(graph), after_gradients(graph), after_sums(graph)
    return lambda node: 3 if node in last else 2 if node in later else int(node in summed)


def _is_elementwise(op: Op) -> bool:
    op = inner(op)
    return op.anchor_node is None if isinstance(op, Fused) else op.elementwise
