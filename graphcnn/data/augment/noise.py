"""Noise on every pixel."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from graphcnn.data.augment.draw import Draw
from graphcnn.data.augment.transform import Transform, between, groups, rounded
from graphcnn.ir.node import Array


@dataclass(frozen=True)
class noise(Transform):
    """Normal noise added to every number of every pixel.

    Attributes:
        std: of the noise, where white is 1; for uint8 it is 255 · std.
    """

    std: float

    def __post_init__(self) -> None:
        between("std", self.std, 0, above=True)

    def images(self, x: Array, draw: Draw) -> Array:
        std = np.float32(self.std * (255 if x.dtype == np.uint8 else 1))
        y = np.empty_like(x)
        for rows in groups(x):
            grain = normal(draw.part(rows), x[0].size).reshape(x[rows].shape)
            grain *= std
            grain += x[rows]
            y[rows] = rounded(grain, x.dtype)
        return y


def normal(draw: Draw, count: int) -> Array:
    """Standard normal numbers (n, count) of float32, each drawn by 16 bits: a word makes two."""
    halves = draw.words(-(-count // 2)).astype("<u4").view("<u2")
    return quantiles().take(halves[:, :count])


@cache
def quantiles() -> Array:
    """The middles of 2^16 equally likely parts of the normal distribution, from -4.3 to 4.3."""
    from statistics import NormalDist  # slow to load, and seldom wanted

    parts = 1 << 16
    upper = [NormalDist().inv_cdf(0.5 + (i + 0.5) / parts) for i in range(parts // 2)]
    return np.concatenate([-np.array(upper[::-1], np.float32), np.array(upper, np.float32)])
