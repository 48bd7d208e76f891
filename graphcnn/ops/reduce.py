"""Reductions over axes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from graphcnn.batch import MEAN, SUM, Batch, Batches, Rule, Types, mixed
from graphcnn.errors import GraphError
from graphcnn.ir import Array, Node, Op, Value, constant_of
from graphcnn.ops.broadcast import BroadcastTo
from graphcnn.ops.checks import check_float, check_number
from graphcnn.ops.comparison import Equal, Where
from graphcnn.ops.elementwise import Cast
from graphcnn.ops.shape import ElementCount, Reshape
from graphcnn.tensor_type import DType, Shape, TensorType


@dataclass(frozen=True)
class _Reduction(Op):
    """`axes` are sorted, distinct and not negative; `keepdims` leaves them with size 1."""

    axes: tuple[int, ...] = ()
    keepdims: bool = False

    operands: ClassVar = ("x",)
    #: What a reduction over the items gives, and whether it keeps sums and means what they are.
    over_items: ClassVar[Batch] = mixed("reduces over the items of the batch")
    is_linear: ClassVar[bool] = False

    def infer(self, x: TensorType) -> TensorType:
        check_number(x=x)
        if list(self.axes) != sorted(set(self.axes)) or any(not 0 <= a < x.rank for a in self.axes):
            raise GraphError(f"axes {self.axes} must be distinct axes of {x}, in order")
        return x.with_shape(_reduced(x.shape, self.axes, self.keepdims))

    def restored(self, value: Value, shape: Shape) -> Value:
        """`value`, of the result's shape, with the reduced axes of `shape` as axes of size 1."""
        kept = _reduced(shape, self.axes, True)
        return value if value.shape == kept else Reshape(kept)(value)

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        (x,) = inputs
        if not x.is_items:
            return x if self.is_linear else mixed(f"computes with a {x.kind} over the batch")
        return self.over_items if x.axis in self.axes else _kept(x, self.axes, self.keepdims)


def _reduced(shape: Shape, axes: tuple[int, ...], keepdims: bool) -> Shape:
    """`shape` with size 1 at `axes`, or without them."""
    if keepdims:
        return tuple(1 if a in axes else d for a, d in enumerate(shape))
    return tuple(d for a, d in enumerate(shape) if a not in axes)


def _kept(x: Batch, axes: tuple[int, ...], keepdims: bool) -> Batch:
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


@dataclass(frozen=True)
class Sum(_Reduction):
    """y = sum of x over `axes`. Integers wrap around; floats are added up in float64."""

    over_items: ClassVar = SUM
    is_linear: ClassVar = True

    def evaluate(self, x: Array) -> Array:
        return summed(x, self.axes, self.keepdims)

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        shape = node.inputs[0].shape
        return [BroadcastTo(shape)(self.restored(dy, shape))]


@dataclass(frozen=True)
class Prod(_Reduction):
    """y = product of x over `axes`. Integers wrap around.

    The gradient is right where elements are 0, too; that of the gradient is not.
    """

    def evaluate(self, x: Array) -> Array:
        return np.asarray(np.prod(x, axis=self.axes, keepdims=self.keepdims, dtype=x.dtype))

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        """The product of the others: y / x, but where x is the only 0 that of all else."""
        x = node.inputs[0]
        zero, one = constant_of(0.0, x.dtype), constant_of(1.0, x.dtype)
        absent = Equal()(x, zero)
        safe = Where()(absent, one, x)
        others = Prod(self.axes, keepdims=True)(safe)
        zeros = Sum(self.axes, keepdims=True)(Where()(absent, one, zero))
        alone = Where()(absent, Equal()(zeros, one), Equal()(zeros, zero))
        return [self.restored(dy, x.shape) * Where()(alone, others / safe, zero)]


@dataclass(frozen=True)
class Mean(_Reduction):
    """y = sum of x over `axes`, added up in float64, divided by their number of elements."""

    over_items: ClassVar = MEAN
    is_linear: ClassVar = True

    def infer(self, x: TensorType) -> TensorType:
        check_float(x=x)
        return super().infer(x)

    def evaluate(self, x: Array) -> Array:
        return averaged(x, self.axes, self.keepdims)

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        shape = node.inputs[0].shape
        count = ElementCount(tuple(shape[a] for a in self.axes), dy.dtype)()
        return [BroadcastTo(shape)(self.restored(dy / count, shape))]


@dataclass(frozen=True)
class Max(_Reduction):
    """y = largest element of x over `axes`; NaN wins. Equal maxima share the gradient equally."""

    def evaluate(self, x: Array) -> Array:
        return np.asarray(np.max(x, axis=self.axes, keepdims=self.keepdims))

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        x = node.inputs[0]
        one = Cast(dy.dtype)(Equal()(x, self.restored(node.output, x.shape)))
        share = self.restored(dy, x.shape) / Sum(self.axes, keepdims=True)(one)
        return [one * share]


@dataclass(frozen=True)
class ArgMax(Op):
    """Position (i64) of the largest element along `axis`: the first of equal ones; NaN wins."""

    axis: int = 0
    keepdims: bool = False

    name: ClassVar = "argmax"
    operands: ClassVar = ("x",)
    piecewise_constant: ClassVar[bool] = True

    def infer(self, x: TensorType) -> TensorType:
        check_number(x=x)
        if not 0 <= self.axis < x.rank:
            raise GraphError(f"axis {self.axis} must be an axis of {x}")
        shape = _reduced(x.shape, (self.axis,), self.keepdims)
        return x.with_shape(shape).with_dtype(DType.INT64)

    def evaluate(self, x: Array) -> Array:
        return np.asarray(np.argmax(x, axis=self.axis, keepdims=self.keepdims), np.int64)

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        (x,) = inputs
        if not x.is_items:
            return mixed(f"computes with a {x.kind} over the batch")
        if x.axis == self.axis:
            return mixed("finds the largest among the items of the batch")
        return _kept(x, (self.axis,), self.keepdims)
