"""Quantised numbers and sums of products of integers in ONNX.

Scales and zero points of ONNX are one number or a row along an axis; ours broadcast. What ONNX has
no form for is written out in the operators that ours expand to.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import gcd
from typing import Any

import numpy as np

from graphcnn.errors import ExportError
from graphcnn.ir.node import Node, Value
from graphcnn.ir.sources import Constant
from graphcnn.ir.tensor_type import DType, Shape
from graphcnn.onnx.exporting.registry import exports, written_out
from graphcnn.onnx.exporting.rules.image import window_attributes
from graphcnn.onnx.exporting.writer import ELEMENT_TYPES, NeedsOpset, NodeWriter

#: The first opset in which integers of a type are quantised.
_SINCE = {
    DType.INT16: 21, DType.UINT16: 21, DType.INT4: 21, DType.UINT4: 21,
    DType.INT2: 25, DType.UINT2: 25,
}  # fmt: skip


def _check_opset(emit: NodeWriter, what: str, integers: DType, floats: DType) -> None:
    """Raise `NeedsOpset` where this one knows the operator for other types only."""
    need = max(_SINCE.get(integers, 13), 13 if floats is DType.FLOAT32 else 19)
    if emit.opset < need:
        raise NeedsOpset(f"{what} of {integers} and {floats}", need)


def row_axis(shapes: Sequence[Shape], rank: int) -> int | None:
    """The axis along which scales and zero points of these shapes lie; -1 where all are one number,
    None where they lie along several."""
    axes = {a - len(s) + rank for s in shapes for a, d in enumerate(s) if d != 1}
    return None if len(axes) > 1 else next(iter(axes), -1)


def as_row(emit: NodeWriter, value: Value, name: str, size: int | None) -> str:
    """Scales or zero points as one number (`size` is None) or a row of so many."""
    shape = () if size is None else (size,)
    if value.shape == shape:
        return name
    op = value.node.op
    if isinstance(op, Constant):
        flat = op.array.reshape(-1)
        return emit.constant(np.array(np.broadcast_to(flat, shape) if shape else flat[0]))
    flat_shape: Shape = () if value.type.size == 1 else (value.type.size,)
    name = emit.reshape(name, value.shape, flat_shape) if value.shape != flat_shape else name
    return name if flat_shape == shape else emit.add("Expand", name, emit.integers(shape, "shape"))


def _blocks(emit: NodeWriter, node: Node) -> tuple[list[str], dict[str, Any]] | None:
    """Constants that are the same for blocks of elements along one axis, one for each block."""
    x, *rest = node.inputs
    arrays = [v.node.op.array for v in rest if isinstance(v.node.op, Constant)]
    if len(arrays) < len(rest) or not x.type.is_bound:
        return None
    whole = [np.broadcast_to(a, x.shape) for a in arrays]  # type: ignore[arg-type]
    for axis, size in enumerate(x.shape):
        steps = [np.moveaxis(a, axis, 0).reshape(size, -1) for a in whole]  # type: ignore[arg-type]
        changes = [np.flatnonzero((s[1:] != s[:-1]).any(axis=1)) + 1 for s in steps]
        block = gcd(*(int(i) for found in changes for i in found))
        if block > 1:
            firsts = np.arange(0, size, block)  # type: ignore[arg-type]
            rows = [emit.constant(np.take(a, firsts, axis)) for a in whole]
            return rows, {"axis": axis, "block_size": block}
    return None


def _spread(
    emit: NodeWriter, node: Node, inputs: list[str]
) -> tuple[list[str], dict[str, Any]] | None:
    """Scale and zero point as ONNX has them, and the attributes that say where they lie."""
    x, *rest = node.inputs
    axis = row_axis([v.shape for v in rest], x.type.rank)
    if axis is None:
        return _blocks(emit, node)
    if not all(v.type.is_bound for v in rest):
        return None
    if axis < 0:
        return [as_row(emit, v, n, None) for v, n in zip(rest, inputs[1:], strict=True)], {}
    size: Any = x.shape[axis]
    rows = [as_row(emit, v, n, size) for v, n in zip(rest, inputs[1:], strict=True)]
    return rows, {"axis": axis}


@exports("quantize")
def quantize(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    op: Any = node.op
    x = node.inputs[0]
    rows = None if x.dtype is DType.FLOAT64 else _spread(emit, node, inputs)
    if rows is None:
        return written_out(emit, node, inputs)
    _check_opset(emit, "QuantizeLinear", op.dtype, x.dtype)
    (scale, *zero), where = rows
    if not zero:  # it tells the type
        shape: Any = (x.shape[where["axis"]],) if where else ()
        shape = emit.arrays[scale].shape if "block_size" in where else shape
        zero = [emit.constant(np.zeros(shape, op.dtype.numpy))]
    return [emit.add("QuantizeLinear", inputs[0], scale, *zero, **where)]


@exports("dequantize")
def dequantize(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    """Of i32 ONNX has no zero point but 0, and of longer ones nothing."""
    x, scale, *zero = node.inputs
    if x.dtype is DType.INT32 and zero and _is_zero(zero[0]):
        node, inputs, zero = replace(node, inputs=node.inputs[:2]), inputs[:2], []
    plain = x.dtype in _SINCE or x.dtype in (DType.INT8, DType.UINT8, DType.INT32)
    plain = plain and scale.dtype is not DType.FLOAT64 and not (x.dtype is DType.INT32 and zero)
    rows = _spread(emit, node, inputs) if plain else None
    if rows is None:
        return written_out(emit, node, inputs)
    _check_opset(emit, "DequantizeLinear", x.dtype, scale.dtype)
    return [emit.add("DequantizeLinear", inputs[0], *rows[0], **rows[1])]


def _is_zero(value: Value) -> bool:
    return isinstance(value.node.op, Constant) and not np.any(value.node.op.array)


def _several(*zeros: Value) -> bool:
    return any(d != 1 for zero in zeros for d in zero.shape)


@exports("conv_integer")
def conv_integer(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    """ONNX Runtime takes one zero point of a kernel. With several, z, the sums of the pixels under
    the kernel, times these, are taken away: the sum of x · (w - z) is that of x · w - z · x."""
    op: Any = node.op
    weight, zeros = node.inputs[1], node.inputs[2:]
    several = _several(*zeros[1:])
    kept = zeros[:1] if several else zeros
    names = [as_row(emit, v, n, None) for v, n in zip(kept, inputs[2:], strict=False)]
    attributes = window_attributes(op, weight.shape[2:])
    y = emit.add("ConvInteger", *inputs[:2], *names, **attributes)
    if not several:
        return [y]
    n, filters, *sizes = node.output.shape
    groups = op.groups, int(filters) // op.groups  # type: ignore[arg-type]
    ones: Any = (op.groups, *weight.shape[1:])
    ones = emit.constant(np.ones(ones, np.uint8))
    pixels = emit.add("ConvInteger", inputs[0], ones, *names, **attributes)
    pixels = emit.reshape(pixels, (n, op.groups, *sizes), (n, op.groups, 1, *sizes))
    zero = emit.reshape(_wide(emit, inputs[3]), zeros[1].shape, (*groups, 1, 1))
    lost = emit.reshape(emit.add("Mul", pixels, zero), (n, *groups, *sizes), node.output.shape)
    return [emit.add("Sub", y, lost)]


def _wide(emit: NodeWriter, name: str) -> str:
    return emit.add("Cast", name, to=ELEMENT_TYPES[DType.INT32])


@exports("matmul_integer")
def matmul_integer(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    """ONNX Runtime takes one zero point of a, and one or a row of b. With others, y and z, the sums
    of rows and columns, times these, are taken away:
    the sum of (a - y) · (b - z) is that of a · b - y · b - z · a + y · z."""
    a, b, *zeros = node.inputs
    rows, columns = [*zeros, None, None][:2]
    of_a, of_b = emit.scalar(0, a.dtype), emit.scalar(0, b.dtype)
    left = right = ""
    if rows is not None:
        if _several(rows):
            left = _wide(emit, inputs[2])
        else:
            of_a = as_row(emit, rows, inputs[2], None)
    if columns is not None:
        if _several(columns) and columns.type.rank > 1:
            right = _wide(emit, inputs[3])
        else:
            size: Any = b.shape[-1] if _several(columns) else None
            of_b = as_row(emit, columns, inputs[3], size)
    points = [of_a, of_b][: len(zeros)]
    y, k = emit.add("MatMulInteger", *inputs[:2], *points), a.shape[-1]
    if not isinstance(k, int) and (left or right):
        raise ExportError("MatMulInteger has no several zero points where it sums over the batch")
    one: Any = emit.scalar(0, DType.UINT8)
    if left:
        ones = emit.constant(np.ones((1, k), np.uint8))
        sums = emit.add("MatMulInteger", ones, inputs[1], one, of_b)
        y = emit.add("Sub", y, emit.add("Mul", sums, left))
    if right:
        ones = emit.constant(np.ones((k, 1), np.uint8))
        sums = emit.add("MatMulInteger", inputs[0], ones, of_a, one)
        y = emit.add("Sub", y, emit.add("Mul", sums, right))
    if left and right:
        both = emit.add("Mul", emit.add("Mul", left, right), emit.scalar(k, DType.INT32))  # type: ignore[arg-type]
        y = emit.add("Add", y, both)
    return [y]
