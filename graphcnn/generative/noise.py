"""The random numbers of drawn images: of each by itself, so that how many are drawn and how they
are cut into batches changes none."""

import math

import numpy as np

from graphcnn.ir.node import Array
from graphcnn.ir.philox import uniform

#: Streams of the random generator, apart from those that the nodes of a graph count up from 0.
_PIXELS, _CODES = 0x50495845, 0x434F4445


def uniforms(seed: int, first: int, count: int, shape: tuple[int, ...]) -> Array:
    """float32 (count, *shape) in [0, 1) of the images `first`, `first` + 1, ..."""
    size = math.prod(shape)
    drawn = uniform(seed, 0, _PIXELS, count * size, first * size)
    return drawn.reshape(count, *shape).astype(np.float32)


def normals(seed: int, first: int, count: int, shape: tuple[int, ...]) -> Array:
    """float32 (count, *shape) of mean 0 and variance 1, by Box and Muller."""
    size = 2 * math.prod(shape)
    both = uniform(seed, 0, _CODES, count * size, first * size).reshape(count, 2, *shape)
    drawn = np.sqrt(-2.0 * np.log1p(-both[:, 0])) * np.cos(2.0 * np.pi * both[:, 1])
    return drawn.astype(np.float32)
