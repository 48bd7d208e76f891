"""Convolutions in blocked layouts: which kernel does it, and in which layouts it could be done."""

from typing import cast

import llvmlite.ir as ir

from graphcnn.errors import GraphError
from graphcnn.ir.geometry import Pair
from graphcnn.ir.node import Node
from graphcnn.ir.storage import (
    PLAIN,
    DepthwiseKernels,
    Kernels,
    TransformedKernels,
    parse_layout,
    plain,
)
from graphcnn.ir.tensor_type import TensorType
from graphcnn.ops.conv import Conv2d, Conv2dWeightGrad, ConvTranspose2d
from graphcnn.ops.layout import Placed
from graphcnn.runtime.native.code.emit import Emitter, Int
from graphcnn.runtime.native.code.kernel import Kernel, node_key
from graphcnn.runtime.native.code.registry import places
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.conv.depthwise import DepthwiseConv
from graphcnn.runtime.native.kernels.conv.direct import DirectConv
from graphcnn.runtime.native.kernels.conv.first_layer import first_conv
from graphcnn.runtime.native.kernels.conv.geometry import (
    ConvGeometry,
    block_groups,
    geometry,
    is_depthwise,
    numbered_back,
)
from graphcnn.runtime.native.kernels.conv.masked import read_taps
from graphcnn.runtime.native.kernels.conv.packing import own_scratch, planes_for
from graphcnn.runtime.native.kernels.conv.plain import window_taps
from graphcnn.runtime.native.kernels.conv.schedule import choose_schedule, tiling_rule
from graphcnn.runtime.native.kernels.conv.weight_grad import weight_gradient
from graphcnn.runtime.native.kernels.conv.weight_grad_first_layer import first_weight_grad
from graphcnn.runtime.native.kernels.conv.weight_grad_winograd import tiled_weight_gradient
from graphcnn.runtime.native.kernels.conv.winograd import WinogradConv, applies, in_order
from graphcnn.runtime.native.kernels.conv.winograd_schedule import choose_winograd, winograd_rule
from graphcnn.runtime.native.kernels.parts.epilogue import FusedGroup, group_of, images
from graphcnn.runtime.native.kernels.parts.numbers import BLOCKED_TYPES


def _ints(t: TensorType) -> tuple[int, ...]:
    return cast(tuple[int, ...], t.shape)


def _kernel_layout(t: TensorType) -> Kernels:
    layout = parse_layout(t.layout)
    if not isinstance(layout, Kernels):
        raise GraphError(f"a blocked convolution reads kernels such as o16i16x2, found {t}")
    return layout


def geometry_of(group: FusedGroup, lanes: int) -> ConvGeometry:
    """The geometry of a placed convolution, with the halos of its types."""
    op, (x, weight, *_) = cast(Conv2d | ConvTranspose2d, group.op), group.types
    n, c, h, w = _ints(x)
    y = plain(group.result)
    _, o, oh, ow = _ints(y)
    read, written = images(x), images(group.result)
    kernel = cast(Pair, _ints(weight)[2:])
    return geometry(
        op, n, (c, (h, w)), (o, (oh, ow)), kernel, lanes,
        written.halo if written else (0, 0, 0, 0), read.halo if read else None,
    )  # fmt: skip


@places("conv2d", "conv_transpose2d")
def convolution(node: Node, target: Target) -> Kernel:
    """Direct, Winograd or first-layer code, as the layouts and the algorithm say."""
    group = group_of(node)
    result = images(group.result)
    if not group.numbers.are(BLOCKED_TYPES):
        raise GraphError(f"{group.op.name} in {group.result.dtype} stays plain")
    if result is None:
        raise GraphError(f"{group.op.name} writes blocked images, found {group.result}")
    op, channels = cast(Conv2d | ConvTranspose2d, group.op), _ints(group.types[0])[1]
    if block_groups(op, channels, result.channels, result.lanes) is None:
        raise GraphError(f"{op.name} in groups of parts of blocks stays plain")
    if group.types[0].layout == PLAIN and op.groups == 1:
        return _first(group, target)
    if is_depthwise(op, channels, result.channels):
        return _depthwise(group, target)
    read = parse_layout(group.types[1].layout)
    layout = read.kernels if isinstance(read, TransformedKernels) else read
    if not isinstance(layout, Kernels):
        raise GraphError(f"a blocked convolution reads kernels such as o16i16x2, found {read}")
    g = geometry_of(group, result.lanes)
    if layout.transposed:
        g = numbered_back(g)
    if layout.transposed != isinstance(group.op, ConvTranspose2d):
        raise GraphError(f"{group.op.name} cannot read its kernel as {layout}")
    if isinstance(read, TransformedKernels):
        return _winograd(group, g, read, target)
    schedule = choose_schedule(g, target, layout.vectors)
    code = DirectConv(g, schedule, group.numbers)

    def emit(e: Emitter) -> None:
        x, weight, *bias, y = group.operands(e)
        code.emit(e, x, weight, y, bias[0] if bias else None, group.blocked_epilogue())

    return Kernel(
        node_key(group.node), emit, group.count, code.units, inplace=group.inplace,
        algorithm=f"direct {schedule}", rule=tiling_rule(g, target, schedule),
    )  # fmt: skip


def _depthwise(group: FusedGroup, target: Target) -> Kernel:
    read, result = parse_layout(group.types[1].layout), images(group.result)
    if not isinstance(read, DepthwiseKernels) or result is None:
        raise GraphError(f"a depthwise convolution reads kernels such as d16, found {read}")
    g = geometry_of(group, result.lanes)
    code = DepthwiseConv(g, choose_schedule(g, target, 1), group.numbers)

    def emit(e: Emitter) -> None:
        x, weight, *bias, y = group.operands(e)
        code.emit(e, x, weight, y, bias[0] if bias else None, group.blocked_epilogue())

    return Kernel(
        node_key(group.node), emit, group.count, code.units, inplace=group.inplace,
        algorithm=f"depthwise {code.s}", rule=tiling_rule(g, target, code.s),
    )  # fmt: skip


