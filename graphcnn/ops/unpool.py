"""Max unpooling: values put back where max pooling found them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from graphcnn.errors import DataError, GraphError
from graphcnn.ir.batch import Batches, Rule, Types, per_item
from graphcnn.ir.geometry import Pair
from graphcnn.ir.node import Array, Node, Op, Value
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.parts.checks import channels, check_float, image_sizes


def _check_indices(indices: TensorType) -> None:
    if indices.dtype is not DType.INT64:
        raise GraphError(f"indices must be of type i64, found {indices}")


def _places(indices: Array, size: Pair) -> Array:
    """The indices, row by row of (N·C, places). Raises `DataError` where one is out of range."""
    area = size[0] * size[1]
    wrong = (indices < 0) | (indices >= area)
    if wrong.any():
        at = tuple(map(int, np.argwhere(wrong)[0]))
        raise DataError(
            f"the index at (n, c, row, column) = {at} is {indices[at]}; an image of "
            f"{size[0]} by {size[1]} has the places 0 to {area - 1}"
        )
    return indices.reshape(indices.shape[0] * indices.shape[1], -1)


@dataclass(frozen=True)
class MaxUnpool2d(Op):
    """y = zeros, plus x[n,c,i,j] at the place indices[n,c,i,j] = row·W + column of y[n,c].

    Shapes: x (N, C, h, w), indices int64 of the same shape, `size` (H, W); y (N, C, H, W). Where
    one place is named several times, as by overlapping windows, the values are summed: that makes
    the operator linear and `max_unpool2d_grad` its transpose.
    """

    size: Pair = (1, 1)

    operands: ClassVar = ("x", "indices")
    family: ClassVar = "pool"
    integral: ClassVar[bool] = True

    def infer(self, x: TensorType, indices: TensorType) -> TensorType:
        check_float(x=x)
        _check_indices(indices)
        image_sizes(x)
        if x.shape != indices.shape:
            raise GraphError(f"x and indices must have one shape, found {x} and {indices}")
        if min(self.size) < 1:
            raise GraphError(f"size (height, width) must be at least 1, found {self.size}")
        return x.with_shape((*x.shape[:2], *self.size))

    def evaluate(self, x: Array, indices: Array) -> Array:
        y = np.zeros((*x.shape[:2], *self.size), x.dtype)
        places = _places(indices, self.size)
        images = np.arange(len(places))[:, None] * (self.size[0] * self.size[1])
        np.add.at(y.reshape(-1), (images + places).reshape(-1), x.reshape(-1))
        return y

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        return [MaxUnpool2dGrad()(dy, node.inputs[1]), None]

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return per_item(inputs, range(len(inputs)), (0, 1))


@dataclass(frozen=True)
class MaxUnpool2dGrad(Op):
    """dx[n,c,i,j] = dy[n,c] at the place indices[n,c,i,j]: reads where max unpooling writes.

    Shapes: dy (N, C, H, W), indices int64 (N, C, h, w); dx (N, C, h, w).
    """

    operands: ClassVar = ("dy", "indices")
    results: ClassVar = ("dx",)
    family: ClassVar = "pool"
    rounds: ClassVar[bool] = False

    def infer(self, dy: TensorType, indices: TensorType) -> TensorType:
        check_float(dy=dy)
        _check_indices(indices)
        channels(dy, "dy")
        channels(indices, "indices")
        if dy.shape[:2] != indices.shape[:2]:
            raise GraphError(f"dy and indices must agree in N and C, found {dy} and {indices}")
        return dy.with_shape(indices.shape)

    def evaluate(self, dy: Array, indices: Array) -> Array:
        places = _places(indices, dy.shape[2:])
        images = dy.reshape(len(places), -1)
        return np.take_along_axis(images, places, axis=1).reshape(indices.shape)

    def gradient(self, node: Node, ddx: Value) -> Sequence[Value | None]:
        dy, indices = node.inputs
        return [MaxUnpool2d(image_sizes(dy.type))(ddx, indices), None]

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return per_item(inputs, range(len(inputs)), (0, 1))
