"""Losses: the mean over all items, a scalar."""

from typing import Any

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.node import Value, constant_of
from graphcnn.ir.sources import Constant
from graphcnn.ir.tensor_type import DType, TensorType, format_shape
from graphcnn.language.activations import log_softmax
from graphcnn.language.arguments import number, scoped
from graphcnn.language.errors import located
from graphcnn.language.left_out import Ignored, counted, looked_up
from graphcnn.language.shape import as_labels
from graphcnn.language.weighting import aligned, mean_loss
from graphcnn.ops.activation import Sigmoid, Softplus
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.comparison import Where, masked
from graphcnn.ops.elementwise import Abs, Cast, Div, Neg
from graphcnn.ops.loss import (
    BinaryCrossEntropy,
    CrossEntropy,
    MeanAbsoluteError,
    MeanSquaredError,
    Probabilities,
    indicators,
)
from graphcnn.ops.norm import per_channel
from graphcnn.ops.shape import Reshape, Transpose
from graphcnn.ops.softmax import Softmax


@located
def cross_entropy(
    logits: Value,
    labels: Value,
    *,
    label_smoothing: float = 0.0,
    weight: Any = None,
    ignore_index: Ignored = None,
    weights: Any = None,
    name: str = "",
) -> Value:
    """The mean of - log(softmax(logits)[label]).

    With weights w of classes the mean is weighted by that of the label: for one item of label y,
    and p = softmax(logits), the sum runs over w[y] · (- log p[y]) and is divided by the sum of
    w[y]. `label_smoothing` s makes the term (1 - s) · w[y] · (- log p[y]) + s / K · sum over k of
    w[k] · (- log p[k]). Items that are left out count in neither sum; where none is left, the
    loss is 0.

    Labels may be soft: floats t, how much of each class. Then it is the mean of - sum over k of
    w[k] · t[k] · log p[k], divided by the number of the items; smoothed, t is (1 - s) · t + s / K.

    Args:
        logits: (N, K), the numbers before softmax; (N, K, H, W) for one label per pixel.
        labels: class indices 0 to K - 1, integers (N,) or (N, H, W); or floats of the shape of
            logits, at least 0 and with the sum 1 over the classes.
        label_smoothing: the part of the target spread evenly over all classes (C. Szegedy et al.,
            arXiv:1512.00567).
        weight: K numbers, one per class, or a tensor of them.
        ignore_index: a label that stands for no class, such as 255 or -1, or several.
        weights: of the items, (N,) or as class indices are: each term is multiplied by its own,
            and what the sum is divided by stays as it was.

    Raises:
        GraphError: logits come out of softmax or sigmoid, where this loss applies softmax itself,
            labels have another type or shape, or there is not one weight per class.
    """
    refuse_squashed(logits, "cross_entropy takes logits and applies softmax itself")
    op, name = (
        CrossEntropy(number(label_smoothing, "label_smoothing")),
        scoped(name, "cross_entropy"),
    )
    if labels.dtype.is_float and labels.shape == logits.shape:
        if ignore_index not in (None, ()):
            raise GraphError("ignore_index is a class index, and these labels are floats")
        op.infer(logits.type, TensorType((logits.shape[0], *logits.shape[2:]), DType.INT64))
        t = Probabilities(1)(labels)
        each = _per_item(logits, t, op.label_smoothing, weight)
        return mean_loss(each, weights, name=name)
    labels = as_labels(labels)
    counts = counted(labels, ignore_index)
    if weight is None and counts is None and weights is None:
        return op(logits, labels, name=name)
    op.infer(logits.type, labels.type)
    if weight is None and counts is None:
        t = indicators(labels, int(logits.shape[1]), logits.dtype)  # type: ignore[arg-type]
        return mean_loss(_per_item(logits, t, op.label_smoothing, None), weights, name=name)
    of_classes = None if weight is None else _class_weights(weight, logits)
    return _weighted(logits, labels, op.label_smoothing, of_classes, counts, weights, name)


def _per_item(logits: Value, t: Value, smoothing: float, weight: Any) -> Value:
    """- sum over k of w[k] · t[k] · log softmax(logits)[k], t smoothed."""
    if smoothing:
        t = t * (1.0 - smoothing) + smoothing / int(logits.shape[1])  # type: ignore[arg-type]
    if weight is not None:
        t = t * _class_weights(weight, logits)
    return Neg()(Sum((1,))(t * log_softmax(logits, 1)))


def _class_weights(weight: Any, logits: Value) -> Value:
    """Weights (K,) as (1, K, 1, ...), ready to broadcast over logits."""
    w = weight if isinstance(weight, Value) else constant_of(np.asarray(weight), logits.dtype)
    if w.shape != logits.shape[1:2]:
        raise GraphError(
            f"weight must have one number per class, {logits.shape[1]}, found {w.type}"
        )
    if isinstance(w.node.op, Constant) and not (
        np.isfinite(w.node.op.array).all() and w.node.op.array.min() >= 0
    ):
        raise GraphError("weight must hold finite numbers of at least 0")
    return per_channel(w, logits)


