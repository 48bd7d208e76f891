"""Activation functions: as functions, and by name in other layers."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from graphcnn.errors import GraphError
from graphcnn.ir.node import Value
from graphcnn.language.arguments import Activation, choose, number, scoped
from graphcnn.language.axes import one_axis
from graphcnn.language.errors import located
from graphcnn.language.sources import learned
from graphcnn.ops.activation import (
    Elu,
    Gelu,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    Mish,
    PRelu,
    Relu,
    Sigmoid,
    Silu,
    Softplus,
    Tanh,
)
from graphcnn.ops.softmax import LogSoftmax, Softmax


@located
def relu(x: Value, *, name: str = "") -> Value:
    """max(x, 0). The derivative at 0 is 0."""
    return Relu()(x, name=scoped(name, "relu"))


@located
def leaky_relu(x: Value, alpha: float = 0.01, *, name: str = "") -> Value:
    """x where x > 0, else alpha·x."""
    return LeakyRelu(number(alpha, "alpha"))(x, name=scoped(name, "leaky_relu"))


@located
def prelu(
    x: Value,
    shared: bool = False,
    *,
    init: float = 0.25,
    trainable: bool = True,
    name: str = "",
) -> Value:
    """x where x > 0, else slope·x, with a learned slope (arXiv:1502.01852).

    The parameter `slope` is (C), one number per channel of x (N, C, ...), or (1), one for all. It
    has one axis, so that weight decay leaves it alone, as it does biases.

    Args:
        x: (N, C, ...), as (N, C, H, W). With a shared slope, any shape.
        shared: one slope for all channels.
        init: the slope at the start.
        trainable: False freezes it.

    Raises:
        GraphError: x has no channels of a known number.
    """
    channels = 1 if shared else next(iter(x.shape[1:2]), None)
    if not isinstance(channels, int):
        raise GraphError(f"x must be (N, C, ...), or the slope shared, found {x.type}")
    slope = learned((channels,), number(init, "init"), x.dtype, trainable)
    return PRelu()(x, slope, name=scoped(name, "prelu"))


@located
def elu(x: Value, alpha: float = 1.0, *, name: str = "") -> Value:
    """x where x > 0, else alpha·(e^x - 1)."""
    return Elu(number(alpha, "alpha"))(x, name=scoped(name, "elu"))


@located
def sigmoid(x: Value, *, name: str = "") -> Value:
    """1 / (1 + e^-x), between 0 and 1."""
    return Sigmoid()(x, name=scoped(name, "sigmoid"))


@located
def tanh(x: Value, *, name: str = "") -> Value:
    """The hyperbolic tangent, between -1 and 1."""
    return Tanh()(x, name=scoped(name, "tanh"))


@located
def softplus(x: Value, *, name: str = "") -> Value:
    """log(1 + e^x), a smooth relu."""
    return Softplus()(x, name=scoped(name, "softplus"))


@located
def silu(x: Value, *, name: str = "") -> Value:
    """x·sigmoid(x), also called swish."""
    return Silu()(x, name=scoped(name, "silu"))


@located
def mish(x: Value, *, name: str = "") -> Value:
    """x·tanh(softplus(x)), smooth and not monotone (arXiv:1908.08681)."""
    return Mish()(x, name=scoped(name, "mish"))


@located
def gelu(x: Value, approximate: str = "none", *, name: str = "") -> Value:
    """x times the normal distribution function of x.

    Args:
        approximate: "none" is exact, "tanh" the usual approximation by a hyperbolic tangent.
    """
    return Gelu(approximate)(x, name=scoped(name, "gelu"))


@located
def hard_swish(x: Value, *, name: str = "") -> Value:
    """x·hard_sigmoid(x): silu made of straight lines and a parabola."""
    return HardSwish()(x, name=scoped(name, "hard_swish"))


@located
def hard_sigmoid(x: Value, alpha: float = 1 / 6, beta: float = 0.5, *, name: str = "") -> Value:
    """alpha·x + beta, clipped to [0, 1]."""
    op = HardSigmoid(number(alpha, "alpha"), number(beta, "beta"))
    return op(x, name=scoped(name, "hard_sigmoid"))


@located
def softmax(x: Value, axis: int = -1, *, name: str = "") -> Value:
    """e^x / sum of e^x along `axis`: positive numbers that sum to 1."""
    return Softmax(one_axis(x, axis))(x, name=scoped(name, "softmax"))


@located
def log_softmax(x: Value, axis: int = -1, *, name: str = "") -> Value:
    """The logarithm of `softmax`, without overflow and without log(0)."""
    return LogSoftmax(one_axis(x, axis))(x, name=scoped(name, "log_softmax"))


#: What `activation=` accepts as a name.
ACTIVATIONS: dict[str, Callable[[Value], Value]] = {
    f.__name__: f
    for f in (
        relu, leaky_relu, elu, sigmoid, tanh, softplus, silu, mish, gelu, hard_swish, hard_sigmoid,
        prelu, softmax, log_softmax,
    )
}  # fmt: skip


def activate(x: Value, activation: Activation) -> Value:
    """`activation`, a name or a function, applied to a layer's result; None leaves it.

    The activation of the layer "C1" is named "C1.relu".
    """
    if activation is None:
        return x
    function: Any = activation
    if isinstance(activation, str):
        function = choose(ACTIVATIONS, activation, "activation")
    elif not callable(activation):
        raise GraphError(
            f"activation must be a name, a function of a tensor or None, found {activation!r}"
        )
    y = function(x)
    if not isinstance(y, Value):
        found = type(y).__name__
        raise GraphError(f"activation {activation!r} must return a tensor, found {found}")
    if function not in ACTIVATIONS.values():
        return y
    name = f"{x.node.name}.{y.node.op.name}" if x.node.name else ""
    return replace(y.node, name=name).output
