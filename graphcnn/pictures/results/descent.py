"""Ways down: the points that optimisers visit on a function of two numbers, side by side."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from graphcnn.errors import DataError
from graphcnn.pictures.parts.legend import heading, notes
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.scene.colors import HEAT
from graphcnn.pictures.scene.fonts import elide
from graphcnn.pictures.scene.scene import Box, Group, Item, Path, Rect, Scene, Text

Point = tuple[float, float]
_WIDTH: Final = 830.0
_ACROSS: Final = 3
_GAP, _TOP, _HEAD = 16.0, 56.0, 18.0
#: Cells of the ground in whole pixels, so that none is seen: from left to right, top to bottom.
_COLUMNS, _ROWS, _CELL = 64, 45, 4
_WIDE, _TALL = float(_COLUMNS * _CELL), float(_ROWS * _CELL)
#: A mark stands at every so many steps.
_MARKED: Final = 10


def descent_picture(
    paths: Mapping[str, Sequence[Point]],
    function: Callable[[float, float], float],
    low: Point,
    high: Point,
    title: str = "ways down",
    lowest: Point | None = None,
) -> Picture:
    """A panel for each path, on the levels of a function, which are powers of ten.

    Args:
        paths: the points (x, y) of each by name, the first where it begins.
        function: of x and y, at least 0.
        low, high: opposite corners of what is shown; paths are cut where they leave it.
        lowest: where the function is least, to be marked.

    Raises:
        DataError: there is no path, or one without a point.
    """
    if not paths or not all(paths.values()):
        raise DataError("ways down are drawn for one path at least, each with its points")
    items: list[Item] = []
    for i, (name, points) in enumerate(paths.items()):
        left = 14 + i % _ACROSS * (_WIDE + _GAP)
        top = _TOP + _HEAD + i // _ACROSS * (_TALL + _HEAD + _GAP)
        area = Box(left, top, left + _WIDE, top + _TALL)
        last = function(*points[-1])
        words = f"{name}: {last:.2g} after {len(points) - 1} steps"
        items.append(Text(left, top - 6, elide(words, 10, _WIDE, bold=True), 10, "text", bold=True))
        items += _ground(area, function, low, high)
        items += _path(area, points, low, high, words, lowest)
    rows = -(-len(paths) // _ACROSS)
    lines, bottom = notes(
        [
            "the colour is stronger where the function is higher, by powers of ten; a mark is at "
            f"every {_MARKED} steps"
        ],
        _WIDTH, _TOP + rows * (_TALL + _HEAD + _GAP),
    )  # fmt: skip
    best = min(paths, key=lambda name: function(*paths[name][-1]))
    subtitle = f"{len(paths)} optimisers from the same point · lowest: {best}"
    ground = Rect(Box(0, 0, _WIDTH, bottom + 6), "ground")
    items = [ground, *heading(title, subtitle, _WIDTH), *items, *lines]
    data = {"paths": {name: [[*point] for point in points] for name, points in paths.items()}}
    return Picture(
        Scene(_WIDTH, bottom + 6, tuple(items), title, f"Ways down. {subtitle}.", (), data)
    )


def _ground(
    area: Box, function: Callable[[float, float], float], low: Point, high: Point
) -> list[Item]:
    """Cells by the power of ten of the function; those of one level are one shape."""
    found: dict[int, list[tuple[str | float, ...]]] = {}
    for row in range(_ROWS):
        y = high[1] - (row + 0.5) / _ROWS * (high[1] - low[1])
        levels = [
            _level(function(low[0] + (column + 0.5) / _COLUMNS * (high[0] - low[0]), y))
            for column in range(_COLUMNS)
        ]
        top, start = area.top + row * _CELL, 0
        for column in range(1, _COLUMNS + 1):
            if column == _COLUMNS or levels[column] != levels[start]:
                left, right = area.left + start * _CELL, area.left + column * _CELL
                found.setdefault(levels[start], []).extend((
                    ("M", left, top), ("L", right, top), ("L", right, top + _CELL),
                    ("L", left, top + _CELL), ("Z",),
                ))  # fmt: skip
                start = column
    return [Path(tuple(steps), f"level{level}") for level, steps in sorted(found.items())]


def _level(height: float) -> int:
    return min(HEAT - 1, max(0, math.floor(math.log10(max(height, 1e-12))) + 3))


def _path(
    area: Box,
    points: Sequence[Point],
    low: Point,
    high: Point,
    words: str,
    lowest: Point | None,
) -> list[Item]:
    def place(point: Point) -> Point:
        across = (point[0] - low[0]) / (high[0] - low[0])
        up = (point[1] - low[1]) / (high[1] - low[1])
        return area.left + across * area.width, area.bottom - up * area.height

    inside = []
    for point in points:
        if not (low[0] <= point[0] <= high[0] and low[1] <= point[1] <= high[1]):
            break
        inside.append(place(point))
    items: list[Item] = []
    if lowest is not None:
        x, y = place(lowest)
        for dx, dy in ((4, 4), (4, -4)):
            items.append(Path((("M", x - dx, y - dy), ("L", x + dx, y + dy)), "limit"))
    if inside:
        line = Path((("M", *inside[0]), *(("L", *p) for p in inside[1:])), "curve_train")
        marks = [
            Rect(Box(x - 2.4, y - 2.4, x + 2.4, y + 2.4), "mark_train", 2.4)
            for x, y in inside[::_MARKED]
        ]
        items.append(Group((line, *marks), "legend", "", words, title=words))
    return items
