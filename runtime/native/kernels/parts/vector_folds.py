"""Sums and maxima with vectors, in an order that depends only on the shape.

Long sums are cut in blocks, and blocks are summed on their own: the rounding error of n numbers
grows with the length of a block plus the number of blocks instead of with n.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import llvmlite.ir as ir

from graphcnn.ir.tensor_type import DType
from graphcnn.runtime.native.code.emit import I1, STORED, Emitter, Int
from graphcnn.runtime.native.kernels.parts.expressions import maximum
from graphcnn.runtime.native.kernels.parts.loops import fold_lanes, masked, smaller

#: Independent accumulators: additions wait for each other, these do not.
WAYS = 4
#: Additions to one accumulator before a block ends.
BLOCK = 32


@dataclass(frozen=True)
class Fold:
    """How elements are combined: `dtype` as they come, `identity` changes nothing.

    They are added, or multiplied, or the largest is found.
    """

    dtype: DType
    largest: bool = False
    product: bool = False

    @property
    def identity(self) -> float:
        if not self.largest:
            return int(self.product)
        if self.dtype.is_float:
            return -math.inf
        return 0 if self.dtype.is_unsigned else -(2 ** (8 * self.dtype.bytes - 1))

    def start(self, e: Emitter, lanes: int) -> ir.Value:
        kind = STORED[self.dtype]
        number = float(self.identity) if self.dtype.is_float else int(self.identity)
        return ir.VectorType(kind, lanes)([number] * lanes) if lanes > 1 else kind(number)

    def combine(self, e: Emitter, a: ir.Value, b: ir.Value) -> ir.Value:
        if self.largest:
            return maximum(e, self.dtype, a, b)
        if self.product:
            return e.b.fmul(a, b) if self.dtype.is_float else e.b.mul(a, b)
        return e.b.fadd(a, b) if self.dtype.is_float else e.b.add(a, b)

    def lanes(self, e: Emitter, vector: ir.Value) -> ir.Value:
        """All lanes of a vector as one number."""
        return fold_lanes(e, vector, lambda a, b: self.combine(e, a, b))

    def tree(self, e: Emitter, values: Sequence[ir.Value]) -> ir.Value:
        """Neighbours first, then pairs of neighbours, ..."""
        found = list(values)
        while len(found) > 1:
            pairs = [found[i : i + 2] for i in range(0, len(found), 2)]
            found = [self.combine(e, *p) if len(p) == 2 else p[0] for p in pairs]
        return found[0]


#: get(j, mask): the vector of the elements j, j + 1, ...; what the mask leaves out is ignored.
Get = Callable[[Int, ir.Value | None], ir.Value]


def fold_row(e: Emitter, fold: Fold, count: int, lanes: int, get: Get) -> ir.Value:
    """One vector that holds the row 0..count: lane by lane still to be combined."""
    ways = WAYS if count >= WAYS * lanes else 1
    span = ways * lanes
    full, whole = count // span * span, count // lanes * lanes
    blocks = full // (BLOCK * span) * (BLOCK * span)
    start = [fold.start(e, lanes)] * ways

    def step(j: Int, *sums: ir.Value) -> list[ir.Value]:
        vectors = [get(e.iadd(j, way * lanes), None) for way in range(ways)]
        return [fold.combine(e, s, v) for s, v in zip(sums, vectors, strict=True)]

    def block(j: Int, total: ir.Value) -> list[ir.Value]:
        sums = e.loop(j, e.iadd(j, BLOCK * span), step, span, start)
        return [fold.combine(e, total, fold.tree(e, sums))]

    parts = []
    if blocks:
        parts += e.loop(0, blocks, block, BLOCK * span, start[:1])
    if full > blocks:
        parts.append(fold.tree(e, e.loop(blocks, full, step, span, start)))
    if whole > full:
        parts += e.loop(
            full, whole, lambda j, s: [fold.combine(e, s, get(j, None))], lanes, start[:1]
        )
    if count > whole:
        mask = ir.VectorType(I1, lanes)([i < count - whole for i in range(lanes)])
        parts.append(masked(e, get(whole, mask), mask, fold.identity))
    return fold.tree(e, parts)


def fold_blocked(
    e: Emitter,
    fold: Fold,
    count: int,
    start: Sequence[ir.Value],
    step: Callable[..., Sequence[ir.Value]],
    by: int = 1,
) -> list[ir.Value]:
    """`sums = step(i, *sums)` for i in 0..count by `by`, in blocks of about √count."""
    length = by * max(BLOCK, 1 << (max(1, count // by).bit_length() // 2))
    if count <= 2 * length:
        return e.loop(0, count, step, by, start)

    def block(i: Int, *totals: ir.Value) -> list[ir.Value]:
        stop = smaller(e, e.iadd(i, length), count)
        sums = e.loop(i, stop, step, by, start)
        return [fold.combine(e, t, s) for t, s in zip(totals, sums, strict=True)]

    return e.loop(0, count, block, length, start)
