"""Repeated blocks: the same cards in a row are shown once, with how often they follow.

A cut is a place between two cards (in topological order) that exactly one value crosses. Cuts
divide a network into segments; a run of segments that comes again and again, with the same
operators, attributes, parameter and value types in the same arrangement, is a repeated block. That
is decided by graph isomorphism, so names play no part in it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from typing import Any, Final

from graphcnn.ir.node import Node
from graphcnn.ir.sources import State
from graphcnn.ir.tensor_type import known_size
from graphcnn.ops.parts.body import WithBody
from graphcnn.pictures.content.content import Card, Content, Frame, Link, _scope
from graphcnn.pictures.scene.units import dimensions, in_bytes, short

#: Segments of the longest block that is looked for.
LONGEST: Final = 16
_NAMES: Final = {"key", "stream"}  # attributes that only tell nodes apart

Segment = tuple[int, ...]  # numbers of cards


def cuts(content: Content) -> list[int]:
    """Numbers of the cards after which exactly one value is alive: their own."""
    last: dict[Any, int] = {}
    source = {link.value: link.source for link in content.links}
    for link in content.links:
        last[link.value] = max(last.get(link.value, 0), link.target)
    change = [0] * (len(content.cards) + 1)
    for value, end in last.items():
        change[source[value]] += 1
        change[end] -= 1
    found, alive = [], 0
    makers = {source[value] for value in last}
    for i in range(len(content.cards)):
        alive += change[i]
        if alive == 1 and i in makers:
            found.append(i)
    return found


def fold(content: Content, unfold: Sequence[str] = ()) -> Content:
    """The content with every repeated block shown once; those in the scopes `unfold` stay."""
    content = _inside(content, unfold)
    ends = cuts(content)
    if len(ends) < 2:
        return content
    starts = [0, *(i + 1 for i in ends)]
    segments = [
        tuple(range(a, b)) for a, b in zip(starts, [*starts[1:], len(content.cards)], strict=True)
    ]
    classes = _classes(content, segments)
    dropped: dict[int, int] = {}  # a card that is left out: the one that stands for it, or -1
    frames = list(content.frames)
    at = 0
    while at < len(segments):
        period, times = _repeat(classes, segments, at)
        copies = [segments[at + k * period : at + (k + 1) * period] for k in range(times)]
        cards = [[content.cards[i] for s in copy for i in s] for copy in copies]
        if times < 2 or _kept_open(cards, unfold):
            at += 1
            continue
        frames.append(_frame(cards))
        first, last = copies[0][-1][-1], copies[-1][-1][-1]
        for copy in copies[1:]:
            dropped.update({i: -1 for segment in copy for i in segment})
        dropped[last] = first
        at += period * times
    return _without(content, dropped, frames) if dropped else content


def _inside(content: Content, unfold: Sequence[str]) -> Content:
    """The content, the bodies of its loops folded. What stands for their inputs and results is
    never left out: no two of these are alike."""
    if not any(card.loop for card in content.cards):
        return content
    cards = []
    for card in content.cards:
        loop = card.loop
        if loop is not None:
            inside = fold(loop.inside, unfold)
            old = [loop.inside.cards[i] for i in (*loop.entries, *loop.exits)]
            at = {other.key: i for i, other in enumerate(inside.cards)}
            places = tuple(at[other.key] for other in old)
            entries, exits = places[: len(loop.entries)], places[len(loop.entries) :]
            back = tuple(zip(exits, entries, strict=False))[: len(loop.back)]
            loop = replace(loop, inside=inside, entries=entries, exits=exits, back=back)
            card = replace(card, loop=loop)
        cards.append(card)
    return Content(cards, content.links, content.detail, content.frames)


def _kept_open(copies: list[list[Card]], unfold: Sequence[str]) -> bool:
    return any(card.name.startswith(tuple(unfold)) for copy in copies for card in copy) and bool(
        unfold
    )


def _repeat(classes: list[int], segments: list[Segment], at: int) -> tuple[int, int]:
    """Period (in segments) and number of copies of the block that is repeated from here on."""
    best, covered = (1, 1), 0
    for period in range(1, min(LONGEST, (len(classes) - at) // 2) + 1):
        block = classes[at : at + period]
        times = 1
        while classes[at + times * period : at + (times + 1) * period] == block:
            times += 1
        size = sum(len(segments[at + i]) for i in range(period))
        worth = times >= 2 and (size >= 2 or times >= 3)
        if worth and period * times > covered:
            best, covered = (period, times), period * times
    return best


def _frame(copies: list[list[Card]]) -> Frame:
    first, last = (
        _scope(card.name for card in copy).split(".") for copy in (copies[0], copies[-1])
    )
    times = len(copies)
    parameters = times * sum(card.parameters for card in copies[0])
    work = times * sum(card.multiply_adds for card in copies[0])
    made = times * sum(card.bytes for card in copies[0])
    notes = (
        f"{parameters:,} params" if parameters else "",
        f"{short(work)} mult-adds" if work else "",
        _shapes(copies[0]),
        f"outputs {in_bytes(made)}",
    )
    return Frame(_title(first, last, times), tuple(copies[0]), times, notes)


def _title(first: Sequence[str], last: Sequence[str], times: int) -> str:
    """`stage1.head … tail`, and `stage1.block1–6` where the number of a block counts them."""
    same = 0
    while same < min(len(first), len(last)) - 1 and first[same] == last[same]:
        same += 1
    if len(first) == len(last) == same + 1:
        word = first[same].rstrip("0123456789")
        number, end = (part[same][len(word) :] for part in (first, last))
        if word and number.isdecimal() and last[same] == f"{word}{int(number) + times - 1}":
            return f"{'.'.join(first)}–{end}"
    return f"{'.'.join(first)} … {'.'.join(last[same:])}"


def _shapes(cards: Sequence[Card]) -> str:
    """The shape of all outputs, or the smallest and the largest."""
    outputs = [card.output for card in cards if card.output is not None]
    sizes = {dimensions(value.type): known_size(value.shape) for value in outputs}
    shapes = sorted(sizes, key=lambda shape: (sizes[shape], shape))
    return " to ".join(dict.fromkeys((shapes[0], shapes[-1])))


def _without(content: Content, dropped: dict[int, int], frames: list[Frame]) -> Content:
    number: dict[int, int] = {}
    cards: list[Card] = []
    for i, card in enumerate(content.cards):
        if i not in dropped:
            number[i] = len(cards)
            cards.append(card)
    links: dict[Link, None] = {}
    for link in content.links:
        source = dropped.get(link.source, link.source)
        if source in number and link.target in number:
            links[Link(number[source], number[link.target], link.value)] = None
    return Content(cards, list(links), content.detail, frames)


def _classes(content: Content, segments: list[Segment]) -> list[int]:
    """A number for every segment; isomorphic ones have the same."""
    segment_of = {i: s for s, segment in enumerate(segments) for i in segment}
    inner: list[list[tuple[int, int]]] = [[] for _ in segments]
    entry: list[list[tuple[int, str]]] = [[] for _ in segments]
    for link in content.links:
        s = segment_of[link.target]
        base = segments[s][0]
        if segment_of[link.source] == s:
            inner[s].append((link.source - base, link.target - base))
        else:
            entry[s].append((link.target - base, str(link.value.type)))
    marks = [signature(card) for card in content.cards]
    known: dict[Any, list[tuple[int, Any]]] = {}
    result: list[int] = []
    for s, segment in enumerate(segments):
        own = [(marks[i], tuple(t for k, t in entry[s] if k == j)) for j, i in enumerate(segment)]
        exact = (tuple(own), tuple(sorted(inner[s])))
        rivals = known.setdefault((tuple(sorted(map(repr, own))), len(inner[s])), [])
        for number, other in rivals:
            if exact == other or _isomorphic(exact, other):
                result.append(number)
                break
        else:
            rivals.append((s, exact))
            result.append(s)
    return result


def _isomorphic(one: Any, other: Any) -> bool:
    import networkx as nx  # takes long to load, and few graphs need it

    def view(own: Iterable[Any], inner: Iterable[tuple[int, int]]) -> "nx.DiGraph[Any]":
        made: nx.DiGraph[Any] = nx.DiGraph()
        for i, mark in enumerate(own):
            made.add_node(i, mark=mark)
        made.add_edges_from(inner)
        return made

    return bool(nx.is_isomorphic(view(*one), view(*other), _same))


def _same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return bool(a["mark"] == b["mark"])


def signature(card: Card) -> tuple[Any, ...]:
    """All that makes a card what it is, but for its name."""
    return tuple(map(_mark, card.nodes)) if card.nodes else ("end", card.key)


def _mark(node: Node) -> tuple[Any, ...]:
    op = node.op
    if isinstance(op, WithBody):
        return (repr(op), tuple(map(str, node.types)))
    attributes = tuple(repr(getattr(op, f.name)) for f in fields(op) if f.name not in _NAMES)
    weights = tuple(str(v.type) for v in node.inputs if isinstance(v.node.op, State))
    own = () if isinstance(op, State) else attributes
    return (op.name, own, weights, tuple(map(str, node.types)))
