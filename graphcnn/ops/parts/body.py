"""Graphs inside operators: what is equal about two of them, and how one is written out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from graphcnn.ir.graph import Graph, topological_order
from graphcnn.ir.node import Node, Op, Value, build
from graphcnn.ir.sources import Constant, Input


@dataclass(frozen=True, eq=False, repr=False)
class WithBody(Op, entered=False):
    """An operator that computes what `body` says, with other attributes beside it.

    Names and origins inside the body do not count when two are compared, so that equal bodies
    share one kernel.
    """

    body: Graph

    operands: ClassVar = ("*inputs",)
    results: ClassVar = ("*outputs",)
    family: ClassVar = "several"

    @cached_property
    def signature(self) -> str:
        """The body without names: equal for bodies that compute the same in the same way."""
        return structure(self.body)

    @cached_property
    def _key(self) -> tuple[object, ...]:
        others = {k: v for k, v in self.attributes.items() if k != "body"}
        return self.signature, *others.values()

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self) or not isinstance(other, WithBody):
            return NotImplemented
        return self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        others = [f", {k}={v!r}" for k, v in self.attributes.items() if k != "body"]
        return f"{type(self).__name__}({self.signature}{''.join(others)})"

    @property
    def words(self) -> str:
        """The operator for people: its name, and what is in the body, each operator once."""
        inner = dict.fromkeys(n.op.name for n in self.body.operations)
        return f"{self.name} ({', '.join(inner) or 'nothing'})"


def structure(graph: Graph) -> str:
    """A text that is equal for graphs of the same structure: operators, wires and types.

    Inputs and outputs are known by their order, constants by their digest; names do not count.
    """
    order = topological_order(v.node for v in (*graph.inputs, *graph.outputs.values()))
    places = {node: i for i, node in enumerate(order)}

    def wires(values: Iterable[Value]) -> str:
        return ", ".join(f"%{places[v.node]}:{v.index}" for v in values)

    lines = [wires(graph.inputs)]
    for node in order:
        op = node.op
        what = "input" if isinstance(op, Input) else repr(op)
        what = f"constant {op.digest}" if isinstance(op, Constant) else what
        lines.append(f"{what}({wires(node.inputs)}) : {', '.join(map(str, node.types))}")
    return "; ".join([*lines, wires(graph.outputs.values())])


def inlined(nodes: Iterable[Node], known: Mapping[Value, Value]) -> dict[Value, Value]:
    """For every value of `nodes`, and of `known`, the one that stands for it where others stand for
    those that are known."""
    new = dict(known)
    for node in nodes:
        if node.outputs[0] not in new:
            made = build(node.op, [new[v] for v in node.inputs], node.name, node.origin)
            new.update(zip(node.outputs, made.outputs, strict=True))
    return new


def depending(nodes: Sequence[Node], on: Iterable[Value]) -> set[Value]:
    """The values `on`, and all that nodes (in topological order) make of them."""
    found = set(on)
    for node in nodes:
        if any(v in found for v in node.inputs):
            found.update(node.outputs)
    return found


def all_nodes(graph: Graph) -> Iterator[Node]:
    """The nodes of a graph, and those of the bodies of its operators, however deep."""
    for node in graph.nodes:
        yield node
        if isinstance(node.op, WithBody):
            yield from all_nodes(node.op.body)
