"""The shapes of the inputs of a model: declared in the file, or given in place of that."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphcnn.errors import ImportModelError
from graphcnn.ir.tensor_type import Dim, N, Shape, is_open, open_axes, open_size
from graphcnn.onnx.importing.file.arrays import sizes_of
from graphcnn.onnx.importing.file.messages import open_axis


def declared_shape(name: str, tensor: Any) -> Shape:
    """The shape of an input as the file declares it, with N where its first axis is open, or the
    multiple of N that it is called."""
    shape: list[Dim] = []
    for axis, size in enumerate(sizes_of(tensor)):
        if size is not None:
            shape.append(size)
        elif axis == 0:
            shape.append(open_size(tensor.shape.dim[0].dim_param) or N)
        else:
            raise ImportModelError(open_axis(name, axis, tensor))
    return tuple(shape)


def given_shape(name: str, given: Sequence[Any], tensor: Any) -> Shape:
    """The shape that a caller gives for an input, in place of the declared one."""
    shape: list[Dim] = []
    for axis, d in enumerate(given):
        open_ = open_size(d)
        if open_ and is_open(shape):
            raise ImportModelError(
                f"input {name!r} has one batch axis, found {tuple(given)}: N at the axes "
                f"{open_axes(tuple(shape))[0]} and {axis}"
            )
        if not open_ and (not isinstance(d, int | np.integer) or d < 1):
            raise ImportModelError(f"sizes of input {name!r} must be at least 1, found {d!r}")
        shape.append(open_ or int(d))
    if tensor.HasField("shape") and len(tensor.shape.dim) != len(shape):
        raise ImportModelError(
            f"input {name!r} has {len(tensor.shape.dim)} axes, found the shape {tuple(given)}"
        )
    return tuple(shape)
