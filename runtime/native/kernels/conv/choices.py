"""The layouts and algorithms in which a convolution could be placed, with what each would cost."""

from collections.abc import Iterator
from itertools import product
from math import prod
from typing import cast

from graphcnn.ir.geometry import Pair, Sides
from graphcnn.ir.node import Node
from graphcnn.ir.storage import PLAIN, Choice, DepthwiseKernels, Images, Kernels, Vectors
from graphcnn.ir.tensor_type import TensorType
from graphcnn.ops.conv import Conv2d, Conv2dWeightGrad, ConvTranspose2d
from graphcnn.runtime.native.code.registry import lower, offers
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.conv.geometry import (
    ConvGeometry,
    block_groups,
    geometry,
    is_depthwise,
    numbered_back,
)
from graphcnn.runtime.native.kernels.conv.masked import read_taps
from graphcnn.runtime.native.kernels.conv.schedule import choose_schedule
from graphcnn.runtime.native.kernels.conv.weight_grad_winograd import tiled_weight_gradient
from graphcnn.runtime.native.kernels.conv.winograd import applies, in_order
from graphcnn.runtime.native.kernels.conv.winograd_schedule import (
    choose_winograd,
    scratch_size,
    spare_bytes,
    tile_count,
)
from graphcnn.runtime.native.kernels.parts.epilogue import FusedGroup, group_of
from graphcnn.runtime.native.kernels.parts.numbers import BLOCKED_TYPES, Numbers

#: Input channels up to which a first layer reads plain images.
FIRST = 8
#: Vector multiply-adds in a second, about, of any processor.
RATE = 3.5e9
#: Vector multiply-adds while a vector comes from memory, about, and from the last cache.
FETCH, NEAR = 7, 3

NO_HALO: Sides = (0, 0, 0, 0)
ONE: Sides = (1, 1, 1, 1)


@offers("conv2d", "conv_transpose2d")
def convolution(node: Node, target: Target) -> list[Choice]:
    """Plain, first layer, direct and Winograd, reading and writing with and without halo."""
    group = group_of(node)
    numbers, op = group.numbers, cast(Conv2d | ConvTranspose2d, group.op)
    lanes = numbers.lanes(target)
    x, weight, *bias = group.types
    (n, c, h, w), (_, o, oh, ow) = _ints(x), _ints(group.result)
    kernel = cast(Pair, _ints(weight)[2:])
    pixels = n * h * w if isinstance(op, ConvTranspose2d) else n * oh * ow
    steps = pixels * c * o // op.groups * read_taps(op, kernel) / lanes
    g = geometry(op, n, (c, (h, w)), (o, (oh, ow)), kernel, lanes)
    dear = 1.0
    if target.tight:
        dear = max(dear, lower(node, target).scratch / spare_bytes(g, numbers))
    found = [_plain(node, steps * 1.2 * _wasted(op, group, lanes) * dear)]
    others = _others(group)
    groups = block_groups(op, c, o, lanes)
    if groups is None or not numbers.are(BLOCKED_TYPES) or others is None:
        return found
    again = group.read_again  # as an image beside the result, and as nothing else
    if again - {0} or (again and x.shape != group.result.shape):
        return found
    vectors = (str(Vectors(lanes)),) * len(bias)
    fill_o, fill_c = _fill(o, lanes), _fill(c, lanes)
    writes = {NO_HALO, ONE}

    def add(read: list[str], kernels: str, algorithm: str, cost: float) -> None:
        for x_layout, halo in product(read, sorted(writes)):
            written = str(Images(lanes, halo))
            for extra in dict.fromkeys((written, str(Images(lanes)))) if others else ("",):
                reads = _all_reads(group, (x_layout, kernels, *vectors), extra)
                found.append(Choice(reads, (written,), algorithm, cost / RATE))

    if isinstance(op, Conv2d) and c <= FIRST and op.groups == 1 and not again:
        add([PLAIN], PLAIN, "first", steps * fill_o * 1.1)
    read = [str(Images(lanes, halo)) for halo in _read_halos(op, g)]
    if is_depthwise(op, c, o):
        add(read, str(DepthwiseKernels(lanes)), "depthwise", steps * fill_o * 1.5)
        return found
    transposed = isinstance(op, ConvTranspose2d)
    kernels = str(Kernels(lanes, choose_schedule(g, target).vectors, transposed))
    add(read, kernels, "direct", steps * fill_o * fill_c * 1.07)
    # Winograd's algorithm mixes taps, and those that a mask leaves out would leak by rounding.
    tiled = not op.mask and in_order(numbered_back(g) if transposed else g)
    for m in (4, 2) if tiled else ():
        if target.tight:
            schedule = choose_winograd(g, numbers, target, m)
            if scratch_size(g, numbers, schedule) > spare_bytes(g, numbers):
                continue
        add(read, f"w{m}{kernels}", f"winograd{m}", winograd_cost(g, numbers, m, target))
    return found


