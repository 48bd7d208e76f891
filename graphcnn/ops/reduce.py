"""Reductions over axes, and over the shards of a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.batch import FIXED, MEAN, Batches, Rule, Types, mixed
from graphcnn.ir.node import Array, Node, Op, Value, constant_of
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.broadcast import BroadcastTo, Sum
from graphcnn.ops.comparison import Equal, Where
from graphcnn.ops.elementwise import Add, Cast
from graphcnn.ops.parts.checks import check_float, check_number
from graphcnn.ops.parts.reduction import _Reduction, averaged, items_kept, reduced_shape
from graphcnn.ops.parts.tree import tree_sum
from graphcnn.ops.shape import ElementCount


@dataclass(frozen=True)
class Prod(_Reduction):
    """y = product of x over `axes`. Integers wrap around.

    The gradient is right where elements are 0, too; that of the gradient is not.
    """

    integral: ClassVar[bool] = True

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

    rounds: ClassVar[bool] = False

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
    family: ClassVar = "arithmetic"
    places: ClassVar[int | None] = 0

    def infer(self, x: TensorType) -> TensorType:
        check_number(x=x)
        if not 0 <= self.axis < x.rank:
            raise GraphError(f"axis {self.axis} must be an axis of {x}")
        shape = reduced_shape(x.shape, (self.axis,), self.keepdims)
        return x.with_shape(shape).with_dtype(DType.INT64)

    def evaluate(self, x: Array) -> Array:
        return np.asarray(np.argmax(x, axis=self.axis, keepdims=self.keepdims), np.int64)

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        (x,) = inputs
        if not x.is_items:
            return mixed(f"computes with a {x.kind} over the batch")
        if x.axis == self.axis:
            return mixed("finds the largest among the items of the batch")
        return items_kept(x, (self.axis,), self.keepdims)


@dataclass(frozen=True)
class AllReduce(Op):
    """y = sum over the `shards` of a batch of each one's x, in one fixed binary tree.

    A graph with this operator is what every shard runs, each on its own part of the batch; y is
    the same for all of them. Run by itself, as `evaluate` does, it is the step in which all shards
    see the same part: ((x + x) + (x + x)) for four.

    Shapes: y as x, of any number type.
    """

    shards: int = 2

    operands: ClassVar = ("x",)
    family: ClassVar = "arithmetic"
    integral: ClassVar[bool] = True

    def infer(self, x: TensorType) -> TensorType:
        check_number(x=x)
        if self.shards < 2:
            raise GraphError(f"shards must be at least 2, found {self.shards}")
        return x

    def evaluate(self, x: Array) -> Array:
        return np.asarray(tree_sum([x] * self.shards, np.add))

    def expand(self, x: Value) -> tuple[Value, ...]:
        return (tree_sum([x] * self.shards, Add()),)

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        (x,) = inputs
        return FIXED if x.is_fixed else mixed("adds up what the shards have at equal places")
