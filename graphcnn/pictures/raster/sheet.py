"""Tiles in rows, with title, scale and the facts of how they came about: a sheet."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from graphcnn.pictures.picture import Picture
from graphcnn.pictures.raster.colors import signed, sizes
from graphcnn.pictures.raster.page import WIDTH, Part, page_picture
from graphcnn.pictures.raster.tiles import (
    LINE,
    TITLE,
    Tile,
    draw_tile,
    number,
    text_height,
    text_room,
)
from graphcnn.pictures.scene.fonts import elide, text_width
from graphcnn.pictures.scene.pixels import write_png
from graphcnn.pictures.scene.scene import Box, Group, Image, Item, Rect, Text

_GAP: Final = 12.0
#: The narrowest and the widest that a column is made on its own account.
_NARROW, _WIDE = 64.0, 196.0
#: What the groups of a picture may take in height: of more, some are left out.
_TALLEST: Final = 2800.0


def sheet_picture(
    tiles: Sequence[Tile],
    title: str,
    subtitle: str = "",
    facts: Sequence[str] = (),
    *,
    columns: int | None = None,
    width: float = WIDTH,
    largest: str = "each map its own",
    data: Mapping[str, Any] | None = None,
) -> Picture:
    """The tiles in rows of equal columns, their groups one below the other.

    Args:
        tiles: what is shown, in order.
        title, subtitle: the two lines at the top.
        facts: what stands below, each broken into lines where it is too long: target and score,
            method, settings, seed, precision.
        columns: how many tiles a row has; by default as many as stay large enough to see.
        width: in pixels.
        largest: whose largest number the last colour is, where that is not the same for all tiles.
        data: the numbers behind it, for the JSON form.
    """
    parts = [tile_part(tiles, columns, largest)]
    return page_picture(parts, title, subtitle, facts, width=width, data=data)


def tile_part(
    tiles: Sequence[Tile],
    columns: int | None = None,
    largest: str = "each map its own",
    prefix: str = "tile",
) -> Part:
    """The tiles and their scales as a part of a page; `prefix` begins the keys of the tiles, for
    pages with several such parts."""

    def draw(left: float, top: float, width: float) -> tuple[Sequence[Item], float]:
        drawn, y = draw_tiles(tiles, left, top, width, columns, prefix)
        scales, y = _scales(tiles, left, y, width, largest)
        return [*drawn, *scales], y

    return draw


def draw_tiles(
    tiles: Sequence[Tile],
    left: float,
    top: float,
    width: float,
    columns: int | None = None,
    prefix: str = "tile",
) -> tuple[list[Group], float]:
    """The tiles in rows within `width`, and where they end. Of groups that together are taller
    than people scroll some are left out, evenly, and a line says so."""
    rows: list[tuple[str, list[_Row]]] = []
    for name, chunk in itertools.groupby(tiles, lambda tile: tile.group):
        rows.append((name, _rows(list(chunk), width, columns)))
    heights = [20.0 * bool(name) + sum(row.height for row in own) for name, own in rows]
    kept = _kept(heights)
    groups: list[Group] = []
    y, count = top, itertools.count()
    for name, own in (rows[i] for i in kept):
        if name:
            words = Text(left, y + 11, elide(name, 11.5, width, bold=True), 11.5, "text", bold=True)
            groups.append(Group((words,), "frame", "", name))
            y += 20
        for row in own:
            for i, tile in enumerate(row.tiles):
                placed = draw_tile(tile, left + i * (row.each + _GAP), y, row.each, row.tallest)
                key = tile.key or f"{prefix}{next(count)}"
                groups.append(
                    Group(placed.items, "card", key, placed.label, placed.title, placed.box)
                )
            y += row.height
    if len(kept) < len(rows):
        left_out = [name for i, (name, _) in enumerate(rows) if i not in kept]
        says = f"{len(left_out)} of {len(rows)} rows are not shown: "
        says += ", ".join(name.partition(" · ")[0].partition(": ")[0] for name in left_out)
        words = Text(left, y + 9, elide(says, LINE, width), LINE, "muted")
        groups.append(Group((words,), "legend", "", says))
        y += 20
    return groups, y


@dataclass(frozen=True)
class _Row:
    """Tiles side by side, the width of each and the height of the tallest."""

    tiles: Sequence[Tile]
    each: float
    tallest: float

    @property
    def height(self) -> float:
        return self.tallest + max(map(text_height, self.tiles)) + _GAP


def _rows(own: Sequence[Tile], width: float, columns: int | None) -> list[_Row]:
    across = columns or _columns(own, width)
    if len(own) < across:  # what is free in the only row is for names that are long
        room = max(min(text_width(t.title, TITLE, bold=True) + 2, _WIDE) for t in own)
        across = max(len(own), min(across, int((width + _GAP) // (room + _GAP))))
    each = min((width - _GAP * (across - 1)) / across, _WIDE if across > 1 else width)
    parts = [own[start : start + across] for start in range(0, len(own), across)]
    return [_Row(p, each, max(min(each / t.aspect, 1.5 * _WIDE) for t in p)) for p in parts]


def _kept(heights: Sequence[float]) -> list[int]:
    """As many groups as have room, evenly spaced, the first and the last among them."""
    for count in range(len(heights), 1, -1):
        kept = [round(i * (len(heights) - 1) / (count - 1)) for i in range(count)]
        if sum(heights[i] for i in kept) <= _TALLEST:
            return kept
    return list(range(min(len(heights), 2)))


def _columns(tiles: Sequence[Tile], width: float) -> int:
    """As many as give the texts their room, at most ten, and no lonely last row."""
    room = max(_NARROW, *(min(text_room(tile) + 2, _WIDE) for tile in tiles))
    most = max(1, min(10, int((width + _GAP) // (room + _GAP)), len(tiles)))
    return math.ceil(len(tiles) / math.ceil(len(tiles) / most))


def _scales(
    tiles: Sequence[Tile], left: float, top: float, width: float, largest: str
) -> tuple[list[Item], float]:
    """A bar for each kind of colours that occurs."""
    items: list[Item] = []
    x, y = left, top
    for kind in ("signed", "size"):
        own = [tile for tile in tiles if tile.kind == kind]
        if not own:
            continue
        tops = {tile.most for tile in own}
        shared = tops.pop() if len(tops) == 1 else None
        low, high = _ends(kind, shared, largest)
        wide = 130 + (text_width(low, LINE) + text_width(high, LINE)) * 1.06
        if x > left and x + wide > left + width:
            x, y = left, y + 18
        items += _bar(kind, low, high, x, y)
        x += wide
    return items, y + 20 if items else y


def _ends(kind: str, shared: float | None, largest: str) -> tuple[str, str]:
    if shared is None:
        low = "− the largest size" if kind == "signed" else "0"
        return low, f"the largest ({largest})"
    return (number(-shared) if kind == "signed" else "0"), number(shared)


def _bar(kind: str, low: str, high: str, x: float, y: float) -> list[Item]:
    """The colours of a kind from `low` to `high`."""
    steps = [[i / 63 for i in range(64)]]
    row = [[2 * s - 1 for s in steps[0]]]
    colors = signed(row, 1.0) if kind == "signed" else sizes(steps, 1.0)
    png = write_png(colors.repeat(4, 0))
    start = x + text_width(low, LINE) * 1.06 + 6
    words = f"colour scale from {low} to {high}" + (", 0 is white" if kind == "signed" else "")
    shapes: tuple[Item, ...] = (
        Text(x, y + 9.5, low, LINE, "muted"),
        Rect(Box(start - 0.5, y - 0.5, start + 96.5, y + 12.5), "tile"),
        Image((start, y), (96, 0), (0, 12), png, 64, 4),
        Text(start + 102, y + 9.5, high, LINE, "muted"),
    )
    return [Group(shapes, "legend", "", words)]
