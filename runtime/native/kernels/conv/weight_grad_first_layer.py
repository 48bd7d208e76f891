"""The weight gradient of first layers: few channels of x, plain, and blocked dy.

Rows of the product are pairs (channel, tap), written out in code; vectors lie over filters and the
sum goes over pixels. A unit is one panel of filters and one of some runs of tiles of rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import llvmlite.ir as ir

from graphcnn.ir.geometry import Pair
from graphcnn.runtime.native.code.emit import Emitter, Int
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.conv.packing import Planes, copy, scratch_bytes
from graphcnn.runtime.native.kernels.conv.plain import Tap
from graphcnn.runtime.native.kernels.parts.blocked import Blocked
from graphcnn.runtime.native.kernels.parts.numbers import Numbers
from graphcnn.runtime.native.kernels.parts.tiles import Tile, add_to, blocks, multiply, table, zero

#: Pieces of work that a weight gradient should have, rows of a tile at least, and the part of the
#: work that may go into packing x more than once.
_UNITS, _LEAST, _PACKING = 8, 10, 0.03

#: What happens to a number of the gradient at last: f(e, number, filter, pair) -> number.
Follow = Callable[[Emitter, ir.Value, Int, Int], ir.Value]


@dataclass(frozen=True)
class FirstWeightGrad:
    """The code for panels of `tile.vectors` vectors of filters and `pieces` runs of rows."""

    batch: int
    channels: int
    planes: Planes
    taps: tuple[Tap, ...]
    dy: Blocked
    tile: Tile
    pieces: int
    numbers: Numbers

    @property
    def units(self) -> int:
        return self.dy.blocks // self.tile.vectors * self.pieces

    @property
    def image(self) -> int:
        """Elements of scratch that one packed image takes."""
        size = self.numbers.sums.bytes
        return scratch_bytes(self.channels * self.planes.size * size) // size

    @property
    def steps(self) -> int:
        """Pairs (channel, tap)."""
        return self.channels * len(self.taps)

    @property
    def scratch(self) -> int:
        kernels = self.steps * self.dy.lanes * self.tile.vectors
        return scratch_bytes((self.image + kernels) * self.numbers.sums.bytes)

    @property
    def flops(self) -> int:
        pixels = self.dy.sizes[0] * self.dy.sizes[1]
        return 2 * self.batch * self.channels * len(self.taps) * self.dy.channels * pixels

    def emit(
        self,
        e: Emitter,
        x: ir.Value,
        dy: ir.Value,
        dw: ir.Value,
        scratch: ir.Value,
        follow: Follow | None = None,
    ) -> None:
        """The loops over this part's share of the units; `scratch` is the part's own."""
        numbers, (h, w), lanes = self.numbers, self.planes.sizes, self.dy.lanes
        dtype = numbers.sums
        vectors, steps = self.tile.vectors, self.steps
        width = lanes * vectors
        pairs = sorted(
            (c * len(self.taps) + t.weight,
             c * self.planes.channel_stride + self.planes.offset(*t.pixel))
            for c in range(self.channels)
            for t in self.taps
        )  # fmt: skip
        nothing = zero(dtype, lanes)
        sums = e.at(scratch, dtype, (self.image, 1))

        tiles = [pairs[i : i + self.tile.rows] for i in range(0, steps, self.tile.rows)]
        cuts = [k * len(tiles) // self.pieces for k in range(self.pieces + 1)]
        begins = table(e, "rows", [min(k * self.tile.rows, steps) for k in cuts])

        def unit(u: Int) -> None:
            panel, piece = e.divmod(u, self.pieces)
            rows = begins(piece), begins(e.iadd(piece, 1))

            def clear(i: Int) -> None:
                for v in range(vectors):
                    e.store(nothing, e.at(sums, dtype, (i, width), (v * lanes, 1)))

            e.loop(*rows, clear)

            def image(n: Int) -> None:
                packed = e.at(x, numbers.read, (n, self.channels * h * w))
                if not self.planes.in_place:
                    self.planes.pack(e, numbers.read, packed, scratch, self.channels)
                    packed = scratch
                shown = e.at(
                    dy, numbers.weight, (n, self.dy.image), (panel, vectors * self.dy.plane),
                    (self.dy.offset(0, 0), 1),
                )  # fmt: skip
                for k in range(self.pieces):
                    mine = e.b.icmp_signed("==", e.int(piece), e.int(k))
                    some = tiles[cuts[k] : cuts[k + 1]]
                    e.when(mine, partial(self._add, e, packed, shown, sums, some))

            e.loop(0, self.batch, image)
            self._write(e, sums, dw, panel, rows, follow)

        e.loop(*e.share(self.units), unit)

    def _add(
        self,
        e: Emitter,
        packed: ir.Value,
        shown: ir.Value,
        sums: ir.Value,
        tiles: Sequence[Sequence[Pair]],
    ) -> None:
        """One image, for tiles of rows (number of the pair, offset of its pixel)."""
        numbers, lanes, vectors = self.numbers, self.dy.lanes, self.tile.vectors
        dtype = numbers.sums
        for rows in tiles:

            def left(k: list[Int], rows: Sequence[Pair] = rows) -> list[ir.Value]:
                at = e.at(packed, numbers.read, (k[0], self.planes.grid[1]), (k[1], 1))
                return [e.at(at, numbers.read, (offset, 1)) for _, offset in rows]

            def right(k: list[Int]) -> list[ir.Value]:
                at = e.at(shown, numbers.weight, (k[0], self.dy.row), (k[1], lanes))
                return [e.at(at, numbers.weight, (v * self.dy.plane, 1)) for v in range(vectors)]

            places = [
                e.at(sums, dtype, ((number * vectors + v) * lanes, 1))
                for number, _ in rows
                for v in range(vectors)
            ]
            start = [zero(dtype, lanes)] * len(places)
            add_to(e, dtype, places, multiply(e, numbers, start, self.dy.sizes, left, right))

    def _write(
        self,
        e: Emitter,
        sums: ir.Value,
        dw: ir.Value,
        panel: Int,
        rows: tuple[Int, Int],
        follow: Follow | None,
    ) -> None:
        """Some rows of sums of a panel, [pair][filter], into the plain gradient [filter][pair]."""
        dtype, width = self.numbers.sums, self.dy.lanes * self.tile.vectors

        def filters(o: Int, count: int) -> None:
            def pair(i: Int) -> None:
                read = e.at(sums, dtype, (i, width))
                to = e.at(dw, dtype, (o, self.steps), (i, 1))
                if follow is None:
                    copy(e, dtype, read, to, count, 1, self.steps)
                    return

                def one(f: Int) -> None:
                    value = e.load(e.at(read, dtype, (f, 1)), dtype)
                    value = follow(e, value, e.iadd(o, f), i)
                    e.store(value, e.at(to, dtype, (f, self.steps)))

                e.loop(0, count, one)

            e.loop(*rows, pair)

        blocks(e, self.dy.channels, width, filters, (panel, e.iadd(panel, 1)))


def first_weight_grad(
    batch: int,
    channels: int,
    planes: Planes,
    taps: Sequence[Tap],
    dy: Blocked,
    numbers: Numbers,
    vectors: int,
    target: Target,
) -> FirstWeightGrad:
    """The gradient for kernels of `vectors` vectors, tiled for a processor."""
    limit = (target.sums - vectors) // vectors
    steps, panels = channels * len(taps), dy.blocks // vectors
    count = -(-steps // min(limit, 28))
    if panels * count < _UNITS and steps >= 2 * count * _LEAST:
        count *= 2
    rows = -(-steps // count)
    count = -(-steps // rows)
    # Every piece packs x again: vectors of a row at once, half vectors where it is taken apart.
    packing = 0 if planes.in_place else planes.size * (0.1, 0.2, 1)[min(planes.stride[1], 3) - 1]
    work = len(taps) * dy.sizes[0] * dy.sizes[1] * vectors
    pieces = max(1, min(count, -(-_UNITS // panels), int(_PACKING * work / max(packing, 1))))
    tile = Tile(rows, vectors)
    return FirstWeightGrad(batch, channels, planes, tuple(taps), dy, tile, pieces, numbers)
