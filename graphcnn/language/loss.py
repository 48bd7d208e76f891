"""Losses: the mean over all items, a scalar."""

from typing import Any

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.node import Op, Value, constant_of
from graphcnn.ir.sources import Constant
from graphcnn.language.activations import log_softmax
from graphcnn.language.arguments import number, scoped
from graphcnn.language.errors import located
from graphcnn.language.left_out import Ignored, counted, looked_up
from graphcnn.language.shape import as_labels
from graphcnn.ops.activation import Sigmoid
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.comparison import Where, masked
from graphcnn.ops.elementwise import Cast, Div, Neg
from graphcnn.ops.loss import (
    BinaryCrossEntropy,
    CrossEntropy,
    MeanAbsoluteError,
    MeanSquaredError,
    indicators,
)
from graphcnn.ops.norm import per_channel
from graphcnn.ops.shape import Reshape
from graphcnn.ops.softmax import Softmax


@located
def cross_entropy(
    logits: Value,
    labels: Value,
    *,
    label_smoothing: float = 0.0,
    weight: Any = None,
    ignore_index: Ignored = None,
    name: str = "",
) -> Value:
    """The mean of - log(softmax(logits)[label]).

    With weights w the mean is weighted by that of the label: for one item of label y, and p =
    softmax(logits), the sum runs over w[y] · (- log p[y]) and is divided by the sum of w[y].
    `label_smoothing` s makes the term (1 - s) · w[y] · (- log p[y]) + s / K · sum over k of
    w[k] · (- log p[k]). Items that are left out count in neither sum; where none is left, the
    loss is 0.

    Args:
        logits: (N, K), the numbers before softmax; (N, K, H, W) for one label per pixel.
        labels: class indices 0 to K - 1, integers (N,) or (N, H, W).
        label_smoothing: the part of the target spread evenly over all classes.
        weight: K numbers, one per class, or a tensor of them.
        ignore_index: a label that stands for no class, such as 255 or -1, or several.

    Raises:
        GraphError: logits come out of softmax, which this loss applies itself, labels are not
            integers, or there is not one weight per class.
    """
    _refuse(logits, Softmax, "cross_entropy takes logits and applies softmax itself")
    op, labels = CrossEntropy(number(label_smoothing, "label_smoothing")), as_labels(labels)
    name, counts = scoped(name, op.name), counted(labels, ignore_index)
    if weight is None and counts is None:
        return op(logits, labels, name=name)
    op.infer(logits.type, labels.type)
    weights = None if weight is None else _class_weights(weight, logits)
    return _weighted(logits, labels, op.label_smoothing, weights, counts, name)


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
    total = Sum(tuple(range(t.type.rank)))(own * log_p)
    some = Where()(whole > 0.0, whole, constant_of(1.0, whole.dtype))
    return Div()(Neg()(total), some, name=name)


@located
def binary_cross_entropy(logits: Value, targets: Value, *, name: str = "") -> Value:
    """The mean of - t · log(p) - (1 - t) · log(1 - p), p = sigmoid(logits), t in [0, 1].

    Raises:
        GraphError: logits come out of sigmoid, which this loss applies itself, or shapes differ.
    """
    _refuse(logits, Sigmoid, "binary_cross_entropy takes logits and applies sigmoid itself")
    op = BinaryCrossEntropy()
    return op(logits, targets, name=scoped(name, op.name))


@located
def mse(prediction: Value, target: Value, *, name: str = "") -> Value:
    """The mean of (prediction - target)², two tensors of one shape."""
    op = MeanSquaredError()
    return op(prediction, target, name=scoped(name, op.name))


@located
def l1(prediction: Value, target: Value, *, name: str = "") -> Value:
    """The mean of |prediction - target|, two tensors of one shape."""
    op = MeanAbsoluteError()
    return op(prediction, target, name=scoped(name, op.name))


def _refuse(logits: Value, activation: type[Op], message: str) -> None:
    """Raise `GraphError` where logits are an activation's output, reshaped or not."""
    value = logits
    while value.node.op.view:
        value = value.node.inputs[0]
    if isinstance(value.node.op, activation):
        place = value.node.origin.location
        label = f' "{value.node.name}"' if value.node.name else ""
        where = f" ({place})" if place else ""
        axis = getattr(value.node.op, "axis", 1)
        along = "" if axis == 1 else f" along axis {axis}, where classes are along axis 1"
        raise GraphError(
            f"{message}; its input is the output of {activation.name}{label}{where}{along}: leave "
            "that out (outputs=[...] of import_onnx names what a model ends with)"
        )
