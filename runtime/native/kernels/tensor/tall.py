"""aᵀ b of two tall matrices: the gradient of a weight over the rows of many items or steps.

    y[m, n] = sum over k of A[k, m] · B[k, n]

Read number by number A would come from another line, mostly of the same set of the cache, at every
step. So a share of the work is some rows of y; along k it goes block by block, and of each block
takes what it reads into scratch, in the order in which it reads it:

    for a block of k:    A[k, its rows]    ->  [rows of a tile][k][row]      once
        for a panel:     B[k, the panel]   ->  [k][column]                   stays in cache
            for a tile:  y += the products

Sums go on where they stood in y. Their order is that of the plain product, and so are the bits.
"""

from collections.abc import Callable

import llvmlite.ir as ir

from graphcnn.ir.tensor_type import DType
from graphcnn.runtime.native.code.emit import I32, Emitter, Int
from graphcnn.runtime.native.code.kernel import Kernel, node_key
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.conv.packing import copy, own_scratch, scratch_bytes
from graphcnn.runtime.native.kernels.parts.epilogue import FusedGroup
from graphcnn.runtime.native.kernels.parts.tiles import (
    Tile,
    blocks,
    minimum,
    multiply,
    store_part,
    zero,
)
from graphcnn.runtime.native.kernels.tensor.product import Product

#: Rows of y that one share has, about, and steps of k in a block.
_ROWS, _DEPTH = 128, 256
#: Numbers between two tiles of A, so that they do not begin at the same set of the cache.
_GAP = 16


def is_tall(p: Product, target: Target) -> bool:
    """Whether A is read against its rows, and too large to stay in the second cache."""
    large = p.k * p.m * p.numbers.read.bytes > target.l2
    return large and p.a_row == 1 < p.a_step and not (p.b_transposed or p.batch or p.bias)


