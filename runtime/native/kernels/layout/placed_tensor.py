"""Elementwise operators, sums over pixels and joins of channels in layouts other than plain."""

from typing import cast

from graphcnn.errors import GraphError
from graphcnn.ir.node import Node, Op
from graphcnn.ir.sources import Input
from graphcnn.ir.storage import Images, parse_layout, plain, storage_shape, without_halo
from graphcnn.ir.tensor_type import TensorType, known_size
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.layout import Placed
from graphcnn.ops.reduce import Mean
from graphcnn.ops.shape import Concat
from graphcnn.runtime.native.code.kernel import Kernel
from graphcnn.runtime.native.code.registry import EXPRESSIONS, passes, places
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.tensor.elementwise import lower_placed
from graphcnn.runtime.native.kernels.tensor.reduce import reduction
from graphcnn.runtime.native.kernels.tensor.shape import lower_concat

places(*EXPRESSIONS, "fused")(lower_placed)


@passes("broadcast_to")
def spreads_nothing(op: Op, layout: str) -> bool:
    """A smaller operand lies otherwise than the result: only groups read it in place."""
    return False


@passes("sum", "mean")
def sums_channels(op: Op, layout: str) -> bool:
    """The zeros of a halo add nothing to a sum, but they would count for a mean."""
    assert isinstance(op, Sum | Mean)
    halo = layout != without_halo(layout)
    return op.axes == (0, 2, 3) and not op.keepdims and not (halo and isinstance(op, Mean))


@places("sum", "mean")
def placed_sum(node: Node, target: Target) -> Kernel:
    """Over items and pixels, one number per channel: [N][C/L][H][W][L] keeps C/L and L."""
    op = cast(Placed, node.op).op
    assert isinstance(op, Sum | Mean)
    if op.axes != (0, 2, 3) or op.keepdims or node.types[0].layout != "plain":
        raise GraphError(f"{node.op!r} has no native lowering: only axes (0, 2, 3) to plain have")
    x = node.inputs[0].type
    if isinstance(op, Sum) and isinstance(parse_layout(x.layout), Images):
        sizes = tuple(cast(int, d) for d in storage_shape(x))  # the zeros around add nothing
    else:
        sizes = _whole_blocks(x)
    return reduction(node, op, sizes, (0, 2, 3), target)


@passes("concat")
def joins_channels(op: Op, layout: str) -> bool:
    """A halo would be copied with the images."""
    return isinstance(op, Concat) and op.axis == 1 and layout == without_halo(layout)


@places("concat")
def placed_concat(node: Node, target: Target) -> Kernel:
    """Whole blocks of channels of an item follow each other as its channels do in plain images."""
    values = []
    for i, value in enumerate(node.inputs):
        _whole_blocks(value.type)
        values.append(Input(f"x{i}", plain(value.type))())
    _whole_blocks(node.types[0])
    op = cast(Placed, node.op).op
    return lower_concat(Node(op, tuple(values), (plain(node.types[0]),)), target)


def _whole_blocks(t: TensorType) -> tuple[int, ...]:
    """The sizes of the storage of images without halo and without padded channels."""
    storage = storage_shape(t)
    if not isinstance(parse_layout(t.layout), Images) or known_size(storage) != t.size:
        raise GraphError(f"{t} must be images in whole blocks of channels without halo")
    return tuple(int(d) for d in storage)  # type: ignore[arg-type]
