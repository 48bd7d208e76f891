"""How the values of a graph go along an axis together: what is computed at each step.

At step t the place t of the source becomes known. A value is computed at the place t + newest[v],
0 or behind, and the places that others read after that are kept: oldest[v] is the first of them.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from graphcnn.errors import GraphError
from graphcnn.ir.node import Node, Value
from graphcnn.passes.streaming.reading import Reading, Span, reading

#: What a place along an axis is called.
PLACES = {2: "row", 3: "column"}


class CannotStreamError(GraphError):
    """An operator of which it is not known how it goes along an axis."""


@dataclass(frozen=True)
class Lines:
    """What is computed and kept along an axis.

    Attributes:
        moving: the values that depend on the source.
        newest, oldest: by value; the source's newest is 0.
        readings: by node.
    """

    axis: int
    source: Value
    moving: frozenset[Value]
    newest: Mapping[Value, int]
    oldest: Mapping[Value, int]
    readings: Mapping[Node, Reading]

    def kept(self, v: Value) -> int:
        """How many places before the newest are kept."""
        return self.newest[v] - self.oldest[v]

    @property
    def carried(self) -> list[Value]:
        return [v for v in self.newest if self.kept(v)]

    def operands(self, node: Node) -> list[tuple[Value, Span | None]]:
        """The operands, with the places that are read at a step, from t on."""
        at = self.newest[node.outputs[0]]
        spans = self.readings[node].spans
        return [
            (v, None if s is None else Span(s.first + at, s.last + at))
            for v, s in zip(node.inputs, spans, strict=True)
        ]


def lines(
    nodes: Sequence[Node],
    source: Value,
    targets: Iterable[Value],
    axis: int,
    named: Mapping[Node, str],
) -> Lines:
    """How the targets are computed at their place t at step t.

    Args:
        nodes: in topological order.
        named: what nodes are called, of a graph that was made of another one.

    Raises:
        CannotStreamError: an operator has no rule.
        GraphError: a target depends on places of the source that come later.
    """
    moving, what = _moving(nodes, source), PLACES[axis]
    newest: dict[Value, int] = {v: 0 for v in targets if v in moving}
    oldest = dict(newest)
    readings: dict[Node, Reading] = {}
    for node in reversed(nodes):
        moves = node is not source.node and moving.intersection(node.outputs)
        if not moves or node.outputs[0] not in newest:
            continue
        found = reading(node, axis) if len(node.outputs) == 1 else None
        if found is None or any(
            span is None for v, span in zip(node.inputs, found.spans, strict=True) if v in moving
        ):
            raise CannotStreamError(f"{told(node, named)} is not known to go {what} by {what}")
        readings[node] = found
        at = newest[node.outputs[0]]
        for v, span in zip(node.inputs, found.spans, strict=True):
            if v not in moving or span is None:
                continue
            if at + span.last > 0:
                raise GraphError(
                    f"{told(node, named)} reads a {what} that is not drawn yet: {what} t of an "
                    f"image depends on {what} t + {at + span.last} of {told(v.node, named)}; a "
                    f"mask, or zeros before the first {what}, would leave it out"
                )
            newest[v] = max(newest.get(v, at + span.last), at + span.last)
            oldest[v] = min(oldest.get(v, at + span.first), at + span.first)
    newest[source], oldest[source] = 0, min(0, oldest.get(source, 0))
    for v, at in newest.items():
        if int(v.shape[axis]) < int(source.shape[axis]) + at:  # type: ignore[arg-type]
            raise CannotStreamError(
                f"{told(v.node, named)} has fewer {what}s than the image, and is read behind its "
                "end"
            )
    order = [v for node in nodes for v in node.outputs if v in newest]
    order += [source] if source not in order else []
    return Lines(
        axis, source, moving, {v: newest[v] for v in order}, {v: oldest[v] for v in order}, readings
    )


def told(node: Node, named: Mapping[Node, str]) -> str:
    """A node in words: what it was called where it was written."""
    return named.get(node) or f"{node.op.name} {node.name!r} {node.outputs[0].type}"


def _moving(nodes: Sequence[Node], source: Value) -> frozenset[Value]:
    found = {source}
    for node in nodes:
        if found.intersection(node.inputs):
            found.update(node.outputs)
    return frozenset(found)


def present(line: Lines, nodes: Sequence[Node]) -> Collection[Value]:
    """The values whose newest place depends on the newest place of the source."""
    found = {line.source}
    for node in nodes:
        if node in line.readings and any(
            v in found and span is not None and span.last == line.newest[v]
            for v, span in line.operands(node)
        ):
            found.update(node.outputs)
    return found
