"""Maps of the plane that keep lines straight: shift, rotation, scale, shear, resized crops.

Neighbours in a tuple become one map, and an image is resampled once.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from graphcnn.data.augment.draw import Draw
from graphcnn.data.augment.plane import Map
from graphcnn.data.augment.transform import (
    Moving,
    Subject,
    between,
    chosen_mode,
    pair,
)
from graphcnn.data.augment.warp import sample
from graphcnn.ir.node import Array


class Affine(Moving):
    """A map drawn for each image."""

    mode: str = "zero"

    def drawn(self, size: tuple[int, int], draw: Draw) -> Map:
        """The map around the centre of images of a size (height, width)."""
        raise NotImplementedError

    def brings_in(self) -> bool:
        return self.mode == "zero"

    def around_centre(self, size: tuple[int, int], draw: Draw) -> Map:
        """The map of pixels."""
        x, y = np.full(len(draw), (size[1] - 1) / 2), np.full(len(draw), (size[0] - 1) / 2)
        one, zero = np.ones(len(draw)), np.zeros(len(draw))
        centred = Map(one, zero, -x, zero, one, -y).then(self.drawn(size, draw))
        return centred.then(Map(one, zero, x, zero, one, y))

    def move(self, x: Array, draw: Draw, outside: float = 0, nearest: bool = False) -> Array:
        source = self.around_centre(x.shape[2:], draw).inverse()
        return sample(x, source, self.mode, outside, nearest)

    def points(self, xy: Array, size: tuple[int, int], draw: Draw) -> Array:
        x, y = self.around_centre(size, draw).of(xy[..., 0], xy[..., 1])
        return np.stack([x, y], -1)


@dataclass(frozen=True)
class shift(Affine):
    """Moved along each axis by at most `pixels`, which may be parts of one.

    Attributes:
        mode: what comes in from outside: "zero", "reflect" (the mirror image) or "edge".
    """

    pixels: float
    mode: str = "zero"

    def __post_init__(self) -> None:
        between("pixels", self.pixels, 0, above=True)
        chosen_mode(self.mode)

    def drawn(self, size: tuple[int, int], draw: Draw) -> Map:
        u, v = draw.uniform(2)
        one, zero = np.ones(len(u)), np.zeros(len(u))
        return Map(one, zero, (2 * u - 1) * self.pixels, zero, one, (2 * v - 1) * self.pixels)


@dataclass(frozen=True)
class rotation(Affine):
    """Turned around the centre by at most so many `degrees` to either side."""

    degrees: float
    mode: str = "zero"

    def __post_init__(self) -> None:
        between("degrees", self.degrees, 0, 180, above=True)
        chosen_mode(self.mode)

    def drawn(self, size: tuple[int, int], draw: Draw) -> Map:
        angle = np.deg2rad(draw.between(-self.degrees, self.degrees))
        cos, sin, zero = np.cos(angle), np.sin(angle), np.zeros(len(angle))
        return Map(cos, -sin, zero, sin, cos, zero)


@dataclass(frozen=True)
class scale(Affine):
    """Enlarged by a factor between 1 - `amount` and 1 + `amount`, height and width alike."""

    amount: float
    mode: str = "zero"

    def __post_init__(self) -> None:
        between("amount", self.amount, 0, 0.9, above=True)
        chosen_mode(self.mode)

    def drawn(self, size: tuple[int, int], draw: Draw) -> Map:
        factor = draw.between(1 - self.amount, 1 + self.amount)
        zero = np.zeros(len(factor))
        return Map(factor, zero, zero, zero, factor, zero)


@dataclass(frozen=True)
class shear(Affine):
    """Slanted: vertical lines lean by at most so many `degrees` to either side."""

    degrees: float
    mode: str = "zero"

    def __post_init__(self) -> None:
        between("degrees", self.degrees, 0, 80, above=True)
        chosen_mode(self.mode)

    def drawn(self, size: tuple[int, int], draw: Draw) -> Map:
        slant = np.tan(np.deg2rad(draw.between(-self.degrees, self.degrees)))
        one, zero = np.ones(len(slant)), np.zeros(len(slant))
        return Map(one, slant, zero, zero, one, zero)


@dataclass(frozen=True)
class random_resized_crop(Affine):
    """A part of the image, of random area and shape, enlarged to the size of the image.

    As of C. Szegedy et al., "Going deeper with convolutions", CVPR 2015. What would be wider or
    higher than the image is cut to it.

    Attributes:
        area: smallest and largest share of the area of the image.
        ratio: smallest and largest width / height; all ratios in between are equally likely on a
            logarithmic scale.
    """

    area: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)

    def __post_init__(self) -> None:
        object.__setattr__(self, "area", pair("area", self.area, 0, 1))
        object.__setattr__(self, "ratio", pair("ratio", self.ratio, 0))

    def brings_in(self) -> bool:
        return False

    def drawn(self, size: tuple[int, int], draw: Draw) -> Map:
        share, shape, right, down = draw.uniform(4)
        area = (self.area[0] + (self.area[1] - self.area[0]) * share) * size[0] * size[1]
        low, high = np.log(self.ratio)
        ratio = np.exp(low + (high - low) * shape)
        width = np.minimum(np.sqrt(area * ratio), size[1])
        height = np.minimum(np.sqrt(area / ratio), size[0])
        x, y = (right - 0.5) * (size[1] - width), (down - 0.5) * (size[0] - height)
        across, up, zero = size[1] / width, size[0] / height, np.zeros(len(x))
        return Map(across, zero, -across * x, zero, up, -up * y)


@dataclass(frozen=True)
class Warp(Affine):
    """Neighbours as one map: an image is resampled once. Each draws as it would alone."""

    parts: tuple[Affine, ...]

    @property
    def mode(self) -> str:  # type: ignore[override]
        return self.parts[0].mode

    def check(self, subject: Subject) -> None:
        for part in self.parts:
            part.check(subject)

    def drawn(self, size: tuple[int, int], draw: Draw) -> Map:
        first, *others = (
            part.drawn(size, draw.at(draw.place + i)) for i, part in enumerate(self.parts)
        )
        for after in others:
            first = first.then(after)
        return first

    def joins(self, other: Affine) -> bool:
        """Whether another belongs to it: what comes in from outside is the same."""
        return other.mode == self.mode

    def with_part(self, other: Affine) -> Self:
        return type(self)((*self.parts, other))
