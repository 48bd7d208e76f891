"""Losses of class numbers: scores (N, K), or one map per class (N, K, H, W), against labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.node import Array, Value, constant_of
from graphcnn.ir.tensor_type import TensorType
from graphcnn.language.activations import log_softmax
from graphcnn.language.arguments import is_int, number, scoped
from graphcnn.language.errors import located
from graphcnn.language.left_out import Ignored, counted, looked_up
from graphcnn.language.loss import cross_entropy, refuse_squashed
from graphcnn.language.shape import as_labels
from graphcnn.language.weighting import mean_loss
from graphcnn.learning.losses.base import Loss, class_numbers
from graphcnn.learning.metrics.accuracy import Accuracy
from graphcnn.learning.metrics.base import Measure
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.elementwise import Exp, Maximum, Neg
from graphcnn.ops.loss import CrossEntropy as CrossEntropyOp
from graphcnn.ops.loss import indicators
from graphcnn.ops.norm import per_channel
from graphcnn.ops.softmax import Softmax

ACCURACY: Mapping[str, Measure] = {"accuracy": Accuracy()}


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """Cross-entropy of softmax and class numbers, or soft labels: `cross_entropy`.

    Attributes:
        label_smoothing: the part of the target spread evenly over all classes.
        weight: one number for each class; the mean is weighted by that of the label.
        ignore_index: a label that stands for no class, or several.
    """

    label_smoothing: float = 0.0
    weight: Sequence[float] | None = None
    ignore_index: Ignored = None

    name: ClassVar = "cross_entropy"
    function: ClassVar = staticmethod(cross_entropy)
    readable: ClassVar = Softmax(1)
    metrics: ClassVar = ACCURACY

    def __post_init__(self) -> None:
        settle(self, weight=numbers(self.weight), ignore_index=several(self.ignore_index))

    def target(self, prediction: TensorType, targets: Array | None = None) -> TensorType:
        """Class numbers; where the data hold floats for each class, these."""
        item = prediction.shape[1:]
        soft = targets is not None and targets.dtype.kind == "f" and targets.shape[1:] == item
        return prediction if soft else class_numbers(prediction)


@located
def focal(
    logits: Value,
    labels: Value,
    *,
    gamma: float = 2.0,
    alpha: Any = None,
    ignore_index: Ignored = None,
    weights: Any = None,
    name: str = "",
) -> Value:
    """The mean of - a[y] · (1 - p)^gamma · log(p), p = softmax(logits)[y] for the label y.

    What is classified well already counts less: T.-Y. Lin et al., "Focal loss for dense object
    detection", arXiv:1708.02002. With gamma = 0 it is `cross_entropy`.

    Args:
        logits: (N, K), or (N, K, H, W).
        labels: class indices, (N,) or (N, H, W).
        gamma: at least 0.
        alpha: a, one number for each class; 1 by default.
        ignore_index: a label that stands for no class, or several.
        weights: of the items, (N,) or as the labels are.

    Raises:
        GraphError: logits come out of softmax or sigmoid, or labels are of another shape.
    """
    refuse_squashed(logits, "focal takes logits and applies softmax itself")
    gamma, (t, counts) = exponent(gamma), one_hot_of(logits, labels, ignore_index)
    log_p = Sum((1,))(log_softmax(logits, 1) * t)
    each = Neg()(log_p)
    if gamma:
        each = modulated(1.0 - Exp()(log_p), gamma) * each
    if alpha is not None:
        array = numbers(alpha)
        if logits.shape[1:2] != (len(array or ()),):
            raise GraphError(f"alpha must have one number per class, {logits.shape[1]}")
        each = each * Sum((1,))(t * per_channel(constant_of(np.array(array), logits.dtype), t))
    return mean_loss(each, weights, counts, name=scoped(name, "focal"))


@dataclass(frozen=True)
class Focal(Loss):
    """Focal loss of class numbers: `focal`.

    Attributes:
        gamma: how much less counts what is classified well.
        alpha: one number for each class, that its items are multiplied by.
        ignore_index: a label that stands for no class, or several.
    """

    gamma: float = 2.0
    alpha: Sequence[float] | None = None
    ignore_index: Ignored = None

    name: ClassVar = "focal"
    function: ClassVar = staticmethod(focal)
    readable: ClassVar = Softmax(1)
    metrics: ClassVar = ACCURACY

    def __post_init__(self) -> None:
        settle(self, alpha=numbers(self.alpha), ignore_index=several(self.ignore_index))

    def target(self, prediction: TensorType, targets: Array | None = None) -> TensorType:
        return class_numbers(prediction)


@located
def hinge(
    scores: Value,
    labels: Value,
    *,
    margin: float = 1.0,
    squared: bool = False,
    ignore_index: Ignored = None,
    weights: Any = None,
    name: str = "",
) -> Value:
    """The mean of 1/K · sum over k ≠ y of max(0, margin - s[y] + s[k]), y being the label.

    Of several classes, J. Weston and C. Watkins, "Support vector machines for multi-class pattern
    recognition" (ESANN 1999); PyTorch calls it MultiMarginLoss.

    Args:
        scores: s, (N, K) or (N, K, H, W), as they are: no softmax.
        labels: class indices, (N,) or (N, H, W).
        squared: each term is squared.
        ignore_index: a label that stands for no class, or several.
        weights: of the items, (N,) or as the labels are.
    """
    t, counts = one_hot_of(scores, labels, ignore_index)
    classes = int(scores.shape[1])  # type: ignore[arg-type]
    own = Sum((1,), keepdims=True)(scores * t)
    over = Maximum()(scores - own + number(margin, "margin"), constant_of(0.0, scores.dtype))
    over = over * over if squared else over
    each = Sum((1,))(over * (1.0 - t)) / classes
    return mean_loss(each, weights, counts, name=scoped(name, "hinge"))


@dataclass(frozen=True)
class Hinge(Loss):
    """Hinge loss of class numbers: `hinge`.

    Attributes:
        margin: by how much the score of the label is to be larger than the others.
        squared: each term is squared.
        ignore_index: a label that stands for no class, or several.
    """

    margin: float = 1.0
    squared: bool = False
    ignore_index: Ignored = None

    name: ClassVar = "hinge"
    function: ClassVar = staticmethod(hinge)
    metrics: ClassVar = ACCURACY

    def __post_init__(self) -> None:
        settle(self, ignore_index=several(self.ignore_index))

    def target(self, prediction: TensorType, targets: Array | None = None) -> TensorType:
        return class_numbers(prediction)


def one_hot_of(scores: Value, labels: Value, ignored: Ignored) -> tuple[Value, Value | None]:
    """Labels as indicators of classes, shaped as the scores, and which of them count."""
    labels = as_labels(labels)
    CrossEntropyOp().infer(scores.type, labels.type)
    counts = counted(labels, ignored)
    classes = int(scores.shape[1])  # type: ignore[arg-type]
    return indicators(looked_up(labels, counts), classes, scores.dtype), counts


def exponent(gamma: Any) -> float:
    found = number(gamma, "gamma")
    if not (found >= 0 and np.isfinite(found)):
        raise GraphError(f"gamma must be at least 0, found {gamma!r}")
    return found


def modulated(x: Value, gamma: float) -> Value:
    """x to the power gamma, for x from 0 to 1. The derivative of a root is infinite at 0."""
    if gamma == 1:
        return x
    if gamma == 2:
        return x * x
    return (x if gamma > 1 else Maximum()(x, constant_of(1e-7, x.dtype))) ** gamma


def settle(loss: Loss, **values: Any) -> None:
    """Settings in the form in which they are compared and kept."""
    for key, value in values.items():
        object.__setattr__(loss, key, value)


def numbers(given: Any) -> tuple[float, ...] | None:
    """Numbers of a sequence or an array; None stays."""
    if given is None:
        return None
    try:
        array = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        raise GraphError(f"expected numbers, one for each class, found {given!r}") from None
    if array.ndim != 1 or not np.isfinite(array).all():
        raise GraphError(f"expected finite numbers, one for each class, found {given!r}")
    return tuple(array.tolist())


def several(ignored: Ignored) -> Ignored:
    """One label or a tuple of them; none is None."""
    if ignored is None or is_int(ignored):
        return None if ignored is None else int(ignored)  # type: ignore[arg-type]
    try:
        return tuple(int(i) for i in ignored) or None  # type: ignore[union-attr]
    except (TypeError, ValueError):
        raise GraphError(f"ignore_index must be a label or several, found {ignored!r}") from None
