"""Arithmetic, comparisons and activations of ONNX in our operators."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphcnn.errors import ImportModelError
from graphcnn.ir.node import Op, Value, constant_of
from graphcnn.ir.tensor_type import DType
from graphcnn.onnx.importing.context import Call, UnsupportedError, cast_to, imports, reshaped
from graphcnn.onnx.importing.known.fold import folds
from graphcnn.ops import activation, comparison, elementwise
from graphcnn.ops.activation import Elu, Gelu, HardSigmoid, LeakyRelu, Mish, PRelu, Sigmoid
from graphcnn.ops.comparison import NotEqual, Where
from graphcnn.ops.elementwise import (
    Abs,
    Div,
    Exp,
    Log,
    Maximum,
    Minimum,
    Pow,
    Quotient,
    Sign,
    Sqrt,
)
from graphcnn.ops.shape import Reshape
from graphcnn.ops.trigonometry import Atan, Cos, Sin

UNARY: dict[str, Op] = {
    "Neg": elementwise.Neg(), "Exp": elementwise.Exp(), "Log": elementwise.Log(),
    "Sqrt": elementwise.Sqrt(), "Abs": elementwise.Abs(), "Sign": elementwise.Sign(),
    "Erf": elementwise.Erf(), "Sigmoid": activation.Sigmoid(),
    "Tanh": activation.Tanh(), "Softplus": activation.Softplus(),
    "HardSwish": activation.HardSwish(), "Not": comparison.Not(), "Floor": elementwise.Floor(),
    "Ceil": elementwise.Ceil(), "Round": elementwise.Round(), "Sin": Sin(),
    "Cos": Cos(), "Atan": Atan(),
}  # fmt: skip

BINARY: dict[str, Op] = {
    "Add": elementwise.Add(), "Sub": elementwise.Sub(), "Mul": elementwise.Mul(),
    "And": comparison.And(), "Or": comparison.Or(), "Xor": comparison.NotEqual(),
    "Equal": comparison.Equal(), "Less": comparison.Less(), "Greater": comparison.Greater(),
    "LessOrEqual": comparison.LessEqual(), "GreaterOrEqual": comparison.GreaterEqual(),
}  # fmt: skip


def _unary(name: str, op: Op) -> None:
    @imports(name)
    def rule(call: Call) -> Value:
        return op(call.value(0))


def _binary(name: str, op: Op) -> None:
    @imports(name)
    def rule(call: Call) -> Value:
        return op(*operands(call))


for _name, _op in UNARY.items():
    _unary(_name, _op)
for _name, _op in BINARY.items():
    _binary(_name, _op)


@imports("Relu")
def relu(call: Call) -> Value:
    """Of integers, the larger of x and 0."""
    x = call.value(0)
    if x.dtype.is_float:
        return activation.Relu()(x)
    return elementwise.Maximum()(x, constant_of(0, x.dtype))


def operands(call: Call) -> tuple[Value, Value]:
    """Both inputs. In opset 6, b is a part of a's shape, beginning at `axis`, if `broadcast`."""
    a, b = call.value(0), call.value(1)
    if call.opset < 7 and call.attribute("broadcast", 0):
        rank = a.type.rank
        start = call.axis(call.attribute("axis", rank - b.type.rank), rank + 1)
        behind = rank - start - b.type.rank
        if behind < 0:
            raise ImportModelError(f"axis {start} leaves no room for b {b.type} in a {a.type}")
        b = reshaped(b, (*b.shape, *(1,) * behind))
    return a, b


@imports("Div")
def div(call: Call) -> Value:
    """Quotients of integers are cut towards 0."""
    a, b = operands(call)
    return Div()(a, b) if a.dtype.is_float else Quotient()(a, b)


@imports("Pow")
def pow_(call: Call) -> Value:
    """The exponent may be of another type; the result has that of the base."""
    a, b = operands(call)
    if not a.dtype.is_float and b.dtype.is_float:
        return cast_to(Pow()(cast_to(a, DType.FLOAT64), cast_to(b, DType.FLOAT64)), a.dtype)
    return Pow()(a, cast_to(b, a.dtype))


def _variadic(name: str, op: Op, mean: bool = False) -> None:
    @imports(name)
    def rule(call: Call) -> Value:
        values = call.values()
        if not values:
            raise ImportModelError("expected at least one input")
        y = values[0]
        for value in values[1:]:
            y = op(y, value)
        return y / len(values) if mean and len(values) > 1 else y


_variadic("Max", elementwise.Maximum())
_variadic("Min", elementwise.Minimum())
_variadic("Sum", elementwise.Add())
_variadic("Mean", elementwise.Add(), mean=True)


@imports("Where")
def where(call: Call) -> Value:
    return Where()(call.value(0), call.value(1), call.value(2))


@imports("Reciprocal")
def reciprocal(call: Call) -> Value:
    return 1.0 / call.value(0)


@imports("IsNaN")
def is_nan(call: Call) -> Value:
    return NotEqual()(call.value(0), call.value(0))


@imports("IsInf")
def is_inf(call: Call) -> Value:
    x = call.value(0)
    infinite = call.like(math.inf, x)
    if not call.attribute("detect_negative", 1):
        return comparison.Equal()(x, infinite)
    if not call.attribute("detect_positive", 1):
        return comparison.Equal()(-x, infinite)
    return comparison.Equal()(Abs()(x), infinite)


