"""Pooling: one number per window and channel, and how gradients find their way back.

All of them walk over the taps of the window instead of copying windows out: a tap is one strided
view of the image. Padding takes no part, so a maximum is never a padding pixel.

    max_pool2d        y  = x at the maximum of x in each window
    max_pool2d_pick   y  = g at the maximum of x in each window: linear in g
    max_pool2d_grad   dx = dy added at the maximum of x in each window: its transpose
    avg_pool2d        y  = mean of x over each window: linear in x
    avg_pool2d_grad   dx = dy shared out over each window: its transpose

The maximum of a window is the first in row-major order among equals. NaN counts as larger than
every number, so it is never lost.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.batch import Batches, Rule, Types, per_item
from graphcnn.ir.geometry import AXES, Pair, Sides, Window, check_window, output_sizes, windows
from graphcnn.ir.node import Array, Node, Op, Value
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.broadcast import BroadcastTo
from graphcnn.ops.parts.checks import (
    channels,
    check_float,
    check_same_dtype,
    check_shape,
    image_sizes,
)
from graphcnn.ops.parts.unfold import Region, covered, taps


@dataclass(frozen=True)
class _Pool(Op):
    """The window that all pools slide; `ceil_mode` keeps the last window where it is partial."""

    kernel: Pair
    stride: Pair = (1, 1)
    padding: Sides = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    ceil_mode: bool = False

    family: ClassVar = "pool"

    @property
    def window(self) -> dict[str, Any]:
        """The shared attributes, to make another operator of the same windows."""
        names = ("kernel", "stride", "padding", "dilation", "ceil_mode")
        return {name: getattr(self, name) for name in names}

    @property
    def windows(self) -> tuple[Window, Window]:
        return windows(self.kernel, self.stride, self.padding, self.dilation, self.ceil_mode)

    def pooled(self, sizes: Pair) -> Pair:
        """Output height and width. Raises `GraphError` where a window would read padding only."""
        check_window(self.kernel, self.stride, self.padding, self.dilation)
        outputs = output_sizes(sizes, self.windows)
        for axis, size, w in zip(AXES, sizes, self.windows, strict=True):
            if max(w.before, w.after) >= w.span:
                raise GraphError(
                    f"{axis} padding {w.before} + {w.after} must be smaller than the span of the "
                    f"window, {w.dilation}·({w.kernel} - 1) + 1 = {w.span}, or a window would see "
                    "padding only"
                )
            if w.dilation > size and not covered(size, w).all():
                raise GraphError(
                    f"{axis} {size} is smaller than the dilation {w.dilation}: a window would see "
                    "padding only"
                )
        return outputs

    def pooled_type(self, x: TensorType) -> TensorType:
        check_float(x=x)
        return x.with_shape((x.shape[0], channels(x, "x"), *self.pooled(image_sizes(x))))

    def taps(self, x: Array) -> Iterator[tuple[Region, Region]]:
        return taps(x.shape[2:], self.windows)

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return per_item(inputs, range(len(inputs)), (0, 1))


@dataclass(frozen=True)
class _MaxPool(_Pool):
    """What max pooling and its two companions share: where the maxima are."""

    def maxima(self, x: Array) -> Array:
        y = np.full((*x.shape[:2], *self.pooled(x.shape[2:])), -np.inf, x.dtype)
        for pixels, outputs in self.taps(x):
            np.maximum(y[outputs], x[pixels], out=y[outputs])  # NaN wins
        return y

    def hits(self, x: Array) -> Iterator[tuple[Region, Region, Array]]:
        """Per tap: the pixels it reads, the outputs it feeds, and where it is their maximum."""
        y = self.maxima(x)
        free = np.ones(y.shape, bool)  # the outputs whose maximum is still to come
        for pixels, outputs in self.taps(x):
            tap = x[pixels]
            hit = ((tap == y[outputs]) | (tap != tap)) & free[outputs]
            free[outputs] ^= hit
            yield pixels, outputs, hit


@dataclass(frozen=True)
class MaxPool2d(_MaxPool):
    """y[n,c,i,j] = max over u,v of x[n, c, s·i + d·u - p, s·j + d·v - p], padding left out.

    Shapes: x (N, C, H, W); y (N, C, OH, OW) with
    OH = floor((H + top + bottom - d·(KH - 1) - 1) / s) + 1, or ceil instead of floor. With
    `indices` a second result (int64, shape of y) gives the place row·W + column of each maximum.
    Ties go to the first in row-major order; NaN wins.
    """

    indices: bool = False

    operands: ClassVar = ("x",)
    results: ClassVar = ("y", "indices")
    rounds: ClassVar[bool] = False
    places: ClassVar[int | None] = 1

    def infer(self, x: TensorType) -> TensorType | tuple[TensorType, TensorType]:
        y = self.pooled_type(x)
        return (y, y.with_dtype(DType.INT64)) if self.indices else y

    def sliding(self, *types: TensorType) -> tuple[Window, Window]:
        return self.windows

    def evaluate(self, x: Array) -> Array | tuple[Array, Array]:
        y = self.maxima(x)
        if not self.indices:
            return y
        places = np.arange(x.shape[2] * x.shape[3]).reshape(1, 1, *x.shape[2:])
        indices = np.zeros(y.shape, np.int64)
        for pixels, outputs, hit in self.hits(x):
            np.copyto(indices[outputs], places[pixels], where=hit)
        return y, indices

    def gradient(
        self, node: Node, dy: Value | None, dindices: Value | None = None
    ) -> Sequence[Value | None]:
        return [None if dy is None else MaxPool2dGrad(**self.window)(node.inputs[0], dy)]


@dataclass(frozen=True)
class MaxPool2dGrad(_MaxPool):
    """dx = zeros, except that dy of each window is added at the maximum of x in that window.

    Shapes: x (N, C, H, W), dy (N, C, OH, OW); dx (N, C, H, W).
    """

    operands: ClassVar = ("x", "dy")
    results: ClassVar = ("dx",)
    anchor: ClassVar = True
    integral: ClassVar[bool] = True

    def infer(self, x: TensorType, dy: TensorType) -> TensorType:
        check_same_dtype(x=x, dy=dy)
        check_shape(dy, self.pooled_type(x).shape, "dy")
        return x.with_shape(x.shape)

    def evaluate(self, x: Array, dy: Array) -> Array:
        dx = np.zeros(x.shape, x.dtype)
        for pixels, outputs, hit in self.hits(x):
            dx[pixels] += np.where(hit, dy[outputs], 0)
        return dx

    def gradient(self, node: Node, ddx: Value) -> Sequence[Value | None]:
        return [None, MaxPool2dPick(**self.window)(node.inputs[0], ddx)]


@dataclass(frozen=True)
class MaxPool2dPick(_MaxPool):
    """y = g at the maximum of x in each window: what `max_pool2d` does, done to another image.

    Shapes: x (N, C, H, W), g (N, C, H, W); y (N, C, OH, OW).
    """

    operands: ClassVar = ("x", "g")
    rounds: ClassVar[bool] = False

    def infer(self, x: TensorType, g: TensorType) -> TensorType:
        check_same_dtype(x=x, g=g)
        check_shape(g, x.shape, "g")
        return self.pooled_type(x)

    def evaluate(self, x: Array, g: Array) -> Array:
        y = np.zeros((*x.shape[:2], *self.pooled(x.shape[2:])), x.dtype)
        for pixels, outputs, hit in self.hits(x):
            np.copyto(y[outputs], g[pixels], where=hit)
        return y

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        return [None, MaxPool2dGrad(**self.window)(node.inputs[0], dy)]


@dataclass(frozen=True)
class _AvgPool(_Pool):
    """What average pooling and its gradient share: what each window divides by."""

    count_include_pad: bool = False

    def counts(self, sizes: Pair, dtype: Any) -> Array:
        """Pixels of each window (OH, OW). The overhang of `ceil_mode` never counts."""
        rows, columns = (
            covered(size, w, w.before, w.after) if self.count_include_pad else covered(size, w)
            for size, w in zip(sizes, self.windows, strict=True)
        )
        counts: Array = np.outer(rows, columns).astype(dtype)
        return counts


@dataclass(frozen=True)
class AvgPool2d(_AvgPool):
    """y[n,c,i,j] = mean over u,v of x[n, c, s·i + d·u - p, s·j + d·v - p].

    Shapes: those of `max_pool2d`. The divisor is the number of pixels of the window inside the
    image or, with `count_include_pad`, inside the padded image: then padding counts as zeros.
    """

    operands: ClassVar = ("x",)

    def infer(self, x: TensorType) -> TensorType:
        return self.pooled_type(x)

    def sliding(self, *types: TensorType) -> tuple[Window, Window]:
        return self.windows

    def evaluate(self, x: Array) -> Array:
        counts = self.counts(x.shape[2:], x.dtype)
        y = np.zeros((*x.shape[:2], *counts.shape), x.dtype)
        for pixels, outputs in self.taps(x):
            y[outputs] += x[pixels]
        return y / counts

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        size = image_sizes(node.inputs[0].type)
        return [AvgPool2dGrad(**self.attributes, size=size)(dy)]


@dataclass(frozen=True)
class AvgPool2dGrad(_AvgPool):
    """dx = zeros, plus dy of each window, divided by its count, at every pixel of the window.

    Shapes: dy (N, C, OH, OW), `size` (H, W); dx (N, C, H, W).
    """

    size: Pair = (1, 1)

    operands: ClassVar = ("dy",)
    results: ClassVar = ("dx",)

    def infer(self, dy: TensorType) -> TensorType:
        check_float(dy=dy)
        check_shape(dy, (dy.shape[0], channels(dy, "dy"), *self.pooled(self.size)), "dy")
        return dy.with_shape((*dy.shape[:2], *self.size))

    def evaluate(self, dy: Array) -> Array:
        dx = np.zeros((*dy.shape[:2], *self.size), dy.dtype)
        share = dy / self.counts(self.size, dy.dtype)
        for pixels, outputs in self.taps(dx):
            dx[pixels] += share[outputs]
        return dx

    def gradient(self, node: Node, ddx: Value) -> Sequence[Value | None]:
        shared = {k: v for k, v in self.attributes.items() if k != "size"}
        return [AvgPool2d(**shared)(ddx)]


@dataclass(frozen=True)
class GlobalAvgPool2d(Op):
    """y[n,c] = mean of x[n,c] over all pixels. Shapes: x (N, C, H, W); y (N, C, 1, 1)."""

    operands: ClassVar = ("x",)
    family: ClassVar = "pool"

    def infer(self, x: TensorType) -> TensorType:
        check_float(x=x)
        image_sizes(x)
        return x.with_shape((*x.shape[:2], 1, 1))

    def evaluate(self, x: Array) -> Array:
        y: Array = np.mean(x, axis=(2, 3), keepdims=True)
        return y

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        x = node.inputs[0]
        h, w = image_sizes(x.type)
        return [BroadcastTo(x.shape)(dy / (h * w))]

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return per_item(inputs, (0,), (0, 1))
