"""The gradient of a convolution's input where its channels are few: vectors over the images.

A vector over the pixels of a small image is partly border, and a vector over a few channels partly
nothing. Over the images of a batch every number counts, and a tap that lies outside is left out:

    y[n, c, i, j] = sum over taps (u, v), channels o: x[n, o, i + p - u, j + p - v] · w[o, c, u, v]

for two vectors of images at a time, or one, transposed into scratch, [pixel][channel][image], and
back. A unit is a band of rows of the result; the bands of the same images follow each other, and
who does several of them transposes the images once.
"""

from dataclasses import dataclass
from typing import cast

import llvmlite.ir as ir

from graphcnn.ir.geometry import Pair
from graphcnn.ir.tensor_type import DType
from graphcnn.ops.conv import ConvTranspose2d
from graphcnn.runtime.native.code.emit import Emitter, Int
from graphcnn.runtime.native.code.kernel import Kernel, node_key
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.conv.packing import (
    own_scratch,
    scratch_bytes,
    transpose,
    transpose_registers,
)
from graphcnn.runtime.native.kernels.parts.epilogue import FusedGroup
from graphcnn.runtime.native.kernels.parts.numbers import Numbers
from graphcnn.runtime.native.kernels.parts.pixel_rows import least, most, tiles
from graphcnn.runtime.native.kernels.parts.tiles import Values, multiply_step, zero

#: Vectors of images of one unit, where the batch has so many.
_VECTORS = 2
#: Pieces of work wanted.
_UNITS = 8
#: Channels of the result up to which this form is the better one.
_FEW = 8


