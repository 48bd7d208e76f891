"""What a prediction and its target are, as the graph proves it: classes of which one is right,
labels that may be right together, or numbers."""

from dataclasses import dataclass
from typing import NoReturn

from graphcnn.errors import GraphError
from graphcnn.ir.node import Value
from graphcnn.ir.tensor_type import DType
from graphcnn.language.left_out import counted, looked_up
from graphcnn.language.shape import as_labels
from graphcnn.learning.metrics.base import Seen
from graphcnn.ops.activation import Sigmoid
from graphcnn.ops.elementwise import Cast
from graphcnn.ops.loss import indicators
from graphcnn.ops.reduce import ArgMax
from graphcnn.ops.shape import Reshape
from graphcnn.ops.softmax import Softmax


@dataclass(frozen=True, eq=False)
class Classes:
    """Classes that exclude each other: the one with the largest score is predicted.

    Attributes:
        scores: (N, K, ...), and `labels` i64 (N, ...).
        counts: whether each label stands for a class, bool (N, ...); None where all do.
    """

    scores: Value
    labels: Value
    counts: Value | None

    @property
    def count(self) -> int:
        return int(self.scores.shape[1])  # type: ignore[arg-type]

    @property
    def predicted(self) -> Value:
        return ArgMax(axis=1)(self.scores)

    @property
    def known(self) -> Value:
        """The labels, 0 in place of those that stand for no class."""
        return looked_up(self.labels, self.counts)


@dataclass(frozen=True, eq=False)
class Sides:
    """Labels each of which holds or does not: those with a score above 0 are predicted.

    Attributes:
        scores: (N, K, ...), what stands before a sigmoid, and `truth` in [0, 1].
    """

    scores: Value
    truth: Value


def classes_of(seen: Seen) -> Classes | None:
    """The classes, by class numbers or by shares of each class, the largest of which counts."""
    prediction, target = seen.logits, seen.target
    if prediction.type.rank < 2 or not isinstance(prediction.shape[1], int):
        return None
    if target.dtype.is_float:
        if not isinstance(seen.readable, Softmax) or target.shape != prediction.shape:
            return None
        return Classes(prediction, ArgMax(axis=1)(target), None)
    if target.shape != (*prediction.shape[:1], *prediction.shape[2:]):
        return None
    labels = as_labels(target)
    return Classes(prediction, labels, counted(labels, seen.ignored))


def sides_of(seen: Seen) -> Sides | None:
    """The labels, of a prediction that is proven to be, or that the loss makes, a sigmoid."""
    target = seen.target
    proven = seen.odds is not seen.prediction or isinstance(seen.readable, Sigmoid)
    if not proven or not target.dtype.is_float or target.shape != seen.odds.shape:
        return None
    return Sides(
        *(x if x.type.rank > 1 else Reshape((*x.shape, 1))(x) for x in (seen.odds, target))
    )


def numbers_of(seen: Seen, what: str) -> tuple[Value, Value]:
    """Prediction and target as numbers in float64, (N,) or (N, K, ...).

    Raises `GraphError` where they are classes or labels.
    """
    prediction, target = seen.prediction, seen.target
    if not target.dtype.is_float:
        refuse(seen, what, "compares numbers", "the targets are class numbers")
    if target.shape != prediction.shape:
        refuse(seen, what, "compares numbers", "the targets have another shape")
    if isinstance(seen.readable, Softmax | Sigmoid):
        said = f"the loss makes them probabilities by {seen.readable.name}"
        refuse(seen, what, "compares numbers", f"{said} (brier compares these)")
    wide = Cast(DType.FLOAT64)
    return wide(prediction), wide(target)


def only_classes(seen: Seen, what: str, does: str) -> Classes:
    """The classes that exclude each other. Raises `GraphError` where there are none."""
    return classes_of(seen) or refuse(seen, what, does, _no_classes(seen))


def only_sides(seen: Seen, what: str, does: str) -> Sides:
    """The labels. Raises `GraphError` where there are none."""
    return sides_of(seen) or refuse(seen, what, does, _no_sides(seen))


def either(seen: Seen, what: str, does: str) -> Classes | Sides:
    """Classes or labels. Raises `GraphError` where the targets are neither."""
    found = classes_of(seen) or sides_of(seen)
    return found or refuse(seen, what, does, _no_sides(seen))


def refuse(seen: Seen, what: str, does: str, reason: str) -> NoReturn:
    """Raise the `GraphError` of a metric that does not fit."""
    raise GraphError(
        f"metric {what!r} {does}, but {reason}: prediction {seen.prediction.type}, target "
        f"{seen.target.type}"
    )


def _no_classes(seen: Seen) -> str:
    if sides_of(seen) is not None:
        return "these are labels that do not exclude each other, a sigmoid for each"
    return _no_sides(seen)


def _no_sides(seen: Seen) -> str:
    if not seen.target.dtype.is_float:
        return "there is not a score of each class for every class number"
    if seen.target.shape != seen.prediction.shape:
        return "the targets are floats of another shape"
    return (
        "nothing makes probabilities of the predictions, neither the loss nor a sigmoid at the end "
        "(of numbers mae, rmse and r2 are measured)"
    )


def indicated(found: Classes | Sides) -> tuple[Value, Value, Value | None]:
    """Predicted, true, and whether they count: bool (N, K, ...), the last (N, 1, ...) or None."""
    if isinstance(found, Sides):
        return found.scores > 0.0, found.truth > 0.5, None
    predicted = indicators(found.predicted, found.count, DType.FLOAT32) > 0.5
    true = indicators(found.known, found.count, DType.FLOAT32) > 0.5
    counts = found.counts
    return predicted, true, None if counts is None else along(counts)


def one_more(x: Value) -> Value:
    """(N,) as (N, 1)."""
    return Reshape((*x.shape, 1))(x)


def along(x: Value) -> Value:
    """(N, ...) as (N, 1, ...): one number for all classes."""
    return Reshape((*x.shape[:1], 1, *x.shape[1:]))(x)


def weights_along(seen: Seen, like: Value) -> Value | None:
    """The weights in float64, ready to broadcast over (N, K, ...); None where there are none."""
    weights = seen.weights
    if weights is None:
        return None
    wide, rank = Cast(DType.FLOAT64)(weights), like.type.rank
    if weights.type.rank == 1:
        return Reshape((*weights.shape, *(1,) * (rank - 1)))(wide)
    return wide if weights.type.rank == rank else along(wide)
