"""Group normalisation: a group of an item is one row of memory, and one unit of work.

The first eighth of a row gives a mean m that is only a shift (see `norm`), and with d = x - m over
the whole row, which is read for both sums at once,

    mean = m + sum of d / M        variance = sum of d² / M - (sum of d / M)²

Then the row is read again, channel by channel, and written.
"""

from dataclasses import dataclass
from math import prod

import llvmlite.ir as ir

from graphcnn.ir.node import Node
from graphcnn.ir.tensor_type import DType
from graphcnn.ops.norm import GroupNorm
from graphcnn.runtime.native.code.emit import Emitter, Int
from graphcnn.runtime.native.code.kernel import Kernel, node_key
from graphcnn.runtime.native.code.registry import lowers
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.image.norm import root
from graphcnn.runtime.native.kernels.parts.expressions import refuse_half
from graphcnn.runtime.native.kernels.parts.loops import (
    ALONE,
    lanes_for,
    masked,
    shared_loop,
    sizes_of,
    store,
    vector_loop,
)
from graphcnn.runtime.native.kernels.parts.vector_folds import (
    WAYS,
    Fold,
    fold_blocked,
    fold_row,
)

#: The part of a row that the shift comes from: 1 / _SAMPLE.
_SAMPLE = 8


@lowers("group_norm")
def group_norm(node: Node, target: Target) -> Kernel:
    """y = (x - mean) · scale + beta with scale = gamma / sqrt(variance + epsilon)."""
    refuse_half(node)
    assert isinstance(node.op, GroupNorm)
    op, dtype = node.op, node.types[0].dtype
    n, channels, *pixels = sizes_of(node.types[0])
    rows = Rows(dtype, channels // op.groups, prod(pixels), lanes_for(target, dtype))
    units = n * op.groups

    def emit(e: Emitter) -> None:
        x, gamma, beta, y = e.operands

        def unit(u: ir.Value) -> None:
            source, into = (e.at(p, dtype, (u, rows.count)) for p in (x, y))
            _, group = e.divmod(u, op.groups)
            numbers = tuple(e.at(p, dtype, (group, rows.channels)) for p in (gamma, beta))
            shift, mean, variance = rows.statistics(e, source)
            deviation = root(e, variance, e.splat(op.epsilon, dtype))
            r = e.b.fdiv(e.splat(1.0, dtype), deviation)
            rows.write(e, source, into, (numbers[0], numbers[1]), (shift, mean, r))

        shared_loop(e, alone, units, unit)

    alone = units * rows.count < ALONE
    return Kernel(
        node_key(node), emit, 4, 1 if alone else units, inplace=((0, 0),), algorithm="groups"
    )


@dataclass(frozen=True)
class Rows:
    """Rows of `channels` × `pixels` elements."""

    dtype: DType
    channels: int
    pixels: int
    lanes: int

    @property
    def count(self) -> int:
        return self.channels * self.pixels

    def load(self, e: Emitter, row: ir.Value, j: Int) -> ir.Value:
        return e.load(e.at(row, self.dtype, (j, 1)), self.dtype, self.lanes)

    def statistics(self, e: Emitter, row: ir.Value) -> tuple[ir.Value, ir.Value, ir.Value]:
        """A shift, the mean beside it, and the variance: three numbers."""
        fold, zero = Fold(self.dtype), e.splat(0.0, self.dtype)
        sample = -(-self.count // _SAMPLE)
        some = fold_row(e, fold, sample, self.lanes, lambda j, _: self.load(e, row, j))
        shift = e.b.fdiv(fold.lanes(e, some), e.splat(sample, self.dtype))
        finite = e.b.fcmp_ordered("==", e.sub(shift, shift), zero)
        shift = e.b.select(finite, shift, zero)
        items = e.splat(self.count, self.dtype)
        first, second = (
            e.b.fdiv(fold.lanes(e, total), items) for total in self._sums(e, fold, row, shift)
        )
        rest = e.sub(second, e.mul(first, first))
        return shift, first, e.b.select(e.b.fcmp_ordered("<", rest, zero), zero, rest)

    def _sums(
        self, e: Emitter, fold: Fold, row: ir.Value, shift: ir.Value
    ) -> tuple[ir.Value, ir.Value]:
        """The sums of d and d² over a row, lane by lane still to be combined."""
        lanes, shifts = self.lanes, e.broadcast(shift, self.lanes)
        ways = WAYS if self.count >= WAYS * lanes else 1
        full, whole = (self.count // size * size for size in (ways * lanes, lanes))

        def added(
            j: Int, pair: tuple[ir.Value, ir.Value], mask: ir.Value | None = None
        ) -> tuple[ir.Value, ir.Value]:
            d = masked(e, e.sub(self.load(e, row, j), shifts), mask, 0.0)
            return e.add(pair[0], d), e.fma(d, d, pair[1])

        def step(j: Int, *sums: ir.Value) -> list[ir.Value]:
            pairs = zip(sums[:ways], sums[ways:], strict=True)
            found = [added(e.iadd(j, i * lanes), pair) for i, pair in enumerate(pairs)]
            return [pair[0] for pair in found] + [pair[1] for pair in found]

        sums = [fold.start(e, lanes)] * (2 * ways)
        if full:
            sums = fold_blocked(e, fold, full, sums, step, ways * lanes)
        pair = fold.tree(e, sums[:ways]), fold.tree(e, sums[ways:])
        for j in range(full, whole, lanes):
            pair = added(j, pair)
        if self.count > whole:
            kind = ir.VectorType(ir.IntType(1), lanes)
            pair = added(whole, pair, kind([i < self.count - whole for i in range(lanes)]))
        return pair

    def write(
        self,
        e: Emitter,
        row: ir.Value,
        into: ir.Value,
        numbers: tuple[ir.Value, ir.Value],
        statistics: tuple[ir.Value, ir.Value, ir.Value],
    ) -> None:
        """y of a row, from gamma and beta of its channels and (shift, mean beside it, 1 / root)."""
        (gamma, beta), (shift, mean, r), dtype = numbers, statistics, self.dtype
        shifts = e.broadcast(shift, self.lanes)

        def affine(k: Int, lanes: int) -> tuple[ir.Value, ir.Value]:
            """The factor and the term of channels k, k + 1, ..."""
            scale = e.mul(e.load(e.at(gamma, dtype, (k, 1)), dtype, lanes), e.broadcast(r, lanes))
            term = e.load(e.at(beta, dtype, (k, 1)), dtype, lanes)
            return scale, e.sub(term, e.mul(e.broadcast(mean, lanes), scale))

        def put(j: Int, scale: ir.Value, term: ir.Value, mask: ir.Value | None) -> None:
            d = e.sub(self.load(e, row, j), shifts)
            store(e, e.fma(d, scale, term), e.at(into, dtype, (j, 1)), mask)

        def channel(k: ir.Value) -> None:
            scale, term = (e.broadcast(v, self.lanes) for v in affine(k, 1))
            start = e.imul(k, self.pixels)
            vector_loop(
                e, 0, self.pixels, self.lanes,
                lambda j, mask: put(e.iadd(start, j), scale, term, mask),
            )  # fmt: skip

        if self.pixels == 1:
            vector_loop(
                e, 0, self.channels, self.lanes,
                lambda k, mask: put(k, *affine(k, self.lanes), mask),
            )  # fmt: skip
        else:
            e.loop(0, self.channels, channel)
