"""Windows over the pixels of a field: what pooling kernels are made of.

Vectors lie over neighbouring windows of a row where pixels are single numbers, and over the
channels of one pixel where it has several. Windows that lie inside the image entirely know their
taps; the others cut them to the image, position by position.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import llvmlite.ir as ir

from graphcnn.ir.geometry import Window
from graphcnn.ir.node import Node
from graphcnn.ir.tensor_type import DType
from graphcnn.ops.layout import inner
from graphcnn.ops.pool import _Pool
from graphcnn.runtime.native.code.emit import Emitter, Int
from graphcnn.runtime.native.kernels.parts.image_places import ImagePlaces
from graphcnn.runtime.native.kernels.parts.pixel_rows import (
    MAX_STEP,
    every,
    lanes_for,
    least,
    load_every,
    most,
    tiles,
)

Values = list[ir.Value]
#: body(x, place, tap, *carry): numbers at one tap, its pixel's number, its own number.
Tap = Callable[..., Values]

#: Taps of one row of a window that are unrolled.
MAX_UNROLL = 8


@dataclass(frozen=True)
class Span:
    """A vector of results: `lanes` windows of `cell` numbers each, wholly inside or perhaps not."""

    lanes: int
    cell: int
    whole: bool

    @property
    def width(self) -> int:
        return self.lanes * self.cell


@dataclass(frozen=True)
class Pooling:
    """The windows of a pooling operator over images of known size and place."""

    rows: Window
    columns: Window
    images: ImagePlaces

    @property
    def dtype(self) -> DType:
        return self.images.dtype

    @property
    def oh(self) -> int:
        return self.rows.output(self.images.h)

    @property
    def ow(self) -> int:
        return self.columns.output(self.images.w)

    def across(self, e: Emitter, body: Callable[[Int, Span], None], cut: bool = True) -> None:
        """body(j, span) for the windows of a row; without `cut` no window needs to be whole."""
        cell = self.images.cell
        first, last = whole_windows(self.columns, self.images.w) if cut else (0, self.ow)
        lanes = lanes_for(last - first, e.target, self.dtype)
        if self.columns.stride > MAX_STEP or cell > 1:
            lanes = 1
        border = Span(1, cell, False)
        if first:
            e.loop(0, first, lambda j: body(j, border))
        if first < last:
            inside = Span(lanes, cell, cut)
            tiles(e, first, last, lanes, lambda j: body(j, inside))
        if last < self.ow:
            e.loop(last, self.ow, lambda j: body(j, border))

    def window(
        self, e: Emitter, plane: ir.Value, i: Int, j: Int, span: Span, body: Tap, carry: Tap
    ) -> Values:
        """carry = body(x, place, tap, *carry) for every tap inside the image, in order.

        `place` is the pixel's number in its plane, `tap` that of the tap in its window; `carry`
        makes the first carry from the first tap.
        """
        a, b, cell = self.rows, self.columns, self.images.cell
        first_u, last_u, top = taps_inside(e, a, self.images.h, i)
        if span.whole:
            first_v, last_v = 0, b.kernel
            left = e.iadd(e.imul(j, b.stride), -b.before)
        else:
            first_v, last_v, left = taps_inside(e, b, self.images.w, j)

        def place(u: Int, v: Int) -> Int:
            row = e.iadd(top, e.imul(u, a.dilation))
            column = e.iadd(left, e.imul(v, b.dilation))
            return e.iadd(e.imul(row, self.images.pitch), column)

        def address(at: Int) -> ir.Value:
            return e.at(plane, self.dtype, (at, cell))

        def read(at: Int) -> ir.Value:
            if span.lanes == 1:
                return e.load(address(at), self.dtype, cell)
            return load_every(e, address(at), self.dtype, span.lanes, b.stride)

        def tap(u: Int, v: Int) -> Int:
            return e.iadd(e.imul(u, b.kernel), v)

        def row(u: Int, *values: ir.Value) -> Values:
            if not span.whole or b.kernel > MAX_UNROLL:

                def column(v: Int, *inner: ir.Value) -> Values:
                    at = place(u, v)
                    return body(read(at), at, tap(u, v), *inner)

                return e.loop(first_v, last_v, column, carry=values)
            current = list(values)
            wide: dict[int, ir.Value] = {}
            for v in range(b.kernel):
                at = place(u, v)
                if span.lanes == 1:
                    x = read(at)
                else:
                    skip, phase = divmod(v * b.dilation, b.stride)
                    if skip not in wide:
                        start = address(e.iadd(place(u, 0), skip * b.stride))
                        wide[skip] = e.load(start, self.dtype, span.lanes * b.stride)
                    x = every(e, wide[skip], phase, b.stride, span.lanes)
                current = body(x, at, tap(u, v), *current)
            return current

        start = place(first_u, first_v)
        return e.loop(first_u, last_u, row, carry=carry(read(start), start, tap(first_u, first_v)))


def pooling(node: Node, images: ImagePlaces) -> Pooling:
    """The windows of a node over `images`."""
    return Pooling(*cast(_Pool, inner(node.op)).windows, images)


def taps_inside(e: Emitter, window: Window, size: int, position: Int) -> tuple[Int, Int, Int]:
    """Of the window at `position`: first tap in the image, last + 1, and where tap 0 lies."""
    origin = e.iadd(e.imul(position, window.stride), -window.before)
    reach = (window.output(size) - 1) * window.stride + window.span - window.before
    low: Int = 0
    high: Int = window.kernel
    d = window.dilation
    if window.before:
        low = e.divmod(e.iadd(most(e, e.imul(origin, -1), 0), d - 1), d)[0]
    if reach > size:
        room = e.iadd(e.imul(origin, -1), size + d - 1)
        high = least(e, window.kernel, e.divmod(room, d)[0])
    return low, high, origin


def whole_windows(window: Window, size: int) -> tuple[int, int]:
    """The positions (first, last + 1) whose windows lie inside the image entirely."""
    count = window.output(size)
    first = min(count, -(-window.before // window.stride))
    last = (size - window.span + window.before) // window.stride + 1
    return first, max(first, min(count, last))