def _weighted(
    logits: Value,
    labels: Value,
    smoothing: float,
    weights: Value | None,
    counts: Value | None,
    of_items: Any,
    name: str,
) -> Value:
    """The formula above in smaller operators; t is what each class is to have."""
    classes = int(logits.shape[1])  # type: ignore[arg-type]
    t = indicators(looked_up(labels, counts), classes, logits.dtype)
    if counts is not None:
        t = t * Reshape((counts.shape[0], 1, *counts.shape[1:]))(Cast(logits.dtype)(counts))
    own = t if weights is None else t * weights
    whole = Sum(tuple(range(t.type.rank)))(own)
    if smoothing:
        # An item's own weights, of all classes, if it counts: t sums to 1 or to 0.
        every = (
            Sum((1,), keepdims=True)(t)
            if weights is None
            else (Sum((1,), keepdims=True)(t) * weights)
        )
        own = own * (1.0 - smoothing) + every * (smoothing / classes)
    log_p = masked(own > 0.0, log_softmax(logits, 1))  # 0 · -inf is not a number
    if of_items is not None:
        w = aligned(of_items, labels.type.with_dtype(logits.dtype))
        own = own * Reshape((w.shape[0], 1, *w.shape[1:]))(w)
    total = Sum(tuple(range(t.type.rank)))(own * log_p)
    some = Where()(whole > 0.0, whole, constant_of(1.0, whole.dtype))
    return Div()(Neg()(total), some, name=name)


@located
def binary_cross_entropy(
    logits: Value,
    targets: Value,
    *,
    label_smoothing: float = 0.0,
    pos_weight: Any = None,
    weights: Any = None,
    name: str = "",
) -> Value:
    """The mean of - q · t · log(p) - (1 - t) · log(1 - p), p = sigmoid(logits), t in [0, 1].

    It is computed as (1 - t) · z + (1 + (q - 1) · t) · log(1 + exp(-z)), without forming p.

    Args:
        label_smoothing: s makes t · (1 - s) + s / 2 of the targets t.
        pos_weight: q, a number, or one for each channel (axis 1) of the logits; 1 by default.
        weights: of the items, (N,), or of the rank of the logits, with their sizes or 1.

    Raises:
        GraphError: logits come out of sigmoid or softmax, where this loss applies sigmoid itself,
            or shapes differ.
    """
    refuse_squashed(logits, "binary_cross_entropy takes logits and applies sigmoid itself")
    op, smoothing = BinaryCrossEntropy(), number(label_smoothing, "label_smoothing")
    if not 0 <= smoothing < 1:
        raise GraphError(f"label_smoothing must be at least 0 and less than 1, found {smoothing}")
    name = scoped(name, op.name)
    if not smoothing and pos_weight is None and weights is None:
        return op(logits, targets, name=name)
    op.infer(logits.type, targets.type)
    t = Probabilities()(targets)
    if smoothing:
        t = t * (1.0 - smoothing) + smoothing / 2
    if pos_weight is None and weights is None:
        return op(logits, t, name=name)
    lost = Softplus()(Neg()(logits))
    if pos_weight is not None:
        lost = lost * (t * (_per_channel(pos_weight, logits) - 1.0) + 1.0)
    return mean_loss((1.0 - t) * logits + lost, weights, name=name)


def _per_channel(given: Any, logits: Value) -> Any:
    """A number, or (1, K, 1, ...) of K numbers."""
    array = given if isinstance(given, Value) else np.asarray(given, np.float64)
    if isinstance(array, np.ndarray) and not (np.isfinite(array).all() and (array > 0).all()):
        raise GraphError(f"pos_weight must be positive, found {given!r}")
    if array.shape == ():
        return array if isinstance(array, Value) else float(array)
    if logits.type.rank < 2 or array.shape != logits.shape[1:2]:
        raise GraphError(
            f"pos_weight must be a number or one for each channel of logits {logits.type}, found "
            f"{len(array.shape)} axes {format_shape(array.shape)}"
        )
    value = array if isinstance(array, Value) else constant_of(array, logits.dtype)
    return per_channel(value, logits)


@located
def mse(prediction: Value, target: Value, *, weights: Any = None, name: str = "") -> Value:
    """The mean of (prediction - target)², two tensors of one shape.

    Args:
        weights: of the items, (N,), or of the rank of the prediction, with its sizes or 1.
    """
    op = MeanSquaredError()
    name = scoped(name, op.name)
    if weights is None:
        return op(prediction, target, name=name)
    op.infer(prediction.type, target.type)
    difference = prediction - target
    return mean_loss(difference * difference, weights, name=name)


@located
def l1(prediction: Value, target: Value, *, weights: Any = None, name: str = "") -> Value:
    """The mean of |prediction - target|, two tensors of one shape.

    Args:
        weights: of the items, (N,), or of the rank of the prediction, with its sizes or 1.
    """
    op = MeanAbsoluteError()
    name = scoped(name, op.name)
    if weights is None:
        return op(prediction, target, name=name)
    op.infer(prediction.type, target.type)
    return mean_loss(Abs()(prediction - target), weights, name=name)


def refuse_squashed(logits: Value, message: str) -> None:
    """Raise `GraphError` where logits are the output of softmax or sigmoid, reshaped or not."""
    value = logits
    while value.node.op.view or isinstance(value.node.op, Transpose):
        value = value.node.inputs[0]
    if isinstance(value.node.op, Softmax | Sigmoid):
        place = value.node.origin.location
        label = f' "{value.node.name}"' if value.node.name else ""
        where = f" ({place})" if place else ""
        axis = getattr(value.node.op, "axis", 1)
        along = "" if axis == 1 else f" along axis {axis}, where classes are along axis 1"
        raise GraphError(
            f"{message}; its input is the output of {value.node.op.name}{label}{where}{along}: "
            "leave that out (outputs=[...] of import_onnx names what a model ends with)"
        )
