"""Softmax and its logarithm, along one axis."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.batch import Batches, Rule, Types, per_item
from graphcnn.ir.node import Array, Node, Op, Value
from graphcnn.ir.tensor_type import TensorType
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.elementwise import Exp
from graphcnn.ops.parts.checks import check_float


@dataclass(frozen=True)
class _AlongAxis(Op):
    axis: int = 1

    operands: ClassVar = ("x",)
    family: ClassVar = "activation"

    def infer(self, x: TensorType) -> TensorType:
        check_float(x=x)
        if not 0 <= self.axis < x.rank:
            raise GraphError(f"axis {self.axis} must be an axis of {x}")
        return x

    def total(self, x: Value) -> Value:
        return Sum((self.axis,), keepdims=True)(x)

    def shifted(self, x: Array) -> Array:
        """x with the largest element of each row at 0, so that no exponential overflows."""
        shifted: Array = x - np.max(x, axis=self.axis, keepdims=True)
        return shifted

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return per_item(inputs, (0,), [a for a in range(types[0].rank) if a != self.axis])


@dataclass(frozen=True)
class Softmax(_AlongAxis):
    """y = e^x / sum of e^x along `axis`. dx = y·(dy - sum of dy·y)."""

    def evaluate(self, x: Array) -> Array:
        e = np.exp(self.shifted(x))
        y: Array = e / np.sum(e, axis=self.axis, keepdims=True)
        return y

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        y = node.output
        return [y * (dy - self.total(dy * y))]


@dataclass(frozen=True)
class LogSoftmax(_AlongAxis):
    """y = x - log(sum of e^x along `axis`). dx = dy - e^y·(sum of dy)."""

    def evaluate(self, x: Array) -> Array:
        s = self.shifted(x)
        y: Array = s - np.log(np.sum(np.exp(s), axis=self.axis, keepdims=True))
        return y

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        return [dy - Exp()(node.output) * self.total(dy)]
