"""Pictures of X and O, drawn as needed: the smallest problem that wants a convolution.

A picture is drawn by distance: the pixel at p is bright where its distance to the strokes is less
than half their width, with one pixel of grey between (antialiasing). Shift, scale, rotation and
deformation move p, not the strokes. Every number of a sample comes from (seed, index) alone.
"""

import numpy as np

from graphcnn.data.dataset import Dataset
from graphcnn.errors import DataError
from graphcnn.ir.node import Array
from graphcnn.ir.philox import philox

_STREAM = 0x584F

#: Bytes of all pictures; more is refused before it fills the memory.
MAX_BYTES = 1 << 32

_CHUNK = 512  # samples drawn together: bounds the memory
_SETTINGS = 8  # random numbers of a sample before those of its noise

#: Ends of the X and radius of the O, where the picture reaches from -1 to 1.
_REACH = 2 / 3


def xo(
    n: int = 1000,
    seed: int = 0,
    size: int = 9,
    *,
    shift: float = 0.1,
    scale: float = 0.2,
    rotation: float = 25.0,
    deformation: float = 0.06,
    noise: float = 0.1,
) -> Dataset:
    """`n` pictures 1×size×size of float32 in [0, 1], in turn O (class 0) and X (class 1).

    With all distortions 0 the X of size 9 is the diagonals of the inner 7×7 pixels.

    Args:
        size: height and width, at least 9.
        shift: largest shift along each axis, in picture sizes.
        scale: the factors of height and of width lie in 1 - scale .. 1 + scale.
        rotation: largest angle to either side, in degrees.
        deformation: amplitude of the waves that bend the strokes, in half picture sizes.
        noise: each pixel changes by at most this much.
    """
    if n < 1 or size < 9:
        raise DataError(f"xo needs n of at least 1 and size of at least 9, found {n} and {size}")
    if 4 * n * size * size > MAX_BYTES:
        raise DataError(
            f"xo of n={n}, size={size} needs {n} × {size} × {size} × 4 = {4 * n * size * size} "
            f"bytes, limit {MAX_BYTES}"
        )
    if min(shift, scale, rotation, deformation, noise) < 0 or scale >= 1:
        raise DataError(
            "the distortions of xo must not be negative and scale must be less than 1, found "
            f"shift={shift}, scale={scale}, rotation={rotation}, deformation={deformation}, "
            f"noise={noise}"
        )
    index = np.arange(n)
    images = np.empty((n, 1, size, size), np.float32)
    for at in range(0, n, _CHUNK):
        chunk = index[at : at + _CHUNK]
        u = uniform(seed, chunk, _SETTINGS + size * size, _STREAM)
        drawn = _draw(u, chunk % 2 == 1, size, (shift, scale, rotation, deformation))
        grain = u[:, _SETTINGS:].reshape(-1, size, size)
        images[at : at + _CHUNK, 0] = np.clip(drawn + noise * grain, 0, 1)
    return Dataset(images, index % 2, ("O", "X"), name="xo")


def xo_pair(n: int = 1000, seed: int = 0, size: int = 9) -> tuple[Dataset, Dataset]:
    """(train, test): `n` pictures, and n / 5 but at least 2 from a seed far from small ones."""
    return xo(n, seed, size), xo(max(2, n // 5), seed ^ (1 << 63), size)


def _draw(
    u: Array, is_x: Array, size: int, distortions: tuple[float, float, float, float]
) -> Array:
    """Pictures (n, size, size) in [0, 1]; u (n, >= 7) in [-1, 1) says how each is distorted."""
    shift, scale, rotation, deformation = distortions
    centre = (2 * np.arange(size) + 1) / size - 1
    dy, dx, sy, sx, angle, wave_y, wave_x = u[:, :7].T[:, :, None, None]
    y = (centre[:, None] - 2 * shift * dy) / (1 + scale * sy)
    x = (centre[None, :] - 2 * shift * dx) / (1 + scale * sx)
    radians = np.deg2rad(rotation) * angle
    y, x = (
        np.cos(radians) * y - np.sin(radians) * x,
        np.sin(radians) * y + np.cos(radians) * x,
    )
    y, x = (
        y + deformation * np.sin(np.pi * (x + wave_y)),
        x + deformation * np.sin(np.pi * (y + wave_x)),
    )
    distance = np.where(is_x[:, None, None], _to_cross(y, x), _to_circle(y, x))
    pixels = distance * size / 2
    half_width = 0.055 * size
    picture: Array = np.clip(half_width + 0.5 - pixels, 0, 1)
    return picture


def _to_cross(y: Array, x: Array) -> Array:
    """Distance to the two diagonals of the square |y|, |x| <= reach.

    By symmetry the nearer diagonal is that of y = x for |y|, |x|; its end is (reach, reach).
    """
    y, x = np.abs(y), np.abs(x)
    along = np.minimum((y + x) / 2, _REACH)
    distance: Array = np.hypot(y - along, x - along)
    return distance


def _to_circle(y: Array, x: Array) -> Array:
    distance: Array = np.abs(np.hypot(y, x) - _REACH)
    return distance


def uniform(seed: int, index: Array, count: int, stream: int) -> Array:
    """(n, count) numbers in [-1, 1): row i is a pure function of (stream, seed, index[i])."""
    blocks = -(-count // 4)
    counter = np.zeros((4, len(index), blocks), np.uint64)
    counter[0] = np.arange(blocks)
    counter[1] = index[:, None]
    counter[2] = stream
    key = (seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF)
    lanes = philox(counter.reshape(4, -1), key).T  # lane i of block b is number 4·b + i
    u: Array = lanes.reshape(len(index), -1)[:, :count] * 2.0**-31 - 1
    return u
