"""What a unit of work is in batch normalisation, and where its elements lie.

`Planar`: one channel of (N, C, H, W), vectors over its pixels. `Across`: a vector of neighbouring
channels of (N, C). `Blocks`: a block of channels of blocked images, halos and all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import llvmlite.ir as ir

from graphcnn.errors import GraphError
from graphcnn.ir.node import Node
from graphcnn.ir.tensor_type import DType
from graphcnn.runtime.native.code.emit import Emitter, Int
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.parts.image_places import (
    ImagePlaces,
    Numbers,
    field_of,
    is_padded,
)
from graphcnn.runtime.native.kernels.parts.pixel_rows import (
    float_type,
    fold_lanes,
    lanes_for,
    tiles,
)
from graphcnn.runtime.native.kernels.parts.pixel_sums import Values, plane_sums, vector_sums

#: at(k): the address of a vector of elements in operand k.
At = Callable[[int], ir.Value]
Body = Callable[[At, int], None]
#: terms(at, lanes): the vectors to be summed.
Terms = Callable[[At, int], Values]

#: Bytes that are read in one run before the next image's turn.
_RUN = 32 << 10


class Channels:
    """The elements of N images by unit of work.

    Attributes:
        n: images.
        units: pieces of work.
        pixels: of one image and channel.
        lanes: channels of one unit.
        width: lanes of a sum before `fold`.
    """

    dtype: DType
    n: int
    units: int
    pixels: int
    lanes: int = 1
    width: int

    @property
    def group(self) -> int:
        """Units that are read together."""
        run = self.pixels * self.lanes * self.dtype.bytes
        return max(1, min(self.units, _RUN // run))

    def each(self, e: Emitter, n: Int, unit: Int, body: Body) -> None:
        """body(at, lanes) for the elements of one image."""
        raise NotImplementedError

    def sums(self, e: Emitter, n: Int, unit: Int, kinds: int, terms: Terms) -> Values:
        """Sums of terms(at, lanes) over the elements of one image, `width` lanes each."""
        raise NotImplementedError

    def fold(self, e: Emitter, total: ir.Value) -> ir.Value:
        """A sum of `width` lanes as one number per channel."""
        return total

    def finish(self, e: Emitter, output: int, n: Int, unit: Int) -> None:
        """After the elements of one image were written: what else belongs to them."""

    # Numbers per channel: scalars of one channel, or vectors of several.

    def load(self, e: Emitter, pointer: ir.Value, unit: Int) -> ir.Value:
        return e.load(e.at(pointer, self.dtype, (unit, self.lanes)), self.dtype, self.lanes)

    def store(self, e: Emitter, value: ir.Value, pointer: ir.Value, unit: Int) -> None:
        e.store(value, e.at(pointer, self.dtype, (unit, self.lanes)))

    def number(self, e: Emitter, value: float) -> ir.Value:
        return e.splat(value, self.dtype, self.lanes)

    def spread(self, e: Emitter, value: ir.Value, lanes: int) -> ir.Value:
        """A number per channel for a vector of elements: itself if it is a vector of channels."""
        return e.broadcast(value, lanes) if self.lanes == 1 else value


@dataclass
class Planar(Channels):
    """One channel of (N, C, pixels): vectors of its pixels."""

    n: int
    units: int
    pixels: int
    dtype: DType
    target: Target

    def __post_init__(self) -> None:
        self.width = lanes_for(self.pixels, self.target, self.dtype)

    def _at(self, e: Emitter, n: Int, unit: Int, k: Int) -> At:
        place = e.iadd(e.imul(e.iadd(e.imul(n, self.units), unit), self.pixels), k)
        return lambda operand: e.at(e.operands[operand], self.dtype, (place, 1))

    def each(self, e: Emitter, n: Int, unit: Int, body: Body) -> None:
        lanes = self.width
        tiles(e, 0, self.pixels, lanes, lambda k: body(self._at(e, n, unit, k), lanes))

    def sums(self, e: Emitter, n: Int, unit: Int, kinds: int, terms: Terms) -> Values:
        def term(k: Int, lanes: int) -> Values:
            return terms(self._at(e, n, unit, k), lanes)

        return plane_sums(e, self.pixels, self.dtype, term, kinds)[0]

    def fold(self, e: Emitter, total: ir.Value) -> ir.Value:
        return fold_lanes(e, total, self.width)


@dataclass
class Across(Channels):
    """Neighbouring channels of (N, C): vectors of channels."""

    n: int
    c: int
    dtype: DType
    target: Target
    pixels: int = 1

    def __post_init__(self) -> None:
        self.lanes = self.target.lanes(self.dtype)
        while self.c % self.lanes:
            self.lanes //= 2
        self.units, self.width = self.c // self.lanes, self.lanes

    def _at(self, e: Emitter, n: Int, unit: Int) -> At:
        place = ((n, self.c), (unit, self.lanes))
        return lambda operand: e.at(e.operands[operand], self.dtype, *place)

    def each(self, e: Emitter, n: Int, unit: Int, body: Body) -> None:
        body(self._at(e, n, unit), self.lanes)

    def sums(self, e: Emitter, n: Int, unit: Int, kinds: int, terms: Terms) -> Values:
        return terms(self._at(e, n, unit), self.lanes)


class Blocks(Channels):
    """Blocks of channels of blocked images, `fields` by operand."""

    def __init__(self, fields: dict[int, ImagePlaces], numbers: Numbers) -> None:
        self.fields, self.numbers = fields, numbers
        x = fields[0]
        self.n, self.units, self.pixels, self.dtype = x.n, x.blocks, x.h * x.w, x.dtype
        self.lanes = self.width = x.cell
        # Without halos all the rows of a plane are one.
        whole = not any(any(f.halo) for f in fields.values())
        self.rows, self.columns = (1, x.h * x.w) if whole else (x.h, x.w)

    def _at(self, e: Emitter, n: Int, unit: Int, i: Int, j: Int) -> At:
        def address(operand: int) -> ir.Value:
            field = self.fields[operand]
            plane = field.plane(e, e.operands[operand], e.iadd(e.imul(n, self.units), unit))
            return field.pixel(e, plane, i, j)

        return address

    def each(self, e: Emitter, n: Int, unit: Int, body: Body) -> None:
        def row(i: Int) -> None:
            e.loop(0, self.columns, lambda j: body(self._at(e, n, unit, i, j), self.lanes))

        e.loop(0, self.rows, row)

    def sums(self, e: Emitter, n: Int, unit: Int, kinds: int, terms: Terms) -> Values:
        zeros = [self.number(e, 0.0)] * kinds

        def row(i: Int, *totals: ir.Value) -> Values:
            def term(j: Int) -> Values:
                return terms(self._at(e, n, unit, i, j), self.lanes)

            return list(map(e.add, totals, vector_sums(e, self.columns, zeros, term)))

        return e.loop(0, self.rows, row, carry=zeros)

    def finish(self, e: Emitter, output: int, n: Int, unit: Int) -> None:
        plane = e.iadd(e.imul(n, self.units), unit)
        self.fields[output].clear_halo(e, e.operands[output], plane)

    def load(self, e: Emitter, pointer: ir.Value, unit: Int) -> ir.Value:
        return self.numbers.load(e, pointer, unit)

    def store(self, e: Emitter, value: ir.Value, pointer: ir.Value, unit: Int) -> None:
        self.numbers.store(e, value, pointer, unit)


def channels_of(node: Node, target: Target) -> Channels:
    """The channels of a batch normalisation, plain or blocked."""
    dtype, x = float_type(node), node.inputs[0].type
    shape = cast(tuple[int, ...], x.shape)
    types = [*(v.type for v in node.inputs), *node.types]
    images = {k: field_of(t) for k, t in enumerate(types) if t.shape == shape and t.rank == 4}
    if images and images[0].cell > 1:
        padded = {is_padded(t) for t in types if t.rank == 1}
        if len(padded) > 1:
            raise GraphError(f"{node.op.name}: numbers per channel in more than one layout")
        return Blocks(images, Numbers(shape[1], images[0].cell, dtype, padded.pop()))
    pixels = shape[2] * shape[3] if len(shape) == 4 else 1
    if pixels == 1:
        return Across(shape[0], shape[1], dtype, target)
    return Planar(shape[0], shape[1], pixels, dtype, target)
