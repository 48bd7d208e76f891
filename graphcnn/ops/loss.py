"""Losses: the mean over all items, one number to be made small.

Classification losses take logits, the numbers before softmax or sigmoid, and apply it themselves:
log(softmax(z)) is computed without ever forming a probability that could round to 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.batch import MEAN, Batches, Rule, Types, mean_of, mixed
from graphcnn.ir.node import Array, Node, Op, Value
from graphcnn.ir.tensor_type import DType, TensorType, format_shape
from graphcnn.ops.activation import Sigmoid
from graphcnn.ops.elementwise import Sign
from graphcnn.ops.parts.checks import check_float, check_same_dtype
from graphcnn.ops.shape import ElementCount, OneHot, Transpose, check_index_type, check_labels
from graphcnn.ops.softmax import Softmax


@dataclass(frozen=True)
class CrossEntropy(Op):
    """loss = mean over items of - sum over k of t[k] · log(softmax(z)[k]).

    t = 1 for the label and 0 for the other classes; with `label_smoothing` s it is
    (1 - s) · t + s / K (C. Szegedy et al., arXiv:1512.00567). Gradient: (softmax(z) - t) / items.

    Shapes: logits z (N, K), labels i64 (N); or, for one label per pixel, logits (N, K, H, W) and
    labels (N, H, W). Evaluation raises `DataError` for a label outside 0 to K - 1.
    """

    label_smoothing: float = 0.0

    operands: ClassVar = ("logits", "labels")
    results: ClassVar = ("loss",)
    family: ClassVar = "loss"

    def infer(self, logits: TensorType, labels: TensorType) -> TensorType:
        check_same_dtype(logits=logits)
        check_index_type(labels)
        if logits.rank < 2 or not isinstance(logits.shape[1], int):
            flat = logits.rank < 2
            hint = "" if flat else "; a loss among the items of a batch is made of log_softmax"
            raise GraphError(
                f"logits must be (N, classes), found rank {logits.rank}: {logits}{hint}"
            )
        expected = (logits.shape[0], *logits.shape[2:])
        if labels.shape != expected:
            raise GraphError(
                f"labels must have shape {format_shape(expected)}, one class for each item of "
                f"logits {logits}, found {labels}"
            )
        if not 0 <= self.label_smoothing < 1:
            raise GraphError(
                f"label_smoothing must be at least 0 and less than 1, found {self.label_smoothing}"
            )
        return logits.with_shape(())

    def limits(self, *types: TensorType) -> Mapping[int, tuple[int, int]]:
        return {1: (0, int(types[0].shape[1]) - 1)}  # type: ignore[arg-type]

    def evaluate(self, logits: Array, labels: Array) -> Array:
        check_labels(labels, logits.shape[1])
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        picked = np.take_along_axis(log_p, labels[:, None], axis=1)
        loss = -picked.mean()
        if not self.label_smoothing:
            return np.asarray(loss)
        s = logits.dtype.type(self.label_smoothing)
        return np.asarray((1 - s) * loss - s * log_p.mean())

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        logits, labels = node.inputs
        s, classes = self.label_smoothing, logits.shape[1]
        t = indicators(labels, int(classes), logits.dtype)  # type: ignore[arg-type]
        if s:
            t = t * (1.0 - s) + s / int(classes)  # type: ignore[arg-type]
        count = ElementCount(labels.shape, logits.dtype)()
        return [(Softmax(axis=1)(logits) - t) * (dy / count), None]

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        logits, labels = inputs
        behind = logits.at(logits.axis - 1 if logits.axis > 1 else 0)
        if logits.is_items and logits.axis != 1 and labels == behind:
            return MEAN
        return mixed("compares what are not the same items")


@dataclass(frozen=True)
class _Comparison(Op):
    """A scalar from two tensors of exactly one shape: broadcasting here would hide a mistake."""

    operands: ClassVar = ("prediction", "target")
    results: ClassVar = ("loss",)
    family: ClassVar = "loss"

    def infer(self, prediction: TensorType, target: TensorType) -> TensorType:
        first, second = self.operands
        if prediction.shape != target.shape:
            raise GraphError(
                f"{first} and {second} must have one shape, found {first} {prediction} and "
                f"{second} {target}"
            )
        check_same_dtype(**{first: prediction, second: target})
        return prediction.with_shape(())

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return mean_of(inputs)


@dataclass(frozen=True)
class BinaryCrossEntropy(_Comparison):
    """loss = mean of - t · log(sigmoid(z)) - (1 - t) · log(1 - sigmoid(z)).

    Computed as max(z, 0) - z·t + log(1 + exp(-|z|)). Shapes: logits z and targets t alike, t in
    [0, 1]. Gradients: dz = (sigmoid(z) - t) / count, dt = -z / count.
    """

    operands: ClassVar = ("logits", "targets")

    def limits(self, *types: TensorType) -> Mapping[int, tuple[int, int]]:
        return {1: (0, 1)}

    def evaluate(self, logits: Array, targets: Array) -> Array:
        softplus = np.maximum(logits, 0) + np.log1p(np.exp(-np.abs(logits)))
        return np.asarray((softplus - logits * targets).mean())

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        logits, targets = node.inputs
        scale = dy / _count(logits)
        return [(Sigmoid()(logits) - targets) * scale, -(logits * scale)]


@dataclass(frozen=True)
class MeanSquaredError(_Comparison):
    """loss = mean of (p - t)². Gradients: dp = 2 (p - t) / count = -dt."""

    def evaluate(self, prediction: Array, target: Array) -> Array:
        difference = prediction - target
        return np.asarray((difference * difference).mean())

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        prediction, target = node.inputs
        dp = (prediction - target) * (dy * 2.0 / _count(prediction))
        return [dp, -dp]


@dataclass(frozen=True)
class MeanAbsoluteError(_Comparison):
    """loss = mean of |p - t|. Gradients: dp = sign(p - t) / count = -dt, 0 where p = t."""

    def evaluate(self, prediction: Array, target: Array) -> Array:
        return np.asarray(np.abs(prediction - target).mean())

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        prediction, target = node.inputs
        dp = Sign()(prediction - target) * (dy / _count(prediction))
        return [dp, -dp]


@dataclass(frozen=True)
class Probabilities(Op):
    """y = x, of which a loss says that they are probabilities: numbers from 0 to 1.

    Along `axis` they sum to 1; -1 is each for itself. Nothing is computed: it is what targets are
    checked by. Shapes: y as x, any float dtype.
    """

    axis: int = -1

    operands: ClassVar = ("x",)
    elementwise: ClassVar[bool] = True
    family: ClassVar = "loss"
    idempotent: ClassVar[bool] = True
    involution: ClassVar[bool] = True
    monotone: ClassVar = (1,)
    rounds: ClassVar[bool] = False

    def infer(self, x: TensorType) -> TensorType:
        check_float(x=x)
        if self.axis < -1:
            raise GraphError(f"axis must be at least -1, found {self.axis}")
        return x

    def limits(self, *types: TensorType) -> Mapping[int, tuple[int, int]]:
        return {0: (0, 1)}

    def evaluate(self, x: Array) -> Array:
        return x

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        return [dy]


def indicators(labels: Value, classes: int, dtype: DType) -> Value:
    """One-hot vectors of labels (N, ...) along axis 1: (N, classes, ...), as logits have them."""
    y = OneHot(classes, dtype)(labels)
    rank = len(y.shape)
    return y if rank == 2 else Transpose((0, rank - 1, *range(1, rank - 1)))(y)


def _count(x: Value) -> Value:
    return ElementCount(x.shape, x.dtype)()
