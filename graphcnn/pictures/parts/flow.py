"""From a layout to lines on the page: heights of rows, columns of the page, routes of the edges.

Places are (across, along): along is the direction in which the network runs. `Flow` turns them
into (x, y) at the very end, so that top-to-bottom and left-to-right share everything.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from graphcnn.pictures.parts.layout import Layout
from graphcnn.pictures.scene.scene import Box, Group, Path, arrow

#: Pixels between rows: for the label below a box, and for the lines to bend.
LABEL: Final = 17.0
BEND: Final = 15.0
#: Between two columns of the page.
GUTTER: Final = 46.0
#: Length along which a picture is not wrapped yet.
SHORT: Final = 760.0
#: Values that may pass from column to column, where a page with fewer is this far from square.
CARRIED: Final = 3
_LONG: Final = 2.2
#: How much empty room in columns counts against the page's being square.
_EMPTY: Final = 1.5
#: Width from which on a page shows a picture so small that its texts are hard to read; how many
#: times that it is no matter any more, since nobody reads it without zooming in.
PAGE: Final = 1300.0
_HUGE: Final = 2.0
_HEAD: Final = 6.0
#: Between lines that pass to the next column side by side.
_TRACK: Final = 6.0
#: How far below the last label or frame of a column they turn.
_BELOW: Final = 10.0
_PORT: Final = 13.0

Point = tuple[float, float]


@dataclass
class Flow:
    """Where everything lies once rows have heights and the page has columns.

    Attributes:
        top, bottom: of each row, along.
        column: of each row.
        shift: across, of each row's column.
        turned: left to right instead of top to bottom.
    """

    layout: Layout
    label: float
    turned: bool
    top: list[float] = field(default_factory=list)
    bottom: list[float] = field(default_factory=list)
    leave: list[float] = field(default_factory=list)  # where lines may bend again, after labels
    column: list[int] = field(default_factory=list)
    shift: list[float] = field(default_factory=list)
    start: float = 0.0
    columns: list[tuple[float, float]] = field(default_factory=list)  # extents across
    # Of the lines that go on in the next column: their place among those, from left to right.
    turns: dict[int, tuple[int, int]] = field(default_factory=dict)

    @property
    def tracks(self) -> float:
        """How far lines to the next column reach past the last row."""
        if not self.turns:
            return 0.0
        return _BELOW + _TRACK * max(count - 1 for _, count in self.turns.values())

    def across(self, index: int) -> float:
        return self.layout.x[index] + self.shift[self.layout.row[index]]

    def point(self, across: float, along: float) -> Point:
        return (along, across) if self.turned else (across, along)

    def box(self, across: float, along: float, wide: float, high: float) -> Box:
        """The box around a place: centred across, beginning along."""
        if self.turned:
            return Box(along, across - high / 2, along + wide, across + high / 2)
        return Box(across - wide / 2, along, across + wide / 2, along + high)


def flow(
    layout: Layout,
    lengths: Sequence[float],
    extents: Sequence[tuple[float, float]],
    *,
    before: Mapping[int, float],
    after: Mapping[int, float],
    whole: Sequence[tuple[int, int]],
    label: float = LABEL,
    turned: bool = False,
    wrap: bool = True,
    start: float = 0.0,
    aside: float = 0.0,
) -> Flow:
    """Rows with heights, in columns of the page.

    Args:
        lengths: of each box, along.
        extents: of each box or lane, to both sides of its line.
        before, after: more room before and after some rows.
        whole: pairs of rows between which the page is not broken.
        label: room for labels behind each row.
        start: where the first row begins, along.
        aside: more room across on both sides of each column.
    """
    result = Flow(layout, label, turned)
    count = len(layout.order)
    heights = [
        max((lengths[b] for b in row if b < layout.boxes), default=0.0) for row in layout.order
    ]
    steps = [
        heights[r] + before.get(r, 0) + after.get(r, 0) + (label + BEND if r < count - 1 else 0)
        for r in range(count)
    ]
    sides = [_extent(layout, row, extents) for row in layout.order]
    groups = [_pieces(layout, whole, 1)]
    if wrap and sum(steps) > SHORT:
        groups, misfit = _columns(groups[0], steps, sides, turned)
        for most in range(2, CARRIED + 1):
            if misfit > _LONG:  # lines that skip layers may go on in the next column too
                other, worth = _columns(_pieces(layout, whole, most), steps, sides, turned)
                groups, misfit = min((groups, misfit), (other, worth), key=lambda pair: pair[1])
    edge = 0.0
    result.start = start
    for number, group in enumerate(groups):
        rows = [r for piece in group for r in piece]
        left = min(sides[r][0] for r in rows) - aside
        right = max(sides[r][1] for r in rows) + aside
        along = start + (BEND + 8 if number else 0)
        for r in rows:
            along += before.get(r, 0)
            result.top.append(along)
            result.bottom.append(along + heights[r])
            result.column.append(number)
            result.shift.append(edge - left)
            along += heights[r] + label + after.get(r, 0)
            result.leave.append(along)
            along += BEND
        result.columns.append((edge, edge + right - left))
        edge += right - left + GUTTER
    result.turns = _turns(result)
    return result


def _turns(flow_: Flow) -> dict[int, tuple[int, int]]:
    row, column = flow_.layout.row, flow_.column
    leaving: dict[int, dict[int, None]] = {}
    for way in flow_.layout.ways:
        for here, there in itertools.pairwise(way):
            if column[row[here]] != column[row[there]]:
                leaving.setdefault(column[row[here]], {})[here] = None
    return {
        here: (place, len(ends))
        for ends in leaving.values()
        for place, here in enumerate(sorted(ends, key=flow_.across))
    }


def _extent(layout: Layout, row: list[int], extents: Sequence[tuple[float, float]]) -> Point:
    return (
        min(layout.x[b] - extents[b][0] for b in row),
        max(layout.x[b] + extents[b][1] for b in row),
    )


def _pieces(layout: Layout, whole: Sequence[tuple[int, int]], most: int) -> list[list[int]]:
    """Rows that stay together: between pieces at most `most` values pass."""
    count = len(layout.order)
    passing: list[set[int]] = [set() for _ in range(count)]
    for way in layout.ways:
        for r in range(layout.row[way[0]], layout.row[way[-1]]):
            passing[r].add(way[0])
    closed = {r for first, last in whole for r in range(first, last)}
    pieces: list[list[int]] = [[]]
    for r in range(count):
        pieces[-1].append(r)
        if r < count - 1 and len(passing[r]) <= most and r not in closed:
            pieces.append([])
    return pieces


def _columns(
    pieces: list[list[int]], steps: list[float], sides: list[Point], turned: bool
) -> tuple[list[list[list[int]]], float]:
    """The pieces in columns, so that the page comes out about as wide as it is high; and how far
    from that it is.

    Columns that are mostly empty count against it: a long piece that cannot be broken is not
    set between two short ones.
    """
    best, worst = [pieces], float("inf")
    lengths = [sum(steps[r] for r in piece) for piece in pieces]
    across = max(right - left for left, right in sides) + GUTTER
    fewest = max(1, int(math.sqrt(sum(steps) / across)) - 4)
    total = sum(steps)
    for count in range(fewest, min(len(pieces), fewest + 9) + 1):
        groups = _split(pieces, lengths, count)
        if len(groups) < count:
            continue
        along = max(sum(steps[r] for p in g for r in p) for g in groups)
        across = sum(
            max(sides[r][1] for p in g for r in p) - min(sides[r][0] for p in g for r in p)
            for g in groups
        ) + GUTTER * (count - 1)
        wide, high = (along, across) if turned else (across, along)
        ratio = wide / high / 1.15
        misfit = max(ratio, 1 / ratio) * (along * len(groups) / total) ** _EMPTY
        misfit *= min(max(1.0, wide / PAGE), _HUGE) ** 2
        if misfit < worst:
            best, worst = groups, misfit
    return best, worst


def _split(pieces: list[list[int]], lengths: list[float], count: int) -> list[list[list[int]]]:
    """At most `count` columns with the least longest one: bisection over its length."""
    low, high = max(lengths), sum(lengths)
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (low, middle) if len(_filled(pieces, lengths, middle)) <= count else (
            middle, high)  # fmt: skip
    return _filled(pieces, lengths, high)


def _filled(pieces: list[list[int]], lengths: list[float], most: float) -> list[list[list[int]]]:
    columns: list[list[list[int]]] = [[]]
    used = 0.0
    for piece, length in zip(pieces, lengths, strict=True):
        if columns[-1] and used + length > most:
            columns.append([])
            used = 0.0
        columns[-1].append(piece)
        used += length
    return columns


def ports(flow_: Flow, ways: Sequence[Sequence[int]], room: Sequence[float]) -> list[float]:
    """Where every edge enters its box, across: straight ones in the middle, others beside."""
    arriving: dict[int, list[tuple[float, int]]] = {}
    for i, way in enumerate(ways):
        arriving.setdefault(way[-1], []).append((flow_.across(way[-2]), i))
    result = [0.0] * len(ways)
    for target, lines in arriving.items():
        middle = flow_.across(target)
        lines.sort()
        straight = [k for k, (x, _) in enumerate(lines) if abs(x - middle) < 1]
        center = straight[0] if straight else (len(lines) - 1) / 2
        most = max(center, len(lines) - 1 - center)
        step = min(_PORT, room[target] / most) if most else 0.0
        for k, (_, i) in enumerate(lines):
            result[i] = middle + (k - center) * step
    return result


def route(
    flow_: Flow, way: Sequence[int], begin: float, port: float, paint: str, width: float
) -> tuple[Path, Group]:
    """The line of an edge and its head. `begin` is where its source ends, along."""
    layout = flow_.layout
    x = flow_.across(way[0])
    steps: list[tuple[Any, ...]] = [("M", *flow_.point(x, begin))]
    for here, there in itertools.pairwise(way):
        row, below = layout.row[here], layout.row[there]
        goal = port if there == way[-1] else flow_.across(there)
        end = flow_.top[below] - (_HEAD - 1 if there == way[-1] else 0)
        along = flow_.leave[row]
        if flow_.column[row] != flow_.column[below]:
            x, along = _turn(flow_, steps, x, along, here, there)
        else:
            steps.append(("L", *flow_.point(x, along)))
        if abs(goal - x) < 0.6:
            steps.append(("L", *flow_.point(x, end)))
        else:
            # Lines bend between the label and the next row, whatever frames begin there.
            low = min(end, along + BEND)
            half = (along + low) / 2
            steps.append(
                ("C", *flow_.point(x, half), *flow_.point(goal, half), *flow_.point(goal, low))
            )
            if low < end:
                steps.append(("L", *flow_.point(goal, end)))
        x = goal
    x, y = flow_.point(port, flow_.top[layout.row[way[-1]]])
    head = arrow(x, y, *flow_.point(0.0, 1.0), paint=_head_of(paint))
    return Path(_joined(steps), paint, round(width, 1)), Group(
        (head,), "badge", box=Box(x, y, x, y)
    )


def _turn(
    flow_: Flow, steps: list[tuple[Any, ...]], x: float, along: float, here: int, there: int
) -> Point:
    """Through the gutter to the head of the next column; returns where the line goes on.

    Several lines keep apart: the right ones turn first and pass above the left ones.
    """
    below = flow_.layout.row[there]
    column = flow_.column[below]
    place, count = flow_.turns[here]
    inner = _TRACK * (count - 1 - place)
    low = along + _BELOW + inner
    middle = (flow_.columns[column - 1][1] + flow_.columns[column][0]) / 2 + inner
    middle -= _TRACK * (count - 1) / 2
    goal = flow_.across(there if place else _main_of(flow_, below))
    top = flow_.start - 4 - _TRACK * place
    for across, level in ((x, low), (middle, low), (middle, top), (goal, top)):
        steps.append(("L", *flow_.point(across, level)))
    return goal, flow_.start - 4


def _main_of(flow_: Flow, row: int) -> int:
    boxes = [b for b in flow_.layout.order[row] if b < flow_.layout.boxes]
    return (boxes or flow_.layout.order[row])[0]


def _head_of(paint: str) -> str:
    return {"edge": "head", "update_line": "update_head", "error_line": "error_head"}.get(
        paint, f"{paint}_head"
    )


def _joined(steps: list[tuple[Any, ...]]) -> tuple[tuple[Any, ...], ...]:
    """Straight steps that go on in the same direction become one."""
    result: list[tuple[Any, ...]] = []
    for step in steps:
        if step[0] == "L" and result:
            last = result[-1]
            if last[-2:] == step[1:]:
                continue
            if last[0] == "L" and len(result) > 1:
                before = result[-2][-2:]
                same_x = before[0] == last[1] == step[1]
                same_y = before[1] == last[2] == step[2]
                if same_x or same_y:
                    result[-1] = step
                    continue
        result.append(step)
    return tuple(result)
