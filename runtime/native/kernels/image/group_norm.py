"""Group normalisation and its gradient: a group of an item is a row of memory, a unit of work.

The first eighth of a row gives a mean m that is only a shift (see `norm`), and with d = x - m over
the whole row, which is read for both sums at once,

    mean = m + sum of d / M        variance = sum of d² / M - (sum of d / M)²

Then the row is read again, channel by channel, and written. The gradient takes the sums of dy and
dy · d of every channel in between.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import cast

import llvmlite.ir as ir

from graphcnn.ir.node import Node
from graphcnn.ir.tensor_type import DType
from graphcnn.ops.norm import GroupNorm, GroupNormGrad
from graphcnn.runtime.native.code.emit import I1, Emitter, Int
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
    op, rows, units = node.op, Rows.of(node, target), _units(node)
    dtype, alone = rows.dtype, units * rows.count < ALONE

    def emit(e: Emitter) -> None:
        x, gamma, beta, y = e.operands

        def unit(u: ir.Value) -> None:
            source, into = (e.at(p, dtype, (u, rows.count)) for p in (x, y))
            _, group = e.divmod(u, op.groups)
            numbers = tuple(e.at(p, dtype, (group, rows.channels)) for p in (gamma, beta))
            rows.write(e, source, into, (numbers[0], numbers[1]), rows.statistics(e, source, op))

        shared_loop(e, alone, units, unit)

    return Kernel(
        node_key(node), emit, 4, 1 if alone else units, inplace=((0, 0),), algorithm="groups"
    )


@lowers("group_norm_grad")
def group_norm_grad(node: Node, target: Target) -> Kernel:
    """dx = r · (gamma · dy - A / M - (d - mean) · r · B / M), where A and B are the sums over the
    group of gamma · dbeta and gamma · dgamma."""
    refuse_half(node)
    assert isinstance(node.op, GroupNormGrad)
    op, rows, units = node.op, Rows.of(node, target), _units(node)
    dtype, alone = rows.dtype, units * rows.count < ALONE

    def emit(e: Emitter) -> None:
        x, gamma, dy, dx, dgamma, dbeta = e.operands

        def unit(u: ir.Value) -> None:
            _, group = e.divmod(u, op.groups)
            source, up, into = (e.at(p, dtype, (u, rows.count)) for p in (x, dy, dx))
            slopes, sums = (e.at(p, dtype, (u, rows.channels)) for p in (dgamma, dbeta))
            factors = e.at(gamma, dtype, (group, rows.channels))
            shift, mean, r = rows.statistics(e, source, op)
            found = rows.channel_sums(e, source, up, factors, (slopes, sums), (shift, mean, r))
            first, second = (e.b.fdiv(v, e.splat(rows.count, dtype)) for v in found)
            slope = e.mul(e.mul(r, r), second)  # dx = r · gamma · dy - slope · d + term
            term = e.sub(e.mul(slope, mean), e.mul(r, first))
            rows.write_gradient(e, source, up, into, factors, (shift, slope, term, r))

        shared_loop(e, alone, units, unit)

    return Kernel(
        node_key(node), emit, 6, 1 if alone else units, inplace=((0, 0), (2, 0)), algorithm="groups"
    )


def _units(node: Node) -> int:
    """Rows: groups of all items."""
    op = cast(GroupNorm | GroupNormGrad, node.op)
    return sizes_of(node.types[0])[0] * op.groups


@dataclass(frozen=True)
class Rows:
    """Rows of `channels` × `pixels` elements."""

    dtype: DType
    channels: int
    pixels: int
    lanes: int

    @classmethod
    def of(cls, node: Node, target: Target) -> "Rows":
        op, dtype = cast(GroupNorm | GroupNormGrad, node.op), node.types[0].dtype
        _, channels, *pixels = sizes_of(node.types[0])
        return cls(dtype, channels // op.groups, prod(pixels), lanes_for(target, dtype))

    @property
    def count(self) -> int:
        return self.channels * self.pixels

    def load(self, e: Emitter, row: ir.Value, j: Int) -> ir.Value:
        return e.load(e.at(row, self.dtype, (j, 1)), self.dtype, self.lanes)

    def statistics(
        self, e: Emitter, row: ir.Value, op: GroupNorm | GroupNormGrad
    ) -> tuple[ir.Value, ir.Value, ir.Value]:
        """A shift, the mean beside it, and 1 / sqrt(variance + epsilon): three numbers."""
        fold, zero = Fold(self.dtype), e.splat(0.0, self.dtype)
        sample = -(-self.count // _SAMPLE)
        some = fold_row(e, fold, sample, self.lanes, lambda j, _: self.load(e, row, j))
        shift = e.b.fdiv(fold.lanes(e, some), e.splat(sample, self.dtype))
        finite = e.b.fcmp_ordered("==", e.sub(shift, shift), zero)
        shift = e.b.select(finite, shift, zero)
        shifts = e.broadcast(shift, self.lanes)

        def terms(j: Int) -> tuple[ir.Value, ir.Value]:
            d = e.sub(self.load(e, row, j), shifts)
            return d, d

        items = e.splat(self.count, self.dtype)
        first, second = (e.b.fdiv(v, items) for v in self.sums(e, self.count, terms))
        rest = e.sub(second, e.mul(first, first))
        variance = e.b.select(e.b.fcmp_ordered("<", rest, zero), zero, rest)
        deviation = root(e, variance, e.splat(op.epsilon, self.dtype))
        return shift, first, e.b.fdiv(e.splat(1.0, self.dtype), deviation)

    def sums(
        self, e: Emitter, count: int, terms: Callable[[Int], tuple[ir.Value, ir.Value]]
    ) -> tuple[ir.Value, ir.Value]:
        """The sums of u and u · v over 0..count for (u, v) = terms(j), vectors of j, j + 1, ..."""
        lanes, fold = self.lanes, Fold(self.dtype)
        ways = WAYS if count >= WAYS * lanes else 1
        full, whole = (count // size * size for size in (ways * lanes, lanes))

        def added(
            j: Int, pair: tuple[ir.Value, ir.Value], mask: ir.Value | None = None
        ) -> tuple[ir.Value, ir.Value]:
            u, v = (masked(e, term, mask, 0.0) for term in terms(j))
            return e.add(pair[0], u), e.fma(u, v, pair[1])

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
        if count > whole:
            mask = ir.VectorType(I1, lanes)([i < count - whole for i in range(lanes)])
            pair = added(whole, pair, mask)
        return fold.lanes(e, pair[0]), fold.lanes(e, pair[1])

    def channel_sums(
        self,
        e: Emitter,
        row: ir.Value,
        up: ir.Value,
        gamma: ir.Value,
        results: tuple[ir.Value, ir.Value],
        statistics: tuple[ir.Value, ir.Value, ir.Value],
    ) -> tuple[ir.Value, ir.Value]:
        """dgamma and dbeta of every channel, written; and the sums over the row of gamma · dbeta
        and gamma · dgamma."""
        (slopes, sums), (shift, mean, r), dtype = results, statistics, self.dtype

        def pair(j: Int, lanes: int) -> tuple[ir.Value, ir.Value]:
            d = e.sub(e.load(e.at(row, dtype, (j, 1)), dtype, lanes), e.broadcast(shift, lanes))
            return e.load(e.at(up, dtype, (j, 1)), dtype, lanes), d

        def put(
            k: Int, lanes: int, found: tuple[ir.Value, ir.Value], mask: ir.Value | None
        ) -> list[ir.Value]:
            """gamma · dbeta and gamma · dgamma of channels k, k + 1, ..."""
            total, product = found
            centre, scale = (e.broadcast(v, lanes) for v in (mean, r))
            slope = e.mul(e.sub(product, e.mul(centre, total)), scale)
            store(e, slope, e.at(slopes, dtype, (k, 1)), mask)
            store(e, total, e.at(sums, dtype, (k, 1)), mask)
            factor = e.load(e.at(gamma, dtype, (k, 1)), dtype, lanes)
            return [masked(e, e.mul(factor, v), mask, 0.0) for v in (total, slope)]

        if self.pixels == 1:
            lanes, totals = self.lanes, [Fold(dtype).start(e, self.lanes)] * 2
            whole = self.channels // lanes * lanes

            def several(k: Int, mask: ir.Value | None, *totals: ir.Value) -> list[ir.Value]:
                u, d = pair(k, lanes)
                found = put(k, lanes, (u, e.mul(u, d)), mask)
                return [e.add(t, v) for t, v in zip(totals, found, strict=True)]

            totals = e.loop(0, whole, lambda k, *t: several(k, None, *t), lanes, totals)
            if self.channels > whole:
                rest = self.channels - whole
                mask = ir.VectorType(I1, lanes)([i < rest for i in range(lanes)])
                totals = several(whole, mask, *totals)
            return Fold(dtype).lanes(e, totals[0]), Fold(dtype).lanes(e, totals[1])

        def one(k: ir.Value, *totals: ir.Value) -> list[ir.Value]:
            start = e.imul(k, self.pixels)
            found = self.sums(e, self.pixels, lambda j: pair(e.iadd(start, j), self.lanes))
            return [e.add(t, v) for t, v in zip(totals, put(k, 1, found, None), strict=True)]

        first, second = e.loop(0, self.channels, one, carry=[e.splat(0.0, dtype)] * 2)
        return first, second

    def write(
        self,
        e: Emitter,
        row: ir.Value,
        into: ir.Value,
        numbers: tuple[ir.Value, ir.Value],
        statistics: tuple[ir.Value, ir.Value, ir.Value],
    ) -> None:
        """y of a row, from gamma and beta of its channels."""
        (gamma, beta), (shift, mean, r), dtype = numbers, statistics, self.dtype

        def affine(k: Int, lanes: int) -> list[ir.Value]:
            """The factor and the term of channels k, k + 1, ..."""
            scale = e.mul(e.load(e.at(gamma, dtype, (k, 1)), dtype, lanes), e.broadcast(r, lanes))
            term = e.load(e.at(beta, dtype, (k, 1)), dtype, lanes)
            return [scale, e.sub(term, e.mul(e.broadcast(mean, lanes), scale))]

        def value(j: Int, numbers: Sequence[ir.Value]) -> ir.Value:
            d = e.sub(self.load(e, row, j), e.broadcast(shift, self.lanes))
            return e.fma(d, numbers[0], numbers[1])

        self._each(e, into, affine, value)

    def write_gradient(
        self,
        e: Emitter,
        row: ir.Value,
        up: ir.Value,
        into: ir.Value,
        gamma: ir.Value,
        numbers: tuple[ir.Value, ir.Value, ir.Value, ir.Value],
    ) -> None:
        """dx = r · gamma · dy - slope · d + term, of a row."""
        (shift, slope, term, r), dtype = numbers, self.dtype

        def factor(k: Int, lanes: int) -> list[ir.Value]:
            return [e.mul(e.load(e.at(gamma, dtype, (k, 1)), dtype, lanes), e.broadcast(r, lanes))]

        def value(j: Int, numbers: Sequence[ir.Value]) -> ir.Value:
            shifts, slopes, terms = (e.broadcast(v, self.lanes) for v in (shift, slope, term))
            d = e.sub(self.load(e, row, j), shifts)
            rest = e.sub(terms, e.mul(slopes, d))
            return e.fma(self.load(e, up, j), numbers[0], rest)

        self._each(e, into, factor, value)

    def _each(
        self,
        e: Emitter,
        into: ir.Value,
        numbers: Callable[[Int, int], list[ir.Value]],
        value: Callable[[Int, Sequence[ir.Value]], ir.Value],
    ) -> None:
        """Write value(j, numbers of its channel) at every place j of a row."""

        def put(j: Int, own: Sequence[ir.Value], mask: ir.Value | None) -> None:
            store(e, value(j, own), e.at(into, self.dtype, (j, 1)), mask)

        def channel(k: ir.Value) -> None:
            own = [e.broadcast(v, self.lanes) for v in numbers(k, 1)]
            start = e.imul(k, self.pixels)
            vector_loop(
                e, 0, self.pixels, self.lanes, lambda j, mask: put(e.iadd(start, j), own, mask)
            )

        if self.pixels == 1:
            vector_loop(
                e, 0, self.channels, self.lanes,
                lambda k, mask: put(k, numbers(k, self.lanes), mask),
            )  # fmt: skip
        else:
            e.loop(0, self.channels, channel)
