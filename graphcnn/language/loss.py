"""Losses: the mean over all items, a scalar."""

from graphcnn.errors import GraphError
from graphcnn.ir import Op, Value
from graphcnn.language.arguments import number, scoped
from graphcnn.language.errors import located
from graphcnn.language.shape import as_labels
from graphcnn.ops.activation import Sigmoid
from graphcnn.ops.loss import (
    BinaryCrossEntropy,
    CrossEntropy,
    MeanAbsoluteError,
    MeanSquaredError,
)
from graphcnn.ops.softmax import Softmax


@located
def cross_entropy(
    logits: Value, labels: Value, *, label_smoothing: float = 0.0, name: str = ""
) -> Value:
    """The mean of - log(softmax(logits)[label]).

    Args:
        logits: (N, K), the numbers before softmax; (N, K, H, W) for one label per pixel.
        labels: class indices 0 to K - 1, integers (N,) or (N, H, W).
        label_smoothing: the part of the target spread evenly over all classes.

    Raises:
        GraphError: logits come out of softmax, which this loss applies itself, or labels are not
            integers.
    """
    _refuse(logits, Softmax, "cross_entropy takes logits and applies softmax itself")
    op = CrossEntropy(number(label_smoothing, "label_smoothing"))
    return op(logits, as_labels(labels), name=scoped(name, op.name))


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
        raise GraphError(
            f"{message}; its input is the output of {activation.name}{label}{where}: leave that out"
        )
