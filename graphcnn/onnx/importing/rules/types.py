"""Changes of the element type in ONNX. Casts of ONNX take the nearest number that fits."""

import math
from typing import Any

import ml_dtypes
import numpy as np

from graphcnn.errors import ImportModelError
from graphcnn.ir import casting
from graphcnn.ir.node import Array, Value, constant_of
from graphcnn.ir.tensor_type import DType
from graphcnn.onnx.importing.context import NUMPY_TYPES, Call, UnsupportedError, cast_to, imports
from graphcnn.onnx.importing.file.arrays import element_type
from graphcnn.onnx.importing.known.affine import Affine
from graphcnn.onnx.importing.known.fold import folds
from graphcnn.ops.comparison import Equal, Where
from graphcnn.ops.elementwise import Abs, Maximum, Minimum


@imports("Cast")
def cast(call: Call) -> Value:
    return converted(call, call.value(0), _target(call))


@imports("CastLike")
def cast_like(call: Call) -> Value:
    like = call.given(1)
    if isinstance(like, Value):
        return converted(call, call.value(0), like.dtype)
    if like.array.dtype not in NUMPY_TYPES:
        raise UnsupportedError(f"the target has the element type {like.array.dtype}")
    return converted(call, call.value(0), NUMPY_TYPES[like.array.dtype])


@folds("Cast")
def _cast(call: Call, arrays: list[Any]) -> Any:
    """Sizes may depend on the batch size, as integers or as floats."""
    dtype = _target(call)
    if arrays[0].dtype == object:
        return None if dtype is DType.BOOL or dtype.is_small else _symbolic(arrays[0], dtype)
    if dtype.is_small or NUMPY_TYPES.get(arrays[0].dtype, dtype).is_small:
        return None  # by the rule, and folded later
    call.store.fold(arrays[0].shape, dtype.numpy)
    return casting.converted(arrays[0], dtype)


def _symbolic(array: Array, dtype: DType) -> Array:
    """Numbers that depend on N as floats or as integers, which floats have to be for every N."""
    found = np.empty(array.shape, object)
    for place, x in np.ndenumerate(array):
        if not isinstance(x, Affine):
            found[place] = dtype.numpy.type(x) if dtype.is_float else int(x)
        elif dtype.is_float:
            found[place] = Affine(x.a, x.b, dtype)
        else:
            found[place] = x.to_int() if x.real else x
    return found


def _target(call: Call) -> DType:
    return element_type(call.attribute("to", 0), "the target")


def converted(call: Call, x: Value, dtype: DType) -> Value:
    """x as another type. What is too large for a float of 8 bits becomes the largest one, or,
    with `saturate` = 0, infinity or NaN."""
    saturate = bool(call.attribute("saturate", 1))
    if dtype is DType.FLOAT8_E8M0FNU and x.dtype is not dtype:
        return _power_of_two(x, str(call.attribute("round_mode", "up")), saturate)
    if saturate and dtype.is_float and dtype.bits == 8 and x.dtype is not dtype:
        x = saturated(x, dtype)
    return cast_to(x, dtype)


def saturated(x: Value, dtype: DType) -> Value:
    """x brought into the range of a float type; NaN stays."""
    most = float(ml_dtypes.finfo(dtype.numpy).max)  # type: ignore[no-untyped-call]
    x = cast_to(x, DType.FLOAT32) if not x.dtype.is_float else x
    low, high = (constant_of(b, x.dtype) for b in (-most, most))
    return Maximum()(Minimum()(x, high), low)


def _power_of_two(x: Value, mode: str, saturate: bool) -> Value:
    """|x| as a power of two, by `mode` the next one above or below, or the nearest."""
    if mode not in ("up", "down", "nearest"):
        raise ImportModelError(f"attribute 'round_mode' = {mode!r}, expected up, down or nearest")
    size = Maximum()(Abs()(cast_to(x, DType.FLOAT32)), constant_of(2.0**-127))
    if saturate:
        infinite = Equal()(size, constant_of(math.inf, DType.FLOAT32))
        size = Where()(infinite, size, Minimum()(size, constant_of(2.0**127, DType.FLOAT32)))
    near = cast_to(cast_to(size, DType.FLOAT8_E8M0FNU), DType.FLOAT32)
    if mode == "up":
        near = Where()(near < size, near * 2.0, near)
    elif mode == "down":
        near = Where()(near > size, near * 0.5, near)
    return cast_to(near, DType.FLOAT8_E8M0FNU)
