"""Convolution and its transpose in the plain layout: vectors over output pixels.

The input of a unit of work is packed into scratch as `Planes`: with its border of zeros, and taken
apart by the stride. There, every tap of the kernel is one offset: output pixel (q, r), flattened to
f = q · columns + r, reads position f + offset(tap) of each channel, and a convolution is a matrix
product over (channel, tap) whose right operand needs no copying. Columns that belong to the border
only are computed and thrown away.

A transposed convolution with stride s is s · s such convolutions, one for each remainder of the
output position, each with the taps that reach it.
"""

from dataclasses import dataclass
from math import ceil
from typing import cast

import llvmlite.ir as ir

from graphcnn.ir.geometry import Pair, Window
from graphcnn.ir.node import Node
from graphcnn.ir.storage import plain
from graphcnn.ir.tensor_type import DType, Shape
from graphcnn.ops.conv import Conv2d, Conv2dWeightGrad, ConvTranspose2d
from graphcnn.runtime.native.code.emit import Emitter, Int
from graphcnn.runtime.native.code.kernel import Kernel, node_key
from graphcnn.runtime.native.code.registry import anchored, lowers
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.conv.input_grad_few_channels import batch_transpose
from graphcnn.runtime.native.kernels.conv.masked import read_taps
from graphcnn.runtime.native.kernels.conv.packing import (
    Planes,
    copy,
    own_scratch,
    planes_for,
    scratch_bytes,
)
from graphcnn.runtime.native.kernels.parts.epilogue import FusedGroup, group_of
from graphcnn.runtime.native.kernels.parts.numbers import PLAIN_TYPES, Numbers
from graphcnn.runtime.native.kernels.parts.tiles import (
    Tile,
    blocks,
    choose_tile,
    multiply,
    pieces,
    store_part,
    table,
    tile_rule,
    zero,
)

#: Pieces of work wanted per image and group when the batch alone gives too few.
_UNITS = 8
#: Multiply-adds of an image and group from which on they are cut by rows, and the rows left then.
_LARGE, _ROWS = 1 << 22, 6
#: Bytes of a line of the cache.
_LINE = 64


@dataclass(frozen=True)
class Tap:
    """One tap: where its number lies in a filter's plane, and the padded pixel it reads."""

    weight: int
    pixel: Pair


@dataclass(frozen=True)
class Part:
    """Output pixels (start + step · (q, r)) that are computed alike, (q, r) < sizes."""

    start: Pair
    sizes: Pair
    taps: tuple[Tap, ...]


