"""Digits as a pen draws them, for examples that need no data.

Each digit is one or two strokes, given by points in a box 1 wide and 1 high that a smooth curve
goes through. A pixel is bright where its distance to the curve is less than half the width of the
pen, with one pixel of grey between. They look like those of MNIST, from which none is taken: 28×28,
light on dark, the middle of the light in that of the picture.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from graphcnn.ir.node import Array

Point = tuple[float, float]

SIZE: Final = 28
_BOX: Final = 17.0
_PEN: Final = 2.6
#: Points that a curve is drawn by, between two of those given.
_FINE: Final = 16


def _arc(x: float, y: float, wide: float, high: float, first: float, last: float) -> list[Point]:
    """Points of an ellipse around (x, y), from one angle to another, in degrees; 0 is to the right,
    90 is down."""
    angles = [math.radians(first + (last - first) * i / 10) for i in range(11)]
    return [(x + wide * math.cos(a), y + high * math.sin(a)) for a in angles]


#: Strokes of each digit: x to the right, y down.
STROKES: Final[tuple[tuple[list[Point], ...], ...]] = (
    (_arc(0.5, 0.5, 0.34, 0.5, -90, 270),),
    ([(0.58, 0.0), (0.52, 0.34), (0.46, 0.67), (0.42, 1.0)],),
    ([*_arc(0.45, 0.26, 0.32, 0.26, -170, 40), (0.42, 0.72), (0.1, 1.0)],
     [(0.1, 1.0), (0.45, 0.93), (0.88, 1.0)]),
    ([*_arc(0.42, 0.25, 0.33, 0.25, -160, 90)], [*_arc(0.42, 0.74, 0.38, 0.26, -90, 160)]),
    ([(0.25, 0.0), (0.16, 0.3), (0.1, 0.58)], [(0.1, 0.58), (0.45, 0.56), (0.9, 0.52)],
     [(0.72, 0.02), (0.66, 0.5), (0.58, 1.0)]),
    ([(0.85, 0.0), (0.5, 0.02), (0.24, 0.04)], [(0.24, 0.04), (0.2, 0.24), (0.17, 0.44)],
     [(0.17, 0.44), *_arc(0.42, 0.7, 0.36, 0.3, -80, 150)]),
    ([(0.68, 0.0), (0.36, 0.24), (0.2, 0.56), *_arc(0.48, 0.74, 0.3, 0.26, 180, -180)],),
    ([(0.08, 0.06), (0.45, 0.04), (0.9, 0.02)], [(0.9, 0.02), (0.62, 0.45), (0.44, 1.0)]),
    ([*_arc(0.5, 0.25, 0.27, 0.25, 60, 420)], [*_arc(0.48, 0.74, 0.33, 0.26, -90, 270)]),
    ([*_arc(0.46, 0.28, 0.32, 0.28, -20, 340), (0.76, 0.2), (0.7, 0.6), (0.6, 1.0)],),
)  # fmt: skip


def digit(number: int, slant: float = 0.12, width: float = 1.0) -> Array:
    """A digit as uint8 pixels (1, 28, 28); `slant` leans it to the right, `width` stretches it."""
    axis = np.arange(SIZE) + 0.5
    y, x = np.meshgrid(axis, axis, indexing="ij")
    far = np.full((SIZE, SIZE), np.inf)
    for stroke in STROKES[number]:
        points = np.array(_smooth(stroke))
        points[:, 0] = (points[:, 0] - 0.5) * width + slant * (0.5 - points[:, 1]) + 0.5
        places = points * _BOX + (SIZE - _BOX) / 2
        for a, b in pairwise(places):
            along = b - a
            t = ((x - a[0]) * along[0] + (y - a[1]) * along[1]) / max(float(along @ along), 1e-12)
            t = np.clip(t, 0, 1)
            far = np.minimum(far, np.hypot(x - a[0] - t * along[0], y - a[1] - t * along[1]))
    light = np.clip(_PEN / 2 + 0.5 - far, 0, 1)
    pixels: Array = np.rint(_centred(light) * 255).astype(np.uint8)
    return pixels[None]


def digits(count: int = 16) -> Array:
    """`count` digits (count, 1, 28, 28), 0 to 9 again and again, every other round narrower."""
    hands = ((0.12, 1.0), (-0.05, 0.85))
    return np.stack([digit(i % 10, *hands[i // 10 % 2]) for i in range(count)])


def _smooth(points: Sequence[Point]) -> list[Point]:
    """A curve through the points (E. Catmull, R. Rom, 1974), the ends held."""
    held = [points[0], *points, points[-1]]
    found: list[Point] = []
    for p0, p1, p2, p3 in zip(held, held[1:], held[2:], held[3:], strict=False):
        for i in range(_FINE):
            t = i / _FINE
            found.append(
                tuple(
                    0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t * t
                           + (3 * b - a - 3 * c + d) * t**3)
                    for a, b, c, d in zip(p0, p1, p2, p3, strict=True)
                )  # type: ignore[arg-type]
            )  # fmt: skip
    return [*found, points[-1]]


def _centred(light: Array) -> Array:
    """The pixels moved by whole ones so that the middle of their light is that of the picture."""
    axis = np.arange(SIZE) + 0.5
    total = light.sum()
    down = round(SIZE / 2 - float((light.sum(1) * axis).sum() / total))
    right = round(SIZE / 2 - float((light.sum(0) * axis).sum() / total))
    return np.roll(light, (down, right), (0, 1))


def digit_strings(count: int, most: int = 3, width: int = 72, seed: int = 0) -> tuple[Array, Array]:
    """Images of 1 to `most` digits in a row, and their labels.

    Each digit leans and stretches as it likes, and stands some pixels from the one before.

    Returns:
        (images, labels): uint8 (count, 1, 28, width), int64 (count, most) filled up with -1.
    """
    hands = [(slant, wide) for slant in (-0.1, 0.05, 0.2) for wide in (0.8, 1.0)]
    drawn = np.stack([[digit(number, *hand)[0] for hand in hands] for number in range(10)])
    rng = np.random.default_rng(seed)
    images = np.zeros((count, 1, SIZE, width), np.uint8)
    labels = np.full((count, most), -1, np.int64)
    for image, row in zip(images[:, 0], labels, strict=True):
        numbers = rng.integers(0, 10, rng.integers(1, most + 1))
        row[: len(numbers)] = numbers
        step = min((width - SIZE) // max(len(numbers) - 1, 1), 21)
        x = int(rng.integers(0, width - SIZE - step * (len(numbers) - 1) + 1))
        for i, number in enumerate(numbers):
            at = x + i * step - int(rng.integers(0, 3)) * (i > 0)
            part = image[:, at : at + SIZE]
            np.maximum(part, drawn[number, rng.integers(len(hands))], out=part)
    return images, labels
