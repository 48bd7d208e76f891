"""An image moved a little, otherwise at every step: what is sought then does not hang on single
pixels.

The random numbers are those of the step, the same for all images of a batch: an image is the same
alone and among others.
"""

import math
from dataclasses import dataclass

import numpy as np

from graphcnn.errors import LensError
from graphcnn.ir.node import Array, Value, constant_of
from graphcnn.ir.tensor_type import DType
from graphcnn.language.arguments import is_int
from graphcnn.language.dense import matmul
from graphcnn.language.elementwise import cast, cos, exp, floor, maximum, minimum, sin
from graphcnn.language.selection import gather
from graphcnn.language.shape import one_hot, reshape, transpose
from graphcnn.lens.checks import is_number
from graphcnn.ops.random import OF_MODEL, RandomUniform


@dataclass(frozen=True)
class Motion:
    """How far an image is moved.

    Attributes:
        jitter: rows and columns, at most; what comes in repeats the edge.
        turn: degrees, at most, to either side.
        zoom: factor, at most, larger or smaller: 1.1.
    """

    jitter: int = 0
    turn: float = 0.0
    zoom: float = 1.0

    def __post_init__(self) -> None:
        if not is_int(self.jitter) or self.jitter < 0:
            raise LensError(f"jitter must be a number of pixels, found {self.jitter!r}")
        if not is_number(self.turn) or not 0 <= self.turn <= 180:
            raise LensError(f"turn must be degrees from 0 to 180, found {self.turn!r}")
        if not is_number(self.zoom) or not 1 <= self.zoom <= 4:
            raise LensError(f"zoom must be a factor from 1 to 4, found {self.zoom!r}")

    def __str__(self) -> str:
        parts = (
            f"jitter {self.jitter}" if self.jitter else "",
            f"turn {self.turn:g}°" if self.turn else "",
            f"zoom {self.zoom:g}" if self.zoom > 1 else "",
        )
        return ", ".join(filter(None, parts)) or "no motion"

    def __call__(self, x: Value) -> Value:
        """Images (n, C, H, W) moved by the random numbers of the step."""
        if self.turn or self.zoom > 1:
            x = _turned(x, math.radians(self.turn), math.log(self.zoom))
        return _shifted(x, self.jitter) if self.jitter else x


def _uniform(stream: int) -> Value:
    """A number in [0, 1) of the step, f32[1]."""
    zero = constant_of(np.array(0, np.int64))
    return RandomUniform((1,), OF_MODEL + stream, DType.FLOAT32)(zero, zero)


def _shifted(x: Value, most: int) -> Value:
    """Rows and columns shifted by whole pixels: R x Cᵀ, where a one-hot vector picks R and C among
    the matrices of all shifts."""
    height, width = int(x.shape[2]), int(x.shape[3])  # type: ignore[arg-type]
    rows, columns = _picked(_shifts(height, most), 1), _picked(_shifts(width, most), 2)
    return matmul(matmul(rows, x), columns, transpose_b=True)


def _shifts(size: int, most: int) -> Array:
    """The matrices of all shifts: [k, i, clip(i + k - most)] = 1."""
    found = np.zeros((2 * most + 1, size, size), np.float32)
    for k, matrix in enumerate(found):
        matrix[np.arange(size), np.clip(np.arange(size) + k - most, 0, size - 1)] = 1
    return found


def _picked(matrices: Array, stream: int) -> Value:
    """One of the matrices, by a random number of the step."""
    count, size, _ = matrices.shape
    place = cast(floor(_uniform(stream) * float(count)), "int64")
    hot = cast(one_hot(place, count), "float32")
    return reshape(matmul(hot, constant_of(matrices.reshape(count, -1))), (size, size))


def _turned(x: Value, turn: float, zoom: float) -> Value:
    """Turned and zoomed about the middle, read between the pixels (bilinear), the edge repeated."""
    n, channels, height, width = map(int, x.shape)  # type: ignore[arg-type]
    i, j = np.mgrid[:height, :width].reshape(2, -1).astype(np.float32)
    middle = np.float32((height - 1) / 2), np.float32((width - 1) / 2)
    down, right = constant_of(i - middle[0]), constant_of(j - middle[1])
    angle, size = (_uniform(3) * 2.0 - 1.0) * turn, exp((_uniform(4) * 2.0 - 1.0) * -zoom)
    c, s = cos(angle) * size, sin(angle) * size
    y, row = _between(c * down - s * right + float(middle[0]), height)
    z, column = _between(s * down + c * right + float(middle[1]), width)
    first = cast(row * float(width) + column, "int64")
    pixels = transpose(reshape(x, (n * channels, height * width)), (1, 0))

    def read(step: int) -> Value:
        return gather(pixels, first + step)

    y, z = reshape(y, (height * width, 1)), reshape(z, (height * width, 1))
    above = read(0) * (1.0 - z) + read(1) * z
    below = read(width) * (1.0 - z) + read(width + 1) * z
    found = above * (1.0 - y) + below * y
    return reshape(transpose(found, (1, 0)), (n, channels, height, width))


def _between(at: Value, size: int) -> tuple[Value, Value]:
    """How far behind a row, and that row: places between 0 and size - 1."""
    inside = minimum(maximum(at, 0.0), size - 1.0)
    row = minimum(floor(inside), max(size - 2.0, 0.0))
    return inside - row, row
