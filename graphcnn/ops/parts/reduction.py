"""What reductions over axes share: shapes, the items of a batch, exact sums."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.batch import Batch, Batches, Rule, Types, mixed
from graphcnn.ir.node import Array, Op, Value
from graphcnn.ir.tensor_type import Shape, TensorType
from graphcnn.ops.parts.checks import check_number
from graphcnn.ops.shape import Reshape


@dataclass(frozen=True)
class _Reduction(Op):
    """`axes` are sorted, distinct and not negative; `keepdims` leaves them with size 1."""

    axes: tuple[int, ...] = ()
    keepdims: bool = False

    family: ClassVar = "arithmetic"
    operands: ClassVar = ("x",)
    #: What a reduction over the items gives, and whether it keeps sums and means what they are.
    over_items: ClassVar[Batch] = mixed("reduces over the items of the batch")
    is_linear: ClassVar[bool] = False

    def infer(self, x: TensorType) -> TensorType:
        check_number(x=x)
        if list(self.axes) != sorted(set(self.axes)) or any(not 0 <= a < x.rank for a in self.axes):
            raise GraphError(f"axes {self.axes} must be distinct axes of {x}, in order")
        return x.with_shape(reduced_shape(x.shape, self.axes, self.keepdims))

    def restored(self, value: Value, shape: Shape) -> Value:
        """`value`, of the result's shape, with the reduced axes of `shape` as axes of size 1."""
        kept = reduced_shape(shape, self.axes, True)
        return value if value.shape == kept else Reshape(kept)(value)

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        (x,) = inputs
        if not x.is_items:
            return x if self.is_linear else mixed(f"computes with a {x.kind} over the batch")
        return self.over_items if x.axis in self.axes else items_kept(x, self.axes, self.keepdims)


def reduced_shape(shape: Shape, axes: tuple[int, ...], keepdims: bool) -> Shape:
    """`shape` with size 1 at `axes`, or without them."""
    if keepdims:
        return tuple(1 if a in axes else d for a, d in enumerate(shape))
    return tuple(d for a, d in enumerate(shape) if a not in axes)


def items_kept(x: Batch, axes: tuple[int, ...], keepdims: bool) -> Batch:
    """The items of x, whose axis is none of the reduced `axes`."""
    return x if keepdims else x.at(x.axis - sum(a < x.axis for a in axes))


def summed(x: Array, axes: tuple[int, ...], keepdims: bool = False) -> Array:
    """The sum of x over `axes`, in its type; floats are added up in float64.

    Along an axis that is not the last NumPy adds one number after the other: in float32 fifty
    thousand times 0.1 is 5002.5.
    """
    kind = np.float64 if x.dtype.kind == "f" else x.dtype
    return np.asarray(np.sum(x, axis=axes, keepdims=keepdims, dtype=kind), x.dtype)


def averaged(x: Array, axes: tuple[int, ...], keepdims: bool = False) -> Array:
    """The mean of floats over `axes`, likewise."""
    return np.asarray(np.mean(x, axis=axes, keepdims=keepdims, dtype=np.float64), x.dtype)
