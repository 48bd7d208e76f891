"""Where images lie in memory, for kernels that read and write plain and blocked ones alike.

A field is a number of planes of H by W pixels; a pixel is one number of a plain image, or a vector
of neighbouring channels of a blocked one, whose planes may have a halo of zeros around them. The
kernel that writes a field writes its halo too.
"""

from collections.abc import Callable
from dataclasses import dataclass

import llvmlite.ir as ir

from graphcnn.ir.geometry import Sides
from graphcnn.ir.storage import NO_HALO, Images, Vectors, parse_layout
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.runtime.native.code.emit import I32, STORED, Emitter, Int
from graphcnn.runtime.native.kernels.parts.pixel_rows import each_plane, each_row, fill


@dataclass(frozen=True)
class ImagePlaces:
    """The images of one value.

    Attributes:
        n: images.
        blocks: planes of one image: channels, or blocks of them.
        channels: of one image.
        h, w: pixels of a plane, without the halo (top, bottom, left, right).
        cell: numbers of one pixel.
    """

    n: int
    blocks: int
    channels: int
    h: int
    w: int
    dtype: DType
    cell: int = 1
    halo: Sides = NO_HALO

    @property
    def planes(self) -> int:
        return self.n * self.blocks

    @property
    def pitch(self) -> int:
        """Pixels from one row to the next."""
        return self.w + self.halo[2] + self.halo[3]

    @property
    def size(self) -> int:
        """Numbers of one plane, halo included."""
        return (self.h + self.halo[0] + self.halo[1]) * self.pitch * self.cell

    @property
    def units(self) -> int:
        """Pieces that `rows` cuts the work into."""
        return self.planes if any(self.halo) else self.planes * self.h

    def plane(self, e: Emitter, pointer: ir.Value, n: Int) -> ir.Value:
        """The address of pixel (0, 0) of a plane."""
        origin = (self.halo[0] * self.pitch + self.halo[2]) * self.cell
        return e.at(pointer, self.dtype, (n, self.size), (origin, 1))

    def pixel(self, e: Emitter, plane: ir.Value, i: Int, j: Int) -> ir.Value:
        """The address of a pixel, from that of its plane."""
        return e.at(plane, self.dtype, (i, self.pitch * self.cell), (j, self.cell))

    def clear_halo(self, e: Emitter, pointer: ir.Value, n: Int) -> None:
        """Write the zeros around a plane."""
        top, bottom, left, right = self.halo
        row = self.pitch * self.cell
        start = e.at(pointer, self.dtype, (n, self.size))

        def zeros(row_number: Int, column: int, count: int) -> None:
            at = e.at(start, self.dtype, (row_number, row), (column, self.cell))
            if count:
                fill(e, at, count * self.cell, 0.0, self.dtype)

        def sides(i: Int) -> None:
            zeros(e.iadd(i, top), 0, left)
            zeros(e.iadd(i, top), left + self.w, right)

        zeros(0, 0, top * self.pitch)
        zeros(top + self.h, 0, bottom * self.pitch)
        if left or right:
            e.loop(0, self.h, sides)

    def rows(self, e: Emitter, pointer: ir.Value, body: Callable[[Int, Int], None]) -> None:
        """body(plane, i) for this part of the rows to be written; writes the halo."""
        if not any(self.halo):
            each_row(e, self.planes, self.h, body)
            return

        def plane(n: Int) -> None:
            e.loop(0, self.h, lambda i: body(n, i))
            self.clear_halo(e, pointer, n)

        each_plane(e, self.planes, plane)


def field_of(t: TensorType) -> ImagePlaces:
    """The field of a value of images, plain or blocked."""
    n, c, h, w = (int(size) for size in t.shape)  # type: ignore[arg-type]
    layout = parse_layout(t.layout)
    if not isinstance(layout, Images):
        return ImagePlaces(n, c, c, h, w, t.dtype)
    return ImagePlaces(n, -(-c // layout.lanes), c, h, w, t.dtype, layout.lanes, layout.halo)


@dataclass(frozen=True)
class Numbers:
    """One number per channel, `count` of them, of which a block of channels has `lanes`.

    Where `padded`, the last block is whole in memory too; else its missing lanes read as zeros and
    are not written.
    """

    count: int
    lanes: int
    dtype: DType
    padded: bool = False

    @property
    def _rest(self) -> int:
        return 0 if self.padded else self.count % self.lanes

    def load(self, e: Emitter, pointer: ir.Value, block: Int) -> ir.Value:
        if not self._rest:
            return e.load(e.at(pointer, self.dtype, (block, self.lanes)), self.dtype, self.lanes)
        found = ir.VectorType(STORED[self.dtype], self.lanes)([0.0] * self.lanes)
        zero = e.splat(0.0, self.dtype)
        for lane in range(self.lanes):
            at = e.int(e.iadd(e.imul(block, self.lanes), lane))
            known = e.b.icmp_signed("<", at, e.int(self.count))
            safe = e.b.select(known, at, e.int(0))
            number = e.load(e.at(pointer, self.dtype, (safe, 1)), self.dtype)
            found = e.b.insert_element(found, e.b.select(known, number, zero), I32(lane))
        return found

    def store(self, e: Emitter, value: ir.Value, pointer: ir.Value, block: Int) -> None:
        start = e.at(pointer, self.dtype, (block, self.lanes))
        if not self._rest:
            e.store(value, start)
            return
        last = e.b.icmp_signed("==", e.int(block), e.int(self.count // self.lanes))
        with e.b.if_else(last) as (partly, wholly):
            with partly:
                for lane in range(self._rest):
                    number = e.b.extract_element(value, I32(lane))
                    e.store(number, e.at(start, self.dtype, (lane, 1)))
            with wholly:
                e.store(value, start)


def is_padded(t: TensorType) -> bool:
    """Whether one number per channel lies in whole vectors."""
    return isinstance(parse_layout(t.layout), Vectors | Images)
