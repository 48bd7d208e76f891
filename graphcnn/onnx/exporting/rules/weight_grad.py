"""The weight gradient of a convolution in ONNX: slices of the images, and matrix products.

The gradient of one tap (i, j) of the kernel is dy · xᵀ, where x are the pixels that this tap reads:
a slice of the padded images. In ONNX Runtime this takes about the time of the forward convolution;
a convolution whose kernel is dy takes three to four times as long, except where a product with the
few channels of a group is too narrow to be fast.
"""

from typing import Any

from graphcnn.ir.node import Node
from graphcnn.onnx.exporting.registry import exports
from graphcnn.onnx.exporting.rules.image import flipped, masked, onnx_pads
from graphcnn.onnx.exporting.writer import NodeWriter
from graphcnn.ops.parts.checks import image_sizes

#: With fewer channels, the pixels of all taps go into one product: measured with ONNX Runtime 1.31
#: at 1 to 64 channels, where 6 still gain and 12 lose.
_NARROW = 8


@exports("conv2d_weight_grad")
def conv2d_weight_grad(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    op: Any = node.op
    x, dy = inputs
    channels = int(node.inputs[0].shape[1])  # type: ignore[arg-type]
    strided = channels < _NARROW and op.stride != (1, 1)  # strided slices of single pixels are slow
    if op.groups > 1 or strided:
        dw = _convolution(emit, node, x, dy)
    else:
        dw = _products(emit, node, x, dy, together=channels < _NARROW)
    return [masked(emit, node.output, op, dw)]


def _products(emit: NodeWriter, node: Node, x: str, dy: str, together: bool) -> str:
    """One product dy · xᵀ per tap, or one for all of them."""
    op: Any = node.op
    out, c = node.inputs[1].shape[1], node.inputs[0].shape[1]
    assert isinstance(out, int) and isinstance(c, int)
    emit.room(op.kernel[0] * op.kernel[1])
    taps = [(i, j) for i in range(op.kernel[0]) for j in range(op.kernel[1])]
    if op.flip_kernel:
        taps.reverse()
    top, bottom, left, right = op.padding
    if any(op.padding):
        zero = emit.scalar(0, node.output.dtype)
        x = emit.pad(x, (0, 0, top, left), (0, 0, bottom, right), zero)
    x = emit.transpose(x, 1, 0, 2, 3)
    dy = emit.add("Reshape", emit.transpose(dy, 1, 0, 2, 3), emit.integers((out, -1)), allowzero=0)
    pixels = [_read_by(emit, node, x, tap) for tap in taps]
    if together:
        flat = [emit.add("Reshape", p, emit.integers((c, 1, -1)), allowzero=0) for p in pixels]
        every = emit.add("Concat", *flat, axis=1) if len(flat) > 1 else flat[0]
        every = emit.add("Reshape", every, emit.integers((c * len(taps), -1)), allowzero=0)
        dw = emit.add("Gemm", dy, every, transB=1)
    else:
        flat = [emit.add("Reshape", p, emit.integers((c, -1)), allowzero=0) for p in pixels]
        parts = [emit.add("Gemm", dy, p, transB=1) for p in flat]
        if len(parts) > 1:
            parts = [emit.add("Unsqueeze", p, emit.integers((2,))) for p in parts]
            parts = [emit.add("Concat", *parts, axis=2)]
        dw = parts[0]
    return emit.add("Reshape", dw, emit.integers((out, c, *op.kernel)), allowzero=0)


def _read_by(emit: NodeWriter, node: Node, x: str, tap: tuple[int, int]) -> str:
    """The pixels of the padded images x (C, N, H, W) that meet `tap`, one for each pixel of dy."""
    op: Any = node.op
    sizes = image_sizes(node.inputs[1].type)
    starts = [t * d for t, d in zip(tap, op.dilation, strict=True)]
    ends = [
        start + (size - 1) * stride + 1
        for start, size, stride in zip(starts, sizes, op.stride, strict=True)
    ]
    if tuple(ends) == image_sizes(node.inputs[0].type) and op.kernel == op.stride == (1, 1):
        return x
    return emit.slice(x, starts, ends, (2, 3), op.stride)


def _convolution(emit: NodeWriter, node: Node, x: str, dy: str) -> str:
    """A convolution of x with dy as its kernel: stride and dilation change places, and the batch
    is what is summed over. Rows that the forward convolution left unread make extra taps, which
    are cut off."""
    op: Any = node.op
    shape, dy_shape, g = node.inputs[0].shape, node.inputs[1].shape, op.groups
    sizes, kernel = image_sizes(node.inputs[0].type), image_sizes(node.inputs[1].type)
    c, o = int(shape[1]), int(dy_shape[1])  # type: ignore[arg-type]
    if g == 1:
        x, dy = emit.transpose(x, 1, 0, 2, 3), emit.transpose(dy, 1, 0, 2, 3)
    else:
        x = emit.reshape(x, shape, (shape[0], g, c // g, *sizes))
        x = emit.transpose(x, 2, 1, 0, 3, 4)
        x = emit.add("Reshape", x, emit.integers((c // g, -1, *sizes), "shape"), allowzero=0)
        dy = emit.reshape(dy, dy_shape, (shape[0], g, o // g, *kernel))
        dy = emit.transpose(dy, 1, 2, 0, 3, 4)
        dy = emit.add("Reshape", dy, emit.integers((o, -1, *kernel), "shape"), allowzero=0)
    window = {"strides": op.dilation, "dilations": op.stride, "pads": onnx_pads(op.padding)}
    dw = emit.add("Conv", x, dy, kernel_shape=kernel, **window, group=g)
    taps = tuple(
        (w.before + w.after + size - (k - 1) * w.stride - 1) // w.dilation + 1
        for w, size, k in zip(op.windows(op.kernel), sizes, kernel, strict=True)
    )
    if taps != op.kernel:
        dw = emit.slice(dw, (0, 0), op.kernel, (2, 3))
    dw = emit.transpose(dw, 1, 0, 2, 3)
    return flipped(emit, dw) if op.flip_kernel else dw
