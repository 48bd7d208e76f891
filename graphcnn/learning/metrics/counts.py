"""Metrics of how often classes are found and mistaken: precision, recall, F, overlap, agreement.

All come of four whole numbers for each class k: items of k that are taken for it (tp), of others
that are (fp), of k that are not (fn), of others that are not (tn). They add up over batches.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.node import Array, Value
from graphcnn.learning.metrics.accuracy import total_of
from graphcnn.learning.metrics.base import EACH, Finished, Measure, Seen, check_average
from graphcnn.learning.metrics.reading import (
    Classes,
    either,
    indicated,
    only_classes,
    sides_of,
    weights_along,
)
from graphcnn.ops.comparison import And, Not
from graphcnn.ops.shape import Concat, Reshape

#: How the numbers of the classes become one; None leaves them apart.
AVERAGES: Final = ("macro", "micro", "weighted", None)


def tally(seen: Seen, found: object, item_weights: bool) -> Value:
    """tp, fp and fn of each class, (3, K), and where labels do not exclude each other tn: (4, K).

    Whole numbers; in float64 where items have weights.
    """
    predicted, true, counts = indicated(found)  # type: ignore[arg-type]
    cells = [(predicted, true), (predicted, Not()(true)), (Not()(predicted), true)]
    if not isinstance(found, Classes):
        cells.append((Not()(predicted), Not()(true)))
    weights = weights_along(seen, predicted) if item_weights else None
    rows = []
    for one, other in cells:
        both = And()(one, other)
        total = total_of(both if counts is None else And()(both, counts), weights)
        rows.append(Reshape((1, *total.shape))(total))
    return Concat(0)(*rows)


@dataclass(frozen=True)
class Cells:
    """The four numbers of each class, in float64, and whether it occurs or is predicted."""

    tp: Array
    fp: Array
    fn: Array
    tn: Array
    occurs: Array

    @classmethod
    def of(cls, total: Array) -> "Cells":
        """Of (3, K): classes that exclude each other; or of (4, K): labels."""
        wide = np.asarray(total, np.float64)
        tp, fp, fn = wide[:3]
        if len(wide) == 4:
            return cls(tp, fp, fn, wide[3], np.ones(len(tp), bool))
        return cls(tp, fp, fn, (tp + fn).sum() - tp - fp - fn, tp + fp + fn > 0)


def averaged(name: str, average: str | None) -> str:
    """The name of a metric with its average: `f1`, `f1_micro`, `f1[]`."""
    if average is None:
        return name + EACH
    return name if average == "macro" else f"{name}_{average}"


@dataclass(frozen=True)
class _OfClasses(Measure):
    """A ratio of counts for each class, and their average.

    Args:
        average: "macro", the mean over the classes; "micro", the ratio of the sums over them;
            "weighted", the mean by how often they occur; None, a number for each class, which a
            history shows as `f1[cat]`. Classes that neither occur nor are predicted are left out of
            the means, as scikit-learn does; labels that do not exclude each other all count. Of one
            sigmoid there is one class, that of 1.
        zero_division: what 0 / 0 is, such as the precision of a class that is never predicted.
            NaN leaves such a class out.
        item_weights: count each item as often as its weight says; otherwise weights are of the loss
            alone.
    """

    average: str | None = "macro"
    zero_division: float = 0.0
    item_weights: bool = False

    called: ClassVar[str] = ""

    def __post_init__(self) -> None:
        check_average(self.average, AVERAGES)

    @property
    def name(self) -> str:
        return averaged(self.called, self.average)

    def of_batch(self, seen: Seen) -> Value:
        found = either(seen, self.name, "counts classes")
        return tally(seen, found, self.item_weights)

    def ratio(self, cells: Cells) -> tuple[Array, Array]:
        """Numerator and denominator for each class."""
        raise NotImplementedError

    def finish(self, total: Array) -> Finished:
        cells = Cells.of(total)
        above, below = self.ratio(cells)
        if self.average == "micro":
            return float(_divided(above.sum(), below.sum(), self.zero_division))
        each = _divided(above, below, self.zero_division)
        if self.average is None:
            return each
        weights = cells.tp + cells.fn if self.average == "weighted" else cells.occurs * 1.0
        weights = np.where(np.isnan(each), 0.0, weights)
        whole = weights.sum()
        return float((np.nan_to_num(each) * weights).sum() / whole) if whole else self.zero_division


def _divided(above: Array, below: Array, zero: float) -> Array:
    safe = np.where(below == 0, 1.0, below)
    found: Array = np.where(below == 0, zero, above / safe)
    return found


class Precision(_OfClasses):
    """tp / (tp + fp): of what is taken for a class, the share that is of it."""

    called: ClassVar = "precision"

    def ratio(self, cells: Cells) -> tuple[Array, Array]:
        return cells.tp, cells.tp + cells.fp


class Recall(_OfClasses):
    """tp / (tp + fn): of the items of a class, the share that is found."""

    called: ClassVar = "recall"

    def ratio(self, cells: Cells) -> tuple[Array, Array]:
        return cells.tp, cells.tp + cells.fn


class Specificity(_OfClasses):
    """tn / (tn + fp): of the items of other classes, the share that is not taken for this one."""

    called: ClassVar = "specificity"

    def ratio(self, cells: Cells) -> tuple[Array, Array]:
        return cells.tn, cells.tn + cells.fp


@dataclass(frozen=True)
class FBeta(_OfClasses):
    """(1 + β²) tp / ((1 + β²) tp + β² fn + fp): the harmonic mean of precision and recall, in which
    recall counts β times as much."""

    beta: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.beta > 0:
            raise GraphError(f"beta must be above 0, found {self.beta!r}")

    @property
    def name(self) -> str:
        return averaged(f"f{self.beta:g}", self.average)

    def ratio(self, cells: Cells) -> tuple[Array, Array]:
        square = self.beta**2
        above = (1 + square) * cells.tp
        return above, above + square * cells.fn + cells.fp


class F1(_OfClasses):
    """2 tp / (2 tp + fp + fn): the harmonic mean of precision and recall."""

    called: ClassVar = "f1"

    def ratio(self, cells: Cells) -> tuple[Array, Array]:
        return 2 * cells.tp, 2 * cells.tp + cells.fp + cells.fn


class Dice(F1):
    """2 |A ∩ B| / (|A| + |B|) of the pixels of a class: F1 by the name that it has there."""

    called: ClassVar = "dice"


class MeanIoU(_OfClasses):
    """tp / (tp + fp + fn): |A ∩ B| / |A ∪ B| of the pixels of a class (Jaccard's index)."""

    called: ClassVar = "mean_iou"

    def ratio(self, cells: Cells) -> tuple[Array, Array]:
        return cells.tp, cells.tp + cells.fp + cells.fn


@dataclass(frozen=True)
class _OfChoices(Measure):
    """Of classes that exclude each other, or of one sigmoid."""

    item_weights: bool = False

    called: ClassVar[str] = ""

    @property
    def name(self) -> str:
        return self.called

    def of_batch(self, seen: Seen) -> Value:
        found = sides_of(seen)
        if found is not None and found.scores.shape[1] == 1:
            return tally(seen, found, self.item_weights)
        return tally(
            seen, only_classes(seen, self.name, "is of classes that exclude each other"),
            self.item_weights,
        )  # fmt: skip


def _both(total: Array) -> Cells:
    """The cells of the classes; of one sigmoid those of 0 and of 1."""
    cells = Cells.of(total)
    if len(total) == 3:
        return cells
    two = np.stack([np.asarray(total, np.float64)[[3, 2, 1], 0], np.asarray(total)[:3, 0]], 1)
    return Cells.of(two)


class BalancedAccuracy(_OfChoices):
    """The mean of the recalls of the classes that occur."""

    called: ClassVar = "balanced_accuracy"

    def finish(self, total: Array) -> Finished:
        cells = _both(total)
        support = cells.tp + cells.fn
        some = support > 0
        return float((cells.tp[some] / support[some]).mean()) if some.any() else float("nan")


class CohenKappa(_OfChoices):
    """(p - e) / (1 - e), the accuracy p beside what chance would give, e = Σ P(true = k) ·
    P(predicted = k) (Cohen 1960). NaN where only one class occurs and is predicted."""

    called: ClassVar = "cohen_kappa"

    def finish(self, total: Array) -> Finished:
        cells = _both(total)
        true, taken = cells.tp + cells.fn, cells.tp + cells.fp
        items = true.sum()
        chance = float(true @ taken)
        if items * items == chance:
            return float("nan")
        return float((items * cells.tp.sum() - chance) / (items * items - chance))


class MatthewsCorrelation(_OfChoices):
    """The correlation of true and predicted classes (Matthews 1975; of many classes Gorodkin 2004).
    0 where all are of one class, or taken for one."""

    called: ClassVar = "matthews_correlation"

    def finish(self, total: Array) -> Finished:
        cells = _both(total)
        true, taken = cells.tp + cells.fn, cells.tp + cells.fp
        items = true.sum()
        spread = (items**2 - true @ true) * (items**2 - taken @ taken)
        if not spread:
            return 0.0
        return float((items * cells.tp.sum() - true @ taken) / np.sqrt(spread))