def tall_kernel(p: Product, group: FusedGroup, target: Target) -> Kernel:
    """The kernel of the group around a tall product."""
    tile, depth = p.tile(target), min(p.k, _DEPTH)
    tiles = -(-p.m // tile.rows)
    each = -(-tiles // max(-(-p.m // _ROWS), min(4, tiles)))
    left = each * (depth * tile.rows + _GAP) * p.numbers.read.bytes
    right = depth * tile.vectors * p.numbers.lanes(target) * p.numbers.weight.bytes
    left, right = scratch_bytes(left), scratch_bytes(right)
    return Kernel(
        node_key(group.node),
        lambda e: _Tall(e, p, group, tile, depth, each, left, left + right).emit(),
        operands=group.count + 1,
        units=-(-tiles // each),
        scratch=left + right,
        algorithm=f"tall {tile}",
    )


class _Tall:
    def __init__(
        self, e: Emitter, p: Product, group: FusedGroup, tile: Tile, depth: int, each: int,
        left: int, scratch: int,
    ) -> None:  # fmt: skip
        self.e, self.p, self.group, self.tile = e, p, group, tile
        self.depth, self.each, self.gap = depth, each, depth * tile.rows + _GAP
        self.a, self.b, self.y = group.operands(e)
        self.left = own_scratch(e, e.operands[-1], scratch)
        self.right = e.at(self.left, DType.UINT8, (left, 1))
        self.lanes, self.dtype = p.numbers.lanes(e.target), p.numbers.sums
        self.width = tile.vectors * self.lanes

    def emit(self) -> None:
        tiles = -(-self.p.m // self.tile.rows)
        self.e.loop(*self.e.share(-(-tiles // self.each)), lambda u: self.unit(u, tiles))

    def unit(self, u: Int, tiles: int) -> None:
        """Some tiles of rows of y."""
        e, p = self.e, self.p
        begin = e.imul(u, self.each)
        span = (begin, minimum(e, e.iadd(begin, self.each), tiles))

        def clear(m: Int, size: int) -> None:
            for r in range(size):
                self.row(e.iadd(m, r), self.clear)

        blocks(e, p.m, self.tile.rows, clear, span)
        blocks(e, p.k, self.depth, lambda k, size: self.deep(k, size, span, begin))
        if self.group.body is not None:
            blocks(e, p.m, self.tile.rows, lambda m, size: self.epilogue(m, size), span)

    def panels(self, body: Callable[[Int, int], None]) -> None:
        blocks(self.e, self.p.n, self.width, body)

    def row(self, m: Int, body: Callable[[Int, Int, int], None]) -> None:
        """body(m, start, count) for the panels of a row of y."""
        self.panels(lambda start, count: body(m, start, count))

    def clear(self, m: Int, start: Int, count: int) -> None:
        for v in range(-(-count // self.lanes)):
            nothing = zero(self.dtype, self.lanes)
            store_part(self.e, nothing, self.place(m, start, v), self.dtype, count - v * self.lanes)

    def place(self, m: Int, start: Int, v: int) -> ir.Value:
        return self.e.at(self.y, self.dtype, (m, self.p.n), (start, 1), (v, self.lanes))

    def deep(self, first: Int, depth: int, span: tuple[Int, Int], begin: Int) -> None:
        """All products of a block of k."""
        e, p, read = self.e, self.p, self.p.numbers.read

        def take(k: Int) -> None:
            row = e.at(self.a, read, (e.iadd(first, k), p.a_step))

            def tile(m: Int, size: int) -> None:
                copy(e, read, e.at(row, read, (m, 1)), self.packed(m, begin, k), size)

            blocks(e, p.m, self.tile.rows, tile, span)

        e.loop(0, depth, take)
        self.panels(lambda start, count: self.panel(first, depth, start, count, span, begin))

    def packed(self, m: Int, begin: Int, k: Int) -> ir.Value:
        """Where the numbers of A lie for the tile of rows from m on, at step k."""
        rows = self.tile.rows
        place = self.e.b.sub(self.e.int(self.e.divmod(m, rows)[0]), self.e.int(begin))
        return self.e.at(self.left, self.p.numbers.read, (place, self.gap), (k, rows))

    def panel(
        self, first: Int, depth: int, start: Int, count: int, span: tuple[Int, Int], begin: Int
    ) -> None:
        """The products of a block of k with `count` columns of B."""
        e, p, numbers, weight = self.e, self.p, self.p.numbers, self.p.numbers.weight
        vectors = -(-count // self.lanes)

        def take(k: Int) -> None:
            row = e.at(self.b, weight, (e.iadd(first, k), p.n), (start, 1))
            copy(e, weight, row, e.at(self.right, weight, (k, self.width)), count)

        e.loop(0, depth, take)

        def tile(m: Int, size: int) -> None:
            at = self.packed(m, begin, 0)

            def left(k: list[Int]) -> list[ir.Value]:
                here = e.at(at, numbers.read, (k[0], self.tile.rows))
                return [e.at(here, numbers.read, (r, 1)) for r in range(size)]

            def right(k: list[Int]) -> list[ir.Value]:
                here = e.at(self.right, weight, (k[0], self.width))
                return [e.at(here, weight, (v, self.lanes)) for v in range(vectors)]

            places = [
                self.place(e.iadd(m, r), start, v) for r in range(size) for v in range(vectors)
            ]
            counts = [count - v * self.lanes for v in range(vectors)] * size
            sums = [self.so_far(*each) for each in zip(places, counts, strict=True)]
            sums = multiply(e, numbers, sums, (depth,), left, right)
            for value, to, number in zip(sums, places, counts, strict=True):
                store_part(e, value, to, self.dtype, number)

        blocks(e, p.m, self.tile.rows, tile, span)

    def so_far(self, place: ir.Value, count: int) -> ir.Value:
        """A vector of sums out of y, which may end before the vector does."""
        e = self.e
        if count >= self.lanes:
            return e.load(place, self.dtype, self.lanes)
        found = zero(self.dtype, self.lanes)
        for lane in range(count):
            one = e.load(e.at(place, self.dtype, (lane, 1)), self.dtype)
            found = e.b.insert_element(found, one, I32(lane))
        return found

    def epilogue(self, m: Int, size: int) -> None:
        """What follows the product, on finished sums."""

        def vectors(m: Int, start: Int, count: int) -> None:
            for v in range(-(-count // self.lanes)):
                place, number = self.place(m, start, v), count - v * self.lanes
                at = [m, self.e.iadd(start, v * self.lanes)]
                value = self.group.apply_plain(self.e, self.so_far(place, number), at)
                store_part(self.e, value, place, self.dtype, number)

        for r in range(size):
            self.row(self.e.iadd(m, r), vectors)
