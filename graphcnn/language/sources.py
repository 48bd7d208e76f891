"""Inputs, parameters, constants and random numbers."""

import math
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from graphcnn.errors import GraphError
from graphcnn.ir.initializers import initializer
from graphcnn.ir.node import Value, constant_of
from graphcnn.ir.sources import Input, Role, State
from graphcnn.ir.tensor_type import Dim, DType, N, Shape, TensorType
from graphcnn.language.arguments import dims, ints, is_int, number, scoped
from graphcnn.language.errors import located
from graphcnn.ops.elementwise import as_type
from graphcnn.ops.gather import filled
from graphcnn.ops.random import normal_of_uniform, uniform_of_model

#: Whether the body of a loop is being called.
IN_BODY: ContextVar[bool] = ContextVar("IN_BODY", default=False)


@located
def input(name: str, shape: tuple[int, ...], dtype: Any = "float32") -> Value:
    """A tensor fed at every run: one batch of items of `shape`.

    The batch axis N is implied: `input("image", (1, 28, 28))` has the type f32[N,1,28,28].
    """
    t = TensorType((N, *ints(shape, "shape")), DType.of(dtype))
    return Input(name, t)(name=name)


@located
def parameter(
    shape: tuple[int, ...],
    init: Any = "xavier",
    *,
    trainable: bool = True,
    dtype: Any = "float32",
    decays: bool = True,
    name: str = "",
) -> Value:
    """A tensor learned by gradient. Used twice, it is one parameter and its gradient is the sum.

    Args:
        init: "he", "xavier", "lecun", "identity", "orthogonal", "zeros", "ones", a number, an
            array, an `Initializer`, or a function from shape to array.
        trainable: False freezes it. `Model.freeze(pattern)` does so by name later.
        decays: False for a scale or shift, such as those of norms: weight decay, and what `Muon`
            and `LAMB` do with matrices, leave it alone, as they do parameters of one axis.
        name: key in saved files; by default the name of its first user and operand, "C1.weight".
    """
    sizes = ints(shape, "shape")
    if any(d < 1 for d in sizes):
        raise GraphError(f"sizes must be at least 1, found {shape}")
    return state(sizes, init, Role.PARAMETER, trainable, dtype, name, decays)


def learned(
    shape: tuple[int, ...], init: Any, dtype: DType, trainable: bool = True, decays: bool = True
) -> Value:
    """A parameter that a layer makes for itself, named by the layer."""
    return state(shape, init, Role.PARAMETER, trainable, dtype, "", decays)


def state(
    shape: tuple[int, ...],
    init: Any,
    role: Role,
    trainable: bool,
    dtype: Any,
    name: str,
    decays: bool = True,
) -> Value:
    """A state of any role. See `graphcnn.ir.sources.Role`."""
    key = scoped(name, "") if name else ""
    t = TensorType(shape, DType.of(dtype))
    return State(key, t, role, trainable, initializer(init), decays)(name=key)


@located
def random_uniform(
    shape: tuple[Dim, ...],
    low: float = 0.0,
    high: float = 1.0,
    *,
    seed: int = 0,
    stream: int = 0,
    dtype: Any = "float32",
    name: str = "",
) -> Value:
    """Random numbers, evenly spread from `low` to `high`: low + (high - low) · u, u in [0, 1).

    u is a function of seed, step, stream and place alone (`graphcnn.ir.philox`): the same bits on
    every machine, with any number of threads. A model that predicts draws the same numbers at
    every run; a step of `fit`, of a `Session` or of `minimise` draws others, which follow from its
    own seed, too. No derivative leads through them.

    Args:
        shape: all sizes; `N` is the batch. Which numbers an item meets is its place in the batch.
        low, high: numbers are rounded to the element type, so that `high` itself may occur.
        seed: an int of 64 bits.
        stream: 0 to 2^31 - 1. **Two calls of equal seed and stream draw equal numbers**: give each
            a stream of its own.
        dtype: a float type.
    """
    least, most = _finite(low, "low"), _finite(high, "high")
    u = uniform_of_model(_sizes(shape), *draw_of(seed, stream), _float_type(dtype))
    return _spread(u, most - least, least, dtype, scoped(name, "random"))


@located
def random_normal(
    shape: tuple[Dim, ...],
    mean: float = 0.0,
    deviation: float = 1.0,
    *,
    seed: int = 0,
    stream: int = 0,
    dtype: Any = "float32",
    name: str = "",
) -> Value:
    """Random numbers of the normal distribution: mean + deviation · √(-2 log(1 - u)) · cos(2π v).

    G. Box, M. Muller, 1958. u, v, seed, stream and shape are those of `random_uniform`; numbers
    are at most 5.77 deviations away from the mean.
    """
    middle, factor = _finite(mean, "mean"), _finite(deviation, "deviation")
    both = uniform_of_model((2, *_sizes(shape)), *draw_of(seed, stream), _float_type(dtype))
    return _spread(normal_of_uniform(both), factor, middle, dtype, scoped(name, "random"))


def _float_type(dtype: Any) -> DType:
    found = DType.of(dtype)
    if not found.is_float:
        raise GraphError(f"dtype must be a float type, found {found}; cast the numbers")
    return found


def _sizes(shape: Any) -> Shape:
    sizes = dims(shape, "shape")
    if any(isinstance(d, int) and d < 1 for d in sizes):
        raise GraphError(f"sizes must be at least 1, found {shape}")
    return sizes


def _finite(x: Any, name: str) -> float:
    found = number(x, name)
    if not math.isfinite(found):
        raise GraphError(f"{name} must be finite, found {x!r}")
    return found


def draw_of(seed: Any, stream: Any) -> tuple[int, int]:
    """Seed and stream of random numbers, checked. Raises `GraphError`, also in a loop's body."""
    if IN_BODY.get():
        raise GraphError(
            "random numbers drawn in the body of a loop would be the same at every step: they do "
            "not depend on it: draw them for all steps before, and give them as xs"
        )
    if not is_int(seed) or not -(2**63) <= seed < 2**63:
        raise GraphError(f"seed must be an int of 64 bits, found {seed!r}")
    if not is_int(stream) or not 0 <= stream < 2**31:
        raise GraphError(f"stream must be an int, 0 to 2^31 - 1, found {stream!r}")
    return int(seed), int(stream)


def _spread(x: Value, factor: float, base: float, dtype: Any, name: str) -> Value:
    """factor · x + base of the element type; its last node has the name."""
    x = x if factor == 1.0 else x * factor
    x = x if base == 0.0 else x + base
    x = as_type(x, DType.of(dtype))
    return replace(x.node, name=name).outputs[x.index]


@located
def constant(value: Any, dtype: Any = None) -> Value:
    """A tensor that never changes, from an array or a number (floats default to float32)."""
    return constant_of(value, DType.of(dtype) if dtype is not None else None)


@located
def zeros(shape: tuple[Dim, ...], dtype: Any = "float32") -> Value:
    """Zeros of a shape in which `N` may stand: `zeros((N, 64))`, with which a loop begins."""
    return filled(_sizes(shape), 0, DType.of(dtype))
