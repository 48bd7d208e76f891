"""Crops at the size of the image, out of the image with something around it."""

from dataclasses import dataclass

import numpy as np

from graphcnn.data.augment.draw import Draw, below
from graphcnn.data.augment.transform import Moving, Subject, chosen_mode, whole
from graphcnn.errors import DataError
from graphcnn.ir.node import Array


@dataclass(frozen=True)
class crop(Moving):
    """A crop of the size of the image, from the image with `pixels` more on every side: it moves
    by whole pixels, at most so many, along each axis.

    Attributes:
        pixels: of padding, on every side.
        mode: what the padding is: "zero", the mirror image ("reflect", without the pixel at the
            edge twice, as NumPy's), or the nearest pixel ("edge").
    """

    pixels: int
    mode: str = "zero"

    def __post_init__(self) -> None:
        whole("pixels", self.pixels)
        chosen_mode(self.mode)

    def check(self, subject: Subject) -> None:
        super().check(subject)
        if self.mode == "reflect" and self.pixels >= min(subject.size):
            raise DataError(
                f"the mirror image of {subject.size[0]}×{subject.size[1]} pixels has "
                f"{min(subject.size) - 1} to every side, found pixels={self.pixels}"
            )

    def brings_in(self) -> bool:
        return self.mode == "zero"

    def move(self, x: Array, draw: Draw, outside: float = 0, nearest: bool = False) -> Array:
        size = x.shape[2:]
        windows = np.lib.stride_tricks.sliding_window_view(
            padded(x, self.pixels, self.mode, outside), size, axis=(2, 3)
        )
        top, left = self._corners(draw)
        moved: Array = windows[np.arange(len(x)), :, top, left]
        return moved

    def points(self, xy: Array, size: tuple[int, int], draw: Draw) -> Array:
        top, left = self._corners(draw)
        by = (self.pixels - np.stack([left, top], -1)).astype(xy.dtype)
        moved: Array = xy + by.reshape(len(xy), *[1] * (xy.ndim - 2), 2)
        return moved

    def _corners(self, draw: Draw) -> tuple[Array, Array]:
        u, v = draw.uniform(2)
        return below(u, 2 * self.pixels + 1), below(v, 2 * self.pixels + 1)


def padded(x: Array, pixels: int, mode: str, outside: float = 0) -> Array:
    """Images (n, C, H, W) with so many pixels more on every side."""
    n, c, h, w = x.shape
    p = pixels
    y = np.full((n, c, h + 2 * p, w + 2 * p), outside if mode == "zero" else 0, x.dtype)
    y[:, :, p : p + h, p : p + w] = x
    if mode != "zero":
        for plane, size in ((y, h), (y.swapaxes(2, 3), w)):  # rows, then columns of them all
            end = p + size
            before, after = plane[:, :, p : p + 1], plane[:, :, end - 1 : end]
            if mode == "reflect":
                before, after = plane[:, :, 2 * p : p : -1], plane[:, :, end - 2 : size - 2 : -1]
            plane[:, :, :p], plane[:, :, end:] = before, after
    return y
