"""Activation functions. Each derivative is written with the output y where that suffices."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.batch import Batches, Rule, Types, elementwise
from graphcnn.ir.node import Array, Node, Op, Value, constant_of
from graphcnn.ir.tensor_type import Shape, TensorType
from graphcnn.ops.broadcast import broadcast_type, unbroadcast
from graphcnn.ops.comparison import And, Not, Where, masked
from graphcnn.ops.elementwise import Erf, Exp, Minimum
from graphcnn.ops.parts.checks import check_float
from graphcnn.ops.parts.erf import erf
from graphcnn.ops.shape import Reshape


@dataclass(frozen=True)
class _Activation(Op):
    operands: ClassVar = ("x",)
    elementwise: ClassVar[bool] = True
    family: ClassVar = "activation"

    def infer(self, x: TensorType) -> TensorType:
        check_float(x=x)
        return x


@dataclass(frozen=True)
class Relu(_Activation):
    """y = max(x, 0). dx = dy where y > 0, else 0: the derivative at 0 is 0."""

    idempotent: ClassVar[bool] = True
    monotone: ClassVar = (1,)
    rounds: ClassVar[bool] = False

    def evaluate(self, x: Array) -> Array:
        return np.maximum(x, 0)

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        return [masked(node.output > 0.0, dy)]


@dataclass(frozen=True)
class LeakyRelu(_Activation):
    """y = x where x > 0, else alpha·x. The derivative at 0 is alpha."""

    alpha: float = 0.01

    def evaluate(self, x: Array) -> Array:
        return np.where(x > 0, x, x * self.alpha)

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        return [Where()(node.inputs[0] > 0.0, dy, dy * self.alpha)]


@dataclass(frozen=True)
class PRelu(Op):
    """y = x where x > 0, else slope·x, with a slope that is learned. At 0, dx = slope·dy.

    A slope of one axis has a number for each channel, axis 1 of x (N, C, ...), or one for all. Any
    other broadcasts to x. K. He et al., arXiv:1502.01852.
    """

    operands: ClassVar = ("x", "slope")
    family: ClassVar = "activation"
    annihilators: ClassVar = ((0,),)
    integral: ClassVar[bool] = True

    def infer(self, x: TensorType, slope: TensorType) -> TensorType:
        check_float(x=x, slope=slope)
        wide = slope.with_shape(_beside(slope.shape, x.shape))
        if broadcast_type(x=x, slope=wide).shape != x.shape:
            raise GraphError(f"slope must broadcast to x, found slope {slope} and x {x}")
        return x

    def evaluate(self, x: Array, slope: Array) -> Array:
        return np.where(x > 0, x, x * slope.reshape(_beside(slope.shape, x.shape)))  # type: ignore[arg-type]

    def expand(self, x: Value, slope: Value) -> tuple[Value, ...]:
        return (Where()(x > 0.0, x, x * _beside_x(slope, x)),)

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        x, slope = node.inputs
        positive, wide = x > 0.0, _beside_x(slope, x)
        dslope = unbroadcast(masked(Not()(positive), dy * x), wide.shape)
        dslope = dslope if wide is slope else Reshape(slope.shape)(dslope)
        return [Where()(positive, dy, dy * wide), dslope]

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        x, slope = types
        wide = slope.with_shape(_beside(slope.shape, x.shape))
        return elementwise(inputs, (x, wide), x.rank)


def _beside(slope: Shape, x: Shape) -> Shape:
    """The shape of a slope in which it broadcasts to x."""
    return (*slope, *(1 for _ in x[2:])) if len(slope) == 1 else slope


def _beside_x(slope: Value, x: Value) -> Value:
    shape = _beside(slope.shape, x.shape)
    return slope if shape == slope.shape else Reshape(shape)(slope)


@dataclass(frozen=True)
class Elu(_Activation):
    """y = x where x > 0, else alpha·(e^x - 1). dx = dy where x > 0, else dy·(y + alpha)."""

    alpha: float = 1.0

    def evaluate(self, x: Array) -> Array:
        return np.where(x > 0, x, np.expm1(np.minimum(x, 0)) * self.alpha)

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        return [Where()(node.inputs[0] > 0.0, dy, dy * (node.output + self.alpha))]


@dataclass(frozen=True)
class Sigmoid(_Activation):
    """y = 1 / (1 + e^-x). dx = dy·y·(1 - y)."""

    monotone: ClassVar = (1,)

    def evaluate(self, x: Array) -> Array:
        return sigmoid(x)

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        y = node.output
        return [dy * (y * (1.0 - y))]


@dataclass(frozen=True)
class Tanh(_Activation):
    """y = tanh(x). dx = dy·(1 - y²)."""

    monotone: ClassVar = (1,)

    def evaluate(self, x: Array) -> Array:
        return np.tanh(x)

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        y = node.output
        return [dy * (1.0 - y * y)]


@dataclass(frozen=True)
class Softplus(_Activation):
    """y = log(1 + e^x). dx = dy·sigmoid(x)."""

    monotone: ClassVar = (1,)

    def evaluate(self, x: Array) -> Array:
        return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        return [dy * Sigmoid()(node.inputs[0])]


@dataclass(frozen=True)
class Silu(_Activation):
    """y = x·s with s = sigmoid(x), also called swish. dx = dy·(s + y·(1 - s))."""

    def evaluate(self, x: Array) -> Array:
        return x * sigmoid(x)

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        s = Sigmoid()(node.inputs[0])
        return [dy * (s + node.output * (1.0 - s))]


#: From here on tanh(softplus(x)) is 1 in float64: e^20 squared is 2·10^17.
_LARGE = 20.0


@dataclass(frozen=True)
class Mish(_Activation):
    """y = x·tanh(softplus(x)), which is x·n / (n + 2) with n = e·(e + 2) and e = e^x.

    dx = dy·(n / (n + 2) + 4·x·e·(1 + e) / (n + 2)²). D. Misra, arXiv:1908.08681.
    """

    def evaluate(self, x: Array) -> Array:
        e = np.exp(np.minimum(x, _LARGE))
        n = e * (e + 2)
        y: Array = x * (n / (n + 2))
        return y

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        x = Minimum()(node.inputs[0], constant_of(_LARGE, dy.dtype))
        e = Exp()(x)
        n = e * (e + 2.0)
        r = 1.0 / (n + 2.0)
        return [dy * (n * r + x * (e * r) * ((e + 1.0) * r) * 4.0)]


# tanh(_SCALE·(x + _CUBIC·x³)) approximates erf(x/√2): D. Hendrycks, K. Gimpel, arXiv:1606.08415.
_SCALE = math.sqrt(2.0 / math.pi)
_CUBIC = 0.044715


@dataclass(frozen=True)
class Gelu(_Activation):
    """y = x·P(x), P the normal distribution function: (1 + erf(x/√2)) / 2.

    `approximate` "tanh" takes P(x) = (1 + tanh(√(2/π)·(x + 0.044715·x³))) / 2 instead, "none" is
    exact. dx = dy·(P(x) + x·P'(x)).
    """

    approximate: str = "none"

    def infer(self, x: TensorType) -> TensorType:
        if self.approximate not in ("none", "tanh"):
            raise GraphError(f'approximate must be "none" or "tanh", found {self.approximate!r}')
        return super().infer(x)

    def evaluate(self, x: Array) -> Array:
        if self.approximate == "none":
            return x * (0.5 + 0.5 * erf(x * math.sqrt(0.5)))
        return x * (0.5 + 0.5 * np.tanh(x * (x * x * (_SCALE * _CUBIC) + _SCALE)))

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        x = node.inputs[0]
        if self.approximate == "none":
            below = Erf()(x * math.sqrt(0.5)) * 0.5 + 0.5
            density = Exp()(x * x * -0.5) * (_SCALE * 0.5)  # 1/√(2π) = √(2/π) / 2
        else:
            t = Tanh()(x * (x * x * (_SCALE * _CUBIC) + _SCALE))
            below = t * 0.5 + 0.5
            density = (1.0 - t * t) * 0.5 * (x * x * (3.0 * _SCALE * _CUBIC) + _SCALE)
        return [dy * (below + x * density)]


@dataclass(frozen=True)
class HardSigmoid(_Activation):
    """y = alpha·x + beta, clipped to [0, 1]. dx = alpha·dy strictly inside, else 0."""

    alpha: float = 1 / 6
    beta: float = 0.5

    def evaluate(self, x: Array) -> Array:
        return np.clip(x * self.alpha + self.beta, 0, 1)

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        return [masked(_inside(node.output), dy * self.alpha)]


@dataclass(frozen=True)
class HardSwish(_Activation):
    """y = x·h with h = x/6 + 1/2 clipped to [0, 1]. dx = dy·(h + x/6 where 0 < h < 1)."""

    def evaluate(self, x: Array) -> Array:
        return x * HardSigmoid().evaluate(x)

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        x = node.inputs[0]
        h = HardSigmoid()(x)
        return [dy * (h + masked(_inside(h), x * (1 / 6)))]


def _inside(y: Value) -> Value:
    return And()(y > 0.0, y < 1.0)


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x) without overflow: only e^-|x| is formed."""
    e = np.exp(-np.abs(x))
    y: Array = np.where(x >= 0, 1, e) / (1 + e)
    return y
