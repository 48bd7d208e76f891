"""Metrics of how well scores rank the items: of all of them at once."""

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from graphcnn.analysis.ranking import average_precision, roc_area
from graphcnn.ir.node import Array, Value, constant_of
from graphcnn.ir.tensor_type import DType
from graphcnn.learning.metrics.base import Finished, Measure, Seen, check_average
from graphcnn.learning.metrics.counts import averaged
from graphcnn.learning.metrics.reading import Classes, along, either
from graphcnn.ops.comparison import Where
from graphcnn.ops.elementwise import Cast
from graphcnn.ops.shape import Concat, Reshape
from graphcnn.ops.softmax import Softmax

AVERAGES: Final = ("macro", "weighted", None)
_WIDE = Cast(DType.FLOAT64)


def ranked(seen: Seen, what: str) -> Value:
    """The scores of all items in float64, for `columns`: of classes their probabilities and the
    label, (N, K + 1, pixels); of labels that do not exclude each other what stands before the
    sigmoid and the target, (N, 2, K, pixels). A last row has the weights, where there are any."""
    found = either(seen, what, "ranks scores")
    if isinstance(found, Classes):
        label = _WIDE(found.labels)
        if found.counts is not None:
            label = Where()(found.counts, label, constant_of(-1.0, DType.FLOAT64))
        parts = [Softmax(1)(_WIDE(found.scores)), along(label)]
        return _flat(Concat(1)(*parts), 2)
    parts = [along(_WIDE(x)) for x in (found.scores, found.truth)]
    return _flat(Concat(1)(*parts), 3)


def _flat(x: Value, kept: int) -> Value:
    """The axes behind the first `kept` as one."""
    size = int(np.prod(x.shape[kept:], dtype=np.int64))  # type: ignore[arg-type]
    return Reshape((*x.shape[:kept], size))(x)


def columns(joined: Array) -> tuple[Array, Array]:
    """Scores and truth of each class or label: (n, K) float64 and bool."""
    if joined.ndim == 3:
        flat = np.moveaxis(joined, 1, 2).reshape(-1, joined.shape[1])
        flat = flat[flat[:, -1] >= 0]
        scores = flat[:, :-1]
        return scores, flat[:, -1:] == np.arange(scores.shape[1])
    flat = np.moveaxis(joined, 3, 1).reshape(-1, *joined.shape[1:3])
    return flat[:, 0], flat[:, 1] > 0.5


@dataclass(frozen=True)
class _OfRanks(Measure):
    """A number for each class or label, and their mean.

    Args:
        average: "macro", the mean over the classes, each against all others; "weighted", by how
            often they occur; None, a number for each.
    """

    average: str | None = "macro"

    collects: ClassVar[bool] = True
    called: ClassVar[str] = ""

    def __post_init__(self) -> None:
        check_average(self.average, AVERAGES)

    @property
    def name(self) -> str:
        return averaged(self.called, self.average)

    def of_batch(self, seen: Seen) -> Value:
        return ranked(seen, self.name)

    def one(self, scores: Array, truth: Array) -> float:
        """The number of one class."""
        raise NotImplementedError

    def finish(self, total: Array) -> Finished:
        scores, truth = columns(total)
        each = np.array([self.one(s, t) for s, t in zip(scores.T, truth.T, strict=True)])
        if self.average is None:
            return each
        weights = truth.sum(0) if self.average == "weighted" else np.ones(len(each))
        known = ~np.isnan(each)
        whole = weights[known].sum()
        return float((each[known] * weights[known]).sum() / whole) if whole else float("nan")


class AUC(_OfRanks):
    """The area under the ROC curve: how probably an item of the class has a larger score than one
    of another, equal ones counting half (Hanley & McNeil 1982). Of classes each against the rest.

    NaN where no item, or every item, is of the class; the mean leaves it out.
    """

    called: ClassVar = "auc"

    def one(self, scores: Array, truth: Array) -> float:
        return roc_area(scores, truth)


class AveragePrecision(_OfRanks):
    """Σ (R_i - R_{i-1}) P_i over the scores from the largest on, with precision P_i and recall R_i
    of those that are at least as large. 0 where no item is of the class, as in scikit-learn."""

    called: ClassVar = "average_precision"

    def one(self, scores: Array, truth: Array) -> float:
        return average_precision(scores, truth)
