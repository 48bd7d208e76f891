"""What keeps an image simple: penalties on its pixels x, each a mean over the pixels of an item.

    tv      |x[i+1, j] - x[i, j]| + |x[i, j+1] - x[i, j]|: total variation, against noise
    l1, l2  |x|, x²: pulls to black
    alpha   |2x - 1|⁶: pulls away from the outermost blacks and whites
    blur    (x - blurred x)², blurred by [1 2 1] / 4 along both axes: against fine patterns

A. Mahendran, A. Vedaldi, "Understanding Deep Image Representations by Inverting Them",
arXiv:1412.0035, for total variation and α = 6; J. Yosinski et al., arXiv:1506.06579, for blur.
"""

import math
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from graphcnn.errors import LensError
from graphcnn.ir.node import Value, constant_of
from graphcnn.language.dense import matmul
from graphcnn.language.elementwise import abs, pow
from graphcnn.language.reduce import mean
from graphcnn.language.shape import slice
from graphcnn.lens.checks import is_number


def _tv(x: Value) -> Value:
    parts = [
        mean(abs(slice(x, axis, 1) - slice(x, axis, 0, -1)), (1, 2, 3))
        for axis in (2, 3)
        if x.shape[axis] != 1  # one row has none below it
    ]
    return sum(parts[1:], parts[0]) if parts else mean(x * 0.0, (1, 2, 3))


def _blur(x: Value) -> Value:
    rows, columns = (constant_of(_smoothing(int(d))) for d in x.shape[2:])  # type: ignore[arg-type]
    rest = x - matmul(matmul(rows, x), columns, transpose_b=True)
    return mean(rest * rest, (1, 2, 3))


def _smoothing(size: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    """[1 2 1] / 4 along an axis, the edge repeated."""
    places = np.arange(size)
    found = np.zeros((size, size), np.float32)
    for offset, weight in ((-1, 0.25), (0, 0.5), (1, 0.25)):
        np.add.at(found, (places, np.clip(places + offset, 0, size - 1)), np.float32(weight))
    return found


PENALTIES: Final[Mapping[str, Callable[[Value], Value]]] = {
    "tv": _tv,
    "l1": lambda x: mean(abs(x), (1, 2, 3)),
    "l2": lambda x: mean(x * x, (1, 2, 3)),
    "alpha": lambda x: mean(pow(x * 2.0 - 1.0, 6.0), (1, 2, 3)),
    "blur": _blur,
}


def checked_penalties(weights: Mapping[str, float] | None) -> dict[str, float]:
    """The weights by name, without those that are 0. Raises `LensError` for unknown names."""
    if not isinstance(weights, Mapping | None):
        raise LensError(f"penalties are weights by name, found {weights!r}")
    for name, weight in (weights or {}).items():
        if name not in PENALTIES or not is_number(weight) or not 0 <= weight < math.inf:
            raise LensError(
                f"penalties are weights of at least 0 for {', '.join(PENALTIES)}, "
                f"found {name!r}: {weight!r}"
            )
    return {name: float(w) for name, w in (weights or {}).items() if w}


def penalty(x: Value, weights: Mapping[str, float]) -> Value | None:
    """The weighted sum of penalties of each item, f32[n]; None where there are none."""
    total: Value | None = None
    for name, weight in weights.items():
        part = PENALTIES[name](x) * weight
        total = part if total is None else total + part
    return total


def penalty_words(weights: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {weight:g}" for name, weight in weights.items()) or "no penalty"
