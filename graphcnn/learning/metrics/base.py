"""What is measured of predictions: in the graph what adds up over batches, and its end in NumPy."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.node import Array, Op, Value
from graphcnn.language.arguments import check_function

#: What the name of a metric ends in that gives a number for each class, so that it may stand beside
#: the one that gives their mean.
EACH: Final = "[]"
#: What losses are, and metrics without an end: functions of (prediction, target) that give a
#: scalar.
Objective = Callable[[Value, Value], Value]
#: What a measurement comes to: a number, or one for each class or output.
Finished = float | Array


@dataclass(frozen=True, eq=False)
class Seen:
    """A prediction and its target in a graph, with what is proven of them.

    Attributes:
        prediction: what the model gives, and `target` what it should.
        logits: what stands before a softmax over axis 1 that the prediction is proven to come out
            of, else the prediction; and `odds` the same of a sigmoid.
        readable: the operator that the loss applies to make probabilities, None where it does not.
        ignored: labels that the loss leaves out.
        weights: f32 of each item, or of each label; None where all weigh 1.
    """

    prediction: Value
    target: Value
    logits: Value
    odds: Value
    readable: Op | None = None
    ignored: tuple[int, ...] = ()
    weights: Value | None = None


class Measure(ABC):
    """Something that is measured over a data set, exactly: never a mean of what batches gave.

    `of_batch` gives a scalar that is a mean over the items, or an array of sums over them, which
    are added up over the batches, counts as whole numbers and floats in float64. `finish` makes of
    the total what is reported, once. What `collects` needs all items at once: it gives an array of
    the items, which are joined, and is measured of validation data only.
    """

    collects: ClassVar[bool] = False

    @property
    @abstractmethod
    def name(self) -> str:
        """What the result is called, where nobody says otherwise."""

    @abstractmethod
    def of_batch(self, seen: Seen) -> Value:
        """What adds up. Raises `GraphError` where it cannot be measured of such predictions."""

    def finish(self, total: Array) -> Finished:
        """The number, or several: of each class."""
        return float(total)


class Share(Measure):
    """A share of what counts: a mean, or two sums where not all count the same."""

    def finish(self, total: Array) -> Finished:
        if np.ndim(total) == 0:
            return float(total)
        return float(total[0] / total[1]) if total[1] else 0.0


class Metric(Measure):
    """A metric by a function of one's own.

    Without `finish` the function gives a scalar, the mean over the items of a batch. With it, an
    array of sums over the items, from which `finish` makes the number after the last batch:

        def squares(p, t):
            return cnn.sum((p - t) ** 2.0, 0)  # a sum for each output

        cnn.metrics.Metric(squares, lambda total: float(total.max()), "worst_output")

    Args:
        function: of (prediction, target), tensors of a graph; the prediction is that of the model.
        finish: of the total, an int64 or float64 array: the number, or an array of one for each
            class.
        name: of the result; that of the function by default.
    """

    def __init__(
        self,
        function: Objective,
        finish: Callable[[Array], Finished] | None = None,
        name: str = "",
    ) -> None:
        words = f"metric {name!r} must be" if name else "a metric must be"
        check_function(function, f"{words} a function of (prediction, target)")
        self.function, self._finish, self._name = function, finish, name

    def __repr__(self) -> str:
        return f"Metric({self.name})"

    @property
    def name(self) -> str:
        return self._name or getattr(self.function, "__name__", "metric")

    def of_batch(self, seen: Seen) -> Value:
        value = self.function(seen.prediction, seen.target)
        if not isinstance(value, Value) or (self._finish is None and value.shape != ()):
            found = value.type if isinstance(value, Value) else type(value).__name__
            raise GraphError(f"metric {self.name!r} must be a scalar, found {found}; take its mean")
        return value

    def finish(self, total: Array) -> Finished:
        return float(total) if self._finish is None else self._finish(total)


def numbers(
    measures: Mapping[str, Measure], totals: Mapping[str, Array], classes: Sequence[str] = ()
) -> dict[str, float]:
    """What is reported, by name: totals as they are, and finished where a measure belongs to them.

    A number for each class becomes `f1[cat]`, with the names of the classes, or their numbers where
    nobody knows as many. The `EACH` at the end of a name, of a metric that gives such, is left out.
    """
    found: dict[str, float] = {}
    for key, total in totals.items():
        measure = measures.get(key)
        value = total if measure is None else measure.finish(total)
        if np.ndim(value) == 0:
            found[key] = float(value)
            continue
        each = np.ravel(value)
        names = classes if len(classes) == len(each) else range(len(each))
        plain = key.removesuffix(EACH)
        found.update((f"{plain}[{name}]", float(x)) for name, x in zip(names, each, strict=True))
    return found


def check_average(average: Any, known: Sequence[str | None]) -> None:
    """Raise `GraphError` unless it is one of these."""
    if average not in known:
        names = ", ".join(map(repr, known))
        raise GraphError(f"average must be one of {names}, found {average!r}")
