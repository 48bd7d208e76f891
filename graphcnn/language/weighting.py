"""The mean of what the items lose, some of them more than others."""

from typing import Any

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.node import Value, constant_of
from graphcnn.ir.tensor_type import TensorType, format_shape
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.comparison import masked
from graphcnn.ops.elementwise import Cast, Div, Maximum
from graphcnn.ops.reduce import Mean
from graphcnn.ops.shape import Reshape


def mean_loss(
    each: Value, weights: Any = None, counts: Value | None = None, *, name: str = ""
) -> Value:
    """The mean of w · l over the elements l of `each` that count: a scalar.

    It is divided by the number of the elements, not by the sum of their weights, so that the means
    of batches add up to that of all, and a weight of 2 is an item that is there twice.

    Args:
        weights: (N,), one per item; or of the rank of `each`, its sizes or 1.
        counts: bool, as `each`; those that do not count are 0. Where none counts, so is the mean.
    """
    if weights is not None:
        each = each * aligned(weights, each.type)
    axes = tuple(range(each.type.rank))
    if counts is None:
        return Mean(axes)(each, name=name)
    number = Sum(axes)(Cast(each.dtype)(counts))
    some = Maximum()(number, constant_of(1.0, each.dtype))
    return Div()(Sum(axes)(masked(counts, each)), some, name=name)


def aligned(weights: Any, each: TensorType) -> Value:
    """Weights ready to be multiplied with what is lost, of type `each`.

    Raises `GraphError` for another shape: nothing is guessed from the number of the weights.
    """
    w = weights if isinstance(weights, Value) else constant_of(np.asarray(weights), each.dtype)
    shape = w.shape
    if len(shape) == 1 and shape == each.shape[:1]:
        w = Reshape((*shape, *(1 for _ in each.shape[1:])))(w) if each.rank > 1 else w
    elif len(shape) != each.rank or any(
        found not in (1, wanted) for found, wanted in zip(shape, each.shape, strict=True)
    ):
        items = format_shape(each.shape[:1])
        whole = f" or of the shape {format_shape(each.shape)}" if each.rank > 1 else ""
        raise GraphError(f"weights must be one per item, {items}{whole}, found {w.type}")
    return w if w.dtype is each.dtype else Cast(each.dtype)(w)
