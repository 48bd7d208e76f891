"""Convolution 3×3 of stride 1 by Winograd's minimal filtering: F(4×4, 3×3) and F(2×2, 3×3).

An output tile of m × m pixels comes from (m + 2)² products per channel instead of 9 m²:

    Y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A        36 against 144 products for m = 4, 16 against 36 for 2

summed over channels between the transforms, which makes (m + 2)² matrix products of tiles ×
channels by channels × filters. Source: A. Lavin, S. Gray, arXiv:1509.09308. The price is accuracy:
sums of numbers with factors up to 8, an error of about 1e-5 (m = 4) or 1e-6 (m = 2) of the largest.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import llvmlite.ir as ir

from graphcnn.ir.geometry import Pair
from graphcnn.runtime.native.code.emit import Emitter, Int
from graphcnn.runtime.native.kernels.conv.geometry import ConvGeometry
from graphcnn.runtime.native.kernels.conv.packing import scratch_bytes
from graphcnn.runtime.native.kernels.conv.winograd_schedule import (
    WinogradSchedule,
    depths,
    scratch_size,
    tile_count,
)
from graphcnn.runtime.native.kernels.parts.blocked import Epilogue, Place
from graphcnn.runtime.native.kernels.parts.math import constant
from graphcnn.runtime.native.kernels.parts.numbers import Numbers
from graphcnn.runtime.native.kernels.parts.tiles import minimum, multiply_step, zero

Vectors = list[ir.Value]

#: Bytes of a line of the cache.
LINE = 64
#: Pixels are fetched while so many tiles of one block of channels are transformed before them.
AHEAD = 16


def input_transform(e: Emitter, d: Sequence[ir.Value]) -> Vectors:
    """Bᵀ d along one axis: 4 or 6 values."""

    def of(x: float) -> ir.Value:
        return constant(d[0].type, x)

    if len(d) == 4:
        return [e.sub(d[0], d[2]), e.add(d[1], d[2]), e.sub(d[2], d[1]), e.sub(d[1], d[3])]
    a, c = e.fma(of(-4), d[2], d[4]), e.fma(of(-4), d[1], d[3])
    p, q = e.sub(d[4], d[2]), e.mul(of(2), e.sub(d[3], d[1]))
    return [
        e.fma(of(4), d[0], e.fma(of(-5), d[2], d[4])),
        e.add(a, c),
        e.sub(a, c),
        e.add(p, q),
        e.sub(p, q),
        e.fma(of(4), d[1], e.fma(of(-5), d[3], d[5])),
    ]


def output_transform(e: Emitter, m: Sequence[ir.Value]) -> Vectors:
    """Aᵀ m along one axis: 2 values of 4, or 4 of 6."""
    s, d = e.add(m[1], m[2]), e.sub(m[1], m[2])
    if len(m) == 4:
        return [e.add(m[0], s), e.sub(d, m[3])]
    s2, d2 = e.add(m[3], m[4]), e.sub(m[3], m[4])
    of = [constant(s.type, x) for x in (2, 4, 8)]
    return [
        e.add(m[0], e.add(s, s2)),
        e.fma(of[0], d2, d),
        e.fma(of[1], s2, s),
        e.add(e.fma(of[2], d2, d), m[5]),
    ]


def applies(g: ConvGeometry) -> bool:
    """Whether a geometry is a 3×3 convolution of stride 1."""
    if (
        g.groups != 1
        or len(g.parts) != 1
        or g.step != (1, 1)
        or g.reading != (1, 1)
        or len(g.parts[0].taps) != 9
    ):
        return False
    rows, columns = ({at[axis] for _, at in g.parts[0].taps} for axis in (0, 1))
    return all(sorted(s) == list(range(min(s), min(s) + 3)) for s in (rows, columns))


def tap_grid(g: ConvGeometry) -> tuple[Pair, list[list[int]]]:
    """Where the window starts for output pixel (0, 0), and the number of the tap at each place."""
    places = {at: number for number, at in g.parts[0].taps}
    y, x = min(places)
    return (y, x), [[places[y + i, x + j] for j in range(3)] for i in range(3)]


def in_order(g: ConvGeometry) -> bool:
    """Whether taps are numbered as the window has them, forwards or backwards: transformed kernels
    suppose that, and images read and written backwards do for a kernel that is."""
    numbers = [t for row in tap_grid(g)[1] for t in row] if applies(g) else []
    return numbers in (list(range(9)), list(range(8, -1, -1)))


@dataclass(frozen=True)
class WinogradConv:
    """The code of a geometry under a schedule. The kernel comes transformed: layout w4o16i16x2.

    Transformed tiles and products lie in scratch as they are summed.
    """

    g: ConvGeometry
    s: WinogradSchedule
    numbers: Numbers

    @property
    def turn(self) -> int:
        """The step through the pixels of a tile: -1 where taps are numbered backwards."""
        return 1 if tap_grid(self.g)[1][0][0] == 0 else -1

    @property
    def tiles(self) -> Pair:
        return -(-self.g.y.sizes[0] // self.s.m), -(-self.g.y.sizes[1] // self.s.m)

    @property
    def count(self) -> int:
        return tile_count(self.g, self.s.m)

    @property
    def points(self) -> int:
        return (self.s.m + 2) ** 2

    @property
    def units(self) -> int:
        return -(-self.count // self.s.block) * self.s.split

    @property
    def depth(self) -> int:
        """Elements from tile to tile of the transformed input."""
        return depths(self.g, self.s)[0]

    @property
    def width(self) -> int:
        """Elements from tile to tile of the products."""
        return depths(self.g, self.s)[1]

    @property
    def scratch(self) -> int:
        line = self.g.y.lanes * self.numbers.sums.bytes
        return scratch_bytes(scratch_size(self.g, self.numbers, self.s) + line)

    def emit(
        self,
        e: Emitter,
        x: ir.Value,
        kernels: ir.Value,
        y: ir.Value,
        scratch: ir.Value,
        bias: ir.Value | None = None,
        epilogue: Epilogue | None = None,
    ) -> None:
        """The loops over this part's share of the units; `scratch` is the part's own."""
        g, s = self.g, self.s
        panels = g.y.blocks // s.vectors
        products = e.at(scratch, self.numbers.sums, (self.points * s.block * self.depth, 1))
        share = e.share(self.units)

        def unit(u: Int) -> None:
            index, piece = e.divmod(u, s.split)
            begin, _ = e.divmod(e.imul(piece, panels), s.split)
            end, _ = e.divmod(e.imul(e.iadd(piece, 1), panels), s.split)
            first = e.imul(index, s.block)
            left = e.b.sub(e.int(self.count), e.int(first))
            count = minimum(e, s.block, left)
            again = e.b.icmp_signed("==", e.int(piece), e.int(0))
            again = e.b.or_(again, e.b.icmp_signed("==", e.int(u), e.int(share[0])))
            e.when(again, lambda: self._transform(e, x, scratch, first, count))
            self._multiply(e, scratch, kernels, products, count, begin, end)
            self._output(e, products, y, first, count, begin, end, bias, epilogue)

        e.loop(*share, unit)

    def _tile(self, e: Emitter, index: Int) -> tuple[Int, Int, Int]:
        """(image, first row, first column) of an output tile."""
        rows, columns = self.tiles
        n, rest = e.divmod(index, rows * columns)
        i, j = e.divmod(rest, columns)
        return n, e.imul(i, self.s.m), e.imul(j, self.s.m)

    def _transform(self, e: Emitter, x: ir.Value, to: ir.Value, first: Int, count: Int) -> None:
        """Bᵀ d B of every tile of the block: [point][tile][channel].

        Rows and columns past the end are those of the last one of the buffer: they only meet
        outputs that are thrown away, or are the zeros of the halo.
        """
        g, edge = self.g, self.s.m + 2
        (y0, x0), _ = tap_grid(g)
        top, left = y0 + g.x.halo[0], x0 + g.x.halo[2]
        lanes, ahead = g.x.lanes, -(-AHEAD // g.x.blocks)
        read, sums = self.numbers.read, self.numbers.sums

        def pixels(index: Int) -> tuple[Vectors, list[Int]]:
            n, i, j = self._tile(e, index)
            rows = self._clamped(e, e.iadd(i, top), edge, 0)
            image = e.at(x, read, (n, g.x.image))
            starts = [e.at(image, read, (r, g.x.row)) for r in rows]
            return starts, self._clamped(e, e.iadd(j, left), edge, 1)

        def tile(t: Int) -> None:
            starts, columns = pixels(e.iadd(first, t))
            later = pixels(minimum(e, e.iadd(first, e.iadd(t, ahead)), self.count - 1))

            def block(c: Int) -> None:
                for start in later[0]:
                    for q in later[1][2:]:
                        e.prefetch(e.at(start, read, (c, g.x.plane), (q, lanes)))
                moved = [e.at(start, read, (c, g.x.plane)) for start in starts[:: self.turn]]
                half = []
                for start in moved:
                    places = (e.at(start, read, (q, lanes)) for q in columns[:: self.turn])
                    line = [self.numbers.turned.vector(e, place, lanes) for place in places]
                    half.append(input_transform(e, line))
                target = e.at(to, sums, (t, self.depth), (c, lanes))
                for q in range(edge):
                    done = input_transform(e, [half[r][q] for r in range(edge)])
                    for r, value in enumerate(done):
                        point = (r * edge + q) * self.s.block * self.depth
                        e.store(value, e.at(target, sums, (point, 1)))

            e.loop(0, g.x.blocks, block)

        e.loop(0, count, tile)

    def _clamped(self, e: Emitter, start: Int, edge: int, axis: int) -> list[Int]:
        """`edge` positions from `start`, none past the end of the buffer."""
        g, m = self.g, self.s.m
        last = self.g.x.grid[axis] - 1
        begin = tap_grid(g)[0][axis] + g.x.halo[2 * axis]
        reached = (self.tiles[axis] - 1) * m + begin + edge - 1
        found: list[Int] = []
        for k in range(edge):
            at = e.iadd(start, k)
            found.append(minimum(e, at, last) if reached - (edge - 1 - k) > last else at)
        return found

    def _multiply(
        self, e: Emitter, tiles: ir.Value, kernels: ir.Value, to: ir.Value,
        count: Int, begin: Int, end: Int,
    ) -> None:  # fmt: skip
        """[point][tile][channel] times [point][panel][channel][filter], for each point."""
        g, s = self.g, self.s
        lanes, depth = g.x.lanes, g.x.blocks * g.x.lanes
        width, unroll = lanes * s.vectors, 2
        numbers = replace(self.numbers, read=self.numbers.sums)
        dtype, weight = numbers.sums, numbers.weight

        def matrix(point: Int, panel: Int) -> ir.Value:
            return e.at(
                kernels, weight, (point, g.y.blocks * lanes * depth), (panel, depth * width)
            )

        def rows(point: Int, panel: Int, t: Int) -> None:
            left_base = e.at(tiles, dtype, (point, s.block * self.depth), (t, self.depth))
            kernel = matrix(point, panel)
            last = e.b.icmp_signed("==", e.iadd(panel, 1), e.int(end))
            later = matrix(
                e.b.select(last, e.iadd(point, 1), e.int(point)),
                e.b.select(last, e.int(begin), e.iadd(panel, 1)),
            )

            def channels(c: Int, *sums: ir.Value) -> Vectors:
                carried = list(sums)
                a, b = e.at(left_base, dtype, (c, 1)), e.at(kernel, weight, (c, width))
                for line in range(0, unroll * width, LINE // weight.bytes):
                    e.prefetch(e.at(later, weight, (c, width), (line, 1)))
                for u in range(unroll):
                    left = [e.at(a, dtype, (r * self.depth + u, 1)) for r in range(s.rows)]
                    right = [e.at(b, weight, (u * width + v * lanes, 1)) for v in range(s.vectors)]
                    carried = multiply_step(e, numbers, carried, left, right)
                return carried

            sums = [zero(dtype, lanes)] * (s.rows * s.vectors)
            sums = e.loop(0, depth, channels, step=unroll, carry=sums)
            local = e.b.sub(e.int(panel), e.int(begin))
            base = e.at(to, dtype, (point, s.block * self.width), (t, self.width), (local, width))
            for r in range(s.rows):
                for v in range(s.vectors):
                    e.store(
                        sums[r * s.vectors + v], e.at(base, dtype, (r * self.width + v * lanes, 1))
                    )

        e.loop(
            0, self.points,
            lambda point: e.loop(
                begin, end,
                lambda panel: e.loop(0, count, lambda t: rows(point, panel, t), step=s.rows),
            ),
        )  # fmt: skip

    def _output(
        self, e: Emitter, products: ir.Value, y: ir.Value, first: Int, count: Int,
        begin: Int, end: Int, bias: ir.Value | None, epilogue: Epilogue | None,
    ) -> None:  # fmt: skip
        """Aᵀ M A of every tile and block of filters, and what follows, into y."""
        g, s = self.g, self.s
        lanes, edge = g.y.lanes, s.m + 2
        sums, written = self.numbers.sums, self.numbers.written
        dump = e.at(products, sums, (self.points * s.block * self.width, 1))
        start, stop = e.imul(begin, s.vectors), e.imul(end, s.vectors)

        def tile(t: Int) -> None:
            n, i, j = self._tile(e, e.iadd(first, t))
            order = range(s.m)[:: self.turn]
            rows = [self._inside(e, e.iadd(i, k), 0) for k in order]
            columns = [self._inside(e, e.iadd(j, k), 1) for k in order]

            def block(o: Int) -> None:
                local = e.b.sub(e.int(o), e.int(start))
                source = e.at(products, sums, (t, self.width), (local, lanes))
                half = []
                for r in range(edge):
                    line = [
                        e.load(
                            e.at(source, sums, ((r * edge + q) * s.block * self.width, 1)),
                            sums, lanes,
                        )
                        for q in range(edge)
                    ]  # fmt: skip
                    half.append(output_transform(e, line))
                shift = e.load(e.at(bias, sums, (o, lanes)), sums, lanes) if bias else None
                plane = e.at(y, written, (n, g.y.image), (o, g.y.plane), (g.y.offset(0, 0), 1))
                for q, (column, column_ok) in enumerate(columns):
                    done = output_transform(e, [half[r][q] for r in range(edge)])
                    for value, (row, row_ok) in zip(done, rows, strict=True):
                        if shift is not None:
                            value = e.add(value, shift)
                        if epilogue is not None:
                            value = epilogue(e, value, Place(n, o, row, column, lanes))
                        to = e.at(plane, written, (row, g.y.row), (column, lanes))
                        for ok in (row_ok, column_ok):
                            to = e.b.select(ok, to, dump) if ok is not None else to
                        self.numbers.write(e, value, to)

            e.loop(start, stop, block)
            if any(g.y.halo):
                self._clear(e, y, n, i, j, start, stop)

        e.loop(0, count, tile)

    def _inside(self, e: Emitter, at: Int, axis: int) -> tuple[Int, ir.Value | None]:
        """A position clamped into the output, and whether it was inside (None: surely)."""
        size = self.g.y.sizes[axis]
        if size % self.s.m == 0:
            return at, None
        return minimum(e, at, size - 1), e.b.icmp_signed("<", e.int(at), e.int(size))

    def _clear(
        self, e: Emitter, y: ir.Value, n: Int, i: Int, j: Int, start: Int, stop: Int
    ) -> None:
        """The halo of an image, with its first tile."""
        g, dtype = self.g, self.numbers.written
        corner = e.b.icmp_signed("==", e.b.add(e.int(i), e.int(j)), e.int(0))

        def clear() -> None:
            def block(o: Int) -> None:
                g.y.clear_halo(e, dtype, e.at(y, dtype, (n, g.y.image), (o, g.y.plane)))

            e.loop(start, stop, block)

        e.when(corner, clear)
