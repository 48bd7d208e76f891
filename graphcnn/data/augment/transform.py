"""What a transform is: a frozen value that changes a batch of images, and what belongs to them.

A transform draws its numbers from a `Draw`, which gives the same ones however often it is asked: so
an image, its mask and its points are moved by calls of their own.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphcnn.data.augment.draw import Draw
from graphcnn.data.normalisation import Normalisation
from graphcnn.errors import DataError
from graphcnn.ir.node import Array

#: How what comes in from outside an image looks: 0, its mirror image, or the nearest pixel.
MODES = ("zero", "reflect", "edge")
#: Pixels that are computed at a time.
_AT_ONCE = 1 << 15


@dataclass(frozen=True)
class Subject:
    """What is to be changed.

    Attributes:
        shape: (C, H, W) of one image.
        dtype: of images, uint8 or a float.
        normalisation: what the network makes of them.
        targets: "label", "mask", "image" or "points", of each target.
        ignored: the label that stands for no class, if there is one.
    """

    shape: tuple[int, int, int]
    dtype: "np.dtype[Any]"
    normalisation: Normalisation
    targets: tuple[str, ...] = ()
    ignored: int | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.shape[1:]

    @property
    def unit(self) -> int:
        """White: 255 for uint8, 1 for floats."""
        return 255 if self.dtype == np.uint8 else 1


class Transform:
    """One augmentation: a frozen dataclass whose repr is the call that makes it.

    A transform of one's own says what becomes of `images` from (images, draw) alone, and gives an
    array of the same shape and type:

        @dataclass(frozen=True)
        class darken(cnn.augment.Transform):
            most: float = 0.5

            def images(self, x, draw):
                factor = draw.between(1 - self.most, 1)[:, None, None, None]
                return (x * factor).astype(x.dtype)

    What moves pixels moves masks and points as well (`Moving`).
    """

    def check(self, subject: Subject) -> None:
        """Refuse with `DataError` what this transform cannot change."""

    def images(self, x: Array, draw: Draw) -> Array:
        """Images (n, C, H, W) of uint8 or float32 changed; `x` itself stays as it is."""
        return x


class Moving(Transform):
    """What moves pixels, and with them the labels of pixels and points."""

    def move(self, x: Array, draw: Draw, outside: float = 0, nearest: bool = False) -> Array:
        """Arrays (n, C, H, W) moved.

        Args:
            outside: what comes in from outside, in the mode "zero".
            nearest: take the nearest pixel, of class numbers, in place of a mean of several.
        """
        raise NotImplementedError

    def points(self, xy: Array, size: tuple[int, int], draw: Draw) -> Array:
        """Points (n, ..., 2) of (x, y) in pixels of an image of size (height, width) moved."""
        raise NotImplementedError

    def images(self, x: Array, draw: Draw) -> Array:
        return self.move(x, draw)

    def brings_in(self) -> bool:
        """Whether pixels come in from outside that have no label."""
        return False

    def check(self, subject: Subject) -> None:
        if "mask" in subject.targets and self.brings_in() and subject.ignored is None:
            raise DataError(
                "pixels that come in from outside have no label: give the data set one that "
                'stands for no class, as in ignored=(255,), or use mode="reflect"'
            )


def between(
    name: str, value: Any, low: float, high: float = math.inf, *, above: bool = False
) -> None:
    """Refuse what is no number from `low` to `high`; `above`: `low` itself is refused too."""
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not (low < value if above else low <= value) or not value <= high:
        start = f"more than {low:g}" if above else f"from {low:g}"
        if high == math.inf:
            wanted = start if above else f"at least {low:g}"
        else:
            wanted = f"{start} {'and at most' if above else 'to'} {high:g}"
        raise DataError(f"{name} must be a number {wanted}, found {value!r}")


def whole(name: str, value: Any, least: int = 1) -> None:
    """Refuse what is no int of at least `least`."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
        raise DataError(f"{name} must be an int of at least {least}, found {value!r}")


def pair(name: str, value: Any, low: float, high: float = math.inf) -> tuple[float, float]:
    """(smallest, largest), both within more than `low` to `high`."""
    try:
        first, last = value
    except (TypeError, ValueError):
        raise DataError(f"{name} must be (smallest, largest), found {value!r}") from None
    for each in (first, last):
        between(name, each, low, high, above=True)
    if first > last:
        raise DataError(f"{name} must be (smallest, largest), found {value!r}")
    return first, last


def chosen_mode(mode: Any) -> None:
    """Refuse what is none of `MODES`."""
    if mode not in MODES:
        raise DataError(f"mode must be {', '.join(MODES[:-1])} or {MODES[-1]}, found {mode!r}")


def rounded(y: Array, dtype: "np.dtype[Any]") -> Array:
    """Floats as the type of images: to uint8 the nearest number in 0..255, halves upwards; other
    floats as they are, in no bounds, as nobody knows theirs."""
    if dtype != np.uint8:
        return y.astype(dtype, copy=False)
    found: Array = np.clip(y + np.float32(0.5), 0, 255.5).astype(np.uint8)
    return found


def groups(x: Array) -> Iterator[slice]:
    """Images (n, C, H, W), some at a time, so that what is made of them stays in the cache."""
    few = max(1, _AT_ONCE // (x.shape[2] * x.shape[3]))
    for first in range(0, len(x), few):
        yield slice(first, first + few)


def each(per_image: Array) -> Array:
    """One number per image, (n,), to multiply pixels (n, C, H, W) with."""
    found: Array = per_image.astype(np.float32)[:, None, None, None]
    return found
