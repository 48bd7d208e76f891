"""What is in a loop, for those who show it: its body, with the weights of outside in place."""

from typing import NamedTuple

from graphcnn.ir.graph import Graph, topological_order
from graphcnn.ir.node import Node, Value
from graphcnn.ir.sources import Constant, State
from graphcnn.ops.loops import Scan
from graphcnn.ops.parts.body import inlined


class Entry(NamedTuple):
    """An input of a body: what stands for it inside, what it is outside, and in words."""

    inside: Value
    outside: Value
    words: str


class LoopBody(NamedTuple):
    """A body to be shown.

    Attributes:
        op: the loop.
        graph: the body. Where given values are states or constants these stand in it.
        entries: the inputs that are left, in the order of the operator's.
        exits: for every result of the operator what it is, in words.
    """

    op: Scan
    graph: Graph
    entries: tuple[Entry, ...]
    exits: tuple[str, ...]

    @property
    def times(self) -> str:
        """`12 steps`, and whether they go backwards."""
        steps = f"{self.op.length:,} step{'s' * (self.op.length != 1)}"
        return f"{steps}, backwards" if self.op.reverse else steps


def loop_body(node: Node, names: dict[Node, str], *, weights: bool = True) -> LoopBody | None:
    """The body of a loop, None for any other node.

    Args:
        names: of the nodes around it, for the words.
        weights: put states and constants in the places where the body reads them as given.
    """
    op = node.op
    if not isinstance(op, Scan):
        return None
    inner, outer = op.parts(op.body.inputs), op.parts(node.inputs)
    kinds = (
        (inner.carries, outer.carries, "carried, first {}"),
        (inner.scanned, outer.scanned, "one step of {}"),
        (inner.given, outer.given, "{} at every step"),
    )
    entries, known = [], {}
    for mine, others, words in kinds:
        for one, other in zip(mine, others, strict=True):
            if weights and mine is inner.given and isinstance(other.node.op, State | Constant):
                known[one] = other
            else:
                known[one] = one
                entries.append(Entry(one, other, words.format(names[other.node])))
    new = inlined(op.body.nodes, known)
    outputs = {key: new[v] for key, v in op.body.outputs.items()}
    inputs = tuple(entry.inside for entry in entries)
    nodes = topological_order(v.node for v in (*inputs, *outputs.values()))
    exits = ["carried on"] * op.carries + ["one step of the result"] * (len(outputs) - op.carries)
    return LoopBody(op, Graph(inputs, outputs, {}, nodes, node.name), tuple(entries), tuple(exits))
