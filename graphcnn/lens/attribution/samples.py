"""Random samples by their number: which piece a sample runs in changes no bit of it."""

import numpy as np

from graphcnn.ir.node import Array
from graphcnn.ir.philox import philox

#: Streams of random words, apart from those of networks and of their training.
NOISE, MASKS, ORDER, SHUFFLES = 0x1E450001, 0x1E450002, 0x1E450003, 0x1E450100

#: Numbers of pixels that are run at a time, about: memory does not grow with the samples.
_PIXELS = 1 << 16


def piece_of(shape: tuple[int, ...]) -> int:
    """How many images of a shape (C, H, W) run at a time: 4 to 64."""
    return max(4, min(64, _PIXELS // int(np.prod(shape))))


def even_piece(shape: tuple[int, ...], count: int) -> int:
    """How many of `count` images run at a time, so that no piece is much shorter than others."""
    pieces = -(-count // piece_of(shape))
    return -(-count // pieces)


def words(seed: int, first: int, last: int, stream: int, count: int) -> Array:
    """`count` random uint32 for each of the samples from `first` to before `last`.

    Those of sample i are `graphcnn.ir.philox.words(seed, i, stream, count)`.
    """
    lanes = -(-count // 4)
    samples = np.arange(first, last, dtype=np.uint64)[:, None]
    counter = np.empty((4, len(samples), lanes), np.uint64)
    counter[0] = np.arange(lanes, dtype=np.uint64)
    counter[1] = samples & np.uint64(0xFFFFFFFF)
    counter[2] = stream
    counter[3] = samples >> np.uint64(32)
    key = (seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF)
    found = philox(counter.reshape(4, -1), key)
    return found.T.reshape(len(samples), 4 * lanes)[:, :count]


def uniform(seed: int, first: int, last: int, stream: int, count: int) -> Array:
    """`count` numbers f64 in [0, 1) for each sample."""
    return (words(seed, first, last, stream, count) >> np.uint32(8)) * 2.0**-24


def normal(seed: int, first: int, last: int, stream: int, count: int) -> Array:
    """`count` numbers f32 of the standard normal distribution for each sample.

    By G. Box and M. Muller: sqrt(-2 ln u) times cosine and sine of 2 π v.
    """
    half = -(-count // 2)
    pairs = words(seed, first, last, stream, 2 * half)
    u = (pairs[:, :half] + 0.5) * 2.0**-32
    angle = pairs[:, half:] * (2 * np.pi * 2.0**-32)
    size = np.sqrt(-2 * np.log(u))
    both = np.concatenate([size * np.cos(angle), size * np.sin(angle)], 1)
    return both[:, :count].astype(np.float32)
