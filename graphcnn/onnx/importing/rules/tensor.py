"""Shapes, parts and joins of ONNX in our operators."""

from collections.abc import Sequence
from math import gcd

import numpy as np

from graphcnn.errors import ImportModelError
from graphcnn.ir.node import Value, constant_of
from graphcnn.ir.tensor_type import (
    Dim,
    DType,
    Shape,
    format_shape,
    is_open,
    known_size,
    merged_size,
    remaining_size,
)
from graphcnn.onnx.importing.context import (
    Call,
    Known,
    Operand,
    UnsupportedError,
    cast_to,
    imports,
    reshaped,
)
from graphcnn.onnx.importing.rules.parts import cut
from graphcnn.ops.blocks import DepthToSpace, SpaceToDepth
from graphcnn.ops.broadcast import BroadcastTo, broadcast_shape
from graphcnn.ops.comparison import Equal, Where
from graphcnn.ops.shape import Concat, Flatten, Transpose


@imports("Identity")
def identity(call: Call) -> Operand | None:
    """A copy of an initializer is one of its own: exporters so write parameters that were equal
    when they stored them once."""
    found, name = call.inputs[0], call.outputs[0]
    if isinstance(found, Known) and found.learned and name and name not in call.store.taken:
        call.store.taken.add(name)
        return Known(found.array, name, True)
    return found


@imports("Reshape")
def reshape(call: Call) -> Value:
    """0 copies a size (unless `allowzero`), -1 is what remains; N may stand in the shape."""
    x = call.value(0)
    target = list(call.sizes(1, "shape") if call.has(1) else call.ints("shape", ()))
    if not call.attribute("allowzero", 0):
        for i, d in enumerate(target):
            if d == 0:
                if i >= x.type.rank:
                    raise ImportModelError(f"shape {target} copies axis {i}, which {x.type} lacks")
                target[i] = x.shape[i]
    free = [i for i, d in enumerate(target) if d == -1]
    if len(free) > 1 or any(isinstance(d, int) and d < -1 for d in target):
        raise ImportModelError(f"shape {target} must have sizes of at least 0 and at most one -1")
    if free:
        target[free[0]] = _remaining(x, target, call)
    _check_batch(x, tuple(target))
    return reshaped(x, tuple(target))


def _check_batch(x: Value, target: Shape) -> None:
    """Raise where a shape of numbers fixes the batch size, as exporters write what they traced."""
    n, rest = divmod(known_size(target), known_size(x.shape))
    if not x.type.is_bound and not is_open(target) and n and not rest:
        raise UnsupportedError(
            f"{x.type} as shape {format_shape(target)}: the file holds for batches of {n} only, "
            f'which inputs={{"name": ({n}, ...)}} says'
        )


def _remaining(x: Value, target: Sequence[Dim], call: Call) -> Dim:
    """The size that -1 stands for."""
    others = tuple(d for d in target if d != -1)
    size = remaining_size(x.shape, others)
    if size is None:
        have, need = known_size(x.shape), known_size(others)
        times = need // gcd(have, need) if is_open(x.shape) and need else 0
        hint = f'; inputs={{"name": ("{times}*N", ...)}} says that batches are so' if times else ""
        raise UnsupportedError(
            f"{x.type} as shape ({', '.join(map(str, target))}): {have} elements per item, {need} "
            f"without the -1{hint}"
        )
    return size


@imports("Flatten")
def flatten(call: Call) -> Value:
    """(the axes before `axis`, the others)."""
    x = call.value(0)
    axis = call.attribute("axis", 1)
    if not -x.type.rank <= axis <= x.type.rank:
        raise ImportModelError(f"axis {axis} must be from {-x.type.rank} to {x.type.rank}")
    axis = axis + x.type.rank if axis < 0 else axis
    if axis == 1 and x.type.rank > 1:
        return Flatten()(x)
    left, right = x.shape[:axis], x.shape[axis:]
    return reshaped(x, (merged_size(left), merged_size(right)))


@imports("Transpose")
def transpose(call: Call) -> Value:
    x = call.value(0)
    perm = call.ints("perm", tuple(reversed(range(x.type.rank))))
    return x if not perm else Transpose(perm)(x)


@imports("Squeeze")
def squeeze(call: Call) -> Value:
    x = call.value(0)
    axes = call.listed("axes", 1)
    if axes is None:
        axes = tuple(a for a, d in enumerate(x.shape) if d == 1)
    axes = call.axes(axes, x.type.rank)
    for a in axes:
        if x.shape[a] != 1:
            raise ImportModelError(f"axis {a} of {x.type} has not the size 1")
    return reshaped(x, tuple(d for a, d in enumerate(x.shape) if a not in axes))


