"""The weight gradient in the plain layout: vectors over output channels, a sum over pixels.

dy is transposed into scratch, pixel by pixel with its channels side by side; x is packed as
`Planes`, so that a tap is one offset. Then

    dw[tap, c, o] = sum over pixels of x[c, pixel + tap] · dyᵀ[pixel, o]

is a matrix product whose rows are channels of x, or all pairs (channel, tap) where the channels are
few. Sums stay in scratch from image to image and are written out at the end.
"""

from dataclasses import dataclass
from typing import cast

import llvmlite.ir as ir

from graphcnn.ir.node import Node
from graphcnn.ir.tensor_type import DType
from graphcnn.ops.conv import Conv2dWeightGrad
from graphcnn.runtime.native.code.emit import Emitter, Int
from graphcnn.runtime.native.code.kernel import Kernel, node_key
from graphcnn.runtime.native.code.registry import anchored, lowers
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.conv.packing import (
    Planes,
    fill_zero,
    own_scratch,
    planes_for,
    scratch_bytes,
    transpose,
)
from graphcnn.runtime.native.kernels.conv.plain import Tap, window_taps
from graphcnn.runtime.native.kernels.conv.weight_grad_depthwise import DepthwiseGrad
from graphcnn.runtime.native.kernels.parts.epilogue import FusedGroup, group_of
from graphcnn.runtime.native.kernels.parts.numbers import PLAIN_TYPES, Numbers
from graphcnn.runtime.native.kernels.parts.tiles import (
    Tile,
    add_to,
    blocks,
    choose_tile,
    multiply,
    table,
    tile_rule,
    zero,
)

#: Most rows of pairs (channel, tap) that are written out one by one.
_PAIRS = 64
#: Input channels of one piece of work, about.
_CHANNELS = 56


