"""How exact can right results of a model be? The exact result, and the spread of float32 around it.

The exact result is a run in float64. What float32 (float16) may differ from it is seen in runs with
the noise of rounding (`rounding`), element by element, so that numbers of every size and every
conditioning have a yardstick of their own. A result is right where it is no further from the exact
one than `SHIFTED` times the spread in most elements, and than `farthest` times in any.
"""

import math
import warnings
from dataclasses import dataclass

import numpy as np

from graphcnn.ir.node import Array
from graphcnn.ir.tensor_type import DType
from graphcnn.onnx.comparing.rounding import least, unit
from graphcnn.onnx.comparing.widened import FLOATS

#: How many times the spread the median of the elements of an output may be off.
SHIFTED = 6.0
#: How many times the spread of a float explains a decision on it.
FAR = 20.0


def farthest(count: int) -> float:
    """How many times the spread one of so many elements may be off."""
    return SHIFTED + 2.0 * math.log10(max(1, count))


#: The least spread of an element: this share of the median of the slices that it lies in.
_SHARE = 0.5
#: Slices of fewer elements have no median that says anything.
_FEW = 16


@dataclass
class Spread:
    """One value: its exact numbers, and the squares of the errors of runs with noise, added up."""

    exact: Array
    kind: DType
    squares: Array | None = None
    lost: Array | None = None
    runs: int = 0

    def add(self, noisy: Array) -> None:
        """Another run with noise."""
        self.runs += 1
        if self.kind not in FLOATS:
            return
        with np.errstate(invalid="ignore", over="ignore"):
            error = noisy.astype(np.float64) - self.exact.astype(np.float64)
            error = np.where(_same(noisy, self.exact), 0.0, error)
        wild = ~np.isfinite(error)
        error[wild] = 0.0
        error *= error
        self.squares = error if self.squares is None else self.squares + error
        self.lost = wild if self.lost is None else self.lost | wild

    def scale(self) -> Array:
        """The spread of every element: infinite where noise makes infinities or NaN of it."""
        if self.squares is None or self.lost is None or self.kind not in FLOATS:
            return np.zeros(self.exact.shape)
        if not self.lost.any() and not self.squares.any():  # nothing was rounded
            return np.zeros_like(self.squares)
        found = np.maximum(np.sqrt(self.squares / self.runs), least(self.kind))
        size = np.where(np.isfinite(self.exact), np.abs(self.exact), 0.0)
        found = np.maximum(found, 0.5 * unit(self.kind) * size)
        found = np.maximum(found, _SHARE * _typical(found))
        return np.where(self.lost, np.inf, found)

    def distances(self, found: Array) -> Array:
        """How far off every element of a result is, in multiples of the spread."""
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            a, exact = found.astype(np.float64), self.exact.astype(np.float64)
            error = np.where(_same(a, exact), 0.0, np.abs(a - exact))
            error[np.isnan(error)] = np.inf
            scale = self.scale()
            far = np.where(error == 0, 0.0, error / scale)
        return np.asarray(np.where(np.isinf(scale), 0.0, far))


def _same(a: Array, b: Array) -> Array:
    """Equal, both NaN, or both the same infinity."""
    return np.asarray((a == b) | (np.isnan(a) & np.isnan(b)))


def _typical(scale: Array) -> Array:
    """The median of what is not 0 in the slices that an element lies in, across each axis: the
    least of them. Of all elements where slices are small."""
    found: Array | None = None
    filled = np.where(scale > 0, scale, np.nan)
    for axis, size in enumerate(scale.shape):
        if 1 < size and scale.size // size >= _FEW:
            others = tuple(a for a in range(scale.ndim) if a != axis)
            here = _median(filled, others)
            found = here if found is None else np.fmin(found, here)
    if found is None:
        found = _median(filled, tuple(range(scale.ndim)))
    return np.nan_to_num(found, nan=0.0)


def _median(x: Array, axes: tuple[int, ...]) -> Array:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of slices without a number
        return np.asarray(np.nanmedian(x, axis=axes, keepdims=True))
