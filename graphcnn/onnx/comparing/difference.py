"""How far two results are apart: absolutely, by the largest number, in units in the last place.

The absolute error divided by the largest number is what is bounded: float32 keeps about seven
digits, and sums in another order differ in the last one. A unit in the last place (ULP) is the
step to the next number that the type can hold. Near zero steps are tiny, so that the largest
distance in ULP says little about a sum; the median says how most numbers fare.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphcnn.base.words import printable
from graphcnn.errors import VerifyError
from graphcnn.ir.node import Array

#: Numbers that are compared at a time: what is computed of them stays in the cache.
_AT_A_TIME = 1 << 15

#: Columns of the table, and the line of one `Difference` in it.
HEAD = (
    f"{'output':<20} {'batch':>5} {'optimised':>9} {'max abs':>10} {'normalised':>10} "
    f"{'max ulp':>8} {'med ulp':>8} {'argmax':>8}"
)


@dataclass(frozen=True)
class Difference:
    """One output at one batch size. `argmax_agreement` is the share of items whose largest class
    (axis 1) is the same, None for outputs without classes."""

    output: str
    batch: int
    optimised: bool
    max_abs: float
    normalised: float
    max_ulp: float
    median_ulp: float
    argmax_agreement: float | None

    def __str__(self) -> str:
        agree = "" if self.argmax_agreement is None else f"{self.argmax_agreement:8.1%}"
        mode = "on" if self.optimised else "off"
        return (
            f"{printable(self.output):<20} {self.batch:>5} {mode:>9} {self.max_abs:>10.2e} "
            f"{self.normalised:>10.2e} {self.max_ulp:>8.3g} {self.median_ulp:>8.3g} {agree:>8}"
        ).rstrip()


def difference(output: str, batch: int, optimised: bool, theirs: Array, ours: Array) -> Difference:
    """The distance of `theirs` from `ours`. Raises `VerifyError` for other shapes or types."""
    if (theirs.shape, theirs.dtype) != (ours.shape, ours.dtype):
        raise VerifyError(
            f"output {output!r}: ONNX Runtime gives {theirs.dtype}{list(theirs.shape)}, "
            f"expected {ours.dtype}{list(ours.shape)}"
        )
    largest, normalised = errors(theirs, ours)
    steps = ulps(theirs, ours)
    agreement = None
    if ours.ndim >= 2 and ours.shape[1] > 1 and ours.dtype.kind == "f":
        agreement = float(np.mean(theirs.argmax(axis=1) == ours.argmax(axis=1)))
    return Difference(
        output,
        batch,
        optimised,
        largest,
        normalised,
        float(steps.max(initial=0.0)),
        float(np.median(steps)) if steps.size else 0.0,
        agreement,
    )


def errors(theirs: Array, ours: Array) -> tuple[float, float]:
    """The largest absolute error, and the same divided by our largest finite number. What is NaN
    on one side only is infinitely wrong."""
    largest = scale = 0.0
    for _, x, y in _pieces(theirs, ours):
        a, b = x.astype(np.float64), y.astype(np.float64)
        same = (a == b) | (np.isnan(a) & np.isnan(b))  # infinities too
        with np.errstate(invalid="ignore"):
            error = np.where(same, 0.0, np.abs(a - b))
        error[np.isnan(error)] = np.inf
        largest = max(largest, float(error.max()))
        scale = max(scale, float(np.abs(b[np.isfinite(b)]).max(initial=0.0)))
    return largest, largest / (scale or 1.0)


def ulps(theirs: Array, ours: Array) -> Array:
    """Numbers of the type between two numbers, element by element; for integers their distance."""
    steps = np.empty(ours.size)
    for part, x, y in _pieces(theirs, ours):
        steps[part] = _ulps(x, y)
    return steps.reshape(ours.shape)


def _pieces(theirs: Array, ours: Array) -> Iterator[tuple[slice, Array, Array]]:
    """Both, a few elements at a time."""
    a, b = theirs.reshape(-1), ours.reshape(-1)
    for start in range(0, b.size, _AT_A_TIME):
        part = slice(start, start + _AT_A_TIME)
        yield part, a[part], b[part]


def _ulps(theirs: Array, ours: Array) -> Array:
    if ours.dtype.kind != "f":
        return np.abs(theirs.astype(np.float64) - ours.astype(np.float64))
    a, b = _rank(theirs), _rank(ours)
    up, down = (x.view(np.uint64) - y.view(np.uint64) for x, y in ((a, b), (b, a)))  # modulo 2^64
    steps = np.where(a > b, up, down).astype(np.float64)
    steps[np.isnan(theirs) != np.isnan(ours)] = np.inf
    steps[np.isnan(theirs) & np.isnan(ours)] = 0.0
    return np.asarray(steps)


def _rank(array: Array) -> Array:
    """The place of each number in the order of all numbers of its type; 0 for both zeros."""
    kind: Any = np.dtype(f"i{array.dtype.itemsize}")
    bits = np.ascontiguousarray(array).view(kind).astype(np.int64)
    least = np.iinfo(kind).min
    return np.asarray(np.where(bits < 0, int(least) - bits, bits))


def to_json(report: Any) -> str:
    """JSON of a report; numbers that are infinite or no numbers become texts, as JSON has none."""
    return json.dumps(_plain(report), indent=2)


def _plain(item: Any) -> Any:
    if isinstance(item, dict):
        return {key: _plain(each) for key, each in item.items()}
    if isinstance(item, list | tuple):
        return [_plain(each) for each in item]
    return str(item) if isinstance(item, float) and not math.isfinite(item) else item
