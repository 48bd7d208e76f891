"""Arithmetic and functions of single elements. Two operands broadcast by the rule of NumPy."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from graphcnn.ir.batch import MEAN, Batches, Kind, Rule, Types, elementwise, linear, scaled
from graphcnn.ir.casting import converted
from graphcnn.ir.node import Array, Node, Op, Value, constant_of
from graphcnn.ir.sources import Constant
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.broadcast import broadcast_type, unbroadcast
from graphcnn.ops.comparison import Equal, GreaterEqual, Where
from graphcnn.ops.parts.checks import check_float, check_integer, check_number
from graphcnn.ops.parts.erf import erf


@dataclass(frozen=True)
class _Binary(Op):
    """`partials` gives the two cotangents in the broadcast shape."""

    operands: ClassVar = ("a", "b")
    elementwise: ClassVar[bool] = True
    of_floats: ClassVar[bool] = False
    family: ClassVar = "arithmetic"

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        (check_float if self.of_floats else check_number)(a=a, b=b)
        return broadcast_type(a=a, b=b)

    def partials(self, node: Node, dy: Value) -> Sequence[Value | None]:
        raise NotImplementedError

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        parts = zip(node.inputs, self.partials(node, dy), strict=True)
        return [None if part is None else unbroadcast(part, x.shape) for x, part in parts]


@dataclass(frozen=True)
class Add(_Binary):
    """a + b."""

    commutative: ClassVar[bool] = True
    monotone: ClassVar = (1, 1)
    integral: ClassVar[bool] = True

    def evaluate(self, a: Array, b: Array) -> Array:
        return np.add(a, b)

    def partials(self, node: Node, dy: Value) -> Sequence[Value | None]:
        return [dy, dy]

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return linear(inputs) or elementwise(inputs, types, results[0].rank)


@dataclass(frozen=True)
class Sub(_Binary):
    """a - b."""

    monotone: ClassVar = (1, -1)
    integral: ClassVar[bool] = True

    def evaluate(self, a: Array, b: Array) -> Array:
        return np.subtract(a, b)

    def partials(self, node: Node, dy: Value) -> Sequence[Value | None]:
        return [dy, -dy]

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return linear(inputs) or elementwise(inputs, types, results[0].rank)


@dataclass(frozen=True)
class Mul(_Binary):
    """a · b."""

    commutative: ClassVar[bool] = True
    annihilators: ClassVar = ((0,), (1,))
    integral: ClassVar[bool] = True

    def evaluate(self, a: Array, b: Array) -> Array:
        return np.multiply(a, b)

    def partials(self, node: Node, dy: Value) -> Sequence[Value | None]:
        a, b = node.inputs
        return [dy * b, dy * a]

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return scaled(inputs) or elementwise(inputs, types, results[0].rank)


@dataclass(frozen=True)
class Div(_Binary):
    """a / b; division by 0 gives ±inf or NaN."""

    of_floats: ClassVar[bool] = True
    annihilators: ClassVar = ((0,),)

    def evaluate(self, a: Array, b: Array) -> Array:
        return np.divide(a, b)

    def partials(self, node: Node, dy: Value) -> Sequence[Value | None]:
        da = dy / node.inputs[1]
        return [da, -(da * node.output)]

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        a, b = inputs
        if a.kind is Kind.SUM and b.kind is Kind.COUNT:
            return MEAN
        return (b.is_fixed and scaled(inputs)) or elementwise(inputs, types, results[0].rank)


@dataclass(frozen=True)
class Quotient(_Binary):
    """The whole part of a / b for integers: 7 by -2 is -3, and division by 0 gives 0.

    The least number by -1 is itself, as all that does not fit wraps around.
    """

    piecewise_constant: ClassVar[bool] = True
    annihilators: ClassVar = ((0,), (1,))

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        check_integer(a=a, b=b)
        return broadcast_type(a=a, b=b)

    def evaluate(self, a: Array, b: Array) -> Array:
        floor = np.floor_divide(a, b)
        rest = a - floor * b
        return np.where(b == 0, 0, floor + ((rest != 0) & ((a < 0) != (b < 0)))).astype(a.dtype)


@dataclass(frozen=True)
class Remainder(_Binary):
    """What a division leaves: a - b·⌊a / b⌋ with the sign of b, or, `truncated`, that of a.

    By 0 it is NaN for floats and 0 for integers. The derivative by b, the negative quotient, is
    left out where the quotient jumps.
    """

    truncated: bool = False

    annihilators: ClassVar = ((0,),)
    integral: ClassVar[bool] = True

    def evaluate(self, a: Array, b: Array) -> Array:
        return (np.fmod if self.truncated else np.remainder)(a, b)

    def partials(self, node: Node, dy: Value) -> Sequence[Value | None]:
        a, b = node.inputs
        return [dy, -(dy * Round()((a - node.output) / b))]


@dataclass(frozen=True)
class Pow(_Binary):
    """a to the power b. A negative a with a fractional b gives NaN.

    Integers wrap around; to a negative power they give the whole part. The derivative by b,
    y·log(a), exists for a > 0; it is 0 elsewhere.
    """

    def evaluate(self, a: Array, b: Array) -> Array:
        if a.dtype.kind not in "iu":
            return np.power(a, b)
        whole = np.power(a, np.maximum(b, 0))
        unit = np.where(b % 2 != 0, a, 1)  # of 1 and -1, which alone have inverses
        return np.where(b >= 0, whole, np.where(np.abs(a) == 1, unit, 0)).astype(a.dtype)

    def partials(self, node: Node, dy: Value) -> Sequence[Value | None]:
        a, b = node.inputs
        one = constant_of(1.0, dy.dtype)
        if isinstance(b.node.op, Constant):
            exponent = b.node.op.array
            lower = constant_of(np.where(exponent == 0, 1, exponent - 1), dy.dtype)
            return [dy * b * Pow()(a, lower), None]
        # b·a^(b-1) is 0 for b = 0, even where a^(-1) is infinite.
        lower = Where()(Equal()(b, constant_of(0.0, dy.dtype)), one, b - 1.0)
        log = Log()(Where()(a > 0.0, a, one))
        return [dy * b * Pow()(a, lower), dy * node.output * log]


@dataclass(frozen=True)
class Maximum(_Binary):
    """The larger of a and b; NaN wins. Where they are equal the gradient goes to a."""

    idempotent: ClassVar[bool] = True
    monotone: ClassVar = (1, 1)
    rounds: ClassVar[bool] = False

    def evaluate(self, a: Array, b: Array) -> Array:
        return np.maximum(a, b)

    def partials(self, node: Node, dy: Value) -> Sequence[Value | None]:
        return _split(GreaterEqual()(*node.inputs), dy)


@dataclass(frozen=True)
class Minimum(_Binary):
    """The smaller of a and b; NaN wins. Where they are equal the gradient goes to a."""

    idempotent: ClassVar[bool] = True
    monotone: ClassVar = (1, 1)
    rounds: ClassVar[bool] = False

    def evaluate(self, a: Array, b: Array) -> Array:
        return np.minimum(a, b)

    def partials(self, node: Node, dy: Value) -> Sequence[Value | None]:
        return _split(GreaterEqual()(*node.inputs[::-1]), dy)


def _split(condition: Value, dy: Value) -> tuple[Value, Value]:
    zero = constant_of(0.0, dy.dtype)
    return Where()(condition, dy, zero), Where()(condition, zero, dy)


@dataclass(frozen=True)
class _Unary(Op):
    operands: ClassVar = ("x",)
    elementwise: ClassVar[bool] = True
    of_floats: ClassVar[bool] = True
    family: ClassVar = "arithmetic"

    def infer(self, x: TensorType) -> TensorType:
        (check_float if self.of_floats else check_number)(x=x)
        return x


@dataclass(frozen=True)
class Neg(_Unary):
    """-x."""

    of_floats: ClassVar[bool] = False
    involution: ClassVar[bool] = True
    monotone: ClassVar = (-1,)
    rounds: ClassVar[bool] = False

    def evaluate(self, x: Array) -> Array:
        return np.negative(x)

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        return [-dy]

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return linear(inputs) or elementwise(inputs, types, results[0].rank)


@dataclass(frozen=True)
class Exp(_Unary):
    """e to the power x; inf where it is too large for the element type."""

    monotone: ClassVar = (1,)

    def evaluate(self, x: Array) -> Array:
        return np.exp(x)

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        return [dy * node.output]


@dataclass(frozen=True)
class Log(_Unary):
    """Natural logarithm: -inf at 0, NaN below."""

    monotone: ClassVar = (1,)

    def evaluate(self, x: Array) -> Array:
        return np.log(x)

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        return [dy / node.inputs[0]]


@dataclass(frozen=True)
class Sqrt(_Unary):
    """√x: NaN below 0. The derivative 1 / (2 √x) is infinite at 0."""

    monotone: ClassVar = (1,)

    def evaluate(self, x: Array) -> Array:
        return np.sqrt(x)

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        return [dy * 0.5 / node.output]


@dataclass(frozen=True)
class Abs(_Unary):
    """|x|, with the derivative 0 at 0."""

    of_floats: ClassVar[bool] = False
    idempotent: ClassVar[bool] = True
    rounds: ClassVar[bool] = False

    def evaluate(self, x: Array) -> Array:
        return np.abs(x)

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        return [dy * Sign()(node.inputs[0])]


@dataclass(frozen=True)
class _Step(_Unary):
    """A function with steps, whose values are whole numbers that it leaves as they are."""

    piecewise_constant: ClassVar[bool] = True
    idempotent: ClassVar[bool] = True
    monotone: ClassVar = (1,)
    rounds: ClassVar[bool] = False


@dataclass(frozen=True)
class Sign(_Step):
    """-1, 0 or 1."""

    of_floats: ClassVar[bool] = False

    def evaluate(self, x: Array) -> Array:
        return np.sign(x)


@dataclass(frozen=True)
class Erf(_Unary):
    """The error function, 2/√π times the integral of exp(-t²) from 0 to x."""

    monotone: ClassVar = (1,)

    def evaluate(self, x: Array) -> Array:
        return erf(x)

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        x = node.inputs[0]
        return [dy * (2.0 / math.sqrt(math.pi)) * Exp()(-(x * x))]


@dataclass(frozen=True)
class Floor(_Step):
    """The largest whole number that is at most x."""

    def evaluate(self, x: Array) -> Array:
        return np.floor(x)


@dataclass(frozen=True)
class Ceil(_Step):
    """The smallest whole number that is at least x."""

    def evaluate(self, x: Array) -> Array:
        return np.ceil(x)


@dataclass(frozen=True)
class Round(_Step):
    """The nearest whole number; of two equally near ones the even one."""

    def evaluate(self, x: Array) -> Array:
        return np.rint(x)


@dataclass(frozen=True)
class Cast(_Unary):
    """x as another element type, the same on every processor.

    To bool: x ≠ 0 (true for NaN). To a float: the nearest number, the even of two; what is too
    large becomes infinity, or NaN in types without it, or the largest number in f4e2m1fn, which
    has neither (NaN becomes 0). Integers lose the bits that are too high for an integer type.
    Floats are cut towards 0 to whole numbers of 64 bits for i64 and u32, of 32 bits for shorter
    types and i32; NaN, infinity and what such a number does not hold become the least one, and of
    all the bits too high for the type are lost; u64 is read as 2^63 + (x - 2^63) from 2^63 on. So
    -1 is 255 as u8. C leaves this open; ONNX Runtime has these numbers on x86 where it is at one.
    """

    dtype: DType = DType.FLOAT32

    idempotent: ClassVar[bool] = True
    integral: ClassVar[bool] = True

    def infer(self, x: TensorType) -> TensorType:
        return x.with_dtype(self.dtype)

    def evaluate(self, x: Array) -> Array:
        return converted(x, self.dtype)

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        kind = node.inputs[0].dtype
        return [Cast(kind)(dy) if kind.is_float and self.dtype.is_float else None]

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        (x,) = types
        wider = x.dtype.is_float and self.dtype.is_float and x.dtype.bits <= self.dtype.bits
        return (linear(inputs) if wider else None) or elementwise(inputs, types, x.rank)


def as_type(x: Value, dtype: DType) -> Value:
    """x itself if it is of that element type, else cast."""
    return x if x.dtype is dtype else Cast(dtype)(x)
