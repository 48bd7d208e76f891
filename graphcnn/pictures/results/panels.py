"""Panels side by side with one legend: the sheet of the pictures of curves."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from graphcnn.pictures.parts.legend import Entry, heading, legend, notes
from graphcnn.pictures.scene.scene import Box, Item, Rect, Scene

_WIDTH: Final = 830.0
#: Of one of two panels in a row.
_PANEL: Final = 330.0
_HEIGHT, _GAP = 170.0, 24.0
#: Above the first row, and below each, where its numbers stand.
_TOP, _BELOW = 78.0, 62.0


def boxes(count: int) -> list[Box]:
    """The areas of so many panels, two in a row; one has the whole row."""
    across = 1 if count == 1 else 2
    wide = _PANEL if across == 2 else _WIDTH - 28 - 66
    found = []
    for i in range(count):
        left = 14 + 48 + i % across * (wide + 48 + _GAP)
        top = _TOP + i // across * (_HEIGHT + _BELOW)
        found.append(Box(left, top, left + wide, top + _HEIGHT))
    return found


def sheet(
    panels: Sequence[Box],
    items: Iterable[Item],
    entries: Sequence[Entry],
    footer: Sequence[str],
    title: str,
    subtitle: str,
    description: str,
    data: Mapping[str, Any],
) -> Scene:
    """The scene of what is drawn in the panels, its heading above, legend and footer below."""
    end = panels[-1].bottom + _BELOW if panels else _TOP
    key, bottom = legend(entries, _WIDTH, end - 14)
    lines, bottom = notes(footer, _WIDTH, bottom)
    drawn = (
        Rect(Box(0, 0, _WIDTH, bottom + 6), "ground"),
        *heading(title, subtitle, _WIDTH), *items, key, *lines,
    )  # fmt: skip
    return Scene(_WIDTH, bottom + 6, drawn, title, description, tuple(footer), data)
