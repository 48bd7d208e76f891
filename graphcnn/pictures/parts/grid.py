"""Pictures made of rows and columns: small cards that stand level, and lines between them.

A column holds in each row a stack of cards. Lines inside a column run straight between
neighbours, and in lanes beside the column otherwise; lines between columns run across.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from graphcnn.pictures.scene.colors import PAINTS
from graphcnn.pictures.scene.fonts import elide, text_width
from graphcnn.pictures.scene.scene import Box, Group, Item, Path, Rect, Text, arrow
from graphcnn.pictures.scene.units import joined

TITLE: Final = 10.0
BODY: Final = 9.0
#: Between cards of a stack, between rows, and between lanes.
STACK: Final = 6.0
ROW: Final = 16.0
LANE: Final = 8.0
WIDEST: Final = 196.0
#: Where titles begin, after the sign.
_INDENT: Final = 28.0


@dataclass(frozen=True)
class GridCell:
    """A small card: a sign or letters, a title, a line of facts."""

    key: str
    title: str
    facts: str
    paint: str
    sign: str
    label: str
    radius: float = 3.0
    tip: str = ""
    marks: tuple[str, ...] = ()  # small signs at the right of the title


@dataclass(frozen=True)
class Wire:
    """A line from one cell to another of the same column."""

    source: str
    target: str
    paint: str
    width: float = 1.2


@dataclass(frozen=True)
class Connector:
    """A line from one cell to another of a column further right, with a text on it."""

    source: str
    target: str
    paint: str
    text: str = ""
    text_paint: str = "muted"
    head: str = ""


@dataclass
class Grid:
    """Rows of columns of cells. `lanes` says on which side of each column its lanes run."""

    titles: Sequence[str]
    rows: list[list[list[GridCell]]]
    wires: list[Wire] = field(default_factory=list)
    across: list[Connector] = field(default_factory=list)
    sides: Sequence[str] = ("left", "right", "right")
    gap: float = 30.0
    between: float = ROW
    boxes: dict[str, Box] = field(default_factory=dict)
    extents: list[tuple[float, float]] = field(default_factory=list)

    def draw(self, left: float, top: float) -> tuple[list[Group], Box]:
        """All cells and lines from a corner on, and the area that they take."""
        lanes = self._lanes()
        column_of = {
            cell.key: c for row in self.rows for c, stack in enumerate(row) for cell in stack
        }
        cells = [cell for row in self.rows for stack in row for cell in stack]
        x, self.extents = left, []
        for c in range(len(self.titles)):
            own = [cell for cell in cells if column_of[cell.key] == c]
            width = max([_width(cell) for cell in own] + [text_width(self.titles[c], 11, True) + 8])
            count = len({lane for key, lane in lanes.items() if column_of[key] == c})
            space = count * LANE + (8 if count else 0)
            x += space if self.sides[c] == "left" else 0
            self.extents.append((x, x + width))
            x += width + (space if self.sides[c] == "right" else 0) + self._gap(c, column_of)
        bottom = self._place(top + 22)
        right = max([b for _, b in self.extents] + [x - self.gap])
        heads = [
            Group((Text(a, top + 10, title, 11, "text", bold=True),), "label",
                  box=Box(a, top, a + text_width(title, 11, True) + 1, top + 14))
            for title, (a, _) in zip(self.titles, self.extents, strict=True) if title
        ]  # fmt: skip
        drawn = [draw_cell(cell, self.boxes[cell.key]) for cell in cells]
        lines = [self._wire(w, lanes, column_of[w.source]) for w in self.wires]
        return [*heads, *lines, *self._crosses(), *drawn], Box(left, top, right, bottom)

    def _gap(self, column: int, column_of: dict[str, int]) -> float:
        """Room for the texts on the lines that leave a column to the right."""
        texts = [a.text for a in self.across if column_of[a.source] == column and a.text]
        widest = max((text_width(t, 8.5) for t in texts), default=0.0)
        return max(self.gap, widest * 1.06 + 20)

    def _place(self, top: float) -> float:
        for row in self.rows:
            heights = [
                sum(map(self._height, stack)) + STACK * max(len(stack) - 1, 0) for stack in row
            ]
            height = max(heights)
            for c, stack in enumerate(row):
                y = top
                a, b = self.extents[c]
                for cell in stack:
                    # A lone card is as high as its row: lines across always meet it.
                    high = height if len(stack) == 1 and c == 0 else self._height(cell)
                    self.boxes[cell.key] = Box(a, y, b, y + high)
                    y += high + STACK
            top += height + self.between
        return top - self.between

    def _height(self, one: GridCell) -> float:
        """That of its texts, or of the texts on the lines that enter it."""
        words = sum(a.target == one.key and bool(a.text) for a in self.across)
        least = 31.0 if one.facts else 19.0
        return max(least, 11.0 * (words + 1)) if words > 1 else least

    @cached_property
    def order(self) -> dict[str, int]:
        """The place of every cell in its column."""
        place: dict[str, int] = {}
        for c in range(len(self.titles)):
            keys = [cell.key for row in self.rows for cell in row[c]]
            place.update((key, i) for i, key in enumerate(keys))
        return place

    def _lanes(self) -> dict[str, int]:
        """A lane for every cell with lines to others than its neighbours: first fit."""
        place = self.order
        column = {cell.key: c for row in self.rows for c, stack in enumerate(row) for cell in stack}
        spans: dict[str, tuple[int, int]] = {}
        for wire in self.wires:
            a, b = place[wire.source], place[wire.target]
            if abs(a - b) > 1:
                low, high = spans.get(wire.source, (a, a))
                spans[wire.source] = (min(low, b), max(high, b))
        lanes: dict[str, int] = {}
        taken: dict[int, list[list[tuple[int, int]]]] = {}
        for key, (low, high) in sorted(spans.items(), key=lambda s: (s[1][1] - s[1][0], s[1])):
            for number, lane in enumerate(taken.setdefault(column[key], [])):
                if all(high < a or b < low for a, b in lane):
                    lane.append((low, high))
                    lanes[key] = number
                    break
            else:
                taken[column[key]].append([(low, high)])
                lanes[key] = len(taken[column[key]]) - 1
        return lanes

    def _wire(self, wire: Wire, lanes: dict[str, int], column: int) -> Group:
        a, b = self.boxes[wire.source], self.boxes[wire.target]
        known = f"{wire.paint.removesuffix('_line')}_head"
        head = known if known in PAINTS else "head"
        place = self.order
        down = b.top > a.top
        near = abs(place[wire.source] - place[wire.target]) == 1
        items: tuple[Item, ...]
        if near:
            x = (a.left + a.right) / 2
            begin, end = (a.bottom, b.top) if down else (a.top, b.bottom)
            sign = 1 if down else -1
            items = (
                Path((("M", x, begin), ("L", x, end - 4 * sign)), wire.paint, wire.width),
                arrow(x, end, 0, sign, head, 5),
            )
        else:
            left = self.sides[column] == "left"
            sign = -1 if left else 1
            edge = a.left if left else a.right
            x = edge + sign * (8 + LANE * lanes[wire.source])
            y, goal = (a.top + a.bottom) / 2 + 4, (b.top + b.bottom) / 2 - 5
            steps: tuple[tuple[Any, ...], ...] = (
                ("M", edge, y), ("L", x, y), ("L", x, goal), ("L", edge + sign * 4, goal),
            )  # fmt: skip
            items = (Path(steps, wire.paint, wire.width), arrow(edge, goal, -sign, 0, head, 5))
        return Group(items, "edge", links=(wire.source, wire.target))

    def _crosses(self) -> list[Group]:
        """Lines across. Those that enter one cell share its height; so do those that leave one."""
        groups: list[Group] = []
        entering: dict[str, int] = {}
        for line in self.across:
            entering[line.target] = entering.get(line.target, 0) + 1
        used: dict[str, int] = {}
        for line in self.across:
            a, b = self.boxes[line.source], self.boxes[line.target]
            k, count = used.get(line.target, 0), entering[line.target]
            used[line.target] = k + 1
            y = b.top + b.height * (k + 1) / (count + 1)
            begin = y if a.top <= y <= a.bottom else (a.top + a.bottom) / 2
            end = b.left - (4 if line.head else 0)
            steps: tuple[tuple[Any, ...], ...] = (("M", a.right, begin), ("L", end, y))
            if abs(begin - y) > 0.5:
                bend = b.left - 12
                steps = (
                    ("M", a.right, begin), ("L", bend - 10, begin),
                    ("C", bend, begin, bend - 6, y, bend + 2, y), ("L", end, y),
                )  # fmt: skip
            items: list[Item] = [Path(steps, line.paint)]
            if line.head:
                items.append(arrow(b.left, y, 1, 0, line.head, 5))
            groups.append(Group(tuple(items), "edge", links=(line.source, line.target)))
            if line.text:
                x, width = a.right + 6, text_width(line.text, 8.5)
                words = Text(x, begin - 2.5, line.text, 8.5, line.text_paint)
                box = Box(x, begin - 9.5, x + width, begin - 0.5)
                groups.append(Group((words,), "label", box=box))
        return groups


def _width(cell: GridCell) -> float:
    title = min(text_width(cell.title, TITLE, True) + _INDENT + 4, WIDEST)
    title += sum(map(_mark_width, cell.marks))
    return -(-max(title, min(text_width(cell.facts, BODY), WIDEST) + 4) * 1.06 // 8
             ) * 8 + 10  # fmt: skip


def _mark_width(mark: str) -> float:
    return math.ceil(text_width(mark, 8.5, True) * 1.06 + 11)


def cell(
    key: str, title: str, facts: Sequence[Any], paint: str, sign: str, *, radius: float = 3,
    tip: str = "", label: str = "",
) -> GridCell:  # fmt: skip
    """A cell whose texts are cut to what a cell can hold."""
    short = elide(title, TITLE, WIDEST - _INDENT - 4, bold=True)
    text = elide(joined(facts), BODY, WIDEST - 6)
    spoken = label or ", ".join(filter(None, (title[:120], *map(str, facts))))
    return GridCell(key, short, text, paint, sign, spoken, radius, tip)


def draw_cell(one: GridCell, box: Box) -> Group:
    items: list[Item] = [
        Rect(box, one.paint, one.radius),
        Text(box.left + 6, box.top + 12.5, one.sign, TITLE, "text", bold=True),
        Text(box.left + _INDENT, box.top + 12.5, one.title, TITLE, "text", bold=True),
    ]
    x = box.right - 1
    for mark in reversed(one.marks):
        x -= _mark_width(mark)
        ground = Box(x, box.top + 3.5, x + _mark_width(mark) - 3, box.top + 15.5)
        items.append(Rect(ground, "badge", 6))
        items.append(Text(ground.center, box.top + 12.6, mark, 8.5, "badge_text", "middle", True))
    if one.facts:
        items.append(Text(box.left + 6, box.top + 25, one.facts, BODY, "text"))
    return Group(tuple(items), "card", one.key, one.label, one.tip, box)