@dataclass(frozen=True)
class BatchTranspose:
    """A transposed convolution of stride 1: `channels` to `few` channels."""

    group: FusedGroup
    op: ConvTranspose2d
    batch: int
    channels: int
    few: int
    sizes: Pair
    output: Pair
    kernel_size: Pair
    lanes: int
    vectors: int
    numbers: Numbers

    @property
    def dtype(self) -> DType:
        """Operands, sums and result are of one type."""
        return self.numbers.sums

    @property
    def images(self) -> int:
        """Images of one unit."""
        return self.lanes * self.vectors

    @property
    def bands(self) -> int:
        """Bands of rows, all as high, of at least a vector of pixels."""
        rows, columns = self.output
        most = max(1, _UNITS // (self.batch // self.images))
        fits = (d for d in range(most, 0, -1) if rows % d == 0)
        return next(d for d in fits if d == 1 or rows // d * columns >= self.lanes)

    @property
    def units(self) -> int:
        return self.batch // self.images * self.bands

    @property
    def read(self) -> int:
        """Elements of scratch for x."""
        return self.sizes[0] * self.sizes[1] * self.channels * self.images

    @property
    def pixels(self) -> int:
        return self.output[0] * self.output[1]

    def kernel(self) -> Kernel:
        """The kernel of the group around it."""
        written = self.few * self.pixels * self.images
        scratch = scratch_bytes((self.read + written) * self.dtype.bytes)
        return Kernel(
            node_key(self.group.node),
            lambda e: self._emit(e, scratch),
            operands=self.group.count + 1,
            units=self.units,
            scratch=scratch,
            algorithm=f"images {self.few}×{self.vectors}",
            rule="few channels: images in the lanes of a vector",
        )

    def _emit(self, e: Emitter, scratch: int) -> None:
        x, weight, *bias, y = self.group.operands(e)
        own, dtype, images = own_scratch(e, e.operands[-1], scratch), self.dtype, self.images
        result = e.at(own, dtype, (self.read, 1))
        area, rows = self.sizes[0] * self.sizes[1], self.output[0] // self.bands
        share = e.share(self.units)

        def unit(u: Int) -> None:
            block, band = e.divmod(u, self.bands)
            first, begin = e.imul(block, images), e.imul(band, rows)

            def channel(o: Int) -> None:
                for v in range(self.vectors):
                    source = e.at(
                        x, dtype, (e.iadd(first, v * self.lanes), self.channels * area), (o, area)
                    )
                    to = e.at(own, dtype, (o, images), (v * self.lanes, 1))
                    transpose(
                        e, dtype, source, to, self.lanes, area, self.channels * area,
                        self.channels * images,
                    )  # fmt: skip

            def turn() -> None:
                e.loop(0, self.channels, channel)

            fresh = e.b.icmp_signed("==", e.int(band), e.int(0))
            fresh = e.b.or_(fresh, e.b.icmp_signed("==", e.int(u), share[0]))
            e.when(fresh, turn)
            e.loop(
                begin, e.iadd(begin, rows),
                lambda i: e.loop(
                    0, self.output[1], lambda j: self._pixel(e, own, weight, bias, result, i, j)
                ),
            )  # fmt: skip
            start = e.imul(begin, self.output[1])
            e.loop(0, self.few, lambda c: self._write(e, result, y, first, c, start))

        e.loop(*share, unit)

    def _taps(self, e: Emitter, at: Int, axis: int) -> tuple[Int, Int, Int]:
        """First tap and last + 1 that meet the image, and the pixel that tap 0 would read."""
        start = e.iadd(at, self.op.padding[2 * axis])
        low = most(e, 0, e.iadd(start, 1 - self.sizes[axis]))
        return low, least(e, self.kernel_size[axis], e.iadd(start, 1)), start

    def _pixel(
        self,
        e: Emitter,
        own: ir.Value,
        weight: ir.Value,
        bias: list[ir.Value],
        result: ir.Value,
        i: Int,
        j: Int,
    ) -> None:
        dtype, lanes, (kh, kw) = self.dtype, self.lanes, self.kernel_size
        (first_u, last_u, row), (first_v, last_v, column) = (
            self._taps(e, at, axis) for axis, at in enumerate((i, j))
        )
        sums: Values = []
        for c in range(self.few):
            start = zero(dtype, lanes)
            if bias:
                start = e.broadcast(e.load(e.at(bias[0], dtype, (c, 1)), dtype), lanes)
            sums += [start] * self.vectors

        def tap(u: Int, v: Int, *carried: ir.Value) -> Values:
            pixel = e.b.sub(e.int(row), e.int(u)), e.b.sub(e.int(column), e.int(v))
            number = e.iadd(e.imul(u, kw), v)
            if self.op.flip_kernel:
                number = e.b.sub(e.int(kh * kw - 1), e.int(number))
            place = e.iadd(e.imul(pixel[0], self.sizes[1]), pixel[1])
            read = e.at(own, dtype, (place, self.channels * self.images))
            numbers = e.at(weight, dtype, (number, 1))

            def channel(o: Int, *carried: ir.Value) -> Values:
                at = e.at(read, dtype, (o, self.images))
                filters = e.at(numbers, dtype, (o, self.few * kh * kw))
                left = [e.at(filters, dtype, (c, kh * kw)) for c in range(self.few)]
                right = [e.at(at, dtype, (v, lanes)) for v in range(self.vectors)]
                return multiply_step(e, self.numbers.turned, carried, left, right)

            return e.loop(0, self.channels, channel, carry=carried)

        def line(u: Int, *carried: ir.Value) -> Values:
            return e.loop(first_v, last_v, lambda v, *s: tap(u, v, *s), carry=carried)

        done = e.loop(first_u, last_u, line, carry=sums)
        pixel = e.iadd(e.imul(i, self.output[1]), j)
        for c in range(self.few):
            for v in range(self.vectors):
                to = e.at(result, dtype, (pixel, self.images), (c * self.pixels * self.images, 1))
                e.store(done[c * self.vectors + v], e.at(to, dtype, (v * lanes, 1)))

    def _write(
        self, e: Emitter, result: ir.Value, y: ir.Value, first: Int, c: Int, start: Int
    ) -> None:
        """A band of one channel back: squares of pixels by images, and what follows."""
        dtype, lanes = self.dtype, self.lanes

        def square(place: Int) -> None:
            f = e.iadd(start, place)
            for v in range(self.vectors):
                at = e.at(
                    result, dtype, (c, self.pixels * self.images), (f, self.images), (v * lanes, 1)
                )
                rows = [
                    e.load(e.at(at, dtype, (k * self.images, 1)), dtype, lanes)
                    for k in range(lanes)
                ]
                for k, value in enumerate(transpose_registers(e, rows)):
                    n = e.iadd(first, v * lanes + k)
                    to = e.at(y, dtype, (n, self.few * self.pixels), (c, self.pixels), (f, 1))
                    e.store(self.group.apply_plain(e, value, (n, c, f), 2), to)

        tiles(e, 0, self.pixels // self.bands, lanes, square)


def batch_transpose(group: FusedGroup, target: Target) -> BatchTranspose | None:
    """The kernel of a transposed convolution over the batch; None where another form is better."""
    op, (x, weight, *_) = cast(ConvTranspose2d, group.op), group.types
    n, channels, h, w = cast(tuple[int, ...], x.shape)
    _, few, kh, kw = cast(tuple[int, ...], weight.shape)
    _, _, oh, ow = cast(tuple[int, ...], group.result.shape)
    numbers, lanes = group.numbers, group.numbers.lanes(target)
    vectors = _VECTORS if n % (lanes * _VECTORS) == 0 else 1
    fits = few <= _FEW and few * vectors <= target.accumulators
    simple = op.groups == 1 and not op.mask and op.stride == (1, 1) and op.dilation == (1, 1)
    if not (fits and simple and n % (lanes * vectors) == 0 and oh * ow >= lanes):
        return None
    sizes = (h, w), (oh, ow), (kh, kw)
    return BatchTranspose(group, op, n, channels, few, *sizes, lanes, vectors, numbers)
