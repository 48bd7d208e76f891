"""Pools, their gradients and max unpooling in ONNX.

`ceil_mode` is written as larger padding at the ends, because ONNX's own had a wrong shape rule
until opset 22. Places in an image are numbers row·W + column here and everywhere; ONNX's count
through the whole batch, so they are taken modulo H·W.
"""

from typing import Any

import numpy as np

from graphcnn.ir.geometry import Pair, Sides
from graphcnn.ir.node import Node
from graphcnn.ir.tensor_type import DType, Shape, TensorType
from graphcnn.onnx.exporting.registry import exports, plain
from graphcnn.onnx.exporting.rules.image import onnx_pads
from graphcnn.onnx.exporting.writer import NodeWriter
from graphcnn.ops.parts.checks import image_sizes

exports("global_avg_pool2d")(plain("GlobalAveragePool"))


def _padding(op: Any, sizes: Pair) -> Sides:
    """The padding with which floor counts the windows that the operator counts."""
    sides: list[int] = []
    for size, w in zip(sizes, op.windows, strict=True):
        read = (w.output(size) - 1) * w.stride + w.span
        sides += [w.before, max(0, read - size - w.before) if w.ceil else w.after]
    return sides[0], sides[1], sides[2], sides[3]


def _allowed(padding: Sides, kernel: Pair) -> bool:
    """ONNX Runtime refuses pools whose padding is not smaller than the kernel."""
    return max(padding[:2]) < kernel[0] and max(padding[2:]) < kernel[1]


def _window(op: Any, padding: Sides) -> dict[str, Any]:
    return {
        "kernel_shape": op.kernel,
        "strides": op.stride,
        "pads": onnx_pads(padding),
        "dilations": op.dilation,
    }


def is_plain(op: Any, type: TensorType) -> bool:
    """Whether ONNX Runtime pads in a pool as we do: others get cells of -infinity around them."""
    return _allowed(_padding(op, image_sizes(type)), op.kernel)


def max_pool(emit: NodeWriter, op: Any, x: str, type: TensorType, indices: bool) -> list[str]:
    """The maxima and, if asked for, their places in the image."""
    (h, w), padding = image_sizes(type), _padding(op, image_sizes(type))
    top, bottom, left, right = padding
    padded = not is_plain(op, type)
    if padded:
        lowest = emit.scalar(-np.inf, type.dtype)
        x = emit.pad(x, (0, 0, top, left), (0, 0, bottom, right), lowest)
    attributes = {**_window(op, (0, 0, 0, 0) if padded else padding), "ceil_mode": 0}
    if not indices:
        return [emit.add("MaxPool", x, **attributes)]
    y, places = emit.add_many("MaxPool", 2, x, **attributes, storage_order=0)
    if not padded:
        return [y, _modulo(emit, places, h * w)]
    wide = w + left + right
    places = _modulo(emit, places, (h + top + bottom) * wide)
    row = emit.add("Div", places, emit.scalar(wide, DType.INT64))
    # row·W + column, where row and column lose the padding: place - row·(left + right) - corner
    places = emit.add("Sub", places, emit.add("Mul", row, emit.scalar(left + right, DType.INT64)))
    return [y, emit.add("Sub", places, emit.scalar(top * w + left, DType.INT64))]


def _modulo(emit: NodeWriter, places: str, size: int) -> str:
    return emit.add("Mod", places, emit.scalar(size, DType.INT64), fmod=0)


