"""The blocked layout of images and kernels, where a vector holds neighbouring channels.

    image    [N][C/L][top + H + bottom][left + W + right][L]        L lanes, a halo of zeros around
    kernel   [O/(L·b)][C/L][KH·KW][L in][L·b out]                   b vectors of output channels

Channels that do not fill a block are padded: with zeros in kernels, with any finite number in
images. A halo as wide as the padding of the next convolution spares it every test for borders.
"""

from collections.abc import Callable
from dataclasses import dataclass

import llvmlite.ir as ir
import numpy as np

from graphcnn.ir.geometry import Pair, Sides
from graphcnn.ir.node import Array
from graphcnn.ir.tensor_type import DType
from graphcnn.runtime.native.code.emit import Emitter, Int
from graphcnn.runtime.native.kernels.conv.packing import fill_zero


@dataclass(frozen=True)
class Blocked:
    """How the images of one value lie in memory. `halo` is (top, bottom, left, right)."""

    channels: int
    sizes: Pair
    lanes: int = 16
    halo: Sides = (0, 0, 0, 0)

    @property
    def blocks(self) -> int:
        return -(-self.channels // self.lanes)

    @property
    def grid(self) -> Pair:
        top, bottom, left, right = self.halo
        return self.sizes[0] + top + bottom, self.sizes[1] + left + right

    @property
    def row(self) -> int:
        """Elements of one row of one block."""
        return self.grid[1] * self.lanes

    @property
    def plane(self) -> int:
        """Elements of one block of channels."""
        return self.grid[0] * self.row

    @property
    def image(self) -> int:
        """Elements of one image."""
        return self.blocks * self.plane

    def offset(self, row: int, column: int) -> int:
        """Where pixel (row, column) lies in a block; the halo has negative positions."""
        return (row + self.halo[0]) * self.row + (column + self.halo[2]) * self.lanes

    def pack(self, images: Array) -> Array:
        """Plain images (N, C, H, W) in this layout."""
        n, c, h, w = images.shape
        top, _, left, _ = self.halo
        full = np.zeros((n, self.blocks * self.lanes, *self.grid), images.dtype)
        full[:, :c, top : top + h, left : left + w] = images
        split = full.reshape(n, self.blocks, self.lanes, *self.grid)
        return np.ascontiguousarray(split.transpose(0, 1, 3, 4, 2))

    def unpack(self, packed: Array, n: int) -> Array:
        """The plain images of what lies in this layout."""
        split = packed.reshape(n, self.blocks, *self.grid, self.lanes).transpose(0, 1, 4, 2, 3)
        top, _, left, _ = self.halo
        (h, w), full = self.sizes, split.reshape(n, self.blocks * self.lanes, *self.grid)
        return full[:, : self.channels, top : top + h, left : left + w]

    def clear_halo(self, e: Emitter, dtype: DType, block: ir.Value) -> None:
        """Write the zeros around one block of one image."""
        top, bottom, left, right = self.halo
        height = self.sizes[0]
        if top:
            fill_zero(e, dtype, block, top * self.row)
        if bottom:
            fill_zero(e, dtype, e.at(block, dtype, (top + height, self.row)), bottom * self.row)
        if not left and not right:
            return

        def line(i: Int) -> None:
            start = e.at(block, dtype, (i, self.row), (top * self.row, 1))
            fill_zero(e, dtype, start, left * self.lanes)
            end = e.at(start, dtype, ((left + self.sizes[1]) * self.lanes, 1))
            fill_zero(e, dtype, end, right * self.lanes)

        e.loop(0, height, line)


def pack_kernel(weight: Array, lanes: int, vectors: int) -> Array:
    """A kernel (O, C, KH, KW) in the blocked layout [O/(L·b)][C/L][KH·KW][L][L·b]."""
    o, c, kh, kw = weight.shape
    width = lanes * vectors
    rows, depth = -(-o // width), -(-c // lanes)
    full = np.zeros((rows * width, depth * lanes, kh * kw), weight.dtype)
    full[:o, :c] = weight.reshape(o, c, kh * kw)
    split = full.reshape(rows, width, depth, lanes, kh * kw)
    return np.ascontiguousarray(split.transpose(0, 2, 4, 3, 1))


def unpack_kernel(packed: Array, shape: tuple[int, int, int, int], lanes: int) -> Array:
    """The kernel of `shape` from the layout of `pack_kernel`."""
    o, c, kh, kw = shape
    depth = -(-c // lanes)
    split = packed.transpose(0, 4, 1, 3, 2)  # [rows][L·b][depth][L][taps]
    return split.reshape(-1, depth * lanes, kh * kw)[:o, :c].reshape(shape)


def transposed_kernel(weight: Array, flip: bool = True) -> Array:
    """The kernel with which a convolution computes the gradient of its input: (C, O, KH, KW)."""
    turned = weight[:, :, ::-1, ::-1] if flip else weight
    return np.ascontiguousarray(turned.transpose(1, 0, 2, 3))


@dataclass(frozen=True)
class Place:
    """Where a vector of results lies: lanes of `block` at pixel (row, column) of image n."""

    n: Int
    block: Int
    row: Int
    column: Int
    lanes: int

    def at(self, e: Emitter, pointer: ir.Value, dtype: DType, layout: Blocked) -> ir.Value:
        """The address of this place in another value of the same shape."""
        return e.at(
            pointer, dtype, (self.n, layout.image), (self.block, layout.plane),
            (self.row, layout.row), (self.column, layout.lanes), (layout.offset(0, 0), 1),
        )  # fmt: skip


#: What happens to a vector of results before it is stored: f(e, vector, place) -> vector.
Epilogue = Callable[[Emitter, ir.Value, Place], ir.Value]
