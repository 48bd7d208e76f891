"""Long tables in panels side by side. Lines from panel to panel become numbers on their cards."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from graphcnn.pictures.parts.grid import Connector, Grid, GridCell, Wire
from graphcnn.pictures.scene.scene import Box, Group

#: Height up to which a table stays whole, and width to height of the page beyond that.
TALL: Final = 1900.0
_ASPECT: Final = 1.2
_BETWEEN: Final = 44.0
#: Share of a panel's height by which its end may move to where fewer lines pass.
_SEARCH: Final = 0.15


def draw_panels(table: Grid, left: float, top: float) -> tuple[list[Group], Box]:
    """The table, broken between rows where it is too long for a page, and the area it takes."""
    groups, area = table.draw(left, top)
    if area.height <= TALL:
        return groups, area
    row_of = {c.key: i for i, row in enumerate(table.rows) for stack in row for c in stack}
    lines: list[Wire | Connector] = [*table.wires, *table.across]
    pairs = [(row_of[line.source], row_of[line.target]) for line in lines]
    ends = _ends(table, area, pairs)
    panel_of = [sum(i >= end for end in ends) for i in range(len(table.rows))]

    leave = [panel_of[a] != panel_of[b] for a, b in pairs]
    marks = _marks(list(itertools.compress(lines, leave)))
    drawn: list[Group] = []
    x, bottom = left, top
    for number in range(len(ends) + 1):
        rows = [
            [[_marked(cell, marks) for cell in stack] for stack in row]
            for row, panel in zip(table.rows, panel_of, strict=True)
            if panel == number
        ]
        own = {cell.key for row in rows for stack in row for cell in stack}
        wires = [w for w in table.wires if w.source in own and w.target in own]
        across = [a for a in table.across if a.source in own and a.target in own]
        part = replace(table, rows=rows, wires=wires, across=across, boxes={}, extents=[])
        found, area = part.draw(x, top)
        drawn += found
        x, bottom = area.right + _BETWEEN, max(bottom, area.bottom)
    return drawn, Box(left, top, x - _BETWEEN, bottom)


def _ends(table: Grid, area: Box, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """The rows that panels after the first begin with."""
    tops = [min(table.boxes[cell.key].top for stack in row for cell in stack) for row in table.rows]
    count = max(2, round(math.sqrt(_ASPECT * area.height / area.width)))
    each = area.height / count
    ends: list[int] = []
    for k in range(1, count):
        goal = area.top + k * each
        first = ends[-1] + 1 if ends else 1
        near = [i for i in range(first, len(tops)) if abs(tops[i] - goal) <= _SEARCH * each]
        near = near or [min(range(first, len(tops)), key=lambda i: abs(tops[i] - goal))]
        passing = {i: sum(min(p) < i <= max(p) for p in pairs) for i in near}
        ends.append(min(near, key=lambda i: (passing[i], abs(tops[i] - goal))))
    return ends


def _marks(lines: Sequence[Wire | Connector]) -> dict[str, list[str]]:
    """Texts on the cards that lines leave and enter: `→ 3` and `3 →`, a number for each source."""
    numbers: dict[str, int] = {}
    found: dict[str, dict[str, None]] = {}
    for line in lines:
        number = numbers.setdefault(line.source, len(numbers) + 1)
        found.setdefault(line.source, {})[f"→ {number}"] = None
        found.setdefault(line.target, {})[f"{number} →"] = None
    return {key: list(texts) for key, texts in found.items()}


def _marked(cell: GridCell, marks: dict[str, list[str]]) -> GridCell:
    own = marks.get(cell.key)
    if not own:
        return cell
    return replace(cell, marks=tuple(own), label=f"{cell.label}, line {', '.join(own)}")
