"""Lengths of tensors."""

from graphcnn.ir.node import Value
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.elementwise import Sqrt


def norm(x: Value) -> Value:
    """sqrt(sum of squares) over all elements."""
    return Sqrt()(Sum(tuple(range(x.type.rank)))(x * x))
