"""What rules ask about values: is it constant, is it the same number everywhere, is it fixed.

Also the one way to view a value under another shape, so that equal views compare equal.
"""

from typing import Any

import numpy as np

from graphcnn.ir.node import Array, Value
from graphcnn.ir.sources import Constant, Input
from graphcnn.ir.tensor_type import Shape, is_open, known_size
from graphcnn.ops.broadcast import BroadcastTo
from graphcnn.ops.shape import Flatten, Reshape, Transpose


def constant_array(value: Value) -> Array | None:
    """The array of a constant, else None."""
    return np.asarray(value.node.op.array) if isinstance(value.node.op, Constant) else None


def filled_with(value: Value) -> Any:
    """The number that every element of a constant holds, also when repeated or reshaped.

    None where there is none, or where zeros of both signs are mixed. Compare zeros with `is_zero`.
    """
    while isinstance(value.node.op, BroadcastTo | Reshape | Flatten | Transpose):
        value = value.node.inputs[0]
    array = constant_array(value)
    if array is None or not array.size:
        return None
    first = array.flat[0]
    if array.flat[-1] != first or not np.all(array == first):
        return None
    if array.dtype.kind == "f" and not np.all(np.signbit(array) == np.signbit(first)):
        return None
    return first


def is_zero(number: Any, negative: bool) -> bool:
    """Whether a number is the zero of that sign. A whole number's zero has both signs."""
    if number is None or number != 0:
        return False
    return not isinstance(number, np.floating) or bool(np.signbit(number)) == negative


def is_fixed(value: Value) -> bool:
    """Whether a value is made of states and constants only: the same for every batch."""
    seen, stack = {value.node}, [value.node]
    while stack:
        node = stack.pop()
        if isinstance(node.op, Input):
            return False
        new = {v.node for v in node.inputs} - seen
        seen |= new
        stack += new
    return True


def flattened(shape: Shape) -> Shape | None:
    """The shape that `flatten` makes of `shape`, where it applies."""
    if not shape or is_open(shape[1:]):
        return None
    return shape[0], known_size(shape[1:])


def view_as(x: Value, shape: Shape, name: str = "") -> Value:
    """x under another shape: x itself, `flatten` where that does it, else `reshape`."""
    if x.shape == shape:
        return x
    if shape == flattened(x.shape):
        return Flatten()(x, name=name)
    return Reshape(shape)(x, name=name)