def _winograd(
    group: FusedGroup, g: ConvGeometry, layout: TransformedKernels, target: Target
) -> Kernel:
    if cast(Conv2d | ConvTranspose2d, group.op).mask or not in_order(g):
        raise GraphError(f"winograd is for kernels 3×3 of stride 1, found {group.op}")
    schedule = choose_winograd(g, group.numbers, target, layout.tile, layout.kernels.vectors)
    code = WinogradConv(g, schedule, group.numbers)

    def emit(e: Emitter) -> None:
        x, weight, *bias, y = group.operands(e)
        own = own_scratch(e, e.operands[-1], code.scratch)
        code.emit(e, x, weight, y, own, bias[0] if bias else None, group.blocked_epilogue())

    return Kernel(
        node_key(group.node), emit, group.count + 1, code.units, code.scratch, group.inplace,
        algorithm=f"winograd {code.s}", rule=winograd_rule(g, code.s),
    )  # fmt: skip


def _first(group: FusedGroup, target: Target) -> Kernel:
    op, (x, weight, *_) = cast(Conv2d, group.op), group.types
    if not isinstance(op, Conv2d):
        raise GraphError(f"{op.name} reads blocked images")
    n, c, h, w = _ints(x)
    both = op.windows(cast(Pair, _ints(weight)[2:]))
    y = images(group.result)
    assert y is not None
    taps = window_taps(*both, op)
    code = first_conv(n, c, (h, w), both, taps, y, group.numbers, target)

    def emit(e: Emitter) -> None:
        pointers = group.operands(e)
        x, weight, *bias, y = pointers
        own = own_scratch(e, e.operands[-1], code.scratch)
        code.emit(e, x, weight, y, own, bias[0] if bias else None, group.blocked_epilogue())

    return Kernel(
        node_key(group.node), emit, group.count + 1, code.units, code.scratch, group.inplace,
        algorithm=f"first {code.tile}", rule="rows in equal parts of at most 16 pixels",
    )  # fmt: skip


@places("conv2d_weight_grad")
def weight_grad(node: Node, target: Target) -> Kernel:
    """The weight gradient from blocked dy, and x blocked or (first layers) plain."""
    group = group_of(node)
    op, (x, dy) = cast(Conv2dWeightGrad, group.op), group.types
    shown = images(dy)
    if op.groups != 1 or not group.numbers.are(BLOCKED_TYPES) or shown is None:
        raise GraphError(f"a blocked weight gradient is of one group and f32, found {op} of {dy}")
    n, c, h, w = _ints(x)
    read_taps(op, op.kernel)
    both = op.windows(op.kernel)
    if x.layout == PLAIN:
        taps = window_taps(*both, op)
        planes = planes_for((h, w), both)
        first = first_weight_grad(n, c, planes, taps, shown, group.numbers, 1, target)
        area = len(taps)

        def follow_first(e: Emitter, value: ir.Value, o: Int, pair: Int) -> ir.Value:
            c, t = e.divmod(pair, area)
            return group.apply_plain(e, value, (o, c, t), 2)

        def emit_first(e: Emitter) -> None:
            x, dy, dw = group.operands(e)
            scratch = own_scratch(e, e.operands[-1], first.scratch)
            first.emit(e, x, dy, dw, scratch, follow_first if group.body else None)

        return Kernel(
            node_key(node), emit_first, group.count + 1, first.units, first.scratch,
            algorithm=f"first {first.tile}", rule="channels and taps in equal parts of at most 28",
        )  # fmt: skip
    read, layout = images(x), _kernel_layout(group.result)
    assert read is not None
    g = geometry(
        _forward(op), n, (c, (h, w)), (shown.channels, shown.sizes), op.kernel, read.lanes,
        shown.halo, read.halo,
    )  # fmt: skip
    if layout.transposed:
        raise GraphError(f"a weight gradient is written as o16i16x2, found {layout}")
    wanted = cast(Placed, node.op).algorithm != "direct" and applies(g)
    tiled = tiled_weight_gradient(g, group.numbers, layout.vectors, target) if wanted else None
    if tiled is not None:

        def emit_tiled(e: Emitter) -> None:
            x, dy, dw = group.operands(e)
            scratch = own_scratch(e, e.operands[-1], tiled.scratch)
            tiled.emit(e, x, dy, dw, scratch, group.apply_stored if group.body else None)

        return Kernel(
            node_key(node), emit_tiled, group.count + 1, tiled.units, tiled.scratch, group.inplace,
            algorithm=f"winograd {tiled}", rule="its sums stay in the second cache",
        )  # fmt: skip
    places_of = dict(g.parts[0].taps)
    code = weight_gradient(
        n, g.x, g.y, tuple(places_of[t] for t in range(g.taps)), g.reading, group.numbers,
        layout.vectors, target,
    )  # fmt: skip

    def emit(e: Emitter) -> None:
        x, dy, dw = group.operands(e)
        code.emit(e, x, dy, dw, group.apply_stored if group.body else None)

    return Kernel(
        node_key(node), emit, group.count, code.units,
        algorithm=f"pixels {code.rows}×{code.vectors}",
        rule="most channels of a block without spills",
    )  # fmt: skip


def _forward(op: Conv2dWeightGrad) -> Conv2d:
    """The convolution whose weight gradient this is."""
    return Conv2d(**{k: v for k, v in op.attributes.items() if k != "kernel"})
