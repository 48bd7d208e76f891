"""Parts of tensors in ONNX: slices, splits, selections.

Along an axis of size k·N a part may begin and end at multiples of N, or at numbers that lie inside
for every N >= 1.
"""

from typing import Any

import numpy as np

from graphcnn.errors import ImportModelError
from graphcnn.ir.node import Array, Value, constant_of
from graphcnn.ir.tensor_type import BatchSize, Dim, DType, is_open
from graphcnn.onnx.importing.context import Call, UnsupportedError, imports
from graphcnn.onnx.importing.known.affine import Affine, dims_of
from graphcnn.onnx.importing.known.slicing import bounds, split_sizes
from graphcnn.ops.gather import Gather
from graphcnn.ops.shape import Concat, Slice, Transpose

#: A selection of more pieces than this is one gather instead of slices.
MANY_PIECES = 8
#: A position that is as large, or as small, means the end: no axis is so long.
FAR = (1 << 31) - 1


@imports("Split")
def split(call: Call) -> list[Value | Array | None]:
    x = call.value(0)
    axis = call.axis(call.attribute("axis", 0), x.type.rank)
    parts: list[Value | Array | None] = []
    start: Dim = 0
    for i, size in enumerate(split_sizes(call, x.shape[axis])):
        if not call.wants(i):
            parts.append(None)
        elif size:
            parts.append(cut(x, axis, start, size, 1, call.name_of(i)))
        else:
            parts.append(nothing(x, axis))
        start = start + size
    return parts


def cut(x: Value, axis: int, start: Dim, size: Dim, step: int = 1, name: str = "") -> Value:
    """x[start : : step] along one axis, `size` elements; x itself where that is all."""
    if size == x.shape[axis]:
        return x
    starts = tuple(start if a == axis else 0 for a in range(x.type.rank))
    sizes = tuple(size if a == axis else d for a, d in enumerate(x.shape))
    steps = tuple(step if a == axis else 1 for a in range(x.type.rank))
    return Slice(starts, sizes, steps)(x, name=name)


@imports("Slice")
def slice_(call: Call) -> Value | Array:
    """Steps below 0 run backwards; positions beyond the ends are cut to them."""
    x = call.value(0)
    starts, ends = _positions(call, "starts", 1), _positions(call, "ends", 2)
    if starts is None or ends is None or len(starts) != len(ends):
        raise ImportModelError(f"starts {starts} and ends {ends} must be lists of equal length")
    axes = call.listed("axes", 3, tuple(range(len(starts))))
    steps = call.listed("steps", 4, (1,) * len(starts))
    if not len(axes) == len(steps) == len(starts):
        raise ImportModelError(f"axes {axes} and steps {steps} must be as long as starts {starts}")
    call.axes(axes, x.type.rank)
    where: list[Dim] = [0] * x.type.rank
    sizes, strides = list(x.shape), [1] * x.type.rank
    backwards: dict[int, range] = {}
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis = axis % x.type.rank
        size = x.shape[axis]
        if not step:
            raise ImportModelError("steps must not be 0")
        if is_open((size,)) or isinstance(start, Affine) or isinstance(end, Affine):
            where[axis], sizes[axis] = _span(size, start, end, step)
            strides[axis] = step
            if not sizes[axis]:
                return nothing(x, axis)
            continue
        taken = range(*bounds(start, end, step, int(size)))
        if not taken:
            return nothing(x, axis)
        if step < 0 and len(taken) > 1:
            backwards[axis] = taken
        else:
            where[axis], sizes[axis], strides[axis] = taken[0], len(taken), max(1, step)
    if tuple(sizes) != x.shape:
        x = Slice(tuple(where), tuple(sizes), tuple(strides))(x)
    for axis, taken in backwards.items():
        x = take(call, x, axis, np.array(taken))
    return x


def _positions(call: Call, name: str, index: int) -> list[Any] | None:
    """Integers, which may depend on N, from an input or from an attribute of older opsets."""
    if call.has(index):
        return np.ravel(call.known(index, name)).tolist()
    return list(call.attributes[name]) if name in call.attributes else None


def _span(size: Dim, start: Any, end: Any, step: int) -> tuple[Dim, Dim]:
    """(first place, number of places) of start : end : step, where N decides on them."""
    if step < 0:
        raise UnsupportedError(f"a slice backwards, from {start} to {end} of {size}")
    whole = Affine(size.times) if isinstance(size, BatchSize) else size
    first, last = _inside(start, whole), _inside(end, whole)
    length: Any = last - first
    if not isinstance(length, Affine):
        count = max(0, -(-length // step))
    elif length.a % step:
        raise UnsupportedError(f"one in {step} of {length} elements")
    else:
        count = Affine(length.a // step, -(-length.b // step))
    where, number = dims_of(np.array([first, count], object), "a part of the batch")
    return where, number


def _inside(place: Any, size: Any) -> Any:
    """A position from either end as one from the front, at most the size."""
    if not isinstance(place, Affine) and abs(place) >= FAR:
        return size if place > 0 else 0
    place = place + size if place < 0 else place
    return 0 if place < 0 else size if place > size else place


def nothing(x: Value, axis: int) -> Array:
    """The part of x without any elements of one axis."""
    if is_open(x.shape):
        raise UnsupportedError(f"a part of {x.type} without elements along axis {axis}")
    shape = tuple(0 if a == axis else int(d) for a, d in enumerate(x.shape))  # type: ignore[arg-type]
    return np.zeros(shape, x.dtype.numpy)


def take(call: Call, x: Value, axis: int, indices: Array) -> Value:
    """x at known indices along one axis: slices, joined where one is not enough, or rows."""
    runs: list[list[int]] = []  # start, size, step
    for i in indices.tolist():
        if runs:
            start, size, step = runs[-1]
            if size == 1 and i > start:
                runs[-1] = [start, 2, i - start]
                continue
            if size > 1 and i == start + size * step:
                runs[-1][1] += 1
                continue
        runs.append([i, 1, 1])
        if len(runs) > MANY_PIECES:
            rows = Gather()(_front(x, axis), constant_of(indices, DType.INT64))
            return _front(rows, axis, back=True)
    if not runs:
        raise UnsupportedError("a selection of nothing")
    parts = [cut(x, axis, start, size, step) for start, size, step in runs]
    return parts[0] if len(parts) == 1 else Concat(axis)(*parts)


def _front(x: Value, axis: int, back: bool = False) -> Value:
    """x with an axis brought to the front, or from there back to its place."""
    others = [a for a in range(x.type.rank) if a != (0 if back else axis)]
    if back:
        others.insert(axis, 0)
    perm = tuple(others) if back else (axis, *others)
    return Transpose(perm)(x) if axis else x
