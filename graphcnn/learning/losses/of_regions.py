"""Losses of regions: how much of what is predicted lies where the class is, item by item."""

from dataclasses import dataclass
from typing import Any, ClassVar

from graphcnn.errors import GraphError
from graphcnn.ir.node import Array, Value
from graphcnn.ir.tensor_type import TensorType
from graphcnn.language.arguments import number, scoped
from graphcnn.language.errors import located
from graphcnn.language.left_out import Ignored
from graphcnn.language.loss import refuse_squashed
from graphcnn.language.weighting import mean_loss
from graphcnn.learning.losses.base import Loss, class_numbers
from graphcnn.learning.losses.of_classes import ACCURACY, one_hot_of, settle, several
from graphcnn.learning.losses.of_each import ACCURACY as ACCURACY_OF_EACH
from graphcnn.ops.activation import Sigmoid
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.elementwise import Cast
from graphcnn.ops.loss import BinaryCrossEntropy, Probabilities
from graphcnn.ops.shape import Reshape
from graphcnn.ops.softmax import Softmax


@located
def dice(
    logits: Value,
    labels: Value,
    *,
    smooth: float = 1.0,
    ignore_index: Ignored = None,
    weights: Any = None,
    name: str = "",
) -> Value:
    """The mean over items and classes of 1 - (2 · sum p·t + s) / (sum p + sum t + s).

    The sums run over the pixels of an item; p = softmax(logits), and t is 1 where the label is the
    class. F. Milletari et al., "V-Net", arXiv:1606.04797, as MONAI's DiceLoss with softmax.

    Args:
        logits: (N, K, H, W), with any number of axes of pixels.
        labels: class indices, (N, H, W).
        smooth: s, which makes the loss of a class 0 where it is neither there nor predicted.
        ignore_index: a label that stands for no class: those pixels are in no sum.
        weights: of the items, (N,).

    Raises:
        GraphError: logits come out of softmax or sigmoid, or there are no pixels.
    """
    p, t = _regions(logits, labels, ignore_index, "dice")
    return mean_loss(_dice(p, t, smooth), weights, name=scoped(name, "dice"))


@located
def jaccard(
    logits: Value,
    labels: Value,
    *,
    smooth: float = 1.0,
    ignore_index: Ignored = None,
    weights: Any = None,
    name: str = "",
) -> Value:
    """The mean over items and classes of 1 - (sum p·t + s) / (sum p + sum t - sum p·t + s).

    Intersection over union of probabilities: M. A. Rahman and Y. Wang, "Optimizing
    intersection-over-union in deep neural networks for image segmentation" (2016). The arguments
    are those of `dice`.
    """
    p, t = _regions(logits, labels, ignore_index, "jaccard")
    return mean_loss(_jaccard(p, t, smooth), weights, name=scoped(name, "jaccard"))


@located
def binary_dice(
    logits: Value, targets: Value, *, smooth: float = 1.0, weights: Any = None, name: str = ""
) -> Value:
    """`dice` of masks that may overlap: p = sigmoid(logits), for each channel on its own.

    Args:
        logits: (N, K, H, W), with any number of axes of pixels.
        targets: of the same shape, from 0 to 1.
        smooth, weights: as in `dice`.
    """
    p, t = _masks(logits, targets, "binary_dice")
    return mean_loss(_dice(p, t, smooth), weights, name=scoped(name, "binary_dice"))


@located
def binary_jaccard(
    logits: Value, targets: Value, *, smooth: float = 1.0, weights: Any = None, name: str = ""
) -> Value:
    """`jaccard` of masks that may overlap; the arguments are those of `binary_dice`."""
    p, t = _masks(logits, targets, "binary_jaccard")
    return mean_loss(_jaccard(p, t, smooth), weights, name=scoped(name, "binary_jaccard"))


@dataclass(frozen=True)
class _OfClasses(Loss):
    smooth: float = 1.0
    ignore_index: Ignored = None

    readable: ClassVar = Softmax(1)
    metrics: ClassVar = ACCURACY

    def __post_init__(self) -> None:
        settle(self, ignore_index=several(self.ignore_index))

    def target(self, prediction: TensorType, targets: Array | None = None) -> TensorType:
        return class_numbers(prediction)


@dataclass(frozen=True)
class Dice(_OfClasses):
    """Overlap of regions, by Dice: `dice`.

    Attributes:
        smooth: what is added above and below.
        ignore_index: a label that stands for no class, or several.
    """

    name: ClassVar = "dice"
    function: ClassVar = staticmethod(dice)


@dataclass(frozen=True)
class Jaccard(_OfClasses):
    """Overlap of regions, intersection over union: `jaccard`. The settings are those of `Dice`."""

    name: ClassVar = "jaccard"
    function: ClassVar = staticmethod(jaccard)


@dataclass(frozen=True)
class _OfMasks(Loss):
    smooth: float = 1.0

    readable: ClassVar = Sigmoid()
    metrics: ClassVar = ACCURACY_OF_EACH

    def target(self, prediction: TensorType, targets: Array | None = None) -> TensorType:
        return prediction


@dataclass(frozen=True)
class BinaryDice(_OfMasks):
    """Overlap of masks, by Dice: `binary_dice`."""

    name: ClassVar = "binary_dice"
    function: ClassVar = staticmethod(binary_dice)


@dataclass(frozen=True)
class BinaryJaccard(_OfMasks):
    """Overlap of masks, intersection over union: `binary_jaccard`."""

    name: ClassVar = "binary_jaccard"
    function: ClassVar = staticmethod(binary_jaccard)


def _regions(logits: Value, labels: Value, ignored: Ignored, loss: str) -> tuple[Value, Value]:
    """p and t (N, K, ...) of class numbers, 0 where pixels do not count."""
    refuse_squashed(logits, f"{loss} takes logits and applies softmax itself")
    _check_pixels(logits)
    t, counts = one_hot_of(logits, labels, ignored)
    p = Softmax(1)(logits)
    if counts is None:
        return p, t
    counting = Reshape((counts.shape[0], 1, *counts.shape[1:]))(Cast(p.dtype)(counts))
    return p * counting, t * counting


def _masks(logits: Value, targets: Value, loss: str) -> tuple[Value, Value]:
    refuse_squashed(logits, f"{loss} takes logits and applies sigmoid itself")
    _check_pixels(logits)
    BinaryCrossEntropy().infer(logits.type, targets.type)
    return Sigmoid()(logits), Probabilities()(targets)


def _check_pixels(logits: Value) -> None:
    if logits.type.rank < 3:
        raise GraphError(f"logits must be (N, K, H, W), one map per class, found {logits.type}")


def _dice(p: Value, t: Value, smooth: Any) -> Value:
    s, both, whole = _sums(p, t, smooth)
    return 1.0 - (both * 2.0 + s) / (whole + s)


def _jaccard(p: Value, t: Value, smooth: Any) -> Value:
    s, both, whole = _sums(p, t, smooth)
    return 1.0 - (both + s) / (whole - both + s)


def _sums(p: Value, t: Value, smooth: Any) -> tuple[float, Value, Value]:
    """s, sum p·t, and sum p + sum t, over the pixels."""
    s = number(smooth, "smooth")
    if not s > 0:
        raise GraphError(f"smooth must be greater than 0, found {smooth!r}")
    over = Sum(tuple(range(2, p.type.rank)))
    return s, over(p * t), over(p) + over(t)
