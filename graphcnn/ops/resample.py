"""Images made larger: upsampling, and zeros put between pixels.

Both are linear along each axis, so their gradients are the transposes and know no input.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.batch import Batches, Rule, Types, per_item
from graphcnn.ir.geometry import Pair, Sides
from graphcnn.ir.node import Array, Node, Op, Value
from graphcnn.ir.tensor_type import TensorType
from graphcnn.ops.parts.checks import check_float, image_sizes
from graphcnn.ops.shape import Slice

MODES = ("nearest", "bilinear")


@dataclass(frozen=True)
class _Upsample(Op):
    """`scale` (height, width), `mode` and, for bilinear, which pixels meet at the border."""

    scale: Pair = (2, 2)
    mode: str = "nearest"
    align_corners: bool = False

    family: ClassVar = "pool"

    def check(self) -> None:
        if min(self.scale) < 1:
            raise GraphError(f"scale must be at least 1, found {self.scale}")
        if self.mode not in MODES:
            raise GraphError(f"unknown mode {self.mode!r}; known are {', '.join(MODES)}")
        if self.align_corners and self.mode != "bilinear":
            raise GraphError('align_corners is for mode "bilinear" only')

    def pairs(self, size: int, scale: int) -> tuple[Array, Array]:
        """The two pixels that each output pixel of mode bilinear mixes along an axis, and their
        weights, each (2, size·scale). Where one alone counts it is both, by halves.

        Output pixel j lies at (j + 1/2) / scale - 1/2 of the input, cut to the image; with
        `align_corners` at j·(size - 1) / (size·scale - 1), so that the corner pixels coincide.
        """
        j = np.arange(size * scale)
        if self.align_corners:
            at = j * ((size - 1) / max(1, size * scale - 1))
        else:
            at = np.clip((j + 0.5) / scale - 0.5, 0.0, size - 1.0)
        low = np.minimum(at.astype(np.int64), size - 1)
        share = np.where(low == size - 1, 0.0, at - low)
        high = np.where(share == 0, low, low + 1)
        share = np.where(share == 0, 0.5, share)
        return np.stack([low, high]), np.stack([1.0 - share, share])

    def matrix(self, size: int, scale: int, dtype: Any) -> Array:
        """A (size·scale, size) of mode bilinear: row j holds the weights of the pixels it mixes."""
        a: Array = np.zeros((size * scale, size))
        for places, weights in zip(*self.pairs(size, scale), strict=True):
            a[np.arange(size * scale), places] += weights
        return a.astype(dtype)

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return per_item(inputs, range(len(inputs)), (0, 1))


@dataclass(frozen=True)
class Upsample2d(_Upsample):
    """nearest: y[i,j] = x[i // scale_h, j // scale_w]; bilinear: y = A_h · x · A_wᵀ.

    Shapes: x (N, C, H, W); y (N, C, H·scale_h, W·scale_w). A row of A mixes the two nearest pixels
    of its axis by their distance; no others count, not even where they are infinite or NaN.
    Without `align_corners` pixels are squares of equal area and their centres lie half a pixel
    inside; with it the centres of the corners stay in place.
    """

    operands: ClassVar = ("x",)

    def infer(self, x: TensorType) -> TensorType:
        self.check()
        check_float(x=x)
        h, w = image_sizes(x)
        return x.with_shape((*x.shape[:2], h * self.scale[0], w * self.scale[1]))

    def evaluate(self, x: Array) -> Array:
        (h, w), (a, b) = x.shape[2:], self.scale
        if self.mode == "nearest":
            return x.repeat(a, axis=2).repeat(b, axis=3)
        return _mixed(_mixed(x, 2, *self.pairs(h, a)), 3, *self.pairs(w, b))

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        return [Upsample2dGrad(**self.attributes)(dy)]


@dataclass(frozen=True)
class Upsample2dGrad(_Upsample):
    """bilinear: dx = A_hᵀ · dy · A_w; nearest: dx is the sum of each block of scale_h by scale_w.

    Shapes: dy (N, C, H·scale_h, W·scale_w); dx (N, C, H, W). Each input pixel gathers from the
    outputs that it was mixed into.
    """

    operands: ClassVar = ("dy",)
    results: ClassVar = ("dx",)

    def infer(self, dy: TensorType) -> TensorType:
        self.check()
        check_float(dy=dy)
        h, w = image_sizes(dy)
        if h % self.scale[0] or w % self.scale[1]:
            raise GraphError(f"height and width of dy {dy} must be multiples of {self.scale}")
        return dy.with_shape((*dy.shape[:2], h // self.scale[0], w // self.scale[1]))

    def evaluate(self, dy: Array) -> Array:
        a, b = self.scale
        n, c, h, w = dy.shape[0], dy.shape[1], dy.shape[2] // a, dy.shape[3] // b
        if self.mode == "nearest":
            dx: Array = dy.reshape(n, c, h, a, w, b).sum(axis=(3, 5))
        else:
            dx = _spread(_spread(dy, 3, w, *self.pairs(w, b)), 2, h, *self.pairs(h, a))
        return dx

    def gradient(self, node: Node, ddx: Value) -> Sequence[Value | None]:
        return [Upsample2d(**self.attributes)(ddx)]


def _mixed(x: Array, axis: int, places: Array, weights: Array) -> Array:
    """The sum of two pixels for each output pixel along an axis, as `_Upsample.pairs` has them."""
    first, second = (
        x.take(place, axis) * _along(weight, axis, x)
        for place, weight in zip(places, weights, strict=True)
    )
    y: Array = first + second
    return y


def _spread(dy: Array, axis: int, size: int, places: Array, weights: Array) -> Array:
    """The transpose of `_mixed`: each output pixel added to the two of `size` that it mixes."""
    dx = np.zeros((*dy.shape[:axis], size, *dy.shape[axis + 1 :]), dy.dtype)
    rows = np.moveaxis(dx, axis, 0)
    for place, weight in zip(places, weights, strict=True):
        np.add.at(rows, place, np.moveaxis(dy * _along(weight, axis, dy), axis, 0))
    return dx


def _along(weight: Array, axis: int, x: Array) -> Array:
    """A number for each index of one axis of x, in its type."""
    return weight.astype(x.dtype).reshape([-1 if a == axis else 1 for a in range(x.ndim)])


@dataclass(frozen=True)
class ZeroInsert2d(Op):
    """y[n, c, top + s·i, left + s·j] = x[n,c,i,j], zero elsewhere.

    Shapes: x (N, C, H, W); y (N, C, OH, OW) with OH = s·(H - 1) + 1 + top + bottom: s - 1 zeros
    between neighbours, then a `border` (top, bottom, left, right) of zeros. A 3 by 3 image becomes
    7 by 7 with stride 2 and border 1.
    """

    stride: Pair = (2, 2)
    border: Sides = (0, 0, 0, 0)

    operands: ClassVar = ("x",)
    family: ClassVar = "pool"
    rounds: ClassVar[bool] = False

    def infer(self, x: TensorType) -> TensorType:
        if min(self.stride) < 1:
            raise GraphError(f"stride must be at least 1, found {self.stride}")
        if min(self.border) < 0:
            raise GraphError(
                f"border must not be negative, found {self.border} (top, bottom, left, right)"
            )
        check_float(x=x)
        return x.with_shape((*x.shape[:2], *self.spread(image_sizes(x))))

    def spread(self, sizes: Pair) -> Pair:
        top, bottom, left, right = self.border
        return (
            self.stride[0] * (sizes[0] - 1) + 1 + top + bottom,
            self.stride[1] * (sizes[1] - 1) + 1 + left + right,
        )

    def evaluate(self, x: Array) -> Array:
        top, bottom, left, right = self.border
        y = np.zeros((*x.shape[:2], *self.spread(x.shape[2:])), x.dtype)
        h, w = y.shape[2:]
        y[:, :, top : h - bottom : self.stride[0], left : w - right : self.stride[1]] = x
        return y

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        top, _, left, _ = self.border
        return [Slice((0, 0, top, left), node.inputs[0].shape, (1, 1, *self.stride))(dy)]

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return per_item(inputs, range(len(inputs)), (0, 1))
