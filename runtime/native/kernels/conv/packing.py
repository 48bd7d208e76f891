"""Copies that put operands in the order in which an inner loop reads them."""

from collections.abc import Sequence
from dataclasses import dataclass

import llvmlite.ir as ir

from graphcnn.ir.geometry import Pair, Window
from graphcnn.ir.tensor_type import DType
from graphcnn.runtime.native.code.emit import I32, Emitter, Int
from graphcnn.runtime.native.kernels.parts.tiles import maximum, minimum, pieces, store_part, zero


@dataclass(frozen=True)
class Planes:
    """Images (H, W) with a border of zeros, taken apart by the remainder of row and column.

    The pixel at padded position (s·a + ph, s·b + pw) lies at [ph][pw][a][b] in arrays of
    `grid` = (rows, columns), so that pixels s apart are neighbours: a convolution of any stride
    reads vectors of consecutive elements. Only the remainders in `phases` are kept.
    """

    sizes: Pair
    before: Pair
    grid: Pair
    stride: Pair = (1, 1)
    phases: tuple[tuple[int, ...], tuple[int, ...]] = ((0,), (0,))

    @property
    def size(self) -> int:
        """Elements of one channel."""
        return len(self.phases[0]) * len(self.phases[1]) * self.grid[0] * self.grid[1]

    @property
    def in_place(self) -> bool:
        """Whether the image itself already lies like this."""
        same = self.sizes[1] == self.grid[1] and self.grid[0] <= self.sizes[0]
        return same and self.before == (0, 0) and self.stride == (1, 1)

    @property
    def channel_stride(self) -> int:
        return self.sizes[0] * self.sizes[1] if self.in_place else self.size

    def offset(self, row: int, column: int) -> int:
        """Where the padded position (row, column) lies."""
        a, ph = divmod(row, self.stride[0])
        b, pw = divmod(column, self.stride[1])
        phase = self.phases[0].index(ph) * len(self.phases[1]) + self.phases[1].index(pw)
        return (phase * self.grid[0] + a) * self.grid[1] + b

    def _inside(self, axis: int, phase: int) -> tuple[int, int]:
        """First and last + 1 grid index along an axis that holds a pixel of the image."""
        s, p, size = self.stride[axis], self.before[axis], self.sizes[axis]
        first = max(0, -(-(p - phase) // s))
        return first, max(first, min(self.grid[axis], -(-(size + p - phase) // s)))

    def pack(self, e: Emitter, dtype: DType, source: ir.Value, to: ir.Value, channels: int) -> None:
        """Copy `channels` consecutive images of `source`."""
        self.clear(e, dtype, to, channels)
        self.copy_rows(e, dtype, source, to, channels, (0, self.grid[0]))

    def clear(self, e: Emitter, dtype: DType, to: ir.Value, channels: int) -> None:
        """Write the zeros of the border, if there is one: everywhere."""
        inside = [(self._inside(axis, p), axis) for axis in (0, 1) for p in self.phases[axis]]
        if any(span != (0, self.grid[axis]) for span, axis in inside):
            fill_zero(e, dtype, to, channels * self.size)

    def copy_rows(
        self,
        e: Emitter,
        dtype: DType,
        source: ir.Value,
        to: ir.Value,
        channels: int,
        rows: tuple[Int, Int],
    ) -> None:
        """Copy what lies in the rows first to last + 1 of the grid, of consecutive images."""

        def channel(c: Int) -> None:
            for i, down in enumerate(self.phases[0]):
                low, high = self._inside(0, down)
                span = maximum(e, rows[0], low), minimum(e, rows[1], high)
                for j, across in enumerate(self.phases[1]):
                    columns = self._inside(1, across)
                    if high > low and columns[1] > columns[0]:
                        self._phase(e, dtype, source, to, c, (i, j), span, columns)

        e.loop(0, channels, channel)

    def _phase(
        self,
        e: Emitter,
        dtype: DType,
        source: ir.Value,
        to: ir.Value,
        c: Int,
        which: Pair,
        rows: tuple[Int, Int],
        columns: Pair,
    ) -> None:
        """Copy the pixels of one pair of remainders, of channel c."""
        (h, w), (sy, sx), (i, j) = self.sizes, self.stride, which
        left, right = columns
        base = (i * len(self.phases[1]) + j) * self.grid[0] * self.grid[1] + left
        top = self.phases[0][i] - self.before[0]
        corner = top * w + self.phases[1][j] - self.before[1] + left * sx

        def row(a: Int) -> None:
            read = e.at(source, dtype, (c, h * w), (a, sy * w), (corner, 1))
            write = e.at(to, dtype, (c, self.size), (a, self.grid[1]), (base, 1))
            copy(e, dtype, read, write, right - left, sx)

        e.loop(*rows, row)


def planes_for(sizes: Pair, both: tuple[Window, Window]) -> Planes:
    """How the input of a convolution is packed: what its windows read, and no more."""
    phases, grid = [], []
    for size, window in zip(sizes, both, strict=True):
        taps = [t * window.dilation for t in range(window.kernel)]
        phases.append(tuple(sorted({t % window.stride for t in taps})))
        grid.append(window.output(size) + taps[-1] // window.stride)
    return Planes(
        sizes,
        (both[0].before, both[1].before),
        (grid[0], grid[1]),
        (both[0].stride, both[1].stride),
        (phases[0], phases[1]),
    )


def scratch_bytes(size: int) -> int:
    """A size of scratch, rounded so that the share of every part is aligned."""
    return -(-size // 64) * 64


def own_scratch(e: Emitter, scratch: ir.Value, size: int) -> ir.Value:
    """The share of the scratch operand that belongs to this part."""
    return e.at(scratch, DType.UINT8, (e.part, size))


def fill_zero(e: Emitter, dtype: DType, to: ir.Value, count: int) -> None:
    lanes = e.target.lanes(dtype)
    nothing = zero(dtype, lanes)
    whole = count // lanes * lanes
    if whole:
        e.loop(0, whole, lambda i: e.store(nothing, e.at(to, dtype, (i, 1))), step=lanes)
    store_part(e, nothing, e.at(to, dtype, (whole, 1)), dtype, count - whole)


def copy(
    e: Emitter,
    dtype: DType,
    source: ir.Value,
    to: ir.Value,
    count: int,
    step: int = 1,
    write_step: int = 1,
) -> None:
    """Copy `count` elements that lie `step` apart to places `write_step` apart."""
    lanes = e.target.lanes(dtype)
    if step == 2 and write_step == 1 and count >= lanes:
        even = ir.VectorType(I32, lanes)(list(range(0, 2 * lanes, 2)))

        def pair(i: Int) -> None:
            at = e.at(source, dtype, (i, 2))
            read = [e.load(p, dtype, lanes) for p in (at, e.at(at, dtype, (lanes, 1)))]
            e.store(e.b.shuffle_vector(*read, even), e.at(to, dtype, (i, 1)))

        whole = count // lanes * lanes
        e.loop(0, whole, pair, step=lanes)
        source, to = e.at(source, dtype, (whole, 2)), e.at(to, dtype, (whole, 1))
        count -= whole
    if step > 1 or write_step > 1:

        def one(i: Int) -> None:
            value = e.load(e.at(source, dtype, (i, step)), dtype)
            e.store(value, e.at(to, dtype, (i, write_step)))

        e.loop(0, count, one)
        return
    whole = count // lanes * lanes

    def vector(i: Int) -> None:
        e.store(e.load(e.at(source, dtype, (i, 1)), dtype, lanes), e.at(to, dtype, (i, 1)))

    if whole:
        e.loop(0, whole, vector, step=lanes)
    for offset, size in pieces(count - whole, lanes):
        at = whole + offset
        e.store(e.load(e.at(source, dtype, (at, 1)), dtype, size), e.at(to, dtype, (at, 1)))


def transpose_registers(e: Emitter, rows: Sequence[ir.Value]) -> list[ir.Value]:
    """The transpose of L vectors of L lanes, in log2(L) rounds of interleaving."""
    rows, lanes = list(rows), len(rows)
    if lanes == 1:
        return rows
    half = lanes // 2
    index = ir.VectorType(I32, lanes)
    low = index([i // 2 + (i % 2) * lanes for i in range(lanes)])
    high = index([half + i // 2 + (i % 2) * lanes for i in range(lanes)])
    for _ in range(lanes.bit_length() - 1):
        mixed = []
        for a, b in zip(rows[:half], rows[half:], strict=True):
            mixed += [e.b.shuffle_vector(a, b, low), e.b.shuffle_vector(a, b, high)]
        rows = mixed
    return rows


def transpose(
    e: Emitter,
    dtype: DType,
    source: ir.Value,
    to: ir.Value,
    rows: int,
    columns: int,
    read_stride: int,
    write_stride: int,
) -> None:
    """to[j][i] = source[i][j] for i < rows <= lanes and j < columns; rows of `to` are `lanes` wide.

    The lanes past `rows` are filled with zeros.
    """
    lanes = e.target.lanes(dtype)
    whole = columns // lanes * lanes
    nothing = zero(dtype, lanes)

    def square(j: Int) -> None:
        read = [
            e.load(e.at(source, dtype, (i, read_stride), (j, 1)), dtype, lanes) for i in range(rows)
        ]
        read += [nothing] * (lanes - rows)
        for k, vector in enumerate(transpose_registers(e, read)):
            e.store(vector, e.at(to, dtype, (j, write_stride), (k, write_stride)))

    def single(j: Int) -> None:
        if rows < lanes:
            e.store(nothing, e.at(to, dtype, (j, write_stride)))

        def element(i: Int) -> None:
            value = e.load(e.at(source, dtype, (i, read_stride), (j, 1)), dtype)
            e.store(value, e.at(to, dtype, (j, write_stride), (i, 1)))

        e.loop(0, rows, element)

    if whole:
        e.loop(0, whole, square, step=lanes)
    if columns > whole:
        e.loop(whole, columns, single)
