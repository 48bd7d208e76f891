"""Metrics with a name: what is computed, and of which of a model's numbers."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from graphcnn.errors import GraphError
from graphcnn.ir.node import Op, Value
from graphcnn.language.arguments import check_function, choose
from graphcnn.language.elementwise import cast, equal
from graphcnn.language.metrics import accuracy, top_k_accuracy
from graphcnn.language.reduce import mean
from graphcnn.ops.activation import Sigmoid

#: What losses and metrics are: functions of (prediction, target) that give a scalar.
Objective = Callable[[Value, Value], Value]
#: Functions, or names of known ones: by the names of the results, in a list, or a single one; None
#: is what suits the loss.
Metrics = Mapping[str, str | Objective] | Sequence[str | Objective] | str | Objective | None


@dataclass(frozen=True, eq=False)
class Metric:
    """A metric. One of a user has its function alone, and is given the prediction as it is.

    Attributes:
        function: of (prediction, target), a scalar.
        of_labels: it compares scores with class numbers: it is given what the loss is computed of,
            and takes `ignore_index`, for the labels that the loss leaves out.
        readable: where the prediction is proven to come out of this operator, the metric is given
            what goes in.
    """

    function: Callable[..., Value]
    of_labels: bool = False
    readable: Op | None = None

    def leaving_out(self, ignored: tuple[int, ...]) -> Objective:
        """The function without the items of these labels, where it knows of labels."""
        known = ignored and self.of_labels
        return partial(self.function, ignore_index=ignored) if known else self.function


def binary_accuracy(logits: Value, targets: Value) -> Value:
    """Share of logits on the right side of 0."""
    agree = equal(cast(logits > 0.0, "float32"), cast(targets > 0.5, "float32"))
    return mean(cast(agree, "float32"))


#: What `metrics=` accepts as a name.
METRICS: dict[str, Metric] = {
    "accuracy": Metric(accuracy, of_labels=True),
    "top_5_accuracy": Metric(top_k_accuracy, of_labels=True),
    "binary_accuracy": Metric(binary_accuracy, readable=Sigmoid()),
}


def chosen_metrics(metrics: Metrics, default: Mapping[str, Metric]) -> Mapping[str, Metric]:
    """The metrics by the names of their results; `default` where nobody chose.

    Raises:
        GraphError: an unknown name, or something that is neither a name nor a function.
    """
    if metrics is None:
        return default
    if isinstance(metrics, Mapping):
        return {name: _known(each, name) for name, each in metrics.items()}
    several = metrics if isinstance(metrics, tuple | list) else (metrics,)
    found: dict[str, Metric] = {}
    for each in several:
        if isinstance(each, str):
            found[each] = _known(each, each)
        elif callable(each):
            name = _free(getattr(each, "__name__", "metric"), found)
            found[name] = _known(each, name)
        else:
            raise GraphError(f"metrics must be names or functions, found {each!r}")
    return found


def _known(metric: str | Objective, name: str) -> Metric:
    """What is known of a metric, by its name or its function."""
    if isinstance(metric, str):
        return choose(METRICS, metric, "metric")
    check_function(metric, f"metric {name!r} must be a function of (prediction, target)")
    same = (known for known in METRICS.values() if known.function is metric)
    return next(same, Metric(metric))


def _free(name: str, taken: Mapping[str, Any]) -> str:
    """`name`, or with a number where several functions are called so, as lambdas are."""
    numbered = (f"{name}_{i}" if i > 1 else name for i in itertools.count(1))
    return next(each for each in numbered if each not in taken)
