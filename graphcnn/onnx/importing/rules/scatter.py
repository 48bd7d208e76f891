"""Reading and writing at computed places: everything becomes `gather`, `scatter` and `top_k`.

The axis that indices count along is brought to where our operators want it, and tuples of indices
become single ones. Indices that are known are counted from the front while importing; those of the
run by a comparison with 0.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphcnn.errors import ImportModelError
from graphcnn.ir.node import Array, Value, constant_of, freeze
from graphcnn.ir.sources import Constant
from graphcnn.ir.tensor_type import DType, is_open, known_size, times_n
from graphcnn.onnx.importing.context import (
    Call,
    Known,
    UnsupportedError,
    cast_to,
    imports,
    reshaped,
)
from graphcnn.onnx.importing.known.boxes import IndexBox, assigned, box_of
from graphcnn.onnx.importing.known.fold import check_indices, folds
from graphcnn.onnx.importing.known.ramps import columns_of, ramp_box
from graphcnn.onnx.importing.rules.parts import cut, nothing, take
from graphcnn.ops.broadcast import BroadcastTo, Sum
from graphcnn.ops.comparison import Where
from graphcnn.ops.gather import Gather, Scatter, TopK, filled
from graphcnn.ops.pool import MaxPool2d
from graphcnn.ops.shape import Embed, Reshape, Transpose
from graphcnn.ops.unpool import MaxUnpool2d


def places(call: Call, index: int, *sizes: int) -> Value:
    """An input of indices from either end as indices from the front, i64: of an axis of the one
    size, or tuples of indices (..., len(sizes))."""
    found = call.given(index)
    limit = np.array(sizes if len(sizes) > 1 else sizes[0], np.int64)
    if isinstance(found, Known):
        array = found.array
        for column, size in zip(np.moveaxis(array, -1, 0) if len(sizes) > 1 else [array],
                                sizes, strict=True):  # fmt: skip
            check_indices(column, size)
        return Constant(freeze((array.astype(np.int64) + limit) % limit))(name=found.name)
    whole = cast_to(found, DType.INT64)
    return Where()(whole < 0, whole + constant_of(limit), whole)


def size_of(x: Value, axis: int) -> int:
    """The size of an axis that is read or written at indices."""
    d = x.shape[axis]
    if not isinstance(d, int):
        raise UnsupportedError(
            f"axis {axis} of {x.type} is read at indices, so its size must be known: give it by "
            'inputs={"name": (1, ...)}'
        )
    return d


def moved(x: Value, source: int, to: int) -> Value:
    """x with one axis in another position, the others in their order."""
    if source == to:
        return x
    perm = [a for a in range(x.type.rank) if a != source]
    perm.insert(to, source)
    return Transpose(tuple(perm))(x)


@imports("Gather")
def gather(call: Call) -> Value:
    """Known indices select slices where these are few; all others read rows."""
    x = call.value(0)
    axis = call.axis(call.attribute("axis", 0), x.type.rank)
    found = call.given(1)
    if is_open((x.shape[axis],)) and isinstance(found, Known) and found.array.dtype.kind in "iu":
        return _of_the_batch(call, x, axis, found.array)
    size = size_of(x, axis)
    if isinstance(found, Known):
        check_indices(found.array, size)
        indices = found.array % size
        if not indices.size:
            raise UnsupportedError("a selection of nothing")
        y = take(call, x, axis, indices.reshape(-1))
        return reshaped(y, (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))
    index = places(call, 1, size)
    y = Gather()(moved(x, axis, 0), index)
    k = index.type.rank
    if not axis:
        return y
    perm = (*range(k, k + axis), *range(k), *range(k + axis, y.type.rank))
    return y if perm == tuple(range(y.type.rank)) else Transpose(perm)(y)


def _of_the_batch(call: Call, x: Value, axis: int, indices: Array) -> Value:
    """Elements of an axis k·N, of which the first k are there for every N >= 1."""
    if not indices.size or indices.min() < 0 or indices.max() >= times_n(x.shape[axis]):
        size_of(x, axis)
    y = take(call, x, axis, indices.reshape(-1))
    return reshaped(y, (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))


@imports("GatherElements")
def gather_elements(call: Call) -> Value:
    """y[i, j] = x[i, index[i, j]] for the last axis, to which others are moved."""
    x = call.value(0)
    axis = _same_axis(call, x, call.given(1))
    rank, last = x.type.rank, x.type.rank - 1
    index = places(call, 1, size_of(x, axis))
    for a, (have, need) in enumerate(zip(x.shape, index.shape, strict=True)):
        if a != axis and have != need:
            x = cut(x, a, 0, _smaller(index, x, a))
    return moved(Gather(rank - 1)(moved(x, axis, last), moved(index, axis, last)), last, axis)


def _same_axis(call: Call, x: Value, indices: Value | Known) -> int:
    shape = indices.array.shape if isinstance(indices, Known) else indices.shape
    if len(shape) != x.type.rank or not shape:
        raise ImportModelError(f"indices of shape {shape} must have as many axes as x {x.type}")
    return call.axis(call.attribute("axis", 0), x.type.rank)


def _smaller(index: Value, x: Value, axis: int) -> int:
    """The size of an axis of the indices, which must lie within x."""
    size, whole = index.shape[axis], x.shape[axis]
    if not isinstance(size, int) or not isinstance(whole, int) or size > whole:
        raise UnsupportedError(f"indices {index.type} of {x.type}: axis {axis} does not fit")
    return size


@imports("ScatterElements", "Scatter")
def scatter_elements(call: Call) -> Value:
    """y = x, and y[i, index[i, j]] = updates[i, j] for the last axis."""
    x, updates = call.value(0), call.value(2)
    axis = _same_axis(call, x, call.given(1))
    rank, last = x.type.rank, x.type.rank - 1
    index = places(call, 1, size_of(x, axis))
    if updates.shape != index.shape:
        raise ImportModelError(f"updates {updates.type} must have the shape of {index.type}")
    part = x
    for a, (have, need) in enumerate(zip(x.shape, index.shape, strict=True)):
        if a != axis and have != need:
            part = cut(part, a, 0, _smaller(index, x, a))
    op = Scatter(rank - 1, call.attribute("reduction", "none"))
    y = moved(op(*(moved(v, axis, last) for v in (part, index, updates))), last, axis)
    return y if part is x else _put_back(x, y)


def _put_back(x: Value, part: Value) -> Value:
    """x with its first elements along every axis replaced."""
    rank = x.type.rank
    inside = np.ones([d if isinstance(d, int) else 1 for d in part.shape], bool)
    room = [(0, 0 if x.shape[a] == part.shape[a] else int(x.shape[a]) - n)  # type: ignore[arg-type]
            for a, n in enumerate(inside.shape)]  # fmt: skip
    mask = constant_of(np.pad(inside, room))
    return Where()(mask, Embed(x.shape, (0,) * rank, (1,) * rank)(part), x)


def _tuples(call: Call, x: Value, batch: int) -> tuple[Value, Value, int]:
    """x with the axes that tuples of indices name made one, the indices, and how many axes."""
    shape = _shape(call, 1)
    k = shape[-1] if shape else None
    if not isinstance(k, int) or not 1 <= k <= x.type.rank - batch:
        raise ImportModelError(f"the last axis of the indices {shape} must fit x {x.type}")
    sizes = [size_of(x, batch + a) for a in range(k)]
    index = places(call, 1, *sizes)
    if k > 1:
        strides = [math.prod(sizes[a + 1 :]) for a in range(k)]
        flat = Sum((index.type.rank - 1,))(index * constant_of(np.array(strides, np.int64)))
    else:
        flat = reshaped(index, index.shape[:-1])
    rows = reshaped(x, (*x.shape[:batch], math.prod(sizes), *x.shape[batch + k :]))
    return rows, flat, k


def _shape(call: Call, index: int) -> Sequence[object]:
    found = call.given(index)
    return found.array.shape if isinstance(found, Known) else found.shape


@imports("GatherND")
def gather_nd(call: Call) -> Value:
    x, batch = call.value(0), call.attribute("batch_dims", 0)
    if not 0 <= batch < x.type.rank:
        raise ImportModelError(f"attribute 'batch_dims' = {batch} must fit x {x.type}")
    rows, flat, _ = _tuples(call, x, batch)
    return Gather(batch)(rows, flat)


@imports("ScatterND")
def scatter_nd(call: Call) -> Value:
    """Indices of a box, if that is known, select between x and the updates; all others write."""
    x, reduction = call.value(0), call.attribute("reduction", "none")
    box = _box(call, x) if reduction == "none" else None
    if box is not None:
        return assigned(x, box, call.value(2))
    rows, flat, _ = _tuples(call, x, 0)
    return reshaped(Scatter(0, reduction)(rows, flat, call.value(2)), x.shape)


def _box(call: Call, x: Value) -> IndexBox | None:
    """The box that tuples of indices name, whatever the batch size, where that is known."""
    found, shape = call.given(1), _shape(call, 1)
    if not shape or not isinstance(shape[-1], int) or not 1 <= shape[-1] <= x.type.rank:
        return None
    if isinstance(found, Value):
        columns = columns_of(found, call.store.counted) if call.store.counted else None
        return None if columns is None else ramp_box(columns, x.shape)
    if is_open(x.shape[: shape[-1]]) or found.array.dtype == object:
        return None
    sizes = x.shape[: shape[-1]]
    for column, size in zip(np.moveaxis(found.array, -1, 0), sizes, strict=True):
        check_indices(column, known_size((size,)))
    return box_of(found.array.astype(np.int64) % np.array(sizes))


@imports("ReverseSequence")
def reverse_sequence(call: Call) -> Value:
    """Of every sequence so many first elements as its length says, backwards, and then the rest."""
    x = call.value(0)
    time, batch = call.attribute("time_axis", 0), call.attribute("batch_axis", 1)
    if {time, batch} != {0, 1} or x.type.rank < 2:
        raise ImportModelError(f"time_axis = {time} and batch_axis = {batch} of {x.type}")
    x = moved(x, batch, 0)
    lengths = cast_to(call.value(1), DType.INT64)
    if lengths.shape != x.shape[:1]:
        raise ImportModelError(f"lengths {lengths.type}, expected one for each of {x.shape[0]}")
    lengths = reshaped(lengths, (x.shape[0], 1))
    at = constant_of(np.arange(size_of(x, 1)), DType.INT64)
    index = Where()(at < lengths, lengths - 1 - at, at)
    return moved(Gather(1)(x, index), 0, batch)


@imports("TopK")
def top_k(call: Call) -> list[Value]:
    x = call.value(0)
    axis = call.axis(call.attribute("axis", -1), x.type.rank)
    k = int(call.scalar(1, "k")) if call.has(1) else int(call.attribute("k", 0))
    last = x.type.rank - 1
    node = TopK(k, bool(call.attribute("largest", 1)))(moved(x, axis, last), name=call.name).node
    return [moved(v, last, axis) for v in node.outputs]


@imports("Compress")
def compress(call: Call) -> Value | Array:
    """The elements, or the slices of an axis, for which a known condition holds."""
    x = call.value(0)
    axis = call.attribute("axis")
    condition = call.known(1, "condition")
    if condition.ndim != 1 or condition.dtype != bool:
        raise ImportModelError(f"condition must be a row of truth values, found {condition.dtype}")
    if axis is None:
        x, axis = reshaped(x, (known_size(x.shape),)) if x.type.is_bound else x, 0
    axis = call.axis(axis, x.type.rank)
    chosen = np.flatnonzero(condition)
    if len(chosen) and chosen[-1] >= size_of(x, axis):
        raise ImportModelError(f"condition has {len(condition)} values, axis {axis} of {x.type}")
    if not len(chosen):
        return nothing(x, axis)
    return take(call, x, axis, chosen)


@imports("MaxUnpool")
def max_unpool(call: Call) -> Value:
    """Zeros, and x where MaxPool found it. Places count through the whole batch.

    A larger `output_shape` adds rows and columns behind, except where the places are those of a
    pool in the same model: they name the pixels of its image. Where windows overlap, a place may
    have several values: the last one counts.
    """
    x = call.value(0)
    rank = x.type.rank
    kernel = call.ints("kernel_shape", (), rank - 2)
    strides = call.ints("strides", (1,) * (rank - 2), rank - 2)
    pads = call.ints("pads", (0,) * 2 * (rank - 2), 2 * (rank - 2))
    sizes = tuple(
        (size_of(x, a + 2) - 1) * strides[a] - pads[a] - pads[a + rank - 2] + kernel[a]
        for a in range(rank - 2)
    )
    wanted = call.sizes(2, "output_shape")[2:] if call.has(2) else sizes
    call.limits.check_shape((*x.shape[:2], *wanted), "the result")
    found = call.given(1)
    if isinstance(found, Value) and found in call.store.places:
        inside, plane = call.store.places[found]
        if math.prod(wanted) == plane and not _apart(inside):
            rows = (*x.shape[:2], known_size(x.shape[2:]))
            zeros = filled((*x.shape[:2], plane), 0.0, x.dtype)
            y = Scatter(2)(zeros, reshaped(inside, rows), reshaped(x, rows))
            return reshaped(y, (*x.shape[:2], *wanted))
        if math.prod(wanted) == plane:
            height = int(wanted[0]) if rank == 4 else 1  # type: ignore[arg-type]
            size = height, plane // height
            rows = x.shape if rank == 4 else (*x.shape[:2], 1, known_size(x.shape[2:]))
            y = MaxUnpool2d(size)(reshaped(x, rows), reshaped(inside, rows))
            return reshaped(y, (*x.shape[:2], *wanted))
    whole = (*x.shape[:2], *sizes)
    if is_open(whole):
        raise UnsupportedError('places through the batch need a fixed batch size, as in '
                               'inputs={"name": (1, ...)}')  # fmt: skip
    total = known_size(whole)
    flat = reshaped(places(call, 1, total), (known_size(x.shape),))
    y = Scatter()(filled((total,), 0.0, x.dtype), flat, reshaped(x, flat.shape))
    y = reshaped(y, whole)
    if wanted == sizes:
        return y
    return Embed((*x.shape[:2], *wanted), (0,) * rank, (1,) * rank)(y)


def _apart(places: Value) -> bool:
    """Whether they are known to be those of windows that share no pixel."""
    while isinstance(places.node.op, Reshape):
        (places,) = places.node.inputs
    op = places.node.op
    return isinstance(op, MaxPool2d) and all(
        (k - 1) * d < s for k, s, d in zip(op.kernel, op.stride, op.dilation, strict=True)
    )


@imports("ConstantOfShape")
def constant_of_shape(call: Call) -> Value:
    """Equal numbers in a shape that holds the batch size: known shapes are folded before."""
    fill = np.asarray(call.attribute("value", np.zeros(1, np.float32)))
    shape = call.sizes(0, "the shape")
    call.limits.check_shape(shape, "the result")
    number = Constant(freeze(fill.reshape(())))()
    return BroadcastTo(shape)(number) if shape else number


# Shapes that a model computes by such operators


@folds("GatherElements")
def _gather_elements(call: Call, arrays: list[Any]) -> Any:
    x, index = arrays
    axis = call.axis(call.attribute("axis", 0), x.ndim)
    if index.ndim != x.ndim or index.shape[:axis] != x.shape[:axis]:
        return None
    check_indices(index, x.shape[axis])
    call.store.fold(index.shape, np.int64)
    return np.take_along_axis(x, index, axis)


@folds("ScatterElements", "Scatter")
def _scatter_elements(call: Call, arrays: list[Any]) -> Any:
    x, index, updates = arrays
    axis = call.axis(call.attribute("axis", 0), x.ndim)
    if (
        call.attribute("reduction", "none") != "none"
        or index.ndim != x.ndim
        or index.shape != updates.shape
    ):
        return None
    if any(a != b for i, (a, b) in enumerate(zip(x.shape, index.shape, strict=True)) if i != axis):
        return None
    check_indices(index, x.shape[axis])
    call.store.fold(x.shape, np.int64)
    y = x.astype(object) if updates.dtype == object else x.copy()
    np.put_along_axis(y, index, updates, axis)
    return y


@folds("ScatterND")
def _scatter_nd(call: Call, arrays: list[Any]) -> Any:
    x, index, updates = arrays
    if call.attribute("reduction", "none") != "none" or not 1 <= index.shape[-1] <= x.ndim:
        return None
    columns = tuple(np.moveaxis(index, -1, 0))
    for column, size in zip(columns, x.shape, strict=False):
        check_indices(column, size)
    call.store.fold(x.shape, np.int64)
    y = x.astype(object) if updates.dtype == object else x.copy()
    y[columns] = updates
    return y