@imports("Clip")
def clip(call: Call) -> Value:
    """Bounds were attributes until opset 11. Where they cross, the upper one wins."""
    y = call.value(0)
    for index, key, op in ((1, "min", Maximum()), (2, "max", Minimum())):
        if call.has(index):
            y = op(y, call.value(index))
        elif call.opset < 11 and key in call.attributes:
            y = op(y, call.like(call.attributes[key], y))
    return y


# Activations


def _activation(name: str, make: Callable[[Call], Op]) -> None:
    @imports(name)
    def rule(call: Call) -> Value:
        return make(call)(call.value(0))


_activation("LeakyRelu", lambda c: LeakyRelu(c.attribute("alpha", 0.01)))
_activation("Elu", lambda c: Elu(c.attribute("alpha", 1.0)))
_activation(
    "HardSigmoid", lambda c: HardSigmoid(c.attribute("alpha", 0.2), c.attribute("beta", 0.5))
)
_activation("Mish", lambda c: Mish())
_activation("Gelu", lambda c: Gelu(c.attribute("approximate", "none")))


@imports("Selu")
def selu(call: Call) -> Value:
    alpha = float(call.attribute("alpha", 1.67326319217681884765625))
    gamma = float(call.attribute("gamma", 1.05070102214813232421875))
    return Elu(alpha)(call.value(0)) * gamma


@imports("Celu")
def celu(call: Call) -> Value:
    """max(x, 0) + min(0, alpha·(e^(x/alpha) - 1)), which is alpha·elu(x/alpha)."""
    alpha = float(call.attribute("alpha", 1.0))
    return Elu(1.0)(call.value(0) / alpha) * alpha


@imports("Softsign")
def softsign(call: Call) -> Value:
    x = call.value(0)
    return x / (Abs()(x) + 1.0)


@imports("Swish")
def swish(call: Call) -> Value:
    x, alpha = call.value(0), call.attribute("alpha", 1.0)
    return x * Sigmoid()(x if alpha == 1.0 else x * alpha)


@imports("ThresholdedRelu")
def thresholded_relu(call: Call) -> Value:
    x = call.value(0)
    return Where()(x > call.attribute("alpha", 1.0), x, call.like(0, x))


@imports("Shrink")
def shrink(call: Call) -> Value:
    x, bias, lambd = call.value(0), call.attribute("bias", 0.0), call.attribute("lambd", 0.5)
    zero = call.like(0, x)
    return Where()(x < -lambd, x + bias, Where()(x > lambd, x - bias, zero))


@imports("PRelu")
def prelu(call: Call) -> Value:
    """x where x > 0, else slope·x. Before opset 7, one slope per channel (axis 1); since then one
    per column, where it has one axis."""
    x, slope = call.value(0), call.value(1)
    shape, rank = slope.shape, x.type.rank
    if not x.dtype.is_float:
        return Where()(x > 0, x, x * slope)
    if call.opset >= 7 and len(shape) == 1 and shape != (1,) and rank > 2:
        return PRelu()(x, reshaped(slope, (1, *shape)))
    if len(shape) == rank - 1 > 1 and shape == (x.shape[1], *(1,) * (rank - 2)):  # per channel
        (given,) = slope.node.inputs if isinstance(slope.node.op, Reshape) else (slope,)
        slope = given if given.shape == shape[:1] else reshaped(slope, shape[:1])
    return PRelu()(x, slope)


def _of_float(name: str, function: Callable[[Value], Value]) -> None:
    @imports(name)
    def rule(call: Call) -> Value:
        return function(call.value(0))


_of_float("Tan", lambda x: Sin()(x) / Cos()(x))
_of_float("Asin", lambda x: Atan()(x / Sqrt()((1.0 - x) * (x + 1.0))))
_of_float("Acos", lambda x: Atan()(Sqrt()((1.0 - x) / (x + 1.0))) * 2.0)
_of_float("Asinh", lambda x: Sign()(x) * Log()(Abs()(x) + Sqrt()(x * x + 1.0)))
_of_float("Acosh", lambda x: Log()(x + Sqrt()((x - 1.0) * (x + 1.0))))
_of_float("Sinh", lambda x: (Exp()(x) - Exp()(-x)) * 0.5)
_of_float("Cosh", lambda x: (Exp()(x) + Exp()(-x)) * 0.5)
_of_float("Atanh", lambda x: Log()((x + 1.0) / (1.0 - x)) * 0.5)


@imports("Trilu")
def trilu(call: Call) -> Value:
    """Products with a mask of zeros and ones would keep NaN: chosen by a constant mask."""
    x = call.value(0)
    k = int(call.scalar(1, "k")) if call.has(1) else 0
    rows, columns = x.shape[-2:]
    if not isinstance(rows, int) or not isinstance(columns, int):
        raise UnsupportedError(f"a triangle of {x.type} needs known sizes")
    k = max(-rows, min(columns, k))
    ones: Any = np.ones((rows, columns), bool)
    mask: Any = np.triu(ones, k) if call.attribute("upper", 1) else np.tril(ones, k)
    return Where()(constant_of(mask, DType.BOOL), x, call.like(0, x))


@folds("Trilu")
def _trilu(call: Call, arrays: list[Any]) -> Any:
    k = 0 if len(arrays) < 2 or arrays[1] is None else int(arrays[1].reshape(()))
    return (np.triu if call.attribute("upper", 1) else np.tril)(arrays[0], k)
