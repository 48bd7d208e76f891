"""A tile: an array shown as pixels, what it is called, and the numbers that its colours stand for.

The shapes of a tile are placed by a sheet (`graphcnn.pictures.raster.sheet`), which gives all tiles
of a row one height.
"""

import math
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np

from graphcnn.ir.node import Array
from graphcnn.pictures.raster.colors import blended, image_pixels, signed, sizes
from graphcnn.pictures.scene.fonts import elide, text_width
from graphcnn.pictures.scene.pixels import write_png
from graphcnn.pictures.scene.scene import Box, Group, Image, Item, Path, Rect, Text

Kind = Literal["image", "signed", "size"]

#: Sizes of the title and of the lines below a tile, and the height of one such line.
TITLE: Final = 10.5
LINE: Final = 9.5
LEADING: Final = 13.0
#: Arrays are drawn with whole pixels of this many, at least, so that no writer blurs them.
_SHARP: Final = 8


@dataclass(frozen=True, eq=False)
class Tile:
    """One array of a sheet.

    Attributes:
        values: (H, W), or an image (C, H, W) with numbers in [0, 1].
        kind: "image" as it looks, "signed" around 0 (blue, white, red), "size" from white to dark.
        title: above it, bold.
        lines: below it, each on its own line.
        most: the number that the last colour stands for; by default the largest of the tile. Give
            the same one to tiles that are to be compared.
        over: an image that signed numbers or sizes are laid over, more opaque the larger they are.
        crossed: whether a cross says that there is nothing to see, such as in a dead map.
        marks: boxes (left, top, right, bottom), in cells of the array, outlined on it.
        group: tiles of one group stand in rows of their own, under its name.
    """

    values: Any
    kind: Kind = "image"
    title: str = ""
    lines: tuple[str, ...] = ()
    most: float | None = None
    over: Any = None
    crossed: bool = False
    marks: tuple[tuple[float, float, float, float], ...] = ()
    group: str = ""
    key: str = field(default="", kw_only=True)

    @property
    def array(self) -> Array:
        return np.asarray(self.values)

    @property
    def aspect(self) -> float:
        """Width to height."""
        height, width = self.array.shape[-2:]
        return float(width / height)

    @property
    def words(self) -> str:
        """What the tile says, for those who do not see it."""
        array = self.array
        span = f"{number(array.min())} to {number(array.max())}" if array.size else ""
        size = "×".join(map(str, array.shape))
        return ", ".join(filter(None, (self.title, f"{size} from {span}", *self.lines)))

    def pixels(self) -> Array:
        """The colours, uint8 (H, W) or (H, W, 3)."""
        if self.kind == "image":
            return image_pixels(self.values)
        array = self.array if self.array.ndim == 2 else self.array.mean(0)
        colors = signed(array, self.most) if self.kind == "signed" else sizes(array, self.most)
        if self.over is None:
            return colors
        most = self.most if self.most is not None else float(np.abs(array).max(initial=0))
        share = np.abs(array) / most if most > 0 else array * 0
        return blended(image_pixels(self.over), colors, 0.15 + 0.7 * np.clip(share, 0, 1))

    def png(self, width: float = math.inf) -> bytes:
        """A PNG file of the colours, each cell several pixels wide so that it keeps its edges; for
        a place of `width` pixels that has half again as many cells, the means of blocks."""
        pixels = self.pixels()
        block = int(pixels.shape[1] / width + 0.5)
        if block > 1:
            pixels = _means(pixels, block)
        times = max(1, _SHARP * 24 // max(pixels.shape[:2]))
        return write_png(np.ascontiguousarray(pixels.repeat(times, 0).repeat(times, 1)))


def _means(pixels: Array, block: int) -> Array:
    """The means of blocks of that many pixels a side; those at the end may be smaller."""
    sums = pixels.astype(np.float64)
    for axis in (0, 1):
        starts = np.arange(0, pixels.shape[axis], block)
        sizes = np.diff(np.append(starts, pixels.shape[axis]))
        shape = [1] * sums.ndim
        shape[axis] = -1
        sums = np.add.reduceat(sums, starts, axis) / sizes.reshape(shape)
    return np.asarray(np.rint(sums).astype(np.uint8))


def number(x: Any) -> str:
    """A number in three digits: `0.0123`, `-1.5`, `2.1e-09`; its sign as a proper minus."""
    value = float(x)
    return f"{value + 0.0:.3g}".replace("-", "−", 1) if value else "0"


def percent(share: Any, digits: int = 0) -> str:
    """A share of 1 in per cent: `98.58 %`."""
    return f"{100 * float(share):.{digits}f} %"


def hundredths(x: Any) -> str:
    """A number such as a correlation in two decimals, none of which is minus nothing."""
    return f"{round(float(x), 2) + 0.0:.2f}".replace("-", "−")


def draw_tile(tile: Tile, left: float, top: float, width: float, height: float) -> Group:
    """The tile in a column of `width`: title, pixels of `height`, lines."""
    y = top
    items: list[Item] = []
    if tile.title:
        text = elide(tile.title, TITLE, width, bold=True)
        items.append(Text(left, y + TITLE, text, TITLE, "text", bold=True))
        y += LEADING + 3
    wide = min(width, height * tile.aspect)
    tall = wide / tile.aspect
    items.append(Rect(Box(left - 0.5, y - 0.5, left + wide + 0.5, y + tall + 0.5), "tile"))
    rows, columns = tile.array.shape[-2:]
    png = tile.png(wide)
    items.append(Image((left, y), (wide, 0), (0, tall), png, *_size(png)))
    for mark in tile.marks:
        a, b, c, d = mark
        sx, sy = wide / columns, tall / rows
        box = Box(left + a * sx, y + b * sy, left + c * sx, y + d * sy)
        items.append(Rect(box, "window"))
    if tile.crossed:
        steps = (("M", left, y), ("L", left + wide, y + tall))
        other = (("M", left, y + tall), ("L", left + wide, y))
        items += [Path(steps, "limit"), Path(other, "limit")]
    y += height
    for line in tile.lines:
        y += LEADING
        items.append(Text(left, y, elide(line, LINE, width), LINE, "muted"))
    box = Box(left, top, left + width, y + 3)
    return Group(tuple(items), "card", tile.key, tile.words, tile.words, box)


def text_height(tile: Tile) -> float:
    """What a tile takes above and below its pixels."""
    return (LEADING + 3 if tile.title else 0) + LEADING * len(tile.lines) + 3


def text_room(tile: Tile) -> float:
    """The width that the texts of a tile ask for."""
    widths = [text_width(line, LINE) for line in tile.lines]
    return max([text_width(tile.title, TITLE, bold=True), *widths])


def _size(png: bytes) -> tuple[int, int]:
    """Columns and rows of a PNG file."""
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")
