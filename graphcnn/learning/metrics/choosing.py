"""Metrics as users name them, and what a name stands for."""

import difflib
import itertools
import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Final

from graphcnn.errors import GraphError
from graphcnn.ir.node import Value
from graphcnn.language.elementwise import cast, equal
from graphcnn.language.metrics import accuracy, top_k_accuracy
from graphcnn.language.reduce import mean
from graphcnn.learning.metrics.accuracy import Accuracy, TopK
from graphcnn.learning.metrics.base import Measure, Metric, Objective, Seen, Share

#: Metrics by the names of their results, in a list, or a single one; None is what suits the loss.
Chosen = str | Measure | Objective
Metrics = Mapping[str, Chosen] | Sequence[Chosen] | Chosen | None

#: What `metrics=` accepts as a name, and the file and class that it stands for.
NAMES: Final[dict[str, str]] = {
    "accuracy": "accuracy.Accuracy",
    "binary_accuracy": "choosing.BinaryAccuracy",
    "pixel_accuracy": "accuracy.Accuracy",
    "balanced_accuracy": "counts.BalancedAccuracy",
    "exact_match": "accuracy.ExactMatch",
    "hamming_loss": "accuracy.HammingLoss",
    "precision": "counts.Precision",
    "recall": "counts.Recall",
    "specificity": "counts.Specificity",
    "f1": "counts.F1",
    "dice": "counts.Dice",
    "mean_iou": "counts.MeanIoU",
    "cohen_kappa": "counts.CohenKappa",
    "matthews_correlation": "counts.MatthewsCorrelation",
    "auc": "ranking.AUC",
    "average_precision": "ranking.AveragePrecision",
    "log_loss": "likelihood.LogLoss",
    "brier": "likelihood.Brier",
    "mae": "numbers.MAE",
    "mse": "numbers.MSE",
    "rmse": "numbers.RMSE",
    "mape": "numbers.MAPE",
    "r2": "numbers.R2",
    "explained_variance": "numbers.ExplainedVariance",
}
#: Those that have an average, which may stand behind the name: `f1_weighted`.
_AVERAGED: Final = ("precision", "recall", "specificity", "f1", "dice", "mean_iou")
_AVERAGES: Final = ("macro", "micro", "weighted")


def binary_accuracy(logits: Value, targets: Value) -> Value:
    """Share of logits on the right side of 0."""
    agree = equal(cast(logits > 0.0, "float32"), cast(targets > 0.5, "float32"))
    return mean(cast(agree, "float32"))


class BinaryAccuracy(Share):
    """The share of the numbers on the right side of 0, whatever the loss: targets above a half are
    1, and a prediction that comes out of a sigmoid is compared before it."""

    @property
    def name(self) -> str:
        return "binary_accuracy"

    def of_batch(self, seen: Seen) -> Value:
        return binary_accuracy(seen.odds, seen.target)


def chosen_metrics(metrics: Metrics, default: Mapping[str, Measure]) -> Mapping[str, Measure]:
    """The metrics by the names of their results; `default` where nobody chose.

    Raises:
        GraphError: an unknown name, or something that is neither a name nor a metric nor a
            function.
    """
    if metrics is None:
        return default
    if isinstance(metrics, Mapping):
        return {name: _known(each, name) for name, each in metrics.items()}
    several = metrics if isinstance(metrics, tuple | list) else (metrics,)
    found: dict[str, Measure] = {}
    for each in several:
        if isinstance(each, str):
            found[each] = named_metric(each)
        elif isinstance(each, Measure):
            found[_free(each.name, found)] = each
        elif callable(each):
            name = _free(getattr(each, "__name__", "metric"), found)
            found[name] = _known(each, name)
        else:
            raise GraphError(f"metrics must be names or functions, found {each!r}")
    return found


def named_metric(name: str) -> Measure:
    """The metric of a name: one of `NAMES`, `top_3_accuracy`, `f2`, `f1_weighted`.

    Raises `GraphError` with the nearest known name.
    """
    if name in NAMES:
        return _made(name)
    top, beta = re.fullmatch(r"top_(\d+)_accuracy", name), re.fullmatch(r"f(\d+(\.\d+)?)", name)
    if top is not None:
        return TopK(int(top[1]))
    if beta is not None:
        return _made("counts.FBeta", beta=float(beta[1]))
    plain, _, average = name.rpartition("_")
    if plain in _AVERAGED and average in _AVERAGES:
        return _made(plain, average=average)
    others = [f"{each}_{average}" for each in _AVERAGED for average in _AVERAGES]
    near = difflib.get_close_matches(name, [*NAMES, "top_5_accuracy", *others], 1)
    if name == "acc":
        near = ["accuracy"]
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise GraphError(
        f"unknown metric {name!r}; {hint}known are {', '.join(NAMES)}, and top_3_accuracy, f2, "
        "f1_weighted and their like"
    )


def _made(name: str, **settings: Any) -> Measure:
    """What a name stands for: its file is loaded when it is asked for."""
    file, _, what = NAMES.get(name, name).partition(".")
    made: Measure = getattr(import_module(f"graphcnn.learning.metrics.{file}"), what)(**settings)
    return made


def _known(metric: Any, name: str) -> Measure:
    """What is known of a metric, by its name or its function."""
    if isinstance(metric, str):
        return named_metric(metric)
    if isinstance(metric, Measure):
        return metric
    if isinstance(metric, type) and issubclass(metric, Measure):
        raise GraphError(f"metrics are objects, not classes: write {metric.__name__}()")
    if metric is accuracy:
        return Accuracy()
    if metric is top_k_accuracy:
        return TopK()
    if metric is binary_accuracy:
        return BinaryAccuracy()
    return Metric(metric, name=name)


def _free(name: str, taken: Mapping[str, Any]) -> str:
    """`name`, or with a number where several are called so, as lambdas are."""
    numbered = (f"{name}_{i}" if i > 1 else name for i in itertools.count(1))
    return next(each for each in numbered if each not in taken)
