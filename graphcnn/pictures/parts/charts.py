"""Tables, bars and histograms: each is placed at a left and a top edge within a width, and says
where it ends."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from graphcnn.pictures.parts.cells import cells, signed_paint
from graphcnn.pictures.scene.colors import HEAT
from graphcnn.pictures.scene.fonts import elide, text_width
from graphcnn.pictures.scene.scene import Box, Group, Item, Path, Rect, Text

#: Size of the texts, and the height of a line or a bar with what lies between.
SIZE: Final = 9.5
LINE: Final = 16.0
#: Widths by the table are those of a wide font; room between columns.
_GAP: Final = 18.0
#: Shares of the width that names and numbers beside bars may take.
_NAMES, _NUMBERS = 0.35, 0.3

Placed = tuple[Group, float]


@dataclass(frozen=True)
class Bar:
    """A number with its name; `text` is the number as it is written."""

    name: str
    value: float
    text: str
    paint: str = "conv"


def section(text: str, left: float, top: float, width: float) -> Placed:
    """The name of a part of a page."""
    words = Text(left, top + 15, elide(text, 11.5, width, bold=True), 11.5, "text", bold=True)
    return Group((words,), "frame", "", text), top + 24


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    left: float,
    top: float,
    width: float,
    label: str,
    marked: int | None = None,
) -> Placed:
    """Rows of texts, the first column to the left, the others to the right of their column.

    Args:
        marked: a row that is written bold.
    """
    columns = list(zip(heads, *rows, strict=True))
    wide = [max(text_width(t, SIZE, bold=True) for t in column) for column in columns]
    room = width - _GAP * (len(wide) - 1)
    wide[0] = min(wide[0], max(room - sum(wide[1:]), 40.0))
    items: list[Item] = []
    y = top
    for number, row in enumerate((heads, *rows)):
        x, bold = left, number == 0 or number - 1 == marked
        for i, text in enumerate(row):
            words = elide(text, SIZE, wide[i] + 0.5, bold=bold)
            at, anchor = (x, "start") if i == 0 else (x + wide[i], "end")
            items.append(Text(at, y + 10, words, SIZE, "text" if bold else "muted", anchor, bold))
            x += wide[i] + _GAP
        y += LINE
        if number == 0:
            items.append(Path((("M", left, y - 1), ("L", x - _GAP, y - 1)), "axis"))
            y += 2
    words = "; ".join(", ".join(row) for row in rows)
    box = Box(left, top - 2, left + width, y)
    return Group(tuple(items), "card", "", f"{label}: {words}", label, box), y + 8


def heat_paint(value: float, low: float, high: float) -> str:
    """The paint of a number on the scale of heat from `low` to `high`."""
    share = (value - low) / ((high - low) or 1.0)
    return f"heat{min(max(int(share * HEAT), 0), HEAT - 1)}"


def bars(
    rows: Sequence[Bar], left: float, top: float, width: float, label: str, ends: str = ""
) -> Placed:
    """A bar for each number, from the line of 0, negative ones to the left.

    Args:
        label: what the numbers are.
        ends: what stands below the line of 0.
    """
    names = min(max((text_width(r.name, SIZE) for r in rows), default=0) + 6, width * _NAMES)
    texts = min(max((text_width(r.text, SIZE) for r in rows), default=0) + 8, width * _NUMBERS)
    low, high = min(0.0, *(r.value for r in rows)), max(0.0, *(r.value for r in rows))
    start, long = left + names + (texts if low < 0 else 0), width - names - texts
    long -= texts if low < 0 else 0
    each = long / ((high - low) or 1.0)
    zero = start - low * each
    items: list[Item] = []
    y = top
    for row in rows:
        end = zero + row.value * each
        box = Box(min(zero, end), y + 2, max(zero, end), y + LINE - 2)
        items.append(Text(left, y + 11, elide(row.name, SIZE, names - 6), SIZE, "text"))
        if box.width:
            items.append(Rect(box, row.paint))
        words = elide(row.text, SIZE, texts - 6)
        before = row.value < 0
        items.append(
            Text(box.left - 4, y + 11, words, SIZE, "muted", "end")
            if before
            else Text(box.right + 4, y + 11, words, SIZE, "muted")
        )
        y += LINE
    items.append(Path((("M", zero, top), ("L", zero, y)), "axis"))
    if ends:
        items.append(Text(left, y + 10, elide(ends, SIZE, width), SIZE, "muted"))
        y += LINE
    words = "; ".join(f"{r.name} {r.text}" for r in rows)
    box = Box(left, top, left + width, y + 2)
    return Group(tuple(items), "card", "", f"{label}: {words}", label, box), y + 8


def histogram(
    counts: Sequence[int],
    low: str,
    high: str,
    left: float,
    top: float,
    width: float,
    height: float,
    label: str,
    marks: Sequence[tuple[float, str]] = (),
    ends: str = "",
) -> Placed:
    """Counts of equally wide classes from `low` to `high`, as columns from a line.

    Args:
        marks: places between 0 and 1 along the line, and what stands there.
        ends: what the numbers along the line are.
    """
    most = max(*counts, 1)
    base, each = top + height, width / len(counts)
    items: list[Item] = []
    for i, count in enumerate(counts):
        tall = (height - 26) * count / most
        if tall:
            x = left + i * each
            items.append(Rect(Box(x, base - tall, x + each, base), "conv"))
    items.append(Path((("M", left, base), ("L", left + width, base)), "axis"))
    for row, (share, text) in enumerate(sorted(marks)[:2]):
        x, y = left + share * width, top + 9 + 12 * row
        items.append(Path((("M", x, y + 2), ("L", x, base)), "limit"))
        right = x + 4 + text_width(text, SIZE) > left + width
        items.append(
            Text(x - 4, y, text, SIZE, "text", "end") if right else Text(x + 4, y, text, SIZE)
        )
    items.append(Text(left, base + 12, low, SIZE, "muted"))
    items.append(Text(left + width, base + 12, high, SIZE, "muted", "end"))
    room = width - text_width(low, SIZE) - text_width(high, SIZE) - 16
    if ends and text_width(ends, SIZE) < room:
        items.append(Text(left + width / 2, base + 12, ends, SIZE, "muted", "middle"))
    told = f"{label}: from {low} to {high} in {len(counts)} classes: {', '.join(map(str, counts))}"
    told += "".join(f"; {text}" for _, text in marks)
    box = Box(left, top - 2, left + width, base + 16)
    return Group(tuple(items), "card", "", told, label, box), base + 24


def bar_table(
    rows: Sequence[Bar],
    numbers: Any,
    columns: Sequence[str],
    left: float,
    top: float,
    width: float,
    label: str,
    heads: tuple[str, str] = ("", ""),
) -> tuple[list[Group], float]:
    """Bars, and beside each a row of squares: what it is made of, by number of the column.

    Args:
        numbers: (rows, columns), signed; the largest size has the strongest colour.
        columns: their names, for those who do not see it. In the picture they are counted.
    """
    array = np.asarray(numbers, np.float64)
    most = float(np.abs(array).max(initial=0))
    squares = max(array.shape[1] * LINE, text_width(heads[1], SIZE) + 2)
    fits = squares <= width * 0.6
    room = width - squares - _GAP if fits else width
    drawn: list[Group] = []
    head, y = section(heads[0], left, top, room)
    chart, bottom = bars(rows, left, y, room, label)
    drawn += [head, chart]
    if fits:
        x = left + room + _GAP
        names = [
            Text(x + (k + 0.5) * LINE, y - 3, str(k), 9, "muted", "middle")
            for k in range(array.shape[1])
        ]
        said = Text(x, top + 10, heads[1], SIZE, "muted")
        words = "columns: " + ", ".join(columns)
        drawn.append(Group((said, *names), "", "", words))
        drawn.append(
            cells(array, x, y, LINE, heads[1], paint=lambda v: signed_paint(v, most),
                  write=lambda v: f"{v:.0f}".replace("-", "−") if abs(v) >= 0.5 else "",
                  digits=0.56)
        )  # fmt: skip
    return drawn, bottom


def matrix(
    numbers: Any,
    rows: Sequence[str],
    columns: Sequence[str],
    left: float,
    top: float,
    width: float,
    label: str,
    low: float,
    high: float,
) -> Placed:
    """A table of squares with the names of its rows; the columns are counted from 1, as are the
    rows, for their names rarely fit above squares. The colours are those of a scale of heat from
    `low` to `high`."""
    array = np.asarray(numbers, np.float64)
    lines = [f"{i} {name}" for i, name in enumerate(rows, 1)]
    names = min(max(text_width(line, SIZE) for line in lines) + 8, width * _NAMES)
    size = max(min((width - names) / array.shape[1], 34.0), 8.0)
    digits = min(SIZE, size * 0.55)
    items: list[Item] = []
    x, y = left + names, top + 14
    if digits >= 6:
        items += [
            Text(x + (k + 0.5) * size, y - 4, str(k + 1), digits, "muted", "middle")
            for k in range(len(columns))
        ]
    for i, line in enumerate(lines):
        middle = y + (i + 0.5) * size + 0.36 * digits
        items.append(Text(left, middle, elide(line, digits, names - 6), digits))
    table = cells(array, x, y, size, label, paint=lambda v: heat_paint(v, low, high))
    items.append(Group(table.items, "", "", table.label, label))
    bottom = y + len(rows) * size
    told = f"{label}; rows: {', '.join(rows)}; columns: {', '.join(columns)}"
    box = Box(left, top, x + array.shape[1] * size, bottom + 1)
    return Group(tuple(items), "card", "", told, label, box), bottom + 12
