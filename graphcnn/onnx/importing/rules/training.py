"""Operators of training: updates of parameters, dropout with a mask of its own."""

from collections.abc import Callable

import numpy as np

from graphcnn.errors import ImportModelError
from graphcnn.ir.node import Value, constant_of
from graphcnn.ir.tensor_type import DType, is_open
from graphcnn.onnx.importing.context import Call, cast_to, imports
from graphcnn.onnx.importing.rules.dense import short
from graphcnn.onnx.importing.rules.random import uniform
from graphcnn.ops.comparison import Where
from graphcnn.ops.elementwise import Exp, Log, Sqrt
from graphcnn.ops.gather import filled
from graphcnn.ops.random import Dropout

#: (rate, count of updates, x, gradient, state...) -> (x, state...), numbers by attribute.
Update = Callable[[Call, Value, Value, list[Value]], list[Value]]


def _updates(name: str, states: int) -> Callable[[Update], Update]:
    """Register an update; one node may hold several tensors: all x, all gradients, all states."""

    def register(update: Update) -> Update:
        @imports(name)
        def rule(call: Call) -> list[Value]:
            groups = 2 + states
            count, rest = divmod(len(call.inputs) - 2, groups)
            if rest or count < 1:
                raise ImportModelError(f"{len(call.inputs)} inputs, expected 2 + {groups} each")
            rate, steps = call.value(0), call.value(1)
            results: list[list[Value]] = []
            for k in range(count):
                tensors = [call.value(2 + k + count * i) for i in range(groups)]
                x, g = tensors[0], tensors[1]
                tensors[1] = x * call.attribute("norm_coefficient", 0.0) + g
                results.append(update(call, cast_to(rate, x.dtype), steps, tensors))
            return [result[i] for i in range(1 + states) for result in results]

        return update

    return register


@_updates("Momentum", 1)
def momentum(call: Call, rate: Value, steps: Value, tensors: list[Value]) -> list[Value]:
    """v = alpha · v + beta · g (1 · g in the first update); x - rate · v, or as Nesterov has it."""
    x, g, v = tensors
    alpha, beta = call.attribute("alpha", 0.0), call.attribute("beta", 0.0)
    one = constant_of(1.0, x.dtype)
    v = v * alpha + Where()(steps > 0, one * beta, one) * g
    way = g + v * alpha if call.attribute("mode", "standard") == "nesterov" else v
    return [x - rate * way, v]


@_updates("Adagrad", 1)
def adagrad(call: Call, rate: Value, steps: Value, tensors: list[Value]) -> list[Value]:
    x, g, h = tensors
    rate = rate / (cast_to(steps, x.dtype) * call.attribute("decay_factor", 0.0) + 1.0)
    h = h + g * g
    return [x - rate * g / (Sqrt()(h) + call.attribute("epsilon", 1e-6)), h]


@_updates("Adam", 2)
def adam(call: Call, rate: Value, steps: Value, tensors: list[Value]) -> list[Value]:
    """Both moments corrected for their start at 0, except in update number 0."""
    x, g, v, h = tensors
    alpha, beta = call.attribute("alpha", 0.9), call.attribute("beta", 0.999)
    v = v * alpha + g * (1 - alpha)
    h = h * beta + g * g * (1 - beta)
    t = Where()(steps > 0, cast_to(steps, x.dtype), constant_of(1.0, x.dtype))
    corrected = rate * Sqrt()(1.0 - _power(beta, t)) / (1.0 - _power(alpha, t))
    rate = Where()(steps > 0, corrected, rate)
    y = x - rate * (v / (Sqrt()(h) + call.attribute("epsilon", 1e-6)))
    return [y * (1 - call.attribute("norm_coefficient_post", 0.0)), v, h]


def _power(base: float, exponent: Value) -> Value:
    return Exp()(exponent * Log()(constant_of(base, exponent.dtype)))


@imports("Dropout")
def dropout(call: Call) -> list[Value]:
    """The inference form, whose mask keeps everything. In training mode the mask is that of the
    seed, or drawn as other random numbers are."""
    x = call.value(0)
    ratio = call.attribute("ratio", 0.5)
    if call.has(1):
        ratio = short(call.scalar(1, "ratio"), x.dtype)
    training = bool(call.scalar(2, "training_mode")) if call.has(2) else False
    if training and ratio:
        mask = _mask(call, x, ratio)
        kept = Where()(mask, x, constant_of(0.0, x.dtype))
        return [kept * (1 / (1 - ratio)), mask]
    y = Dropout(ratio)(x)
    if call.wanted < 2:
        return [y]
    return [y, filled(x.shape, True, DType.BOOL)]


def _mask(call: Call, x: Value, ratio: float) -> Value:
    """Which elements a dropout in training mode keeps: with a seed by numbers of NumPy's generator,
    as ONNX's own definition has it; without one, or with an open batch, by ours."""
    if "seed" not in call.attributes or is_open(x.shape):
        u = uniform(call, x.shape, x.dtype)
        return u >= constant_of(ratio, u.dtype)
    shape = tuple(int(d) for d in x.shape)  # type: ignore[arg-type]
    call.store.fold(shape, np.float64)
    draw = np.random.RandomState(call.attributes["seed"] % 2**32)
    mask = constant_of(draw.uniform(0, 1.0, shape) >= ratio, DType.BOOL)
    call.store.drawn.append(mask)
    return mask
