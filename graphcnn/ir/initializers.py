"""Initial values of parameters, drawn from the counter-based generator: same seed, same bits.

Fan-in and fan-out follow the weight layouts: a kernel (O, I, H, W) has fan_in = I·H·W and
fan_out = O·H·W; a dense weight (units, features) has fan_in = features and fan_out = units.
"""

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.geometry import kernel_mask
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
        return self.draw(shape, seed, zlib.crc32(key.encode())).astype(type.dtype.numpy, "C")

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
class LeCun(Initializer):
    """Variance 1 / fan_in (Y. LeCun et al., "Efficient BackProp", 1998)."""

    normal: bool = False

    def draw(self, shape: tuple[int, ...], seed: int, stream: int) -> Array:
        return _spread(shape, seed, stream, 1.0 / fans(shape)[0], self.normal)


@dataclass(frozen=True)
class Normal(Initializer):
    """Normal numbers of mean 0 and this deviation."""

    deviation: float = 0.01

    def draw(self, shape: tuple[int, ...], seed: int, stream: int) -> Array:
        return _spread(shape, seed, stream, self.deviation**2, True)


@dataclass(frozen=True)
class Orthogonal(Initializer):
    """The rows of the matrix (O, everything else) are orthonormal, or its columns, whichever are
    fewer, times `gain` (A. Saxe et al., arXiv:1312.6120)."""

    gain: float = 1.0

    def draw(self, shape: tuple[int, ...], seed: int, stream: int) -> Array:
        rows, columns = (shape[0], math.prod(shape[1:])) if shape else (1, 1)
        tall = rows > columns
        normals = _spread((columns, rows) if tall else (rows, columns), seed, stream, 1.0, True)
        found = _orthonormal_rows(normals)
        return self.gain * (found.T if tall else found).reshape(shape)


def _orthonormal_rows(x: Array) -> Array:
    """By Gram and Schmidt, twice for each row: in NumPy's sums alone, the same bits everywhere."""
    for i, row in enumerate(x):
        for _ in range(2):
            row = row - (x[:i] * (x[:i] * row).sum(1, keepdims=True)).sum(0)
        x[i] = row / np.sqrt((row * row).sum())
    return x


@dataclass(frozen=True)
class Identity(Initializer):
    """The first I filters of a kernel (O, I, H, W) each pass one channel on, as it is; the others
    are drawn with variance `spread` / fan_in. For dense weights it is the unit matrix.

    A network of such layers begins by showing every layer the image (N. Zagoruyko, S. Komodakis,
    arXiv:1706.00388, call it Dirac; K. Jordan, arXiv:2404.00498, section 3.1).
    """

    spread: float = 1 / 3

    def draw(self, shape: tuple[int, ...], seed: int, stream: int) -> Array:
        if len(shape) < 2:
            raise GraphError(f"Identity is of kernels and matrices, found the shape {shape}")
        kernel = _spread(shape, seed, stream, self.spread / fans(shape)[0], False)
        kernel[: shape[1]] = 0.0
        middle = [(size - 1) // 2 for size in shape[2:]]
        for channel in range(min(shape[:2])):
            kernel[(channel, channel, *middle)] = 1.0
        return kernel


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
class Masked(Initializer):
    """Those of another, but 0 where the kernel of a masked convolution has no weight: there they
    stay 0, whatever an optimiser takes off weights."""

    initial: Initializer
    mask: str
    colors: int = 1
    groups: int = 1

    def draw(self, shape: tuple[int, ...], seed: int, stream: int) -> Array:
        o, c, kh, kw = shape
        mask = kernel_mask(self.mask, self.colors, self.groups, (o, c, kh, kw))
        return np.where(mask, self.initial.draw(shape, seed, stream), 0.0)


@dataclass(frozen=True)
class Custom(Initializer):
    """Any function `f(shape) -> array`. Its name is printed; a parsed text cannot call it again."""

    label: str
    function: Callable[[tuple[int, ...]], Any] | None = field(default=None, repr=False)

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
    """An initializer from itself, a name ("he", "xavier", "lecun", "identity", "orthogonal",
    "zeros", "ones"), a number, an array or a callable `f(shape) -> array`."""
    named: dict[str, Initializer] = {
        "he": He(),
        "he_normal": He(normal=True),
        "xavier": Xavier(),
        "xavier_normal": Xavier(normal=True),
        "lecun": LeCun(),
        "lecun_normal": LeCun(normal=True),
        "identity": Identity(),
        "orthogonal": Orthogonal(),
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
