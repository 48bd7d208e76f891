"""Quantised arithmetic of ONNX in our operators.

An integer q stands for the number (q - zero point) · scale. Products of integers are summed as
floats that hold every sum exactly: float32 while the sums stay below 2^24, else float64.
"""

from dataclasses import replace

from graphcnn.errors import ImportModelError
from graphcnn.ir import Value, constant_of
from graphcnn.onnx.importing.arrays import element_type
from graphcnn.onnx.importing.context import (
    RULES,
    Call,
    Known,
    Operand,
    UnsupportedError,
    cast_to,
    imports,
    reshaped,
)
from graphcnn.onnx.importing.types import extreme, range_of, saturated
from graphcnn.ops.broadcast import BroadcastTo
from graphcnn.ops.elementwise import Maximum, Minimum, Round
from graphcnn.ops.shape import Slice
from graphcnn.tensor_type import DType, N, known_size

#: Floats of 32 bits hold every integer up to this one.
EXACT = 1 << 24


def constant_value(call: Call, index: int) -> Value:
    """An input whose numbers, where known, are constants: scales are not trained."""
    found = call.given(index)
    if isinstance(found, Known) and found.learned:
        return constant_of(found.array)
    return call.value(index)


def _spread(call: Call, index: int, x: Value) -> Value:
    """Scales or zero points so that they broadcast with x: one, one per place of an axis, or one
    per block of an axis."""
    v = constant_value(call, index)
    rank = x.type.rank
    if v.type.size == 1:
        return reshaped(v, ())
    axis = call.axis(call.attribute("axis", 1), rank)
    block = call.attribute("block_size", 0)
    if v.type.rank == 1:
        return reshaped(v, (*v.shape, *(1,) * (rank - axis - 1)))
    if v.type.rank != rank or N in v.shape or block < 1:
        raise ImportModelError(f"scales {v.type} of x {x.type} need attribute 'block_size'")
    head, tail = v.shape[:axis], v.shape[axis + 1 :]
    blocks, size = int(v.shape[axis]), x.shape[axis]  # type: ignore[arg-type]
    if not isinstance(size, int) or -(-size // block) != blocks:
        raise ImportModelError(f"{blocks} blocks of {block} along axis {axis} of x {x.type}")
    wide = BroadcastTo((*head, blocks, block, *tail))(reshaped(v, (*head, blocks, 1, *tail)))
    wide = reshaped(wide, (*head, blocks * block, *tail))
    if blocks * block == size:
        return wide
    return Slice((0,) * rank, (*head, size, *tail), (1,) * rank)(wide)


def rounded(y: Value, zero: Value | None, dtype: DType) -> Value:
    """The nearest integers, the even of two, plus the zero point, brought into the range."""
    y = cast_to(Round()(y), DType.FLOAT32)
    if zero is not None:
        y = y + cast_to(zero, DType.FLOAT32)
    low, high = (constant_of(float(b), DType.FLOAT32) for b in range_of(dtype))
    return cast_to(Minimum()(Maximum()(y, low), high), dtype)


@imports("QuantizeLinear")
def quantize_linear(call: Call) -> Value:
    x = call.value(0)
    scale = _spread(call, 1, x)
    zero = _spread(call, 2, x) if call.has(2) else None
    given = call.attribute("output_dtype", 0)
    dtype = element_type(given, "attribute 'output_dtype'") if given else DType.UINT8
    dtype = zero.dtype if zero is not None else dtype
    precise = call.attribute("precision", 0)
    work = element_type(precise, "attribute 'precision'") if precise else scale.dtype
    y = cast_to(x, work) / cast_to(scale, work)
    if not dtype.is_float:
        return rounded(y, zero, dtype)
    if zero is not None:
        y = y + cast_to(zero, y.dtype)
    return cast_to(saturated(y, dtype) if call.attribute("saturate", 1) else y, dtype)


@imports("DequantizeLinear")
def dequantize_linear(call: Call) -> Value:
    """(x - zero point) · scale in float32, and then of the type of the scale."""
    x = call.value(0)
    scale = _spread(call, 1, x)
    given = call.attribute("output_dtype", 0)
    dtype = element_type(given, "attribute 'output_dtype'") if given else scale.dtype
    y = cast_to(x, DType.FLOAT32)
    if call.has(2):
        y = y - cast_to(_spread(call, 2, x), DType.FLOAT32)
    return cast_to(y * cast_to(scale, DType.FLOAT32), dtype)


# Sums of products of integers


def _centred(call: Call, index: int, zero: int, dtype: DType, shape: tuple[int, ...]) -> Value:
    """An input less its zero point, exactly, as floats. `shape` is that of several zero points."""
    x = cast_to(call.value(index), dtype)
    if not call.has(zero):
        return x
    z = cast_to(constant_value(call, zero), dtype)
    return x - (reshaped(z, ()) if z.type.size == 1 else reshaped(z, shape))


def _reach(call: Call, index: int, zero: int) -> int:
    """The largest absolute value of an input less its zero point."""
    found = extreme(call, index)
    offset = extreme(call, zero) if call.has(zero) else (0, 0)
    if found is None or offset is None:
        raise ImportModelError(f"inputs {index} and {zero} must be of integer types")
    return max(abs(found[1] - offset[0]), abs(found[0] - offset[1]))


def _exact(call: Call, terms: int, a: tuple[int, int], b: tuple[int, int]) -> DType:
    """The float type that holds all sums of so many products."""
    largest = terms * _reach(call, *a) * _reach(call, *b)
    return DType.FLOAT32 if largest < EXACT else DType.FLOAT64


def _applied(op_type: str, call: Call, *inputs: Operand | None) -> Value:
    """What the rule of another operator makes of these inputs and the attributes of the call."""
    found = RULES[op_type](replace(call, inputs=inputs))
    if not isinstance(found, Value):
        raise UnsupportedError(f"{op_type} of known numbers")
    return found


def _product(call: Call, a: tuple[int, int], b: tuple[int, int]) -> Value:
    """The matrix product of two inputs, each (position, position of its zero point), in i32."""
    left, right = call.value(a[0]), call.value(b[0])
    if not left.type.rank or not isinstance(left.shape[-1], int):
        raise UnsupportedError(f"a product of {left.type} and {right.type}")
    dtype = _exact(call, left.shape[-1], a, b)
    rows = tuple(call.value(a[1]).shape) if call.has(a[1]) else ()
    x = _centred(call, *a, dtype, (*rows, 1) if len(rows) == 1 else rows)  # type: ignore[arg-type]
    columns = tuple(call.value(b[1]).shape) if call.has(b[1]) else ()
    w = _centred(call, *b, dtype, columns)  # type: ignore[arg-type]
    return cast_to(_applied("MatMul", call, x, w), DType.INT32)


def _convolution(call: Call, a: tuple[int, int], b: tuple[int, int]) -> Value:
    """The convolution of two inputs, in i32. Borders are zero points, which count as 0."""
    w = call.value(b[0])
    if w.type.rank < 3 or not w.type.is_bound:
        raise UnsupportedError(f"a convolution with the kernel {w.type}")
    dtype = _exact(call, known_size(w.shape[1:]), a, b)
    x = _centred(call, *a, dtype, ())
    kernel = _centred(call, *b, dtype, (int(w.shape[0]), *(1,) * (w.type.rank - 1)))  # type: ignore[arg-type]
    return cast_to(_applied("Conv", call, x, kernel), DType.INT32)


@imports("MatMulInteger")
def matmul_integer(call: Call) -> Value:
    return _product(call, (0, 2), (1, 3))


@imports("ConvInteger")
def conv_integer(call: Call) -> Value:
    return _convolution(call, (0, 2), (1, 3))


@imports("QLinearMatMul")
def qlinear_matmul(call: Call) -> Value:
    """The i32 product times both scales over that of the result, rounded."""
    y = _product(call, (0, 2), (3, 5))
    rows, columns = constant_value(call, 1), constant_value(call, 4)
    rows = reshaped(rows, (*rows.shape, 1)) if rows.type.rank == 1 else rows
    return _requantised(call, y, rows, columns, (6, 7))


@imports("QLinearConv")
def qlinear_conv(call: Call) -> Value:
    y = _convolution(call, (0, 2), (3, 5))
    channels = (-1, *(1,) * (y.type.rank - 2))
    if call.has(8):
        bias = call.value(8)
        y = y + reshaped(bias, (*bias.shape, *channels[1:]))
    scale, kernel = constant_value(call, 1), constant_value(call, 4)
    if kernel.type.size > 1:
        kernel = reshaped(kernel, (*kernel.shape, *channels[1:]))
    return _requantised(call, y, scale, kernel, (6, 7))


def _requantised(call: Call, y: Value, a: Value, b: Value, to: tuple[int, int]) -> Value:
    """Integers of scale a·b as such of another scale and zero point, given by their positions."""
    scales = [cast_to(v if v.type.size > 1 else reshaped(v, ()), DType.FLOAT32)
              for v in (a, b, constant_value(call, to[0]))]  # fmt: skip
    factor = scales[0] * scales[1] / scales[2]
    zero = constant_value(call, to[1])
    return rounded(cast_to(y, DType.FLOAT32) * factor, zero, zero.dtype)
