"""Direct convolution on blocked images: R pixels × b vectors of output channels in registers.

    for each image, b blocks of output channels, row of tiles, tile:
        for each block of input channels, tap of the kernel, channel of the block:
            load b vectors of the kernel
            for each of R pixels: broadcast its number, b multiply-adds

Any kernel, stride and dilation: a tap is one offset into the input, whose halo holds the padding.
Taps that would meet nothing but padding are left out: for a row of pixels at the upper or lower
border, and where a tile is as wide as the image, for its pixels at the left or right border.
The gradient of the input is the same code with a turned kernel, in s · s parts for a stride of s.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import llvmlite.ir as ir

from graphcnn.geometry import Pair
from graphcnn.runtime.native.emit import Emitter, Int
from graphcnn.runtime.native.kernels.blocked import Blocked, Epilogue, Place
from graphcnn.runtime.native.kernels.tiles import blocks, multiply_step, table, zero
from graphcnn.runtime.native.target import Target
from graphcnn.tensor_type import DType

F32 = DType.FLOAT32
Table = Callable[[Int], Int]

#: Channels in one turn of the innermost loop. More lets LLVM hoist the broadcasts and spill.
_UNROLL = 4
#: Vectors of one turn of the innermost loop: what the processor has room for.
_LATENCY = 8
#: Most loops over taps in a tile: their code is compiled for each.
_STRIPS = 3


@dataclass(frozen=True)
class BlockedPart:
    """Output pixels start + step · (q, r), (q, r) < sizes, that are computed alike.

    `taps` are pairs (number of the tap in the kernel, (row, column) of the input that it reads for
    output pixel (0, 0) of the part); output pixel (q, r) reads `reading` · (q, r) further.
    """

    start: Pair
    sizes: Pair
    taps: tuple[tuple[int, Pair], ...]

    @property
    def ordered(self) -> list[tuple[int, Pair]]:
        """The taps by the row and the column that they read."""
        return sorted(self.taps, key=lambda tap: tap[1])

    def needed(self, rows: int, reading: int, height: int) -> tuple[list[int], list[int]]:
        """For `rows` rows of pixels from each one on: the first of the ordered taps, and the end.

        All others read above or below the input, which has `height` rows: they add nothing.
        """
        found = []
        for q in range(self.sizes[0]):
            places = [i * reading for i in range(q, min(q + rows, self.sizes[0]))]
            inside = [
                number
                for number, (_, (row, _)) in enumerate(self.ordered)
                if any(0 <= place + row < height for place in places)
            ]
            found.append((inside[0], inside[-1] + 1) if inside else (0, 0))
        return [first for first, _ in found], [end for _, end in found]

    def strips(self, reading: int, width: int) -> "list[tuple[BlockedPart, set[int]]]":
        """The taps of equal columns, and the columns of pixels for which they read the input."""
        found = []
        for column in sorted({at[1] for _, at in self.taps}):
            inside = {r for r in range(self.sizes[1]) if 0 <= r * reading + column < width}
            same = tuple(tap for tap in self.taps if tap[1][1] == column)
            if inside:
                found.append((replace(self, taps=same), inside))
        return found


@dataclass(frozen=True)
class ConvGeometry:
    """A convolution from one blocked value to another.

    `groups` is the number of groups in terms of blocks: every block is one in a depthwise
    convolution.
    """

    batch: int
    x: Blocked
    y: Blocked
    taps: int
    reading: Pair
    step: Pair
    parts: tuple[BlockedPart, ...]
    groups: int = 1

    @property
    def depth(self) -> int:
        """Blocks of input channels of one group."""
        return self.x.blocks // self.groups

    @property
    def flops(self) -> int:
        pixels = sum(p.sizes[0] * p.sizes[1] * len(p.taps) for p in self.parts)
        return 2 * self.batch * self.x.channels * self.y.channels // self.groups * pixels


@dataclass(frozen=True)
class Schedule:
    """Tile of `rows` × `columns` pixels × `vectors` blocks; `lines` rows of tiles to a unit."""

    rows: int
    columns: int
    vectors: int
    lines: int = 1

    def __str__(self) -> str:
        return f"{self.rows}×{self.columns}×{self.vectors}"


def choose_schedule(g: ConvGeometry, target: Target, vectors: int | None = None) -> Schedule:
    """The tile with the least multiply-adds, loads and rest; `vectors` is given with a kernel."""
    best: tuple[float, Schedule] | None = None
    limit = target.registers - 1 - (target.name == "sse2")
    main = max(g.parts, key=lambda p: p.sizes[0] * p.sizes[1])
    height, width = main.sizes
    for b in range(1, 5) if vectors is None else (vectors,):
        if g.y.blocks // g.groups % b:
            continue
        for pixels in range(1, (limit - b) // b + 1):
            rows = min(height, max(1, pixels // width))
            columns = min(width, pixels)
            if rows > 1 and columns != width:
                continue
            tile = max(rows * columns * b, _LATENCY) + 0.1 * rows * columns + 0.5 * b + 0.5
            rest = (height % rows > 0) + (width % columns > 0)
            count = (height / rows + 0.5 * (height % rows > 0)) * -(-width // columns)
            if width % columns:  # the rest is a smaller tile
                small = max(rows * (width % columns) * b, _LATENCY) + 0.5 * b + 0.5
                count = (height / rows) * (width // columns + small / tile)
            cost = count * tile * (g.y.blocks // b) * (1 + 0.02 * rest)
            if best is None or cost < best[0] * 0.999:
                best = (cost, Schedule(rows, columns, b))
    assert best is not None
    found = best[1]
    lines = -(-height // found.rows)
    wanted = -(-8 // (g.batch * (g.y.blocks // found.vectors)))
    return Schedule(found.rows, found.columns, found.vectors, max(1, lines // wanted))


@dataclass(frozen=True)
class DirectConv:
    """The code of a geometry under a schedule."""

    g: ConvGeometry
    s: Schedule
    bias: bool = False
    dtype: DType = F32

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
        g, s, dtype = self.g, self.s, self.dtype
        panels = g.y.blocks // s.vectors

        def unit(u: Int) -> None:
            rest, band = e.divmod(u, self.bands)
            n, panel = e.divmod(rest, panels)
            group, _ = e.divmod(panel, panels // g.groups)
            image = e.at(x, dtype, (n, g.x.image), (group, g.depth * g.x.plane))
            kernel = e.at(weight, dtype, (panel, g.depth * g.taps * self.of_tap))
            first = e.imul(panel, s.vectors)
            written = e.at(y, dtype, (n, g.y.image), (first, g.y.plane))
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
        plane = self.g.y.plane
        e.loop(
            0, self.s.vectors,
            lambda v: self.g.y.clear_halo(e, self.dtype, e.at(written, self.dtype, (v, plane))),
        )  # fmt: skip

    def _start(self, e: Emitter, bias: ir.Value | None, first: Int) -> list[ir.Value]:
        """The sums to begin with: the bias of each vector of channels, padded to whole blocks."""
        lanes = self.g.y.lanes
        if bias is None:
            return [zero(self.dtype, lanes)] * self.s.vectors
        base = e.at(bias, self.dtype, (first, lanes))
        return [
            e.load(e.at(base, self.dtype, (v, lanes)), self.dtype, lanes)
            for v in range(self.s.vectors)
        ]

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
        g, s, dtype = self.g, self.s, self.dtype
        (image, kernel, written), (n, first), (q, r) = pointers, outer, corner
        lanes = g.x.lanes
        (ry, rx), x = g.reading, g.x
        pixels = [(i, j) for i in range(size[0]) for j in range(size[1])]
        moves = [i * ry * x.row + j * rx * x.lanes for i, j in pixels]
        base = e.at(image, dtype, (q, ry * x.row), (r, rx * x.lanes))
        sums = [v for _ in pixels for v in start]
        strips = [
            (self._walk(e, strip, q, size[0]), [p for p, (_, j) in enumerate(pixels) if j in used])
            for strip, used in self._strips(e, part, size[1])
        ]

        def block(c: Int, *carried: ir.Value) -> list[ir.Value]:
            sums = list(carried)
            for (reads, numbers, (begin, end)), used in strips:
                own = [p * s.vectors + v for p in used for v in range(s.vectors)]

                def tap(
                    t: Int,
                    *some: ir.Value,
                    reads: Table = reads,
                    numbers: Table = numbers,
                    used: Sequence[int] = used,
                ) -> list[ir.Value]:
                    pixel = e.at(base, dtype, (c, x.plane), (reads(t), 1))
                    panel = e.at(
                        kernel, dtype, (c, g.taps * self.of_tap), (numbers(t), self.of_tap)
                    )
                    return self._channels(e, pixel, panel, [moves[p] for p in used], some)

                found = e.loop(begin, end, tap, carry=[sums[k] for k in own])
                for k, value in zip(own, found, strict=True):
                    sums[k] = value
            return sums

        if part.taps:
            sums = e.loop(0, g.depth, block, carry=sums)
        (sy, sx), (oy, ox) = g.step, part.start
        for p, (i, j) in enumerate(pixels):
            row = e.iadd(e.imul(e.iadd(q, i), sy), oy)
            column = e.iadd(e.imul(e.iadd(r, j), sx), ox)
            for v in range(s.vectors):
                value = sums[p * s.vectors + v]
                if epilogue is not None:
                    value = epilogue(e, value, Place(n, e.iadd(first, v), row, column, lanes))
                to = e.at(
                    written, dtype, (row, g.y.row), (column, lanes),
                    (v * g.y.plane + g.y.offset(0, 0), 1),
                )  # fmt: skip
                e.store(value, to, aligned=True)

    def _strips(
        self, e: Emitter, part: BlockedPart, wide: int
    ) -> list[tuple[BlockedPart, set[int]]]:
        """The taps of a part, by the columns of a tile that use them; each is a loop of its own."""
        columns = set(range(wide))
        if wide == part.sizes[1] and not self._streams(e):
            found = part.strips(self.g.reading[1], self.g.x.sizes[1])
            if len(found) <= _STRIPS and any(used != columns for _, used in found):
                return found
        return [(part, columns)]

    def _walk(
        self, e: Emitter, part: BlockedPart, q: Int, rows: int
    ) -> tuple[Table, Table, tuple[Int, Int]]:
        """Where each tap reads, its number, and the range that `rows` rows from `q` on need."""
        taps = part.ordered
        reads = table(e, "pixels", [self.g.x.offset(*at) for _, at in taps] or [0])
        numbers = table(e, "taps", [t for t, _ in taps] or [0])
        firsts, ends = part.needed(rows, self.g.reading[0], self.g.x.sizes[0])
        if self._streams(e):
            firsts = [0] * len(firsts)
        whole = (0, len(taps))
        if all(found == whole for found in zip(firsts, ends, strict=True)):
            return reads, numbers, whole
        return reads, numbers, (table(e, "first", firsts)(q), table(e, "end", ends)(q))

    def _streams(self, e: Emitter) -> bool:
        """Whether the kernel is too large for the second cache.

        It is then read from its begin to its end by the first row of tiles: with gaps the processor
        would not fetch it ahead.
        """
        panels = self.g.y.blocks // self.s.vectors * self.g.depth * self.g.taps
        return panels * self.of_tap * self.dtype.bytes > e.target.l2

    def _channels(
        self,
        e: Emitter,
        pixel: ir.Value,
        panel: ir.Value,
        moves: Sequence[int],
        sums: Sequence[ir.Value],
    ) -> list[ir.Value]:
        """The channels of one block, one tap."""
        lanes, vectors, dtype = self.g.x.lanes, self.s.vectors, self.dtype
        unroll = min(_UNROLL, lanes)

        def turn(c: Int, *carried: ir.Value) -> list[ir.Value]:
            sums = list(carried)
            numbers = e.at(pixel, dtype, (c, 1))
            rows = e.at(panel, dtype, (c, lanes * vectors))
            for u in range(unroll):
                left = [e.at(numbers, dtype, (m + u, 1)) for m in moves]
                right = [e.at(rows, dtype, ((u * vectors + v) * lanes, 1)) for v in range(vectors)]
                sums = multiply_step(e, dtype, sums, left, right)
            return sums

        return e.loop(0, lanes, turn, step=unroll, carry=sums)
