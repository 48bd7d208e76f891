"""A panel of curves: its frame with the marked numbers, and lines with gaps in it."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from graphcnn.pictures.results.axes import Axis, whole_ticks
from graphcnn.pictures.scene.scene import Box, Item, Path, Rect, Text

#: Size of the numbers at the axes.
SMALL: Final = 8.5


def panel(
    area: Box,
    title: str,
    across: Axis,
    ticks: Iterable[tuple[float, str]],
    unit: str,
    up: Axis | None,
) -> Iterator[Item]:
    """Title, ground and marked numbers of a panel; without `up` there is nothing to mark there."""
    yield Text(area.left, area.top - 12, title, 11, "text", bold=True)
    yield Rect(area, "body")
    for value, words in ticks:
        x = across.place(value)
        yield Path((("M", x, area.bottom), ("L", x, area.bottom + 4)), "leader")
        yield Text(x, area.bottom + 14, words, SMALL, "muted", "middle")
    yield Text(area.center, area.bottom + 27, unit, SMALL, "muted", "middle")
    if up is None:
        return
    for value in up.ticks():
        y = up.place(value)
        yield Path((("M", area.left, y), ("L", area.right, y)), "leader")
        yield Text(area.left - 6, y + 3, up.words(value), SMALL, "muted", "end")


def height(values: Sequence[float], area: Box) -> Axis:
    """The scale of finite numbers from the bottom of a panel to its top."""
    return Axis.of(values, area.bottom - 6, area.top + 6)


def epoch_ticks(epochs: int, area: Box) -> list[tuple[float, str]]:
    """The epochs that are marked below a panel."""
    return [(epoch, str(epoch)) for epoch in whole_ticks(epochs, int(area.width // 34))]


def pieces(values: Sequence[float], shown: Iterable[int]) -> Iterator[list[int]]:
    """Of the places in `values` that are shown, runs of neighbours that are finite."""
    piece: list[int] = []
    for i in shown:
        if math.isfinite(values[i]):
            piece.append(i)
        elif piece:
            yield piece
            piece = []
    if piece:
        yield piece


def line(
    at: Sequence[float],
    values: Sequence[float],
    shown: Iterable[int],
    across: Axis,
    up: Axis,
    paint: str,
) -> Iterator[Path]:
    """The numbers over where they lie, `at`, with gaps where they are not finite."""
    for piece in pieces(values, shown):
        if len(piece) > 1:
            points = [(across.place(at[i]), up.place(values[i])) for i in piece]
            yield Path((("M", *points[0]), *(("L", *p) for p in points[1:])), paint)


def smoothed(values: Sequence[float], window: int) -> list[float]:
    """The mean of the finite values of `window` epochs around each; a gap stays a gap."""
    found = []
    for i, value in enumerate(values):
        around = near(values, i, window)
        found.append(sum(around) / len(around) if math.isfinite(value) else math.nan)
    return found


def near(values: Sequence[float], i: int, window: int) -> list[float]:
    """The finite values among `window` ones around a place."""
    half = window // 2
    return [v for v in values[max(0, i - half) : i + half + 1] if math.isfinite(v)]
