"""Indices of a ScatterND that are known and name a box: `y[:, 0:2, ::3] = part`, as exporters write
an assignment to a slice. Each column of indices counts along an axis of its own, or is one number.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphcnn.ir.node import Array, Value, constant_of
from graphcnn.ir.tensor_type import Shape, known_size
from graphcnn.onnx.importing.context import reshaped
from graphcnn.ops.comparison import Where
from graphcnn.ops.shape import Embed


@dataclass(frozen=True)
class IndexBox:
    """The places start + step·i, i < size, of the first axes of a tensor."""

    starts: tuple[int, ...]
    sizes: Shape
    steps: tuple[int, ...]


def box_of(indices: Array) -> IndexBox | None:
    """The box that tuples of indices (..., k), counted from the front, name in row-major order;
    None where they name anything else."""
    dims, columns = indices.shape[:-1], np.moveaxis(indices, -1, 0)
    if not indices.size:
        return None
    lines: list[tuple[int, int, int]] = []  # start, size and step
    last = -1
    for column in columns:
        varying = [a for a in range(len(dims)) if np.ptp(column, axis=a).any()]
        if not varying:
            lines.append((int(column.flat[0]), 1, 1))
            continue
        axis = varying[0]
        line = np.moveaxis(column, axis, -1).reshape(-1, dims[axis])[0]
        start, step = int(line[0]), int(line[1] - line[0])
        regular = step > 0 and np.array_equal(line, start + step * np.arange(dims[axis]))
        if len(varying) > 1 or axis <= last or not regular:
            return None
        lines.append((start, dims[axis], step))
        last = axis
    starts, sizes, steps = zip(*lines, strict=True)
    twice = np.prod(sizes) != np.prod(dims)
    return None if twice else IndexBox(starts, sizes, steps)


def assigned(x: Value, box: IndexBox, part: Value) -> Value:
    """x with `part` in place of the elements in the box."""
    rest = x.shape[len(box.sizes) :]
    part = reshaped(part, (*box.sizes, *rest))
    if part.shape == x.shape:
        return part
    behind = len(rest)
    starts, steps = (*box.starts, *[0] * behind), (*box.steps, *[1] * behind)
    inside = Embed(x.shape, starts, steps)(part)
    return Where()(constant_of(_mask(x.shape, box)), inside, x)


def _mask(shape: Shape, box: IndexBox) -> Array:
    """Which elements lie in the box, with the size 1 along axes that it fills."""
    mask = np.ones((1,) * len(shape), bool)
    for axis, size in enumerate(box.sizes):
        if size != shape[axis]:
            line = np.zeros(known_size((shape[axis],)), np.bool_)
            line[box.starts[axis] :: box.steps[axis]][: known_size((size,))] = True
            mask = mask & _along(line, axis, len(shape))
    return mask


def _along(line: Array, axis: int, rank: int) -> Array:
    sizes: Sequence[int] = [len(line) if a == axis else 1 for a in range(rank)]
    return line.reshape(sizes)