@imports("Unsqueeze")
def unsqueeze(call: Call) -> Value:
    x = call.value(0)
    axes = call.listed("axes", 1, ())
    axes = call.axes(axes, x.type.rank + len(axes))
    rest = iter(x.shape)
    shape = tuple(1 if a in axes else next(rest) for a in range(x.type.rank + len(axes)))
    return reshaped(x, shape)


@imports("Concat")
def concat(call: Call) -> Value:
    xs = [
        call.store.value(x)
        for x in call.inputs
        if x is not None and not (isinstance(x, Known) and 0 in x.array.shape)
    ]
    if not xs:
        raise ImportModelError("expected at least one input")
    if len(xs) > call.limits.pieces:
        raise ImportModelError(f"{len(xs)} inputs, expected at most {call.limits.pieces}")
    return Concat(call.axis(call.attribute("axis", 1), xs[0].type.rank))(*xs)


@imports("Expand")
def expand(call: Call) -> Value:
    x, target = call.value(0), call.sizes(1, "shape")
    shape = broadcast_shape(x=x.shape, shape=target)
    return x if shape == x.shape else BroadcastTo(shape)(x)


@imports("Tile")
def tile(call: Call) -> Value:
    """Each axis becomes (repeats, size), of which the first is broadcast."""
    x, repeats = call.value(0), call.sizes(1, "repeats")
    if len(repeats) != x.type.rank:
        raise ImportModelError(f"repeats {repeats} must have one number per axis of {x.type}")
    wide: list[Dim] = []
    split: list[Dim] = []
    result: list[Dim] = []
    for d, r in zip(x.shape, repeats, strict=True):
        if r == 1:
            wide, split, result = [*wide, d], [*split, d], [*result, d]
        elif d == 1:
            wide, split, result = [*wide, r], [*split, d], [*result, r]
        elif (is_open((d, r)) and not isinstance(r, int) and not isinstance(d, int)) or r == 0:
            raise UnsupportedError(f"{r} times axis {len(result)} of {x.type}")
        else:
            wide, split = [*wide, r, d], [*split, 1, d]
            result.append(merged_size((r, d)))
    call.limits.check_shape(result, "the result")
    if tuple(wide) == x.shape:
        return x
    return reshaped(BroadcastTo(tuple(wide))(reshaped(x, tuple(split))), tuple(result))


@imports("OneHot")
def one_hot(call: Call) -> Value:
    """Indices below 0 count from the end; those outside give a row of `off` everywhere."""
    indices, depth = call.value(0), int(call.scalar(1, "depth"))
    values = call.value(2)
    call.limits.check_shape((depth, *indices.shape), "the result")
    call.store.fold((3 * depth,), np.int64)  # made, kept, and compared with others
    axis = call.axis(call.attribute("axis", -1), indices.type.rank + 1)
    whole = cast_to(indices, DType.INT64)
    wrapped = Where()(whole < 0, whole + depth, whole)
    column = reshaped(wrapped, (*wrapped.shape, 1))
    hit = Equal()(column, constant_of(np.arange(depth), DType.INT64))
    off, on = (reshaped(cut(values, 0, i, 1), ()) for i in (0, 1))
    y = Where()(hit, on, off)
    rank = y.type.rank
    perm = (*range(axis), rank - 1, *range(axis, rank - 1))
    return y if perm == tuple(range(rank)) else Transpose(perm)(y)


@imports("DepthToSpace")
def depth_to_space(call: Call) -> Value:
    """DCR: the blocks are the outer part of the channels; CRD: the inner part."""
    x, b = call.value(0), call.attribute("blocksize", 0)
    c = _channels_height_width(x)[0]
    if b < 1 or c % (b * b):
        raise ImportModelError(f"blocksize {b} squared must divide the {c} channels of {x.type}")
    return DepthToSpace(b, call.attribute("mode", "DCR"))(x)


@imports("SpaceToDepth")
def space_to_depth(call: Call) -> Value:
    x, b = call.value(0), call.attribute("blocksize", 0)
    _, h, w = _channels_height_width(x)
    if b < 1 or h % b or w % b:
        raise ImportModelError(f"blocksize {b} must divide height and width of {x.type}")
    return SpaceToDepth(b, call.attribute("mode", "DCR"))(x)


def _channels_height_width(x: Value) -> tuple[int, int, int]:
    if x.type.rank != 4 or is_open(x.shape[1:]):
        raise UnsupportedError(f"expected an image (N, C, H, W) of known sizes, found {x.type}")
    _, c, h, w = x.shape
    return int(c), int(h), int(w)  # type: ignore[arg-type]
