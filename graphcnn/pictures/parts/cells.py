"""Tables of numbers as squares: each has its colour, and its number where it is large enough."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from graphcnn.ir.node import Array
from graphcnn.pictures.scene.colors import SIGNED
from graphcnn.pictures.scene.fonts import text_width
from graphcnn.pictures.scene.scene import Box, Group, Item, Rect, Text

#: Size of the digits as a part of that of the square, and the least that is written.
_DIGITS: Final = 0.42
_LEAST: Final = 6.0


def signed_paint(value: float, most: float = 1.0) -> str:
    """The paint of a number between -`most` and `most`: blue below 0, red above, strongest at
    the ends."""
    share = min(abs(value) / most, 1.0) if most > 0 else 0.0
    step = int(np.ceil(share * SIGNED - 1e-6))
    return f"{'minus' if value < 0 else 'plus'}{step}" if step else "zero"


def short_number(value: float) -> str:
    """`1`, `.56`, `−.11`: two decimals, no zero before the point, a whole number without one."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    text = "0" if text == "-0" else text
    return text.replace("0.", ".", 1).replace("-", "−")


def cells(
    numbers: Any,
    left: float,
    top: float,
    size: float,
    label: str,
    *,
    paint: Callable[[float], str] = signed_paint,
    write: Callable[[float], str] | None = short_number,
    key: str = "",
    digits: float = _DIGITS,
) -> Group:
    """A table (H, W) of squares of `size` pixels, its numbers in them.

    Args:
        label: what the table is, for those who do not see it; its numbers follow.
        paint: of a number.
        write: the text of a number; None writes none. A text is made smaller until it fits, and
            left out where that is too small to read.
        digits: the size of a text as a part of that of its square.
    """
    array: Array = np.asarray(numbers, np.float64)
    items: list[Item] = []
    for (row, column), value in np.ndenumerate(array):
        x, y = left + column * size, top + row * size
        items.append(Rect(Box(x, y, x + size, y + size), paint(float(value))))
        text = write(float(value)) if write is not None else ""
        if not text:
            continue
        high = min(size * digits, (size - 3) / text_width(text, 1.0))
        if high >= _LEAST:
            items.append(Text(x + size / 2, y + size / 2 + 0.36 * high, text, high, "text",
                              "middle"))  # fmt: skip
    rows = "; ".join(" ".join(short_number(float(v)) for v in row) for row in array)
    return Group(tuple(items), "card", key, f"{label}: {rows}", label,
                 table_box(array.shape, left, top, size))  # fmt: skip


def table_box(shape: tuple[int, ...], left: float, top: float, size: float) -> Box:
    """The place of a table of that shape."""
    return Box(left, top, left + shape[1] * size, top + shape[0] * size)


def window_box(
    row: int, column: int, shape: tuple[int, int], left: float, top: float, size: float
) -> Box:
    """The place of a window in a table whose first square is at (left, top)."""
    x, y = left + column * size, top + row * size
    return Box(x, y, x + shape[1] * size, y + shape[0] * size)
