"""Comparisons, logic and choice. Operands broadcast by the rule of NumPy."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import ClassVar

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.node import Array, Node, Op, Value, constant_of
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.broadcast import broadcast_type, unbroadcast
from graphcnn.ops.parts.checks import check_float, check_number


@dataclass(frozen=True)
class _Comparison(Op):
    operands: ClassVar = ("a", "b")
    elementwise: ClassVar[bool] = True
    piecewise_constant: ClassVar[bool] = True
    of_numbers: ClassVar[bool] = True
    family: ClassVar = "arithmetic"

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        if self.of_numbers:
            check_number(a=a, b=b)
        return broadcast_type(a=a, b=b).with_dtype(DType.BOOL)


@dataclass(frozen=True)
class Equal(_Comparison):
    """a = b, bool. NaN equals nothing, not even itself."""

    of_numbers: ClassVar[bool] = False
    commutative: ClassVar[bool] = True

    def evaluate(self, a: Array, b: Array) -> Array:
        return np.equal(a, b)


@dataclass(frozen=True)
class NotEqual(_Comparison):
    """a ≠ b, bool."""

    of_numbers: ClassVar[bool] = False
    commutative: ClassVar[bool] = True

    def evaluate(self, a: Array, b: Array) -> Array:
        return np.not_equal(a, b)


@dataclass(frozen=True)
class Less(_Comparison):
    """a < b, bool."""

    monotone: ClassVar = (-1, 1)

    def evaluate(self, a: Array, b: Array) -> Array:
        return np.less(a, b)


@dataclass(frozen=True)
class LessEqual(_Comparison):
    """a ≤ b, bool."""

    monotone: ClassVar = (-1, 1)

    def evaluate(self, a: Array, b: Array) -> Array:
        return np.less_equal(a, b)


@dataclass(frozen=True)
class Greater(_Comparison):
    """a > b, bool."""

    monotone: ClassVar = (1, -1)

    def evaluate(self, a: Array, b: Array) -> Array:
        return np.greater(a, b)


@dataclass(frozen=True)
class GreaterEqual(_Comparison):
    """a ≥ b, bool."""

    monotone: ClassVar = (1, -1)

    def evaluate(self, a: Array, b: Array) -> Array:
        return np.greater_equal(a, b)


@dataclass(frozen=True)
class _Logic(Op):
    operands: ClassVar[tuple[str, ...]] = ("a", "b")
    elementwise: ClassVar[bool] = True
    piecewise_constant: ClassVar[bool] = True
    family: ClassVar = "arithmetic"

    def infer(self, *operands: TensorType) -> TensorType:
        named = dict(zip(self.operands, operands, strict=True))
        _check_bool(**named)
        return broadcast_type(**named)


@dataclass(frozen=True)
class And(_Logic):
    """Whether a and b both hold."""

    commutative: ClassVar[bool] = True
    idempotent: ClassVar[bool] = True
    monotone: ClassVar = (1, 1)
    annihilators: ClassVar = ((0,), (1,))

    def evaluate(self, a: Array, b: Array) -> Array:
        return np.logical_and(a, b)


@dataclass(frozen=True)
class Or(_Logic):
    """Whether a or b or both hold."""

    commutative: ClassVar[bool] = True
    idempotent: ClassVar[bool] = True
    monotone: ClassVar = (1, 1)

    def evaluate(self, a: Array, b: Array) -> Array:
        return np.logical_or(a, b)


@dataclass(frozen=True)
class Not(_Logic):
    """Whether x does not hold."""

    operands: ClassVar = ("x",)
    involution: ClassVar[bool] = True
    monotone: ClassVar = (-1,)

    def evaluate(self, x: Array) -> Array:
        return np.logical_not(x)


@dataclass(frozen=True)
class Where(Op):
    """a where the condition (bool) holds, else b. The three broadcast together.

    The branch not taken has no influence, whatever it holds: NaN and inf included.
    """

    operands: ClassVar = ("condition", "a", "b")
    elementwise: ClassVar[bool] = True
    family: ClassVar = "arithmetic"
    monotone: ClassVar = (0, 1, 1)
    annihilators: ClassVar = ((0, 2), (1, 2))
    rounds: ClassVar[bool] = False

    def infer(self, condition: TensorType, a: TensorType, b: TensorType) -> TensorType:
        _check_bool(condition=condition)
        chosen = broadcast_type(a=a, b=b)
        like = condition.with_dtype(a.dtype)
        return chosen if like == chosen else broadcast_type(condition=like, a=a, b=b)

    def evaluate(self, condition: Array, a: Array, b: Array) -> Array:
        return np.where(condition, a, b)

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        condition, a, b = node.inputs
        zero = constant_of(0.0, dy.dtype)
        da, db = Where()(condition, dy, zero), Where()(condition, zero, dy)
        return [None, unbroadcast(da, a.shape), unbroadcast(db, b.shape)]


@dataclass(frozen=True)
class Clip(Op):
    """y = x, but `low` where x is less and `high` where it is more; NaN stays.

    dx = dy from low to high, both of them included, else 0.
    """

    low: float = -math.inf
    high: float = math.inf

    operands: ClassVar = ("x",)
    elementwise: ClassVar[bool] = True
    family: ClassVar = "arithmetic"
    idempotent: ClassVar[bool] = True
    monotone: ClassVar = (1,)
    rounds: ClassVar[bool] = False

    def infer(self, x: TensorType) -> TensorType:
        check_float(x=x)
        if not self.low <= self.high:
            raise GraphError(f"low must be at most high, found {self.low} and {self.high}")
        return x

    def evaluate(self, x: Array) -> Array:
        return np.clip(x, self.low, self.high)

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        (x,) = node.inputs
        inside = [x >= self.low] if self.low > -math.inf else []
        inside += [x <= self.high] if self.high < math.inf else []
        return [masked(reduce(And(), inside), dy) if inside else dy]


def masked(condition: Value, x: Value) -> Value:
    """x where the condition holds, else 0."""
    return Where()(condition, x, constant_of(0.0, x.dtype))


def _check_bool(**operands: TensorType) -> None:
    for name, t in operands.items():
        if t.dtype is not DType.BOOL:
            raise GraphError(f"{name} must be bool, found {t}; compare it with something first")
