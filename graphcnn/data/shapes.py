"""Pictures of discs, squares and triangles with the class of each pixel, drawn as needed: the
smallest problem of segmentation.

Every picture has three shapes of drawn kind, place, size, angle and brightness; later ones lie over
earlier ones. A pixel is of the last shape that covers its centre, else background. Every number of
a sample comes from (seed, index) alone.
"""

import numpy as np

from graphcnn.data.dataset import Dataset
from graphcnn.data.strokes import MAX_BYTES, uniform
from graphcnn.errors import DataError
from graphcnn.ir.node import Array

CLASSES = ("background", "disc", "square", "triangle")
_STREAM = 0x5348
_SHAPES, _EACH = 3, 6  # shapes of a picture, random numbers of a shape
_CHUNK = 256
#: Brightness of the background and of the noise, and the least radius of a shape, where the
#: picture reaches from -1 to 1, and how much larger it may be.
_GROUND, _NOISE, _RADIUS, _LARGER = 0.25, 0.15, 0.28, 0.22


def shapes(n: int = 1000, seed: int = 0, size: int = 32) -> Dataset:
    """`n` pictures 1×size×size of float32 in [0, 1], each with the classes of its pixels.

    The labels (n, size, size) are 0 for the background, 1 for discs, 2 for squares and 3 for
    triangles. Noise lies over all, and shapes differ in brightness from the background and from
    each other.

    Args:
        size: height and width, at least 12.
    """
    if n < 1 or size < 12:
        raise DataError(
            f"shapes needs n of at least 1 and size of at least 12, found {n} and {size}"
        )
    if 12 * n * size * size > MAX_BYTES:
        raise DataError(
            f"shapes of n={n}, size={size} needs {12 * n * size * size} bytes, limit {MAX_BYTES}"
        )
    images = np.empty((n, 1, size, size), np.float32)
    labels = np.empty((n, size, size), np.int64)
    index = np.arange(n)
    for at in range(0, n, _CHUNK):
        part = slice(at, at + _CHUNK)
        settings = _SHAPES * _EACH
        u = uniform(seed, index[part], settings + size * size, _STREAM)
        bright, labels[part] = _draw(u[:, :settings].reshape(-1, _SHAPES, _EACH), size)
        grain = u[:, settings:].reshape(-1, size, size)
        images[part, 0] = np.clip(bright + _NOISE * grain, 0, 1)
    return Dataset(images, labels, CLASSES, name="shapes")


def shapes_pair(n: int = 1000, seed: int = 0, size: int = 32) -> tuple[Dataset, Dataset]:
    """(train, test): `n` pictures, and n / 5 but at least 2 from a seed far from small ones."""
    return shapes(n, seed, size), shapes(max(2, n // 5), seed ^ (1 << 63), size)


def _draw(u: Array, size: int) -> tuple[Array, Array]:
    """Brightness and class of every pixel; u (n, shapes, 6) in [-1, 1) says what is where."""
    n = len(u)
    centre = (2 * np.arange(size) + 1) / size - 1
    bright, label = np.full((n, size, size), _GROUND), np.zeros((n, size, size), np.int64)
    for kind, dy, dx, radius, angle, light in u.transpose(1, 2, 0)[..., None, None]:
        r = _RADIUS + _LARGER * (radius + 1) / 2
        y, x = centre[:, None] - 0.6 * dy, centre[None, :] - 0.6 * dx
        turn = np.pi * angle
        y, x = np.cos(turn) * y - np.sin(turn) * x, np.sin(turn) * y + np.cos(turn) * x
        which = 1 + np.floor((kind + 1) * 1.5).astype(np.int64)
        inside = np.select(
            [which == 1, which == 2],
            [np.hypot(y, x) < r, np.maximum(np.abs(y), np.abs(x)) < 0.85 * r],
            np.maximum(y, np.abs(x) * 3**0.5 / 2 - y / 2) < 0.6 * r,
        )
        bright = np.where(inside, 0.7 + 0.25 * light, bright)
        label = np.where(inside, which, label)
    return bright, label
