"""Arrays with the items of a batch: counted, taken out, filled up, joined.

Items lie along an axis as (outer, n, inner): see `graphcnn.ir.batch`.
"""

from collections.abc import Sequence

import numpy as np

from graphcnn.ir.batch import Batch, items
from graphcnn.ir.node import Array
from graphcnn.ir.tensor_type import TensorType, open_axes, times_n


def fed_items(t: TensorType) -> Batch | None:
    """Where the items are in what is fed with type `t`: along its first axis that depends on N."""
    for axis in open_axes(t.shape):
        return items(axis, 1, times_n(t.shape[axis]))
    return None


def count_items(shape: Sequence[int], place: Batch) -> int:
    """How many items an array of that shape has; 1 where it lacks their axis."""
    each = place.outer * place.inner
    return int(shape[place.axis]) // each if len(shape) > place.axis else 1


def take_items(array: Array, place: Batch, start: int, stop: int) -> Array:
    """The items from `start` to before `stop`; a view where their elements are neighbours."""
    if place.outer == 1:
        part = slice(start * place.inner, stop * place.inner)
        return array[(*(slice(None),) * place.axis, part)]
    apart = _apart(array, place)
    return _merged(apart[(*(slice(None),) * (place.axis + 1), slice(start, stop))], place)


def fill_items(array: Array, place: Batch | None, n: int) -> Array:
    """`array` with its last item repeated until there are `n`."""
    if place is None or array.ndim <= place.axis:
        return array
    count = count_items(array.shape, place)
    last = take_items(array, place, count - 1, count)
    return join_items([array, *[last] * (n - count)], place)


def join_items(parts: Sequence[Array], place: Batch) -> Array:
    """The items of all parts, in their order."""
    if len(parts) == 1:
        return parts[0]
    if place.outer == 1:
        return np.concatenate(parts, axis=place.axis)
    apart = [_apart(part, place) for part in parts]
    return _merged(np.concatenate(apart, axis=place.axis + 1), place)


def _apart(array: Array, place: Batch) -> Array:
    """The axis of the items as the three axes (outer, n, inner)."""
    before, after = array.shape[: place.axis], array.shape[place.axis + 1 :]
    n = count_items(array.shape, place)
    return array.reshape(*before, place.outer, n, place.inner, *after)


def _merged(apart: Array, place: Batch) -> Array:
    """The three axes as one again."""
    axis = place.axis
    size = place.outer * apart.shape[axis + 1] * place.inner
    return apart.reshape(*apart.shape[:axis], size, *apart.shape[axis + 3 :])
