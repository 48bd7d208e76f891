"""Metrics of numbers that are predicted: errors, and how much of the spread is explained.

Each output, the numbers along axis 1, is measured for itself over the items (and the pixels), as
scikit-learn does; what is reported is the mean over the outputs. Sums are float64 from the start.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from graphcnn.ir.node import Array, Value, constant_of
from graphcnn.ir.tensor_type import DType
from graphcnn.language.elementwise import abs as magnitude
from graphcnn.learning.metrics.base import EACH, Finished, Measure, Seen, check_average
from graphcnn.learning.metrics.reading import numbers_of, one_more, weights_along
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.elementwise import Maximum
from graphcnn.ops.shape import Concat, Reshape

#: What a target is at least taken for where an error is divided by it, as in scikit-learn.
_LEAST: Final = float(np.finfo(np.float64).eps)
AVERAGES: Final = ("uniform", None)


@dataclass(frozen=True)
class _OfNumbers(Measure):
    """Sums over the items, of each output.

    Args:
        average: "uniform", the mean over the outputs; None, a number for each.
        item_weights: count each item as often as its weight says; otherwise weights are of the loss
            alone.
    """

    average: str | None = "uniform"
    item_weights: bool = False

    called: ClassVar[str] = ""

    def __post_init__(self) -> None:
        check_average(self.average, AVERAGES)

    @property
    def name(self) -> str:
        return self.called if self.average is not None else self.called + EACH

    def of_batch(self, seen: Seen) -> Value:
        p, t = numbers_of(seen, self.name)
        if p.type.rank < 2:
            p, t = one_more(p), one_more(t)
        weights = weights_along(seen, p) if self.item_weights else None
        one = t * 0.0 + 1.0
        return Concat(0)(*(_total(x, weights) for x in (one, *self.terms(p, t))))

    def terms(self, p: Value, t: Value) -> list[Value]:
        """What is summed up, besides the number of items."""
        raise NotImplementedError

    def each(self, total: Array) -> Array:
        """The number of each output, of the number of items and the sums."""
        found: Array = total[1] / total[0]
        return found

    def finish(self, total: Array) -> Finished:
        with np.errstate(invalid="ignore", divide="ignore"):
            found = self.each(np.asarray(total, np.float64))
        return found if self.average is None else float(found.mean())


def _total(x: Value, weights: Value | None) -> Value:
    """The sum over all but the outputs, (1, K)."""
    found = Sum((0, *range(2, x.type.rank)))(x if weights is None else x * weights)
    return Reshape((1, *found.shape))(found)


class MAE(_OfNumbers):
    """The mean of |p - t|."""

    called: ClassVar = "mae"

    def terms(self, p: Value, t: Value) -> list[Value]:
        return [magnitude(p - t)]


class MSE(_OfNumbers):
    """The mean of (p - t)²."""

    called: ClassVar = "mse"

    def terms(self, p: Value, t: Value) -> list[Value]:
        return [(p - t) * (p - t)]


class RMSE(MSE):
    """The root of the mean of (p - t)², in the unit of the targets."""

    called: ClassVar = "rmse"

    def each(self, total: Array) -> Array:
        found: Array = np.sqrt(super().each(total))
        return found


class MAPE(_OfNumbers):
    """The mean of |p - t| / |t|, a share and no percentage; a target of 0 makes it huge."""

    called: ClassVar = "mape"

    def terms(self, p: Value, t: Value) -> list[Value]:
        return [magnitude(p - t) / Maximum()(magnitude(t), constant_of(_LEAST, DType.FLOAT64))]


class R2(_OfNumbers):
    """1 - Σ (p - t)² / Σ (t - mean t)²: 1 is perfect, 0 what the mean alone gives, less is worse.

    Of targets that are all the same it is 1 where they are met, else 0. NaN of a single item.
    """

    called: ClassVar = "r2"

    def terms(self, p: Value, t: Value) -> list[Value]:
        return [(p - t) * (p - t), t, t * t]

    def each(self, total: Array) -> Array:
        count, errors, sums, squares = total
        return explained(errors, squares - sums**2 / count, squares, count)


class ExplainedVariance(_OfNumbers):
    """1 - var(t - p) / var(t): as R², but an error that is the same for all items costs nothing."""

    called: ClassVar = "explained_variance"

    def terms(self, p: Value, t: Value) -> list[Value]:
        return [(p - t) * (p - t), p - t, t, t * t]

    def each(self, total: Array) -> Array:
        count, errors, bias, sums, squares = total
        return explained(errors - bias**2 / count, squares - sums**2 / count, squares, count)


class Errors(_OfNumbers):
    """All that a report says: sums of |p - t|, (p - t)², p - t, t and t²."""

    called: ClassVar = "errors"

    def terms(self, p: Value, t: Value) -> list[Value]:
        return [magnitude(p - t), (p - t) * (p - t), p - t, t, t * t]


def explained(errors: Array, spread: Array, squares: Array, count: Array) -> Array:
    """1 - errors / spread, where what is left of a difference of sums may be rounding alone."""
    nothing = 4 * np.finfo(np.float64).eps * squares
    flat, met = spread <= nothing, errors <= nothing
    found: Array = np.where(flat, met * 1.0, 1 - errors / np.where(flat, 1.0, spread))
    return np.where(count < 2, np.nan, found)
