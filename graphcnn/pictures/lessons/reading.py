"""What the windows of an operator read, and the part of a large image that a figure shows."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graphcnn.errors import OutputError
from graphcnn.ir.geometry import AXES, Pair, Window
from graphcnn.ir.node import Array
from graphcnn.ops.conv import Conv2d
from graphcnn.ops.parts.unfold import pad_image, unfold
from graphcnn.ops.pool import AvgPool2d, MaxPool2d
from graphcnn.pictures.lessons.engine import result, types_of
from graphcnn.pictures.lessons.wording import size

Area = tuple[int, int, int, int]
Sliding = Conv2d | MaxPool2d | AvgPool2d


@dataclass(frozen=True)
class Reading:
    """What windows read of an image, found by the engine's own unfolding.

    Attributes:
        both: the windows, height and width.
        padded: the image with its padding (C, H, W).
        inside: the pixels of it that are not padding (H, W).
        places: the places of the padded image, row·W + column, that each output reads:
            (OH, OW, KH, KW).
    """

    both: tuple[Window, Window]
    padded: Array
    inside: Array
    places: Array

    @classmethod
    def of(cls, x: Array, both: tuple[Window, Window]) -> "Reading":
        padded = pad_image(x[None], both)[0]
        inside = pad_image(np.ones((1, 1, *x.shape[1:])), both)[0, 0] > 0
        places = np.arange(inside.size).reshape(1, 1, *inside.shape)
        a, b = (replace(w, before=0, after=0, ceil=False) for w in both)
        return cls(both, padded, inside, unfold(places, (a, b))[0, 0])

    def window(self, row: int, column: int) -> tuple[Array, Array]:
        """Rows and columns of the places that one output reads, each (KH, KW)."""
        rows, columns = np.divmod(self.places[row, column], self.inside.shape[1])
        return rows, columns

    def area(self, row: int, column: int) -> Area:
        """The cells that the window of an output spans."""
        return around(*self.window(row, column))

    def padded_place(self, place: int) -> Pair:
        """Row and column of the padded image, of a place row·W + column of the image."""
        row, column = divmod(place, int(self.inside.any(0).sum()))
        return row + self.both[0].before, column + self.both[1].before

    @property
    def unread(self) -> Array:
        """The pixels that no window reads (H, W)."""
        read = np.zeros(self.inside.size, bool)
        read[self.places] = True
        return self.inside & ~read.reshape(self.inside.shape)


def around(rows: Array, columns: Array) -> Area:
    """The smallest area that holds these cells."""
    return int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1


def output_formulas(sizes: Pair, both: tuple[Window, Window]) -> list[str]:
    """The formula of the output's size for each axis, with its numbers and what is lost."""
    found = []
    for length, window in zip(sizes, both, strict=True):
        line = window.formula(length).replace(" - ", " − ")
        left = window.unread(length)
        if left:
            lost = "pixel is" if left == 1 else f"{left} pixels are"
            line += f", with a remainder: the last {lost} read by no window"
        found.append(line)
    return by_axis(found)


def by_axis(lines: list[str]) -> list[str]:
    """A line for height and one for width, or one for both."""
    if lines[0] == lines[1]:
        return [f"{AXES[0]} and {AXES[1]}: {lines[0]}"]
    return [f"{axis}: {line}" for axis, line in zip(AXES, lines, strict=True)]


@dataclass(frozen=True)
class View:
    """How the image that is drawn relates to what the reader knows.

    Attributes:
        origin: row and column of the first output that is drawn.
        title, output: what stands above the input and the output; by default their sizes.
        given: pixels that stand for themselves (H, W); the others are drawn as padding is.
        sizes: the formulas of the output's size; by default those of what is drawn.
        rotated: what a kernel that is rotated means.
    """

    origin: Pair = (0, 0)
    title: str = ""
    output: str = ""
    given: Array | None = None
    sizes: tuple[str, ...] | None = None
    rotated: str = "the kernel is rotated by 180° before it slides: convolution in mathematics"


def cropped(
    op: Sliding, x: Array, weight: Array | None, at: Pair, shown: Pair
) -> tuple[Sliding, Array, View]:
    """The operator, the image (C, H, W) and the view of the outputs from `at` on.

    The operator gets the padding that these outputs read, so its results are theirs.

    Raises:
        OutputError: no such places.
    """
    both = op.sliding(*types_of(x[None], weight))
    whole = result(op, x[None], *([] if weight is None else [weight])).shape[2:]
    height, width = x.shape[1:]
    counts = (min(shown[0], whole[0]), min(shown[1], whole[1]))
    cut: list[slice] = []
    padding: list[int] = []
    for first, count, total, length, w in zip(
        at, counts, whole, (height, width), both, strict=True
    ):
        if first < 0 or count < 1 or first + count > total:
            raise OutputError(
                f"the output of {size(whole)} has no {size(shown)} places from row {at[0]}, "
                f"column {at[1]} on"
            )
        start = first * w.stride - w.before
        stop = start + (count - 1) * w.stride + w.span
        cut.append(slice(max(0, start), min(length, stop)))
        padding += [max(0, -start), max(0, stop - length)]
    changes: dict[str, Any] = {"padding": tuple(padding)}
    if not isinstance(op, Conv2d) and op.ceil_mode:
        if isinstance(op, AvgPool2d) and op.count_include_pad:
            raise OutputError("part of a pool that counts padding and keeps partial windows")
        changes["ceil_mode"] = False  # what hangs over has become padding
    part = x[:, cut[0], cut[1]]
    rows, columns = (f"{s.start} to {s.stop - 1}" for s in cut)
    title = f"rows {rows}, columns {columns} of {size(x.shape[1:])}"
    output = f"output, {size(counts)} of {size(whole)}" if counts != whole else ""
    whole_sizes = tuple(output_formulas((height, width), both))
    view = View(at, title if part.shape != x.shape else "", output, sizes=whole_sizes)
    return replace(op, **changes), part, view
