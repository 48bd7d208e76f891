"""Losses of yes and no: a logit for each thing that may be there, against numbers from 0 to 1."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.node import Array, Value, constant_of
from graphcnn.ir.tensor_type import TensorType
from graphcnn.language.arguments import number, scoped
from graphcnn.language.errors import located
from graphcnn.language.loss import binary_cross_entropy, refuse_squashed
from graphcnn.language.weighting import mean_loss
from graphcnn.learning.losses.base import Loss
from graphcnn.learning.losses.of_classes import exponent, modulated, numbers, settle
from graphcnn.learning.metrics.accuracy import Accuracy
from graphcnn.learning.metrics.base import Measure
from graphcnn.learning.metrics.choosing import BinaryAccuracy
from graphcnn.ops.activation import Sigmoid, Softplus
from graphcnn.ops.elementwise import Maximum, Neg
from graphcnn.ops.loss import BinaryCrossEntropy as BinaryCrossEntropyOp
from graphcnn.ops.loss import Probabilities

ACCURACY: Mapping[str, Measure] = {"accuracy": Accuracy()}


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """Cross-entropy of sigmoid: `binary_cross_entropy`.

    Attributes:
        label_smoothing: s makes t · (1 - s) + s / 2 of the targets t.
        pos_weight: what the terms of t are multiplied by: a number, or one for each channel.
    """

    label_smoothing: float = 0.0
    pos_weight: float | Sequence[float] | None = None

    name: ClassVar = "binary_cross_entropy"
    function: ClassVar = staticmethod(binary_cross_entropy)
    readable: ClassVar = Sigmoid()
    metrics: ClassVar = ACCURACY

    def __post_init__(self) -> None:
        if self.pos_weight is not None and np.ndim(self.pos_weight):
            settle(self, pos_weight=numbers(self.pos_weight))

    def target(self, prediction: TensorType, targets: Array | None = None) -> TensorType:
        return prediction


@located
def binary_focal(
    logits: Value,
    targets: Value,
    *,
    gamma: float = 2.0,
    alpha: float | None = None,
    weights: Any = None,
    name: str = "",
) -> Value:
    """The mean of - t · a · (1 - p)^gamma · log(p) - (1 - t) · (1 - a) · p^gamma · log(1 - p).

    p = sigmoid(logits), and t is 0 or 1. Between them it is as in torchvision: with q = t · p +
    (1 - t) · (1 - p) the cross-entropy is multiplied by (1 - q)^gamma. T.-Y. Lin et al., "Focal
    loss for dense object detection", arXiv:1708.02002, with gamma = 2 and alpha = 0.25.

    Args:
        logits, targets: of one shape, (N, ...).
        gamma: at least 0.
        alpha: a, from 0 to 1; None leaves both factors out.
        weights: of the items, (N,), or of the rank of the logits, with their sizes or 1.

    Raises:
        GraphError: logits come out of sigmoid or softmax, or shapes differ.
    """
    refuse_squashed(logits, "binary_focal takes logits and applies sigmoid itself")
    BinaryCrossEntropyOp().infer(logits.type, targets.type)
    gamma, t = exponent(gamma), Probabilities()(targets)
    each = (1.0 - t) * logits + Softplus()(Neg()(logits))
    if gamma:
        missed = t * Sigmoid()(Neg()(logits)) + (1.0 - t) * Sigmoid()(logits)
        each = modulated(missed, gamma) * each
    if alpha is not None:
        a = number(alpha, "alpha")
        if not 0 <= a <= 1:
            raise GraphError(f"alpha must be from 0 to 1, found {alpha!r}")
        each = each * (t * (2 * a - 1) + (1 - a))
    return mean_loss(each, weights, name=scoped(name, "binary_focal"))


@dataclass(frozen=True)
class BinaryFocal(Loss):
    """Focal loss of sigmoid: `binary_focal`.

    Attributes:
        gamma: how much less counts what is classified well.
        alpha: the factor of what is there; 1 - alpha is that of what is not.
    """

    gamma: float = 2.0
    alpha: float | None = None

    name: ClassVar = "binary_focal"
    function: ClassVar = staticmethod(binary_focal)
    readable: ClassVar = Sigmoid()
    metrics: ClassVar = ACCURACY

    def target(self, prediction: TensorType, targets: Array | None = None) -> TensorType:
        return prediction


@located
def binary_hinge(
    scores: Value,
    targets: Value,
    *,
    margin: float = 1.0,
    squared: bool = False,
    weights: Any = None,
    name: str = "",
) -> Value:
    """The mean of max(0, margin - (2t - 1) · s), t being 0 or 1: the loss of a support vector
    machine (C. Cortes and V. Vapnik, 1995).

    Args:
        scores, targets: s and t, of one shape, (N, ...).
        squared: each term is squared.
        weights: of the items, (N,), or of the rank of the scores, with their sizes or 1.
    """
    BinaryCrossEntropyOp().infer(scores.type, targets.type)
    side = Probabilities()(targets) * 2.0 - 1.0
    over = Maximum()(number(margin, "margin") - side * scores, constant_of(0.0, scores.dtype))
    each = over * over if squared else over
    return mean_loss(each, weights, name=scoped(name, "binary_hinge"))


@dataclass(frozen=True)
class BinaryHinge(Loss):
    """Hinge loss of yes and no: `binary_hinge`.

    Attributes:
        margin: how far on its side a score is to be.
        squared: each term is squared.
    """

    margin: float = 1.0
    squared: bool = False

    name: ClassVar = "binary_hinge"
    function: ClassVar = staticmethod(binary_hinge)
    metrics: ClassVar = {"accuracy": BinaryAccuracy()}

    def target(self, prediction: TensorType, targets: Array | None = None) -> TensorType:
        return prediction
