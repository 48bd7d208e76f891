"""Matrix products in the plain layout: y[m, n] = bias[n] + sum over k of A[m, k] · B[k, n].

Vectors lie over n. A is read number by number, so its transposition is a matter of strides; a B
whose rows do not run along n is transposed into panels of scratch first. With one or two rows that
would cost more than the product: then vectors lie over k (`_dots`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import cast

import llvmlite.ir as ir

from graphcnn.ir.node import Node
from graphcnn.ir.tensor_type import Shape
from graphcnn.ops.dense import MatMul
from graphcnn.runtime.native.code.emit import I32, Emitter, Int
from graphcnn.runtime.native.code.kernel import Kernel, node_key
from graphcnn.runtime.native.code.registry import anchored, lowers
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.conv.packing import own_scratch, scratch_bytes, transpose
from graphcnn.runtime.native.kernels.parts.epilogue import FusedGroup, group_of
from graphcnn.runtime.native.kernels.parts.numbers import PLAIN_TYPES, Numbers
from graphcnn.runtime.native.kernels.parts.tiles import (
    Tile,
    blocks,
    choose_tile,
    multiply,
    store_part,
    zero,
)

#: Pieces of work wanted, so that several threads find some.
_UNITS = 16
#: How far ahead dot products have the right operand fetched, in bytes; the next columns at most.
_AHEAD = 64 << 10


@dataclass(frozen=True)
class Product:
    """Sizes and strides of a batch of products. `batch` broadcasts: a stride of 0 repeats."""

    m: int
    n: int
    k: int
    a_row: int
    a_step: int
    b_transposed: bool
    numbers: Numbers
    bias: bool = False
    batch: tuple[int, ...] = ()
    a_batch: tuple[int, ...] = field(default=())
    b_batch: tuple[int, ...] = field(default=())

    def kernel(self, group: FusedGroup, target: Target) -> Kernel:
        """The kernel of the group around this product."""
        key = node_key(group.node)
        lanes, count = self.numbers.lanes(target), prod(self.batch)
        if self.b_transposed and self.m <= 2 and self.a_step == 1:
            rows = min(8, self.n)
            return Kernel(
                key,
                lambda e: _dots(e, self, group, rows),
                operands=group.count,
                units=count * -(-self.n // rows),
                algorithm="dot products",
            )
        tile = choose_tile(target, self.m, -(-self.n // lanes))
        panels = -(-self.n // (tile.vectors * lanes))
        split = max(1, min(-(-self.m // tile.rows) // 2, _UNITS // (panels * count)))
        panel = self.k * tile.vectors * lanes * self.numbers.weight.bytes
        scratch = scratch_bytes(panel) if self.b_transposed else 0
        return Kernel(
            key,
            lambda e: _panels(e, self, group, tile, split, scratch),
            operands=group.count + (scratch > 0),
            units=count * panels * split,
            scratch=scratch,
            algorithm=f"panels {tile}",
        )


def _bases(e: Emitter, p: Product, item: Int, pointers: Sequence[ir.Value]) -> list[ir.Value]:
    """The matrices A, B, y of one item of the batch."""
    a, b, y = pointers
    index = _index(e, p, item)
    return [
        e.at(a, p.numbers.read, *zip(index, p.a_batch, strict=True)),
        e.at(b, p.numbers.weight, *zip(index, p.b_batch, strict=True)),
        e.at(y, p.numbers.written, (item, p.m * p.n)),
    ]


def _index(e: Emitter, p: Product, item: Int) -> list[Int]:
    """The coordinates of an item of the batch."""
    return e.unravel(item, p.batch) if p.batch else []


def _panels(
    e: Emitter, p: Product, group: FusedGroup, tile: Tile, split: int, scratch: int
) -> None:
    """A panel of `tile.vectors` vectors of columns at a time, all rows of a share."""
    a0, b0, *bias, y0 = group.operands(e)
    packed = own_scratch(e, e.operands[-1], scratch) if scratch else None
    numbers, lanes = p.numbers, p.numbers.lanes(e.target)
    weight, dtype = numbers.weight, numbers.sums
    width = tile.vectors * lanes
    panels, row_blocks = -(-p.n // width), -(-p.m // tile.rows)

    def panel(
        item: Int, a: ir.Value, b: ir.Value, y: ir.Value, start: Int, count: int, piece: Int
    ) -> None:
        """Columns [start, start + count)."""
        vectors = -(-count // lanes)
        source, row = e.at(b, weight, (start, 1)), p.n
        if packed is not None:
            source, row = packed, vectors * lanes
            blocks(
                e, count, lanes,
                lambda f, size: transpose(
                    e, weight, e.at(b, weight, (start, p.k), (f, p.k)),
                    e.at(packed, weight, (f, 1)), size, p.k, p.k, row,
                ),
            )  # fmt: skip

        def rows(m: Int, size: int) -> None:
            def left(k: list[Int]) -> list[ir.Value]:
                where = e.at(a, numbers.read, (m, p.a_row), (k[0], p.a_step))
                return [e.at(where, numbers.read, (r, p.a_row)) for r in range(size)]

            def right(k: list[Int]) -> list[ir.Value]:
                where = e.at(source, weight, (k[0], row))
                return [e.at(where, weight, (v, lanes)) for v in range(vectors)]

            first = [zero(dtype, lanes)] * vectors
            for v in range(vectors if bias else 0):
                first[v] = e.load(e.at(bias[0], dtype, (start, 1), (v, lanes)), dtype, lanes)
            sums = multiply(e, numbers, first * size, (p.k,), left, right)
            for r in range(size):
                for v in range(vectors):
                    to = e.at(y, numbers.written, (e.iadd(m, r), p.n), (start, 1), (v, lanes))
                    where = [*_index(e, p, item), e.iadd(m, r), e.iadd(start, v * lanes)]
                    value = group.apply_plain(e, sums[r * vectors + v], where)
                    store_part(e, value, to, numbers.written, count - v * lanes)

        begin, _ = e.divmod(e.imul(piece, row_blocks), split)
        end, _ = e.divmod(e.imul(e.iadd(piece, 1), row_blocks), split)
        blocks(e, p.m, tile.rows, rows, (begin, end))

    def unit(u: Int) -> None:
        rest, piece = e.divmod(u, split)
        item, index = e.divmod(rest, panels)
        a, b, y = _bases(e, p, item, (a0, b0, y0))
        blocks(
            e, p.n, width,
            lambda start, count: panel(item, a, b, y, start, count, piece),
            (index, e.iadd(index, 1)),
        )  # fmt: skip

    e.loop(*e.share(prod(p.batch) * panels * split), unit)


def _dots(e: Emitter, p: Product, group: FusedGroup, size: int) -> None:
    """`size` columns at a time as dot products along k, for very few rows."""
    a0, b0, *bias, y0 = group.operands(e)
    numbers, lanes = p.numbers, p.numbers.lanes(e.target)
    weight, dtype = numbers.weight, numbers.sums
    whole = p.k // lanes * lanes
    pieces = -(-p.n // size)
    far = p.n * p.k * weight.bytes > e.target.l2
    ahead = min(p.k * size, _AHEAD // weight.bytes)

    def columns(item: Int, a: ir.Value, b: ir.Value, y: ir.Value, start: Int, count: int) -> None:
        base = e.at(b, weight, (start, p.k))

        def step(k: Int, lanes: int, sums: Sequence[ir.Value]) -> list[ir.Value]:
            left = [
                numbers.turned.vector(e, e.at(a, numbers.read, (m, p.a_row), (k, 1)), lanes)
                for m in range(p.m)
            ]
            out = []
            for c in range(count):
                place = e.at(base, weight, (c, p.k), (k, 1))
                right = numbers.vector(e, place, lanes)
                if far and lanes > 1:
                    e.prefetch(e.at(place, weight, (ahead, 1)))
                out += [
                    numbers.multiply_add(e, x, right, sums[c * p.m + m]) for m, x in enumerate(left)
                ]
            return out

        sums = [zero(dtype, lanes)] * (count * p.m)
        if whole:
            sums = e.loop(0, whole, lambda k, *s: step(k, lanes, s), step=lanes, carry=sums)
        totals = [horizontal_sum(e, s) for s in sums]
        if p.k > whole:
            totals = e.loop(whole, p.k, lambda k, *s: step(k, 1, s), carry=totals)
        for c in range(count):
            for m in range(p.m):
                total = totals[c * p.m + m]
                if bias:
                    total = e.add(total, e.load(e.at(bias[0], dtype, (start, 1), (c, 1)), dtype))
                where = [*_index(e, p, item), m, e.iadd(start, c)]
                total = group.apply_plain(e, total, where)
                to = e.at(y, numbers.written, (m, p.n), (start, 1), (c, 1))
                numbers.write(e, total, to)

    def unit(u: Int) -> None:
        item, index = e.divmod(u, pieces)
        a, b, y = _bases(e, p, item, (a0, b0, y0))
        blocks(
            e, p.n, size,
            lambda start, count: columns(item, a, b, y, start, count),
            (index, e.iadd(index, 1)),
        )  # fmt: skip

    e.loop(*e.share(prod(p.batch) * pieces), unit)


def horizontal_sum(e: Emitter, vector: ir.Value) -> ir.Value:
    """The sum of the lanes, by halves."""
    lanes = vector.type.count
    while lanes > 1:
        lanes //= 2
        halves = [e.shuffle(vector, None, range(s, s + lanes)) for s in (0, lanes)]
        vector = e.add(*halves)
    return e.b.extract_element(vector, I32(0))


@anchored("dense")
@lowers("dense")
def dense(node: Node, target: Target) -> Kernel:
    """x · wᵀ + b."""
    group = group_of(node)
    x, weight, *bias = group.types
    (m, k), n = cast(tuple[int, int], x.shape), cast(int, weight.shape[0])
    numbers = group.numbers.require(group.op.name, PLAIN_TYPES)
    return Product(m, n, k, k, 1, True, numbers, bool(bias)).kernel(group, target)


@anchored("matmul")
@lowers("matmul")
def matmul(node: Node, target: Target) -> Kernel:
    """Products of the last two axes; the axes before them broadcast."""
    group = group_of(node)
    op, (a, b) = cast(MatMul, group.op), group.types
    *batch, m, n = cast(tuple[int, ...], op.infer(a, b).shape)
    k = cast(int, a.shape[-2] if op.transpose_a else a.shape[-1])
    product = Product(
        m, n, k,
        *((1, m) if op.transpose_a else (k, 1)),
        op.transpose_b, group.numbers.require(op.name, PLAIN_TYPES), False, tuple(batch),
        batch_strides(a.shape[:-2], len(batch), m * k),
        batch_strides(b.shape[:-2], len(batch), k * n),
    )  # fmt: skip
    return product.kernel(group, target)


def batch_strides(shape: Shape, rank: int, matrix: int) -> tuple[int, ...]:
    """The stride along each batch axis, 0 where it broadcasts."""
    strides, stride = [], matrix
    for size in reversed(cast(tuple[int, ...], shape)):
        strides.append(stride if size > 1 else 0)
        stride *= size
    return (*[0] * (rank - len(strides)), *reversed(strides))
