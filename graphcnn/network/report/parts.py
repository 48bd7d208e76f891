"""What is reported of one output: of classes, of labels that do not exclude each other, of
numbers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from graphcnn.analysis.ranking import average_precision, roc_area
from graphcnn.ir.node import Array
from graphcnn.learning.metrics.counts import (
    F1,
    BalancedAccuracy,
    CohenKappa,
    MatthewsCorrelation,
    MeanIoU,
    Precision,
    Recall,
)
from graphcnn.learning.metrics.numbers import explained
from graphcnn.network.report.table import Table

#: Confusions that are told in words.
_WORST: Final = 5
_MEANS: Final = ("macro", "weighted", "micro")


class Part(ABC):
    """What is reported of one output."""

    @property
    @abstractmethod
    def table(self) -> Table:
        """A row for each class, label or number."""

    @property
    def remarks(self) -> list[str]:
        """What stands below the table, in words."""
        return []

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """All numbers, as JSON has them."""


def _rates(tally: Array) -> tuple[dict[str, Array], dict[str, dict[str, float]]]:
    """Precision, recall and F1 of each class, and their means."""
    kinds = {"precision": Precision, "recall": Recall, "f1": F1}
    columns = {key: np.asarray(kind(None).finish(tally)) for key, kind in kinds.items()}
    averages = {
        mean: {key: float(kind(mean).finish(tally)) for key, kind in kinds.items()}
        for mean in _MEANS
    }
    return columns, averages


@dataclass(frozen=True, eq=False)
class ClassPart(Part):
    """Of classes that exclude each other.

    Attributes:
        confusion: items, or pixels, of class i that are taken for class j: int64 (K, K).
        names: of the classes.
        pixels: whether these are pixels, whose overlap is reported too.
        scores, truth: probabilities of all items, and of which class they are, (n, K); None where
            these are pixels, or too many to keep.
    """

    confusion: Array
    names: Sequence[str]
    pixels: bool = False
    scores: Array | None = None
    truth: Array | None = None

    @property
    def tally(self) -> Array:
        """Of each class found, taken for it wrongly, missed: (3, K)."""
        hits = np.diag(self.confusion)
        return np.stack([hits, self.confusion.sum(0) - hits, self.confusion.sum(1) - hits])

    @property
    def accuracy(self) -> float:
        """The share that is right."""
        return float(np.trace(self.confusion) / max(self.confusion.sum(), 1))

    @property
    def table(self) -> Table:
        columns, averages = _rates(self.tally)
        if self.pixels:
            columns["iou"] = np.asarray(MeanIoU(None).finish(self.tally))
            for mean in _MEANS:
                averages[mean]["iou"] = float(MeanIoU(mean).finish(self.tally))
        support = self.confusion.sum(1)
        columns["support"] = support
        del averages["micro"]  # of such classes all its numbers are the accuracy
        whole = {"f1": self.accuracy, "support": float(support.sum())}
        return Table(
            "class",
            self.names,
            {key: [*map(float, values)] for key, values in columns.items()},
            {"accuracy": whole, **averages},
            ("support",),
            ("precision", "recall", "f1", "iou"),
            "f1",
        )

    @property
    def worst(self) -> list[tuple[int, int]]:
        """The most frequent confusions, true and predicted class, the most frequent first."""
        wrong = self.confusion * (1 - np.eye(len(self.confusion), dtype=np.int64))
        order = np.argsort(-wrong, axis=None, kind="stable")[:_WORST]
        pairs = (divmod(int(i), len(wrong)) for i in order)
        return [(i, j) for i, j in pairs if wrong[i, j]]

    @property
    def remarks(self) -> list[str]:
        support = self.confusion.sum(1)
        found = [
            f"{self.names[i]} taken for {self.names[j]}: {self.confusion[i, j]:,} of "
            f"{support[i]:,} ({self.confusion[i, j] / support[i]:.1%})"
            for i, j in self.worst
        ]
        absent = [name for name, n in zip(self.names, support, strict=True) if not n]
        if absent:
            names = ", ".join(absent[:8]) + ", …" * (len(absent) > 8)
            found.append(f"without {'a pixel' if self.pixels else 'an item'}: {names}")
        return found

    def to_dict(self) -> dict[str, Any]:
        tally = self.tally
        table = self.table
        return {
            "kind": "pixels" if self.pixels else "classes",
            "classes": [*self.names],
            **{key: [*values] for key, values in table.columns.items()},
            "averages": {key: dict(row) for key, row in table.averages.items()},
            "balanced_accuracy": BalancedAccuracy().finish(tally),
            "cohen_kappa": CohenKappa().finish(tally),
            "matthews_correlation": MatthewsCorrelation().finish(tally),
            "confusion": self.confusion.tolist(),
            "worst": [
                {"true": self.names[i], "predicted": self.names[j],
                 "count": int(self.confusion[i, j])}
                for i, j in self.worst
            ],
        }  # fmt: skip


@dataclass(frozen=True, eq=False)
class LabelPart(Part):
    """Of labels each of which holds or does not, predicted where the probability is above a half.

    Attributes:
        tally: of each label found, predicted wrongly, missed, rightly not predicted: (4, K).
        names: of the labels.
        scores, truth: of all items, (n, K); None where these are pixels.
    """

    tally: Array
    names: Sequence[str]
    scores: Array | None = None
    truth: Array | None = None

    @property
    def table(self) -> Table:
        columns, averages = _rates(self.tally)
        if self.scores is not None and self.truth is not None:
            pairs = [*zip(self.scores.T, self.truth.T, strict=True)]
            for key, area in (("auc", roc_area), ("ap", average_precision)):
                columns[key] = np.array([area(s, t) for s, t in pairs])
                known = columns[key][~np.isnan(columns[key])]
                averages["macro"][key] = float(known.mean()) if len(known) else float("nan")
        else:
            columns["iou"] = np.asarray(MeanIoU(None).finish(self.tally))
        columns["support"] = self.tally[0] + self.tally[2]
        shares = ("precision", "recall", "f1", "auc", "ap", "iou")
        shown = {} if len(self.names) == 1 else averages
        made = {key: [*map(float, values)] for key, values in columns.items()}
        return Table("label", self.names, made, shown, ("support",), shares, "f1")

    @property
    def remarks(self) -> list[str]:
        total = self.tally[:, 0].sum()
        order = np.argsort(-(self.tally[1] + self.tally[2]), kind="stable")[:_WORST]
        return [
            f"{self.names[i]}: {int(self.tally[2, i]):,} missed, {int(self.tally[1, i]):,} "
            f"predicted wrongly, of {int(total):,}"
            for i in order
            if self.tally[1, i] + self.tally[2, i]
        ]

    def to_dict(self) -> dict[str, Any]:
        table = self.table
        return {
            "kind": "labels",
            "labels": [*self.names],
            **{key: [*values] for key, values in table.columns.items()},
            "averages": {key: dict(row) for key, row in table.averages.items()},
            "tally": self.tally.tolist(),
        }


@dataclass(frozen=True, eq=False)
class NumberPart(Part):
    """Of numbers that are predicted.

    Attributes:
        sums: of each output the number of items, and the sums of |p - t|, (p - t)², p - t, t and
            t²: (6, K).
        names: of the outputs.
    """

    sums: Array
    names: Sequence[str]
    columns: Mapping[str, Sequence[float]] = field(init=False)

    def __post_init__(self) -> None:
        count, errors, squares, bias, total, wide = np.asarray(self.sums, np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            spread = np.maximum(wide - total**2 / count, 0.0)
            found = {
                "mae": errors / count,
                "rmse": np.sqrt(squares / count),
                "bias": bias / count,
                "r2": explained(squares, spread, wide, count),
                "mean": total / count,
                "spread": np.sqrt(spread / count),
                "items": count,
            }
        columns = {key: [*map(float, values)] for key, values in found.items()}
        object.__setattr__(self, "columns", columns)

    @property
    def table(self) -> Table:
        means = {
            k: float(np.mean(v)) for k, v in self.columns.items() if k in ("mae", "rmse", "r2")
        }
        averages = {"mean": means} if len(self.names) > 1 else {}
        return Table("output", self.names, self.columns, averages, ("items",), ("r2",), "r2")

    @property
    def remarks(self) -> list[str]:
        """Of each output that is off in one direction: by more than chance explains, and by a
        twentieth of the spread of its targets."""
        found = []
        for i, name in enumerate(self.names):
            bias, rmse, spread, count = (
                self.columns[k][i] for k in ("bias", "rmse", "spread", "items")
            )
            error = np.sqrt(max(rmse**2 - bias**2, 0.0) / max(count, 1))
            if abs(bias) > max(4 * error, 0.05 * spread):
                word = "large" if bias > 0 else "small"
                found.append(f"{name}: on average {abs(bias):.4g} too {word}")
        return found[:_WORST]

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": "numbers",
            "outputs": [*self.names],
            **{key: [*values] for key, values in self.columns.items()},
        }
