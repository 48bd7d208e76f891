"""Metrics: what a person wants to know about predictions. Not differentiable, not a loss."""

from graphcnn.errors import GraphError
from graphcnn.ir.node import Value, constant_of
from graphcnn.ir.tensor_type import DType
from graphcnn.language.arguments import positive, scoped
from graphcnn.language.errors import located
from graphcnn.language.left_out import Ignored, counted, looked_up
from graphcnn.language.shape import as_labels
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.comparison import And, Equal, masked
from graphcnn.ops.elementwise import Cast, Div, Maximum
from graphcnn.ops.loss import CrossEntropy, indicators
from graphcnn.ops.reduce import ArgMax, Mean


@located
def accuracy(
    logits: Value, labels: Value, *, ignore_index: Ignored = None, name: str = ""
) -> Value:
    """The part of the items whose largest logit is the one of the label: a scalar, f32.

    Logits (N, K) and labels (N,), or (N, K, H, W) and (N, H, W). Equal logits count as the first.
    Items with the label `ignore_index` (or one of several) do not count; of no item it is 0.
    """
    hits = right(logits, labels)
    return _part_of(hits, counted(as_labels(labels), ignore_index), scoped(name, "accuracy"))


@located
def top_k_accuracy(
    logits: Value,
    labels: Value,
    k: int = 5,
    *,
    ignore_index: Ignored = None,
    name: str = "",
) -> Value:
    """The part of the items whose label has one of the `k` largest logits: a scalar, f32.

    A class with the same logit as the label's counts as larger, so that a network which gives all
    classes one number scores 0, not 1. Items with the label `ignore_index` do not count.
    """
    labels = as_labels(labels)
    counts = counted(labels, ignore_index)
    hits = among_largest(logits, looked_up(labels, counts), k)
    return _part_of(hits, counts, scoped(name, "top_k_accuracy"))


def right(logits: Value, labels: Value) -> Value:
    """Whether the largest logit of each item is that of its label, bool (N, ...)."""
    labels = as_labels(labels)
    CrossEntropy().infer(logits.type, labels.type)
    return Equal()(ArgMax(axis=1)(logits), labels)


def among_largest(logits: Value, labels: Value, k: int) -> Value:
    """Whether the label of each item has one of its `k` largest logits, bool (N, ...)."""
    labels, k = as_labels(labels), positive(k, "k")
    CrossEntropy().infer(logits.type, labels.type)
    classes = int(logits.shape[1])  # type: ignore[arg-type]
    if k > classes:
        raise GraphError(f"k must be at most the number of classes, {classes}, found {k}")
    is_label = indicators(labels, classes, logits.dtype) > 0.0
    own = Sum((1,), keepdims=True)(masked(is_label, logits))
    below = Sum((1,))(Cast(DType.FLOAT32)(logits < own))
    return below >= float(classes - k)


def _part_of(hits: Value, counts: Value | None, name: str) -> Value:
    axes = tuple(range(hits.type.rank))
    if counts is None:
        return Mean(axes)(Cast(DType.FLOAT32)(hits), name=name)
    right = Sum(axes)(Cast(DType.FLOAT32)(And()(hits, counts)))
    number = Sum(axes)(Cast(DType.FLOAT32)(counts))
    return Div()(right, Maximum()(number, constant_of(1.0, DType.FLOAT32)), name=name)
