"""The weight gradient on blocked images: the kernel's numbers in registers, pixels streaming by.

    dw[tap, c, o] = sum over images, pixels of x[pixel + tap, c] · dy[pixel, o]

A tile holds some input channels × vectors of output channels; each pixel gives one vector of dy
per column and one broadcast of x per row. Bands of rows that stay in the first cache meet all taps
before the next band; between bands the sums rest in the result itself, which has the layout of the
kernel that it belongs to.
"""

from collections.abc import Callable
from dataclasses import dataclass

import llvmlite.ir as ir

from graphcnn.ir.geometry import Pair
from graphcnn.runtime.native.code.emit import I1, Emitter, Int
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.parts.blocked import Blocked
from graphcnn.runtime.native.kernels.parts.numbers import Numbers
from graphcnn.runtime.native.kernels.parts.tiles import add_to, blocks, multiply, table, zero

#: What happens to a vector of the gradient at last: f(e, vector, offset) -> vector.
Follow = Callable[[Emitter, ir.Value, Int], ir.Value]


@dataclass(frozen=True)
class BlockedWeightGrad:
    """Weight gradient of a convolution of one group from blocked x and dy.

    `taps` holds for each tap of the kernel the pixel of x that it reads for output (0, 0). The
    result is written as it is summed.
    """

    batch: int
    x: Blocked
    dy: Blocked
    taps: tuple[Pair, ...]
    reading: Pair
    vectors: int
    rows: int
    band: int
    split: int
    numbers: Numbers

    @property
    def units(self) -> int:
        return self.dy.blocks // self.vectors * self.x.blocks * self.split

    @property
    def flops(self) -> int:
        pixels = self.dy.sizes[0] * self.dy.sizes[1]
        return 2 * self.batch * self.x.channels * self.dy.channels * len(self.taps) * pixels

    def emit(
        self, e: Emitter, x: ir.Value, dy: ir.Value, dw: ir.Value, follow: Follow | None = None
    ) -> None:
        """The loops over this part's share of the units."""
        numbers, lanes, taps = self.numbers, self.x.lanes, len(self.taps)
        dtype = numbers.sums
        width = lanes * self.vectors
        block = lanes * width  # elements of dw of one tap
        read = table(e, "pixels", [self.x.offset(*at) for at in self.taps])

        def unit(u: Int) -> None:
            rest, piece = e.divmod(u, self.split)
            panel, c = e.divmod(rest, self.x.blocks)
            begin, _ = e.divmod(e.imul(piece, taps), self.split)
            end, _ = e.divmod(e.imul(e.iadd(piece, 1), taps), self.split)
            sums = e.at(dw, dtype, (panel, self.x.blocks * taps * block), (c, taps * block))
            nothing = e.splat(0.0, dtype, lanes)

            def clear(t: Int) -> None:
                to = e.at(sums, dtype, (t, block))
                e.loop(0, block, lambda i: e.store(nothing, e.at(to, dtype, (i, 1))), step=lanes)

            e.loop(begin, end, clear)

            def image(n: Int) -> None:
                source = e.at(x, numbers.read, (n, self.x.image), (c, self.x.plane))
                shown = e.at(
                    dy, numbers.weight, (n, self.dy.image), (panel, self.vectors * self.dy.plane),
                    (self.dy.offset(0, 0), 1),
                )  # fmt: skip

                def band(i: Int, height: int) -> None:
                    def tap(t: Int) -> None:
                        pixels = e.at(
                            source, numbers.read, (i, self.reading[0] * self.x.row), (read(t), 1)
                        )
                        e.loop(
                            0, lanes,
                            lambda r: self._tile(
                                e, e.at(pixels, numbers.read, (r, 1)),
                                e.at(shown, numbers.weight, (i, self.dy.row)),
                                e.at(sums, dtype, (t, block), (r, width)), height,
                            ),
                            step=self.rows,
                        )  # fmt: skip

                    e.loop(begin, end, tap)

                blocks(e, self.dy.sizes[0], self.band, band)

            e.loop(0, self.batch, image)
            self._clear_padding(e, sums, c, panel, begin, end)
            if follow is None:
                return

            def last(i: Int) -> None:
                at: Int = e.imul(panel, self.x.blocks * taps * block)
                at = e.iadd(e.iadd(at, e.imul(c, taps * block)), i)
                to = e.at(dw, dtype, (at, 1))
                e.store(follow(e, e.load(to, dtype, lanes), at), to)

            e.loop(e.imul(begin, block), e.imul(end, block), last, step=lanes)

        e.loop(*e.share(self.units), unit)

    def _clear_padding(
        self, e: Emitter, sums: ir.Value, c: Int, panel: Int, begin: Int, end: Int
    ) -> None:
        """Zeros for the channels that only fill up blocks: what they hold in x and dy is any."""
        dtype, lanes = self.numbers.sums, self.x.lanes
        width, used = lanes * self.vectors, self.x.channels % lanes
        filled = self.dy.channels % width

        def rows(first: int) -> None:
            def tap(t: Int) -> None:
                def row(r: Int) -> None:
                    to = e.at(sums, dtype, (t, lanes * width), (r, width))
                    lost = range(filled if first == 0 else 0, width)
                    for v in range(lost.start // lanes, self.vectors):
                        at = e.at(to, dtype, (v * lanes, 1))
                        keep = [v * lanes + i < lost.start for i in range(lanes)]
                        mask = ir.VectorType(I1, lanes)(keep)
                        value = e.b.select(mask, e.load(at, dtype, lanes), zero(dtype, lanes))
                        e.store(value, at)

                e.loop(first, lanes, row)

            e.loop(begin, end, tap)

        if used:
            last = e.b.icmp_signed("==", e.int(c), e.int(self.x.blocks - 1))
            e.when(last, lambda: rows(used))
        if filled:
            last = e.b.icmp_signed("==", e.int(panel), e.int(self.dy.blocks // self.vectors - 1))
            e.when(last, lambda: rows(0))

    def _tile(
        self, e: Emitter, pixels: ir.Value, shown: ir.Value, sums: ir.Value, height: int
    ) -> None:
        """Some rows of input channels over `height` rows of pixels."""
        numbers, lanes = self.numbers, self.x.lanes
        read, shown_as, dtype = numbers.read, numbers.weight, numbers.sums
        (ry, rx), width = self.reading, lanes * self.vectors

        def left(k: list[Int]) -> list[ir.Value]:
            at = e.at(pixels, read, (k[0], ry * self.x.row), (k[1], rx * lanes))
            return [e.at(at, read, (r, 1)) for r in range(self.rows)]

        def right(k: list[Int]) -> list[ir.Value]:
            at = e.at(shown, shown_as, (k[0], self.dy.row), (k[1], lanes))
            return [e.at(at, shown_as, (v * self.dy.plane, 1)) for v in range(self.vectors)]

        places = [
            e.at(sums, dtype, (r * width + v * lanes, 1))
            for r in range(self.rows)
            for v in range(self.vectors)
        ]
        start = [zero(dtype, lanes)] * len(places)
        done = multiply(e, numbers, start, (height, self.dy.sizes[1]), left, right)
        add_to(e, dtype, places, done)


def weight_gradient(
    batch: int,
    x: Blocked,
    dy: Blocked,
    taps: tuple[Pair, ...],
    reading: Pair,
    numbers: Numbers,
    vectors: int,
    target: Target,
) -> BlockedWeightGrad:
    """The gradient for kernels of `vectors` vectors, tiled for a processor."""
    limit = target.sums
    rows = x.lanes
    while rows > 1 and (rows + 1) * vectors > limit:
        rows //= 2
    of_x = reading[0] * reading[1] * x.lanes * numbers.read.bytes
    line = dy.sizes[1] * (vectors * dy.lanes * numbers.weight.bytes + of_x)
    least = -(-48 // dy.sizes[1])
    band = min(dy.sizes[0], max(least, int(0.75 * target.l1) // line))
    band = -(-dy.sizes[0] // -(-dy.sizes[0] // band))
    units = dy.blocks // vectors * x.blocks
    split = min(len(taps), max(1, -(-8 // units)))
    return BlockedWeightGrad(batch, x, dy, taps, reading, vectors, rows, band, split, numbers)
