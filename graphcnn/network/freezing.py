"""What of a graph is trained: parameters in or out, running statistics moved or kept.

A batch normalisation in training takes mean and variance of the batch, and moves its running ones,
unless both its parameters are frozen. A statistic that is marked trainable is moved all the same;
one whose role is a setting is a number like another, with which training normalises, too.
"""

import fnmatch
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.node import Node, Value, build
from graphcnn.ir.sources import Role, State
from graphcnn.ops.norm import BatchNorm

#: What `Model.freeze` may be told of running statistics.
STATISTICS: Final = ("kept", "moving")


def matching(graph: Graph, pattern: str) -> list[str]:
    """The parameters whose names match. Raises `GraphError` where there is none."""
    return _matching(pattern, [state_of(p).key for p in graph.parameters], "parameter")


def statistics(graph: Graph, pattern: str) -> list[str]:
    """The running means and variances whose names match. Raises `GraphError` as `matching`."""
    return _matching(pattern, running(graph), "running statistic")


def running(graph: Graph) -> list[str]:
    """All running means and variances, also those that are kept as they are."""
    norms = (n for n in graph.nodes if isinstance(n.op, BatchNorm))
    states = {v: None for n in norms for v in n.inputs[3:] if isinstance(v.node.op, State)}
    kinds = (Role.STATISTIC, Role.SETTING)
    return [op.key for op in map(state_of, states) if op.role in kinds]


def _matching(pattern: str, keys: list[str], what: str) -> list[str]:
    found = fnmatch.filter(keys, pattern) if isinstance(pattern, str) else []
    if not found:
        known = f"they are {', '.join(keys)}" if keys else "there are none"
        raise GraphError(f"no {what} matches {pattern!r}; {known}")
    return found


def marked(graph: Graph, keys: Collection[str], trainable: bool, role: Role | None = None) -> Graph:
    """The graph with these states in training, or out of it, and of another role; models that are
    made of the states later begin so, too."""

    def mark(node: Node, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
        op = node.op
        if not isinstance(op, State) or op.key not in keys:
            return None
        changed = replace(op, trainable=trainable, role=role or op.role)
        return None if changed == op else build(changed, (), node.name, node.origin).outputs

    found = graph.transform(mark)
    for state in map(state_of, found.states):
        if state.key in keys:
            state.cell.trainable = trainable
    return found
