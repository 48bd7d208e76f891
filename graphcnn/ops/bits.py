"""Integers as rows of bits, two's complement where they have a sign. Operands broadcast."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from graphcnn.ir.node import Array, Op
from graphcnn.ir.tensor_type import TensorType
from graphcnn.ops.broadcast import broadcast_type
from graphcnn.ops.parts.checks import check_integer


@dataclass(frozen=True)
class _Bits(Op):
    """Of two integers of one type; there is nothing to differentiate by."""

    operands: ClassVar = ("a", "b")
    elementwise: ClassVar[bool] = True
    piecewise_constant: ClassVar[bool] = True
    family: ClassVar = "arithmetic"

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        check_integer(a=a, b=b)
        return broadcast_type(a=a, b=b)


@dataclass(frozen=True)
class BitAnd(_Bits):
    """The bits that a and b both have."""

    commutative: ClassVar[bool] = True
    idempotent: ClassVar[bool] = True
    annihilators: ClassVar = ((0,), (1,))

    def evaluate(self, a: Array, b: Array) -> Array:
        return np.bitwise_and(a, b)


@dataclass(frozen=True)
class BitOr(_Bits):
    """The bits that a or b or both have."""

    commutative: ClassVar[bool] = True
    idempotent: ClassVar[bool] = True

    def evaluate(self, a: Array, b: Array) -> Array:
        return np.bitwise_or(a, b)


@dataclass(frozen=True)
class BitXor(_Bits):
    """The bits that either a or b has, but not both."""

    commutative: ClassVar[bool] = True

    def evaluate(self, a: Array, b: Array) -> Array:
        return np.bitwise_xor(a, b)


@dataclass(frozen=True)
class BitShift(_Bits):
    """The bits of a moved by b places, to the `left` (a·2^b, wrapped around) or right (⌊a / 2^b⌋).

    A count that is negative, or not less than the bits of the type, moves all of them out: what
    is left is 0 or, to the right of a negative number, -1. C leaves that open; NumPy and ONNX
    Runtime have these numbers.
    """

    left: bool = True

    annihilators: ClassVar = ((0,),)

    def evaluate(self, a: Array, b: Array) -> Array:
        return (np.left_shift if self.left else np.right_shift)(a, b)