@exports("max_pool2d")
def max_pool2d(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    op: Any = node.op
    return max_pool(emit, op, inputs[0], node.inputs[0].type, op.indices)


#: Up to this many taps, comparing each with the maximum is faster than asking for places.
_FEW = 9


@exports("max_pool2d_grad")
def max_pool2d_grad(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    """dy added at the places of the maxima. Where no windows meet, by comparisons, which takes half
    the time: ONNX Runtime's fast max pool knows no places."""
    op: Any = node.op
    x, dy = node.inputs
    apart = op.stride == op.kernel and op.dilation == (1, 1) and not any(op.padding)
    if apart and op.kernel[0] * op.kernel[1] <= _FEW and not any(_padding(op, image_sizes(x.type))):
        return [_spread_by_comparison(emit, node, *inputs)]
    places = max_pool(emit, node.op, inputs[0], x.type, True)[1]
    return [_scatter(emit, inputs[1], places, dy.type, x.shape)]


def _spread_by_comparison(emit: NodeWriter, node: Node, x: str, dy: str) -> str:
    """For each tap, dy where it is the first that equals the maximum; then the taps are joined to
    windows, and the rows and columns that no window reads become zeros."""
    op: Any = node.op
    (kh, kw), zero = op.kernel, emit.scalar(0, node.output.dtype)
    n, c, h, w = node.inputs[1].shape
    assert isinstance(h, int) and isinstance(w, int)
    maxima = max_pool(emit, op, x, node.inputs[0].type, False)[0]
    seen, rows = "", []
    for i in range(kh):
        cells = []
        for j in range(kw):
            ends = (i + (h - 1) * kh + 1, j + (w - 1) * kw + 1)
            tap = emit.slice(x, (i, j), ends, (2, 3), op.stride)
            first = equal = emit.add("Equal", tap, maxima)
            if seen:
                first = emit.add("And", equal, emit.add("Not", seen))
            seen = emit.add("Or", seen, equal) if seen else equal
            cell = emit.add("Where", first, dy, zero)
            cells.append(emit.add("Unsqueeze", cell, emit.integers((4,))))
        row = emit.add("Concat", *cells, axis=4)
        rows.append(emit.reshape(row, (n, c, h, w, kw), (n, c, h, 1, w * kw)))
    dx = emit.add("Concat", *rows, axis=3)
    dx = emit.reshape(dx, (n, c, h, kh, w * kw), (n, c, h * kh, w * kw))
    rest = [
        d - k * s for d, k, s in zip(image_sizes(node.output.type), (kh, kw), (h, w), strict=True)
    ]
    return emit.pad(dx, (0, 0, 0, 0), (0, 0, *rest), zero) if any(rest) else dx


@exports("max_pool2d_pick")
def max_pool2d_pick(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    x, g = node.inputs
    places = max_pool(emit, node.op, inputs[0], x.type, True)[1]
    return [_gather(emit, inputs[1], places, g.shape, node.output.shape)]


@exports("max_unpool2d")
def max_unpool2d(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    x, places = inputs
    return [_scatter(emit, x, places, node.inputs[0].type, node.output.shape)]


@exports("max_unpool2d_grad")
def max_unpool2d_grad(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    dy, places = inputs
    return [_gather(emit, dy, places, node.inputs[0].shape, node.output.shape)]


def _flat(shape: Shape) -> Shape:
    """(N, C, H·W)."""
    return (*shape[:2], int(shape[2]) * int(shape[3]))  # type: ignore[arg-type]


def _scatter(emit: NodeWriter, x: str, places: str, type: TensorType, shape: Shape) -> str:
    """Zeros of `shape`, plus each element of x at its place in its image."""
    flat = [emit.reshape(v, type.shape, _flat(type.shape)) for v in (places, x)]
    zeros = emit.zeros(_flat(shape), type.dtype)
    y = emit.add("ScatterElements", zeros, *flat, axis=2, reduction="add")
    return emit.reshape(y, _flat(shape), shape)


def _gather(emit: NodeWriter, x: str, places: str, old: Shape, new: Shape) -> str:
    """What x holds at the places."""
    x, places = emit.reshape(x, old, _flat(old)), emit.reshape(places, new, _flat(new))
    return emit.reshape(emit.add("GatherElements", x, places, axis=2), _flat(new), new)


@exports("avg_pool2d")
def avg_pool2d(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    """AveragePool where it counts as we do; else a sum by a convolution with ones, divided."""
    op: Any = node.op
    sizes = image_sizes(node.inputs[0].type)
    padding = _padding(op, sizes)
    counted = op.count_include_pad and any(padding)
    dilated = op.dilation != (1, 1)  # AveragePool has it from opset 19
    if (
        _allowed(padding, op.kernel)
        and not (counted and padding != op.padding)
        and not (dilated and emit.opset < 19)
    ):
        window = _window(op, padding)
        if not dilated:
            del window["dilations"]
        y = emit.add(
            "AveragePool", inputs[0], **window, ceil_mode=0, count_include_pad=int(counted)
        )
        return [y]
    dtype, c = node.output.dtype.numpy, int(node.output.shape[1])  # type: ignore[arg-type]
    emit.room(c * op.kernel[0] * op.kernel[1])
    ones = emit.constant(np.ones((c, 1, *op.kernel), dtype), "ones")
    total = emit.add("Conv", inputs[0], ones, **_window(op, padding), group=c)
    return [emit.add("Div", total, emit.constant(op.counts(sizes, dtype), "counts"))]


@exports("avg_pool2d_grad")
def avg_pool2d_grad(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    """dy divided by the counts, spread by a transposed convolution with ones."""
    op: Any = node.op
    padding = _padding(op, op.size)
    rest = tuple(
        max(0, size - ((w.output(size) - 1) * w.stride + w.span - before - after))
        for size, w, before, after in zip(
            op.size, op.windows, padding[::2], padding[1::2], strict=True
        )
    )
    dtype, c = node.output.dtype.numpy, int(node.output.shape[1])  # type: ignore[arg-type]
    share = emit.add("Div", inputs[0], emit.constant(op.counts(op.size, dtype), "counts"))
    emit.room(c * op.kernel[0] * op.kernel[1])
    ones = emit.constant(np.ones((c, 1, *op.kernel), dtype), "ones")
    window = _window(op, padding)
    return [emit.add("ConvTranspose", share, ones, **window, group=c, output_padding=rest)]
