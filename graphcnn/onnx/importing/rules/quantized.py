"""Quantised arithmetic of ONNX in our operators.

An integer q stands for the number (q - zero point) · scale. Products of integers are summed as
integers; what leaves a convolution or a product of matrices is brought to another scale by one
factor, that of both operands over that of the result.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from graphcnn.errors import ImportModelError
from graphcnn.ir.node import Value, constant_of, freeze
from graphcnn.ir.sources import Constant
from graphcnn.ir.tensor_type import Dim, DType, is_open
from graphcnn.onnx.importing.context import (
    Call,
    Known,
    UnsupportedError,
    cast_to,
    imports,
    reshaped,
)
from graphcnn.onnx.importing.file.arrays import element_type
from graphcnn.onnx.importing.rules.image.conv_and_pool import as_before, convolved
from graphcnn.onnx.importing.rules.image.volume import conv_of_volumes, repeated
from graphcnn.onnx.importing.rules.types import saturated
from graphcnn.ops.broadcast import BroadcastTo
from graphcnn.ops.integer import ConvInteger, Dequantize, MatMulInteger, Quantize
from graphcnn.ops.shape import Slice


def constant_value(call: Call, index: int) -> Value:
    """An input whose numbers, where known, are constants: scales are not trained."""
    found = call.given(index)
    if isinstance(found, Known) and found.learned:
        return constant_of(found.array)
    return call.value(index)


def shaped(v: Value, shape: tuple[Dim, ...]) -> Value:
    """v under another shape; a constant is one then, too."""
    op = v.node.op
    if isinstance(op, Constant) and v.shape != shape:
        return Constant(op.array.reshape(shape))(name=v.node.name)
    return reshaped(v, shape)


def _spread(call: Call, index: int, x: Value) -> Value:
    """Scales or zero points so that they broadcast with x: one, one per place of an axis, or one
    per block of an axis."""
    v = constant_value(call, index)
    rank = x.type.rank
    if v.type.size == 1:
        return shaped(v, ())
    axis = call.axis(call.attribute("axis", 1), rank)
    block = call.attribute("block_size", 0)
    if v.type.rank == 1:
        return shaped(v, (*v.shape, *(1,) * (rank - axis - 1)))
    if v.type.rank != rank or is_open(v.shape) or block < 1:
        raise ImportModelError(f"scales {v.type} of x {x.type} need attribute 'block_size'")
    head, tail = v.shape[:axis], v.shape[axis + 1 :]
    blocks, size = int(v.shape[axis]), x.shape[axis]  # type: ignore[arg-type]
    if not isinstance(size, int) or -(-size // block) != blocks:
        raise ImportModelError(f"{blocks} blocks of {block} along axis {axis} of x {x.type}")
    op = v.node.op
    if isinstance(op, Constant):
        call.store.fold((*op.array.shape[:axis], size, *op.array.shape[axis + 1 :]), op.array.dtype)
        places = np.arange(size) // block
        return Constant(freeze(np.take(op.array, places, axis)))(name=v.node.name)
    wide = BroadcastTo((*head, blocks, block, *tail))(reshaped(v, (*head, blocks, 1, *tail)))
    wide = reshaped(wide, (*head, blocks * block, *tail))
    if blocks * block == size:
        return wide
    return Slice((0,) * rank, (*head, size, *tail), (1,) * rank)(wide)


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
    x, scale = cast_to(x, work), cast_to(scale, work)
    if not dtype.is_float:
        return Quantize(dtype)(x, scale, *([] if zero is None else [zero]))
    y = x / scale
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
    zero = [_spread(call, 2, x)] if call.has(2) else []
    if not x.dtype.is_float:
        scale = scale if dtype is scale.dtype else cast_to(scale, DType.FLOAT32)
        return cast_to(Dequantize()(x, scale, *zero), dtype)
    y = cast_to(x, DType.FLOAT32)
    for point in zero:
        y = y - cast_to(point, DType.FLOAT32)
    return cast_to(y * cast_to(scale, DType.FLOAT32), dtype)


# Sums of products of integers


def _point(call: Call, index: int, shape: Callable[[Value], tuple[Dim, ...]]) -> Value | None:
    """A zero point as one number, or several of the shape that is given; None where it is 0."""
    if not call.has(index):
        return None
    zero = constant_value(call, index)
    op = zero.node.op
    if isinstance(op, Constant) and not np.any(op.array):
        return None
    return shaped(zero, () if zero.type.size == 1 else shape(zero))


def _points(a: Value, a_zero: Value | None, b_zero: Value | None) -> list[Value]:
    """The zero points of two operands, of which the first is there where the second is."""
    if b_zero is None:
        return [] if a_zero is None else [a_zero]
    return [constant_of(0, a.dtype) if a_zero is None else a_zero, b_zero]


def product(call: Call, a: Value, b: Value, zeros: tuple[int, int]) -> Value:
    """The i32 product of two matrices, or of vectors; `zeros` are positions of zero points."""
    if not a.type.rank or not b.type.rank:
        raise ImportModelError(f"a {a.type} and b {b.type} must have axes")
    row, column = a.type.rank == 1, b.type.rank == 1
    a = shaped(a, (1, *a.shape)) if row else a
    b = shaped(b, (*b.shape, 1)) if column else b
    rows = _point(call, zeros[0], lambda z: (*z.shape, 1) if z.type.rank == 1 else z.shape)
    columns = _point(call, zeros[1], lambda z: z.shape)
    y = MatMulInteger()(a, b, *_points(a, rows, columns))
    left, right = y.shape[-2:-1], y.shape[-1:]
    return reshaped(y, (*y.shape[:-2], *(() if row else left), *(() if column else right)))


def _convolution(call: Call, a: tuple[int, int], b: tuple[int, int]) -> Value:
    """The convolution in i32 of two inputs, each (position, position of its zero point): images
    (N, O, 1, L) of signals, and volumes as they are."""
    x, w = call.value(a[0]), call.value(b[0])
    if w.type.rank < 3 or not w.type.is_bound:
        raise UnsupportedError(f"a convolution with the kernel {w.type}")
    x_zero = _point(call, a[1], lambda z: z.shape)
    w_zero = _point(call, b[1], lambda z: (*z.shape, 1, 1, 1))

    def images(call: Call) -> Value:
        image, kernel, attributes = convolved(call)
        zero = w_zero
        if zero is not None and zero.type.rank:
            zero = repeated(zero, int(kernel.shape[0]) // int(zero.shape[0]))  # type: ignore[arg-type]
        return ConvInteger(**attributes)(image, kernel, *_points(image, x_zero, zero))

    call = replace(call, inputs=(x, w))
    return conv_of_volumes(call, images, x_zero) if x.type.rank == 5 else images(call)


@imports("MatMulInteger")
def matmul_integer(call: Call) -> Value:
    return product(call, call.value(0), call.value(1), (2, 3))


@imports("ConvInteger")
def conv_integer(call: Call) -> Value:
    return as_before(_convolution(call, (0, 2), (1, 3)), call.value(0))


@imports("QLinearMatMul")
def qlinear_matmul(call: Call) -> Value:
    """The i32 product times both scales over that of the result, rounded."""
    y = product(call, call.value(0), call.value(3), (2, 5))
    rows, columns = constant_value(call, 1), constant_value(call, 4)
    rows = shaped(rows, (*rows.shape, 1)) if rows.type.rank == 1 else rows
    return requantised(call, y, factor(rows, columns, constant_value(call, 6)), 7)


@imports("QLinearConv")
def qlinear_conv(call: Call) -> Value:
    y = _convolution(call, (0, 2), (3, 5))
    rest = (1,) * (y.type.rank - 2)
    if call.has(8):
        bias = call.value(8)
        y = y + shaped(bias, (*bias.shape, *rest))
    kernel = constant_value(call, 4)
    if kernel.type.size > 1:
        kernel = shaped(kernel, (*kernel.shape, *rest))
    scale = factor(constant_value(call, 1), kernel, constant_value(call, 6))
    return as_before(requantised(call, y, scale, 7), call.value(0))


def factor(a: Value, b: Value, y: Value | None = None) -> Value:
    """What brings sums of products of the scale a·b to the scale y, or to 1: a·b / y."""
    scales = [cast_to(v if v.type.size > 1 else shaped(v, ()), DType.FLOAT32)
              for v in (a, b, y) if v is not None]  # fmt: skip
    found = scales[0] * scales[1]
    return found if y is None else found / scales[2]


def requantised(call: Call, y: Value, scale: Value, zero: int) -> Value:
    """i32 numbers of this scale rounded, plus a zero point, given by its position."""
    point = shaped(constant_value(call, zero), ())
    return Quantize(point.dtype)(Dequantize()(y, scale), constant_of(1.0), point)
