"""Parts of an image taken away."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from graphcnn.data.augment.draw import Draw, below
from graphcnn.data.augment.transform import Subject, Transform, between, pair, whole
from graphcnn.errors import DataError
from graphcnn.ir.node import Array

#: A number, one for each channel, or the name of a filling.
Fill = float | tuple[float, ...]


@dataclass(frozen=True)
class cutout(Transform):
    """A square is taken out of each image; its centre is any pixel, so that parts of the square may
    lie outside (T. DeVries and G. Taylor, "Improved regularization of convolutional neural networks
    with cutout", 2017). Labels of pixels stay, and so do points.

    Attributes:
        size: pixels on a side.
        fill: what is there instead: a number where white is 1, or one for each channel, such as
            `train.normalisation.mean`, which the network makes 0 of.
        probability: for each image in each epoch.
    """

    size: int
    fill: Fill = 0.0
    probability: float = 1.0

    def __post_init__(self) -> None:
        whole("size", self.size)
        _check_fill(self.fill)
        between("probability", self.probability, 0, 1)

    def check(self, subject: Subject) -> None:
        _check_channels(self.fill, subject)
        if self.size > min(subject.size):
            raise DataError(
                f"a square of {self.size}×{self.size} pixels is larger than the images, which have "
                f"{subject.size[0]}×{subject.size[1]}"
            )

    def images(self, x: Array, draw: Draw) -> Array:
        height, width = x.shape[2:]
        down, right, chosen = draw.uniform(3)
        top, left = (
            below(u, size) - self.size // 2 for u, size in ((down, height), (right, width))
        )
        hole = boxes((height, width), top, left, self.size, self.size)
        return _filled(x, hole & (chosen < self.probability)[:, None, None], self.fill)


@dataclass(frozen=True)
class random_erasing(Transform):
    """A rectangle of random area and shape is taken out of an image, with a probability (Z. Zhong
    et al., "Random erasing data augmentation", AAAI 2020). It lies within the image: sides that
    would be longer are cut. Labels of pixels stay, and so do points.

    Attributes:
        probability: for each image in each epoch.
        area: smallest and largest share of the area of the image.
        ratio: smallest and largest height / width, equally likely on a logarithmic scale.
        fill: a number where white is 1, one for each channel, or "noise" for uniform noise.
    """

    probability: float = 0.5
    area: tuple[float, float] = (0.02, 0.33)
    ratio: tuple[float, float] = (0.3, 3.3)
    fill: Fill | str = 0.0

    def __post_init__(self) -> None:
        between("probability", self.probability, 0, 1)
        object.__setattr__(self, "area", pair("area", self.area, 0, 1))
        object.__setattr__(self, "ratio", pair("ratio", self.ratio, 0))
        if self.fill != "noise":
            _check_fill(self.fill, ' or "noise"')

    def check(self, subject: Subject) -> None:
        if self.fill != "noise":
            _check_channels(self.fill, subject)

    def images(self, x: Array, draw: Draw) -> Array:
        size = (height, width) = x.shape[2:]
        share, shape, down, right, chosen = draw.uniform(5)
        area = (self.area[0] + (self.area[1] - self.area[0]) * share) * height * width
        low, high = np.log(self.ratio)
        ratio = np.exp(low + (high - low) * shape)
        tall = np.clip(np.rint(np.sqrt(area * ratio)), 1, height).astype(np.int64)
        wide = np.clip(np.rint(np.sqrt(area / ratio)), 1, width).astype(np.int64)
        top, left = below(down, height - tall + 1), below(right, width - wide + 1)
        hole = boxes(size, top, left, tall, wide) & (chosen < self.probability)[:, None, None]
        if self.fill != "noise":
            return _filled(x, hole, self.fill)
        # words after those above: 8 bits are enough for a pixel
        grain = draw.words(8 + -(-x[0].size // 4))[:, 8:].astype("<u4").view(np.uint8)
        grain = grain[:, : x[0].size].reshape(x.shape)
        return np.where(
            hole[:, None], grain if x.dtype == np.uint8 else grain / x.dtype.type(255), x
        )


def boxes(size: tuple[int, int], top: Array, left: Array, tall: Any, wide: Any) -> Array:
    """Which pixels (n, H, W) lie in a rectangle; parts of it may lie outside."""
    rows, columns = (
        (np.arange(length) >= start[:, None]) & (np.arange(length) < (start + extent)[:, None])
        for length, start, extent in ((size[0], top, tall), (size[1], left, wide))
    )
    inside: Array = rows[:, :, None] & columns[:, None, :]
    return inside


def _filled(x: Array, hole: Array, fill: Any) -> Array:
    unit = 255 if x.dtype == np.uint8 else 1
    values = np.atleast_1d(np.asarray(fill, np.float64)) * unit
    values = np.rint(values).astype(np.uint8) if unit == 255 else values.astype(x.dtype)
    y = x.copy()
    np.copyto(y, values[:, None, None], where=hole[:, None])
    return y


def _check_fill(fill: Any, besides: str = "") -> None:
    values = fill if isinstance(fill, tuple) else (fill,)
    if not values or not all(isinstance(each, int | float) for each in values):
        raise DataError(
            f"fill must be a number, a tuple of one for each channel{besides}, found {fill!r}"
        )


def _check_channels(fill: Any, subject: Subject) -> None:
    values = fill if isinstance(fill, tuple) else (fill,)
    if len(values) not in (1, subject.shape[0]):
        raise DataError(f"fill has {len(values)} numbers for {subject.shape[0]} channels")
    if subject.dtype == np.uint8 and not all(0 <= each <= 1 for each in values):
        raise DataError(f"fill is from 0 to 1 for images of uint8, where white is 1, found {fill}")
