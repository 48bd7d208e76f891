"""Where the pixels of a resized axis lie in the input, and which pixels they mix: plain arrays.

The coordinates are float32 numbers, computed in the order in which ONNX Runtime computes them. That
is part of what a file means: 1 / 0.2 is 5, but 1 / 0.2000000029802322, the same in float64, is
below 5, and a floor makes another pixel of it.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphcnn.errors import ImportModelError
from graphcnn.ir.node import Array
from graphcnn.onnx.importing.context import UnsupportedError

#: Weights that are computed at once.
_AT_ONCE = 1 << 20

#: The coordinates of a box: its corners are given, as parts of the axes.
CROP = "tf_crop_and_resize"

MODES = ("nearest", "linear", "cubic")

Span = tuple[float, float]
Number = np.float32


@dataclass(frozen=True)
class Axis:
    """One axis that is resized: from `size` pixels to `new`, with the scale of the file."""

    size: int
    new: int
    scale: Any
    span: Span = (0.0, 1.0)

    def floats(self) -> tuple[Any, Any, Any]:
        return Number(self.size), Number(self.new), Number(self.scale)


def coordinates(axis: Axis, mode: str) -> Array:
    """Where each output pixel lies in the input, float32. A scale of 1 moves nothing."""
    j = np.arange(axis.new, dtype=Number)
    if mode == CROP:
        return _of_box(axis, j)
    if mode not in _PIXELS:
        raise UnsupportedError(f"attribute 'coordinate_transformation_mode' = {mode!r}")
    return j if Number(axis.scale) == 1 else _PIXELS[mode](axis, j).astype(Number)


def _half_pixel(axis: Axis, j: Array) -> Array:
    """Pixels are squares of equal area."""
    found: Array = (j + Number(0.5)) / Number(axis.scale) - Number(0.5)
    return found


def _pytorch_half_pixel(axis: Axis, j: Array) -> Array:
    return _half_pixel(axis, j) if axis.new > 1 else j * 0


def _asymmetric(axis: Axis, j: Array) -> Array:
    """The first pixels of both images coincide."""
    found: Array = j / Number(axis.scale)
    return found


def _tf_half_pixel(axis: Axis, j: Array) -> Array:
    """The centre of an output pixel, measured from the border of the input: its floor is the pixel
    that holds it."""
    found: Array = (j + Number(0.5)) / Number(axis.scale)
    return found


def _align_corners(axis: Axis, j: Array) -> Array:
    """The first and the last pixels of both images coincide, for the number of pixels that there
    are: size · scale before it is rounded down, of which the specification speaks, is used by
    no runtime, nor by PyTorch, whose exporter writes this mode."""
    size, new, _ = axis.floats()
    return j * (size - Number(1)) / (new - Number(1)) if axis.new > 1 else j * 0


def _half_pixel_symmetric(axis: Axis, j: Array) -> Array:
    """As half_pixel, with the middles of both images at one place."""
    size, new, scale = axis.floats()
    offset = float(size / Number(2) * (Number(1) - new / (scale * size)))
    found: Array = offset + (j.astype(np.float64) + 0.5) / float(scale) - 0.5
    return found


_PIXELS: dict[str, Callable[[Axis, Array], Array]] = {
    "half_pixel": _half_pixel,
    "pytorch_half_pixel": _pytorch_half_pixel,
    "asymmetric": _asymmetric,
    "tf_half_pixel_for_nn": _tf_half_pixel,
    "align_corners": _align_corners,
    "half_pixel_symmetric": _half_pixel_symmetric,
}


def _of_box(axis: Axis, j: Array) -> Array:
    """The corner pixels lie on the corners of the box; a single pixel in its middle."""
    start, end = map(Number, axis.span)
    last = Number(axis.size) - Number(1)
    if axis.new == 1:
        return np.array([0.5 * float(start + end) * float(last)], Number)
    found: Array = start * last + (j * (end - start) * last) / Number(axis.new - 1)
    return found


def _simple(at: Array, scale: float) -> Array:
    """What Resize of opset 10 does, which has no attribute for it: up where the image shrinks."""
    return np.ceil(at) if scale < 1 else np.trunc(at)


#: A coordinate this near to the middle of two pixels lies there: it is rounded itself, and 1/2
#: divided by a seventh is 3.4999998.
HALF = 1e-6


def _rounded(at: Array, half: float) -> Array:
    """The nearest pixel; `half` is added where two are equally near."""
    low = np.floor(at)
    share = at - low
    middle = np.abs(share - 0.5) <= HALF
    found: Array = low + np.where(middle, half, share > 0.5)
    return found


_ROUNDINGS: dict[str, Callable[[Array, float], Array]] = {
    "floor": lambda at, scale: np.floor(at),
    "ceil": lambda at, scale: np.ceil(at),
    "round_prefer_floor": lambda at, scale: _rounded(at, 0.0),
    "round_prefer_ceil": lambda at, scale: _rounded(at, 1.0),
    "simple": _simple,
}


def nearest(axis: Axis, how: Mapping[str, Any]) -> Array:
    """The input pixel that each output pixel copies."""
    at = coordinates(axis, _pixels(how)).astype(np.float64)  # in which differences are exact
    mode = how.get("nearest_mode", "round_prefer_floor")
    if mode not in _ROUNDINGS:
        raise ImportModelError(f"attribute 'nearest_mode' = {mode!r} is unknown")
    rounded = np.clip(_ROUNDINGS[mode](at, float(Number(axis.scale))), 0, axis.size - 1)
    found: Array = rounded.astype(np.int64)
    return found


def _pixels(how: Mapping[str, Any]) -> str:
    return str(how.get("coordinate_transformation_mode", "half_pixel"))


def matrix(axis: Axis, how: Mapping[str, Any]) -> Array:
    """(new, size) of mode linear or cubic: row j holds the weights of the pixels that output pixel
    j mixes. With `antialias` an image that shrinks is mixed from as many as one covers."""
    at = coordinates(axis, _pixels(how)).astype(np.float64)
    mode = how.get("mode")
    m: Array = np.zeros((axis.new, axis.size))
    rows = np.arange(axis.new)
    stretch = max(1.0, 1 / float(Number(axis.scale))) if how.get("antialias", 0) else 1.0
    reach = math.ceil((1 if mode == "linear" else 2) * stretch)
    cubic = how.get("cubic_coeff_a", -0.75)
    at = np.clip(at, -reach - 1, axis.size + reach)  # farther out the border is alone, too
    low = np.floor(at).astype(np.int64)
    exclude = bool(how.get("exclude_outside", 0))
    offsets = np.arange(1 - reach, reach + 1)
    for part in np.array_split(offsets, -(-offsets.size * axis.new // _AT_ONCE)):
        place = low[:, None] + part
        weight = _kernel((at[:, None] - place) / stretch, str(mode), cubic)
        if exclude:
            weight = np.where((place >= 0) & (place < axis.size), weight, 0.0)
        np.add.at(m, (rows[:, None], np.clip(place, 0, axis.size - 1)), weight)
    total = m.sum(axis=1, keepdims=True)
    return m / np.where(total == 0, 1.0, total) if exclude or stretch > 1 else m


def outside(axis: Axis) -> Array:
    """Which output pixels of a box lie outside of the input."""
    at = coordinates(axis, CROP)
    found: Array = (at < 0) | (at > axis.size - 1)
    return found


def _kernel(distance: Array, mode: str, a: float) -> Array:
    """The weight of a pixel at some distance: a triangle, or the cubic of R. Keys (1981)."""
    d = np.abs(distance)
    if mode == "linear":
        return np.maximum(0.0, 1.0 - d)
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    weight: Array = np.where(d <= 1, near, np.where(d < 2, far, 0.0))
    return weight
