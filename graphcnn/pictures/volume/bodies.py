"""Which tensors of a network are bodies of a volume figure, and on which rail each stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graphcnn.pictures.content.content import Card, Content, Link


@dataclass(frozen=True)
class Repeat:
    """Bodies that follow one another several times: all those from rank `first` to `last`."""

    title: str
    times: int
    bodies: frozenset[int]
    first: int
    last: int


def runs(shown: Content, cards: Sequence[Card], rank: Sequence[int]) -> list[Repeat]:
    """The repeated blocks that a frame can hold: of several bodies, with no others between."""
    found = []
    for frame in shown.frames:
        own = frozenset(i for i, card in enumerate(cards) if card in frame.cards)
        if frame.times > 1 and len(own) > 1:
            first, last = min(rank[i] for i in own), max(rank[i] for i in own)
            if own == {i for i, r in enumerate(rank) if first <= r <= last}:
                found.append(Repeat(frame.title, frame.times, own, first, last))
    return found


@dataclass(frozen=True)
class BodyStep:
    """A line between two bodies; `flat` where the tensor becomes a vector on the way."""

    source: int
    target: int
    flat: bool = False


def rails(rank: list[int], steps: list[BodyStep]) -> list[int]:
    """The rail of every body: that of what it reads, while free; the longest way is rail 0."""
    count = len(rank)
    before: list[list[int]] = [[] for _ in range(count)]
    rest = [0] * count
    for s in sorted(steps, key=lambda s: -s.source):
        rest[s.source] = max(rest[s.source], rest[s.target] + 1)
        before[s.target].append(s.source)
    rails = [0] * count
    taken: dict[int, set[int]] = {}
    for i in sorted(range(count), key=lambda i: (rank[i], -rest[i], i)):
        used = taken.setdefault(rank[i], set())
        wanted = min((rails[k] for k in before[i]), default=0)
        free = (k for k in range(wanted, count + wanted + 1) if k not in used)
        rails[i] = next(free)
        used.add(rails[i])
    return rails


def nested(spans: Mapping[int, tuple[int, int]]) -> dict[int, int]:
    """A level for each span: above all shorter ones that it shares more than an end with."""
    level: dict[int, int] = {}
    for key in sorted(spans, key=lambda k: spans[k][1] - spans[k][0]):
        first, last = spans[key]
        under = [level[k] for k in level if spans[k][0] < last and first < spans[k][1]]
        level[key] = max(under, default=-1) + 1
    return level


def bodies(shown: Content) -> tuple[list[Card], list[BodyStep]]:
    """The cards that are tensors of their own; flattening and outputs are drawn into lines."""
    through: dict[int, int] = {}
    flat: set[int] = set()
    for i, card in enumerate(shown.cards):
        into = [k for k in shown.links if k.target == i]
        reshaped = card.family == "shape" and card.output is not None and len(into) == 1
        if not card.nodes or (reshaped and len(into) == 1):
            through[i] = into[0].source if into else -1
            if reshaped and card.output is not None and card.output.type.rank == 2:
                flat.add(i)
    number = {}
    cards: list[Card] = []
    for i, card in enumerate(shown.cards):
        if i not in through and card.output is not None:
            number[i] = len(cards)
            cards.append(card)
    steps: dict[BodyStep, None] = {}
    for k in shown.links:
        steps.update(dict.fromkeys(_followed(k, through, flat, number)))
    return cards, list(steps)


def _followed(
    link: Link, through: Mapping[int, int], flat: set[int], number: Mapping[int, int]
) -> list[BodyStep]:
    source, flattened = link.source, False
    while source in through:
        flattened = flattened or source in flat
        source = through[source]
    if source not in number or link.target not in number:
        return []
    return [BodyStep(number[source], number[link.target], flattened)]
