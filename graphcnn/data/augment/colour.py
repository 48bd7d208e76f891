"""Changes of light and colour.

Brightness, contrast and saturation mix an image with black, with its mean grey and with its own
grey: y = f·x + (1 - f)·g, f from 1 - amount to 1 + amount, as in torchvision and Pillow. Grey is
0.299 R + 0.587 G + 0.114 B (ITU-R BT.601). Hue turns the angle of the colour in HSV.
"""

from dataclasses import dataclass

import numpy as np

from graphcnn.data.augment.draw import Draw
from graphcnn.data.augment.transform import Subject, Transform, between, each, groups, rounded
from graphcnn.errors import DataError
from graphcnn.ir.node import Array

_GREY = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class colour_jitter(Transform):
    """Brightness, contrast, saturation and hue changed at random, in this order and rounded once.

    Attributes:
        brightness, contrast, saturation: how far the factor f may be from 1.
        hue: how far colours may turn, in turns: 0.5 reaches the opposite colour.
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0

    def __post_init__(self) -> None:
        for name in ("brightness", "contrast", "saturation"):
            between(name, getattr(self, name), 0, 1)
        between("hue", self.hue, 0, 0.5)
        if not any((self.brightness, self.contrast, self.saturation, self.hue)):
            raise DataError("nothing is to be changed: say how much, as in brightness=0.2")

    def check(self, subject: Subject) -> None:
        channels = subject.shape[0]
        for name in ("saturation", "hue"):
            if getattr(self, name) and channels != 3:
                found = "grey" if channels == 1 else f"of {channels} channels"
                raise DataError(
                    f"{name} is of colours (red, green, blue), these images are {found}"
                )

    def images(self, x: Array, draw: Draw) -> Array:
        signs = [2 * u - 1 for u in draw.uniform(4)]
        y = np.empty_like(x)
        for rows in groups(x):
            y[rows] = rounded(self._changed(x[rows], *(u[rows] for u in signs)), x.dtype)
        return y

    def _changed(self, x: Array, light: Array, spread: Array, colour: Array, angle: Array) -> Array:
        """As float32, by numbers (n,) in [-1, 1)."""
        y = x.astype(np.float32)
        if self.brightness:
            y *= each(1 + light * self.brightness)
        if self.contrast:
            middle = _grey(y).mean((1, 2, 3), dtype=np.float64, keepdims=True)
            y = _mixed(y, middle.astype(np.float32), each(1 + spread * self.contrast))
        if self.saturation:
            y = _mixed(y, _grey(y), each(1 + colour * self.saturation))
        return turned(y, each(angle * self.hue)[:, 0]) if self.hue else y


def brightness(amount: float) -> colour_jitter:
    """An image lighter or darker: multiplied by a factor from 1 - amount to 1 + amount."""
    return colour_jitter(brightness=amount)


def contrast(amount: float) -> colour_jitter:
    """An image further from its mean grey, or nearer: by a factor from 1 - amount to 1 + amount."""
    return colour_jitter(contrast=amount)


def saturation(amount: float) -> colour_jitter:
    """Colours further from grey, or nearer: by a factor from 1 - amount to 1 + amount."""
    return colour_jitter(saturation=amount)


def hue(amount: float) -> colour_jitter:
    """Colours turned on their circle by at most `amount` turns to either side, up to 0.5."""
    return colour_jitter(hue=amount)


def turned(rgb: Array, turns: Array) -> Array:
    """Colours (n, 3, H, W) with another hue in HSV; saturation and value stay."""
    red, green, blue = rgb[:, 0], rgb[:, 1], rgb[:, 2]
    value, least = rgb.max(1), rgb.min(1)
    span = value - least
    safe = np.where(span > 0, span, np.float32(1))
    sixth = np.where(
        value == red,
        (green - blue) / safe,
        np.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    sixth = sixth + 6 * turns
    y = np.empty_like(rgb)
    for c, start in enumerate((5, 3, 1)):
        k = sixth + start
        k -= 6 * np.floor(k * np.float32(1 / 6))  # many times as fast as np.mod
        y[:, c] = value - span * np.clip(np.minimum(k, 4 - k), 0, 1)
    return y


def _grey(x: Array) -> Array:
    """(n, 1, H, W): the grey of three colours, else the mean of the channels."""
    if x.shape[1] != 3:
        return np.asarray(x.mean(1, keepdims=True))
    grey: Array = x[:, :1] * _GREY[0] + x[:, 1:2] * _GREY[1] + x[:, 2:] * _GREY[2]
    return grey


def _mixed(x: Array, grey: Array, factor: Array) -> Array:
    y: Array = x * factor + grey * (1 - factor)
    return y
