"""The weight gradient where each group has one channel and few filters: vectors over the pixels of
a row, sums per filter and tap.

There are no channels to fill a vector with. Here every pair (filter, tap) has a vector of sums,
rows of dy and of x are read once for many of them, and lanes are added up at the end.
"""

from dataclasses import dataclass

import llvmlite.ir as ir

from graphcnn.ir.tensor_type import DType
from graphcnn.runtime.native.code.emit import I1, Emitter, Int
from graphcnn.runtime.native.code.kernel import Kernel, node_key
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.conv.packing import Planes, own_scratch, scratch_bytes
from graphcnn.runtime.native.kernels.conv.plain import Tap
from graphcnn.runtime.native.kernels.parts.epilogue import FusedGroup
from graphcnn.runtime.native.kernels.parts.numbers import Numbers
from graphcnn.runtime.native.kernels.parts.tiles import Values, add_to, zero
from graphcnn.runtime.native.kernels.tensor.gemm import horizontal_sum


@dataclass(frozen=True)
class DepthwiseGrad:
    """dw[o, tap] of a convolution whose groups have one input channel and `filters` filters."""

    batch: int
    groups: int
    filters: int
    planes: Planes
    output: tuple[int, int]
    taps: tuple[Tap, ...]
    numbers: Numbers

    @property
    def dtype(self) -> DType:
        """Operands, sums and result are of one type."""
        return self.numbers.sums

    @property
    def together(self) -> int:
        """Filters that share what is read of x: they are one piece of work."""
        return next(k for k in (3, 2, 1) if self.filters % k == 0)

    def kernel(self, group: FusedGroup, target: Target) -> Kernel:
        """The kernel of the group around this gradient."""
        lanes = target.lanes(self.dtype)
        image = 0 if self.planes.in_place else self.planes.size + lanes
        image = -(-image // lanes) * lanes
        scratch = scratch_bytes((image + len(self.taps) * self.together * lanes) * self.dtype.bytes)
        return Kernel(
            node_key(group.node),
            lambda e: self._emit(e, group, image, scratch),
            operands=group.count + 1,
            units=self.groups * self.filters // self.together,
            scratch=scratch,
            algorithm="rows of pixels",
        )

    def _emit(self, e: Emitter, group: FusedGroup, image: int, scratch: int) -> None:
        x, dy, dw = group.operands(e)
        own = own_scratch(e, e.operands[-1], scratch)
        dtype, lanes, count = self.dtype, e.target.lanes(self.dtype), len(self.taps)
        (h, w), (oh, ow) = self.planes.sizes, self.output
        sums = e.at(own, dtype, (image, 1))
        together = self.together
        room = max(1, (e.target.accumulators - together) // together)  # taps at a time
        some = -(-count // -(-count // room))

        def filters(u: Int) -> None:
            o = e.imul(u, together)
            channel, _ = e.divmod(o, self.filters)
            for t in range(count * together):
                e.store(zero(dtype, lanes), e.at(sums, dtype, (t, lanes)))

            def one(n: Int) -> None:
                source = e.at(x, dtype, (n, self.groups * h * w), (channel, h * w))
                if not self.planes.in_place:
                    self.planes.pack(e, dtype, source, own, 1)
                    source = own
                shown = e.at(dy, dtype, (n, self.groups * self.filters * oh * ow), (o, oh * ow))
                for first in range(0, count, some):
                    self._rows(e, source, shown, sums, range(first, min(first + some, count)))

            e.loop(0, self.batch, one)
            for t, tap in enumerate(self.taps):
                for k in range(together):
                    at = e.at(sums, dtype, (t * together + k, lanes))
                    total = horizontal_sum(e, e.load(at, dtype, lanes))
                    total = group.apply_plain(e, total, (e.iadd(o, k), 0, tap.weight), 2)
                    e.store(total, e.at(dw, dtype, (o, count), (k * count + tap.weight, 1)))

        e.loop(*e.share(self.groups * self.filters // together), filters)

    def _rows(
        self, e: Emitter, source: ir.Value, shown: ir.Value, sums: ir.Value, taps: range
    ) -> None:
        """Add one image to the sums of some taps."""
        dtype, lanes, (oh, ow) = self.dtype, e.target.lanes(self.dtype), self.output
        offsets = [self.planes.offset(*self.taps[t].pixel) for t in taps]
        whole, together = ow // lanes * lanes, self.together
        inside = ir.VectorType(I1, lanes)([whole + i < ow for i in range(lanes)])
        nothing = zero(dtype, lanes)

        def read(pointer: ir.Value, last: bool) -> ir.Value:
            value = e.load(pointer, dtype, lanes)
            return e.b.select(inside, value, nothing) if last else value

        def row(i: Int, *carried: ir.Value) -> Values:
            pixels = e.at(source, dtype, (i, self.planes.grid[1]))
            line = e.at(shown, dtype, (i, ow))

            def step(j: Int, carried: tuple[ir.Value, ...], last: bool = False) -> Values:
                found = list(carried)
                shares = [
                    read(e.at(line, dtype, (k * oh * ow, 1), (j, 1)), last) for k in range(together)
                ]
                for t, at in enumerate(offsets):
                    pixel = read(e.at(pixels, dtype, (j, 1), (at, 1)), last)
                    for k, d in enumerate(shares):
                        total = found[t * together + k]
                        found[t * together + k] = self.numbers.multiply_add(e, pixel, d, total)
                return found

            done = list(carried)
            if whole:
                done = e.loop(0, whole, lambda j, *s: step(j, s), step=lanes, carry=done)
            if ow > whole:
                done = step(whole, tuple(done), True)
            return done

        totals = e.loop(0, oh, row, carry=[nothing] * len(taps) * together)
        places = range(taps.start * together, taps.stop * together)
        add_to(e, dtype, [e.at(sums, dtype, (t, lanes)) for t in places], totals)
