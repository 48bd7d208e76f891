"""Matrix products in the plain layout: y[m, n] = bias[n] + sum over k of A[m, k] · B[k, n].

Vectors lie over n. A is read number by number, so its transposition is a matter of strides; a B
whose rows do not run along n is transposed into panels of scratch first. With one or two rows that
would cost more than the product: then vectors lie over k (`_dots`). A B that lies packed as such
panels (`graphcnn.ir.storage.Kernels`) is read as it is; what packs it, for loops that read it again
at every step, is in `packed.py`.
"""

from collections.abc import Sequence
from math import prod

import llvmlite.ir as ir

from graphcnn.ir.node import Node
from graphcnn.runtime.native.code.emit import I32, Emitter, Int
from graphcnn.runtime.native.code.kernel import Kernel, node_key
from graphcnn.runtime.native.code.registry import anchored, lowers
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.conv.packing import own_scratch, scratch_bytes, transpose
from graphcnn.runtime.native.kernels.parts.epilogue import FusedGroup, group_of
from graphcnn.runtime.native.kernels.parts.tiles import (
    Tile,
    blocks,
    multiply,
    store_part,
    zero,
)
from graphcnn.runtime.native.kernels.tensor.product import Product, dense_product, matmul_product
from graphcnn.runtime.native.kernels.tensor.tall import is_tall, tall_kernel

#: Pieces of work wanted, so that several threads find some.
_UNITS = 16
#: How far ahead dot products have the right operand fetched, in bytes; the next columns at most.
_AHEAD = 64 << 10


def product_kernel(p: Product, group: FusedGroup, target: Target) -> Kernel:
    """The kernel of the group around this product."""
    key = node_key(group.node)
    lanes, count = p.numbers.lanes(target), prod(p.batch)
    if p.packed is None and p.b_transposed and p.m <= 2 and p.a_step == 1:
        rows = min(8, p.n)
        return Kernel(
            key,
            lambda e: _dots(e, p, group, rows),
            operands=group.count,
            units=count * -(-p.n // rows),
            algorithm="dot products",
        )
    if is_tall(p, target):
        return tall_kernel(p, group, target)
    tile = p.tile(target)
    panels = -(-p.n // (tile.vectors * lanes))
    split = max(1, min(-(-p.m // tile.rows) // 2, _UNITS // (panels * count)))
    panel = p.k * tile.vectors * lanes * p.numbers.weight.bytes
    scratch = scratch_bytes(panel) if p.b_transposed and p.packed is None else 0
    return Kernel(
        key,
        lambda e: _panels(e, p, group, tile, split, scratch),
        operands=group.count + (scratch > 0),
        units=count * panels * split,
        scratch=scratch,
        algorithm=f"{'packed ' * (p.packed is not None)}panels {tile}",
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
        if p.packed is not None:
            deep = -(-p.k // p.packed.lanes) * p.packed.lanes
            source, row = e.at(b, weight, (start, deep)), width
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
    return product_kernel(dense_product(group), group, target)


@anchored("matmul")
@lowers("matmul")
def matmul(node: Node, target: Target) -> Kernel:
    """Products of the last two axes; the axes before them broadcast."""
    group = group_of(node)
    return product_kernel(matmul_product(group), group, target)
