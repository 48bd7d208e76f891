"""First layers: few input channels, plain, to blocked output.

With 1, 3 or 6 channels a block of input channels would be mostly padding. Here every pair
(channel, tap) is one step of the reduction: x is copied into scratch, padding around it, and read
number by number; vectors lie over output channels. The kernel is plain too, and turned in scratch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import llvmlite.ir as ir

from graphcnn.ir.geometry import Pair, Window
from graphcnn.runtime.native.code.emit import Emitter, Int
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.conv.packing import Planes, scratch_bytes, transpose
from graphcnn.runtime.native.kernels.conv.plain import Tap
from graphcnn.runtime.native.kernels.parts.blocked import Blocked, Epilogue, Place
from graphcnn.runtime.native.kernels.parts.numbers import Numbers
from graphcnn.runtime.native.kernels.parts.tiles import (
    Tile,
    blocks,
    cover,
    multiply,
    step_cost,
    table,
    zero,
)


@dataclass(frozen=True)
class FirstConv:
    """A convolution from plain images of few channels to blocked ones."""

    batch: int
    channels: int
    planes: Planes
    taps: tuple[Tap, ...]
    stride: Pair
    y: Blocked
    tile: Tile
    bands: int
    numbers: Numbers
    area: int  # of the kernel, with the taps that are not read

    @property
    def units(self) -> int:
        return self.batch * self.bands

    @property
    def image(self) -> int:
        """Elements of scratch that one packed image takes."""
        size = self.numbers.read.bytes
        return scratch_bytes(self.channels * self.planes.size * size) // size

    @property
    def steps(self) -> int:
        """Pairs (channel, tap)."""
        return self.channels * len(self.taps)

    @property
    def weights(self) -> int:
        """Weights of one output channel."""
        return self.channels * self.area

    @property
    def scratch(self) -> int:
        kernels = self.weights * self.y.lanes * self.y.blocks
        read, weight = self.numbers.read.bytes, self.numbers.weight.bytes
        return scratch_bytes(self.image * read + kernels * weight)

    @property
    def flops(self) -> int:
        pixels = self.y.sizes[0] * self.y.sizes[1]
        return 2 * self.batch * self.channels * len(self.taps) * self.y.channels * pixels

    def emit(
        self,
        e: Emitter,
        x: ir.Value,
        weight: ir.Value,
        y: ir.Value,
        scratch: ir.Value,
        bias: ir.Value | None = None,
        epilogue: Epilogue | None = None,
    ) -> None:
        """The loops over this part's share of the units; `scratch` is the part's own."""
        numbers, (h, w) = self.numbers, self.planes.sizes
        dtype = numbers.read
        height = self.y.sizes[0]
        panels = self.y.blocks // self.tile.vectors
        weight = self._kernel(e, weight, e.at(scratch, dtype, (self.image, 1)))
        if not self.planes.in_place:
            self.planes.clear(e, dtype, scratch, self.channels)

        def unit(u: Int) -> None:
            n, band = e.divmod(u, self.bands)
            begin, _ = e.divmod(e.imul(band, height), self.bands)
            end, _ = e.divmod(e.imul(e.iadd(band, 1), height), self.bands)
            source = e.at(x, dtype, (n, self.channels * h * w))
            if self.planes.in_place:
                packed = source
            else:
                packed = scratch
                sy, reach = self.stride[0], self.planes.grid[0] - (height - 1) * self.stride[0]
                rows = e.imul(begin, sy), e.iadd(e.imul(end, sy), reach - sy)
                self.planes.copy_rows(e, dtype, source, packed, self.channels, rows)

            def panel(p: Int) -> None:
                first = e.imul(p, self.tile.vectors)
                written = e.at(y, numbers.written, (n, self.y.image), (first, self.y.plane))
                if any(self.y.halo):
                    e.when(
                        e.b.icmp_signed("==", e.int(band), e.int(0)),
                        lambda: self._clear(e, written),
                    )
                e.loop(
                    begin, end,
                    lambda q: blocks(
                        e, self.y.sizes[1], self.tile.rows,
                        lambda r, size: self._tile(
                            e, (packed, weight, written), (n, p), (q, r), size, bias, epilogue
                        ),
                    ),
                )  # fmt: skip

            e.loop(0, panels, panel)

        e.loop(*e.share(self.units), unit)

    def _kernel(self, e: Emitter, weight: ir.Value, to: ir.Value) -> ir.Value:
        """The plain kernel as [O/(L·b)][C·KH·KW][L·b], the rest of the last panel zeros."""
        dtype, lanes, vectors = self.numbers.weight, self.y.lanes, self.tile.vectors

        def block(o: Int, count: int) -> None:
            index, _ = e.divmod(o, lanes)
            panel, v = e.divmod(index, vectors)
            target = e.at(to, dtype, (panel, self.weights * lanes * vectors), (v, lanes))
            source = e.at(weight, dtype, (o, self.weights))
            transpose(e, dtype, source, target, count, self.weights, self.weights, lanes * vectors)

        blocks(e, self.y.channels, lanes, block)
        return to

    def _clear(self, e: Emitter, written: ir.Value) -> None:
        dtype = self.numbers.written
        e.loop(
            0, self.tile.vectors,
            lambda v: self.y.clear_halo(e, dtype, e.at(written, dtype, (v, self.y.plane))),
        )  # fmt: skip

    def _tile(
        self,
        e: Emitter,
        pointers: tuple[ir.Value, ir.Value, ir.Value],
        outer: tuple[Int, Int],
        corner: tuple[Int, Int],
        size: int,
        bias: ir.Value | None,
        epilogue: Epilogue | None,
    ) -> None:
        """`size` pixels of a row, one panel of output channels."""
        (packed, weight, written), (n, panel), (q, r) = pointers, outer, corner
        numbers, lanes = self.numbers, self.y.lanes
        vectors = self.tile.vectors
        width = lanes * vectors
        kernel = e.at(weight, numbers.weight, (panel, self.weights * width))
        first = e.imul(panel, vectors)
        (sy, sx), area = self.stride, self.planes.channel_stride
        taps = sorted(self.taps, key=lambda tap: tap.weight)
        reads = [self.planes.offset(*tap.pixel) for tap in taps]
        read = table(e, "pixels", [c * area + at for c in range(self.channels) for at in reads])
        used = [c * self.area + tap.weight for c in range(self.channels) for tap in taps]
        weight_at = table(e, "weights", used) if len(used) < self.weights else None
        base = e.at(packed, numbers.read, (q, sy * self.planes.grid[1]), (r, sx))

        def left(k: list[Int]) -> list[ir.Value]:
            at = e.at(base, numbers.read, (read(k[0]), 1))
            return [e.at(at, numbers.read, (p * sx, 1)) for p in range(size)]

        def right(k: list[Int]) -> list[ir.Value]:
            at = e.at(kernel, numbers.weight, (weight_at(k[0]) if weight_at else k[0], width))
            return [e.at(at, numbers.weight, (v * lanes, 1)) for v in range(vectors)]

        dtype = numbers.sums
        start = [zero(dtype, lanes)] * vectors
        if bias is not None:
            base_bias = e.at(bias, dtype, (first, lanes))
            start = [
                e.load(e.at(base_bias, dtype, (v, lanes)), dtype, lanes) for v in range(vectors)
            ]
        results = [
            e.at(
                written, numbers.written, (q, self.y.row), (e.iadd(r, p), lanes),
                (v * self.y.plane + self.y.offset(0, 0), 1),
            )
            for p in range(size)
            for v in range(vectors)
        ]  # fmt: skip
        for place in results:
            e.prefetch(place, write=True)
        sums = multiply(e, numbers, start * size, (self.steps,), left, right)
        for i, (value, place) in enumerate(zip(sums, results, strict=True)):
            if epilogue is not None:
                block, column = e.iadd(first, i % vectors), e.iadd(r, i // vectors)
                value = epilogue(e, value, Place(n, block, q, column, lanes))
            numbers.write(e, value, place, aligned=True)


def padded(sizes: Pair, both: tuple[Window, Window]) -> Planes:
    """The images with so much of the padding around them as their windows read."""
    needed = tuple(
        (w.output(size) - 1) * w.stride + w.span for size, w in zip(sizes, both, strict=True)
    )
    before = both[0].before, both[1].before
    if before == (0, 0) and needed[0] <= sizes[0] and needed[1] <= sizes[1]:
        return Planes(sizes, before, sizes)
    return Planes(sizes, before, (needed[0], needed[1]))


def first_conv(
    batch: int,
    channels: int,
    sizes: Pair,
    both: tuple[Window, Window],
    taps: Sequence[Tap],
    y: Blocked,
    numbers: Numbers,
    target: Target,
) -> FirstConv:
    """A first layer tiled for a processor."""
    tile = _tile(y, target)
    bands = min(y.sizes[0], max(1, -(-8 // batch)))
    planes, stride = padded(sizes, both), (both[0].stride, both[1].stride)
    area = both[0].kernel * both[1].kernel
    return FirstConv(batch, channels, planes, tuple(taps), stride, y, tile, bands, numbers, area)


def _tile(y: Blocked, target: Target) -> Tile:
    """Rows in equal parts, of at most 16 pixels; several vectors, which are written to planes far
    apart, where they save a tenth of the time."""
    width = y.sizes[1]

    def fitting(vectors: int) -> Tile:
        count = -(-width // min((target.sums - vectors) // vectors, 16))
        return Tile(-(-width // count), vectors)

    def cost(tile: Tile) -> float:
        steps = (n * step_cost(target, r, tile.vectors) for r, n in cover(width, tile.rows))
        return sum(steps) / tile.vectors * (1 + 0.1 * tile.vectors)

    most = min(4, target.sums // 2)  # a vector of the kernel for each, beside the sums
    return min((fitting(v) for v in range(1, most + 1) if y.blocks % v == 0), key=cost)