@dataclass(frozen=True)
class WeightGradient:
    """Sizes of one weight gradient and how it is tiled; `channels` and `filters` per group."""

    batch: int
    groups: int
    channels: int
    filters: int
    planes: Planes
    output: tuple[int, int]
    taps: tuple[Tap, ...]
    numbers: Numbers
    tile: Tile
    lanes: int
    pairs: bool
    chunk: int

    @property
    def dtype(self) -> DType:
        """Operands, sums and result are of one type."""
        return self.numbers.sums

    @property
    def panel(self) -> int:
        """Output channels of one piece of work."""
        return self.tile.vectors * self.lanes

    @property
    def pieces(self) -> tuple[int, int]:
        """Pieces along output and input channels of one group."""
        return -(-self.filters // self.panel), -(-self.channels // self.chunk)

    def areas(self) -> tuple[int, int, int]:
        """Elements of scratch for x, dyᵀ and the sums."""
        line = 64 // self.dtype.bytes
        image = 0 if self.planes.in_place else self.chunk * self.planes.size
        sums = len(self.taps) * self.chunk * self.panel
        area = self.output[0] * self.output[1] * self.panel
        return (-(-image // line) * line, area, sums)


@anchored("conv2d_weight_grad")
@lowers("conv2d_weight_grad")
def conv2d_weight_grad(node: Node, target: Target) -> Kernel:
    """Rows of channels (or channels and taps) times the transposed sensitivities."""
    group = group_of(node)
    x, dy = group.types
    op = cast(Conv2dWeightGrad, group.op)
    numbers = group.numbers.require(op.name, PLAIN_TYPES)
    n, c, h, w = cast(tuple[int, ...], x.shape)
    _, o, *output = cast(tuple[int, ...], dy.shape)
    c, o, lanes = c // op.groups, o // op.groups, numbers.lanes(target)
    rows, columns = op.windows(op.kernel)
    taps = window_taps(rows, columns, op)
    planes = planes_for((h, w), (rows, columns))
    if c == 1 and o * 2 <= lanes:
        few = DepthwiseGrad(n, op.groups, o, planes, (output[0], output[1]), taps, numbers)
        return few.kernel(group, target)
    pairs = c * len(taps) <= _PAIRS
    tile = choose_tile(target, c * len(taps) if pairs else c, -(-o // lanes))
    chunk = c if pairs else _chunk(c, tile.rows)
    gradient = WeightGradient(
        n, op.groups, c, o, planes, (output[0], output[1]),
        taps, numbers, tile, lanes, pairs, chunk,
    )  # fmt: skip
    scratch = scratch_bytes(sum(gradient.areas()) * gradient.dtype.bytes)
    return Kernel(
        node_key(node),
        lambda e: _emit(e, gradient, group, scratch),
        operands=group.count + 1,
        units=op.groups * gradient.pieces[0] * gradient.pieces[1],
        scratch=scratch,
        algorithm=f"pixels {tile}",
        rule=tile_rule(target, tile),
    )


def _chunk(channels: int, rows: int) -> int:
    """Channels of one piece: about `_CHANNELS`, equal pieces where that can be."""
    sizes = range(rows, min(channels, 2 * _CHANNELS) + 1, rows)
    fitting = [s for s in sizes if channels % s == 0] or list(sizes) or [channels]
    return min(fitting, key=lambda s: abs(s - _CHANNELS))


def _emit(e: Emitter, p: WeightGradient, group: FusedGroup, scratch: int) -> None:
    x, dy, dw = group.operands(e)
    own = own_scratch(e, e.operands[-1], scratch)
    image, area, _ = p.areas()
    turned = e.at(own, p.dtype, (image, 1))
    sums = e.at(own, p.dtype, (image + area, 1))
    panels, chunks = p.pieces

    def unit(u: Int) -> None:
        rest, chunk = e.divmod(u, chunks)
        g, panel = e.divmod(rest, panels)

        def filters(o: Int, filters: int) -> None:
            blocks(
                e, p.channels, p.chunk,
                lambda c, channels: _piece(
                    e, p, group, (x, dy, dw), (own, turned, sums), g, (o, filters), (c, channels)
                ),
                (chunk, e.iadd(chunk, 1)),
            )  # fmt: skip

        blocks(e, p.filters, p.panel, filters, (panel, e.iadd(panel, 1)))

    e.loop(*e.share(p.groups * panels * chunks), unit)


def _piece(
    e: Emitter,
    p: WeightGradient,
    group: FusedGroup,
    operands: tuple[ir.Value, ir.Value, ir.Value],
    areas: tuple[ir.Value, ir.Value, ir.Value],
    g: Int,
    filters: tuple[Int, int],
    channels: tuple[Int, int],
) -> None:
    """The gradient for some filters and some channels of group g: (first, count) of each."""
    (x, dy, dw), (own, turned, sums), dtype = operands, areas, p.dtype
    (o, filter_count), (c, channel_count) = filters, channels
    vectors = -(-filter_count // p.lanes)
    width, (oh, ow), (h, w) = vectors * p.lanes, p.output, p.planes.sizes
    fill_zero(e, dtype, sums, len(p.taps) * channel_count * width)

    def images(n: Int) -> None:
        packed = e.at(
            x, dtype, (n, p.groups * p.channels * h * w), (g, p.channels * h * w), (c, h * w)
        )
        if not p.planes.in_place:
            p.planes.pack(e, dtype, packed, own, channel_count)
            packed = own
        read = e.at(
            dy, dtype, (n, p.groups * p.filters * oh * ow), (g, p.filters * oh * ow), (o, oh * ow)
        )
        blocks(
            e, filter_count, p.lanes,
            lambda f, size: transpose(
                e, dtype, e.at(read, dtype, (f, oh * ow)), e.at(turned, dtype, (f, 1)),
                size, oh * ow, oh * ow, width,
            ),
        )  # fmt: skip
        _accumulate(e, p, packed, turned, sums, channel_count, vectors)

    e.loop(0, p.batch, images)
    numbers = table(e, "numbers", [t.weight for t in p.taps])

    def write(t: Int) -> None:
        def channel(i: Int) -> None:
            source = e.at(sums, dtype, (t, channel_count * width), (i, width))
            to = e.at(
                dw, dtype, (g, p.filters * p.channels * len(p.taps)),
                (o, p.channels * len(p.taps)), (c, len(p.taps)), (i, len(p.taps)), (numbers(t), 1),
            )  # fmt: skip

            def element(f: Int) -> None:
                value = e.load(e.at(source, dtype, (f, 1)), dtype)
                filter_ = e.iadd(e.iadd(e.imul(g, p.filters), o), f)
                where = (filter_, e.iadd(c, i), numbers(t))
                value = group.apply_plain(e, value, where, 2)
                e.store(value, e.at(to, dtype, (f, p.channels * len(p.taps))))

            e.loop(0, filter_count, element)

        e.loop(0, channel_count, channel)

    e.loop(0, len(p.taps), write)


def _accumulate(
    e: Emitter,
    p: WeightGradient,
    packed: ir.Value,
    turned: ir.Value,
    sums: ir.Value,
    channels: int,
    vectors: int,
) -> None:
    """Add one image to the sums [tap][channel][filter]."""
    dtype, lanes, (oh, ow) = p.dtype, p.lanes, p.output
    width, plane = vectors * lanes, p.planes.channel_stride
    offsets = [p.planes.offset(*t.pixel) for t in p.taps]

    def tile(base: ir.Value, rows: list[int], to: ir.Value) -> None:
        """`rows` are offsets from `base`."""

        def left(k: list[Int]) -> list[ir.Value]:
            where = e.at(base, dtype, (k[0], p.planes.grid[1]), (k[1], 1))
            return [e.at(where, dtype, (r, 1)) for r in rows]

        def right(k: list[Int]) -> list[ir.Value]:
            where = e.at(turned, dtype, (k[0], ow * width), (k[1], width))
            return [e.at(where, dtype, (v, lanes)) for v in range(vectors)]

        places = [e.at(to, dtype, (i, lanes)) for i in range(len(rows) * vectors)]
        start = [zero(dtype, lanes)] * len(places)
        add_to(e, dtype, places, multiply(e, p.numbers, start, (oh, ow), left, right))

    if p.pairs:
        pairs = [offset + c * plane for offset in offsets for c in range(channels)]
        for first in range(0, len(pairs), p.tile.rows):
            to = e.at(sums, dtype, (first, width))
            tile(packed, pairs[first : first + p.tile.rows], to)
        return
    offset_of = table(e, "offsets", offsets)

    def tap(t: Int) -> None:
        def block(c: Int, size: int) -> None:
            base = e.at(packed, dtype, (c, plane), (offset_of(t), 1))
            to = e.at(sums, dtype, (t, channels * width), (c, width))
            tile(base, [r * plane for r in range(size)], to)

        blocks(e, channels, p.tile.rows, block)

    e.loop(0, len(p.taps), tap)
