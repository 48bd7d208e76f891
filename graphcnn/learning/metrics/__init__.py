"""Metrics: `metrics=["accuracy", "f1", cnn.metrics.TopK(3)]` of `fit` and `evaluate`.

Each is exact over the epoch, never a mean of what batches gave, and equal to scikit-learn. Those
that need all items at once (`AUC`, `AveragePrecision`) are measured of validation data only.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from graphcnn.learning.metrics.accuracy import Accuracy, ExactMatch, HammingLoss, TopK
from graphcnn.learning.metrics.base import Measure, Metric, Objective
from graphcnn.learning.metrics.choosing import Metrics

if TYPE_CHECKING:
    from graphcnn.learning.metrics.counts import (
        F1,
        BalancedAccuracy,
        CohenKappa,
        Dice,
        FBeta,
        MatthewsCorrelation,
        MeanIoU,
        Precision,
        Recall,
        Specificity,
    )
    from graphcnn.learning.metrics.likelihood import Brier, LogLoss
    from graphcnn.learning.metrics.numbers import MAE, MAPE, MSE, R2, RMSE, ExplainedVariance
    from graphcnn.learning.metrics.ranking import AUC, AveragePrecision

__all__ = [
    "AUC",
    "F1",
    "MAE",
    "MAPE",
    "MSE",
    "R2",
    "RMSE",
    "Accuracy",
    "AveragePrecision",
    "BalancedAccuracy",
    "Brier",
    "CohenKappa",
    "Dice",
    "ExactMatch",
    "ExplainedVariance",
    "FBeta",
    "HammingLoss",
    "LogLoss",
    "MatthewsCorrelation",
    "MeanIoU",
    "Measure",
    "Metric",
    "Metrics",
    "Objective",
    "Precision",
    "Recall",
    "Specificity",
    "TopK",
]

#: The files that are loaded when one of their metrics is first asked for.
_HOMES: Final = {
    **dict.fromkeys(("AUC", "AveragePrecision"), "ranking"),
    **dict.fromkeys(("Brier", "LogLoss"), "likelihood"),
    **dict.fromkeys(("MAE", "MAPE", "MSE", "R2", "RMSE", "ExplainedVariance"), "numbers"),
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = import_module(f"{__name__}.{_HOMES.get(name, 'counts')}")
    return getattr(home, name)


def __dir__() -> list[str]:
    """With what is loaded later: for those who press Tab."""
    return sorted({*globals(), *__all__})
