"""Padding of ONNX in our operators."""

from typing import Any

import numpy as np

from graphcnn.errors import ImportModelError
from graphcnn.ir.node import Array, Value, constant_of
from graphcnn.ir.tensor_type import BatchSize, DType
from graphcnn.onnx.importing.context import Call, UnsupportedError, imports
from graphcnn.onnx.importing.rules.parts import cut, take
from graphcnn.ops.elementwise import Cast
from graphcnn.ops.padding import Pad2d
from graphcnn.ops.shape import Embed


@imports("Pad")
def pad(call: Call) -> Value:
    """Cells around x: constant, or copies of x (reflect, edge, wrap). Negative numbers cut off."""
    x, mode = call.value(0), call.attribute("mode", "constant")
    before, after = _amounts(call, x)
    value: Any = call.attribute("value", 0.0)
    if call.has(2):
        value = call.scalar(2, "the constant value")
    for axis in range(x.type.rank):
        cuts = max(0, -before[axis]), max(0, -after[axis])
        if any(cuts):
            size = _number(x, axis)
            if sum(cuts) >= size:
                raise ImportModelError(f"pads cut off all {size} elements of axis {axis}")
            x = cut(x, axis, cuts[0], size - sum(cuts))
    before, after = [max(0, b) for b in before], [max(0, a) for a in after]
    if not any((*before, *after)):
        return x
    if x.dtype is DType.BOOL and mode == "constant":
        bits = _constant_border(call, Cast(DType.UINT8)(x), before, after, int(value))
        return Cast(DType.BOOL)(bits)
    image = x.type.rank == 4 and not any((*before[:2], *after[:2])) and x.dtype.is_float
    if image and mode in ("constant", "reflect", "edge"):
        sides = before[2], after[2], before[3], after[3]
        if mode != "reflect" or all(max(before[a], after[a]) < _number(x, a) for a in (2, 3)):
            return Pad2d(sides, mode, float(value) if mode == "constant" else 0.0)(x)
    if mode == "constant":
        return _constant_border(call, x, before, after, value)
    for axis in range(x.type.rank):
        if before[axis] or after[axis]:
            x = take(call, x, axis, _copied(_number(x, axis), before[axis], after[axis], mode))
    return x


def _amounts(call: Call, x: Value) -> tuple[list[int], list[int]]:
    pads = call.listed("pads", 1)
    rank = x.type.rank
    axes = call.numbers(3, "axes") if call.has(3) else tuple(range(rank))
    axes = tuple(call.axis(a, rank) for a in axes)
    if pads is None or len(pads) != 2 * len(axes):
        raise ImportModelError(f"pads {pads} must have two numbers for each of {len(axes)} axes")
    before, after = [0] * rank, [0] * rank
    for axis, b, a in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True):
        for number in (a, b):
            if abs(number) > call.limits.window:
                raise ImportModelError(
                    f"pads {pads} must be from -{call.limits.window} to {call.limits.window}"
                )
        before[axis], after[axis] = b, a
    return before, after


def _number(x: Value, axis: int) -> int:
    d = x.shape[axis]
    if not isinstance(d, int):
        raise UnsupportedError(f"the batch axis of {x.type} cannot be padded")
    return d


def _constant_border(call: Call, x: Value, before: Any, after: Any, value: Any) -> Value:
    """Zeros around x, to which the value is added there."""
    shape = tuple(
        d if isinstance(d, BatchSize) and not b + a else _number(x, axis) + b + a
        for axis, (d, b, a) in enumerate(zip(x.shape, before, after, strict=True))
    )
    call.limits.check_shape(shape, "the result")
    y = Embed(shape, tuple(before), (1,) * x.type.rank)(x)
    if not value:
        return y
    plain = [1 if isinstance(d, BatchSize) else d for d in shape]
    call.store.fold(plain, x.dtype.numpy)
    border = np.full(plain, value, x.dtype.numpy)
    inside = tuple(slice(b, size - a) for b, a, size in zip(before, after, plain, strict=True))
    border[inside] = 0
    return y + constant_of(border, x.dtype)


def _copied(size: int, before: int, after: int, mode: str) -> Array:
    """Which element of the axis each cell of the padded axis copies."""
    places = np.arange(-before, size + after)
    if mode == "edge":
        return np.clip(places, 0, size - 1)
    if mode == "wrap":
        return places % size
    if mode != "reflect":
        raise ImportModelError(f"attribute 'mode' = {mode!r} is unknown")
    if size == 1:
        return places * 0
    period = 2 * (size - 1)
    folded: Array = np.abs((places + size - 1) % period - (size - 1))
    return folded