@dataclass(frozen=True)
class TapProduct:
    """y[n, row, pixel] = b[row] + sum over channel, tap of x[n, channel, pixel + tap] · w[...].

    `row_stride`, `depth_stride` and `group_stride` are those of the weight; `rows` and `depth` are
    channels written and read by each group.
    """

    batch: int
    groups: int
    rows: int
    depth: int
    row_stride: int
    depth_stride: int
    group_stride: int
    planes: Planes
    output: Pair
    step: Pair
    parts: tuple[Part, ...]
    bias: bool
    numbers: Numbers

    @property
    def dtype(self) -> DType:
        """Operands, sums and result are of one type."""
        return self.numbers.sums

    def kernel(self, group: FusedGroup, target: Target) -> Kernel:
        """The kernel of the group around this product."""
        lanes = target.lanes(self.dtype)
        longest = max(self.flat(part) for part in self.parts)
        wanted = max(1, _UNITS // (self.batch * self.groups))
        large = (
            self.rows * self.depth * sum(len(p.taps) * self.flat(p) for p in self.parts) > _LARGE
        )
        rows = min(self.rows, max(_ROWS, ceil(self.rows / wanted))) if large else self.rows
        tile = choose_tile(target, rows, ceil(longest / lanes))
        split = min(-(-self.rows // tile.rows), wanted)
        body = _TapEmitter(self, group, tile, lanes, split)
        return Kernel(
            node_key(group.node), body.emit, group.count + (body.scratch > 0),
            self.batch * self.groups * split, body.scratch,
            algorithm=f"taps {tile}", rule=tile_rule(target, tile),
        )  # fmt: skip

    def flat(self, part: Part) -> int:
        """Flattened positions from the first to the last output pixel of a part."""
        return (part.sizes[0] - 1) * self.planes.grid[1] + part.sizes[1]


class _TapEmitter:
    """Emits a `TapProduct`."""

    def __init__(
        self, p: TapProduct, group: FusedGroup, tile: Tile, lanes: int, split: int
    ) -> None:
        self.p, self.group, self.tile, self.lanes, self.split = p, group, tile, lanes, split
        slack = (tile.vectors + 1) * lanes
        self.image = 0 if p.planes.in_place else _round(p.depth * p.planes.size + slack, lanes)
        self.width = _round(max(p.flat(part) for part in p.parts), lanes)
        self.result = 0 if all(map(self.direct, p.parts)) else tile.rows * self.width
        self.scratch = scratch_bytes((self.image + self.result) * p.dtype.bytes)

    @property
    def at_once(self) -> bool:
        """Whether what follows is done while results are copied from scratch, row by row."""
        return len(self.p.parts) == 1 and self.result > 0 and self.p.step == (1, 1)

    def direct(self, part: Part) -> bool:
        """Whether the flattened positions are the output pixels, one after the other."""
        whole = self.p.planes.grid[1] == part.sizes[1] or part.sizes[0] == 1
        return whole and self.p.step == (1, 1)

    def emit(self, e: Emitter) -> None:
        p = self.p
        x, weight, *bias, y = self.group.operands(e)
        scratch = own_scratch(e, e.operands[-1], self.scratch) if self.scratch else None
        blocks_of_rows = -(-p.rows // self.tile.rows)
        first, last = e.share(p.batch * p.groups * self.split)

        def unit(u: Int) -> None:
            image, piece = e.divmod(u, self.split)
            n, g = e.divmod(image, p.groups)
            h, w = p.planes.sizes
            source = e.at(x, p.dtype, (n, p.groups * p.depth * h * w), (g, p.depth * h * w))
            if p.planes.in_place:
                packed = source
            else:
                packed = scratch
                new = e.b.icmp_signed("==", e.int(piece), e.int(0))
                new = e.b.or_(new, e.b.icmp_signed("==", e.int(u), first))
                e.when(new, lambda: p.planes.pack(e, p.dtype, source, packed, p.depth))
            begin, _ = e.divmod(e.imul(piece, blocks_of_rows), self.split)
            end, _ = e.divmod(e.imul(e.iadd(piece, 1), blocks_of_rows), self.split)
            filters = e.at(weight, p.dtype, (g, p.group_stride))
            plane = p.output[0] * p.output[1]
            written = e.at(y, p.dtype, (n, p.groups * p.rows * plane), (g, p.rows * plane))
            biases = [e.at(b, p.dtype, (g, p.rows)) for b in bias]
            result = e.at(scratch, p.dtype, (self.image, 1)) if self.result else None

            def rows(start: Int, size: int) -> None:
                place = (n, e.iadd(e.imul(g, p.rows), start))
                for part in p.parts:
                    self._rows(
                        e, part, packed, filters, biases, written, result, start, size, place
                    )
                if self.group.body is not None and not self.at_once:
                    self._follow(e, written, *place, start, size)

            blocks(e, p.rows, self.tile.rows, rows, (begin, end))

        e.loop(first, last, unit)

    def _rows(
        self, e: Emitter, part: Part, packed: ir.Value, filters: ir.Value, biases: list[ir.Value],
        written: ir.Value, result: ir.Value | None, start: Int, rows: int, place: tuple[Int, Int],
    ) -> None:  # fmt: skip
        """`rows` output channels from `start`, all pixels of a part; `place` is (image, channel)
        of the first."""
        p, lanes, dtype = self.p, self.lanes, self.p.dtype
        plane, grid, count = p.output[0] * p.output[1], p.planes.grid[1], p.flat(part)
        direct = self.direct(part)
        # Of filters 1×1 the next ones are fetched, if the first cache does not hold them all.
        ahead = p.row_stride == p.depth and p.groups * p.rows * p.depth * dtype.bytes > e.target.l1
        following = e.at(filters, dtype, (e.iadd(start, rows), p.row_stride))
        pixel_at = table(e, "pixels", [p.planes.offset(*t.pixel) for t in part.taps] or [0])
        weight_at = table(e, "weights", [t.weight for t in part.taps] or [0])

        def tile(f: Int, vectors: int) -> None:
            def left(k: list[Int]) -> list[ir.Value]:
                where = e.at(
                    filters, dtype, (start, p.row_stride), (k[0], p.depth_stride),
                    (weight_at(k[1]), 1),
                )  # fmt: skip
                if ahead:
                    e.prefetch(e.at(following, dtype, (k[0], _LINE // dtype.bytes)))
                return [e.at(where, dtype, (r, p.row_stride)) for r in range(rows)]

            def right(k: list[Int]) -> list[ir.Value]:
                where = e.at(
                    packed, dtype, (k[0], p.planes.channel_stride), (pixel_at(k[1]), 1), (f, 1)
                )
                return [e.at(where, dtype, (v, lanes)) for v in range(vectors)]

            sums = []
            for r in range(rows):
                first = zero(dtype, lanes)
                if biases:
                    number = e.load(e.at(biases[0], dtype, (start, 1), (r, 1)), dtype)
                    first = e.broadcast(number, lanes)
                sums += [first] * vectors
            if part.taps:
                sums = multiply(e, p.numbers.turned, sums, (p.depth, len(part.taps)), left, right)
            for r in range(rows):
                for v in range(vectors):
                    value, at = sums[r * vectors + v], e.iadd(f, v * lanes)
                    if direct:
                        to = e.at(written, dtype, (e.iadd(start, r), plane), (at, 1))
                        left_over = count - at if isinstance(f, int) else lanes
                        store_part(e, value, to, dtype, left_over)
                    else:
                        e.store(value, e.at(result, dtype, (at, 1), (r, self.width)))

        whole = count // lanes * lanes if direct else _round(count, lanes)
        blocks(e, whole // lanes, self.tile.vectors, lambda f, v: tile(e.imul(f, lanes), v))
        if count > whole:
            tile(whole, 1)
        if direct:
            return

        def line(row: Int) -> None:
            r, q = e.divmod(row, part.sizes[0])
            (oy, ox), (sy, sx), (_, ow) = part.start, p.step, p.output
            to = e.at(written, dtype, (e.iadd(start, r), plane), (q, sy * ow), (oy * ow + ox, 1))
            source = e.at(result, dtype, (r, self.width), (q, grid))
            if not self.at_once:
                copy(e, dtype, source, to, part.sizes[1], 1, sx)
                return

            def vector(j: Int, size: int) -> None:
                value = e.load(e.at(source, dtype, (j, 1)), dtype, size)
                pixel = e.iadd(e.imul(q, ow), j)
                where = (place[0], e.iadd(place[1], r), pixel)
                value = self.group.apply_plain(e, value, where, 2)
                e.store(value, e.at(to, dtype, (j, 1)))

            wide = ow // lanes * lanes
            if wide:
                e.loop(0, wide, lambda j: vector(j, lanes), step=lanes)
            for offset, size in pieces(ow - wide, lanes):
                vector(wide + offset, size)

        e.loop(0, rows * part.sizes[0], line)

    def _follow(
        self, e: Emitter, written: ir.Value, n: Int, channel: Int, start: Int, rows: int
    ) -> None:
        """The epilogue of some rows, which are still in the cache."""
        plane, lanes, dtype = self.p.output[0] * self.p.output[1], self.lanes, self.p.dtype

        def row(r: Int) -> None:
            base = e.at(written, dtype, (e.iadd(start, r), plane))

            def vector(f: Int, count: int) -> None:
                to = e.at(base, dtype, (f, 1))
                value = e.load(to, dtype, lanes)
                value = self.group.apply_plain(e, value, (n, e.iadd(channel, r), f), 2)
                store_part(e, value, to, dtype, count)

            blocks(e, plane, lanes, vector)

        e.loop(0, rows, row)


def _round(count: int, to: int) -> int:
    return -(-count // to) * to


@anchored("conv2d")
@lowers("conv2d")
def conv2d(node: Node, target: Target) -> Kernel:
    """Taps of the kernel over planes taken apart by the stride."""
    group = group_of(node)
    x, weight, *bias = group.types
    op = cast(Conv2d, group.op)
    numbers = group.numbers.require(op.name, PLAIN_TYPES)
    product = forward(op, _ints(x.shape), _ints(weight.shape), bool(bias), numbers)
    return product.kernel(group, target)


def forward(
    op: Conv2d, x: tuple[int, ...], weight: tuple[int, ...], bias: bool, numbers: Numbers
) -> TapProduct:
    """The product of a convolution."""
    (n, _, h, w), (o, c, kh, kw) = x, weight
    rows, columns = op.windows((kh, kw))
    planes = planes_for((h, w), (rows, columns))
    output = (rows.output(h), columns.output(w))
    part = Part((0, 0), output, window_taps(rows, columns, op))
    return TapProduct(
        n, op.groups, o // op.groups, c, c * kh * kw, kh * kw, o // op.groups * c * kh * kw,
        planes, output, (1, 1), (part,), bias, numbers,
    )  # fmt: skip


def window_taps(rows: Window, columns: Window, op: Conv2d | Conv2dWeightGrad) -> tuple[Tap, ...]:
    """The taps of a window, row-major, as they read the padded image; masked ones are left out."""
    kh, kw = rows.kernel, columns.kernel
    taps = []
    for u in range(kh):
        for v in range(kw):
            number = _tap(u, v, (kh, kw), op.flip_kernel)
            taps.append(Tap(number, (u * rows.dilation, v * columns.dilation)))
    return tuple(taps[: read_taps(op, (kh, kw))])


@anchored("conv_transpose2d")
@lowers("conv_transpose2d")
def conv_transpose2d(node: Node, target: Target) -> Kernel:
    """One convolution of stride 1 for each remainder of the output position."""
    group = group_of(node)
    x, weight, *bias = group.types
    op = cast(ConvTranspose2d, group.op)
    numbers = group.numbers.require(op.name, PLAIN_TYPES)
    over_images = batch_transpose(group, target)
    if over_images is not None:
        return over_images.kernel()
    n, o, h, w = _ints(x.shape)
    _, c, kh, kw = _ints(weight.shape)
    output = _ints(op.infer(plain(x), plain(weight)).shape)[2:]
    rows, columns = op.windows((kh, kw))
    axes = [remainders(size, w_) for size, w_ in zip(output, (rows, columns), strict=True)]
    reach = [[d for _, _, taps in axis for _, d in taps] or [0] for axis in axes]
    before = [max(0, -min(r)) for r in reach]
    grid = [
        max(count + max((d for _, d in taps), default=0) for _, count, taps in axis) + b
        for axis, b in zip(axes, before, strict=True)
    ]
    parts = []
    for y0, q, row_taps in axes[0]:
        for x0, r, column_taps in axes[1]:
            taps = tuple(
                Tap(_tap(u, v, (kh, kw), op.flip_kernel), (du + before[0], dv + before[1]))
                for u, du in row_taps
                for v, dv in column_taps
                if u * kw + v < read_taps(op, (kh, kw))
            )
            parts.append(Part((y0, x0), (q, r), taps))
    planes = Planes((h, w), (before[0], before[1]), (max(1, grid[0]), max(1, grid[1])))
    product = TapProduct(
        n, op.groups, c, o // op.groups, kh * kw, c * kh * kw, o // op.groups * c * kh * kw,
        planes, (output[0], output[1]), op.stride, tuple(parts), bool(bias),
        numbers,
    )  # fmt: skip
    return product.kernel(group, target)


def remainders(output: int, window: Window) -> list[tuple[int, int, list[tuple[int, int]]]]:
    """For each remainder of the output position along an axis: (remainder, count, taps).

    Position s·q + remainder is fed by tap u from input q + (remainder + p - d·u) / s, where that
    is whole; taps are the pairs (u, that difference).
    """
    s, d, p = window.stride, window.dilation, window.before
    found = []
    for remainder in range(min(s, output)):
        taps = [
            (u, (remainder + p - d * u) // s)
            for u in range(window.kernel)
            if (remainder + p - d * u) % s == 0
        ]
        found.append((remainder, -(-(output - remainder) // s), taps))
    return found


def _tap(u: int, v: int, kernel: Pair, flip: bool) -> int:
    """Where tap (u, v) lies in a filter's plane."""
    kh, kw = kernel
    return (kh - 1 - u) * kw + kw - 1 - v if flip else u * kw + v


def _ints(shape: Shape) -> tuple[int, ...]:
    return cast(tuple[int, ...], shape)
