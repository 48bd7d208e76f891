"""Frames around rows of cards: scopes by their names, and blocks that are repeated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from graphcnn.pictures.content.content import Card, Content, Frame
from graphcnn.pictures.parts.flow import Flow
from graphcnn.pictures.scene.fonts import elide, text_width
from graphcnn.pictures.scene.scene import Box, Group, Item, Rect, Text, around
from graphcnn.pictures.scene.units import joined

_TITLE: Final = 17.0
_TOTALS: Final = 12.0  # a further line, of repeated blocks
_PAD: Final = 7.0
_SIZE: Final = 9.5
_NOTE: Final = 8.5
#: Scopes inside scopes that are framed.
_DEEPEST: Final = 2


@dataclass(frozen=True)
class Band:
    """A frame as rows: from `first` to `last`, `depth` frames from the outside.

    `inner` are the rows, first and last, of the frames within it.
    """

    frame: Frame
    cards: tuple[int, ...]
    first: int
    last: int
    depth: int = 0
    inner: tuple[tuple[int, int], ...] = ()


def bands(content: Content, rows: Sequence[int]) -> list[Band]:
    """The frames that can be drawn: whose rows hold nothing else. Outer ones come first.

    `rows` has the row of every card.
    """
    number = {card: i for i, card in enumerate(content.cards)}
    found: dict[tuple[int, ...], Frame] = {}  # a scope that is all of another takes its place
    for depth in range(1, _DEEPEST + 1):
        scopes: dict[tuple[str, ...], list[Card]] = {}
        for card in content.cards:
            parts = card.name.split(".")
            if len(parts) > depth and card.nodes and len(card.name) < 200:
                scopes.setdefault(tuple(parts[:depth]), []).append(card)
        for scope, cards in scopes.items():
            if len(cards) > 1:
                members = tuple(number[c] for c in cards)
                found[members] = Frame(".".join(scope), tuple(cards))
    repeats = [(f, tuple(number[c] for c in f.cards)) for f in content.frames]
    same = {members for _, members in repeats}
    plain = [(frame, members) for members, frame in found.items() if members not in same]
    by_row: dict[int, list[int]] = {}
    for i, row in enumerate(rows):
        by_row.setdefault(row, []).append(i)
    ranges = [
        (frame, members, span)
        for frame, members in (*plain, *repeats)
        if (span := _span(members, rows, by_row)) is not None
    ]
    flat = [Band(frame, members, *span) for frame, members, span in ranges]
    nested = [b for b in flat if _nests(b, flat)]
    result = []
    for band in nested:
        outer = sum(_holds(other, band) for other in nested)
        inner = tuple((o.first, o.last) for o in nested if _holds(band, o))
        result.append(replace(band, depth=outer, inner=inner))
    return sorted(result, key=lambda b: (b.depth, b.first))


def common_scope(cards: Sequence[Card]) -> str:
    """What the names of all cards begin with, up to a dot; "" where they share nothing."""
    first = cards[0].name.split(".")[:-1]
    for card in cards:
        parts = card.name.split(".")[:-1]
        while parts[: len(first)] != first:
            first.pop()
    return "".join(f"{part}." for part in first)


def _span(
    members: Sequence[int], rows: Sequence[int], by_row: Mapping[int, list[int]]
) -> tuple[int, int] | None:
    first, last = min(rows[i] for i in members), max(rows[i] for i in members)
    own = set(members)
    alone = all(i in own for row in range(first, last + 1) for i in by_row.get(row, ()))
    return (first, last) if alone else None


def _holds(outer: Band, inner: Band) -> bool:
    """Whether one frame has all rows of the other, and more."""
    within = outer.first <= inner.first and inner.last <= outer.last
    return within and (outer.first, outer.last) != (inner.first, inner.last)


def _nests(band: Band, others: Sequence[Band]) -> bool:
    """Whether no other frame begins inside and ends outside; repeats win over scopes."""
    for other in others:
        apart = other.last < band.first or band.last < other.first
        if other is band or apart or _holds(other, band) or _holds(band, other):
            continue
        if band.frame.times <= other.frame.times:
            return False
    return True


def room(
    found: Sequence[Band], rows: int, turned: bool
) -> tuple[dict[int, float], dict[int, float], float]:
    """Pixels before and after rows, and at the sides, that the frames take."""
    before: dict[int, float] = {}
    after: dict[int, float] = {}
    for band in found:
        head = _PAD if turned else _head(band)
        before[band.first] = before.get(band.first, 0) + head
        after[band.last] = after.get(band.last, 0) + _PAD
    deepest = max((b.depth for b in found), default=-1) + 1
    aside = deepest * (_TITLE if turned else _PAD) + (4 if deepest else 0)
    return before, after, aside


def _head(band: Band) -> float:
    return _TITLE + _TOTALS * ((len(band.frame.notes) + 1) // 2)


def draw_band(
    band: Band, flow: Flow, boxes: dict[int, list[Box]], arriving: Mapping[int, list[float]]
) -> list[Group]:
    """The frame, in a piece for each column of the page.

    `boxes` are those that it holds, `arriving` has where lines enter cards, by row.
    """
    groups = []
    for number, (column, inside) in enumerate(sorted(boxes.items())):
        rows = [r for r in range(band.first, band.last + 1) if flow.column[r] == column]
        grown = _PAD * (1 + max((_depth(band, r) for r in rows), default=0))
        hull = around(inside)
        above = _head(band) + _TITLE * sum(first == rows[0] for first, _ in band.inner) - 1
        below = _PAD * (1 + sum(last == rows[-1] for _, last in band.inner)) - 1
        if flow.turned:
            left = flow.top[rows[0]] - above * _PAD / _TITLE
            right = flow.bottom[rows[-1]] + flow.label + below
            box = Box(left, hull.top - grown * _TITLE / _PAD, right, hull.bottom + grown)
            free = (box.width - 14, 0.0)
        else:
            top = flow.top[rows[0]] - above
            bottom = flow.bottom[rows[-1]] + flow.label + below
            box = Box(hull.left - grown, top, hull.right + grown, bottom)
            # Texts end before the first line that comes down, or begin behind the last.
            lines = [flow.across(b) for b in flow.layout.order[rows[0]]]
            lines += arriving.get(rows[0], [])
            inner = [x for x in lines if box.left < x < box.right]
            free = (min(inner) - box.left - 13, box.right - max(inner) - 13)
        groups.append(_drawn(band.frame, box, free, bool(number), flow.turned))
    return groups


def _drawn(
    frame: Frame, box: Box, free: tuple[float, float], continued: bool, turned: bool
) -> Group:
    """`free` are the widths of what no line crosses, on the left and on the right."""
    repeated = frame.times > 1
    text = f"… {frame.title}" if continued else frame.title
    items: list[Item] = [Rect(box, "repeat" if repeated else "frame", 4)]
    left, right = free[0], free[1] - 30 * repeated
    aside = right > left and text_width(text, _SIZE, bold=True) > left
    shown = elide(text, _SIZE, right if aside else left, bold=True)
    x = box.right - 7 - right if aside else box.left + 7
    items.append(Text(x, box.top + 12, shown, _SIZE, "muted", bold=True))
    if repeated:
        badge = Box(box.right - 34, box.top + 3, box.right - 4, box.top + 16.5)
        items += [
            Rect(badge, "badge", 6),
            Text(badge.center, badge.bottom - 3.2, f"×{frame.times}", 10, "badge_text",
                 "middle", True),
        ]  # fmt: skip
        if turned:
            x += text_width(shown, _SIZE, bold=True) * 1.06 + 14
            items += _note(joined(frame.notes), x, box.top + 12, badge.left - 8 - x)
        elif not continued:
            # In pairs on both sides of the lines that come down.
            for i, note in enumerate(frame.notes):
                y = box.top + 25 + _TOTALS * (i // 2)
                if i % 2:
                    items += _note(note, box.right - 6, y, free[1], "end")
                else:
                    items += _note(note, box.left + 7, y, free[0])
    times = f"repeated {frame.times} times, in all " if repeated else ""
    label = f"{text}: {times}{', '.join(filter(None, frame.notes))}" if repeated else text
    return Group(tuple(items), "frame", "", label, box=box)


def _note(note: str, x: float, y: float, most: float, anchor: str = "start") -> list[Text]:
    """A total of all copies; none where it does not fit: a number without its middle is wrong."""
    fits = note and text_width(note, _NOTE) * 1.03 <= most
    return [Text(x, y, note, _NOTE, "muted", anchor)] if fits else []


def _depth(band: Band, row: int) -> int:
    """How many frames inside the band pass a row."""
    return sum(first <= row <= last for first, last in band.inner)
