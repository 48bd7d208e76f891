"""Moving kernels from one layout to another, in squares of L × L numbers."""

from typing import cast

import llvmlite.ir as ir

from graphcnn.errors import GraphError
from graphcnn.ir.storage import PLAIN, Kernels, parse_layout
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.runtime.native.code.emit import Emitter, Int
from graphcnn.runtime.native.code.kernel import Kernel
from graphcnn.runtime.native.kernels.conv.packing import fill_zero, transpose_registers
from graphcnn.runtime.native.kernels.parts.tiles import minimum


class KernelSquares:
    """Squares of L × L numbers of a kernel (O, I, taps) in a layout."""

    def __init__(self, t: TensorType, lanes: int) -> None:
        o, i, *window = cast(tuple[int, ...], t.shape)
        self.layout = parse_layout(t.layout)
        self.lanes, self.taps = lanes, window[0] * window[1] if window else 1
        self.o, self.i = o, i
        self.plain = t.layout == PLAIN
        kernels = self.layout if isinstance(self.layout, Kernels) else Kernels(lanes)
        self.transposed = kernels.transposed
        self.vectors = kernels.vectors
        outer, inner = (i, o) if self.transposed else (o, i)
        self.inner = -(-inner // lanes)
        self.outer = -(-outer // (lanes * self.vectors)) * self.vectors

    def square(self, e: Emitter, p: ir.Value, dtype: DType, ob: Int, ib: Int, t: Int) -> ir.Value:
        """The first number of the square of blocks (ob, ib) and tap t."""
        if self.plain:
            area = self.taps
            return e.at(p, dtype, (ob, self.lanes * self.i * area), (ib, self.lanes * area), (t, 1))
        if self.transposed:
            ob, ib, t = ib, ob, e.b.sub(e.int(self.taps - 1), e.int(t))
        panel, v = e.divmod(ob, self.vectors)
        wide = self.lanes * self.vectors
        return e.at(
            p, dtype, (panel, self.inner * self.taps * self.lanes * wide),
            (ib, self.taps * self.lanes * wide), (t, self.lanes * wide), (v, self.lanes),
        )  # fmt: skip

    @property
    def strides(self) -> tuple[int, int]:
        """Strides of o and of i inside a square."""
        if self.plain:
            return self.i * self.taps, self.taps
        wide = self.lanes * self.vectors
        return (wide, 1) if self.transposed else (1, wide)


def kernels(key: str, source: TensorType, result: TensorType) -> Kernel:
    found = [k for k in (parse_layout(source.layout), parse_layout(result.layout)) if k]
    lanes = cast(Kernels, found[0]).lanes
    if any(cast(Kernels, k).lanes != lanes for k in found):
        raise GraphError(f"no relayout between {source.layout} and {result.layout}")
    a, b = KernelSquares(source, lanes), KernelSquares(result, lanes)
    dtype = source.dtype
    o_blocks = -(-b.o // lanes) if b.plain else b.inner if b.transposed else b.outer
    i_blocks = -(-b.i // lanes) if b.plain else b.outer if b.transposed else b.inner

    def emit(e: Emitter) -> None:
        x, y = e.operands

        def unit(u: Int) -> None:
            ob, ib = e.divmod(u, i_blocks)

            def tap(t: Int) -> None:
                move(e, dtype, x, b.square(e, y, dtype, ob, ib, t), a, b, (ob, ib, t))

            e.loop(0, b.taps, tap)

        e.loop(*e.share(o_blocks * i_blocks), unit)

    return Kernel(key, emit, 2, o_blocks * i_blocks, algorithm="squares")


def move(
    e: Emitter, dtype: DType, x: ir.Value, to: ir.Value, a: KernelSquares, b: KernelSquares,
    at: tuple[Int, Int, Int],
) -> None:  # fmt: skip
    """The square of blocks and tap `at` of a kernel x, to where `to` points."""
    lanes, (ob, ib, _) = a.lanes, at
    whole = e.target.lanes(dtype) == lanes and not a.plain and not b.plain
    o_count, i_count = count(e, a.o, ob, lanes), count(e, a.i, ib, lanes)
    inside = e.b.and_(
        e.b.icmp_signed(">", e.int(o_count), e.int(0)),
        e.b.icmp_signed(">", e.int(i_count), e.int(0)),
    )
    with e.b.if_else(inside) as (yes, no):
        with yes:
            source = a.square(e, x, dtype, *at)
            if whole:
                square(e, dtype, source, to, a, b)
            else:
                numbers(e, dtype, source, to, a, b, o_count, i_count)
        with no:
            empty(e, dtype, to, b)


def count(e: Emitter, total: int, block: Int, lanes: int) -> Int:
    """How many of a block's numbers are there."""
    return minimum(e, lanes, e.b.sub(e.int(total), e.int(e.imul(block, lanes))))


def square(
    e: Emitter, dtype: DType, at: ir.Value, to: ir.Value, a: KernelSquares, b: KernelSquares
) -> None:
    """A square from one blocked layout to another; padding is zeros in both."""
    lanes = a.lanes
    rows = [e.load(e.at(at, dtype, (k, max(a.strides))), dtype, lanes) for k in range(lanes)]
    if a.transposed != b.transposed:
        rows = transpose_registers(e, rows)
    for k, vector in enumerate(rows):
        e.store(vector, e.at(to, dtype, (k, max(b.strides))))


def numbers(
    e: Emitter, dtype: DType, at: ir.Value, to: ir.Value, a: KernelSquares, b: KernelSquares,
    o_count: Int, i_count: Int,
) -> None:  # fmt: skip
    """A square number by number, zeros around what is there."""
    if not b.plain:
        empty(e, dtype, to, b)

    def row(o: Int) -> None:
        def number(i: Int) -> None:
            value = e.load(e.at(at, dtype, (o, a.strides[0]), (i, a.strides[1])), dtype)
            e.store(value, e.at(to, dtype, (o, b.strides[0]), (i, b.strides[1])))

        e.loop(0, i_count, number)

    e.loop(0, o_count, row)


def empty(e: Emitter, dtype: DType, to: ir.Value, b: KernelSquares) -> None:
    if not b.plain:
        e.loop(
            0, b.lanes,
            lambda k: fill_zero(e, dtype, e.at(to, dtype, (k, max(b.strides))), b.lanes),
        )  # fmt: skip
