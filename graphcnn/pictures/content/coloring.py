"""Cards coloured by a number: from little to much, the largest three outlined."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from graphcnn.errors import GraphError
from graphcnn.language.arguments import choose
from graphcnn.pictures.content.content import Card
from graphcnn.pictures.scene.colors import HEAT
from graphcnn.pictures.scene.units import in_bytes, seconds, short

Write = Callable[[float], str]

#: What a diagram can be coloured by: words, the number of a card, and how it is written.
METRICS: Final[dict[str, tuple[str, Callable[[Card], float], Write]]] = {
    "params": ("parameters", lambda c: c.parameters, short),
    "macs": ("multiply-adds", lambda c: c.multiply_adds * c.steps, short),
    "bytes": ("bytes of the output", lambda c: c.bytes * c.steps, in_bytes),
    "field": (
        "receptive field in pixels",
        lambda c: max(c.field.size) if c.field else 0,
        short,
    ),
}


@dataclass(frozen=True)
class Heat:
    """A metric with its value for every card."""

    what: str
    values: Mapping[Card, float]
    write: Write

    def paint(self, card: Card) -> str:
        most = max(self.values.values(), default=0) or 1
        step = min(HEAT - 1, int(self.values.get(card, 0) / most * HEAT))
        return f"heat{step}"

    def largest(self) -> set[Card]:
        order = sorted(self.values, key=lambda c: -self.values[c])[:3]
        return {c for c in order if self.values[c] > 0}


def coloring(cards: Sequence[Card], color: str, times: Mapping[str, float] | None) -> Heat | None:
    known = ("op", *METRICS, "time")
    choose(dict.fromkeys(known), color, "color")
    if color == "op":
        return None
    if color == "time":
        if times is None:
            raise GraphError('color="time" needs times={node name: seconds}')
        values = {c: sum(times.get(n.name, 0.0) for n in c.nodes) for c in cards}
        return Heat("measured time", values, seconds)
    what, number, write = METRICS[color]
    return Heat(what, {c: number(c) for c in cards if c.nodes and not c.loop}, write)