def winograd_cost(g: ConvGeometry, numbers: Numbers, m: int, target: Target) -> float:
    """Vector steps of the products, or of what brings the kernels from memory where that takes
    longer, and of the transforms of tiles. The kernels are read again for every block of tiles."""
    s, points, tiles = choose_winograd(g, numbers, target, m), (m + 2) ** 2, tile_count(g, m)
    depth, width, lanes = g.x.blocks, g.y.blocks, g.x.lanes
    kernels = points * depth * lanes * width
    products = kernels * -(-tiles // s.rows) * s.rows
    turned = tiles * (depth + width) * points * 8
    fetch = NEAR if kernels * target.vector_bytes < 4 * target.l2 else FETCH
    return max(products, fetch * kernels) + kernels * -(-tiles // s.block) + turned


def _wasted(op: Conv2d | ConvTranspose2d, group: FusedGroup, lanes: int) -> float:
    """How much more the plain kernel computes than asked: columns of borders, ends of vectors."""
    oh, ow = _ints(group.result)[2:]
    if isinstance(op, Conv2d):
        window = op.windows(cast(Pair, _ints(group.types[1])[2:]))[1]
        wide = ow + (window.span - 1) // window.stride
    else:
        oh, ow = -(-oh // op.stride[0]), -(-ow // op.stride[1])
        wide = _ints(group.types[0])[3] + op.padding[2] + op.padding[3]
    flat = (oh - 1) * max(wide, ow) + ow
    return -(-flat // lanes) * lanes / (oh * ow)


@offers("conv2d_weight_grad")
def weight_gradient(node: Node, target: Target) -> list[Choice]:
    """Plain, first layer, direct and Winograd."""
    group = group_of(node)
    op, (x, dy), numbers = cast(Conv2dWeightGrad, group.op), group.types, group.numbers
    lanes = numbers.lanes(target)
    (n, c, h, w), (_, o, oh, ow) = _ints(x), _ints(dy)
    steps = n * oh * ow * c * o // op.groups * prod(op.kernel) / lanes
    fill_o, fill_c = _fill(o // op.groups, lanes), _fill(c, lanes)
    read_taps(op, op.kernel)
    found = [_plain(node, steps * 1.25 * fill_o)]
    if op.groups != 1 or not numbers.are(BLOCKED_TYPES) or not _simple(group) or group.read_again:
        return found
    shown = [str(Images(lanes, halo)) for halo in (NO_HALO, ONE)]
    if c <= FIRST:
        for layout in shown:
            reads = _all_reads(group, (PLAIN, layout), PLAIN)
            found.append(Choice(reads, (PLAIN,), "first", steps * fill_o * 1.1 / RATE))
    attributes = {k: v for k, v in op.attributes.items() if k != "kernel"}
    forward = Conv2d(**attributes)
    g = geometry(forward, n, (c, (h, w)), (o, (oh, ow)), op.kernel, lanes)
    vectors = choose_schedule(g, target).vectors
    written = str(Kernels(lanes, vectors))
    costs = {"direct": steps * fill_o * fill_c * 1.1}
    tiled = tiled_weight_gradient(g, numbers, vectors, target) if applies(g) else None
    if tiled is not None:
        costs["winograd4"] = tiled.steps
    for halo, layout in product(_read_halos(forward, g), shown):
        reads = _all_reads(group, (str(Images(lanes, halo)), layout), written)
        for algorithm, cost in costs.items():
            found.append(Choice(reads, (written,), algorithm, cost / RATE))
    return found


def _plain(node: Node, steps: float) -> Choice:
    reads, writes = (PLAIN,) * len(node.inputs), (PLAIN,) * len(node.types)
    return Choice(reads, writes, "", steps / RATE)


def _read_halos(op: Conv2d | ConvTranspose2d, g: ConvGeometry) -> Iterator[Sides]:
    """What is needed, made even so that neighbours agree; and one pixel where that is more."""
    halo = g.x.halo
    if isinstance(op, Conv2d):
        halo = cast(Sides, tuple(map(max, halo, op.padding)))
    rows, columns = max(halo[:2]), max(halo[2:])
    yield rows, rows, columns, columns
    if (rows, columns) == (0, 0):
        yield ONE


def _others(group: FusedGroup) -> list[bool] | None:
    """For each other operand of a group whether it is of full size; None if one is neither that,
    nor a number, nor one number per channel."""
    shape = _ints(group.result)
    found = []
    for i, value in enumerate(group.node.inputs):
        if i in group.places:
            continue
        own = _ints(value.type)
        padded = (1,) * (len(shape) - len(own)) + own
        if own != shape and padded not in ((1, shape[1], 1, 1), (1,) * len(shape)):
            return None
        found.append(own == shape)
    return found


def _simple(group: FusedGroup) -> bool:
    """Whether the other operands of a group are of full size or numbers."""
    shape = _ints(group.result)
    others = [v for i, v in enumerate(group.node.inputs) if i not in group.places]
    return all(v.type.shape == shape or prod(_ints(v.type)) == 1 for v in others)


def _all_reads(group: FusedGroup, own: tuple[str, ...], extra: str) -> tuple[str, ...]:
    """The layouts of a group's inputs: the heavy operator's, `extra` for those of full size."""
    of = dict(zip(group.places, own, strict=True))
    return tuple(
        of.get(i, extra if value.type.shape == group.result.shape else PLAIN)
        for i, value in enumerate(group.node.inputs)
    )


def _fill(channels: int, lanes: int) -> float:
    """How much whole blocks hold more than the channels."""
    return -(-channels // lanes) * lanes / channels


def _ints(t: TensorType) -> tuple[int, ...]:
    return cast(tuple[int, ...], t.shape)
