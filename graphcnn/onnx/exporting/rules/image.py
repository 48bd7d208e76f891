"""Convolutions, padding and resampling in ONNX."""

from typing import Any

import numpy as np

from graphcnn.ir.geometry import Sides
from graphcnn.ir.node import Node, Value
from graphcnn.ir.tensor_type import DType
from graphcnn.onnx.exporting.registry import exports, written_out
from graphcnn.onnx.exporting.rules.parts import embed
from graphcnn.onnx.exporting.writer import END, NodeWriter
from graphcnn.ops.parts.checks import image_sizes


def onnx_pads(padding: Sides) -> Sides:
    """(top, left, bottom, right): all beginnings, then all ends."""
    top, bottom, left, right = padding
    return top, left, bottom, right


def flipped(emit: NodeWriter, weight: str) -> str:
    """The kernel rotated by 180° while running: those of initializers are rotated before."""
    return emit.slice(weight, (-1, -1), (-END, -END), (2, 3), (-1, -1))


def masked(emit: NodeWriter, weight: Value, op: Any, name: str) -> str:
    """The kernel with zeros where a mask has no weights: initializers have them written before."""
    if not op.mask:
        return name
    o, per_group, *kernel = (int(d) for d in weight.shape)  # type: ignore[arg-type]
    mask = op.weights_of(o, per_group * op.groups, tuple(kernel))
    return emit.add("Where", emit.constant(mask, "mask"), name, emit.scalar(0, weight.dtype))


def window_attributes(op: Any, kernel: Any) -> dict[str, Any]:
    return {
        "kernel_shape": tuple(kernel),
        "strides": op.stride,
        "pads": onnx_pads(op.padding),
        "dilations": op.dilation,
        "group": op.groups,
    }


@exports("conv2d")
def conv2d(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    op: Any = node.op
    x, weight, *bias = inputs
    weight = masked(emit, node.inputs[1], op, weight)
    weight = flipped(emit, weight) if op.flip_kernel else weight
    return [emit.add("Conv", x, weight, *bias, **window_attributes(op, node.inputs[1].shape[2:]))]


@exports("conv_transpose2d")
def conv_transpose2d(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    """ONNX Runtime refuses an output_padding that reaches the stride: there the padding is cut off
    afterwards, after rows of zeros have been added where they are asked for."""
    op: Any = node.op
    x, weight, *bias = inputs
    weight = masked(emit, node.inputs[1], op, weight)
    weight = flipped(emit, weight) if op.flip_kernel else weight
    window = window_attributes(op, node.inputs[1].shape[2:])
    extra = op.output_padding
    if all(r < s for r, s in zip(extra, op.stride, strict=True)):
        return [emit.add("ConvTranspose", x, weight, *bias, **window, output_padding=extra)]
    (top, left, bottom, right), window["pads"] = window["pads"], (0, 0, 0, 0)
    y = emit.add("ConvTranspose", x, weight, **window, output_padding=(0, 0))
    rest = (0, 0, max(0, extra[0] - bottom), max(0, extra[1] - right))
    y = emit.pad(y, (0, 0, 0, 0), rest, emit.scalar(0, node.output.dtype)) if any(rest) else y
    h, w = image_sizes(node.output.type)
    y = emit.slice(y, (top, left), (top + h, left + w), (2, 3))
    for b in bias:
        y = emit.add("Add", y, emit.reshape(b, node.inputs[2].shape, (1, -1, 1, 1)))
    return [y]


@exports("pad2d")
def pad2d(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    op: Any = node.op
    top, bottom, left, right = op.padding
    pads = emit.integers((0, 0, top, left, 0, 0, bottom, right), "pads")
    if op.mode == "constant":
        value = emit.scalar(op.value, node.output.dtype)
        return [emit.add("Pad", inputs[0], pads, value, mode="constant")]
    return [emit.add("Pad", inputs[0], pads, mode=op.mode)]


@exports("pad2d_grad")
def pad2d_grad(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    """Cropping; where the mode copies pixels, two products with 0-1 matrices (dx = R·dy·C)."""
    op: Any = node.op
    top, _, left, _ = op.padding
    h, w = image_sizes(node.output.type)
    if op.mode == "constant":
        return [emit.slice(inputs[0], (top, left), (top + h, left + w), (2, 3))]
    rows, columns = op.source((h, w))
    dtype = node.output.dtype.numpy
    emit.room(max(h * rows.size, w * columns.size))
    left_matrix, right_matrix = np.eye(h, dtype=dtype)[:, rows], np.eye(w, dtype=dtype)[columns]
    return [_separable(emit, inputs[0], left_matrix, right_matrix)]


def _separable(emit: NodeWriter, x: str, left: Any, right: Any) -> str:
    """left · x · right on every image; matrices that change nothing are left out."""
    if not _is_identity(left):
        x = emit.add("MatMul", emit.constant(np.ascontiguousarray(left), "rows"), x)
    if not _is_identity(right):
        x = emit.add("MatMul", x, emit.constant(np.ascontiguousarray(right), "columns"))
    return x


def _is_identity(matrix: Any) -> bool:
    return matrix.shape[0] == matrix.shape[1] and bool(np.all(matrix == np.eye(len(matrix))))


@exports("depth_to_space")
def depth_to_space(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    """ONNX Runtime has it of these types; of others the axes are split and moved."""
    op: Any = node.op
    if node.output.dtype not in (DType.FLOAT32, DType.FLOAT64):
        return written_out(emit, node, inputs)
    return [emit.add("DepthToSpace", inputs[0], blocksize=op.block, mode=op.mode)]


@exports("space_to_depth")
def space_to_depth(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    """ONNX has the order DCR alone."""
    op: Any = node.op
    if op.mode != "DCR" or node.output.dtype not in (DType.FLOAT32, DType.FLOAT64):
        return written_out(emit, node, inputs)
    return [emit.add("SpaceToDepth", inputs[0], blocksize=op.block)]


@exports("upsample2d")
def upsample2d(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    op: Any = node.op
    scales = emit.constant(np.array((1, 1, *op.scale), np.float32), "scales")
    if op.mode == "nearest":
        how = {"mode": "nearest", "nearest_mode": "floor"}
        pixels = "asymmetric"
    else:
        how = {"mode": "linear"}
        pixels = "align_corners" if op.align_corners else "half_pixel"
    how["coordinate_transformation_mode"] = pixels
    return [emit.add("Resize", inputs[0], "", scales, **how)]


@exports("upsample2d_grad")
def upsample2d_grad(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    """Nearest: sums over blocks of pixels. Bilinear: the two interpolation matrices, transposed."""
    op: Any = node.op
    n, c = node.output.shape[:2]
    (h, w), (a, b) = image_sizes(node.output.type), op.scale
    if op.mode == "nearest":
        dx = emit.reshape(inputs[0], node.inputs[0].shape, (n, c, h, a, w, b))
        return [emit.reduce("ReduceSum", dx, (3, 5), False)]
    dtype = node.output.dtype.numpy
    emit.room(max(h * h * a, w * w * b))
    return [_separable(emit, inputs[0], op.matrix(h, a, dtype).T, op.matrix(w, b, dtype))]


@exports("zero_insert2d")
def zero_insert2d(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    op: Any = node.op
    starts, steps = (0, 0, op.border[0], op.border[2]), (1, 1, *op.stride)
    return [embed(emit, inputs[0], node.inputs[0].type, node.output.shape, starts, steps)]
