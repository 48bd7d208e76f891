"""Direct convolution on blocked images: R pixels × b vectors of output channels in registers.

    for each image, b blocks of output channels, row of tiles, tile:
        for each block of input channels, tap of the kernel, channel of the block:
            load b vectors of the kernel
            for each of R pixels: broadcast its number, b multiply-adds

Any kernel, stride and dilation: a tap is one offset into the input, whose halo holds the padding.
Taps that would meet nothing but padding are left out (see `conv_taps`).
The gradient of the input is the same code with a turned kernel, in s · s parts for a stride of s.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import llvmlite.ir as ir

from graphcnn.ir.geometry import Pair
from graphcnn.runtime.native.code.emit import Emitter, Int
from graphcnn.runtime.native.kernels.conv.geometry import ConvGeometry
from graphcnn.runtime.native.kernels.conv.schedule import Tiling
from graphcnn.runtime.native.kernels.conv.taps import BlockedPart, Strips, strips_of
from graphcnn.runtime.native.kernels.parts.blocked import Epilogue, Place
from graphcnn.runtime.native.kernels.parts.numbers import Numbers
from graphcnn.runtime.native.kernels.parts.tiles import LATENCY, blocks, multiply_step, table, zero

Table = Callable[[Int], Int]

#: Channels in one turn of the innermost loop. More lets LLVM hoist the broadcasts and spill.
_UNROLL = 4


@dataclass(frozen=True)
class DirectConv:
    """The code of a geometry under a schedule."""

    g: ConvGeometry
    s: Tiling
    numbers: Numbers

    @property
    def of_tap(self) -> int:
        """Numbers of one tap, of a block of input channels and a panel."""
        return self.g.x.lanes * self.g.y.lanes * self.s.vectors

    @property
    def bands(self) -> int:
        """Pieces along the height of the largest part."""
        height = max(p.sizes[0] for p in self.g.parts)
        return -(-height // (self.s.rows * self.s.lines))

    @property
    def units(self) -> int:
        return self.g.batch * (self.g.y.blocks // self.s.vectors) * self.bands

    def emit(
        self,
        e: Emitter,
        x: ir.Value,
        weight: ir.Value,
        y: ir.Value,
        bias: ir.Value | None = None,
        epilogue: Epilogue | None = None,
    ) -> None:
        """The loops over this part's share of the units."""
        g, s, numbers = self.g, self.s, self.numbers
        panels = g.y.blocks // s.vectors

        def unit(u: Int) -> None:
            rest, band = e.divmod(u, self.bands)
            n, panel = e.divmod(rest, panels)
            group, _ = e.divmod(panel, panels // g.groups)
            image = e.at(x, numbers.read, (n, g.x.image), (group, g.depth * g.x.plane))
            kernel = e.at(weight, numbers.weight, (panel, g.depth * g.taps * self.of_tap))
            first = e.imul(panel, s.vectors)
            written = e.at(y, numbers.written, (n, g.y.image), (first, g.y.plane))
            if any(g.y.halo):
                e.when(
                    e.b.icmp_signed("==", e.int(band), e.int(0)),
                    lambda: self._clear(e, written),
                )
            start = self._start(e, bias, first)
            pointers = (image, kernel, written)
            for part in g.parts:
                self._part(e, part, pointers, (n, first), band, start, epilogue)

        e.loop(*e.share(self.units), unit)

    def _part(
        self,
        e: Emitter,
        part: BlockedPart,
        pointers: tuple[ir.Value, ir.Value, ir.Value],
        outer: tuple[Int, Int],
        band: Int,
        start: Sequence[ir.Value],
        epilogue: Epilogue | None,
    ) -> None:
        """The rows of a part that belong to a band."""
        s, (height, width) = self.s, part.sizes
        size = s.rows * s.lines
        if height < 1 or width < 1:
            return

        def tiles(q: Int, down: int) -> None:
            def tile(r: Int, across: int) -> None:
                self._tile(e, part, pointers, outer, (q, r), (down, across), start, epilogue)

            blocks(e, width, s.columns, tile)

        def rows(q: Int, count: int) -> None:
            blocks(e, count, s.rows, lambda i, down: tiles(e.iadd(q, i), down))

        if -(-height // size) == self.bands:
            blocks(e, height, size, rows, (band, e.iadd(band, 1)))
        else:  # a part with fewer rows: all of them with the first band
            e.when(
                e.b.icmp_signed("==", e.int(band), e.int(0)), lambda: blocks(e, height, size, rows)
            )

    def _clear(self, e: Emitter, written: ir.Value) -> None:
        plane, dtype = self.g.y.plane, self.numbers.written
        e.loop(
            0, self.s.vectors,
            lambda v: self.g.y.clear_halo(e, dtype, e.at(written, dtype, (v, plane))),
        )  # fmt: skip

    def _start(self, e: Emitter, bias: ir.Value | None, first: Int) -> list[ir.Value]:
        """The sums to begin with: the bias of each vector of channels, padded to whole blocks."""
        lanes, dtype = self.g.y.lanes, self.numbers.sums
        if bias is None:
            return [zero(dtype, lanes)] * self.s.vectors
        base = e.at(bias, dtype, (first, lanes))
        return [e.load(e.at(base, dtype, (v, lanes)), dtype, lanes) for v in range(self.s.vectors)]

    def _tile(
        self,
        e: Emitter,
        part: BlockedPart,
        pointers: tuple[ir.Value, ir.Value, ir.Value],
        outer: tuple[Int, Int],
        corner: tuple[Int, Int],
        size: Pair,
        start: Sequence[ir.Value],
        epilogue: Epilogue | None,
    ) -> None:
        """One tile of pixels from `corner`, for all vectors of the panel."""
        g, numbers, lanes = self.g, self.numbers, self.g.x.lanes
        (image, kernel, written), (n, first), (q, r) = pointers, outer, corner
        sums = self._sums(e, part, (image, kernel), corner, size, start)
        (sy, sx), (oy, ox) = g.step, part.start
        for (i, j), own in zip(_pixels(size), sums, strict=True):
            row = e.iadd(e.imul(e.iadd(q, i), sy), oy)
            column = e.iadd(e.imul(e.iadd(r, j), sx), ox)
            for v, value in enumerate(own):
                if epilogue is not None:
                    value = epilogue(e, value, Place(n, e.iadd(first, v), row, column, lanes))
                to = e.at(
                    written, numbers.written, (row, g.y.row), (column, lanes),
                    (v * g.y.plane + g.y.offset(0, 0), 1),
                )  # fmt: skip
                numbers.write(e, value, to, aligned=True)

    def _sums(
        self,
        e: Emitter,
        part: BlockedPart,
        pointers: tuple[ir.Value, ir.Value],
        corner: tuple[Int, Int],
        size: Pair,
        start: Sequence[ir.Value],
    ) -> list[list[ir.Value]]:
        """The sums of a tile: of every pixel, one for each vector of the panel.

        Those of pixels that some strip leaves out wait in memory for the strips that use them:
        LLVM would spill others, in the innermost loop.
        """
        g, s, numbers, (ry, rx), x = self.g, self.s, self.numbers, self.g.reading, self.g.x
        (image, kernel), (q, r) = pointers, corner
        base = e.at(image, numbers.read, (q, ry * x.row), (r, rx * x.lanes))
        pixels = _pixels(size)
        moves = [i * ry * x.row + j * rx * x.lanes for i, j in pixels]
        found = self._strips(part, size)
        spans = [found.range(e, strip, q, r) for strip in found.strips]
        used = [[p for p, (_, j) in enumerate(pixels) if j in t.columns] for t in found.strips]
        kept = [p for p in range(len(pixels)) if all(p in some for some in used)]
        waiting = {
            p: [self._room(e, value) for value in start]
            for p in range(len(pixels))
            if p not in kept
        }

        def block(c: Int, *carried: ir.Value) -> list[ir.Value]:
            sums = list(carried)
            self._fetch_rows(e, part, e.at(base, numbers.read, (c, x.plane)), size)
            for strip, span, some in zip(found.strips, spans, used, strict=True):
                edge = [p for p in some if p not in kept]
                rooms = [room for p in edge for room in waiting[p]]
                reads = table(e, "pixels", [x.offset(*at) for _, at in strip.taps])
                taps = table(e, "taps", [number for number, _ in strip.taps])

                def tap(
                    t: Int,
                    *sums: ir.Value,
                    reads: Table = reads,
                    taps: Table = taps,
                    own: Sequence[int] = (*kept, *edge),
                ) -> list[ir.Value]:
                    pixel = e.at(base, numbers.read, (c, x.plane), (reads(t), 1))
                    at = e.at(
                        kernel, numbers.weight, (c, g.taps * self.of_tap), (taps(t), self.of_tap)
                    )
                    return self._channels(e, pixel, at, [moves[p] for p in own], sums)

                loaded = [e.load(room, numbers.sums, x.lanes) for room in rooms]
                done = e.loop(*span, tap, carry=[*sums, *loaded])
                sums = done[: len(sums)]
                for value, room in zip(done[len(sums) :], rooms, strict=True):
                    e.store(value, room)
            return sums

        sums = list(start) * len(kept)
        if found.strips:
            sums = e.loop(0, g.depth, block, carry=sums)
        held = {p: sums[k * s.vectors : (k + 1) * s.vectors] for k, p in enumerate(kept)}
        return [
            held.get(p) or [e.load(room, numbers.sums, x.lanes) for room in waiting[p]]
            for p in range(len(pixels))
        ]

    def _room(self, e: Emitter, value: ir.Value) -> ir.Value:
        """Memory on the stack that holds a value."""
        with e.b.goto_entry_block():
            room = e.b.alloca(value.type)
            room.align = self.numbers.sums.bytes * self.g.y.lanes
        e.store(value, room)
        return room

    def _fetch_rows(self, e: Emitter, part: BlockedPart, block: ir.Value, size: Pair) -> None:
        """Have the rows fetched that the tile below will read besides those of this one."""
        rows, ((ry, rx), x) = [at[0] for _, at in part.taps], (self.g.reading, self.g.x)
        if max(rows) > min(rows):
            for i in range(ry * size[0]):
                row = max(rows) + 1 + ry * (size[0] - 1) + i
                for j in range(rx * size[1]):
                    e.prefetch(e.at(block, self.numbers.read, (x.offset(row, j), 1)))

    def _strips(self, part: BlockedPart, tile: Pair) -> Strips:
        """The taps of a part, by the columns of a tile that use them."""
        s, (height, width) = self.s, part.sizes
        whole = width // s.columns * s.columns
        columns = range(0, whole, s.columns) if tile[1] == s.columns else (whole,)
        least = -(-LATENCY // s.vectors // tile[0])
        return strips_of(
            part, tile, (range(0, height, s.rows), columns), self.g.reading, self.g.x.sizes, least
        )

    def _streams(self, e: Emitter) -> bool:
        """Whether the kernel is too large for the second cache, and must be fetched ahead."""
        panels = self.g.y.blocks // self.s.vectors * self.g.depth * self.g.taps
        return panels * self.of_tap * self.numbers.weight.bytes > e.target.l2

    def _channels(
        self,
        e: Emitter,
        pixel: ir.Value,
        panel: ir.Value,
        moves: Sequence[int],
        sums: Sequence[ir.Value],
    ) -> list[ir.Value]:
        """The channels of one block, one tap."""
        lanes, vectors = self.g.x.lanes, self.s.vectors
        read, weight = self.numbers.read, self.numbers.weight
        unroll = min(_UNROLL, lanes)
        ahead = self.g.taps * self.of_tap if self._streams(e) else 0

        def turn(c: Int, *carried: ir.Value) -> list[ir.Value]:
            sums = list(carried)
            pixels = e.at(pixel, read, (c, 1))
            rows = e.at(panel, weight, (c, lanes * vectors))
            for line in range(0, unroll * vectors * lanes if ahead else 0, 64 // weight.bytes):
                e.prefetch(e.at(rows, weight, (ahead + line, 1)))
            for u in range(unroll):
                left = [e.at(pixels, read, (m + u, 1)) for m in moves]
                right = [e.at(rows, weight, ((u * vectors + v) * lanes, 1)) for v in range(vectors)]
                sums = multiply_step(e, self.numbers, sums, left, right)
            return sums

        return e.loop(0, lanes, turn, step=unroll, carry=sums)


def _pixels(size: Pair) -> list[Pair]:
    """The pixels of a tile."""
    return [(i, j) for i in range(size[0]) for j in range(size[1])]
