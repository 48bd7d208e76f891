"""Initial values of parameters, drawn from the counter-based generator: same seed, same bits.

Fan-in and fan-out follow the weight layouts: a kernel (O, I, H, W) has fan_in = I·H·W and
fan_out = O·H·W; a dense weight (units, features) has fan_in = features and fan_out = units.
"""

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.node import Array
from graphcnn.ir.philox import uniform
from graphcnn.ir.tensor_type import TensorType


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight of this shape."""
    if len(shape) < 2:
        return max(1, math.prod(shape)), max(1, math.prod(shape))
    receptive = math.prod(shape[2:])
    return shape[1] * receptive, shape[0] * receptive


@dataclass(frozen=True)
class Initializer:
    """How a parameter gets its first value. Call it with the type, the seed and the key."""

    def __call__(self, type: TensorType, seed: int, key: str) -> Array:
        """An array of `type`; different keys (parameter names) give independent draws."""
        shape = tuple(int(d) for d in type.shape if isinstance(d, int))
        return self.draw(shape, seed, zlib.crc32(key.encode())).astype(type.dtype.numpy)

    def draw(self, shape: tuple[int, ...], seed: int, stream: int) -> Array:
        raise NotImplementedError


def _spread(shape: tuple[int, ...], seed: int, stream: int, variance: float, normal: bool) -> Array:
    """Values of mean 0 and the given variance: uniform, or normal by the Box-Muller transform."""
    count = math.prod(shape)
    if not normal:
        limit = math.sqrt(3.0 * variance)
        return (2.0 * uniform(seed, 0, stream, count).reshape(shape) - 1.0) * limit
    u = uniform(seed, 0, stream, 2 * count).reshape(2, *shape)
    normals: Array = np.sqrt(-2.0 * variance * np.log1p(-u[0])) * np.cos(2.0 * np.pi * u[1])
    return normals


@dataclass(frozen=True)
class He(Initializer):
    """Variance 2 / fan_in, for layers followed by ReLU (K. He et al., arXiv:1502.01852)."""

    normal: bool = False

    def draw(self, shape: tuple[int, ...], seed: int, stream: int) -> Array:
        return _spread(shape, seed, stream, 2.0 / fans(shape)[0], self.normal)


@dataclass(frozen=True)
class Xavier(Initializer):
    """Variance 2 / (fan_in + fan_out) (X. Glorot, Y. Bengio, AISTATS 2010)."""

    normal: bool = False

    def draw(self, shape: tuple[int, ...], seed: int, stream: int) -> Array:
        return _spread(shape, seed, stream, 2.0 / sum(fans(shape)), self.normal)


@dataclass(frozen=True)
class Constant(Initializer):
    """The same number everywhere."""

    value: float = 0.0

    def __call__(self, type: TensorType, seed: int, key: str) -> Array:
        if self.value == 0 and math.copysign(1, self.value) > 0:  # in no memory until written
            shape = tuple(int(d) for d in type.shape if isinstance(d, int))
            return np.zeros(shape, type.dtype.numpy)
        return super().__call__(type, seed, key)

    def draw(self, shape: tuple[int, ...], seed: int, stream: int) -> Array:
        return np.full(shape, self.value)


@dataclass(frozen=True)
class Custom(Initializer):
    """Any function `f(shape) -> array`. Its name is printed; a parsed text cannot call it again."""

    label: str
    function: Callable[[tuple[int, ...]], Any] | None = None

    def draw(self, shape: tuple[int, ...], seed: int, stream: int) -> Array:
        if self.function is None:
            raise GraphError(f"initializer {self.label!r} was read from text and has no function")
        array = np.asarray(self.function(shape))
        if array.shape != shape or array.dtype.kind not in "biuf":
            raise GraphError(
                f"initializer {self.label!r} must return numbers of shape {shape}, "
                f"found {array.dtype.name} of shape {array.shape}"
            )
        return array


def initializer(spec: Any) -> Initializer:
    """An initializer from itself, a name ("he", "xavier", "zeros", "ones"), a number, an array
    or a callable `f(shape) -> array`."""
    named: dict[str, Initializer] = {
        "he": He(),
        "he_normal": He(normal=True),
        "xavier": Xavier(),
        "xavier_normal": Xavier(normal=True),
        "zeros": Constant(0.0),
        "ones": Constant(1.0),
    }
    if isinstance(spec, Initializer):
        return spec
    if isinstance(spec, str):
        if spec not in named:
            raise GraphError(f"unknown initializer {spec!r}; known are {', '.join(named)}")
        return named[spec]
    if isinstance(spec, int | float):
        return Constant(float(spec))
    if isinstance(spec, np.ndarray):
        return Custom("array", lambda shape: spec)
    if callable(spec):
        return Custom(getattr(spec, "__name__", type(spec).__name__), spec)
    raise GraphError(f"an initializer is a name, a number, an array or a function, found {spec!r}")
