"""Sparse tensors of an ONNX file as dense arrays.

Such a tensor is a shape, a list of values, and their places: numbers of elements in row-major
order, or one row of indices for each value. Places are in ascending order and none is given twice.
A few bytes can name a shape of any size, so the dense array is counted before it is made.
"""

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from onnx import SparseTensorProto, TensorProto

from graphcnn.errors import ImportModelError
from graphcnn.ir.node import Array
from graphcnn.onnx.importing.context import Store
from graphcnn.onnx.importing.file.arrays import check_tensor, element_type
from graphcnn.onnx.importing.file.limits import Limits


def check_sparse(tensor: SparseTensorProto, what: str, limits: Limits) -> None:
    """Raise unless shape, values and places fit together; the numbers are looked at later."""
    shape, count = tuple(tensor.dims), _count(tensor, what)
    if not shape or min(shape) < 1:
        raise ImportModelError(f"{what} has the shape {shape}, expected sizes of at least 1")
    limits.check_shape(shape, what)
    check_tensor(tensor.values, f"the values of {what}", limits)
    if not count and not tensor.HasField("indices"):
        return
    indices, rank = tensor.indices, len(shape)
    if indices.data_type != TensorProto.INT64:
        raise ImportModelError(f"the indices of {what} must be of the type INT64")
    check_tensor(indices, f"the indices of {what}", limits)
    found = tuple(indices.dims)
    if found not in ((count,), (count, rank)):
        raise ImportModelError(
            f"the indices of {what} have the shape {found}, expected ({count},) or "
            f"({count}, {rank}): {count} values, {rank} axes"
        )


def _count(tensor: SparseTensorProto, what: str) -> int:
    dims = tuple(tensor.values.dims)
    if len(dims) != 1:
        raise ImportModelError(f"the values of {what} have the shape {dims}, expected one axis")
    return int(dims[0])


def dense_array(tensor: SparseTensorProto, what: str, folder: Path | None, store: Store) -> Array:
    """The array of a tensor that `check_sparse` has accepted. What is not named is 0."""
    shape = tuple(tensor.dims)
    dtype = element_type(tensor.values.data_type, what)
    store.fold(shape, dtype.numpy)
    values = store.array(tensor.values, f"the values of {what}", folder)
    dense = np.zeros(shape, dtype.numpy)
    if values.size:
        indices = store.array(tensor.indices, f"the indices of {what}", folder)
        dense.reshape(-1)[_places(indices, shape, what)] = values
    return dense


def _places(indices: Array, shape: tuple[int, ...], what: str) -> Array:
    """Numbers of elements in row-major order. Raises for what is outside or out of order."""
    sizes = shape if indices.ndim == 2 else (math.prod(shape),)
    rows = indices.reshape(len(indices), -1)
    outside = ((rows < 0) | (rows >= np.array(sizes))).any(axis=1)
    if outside.any():
        first = int(outside.argmax())
        raise ImportModelError(
            f"index {first} of {what} is {_shown(rows[first])}, expected "
            f"{_shown([0] * len(sizes))} to {_shown([d - 1 for d in sizes])} in the shape {shape}"
        )
    places: Array = np.asarray(np.ravel_multi_index(tuple(rows.T), sizes))
    late = np.flatnonzero(places[1:] <= places[:-1])
    if late.size:
        i = int(late[0])
        expected = "each place once" if places[i] == places[i + 1] else "ascending places"
        raise ImportModelError(
            f"indices {i} and {i + 1} of {what} are {_shown(rows[i])} and "
            f"{_shown(rows[i + 1])}, expected {expected}"
        )
    return places


def _shown(index: Iterable[int]) -> str:
    numbers = tuple(map(int, index))
    return str(numbers if len(numbers) > 1 else numbers[0])
