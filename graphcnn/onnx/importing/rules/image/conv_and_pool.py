"""Convolutions and pools of ONNX in our operators.

Signals (N, C, L) are taken as images of height 1. `auto_pad` is resolved to numbers here.
"""

from typing import Any

from graphcnn.errors import ImportModelError
from graphcnn.ir.geometry import Pair, Sides, windows
from graphcnn.ir.node import Value
from graphcnn.onnx.importing.context import Call, UnsupportedError, imports, reshaped
from graphcnn.ops.conv import Conv2d, ConvTranspose2d
from graphcnn.ops.padding import Pad2d
from graphcnn.ops.parts.checks import image_sizes
from graphcnn.ops.pool import AvgPool2d, GlobalAvgPool2d
from graphcnn.ops.reduce import Max, Mean
from graphcnn.ops.shape import Slice

NONE: Sides = (0, 0, 0, 0)


def as_image(x: Value) -> Value:
    """(N, C, L) as (N, C, 1, L); images as they are."""
    if x.type.rank == 3:
        return reshaped(x, (*x.shape[:2], 1, x.shape[2]))
    if x.type.rank != 4:
        raise UnsupportedError(f"expected an image (N, C, H, W) or a signal, found {x.type}")
    return x


def as_before(y: Value, like: Value) -> Value:
    """The result as a signal where the input was one."""
    return reshaped(y, (*y.shape[:2], y.shape[3])) if like.type.rank == 3 else y


def pair(call: Call, name: str, default: int, rank: int) -> Pair:
    """An attribute with one number per spatial axis; signals get 1 for the height."""
    found = call.ints(name, (default,) * (rank - 2), rank - 2)
    for number in found:
        if not 1 <= number <= call.limits.window:
            raise ImportModelError(
                f"attribute {name!r} = {found} must have numbers from 1 to {call.limits.window}"
            )
    return (1, found[0]) if rank == 3 else (found[0], found[1])


def padding(
    call: Call, sizes: Pair, kernel: Pair, stride: Pair, dilation: Pair, rank: int
) -> Sides:
    """(top, bottom, left, right) as given or, by `auto_pad`, as ceil(size / stride) needs it."""
    auto = call.attribute("auto_pad", "NOTSET")
    if auto == "NOTSET":
        return _sides(call, rank)
    if auto == "VALID":
        return NONE
    if auto not in ("SAME_UPPER", "SAME_LOWER"):
        raise ImportModelError(
            f"attribute 'auto_pad' = {auto!r} must be NOTSET, VALID, SAME_UPPER or SAME_LOWER"
        )
    sides: list[int] = []
    for i, k, s, d in zip(sizes, kernel, stride, dilation, strict=True):
        total = max(0, (-(-i // s) - 1) * s + d * (k - 1) + 1 - i)
        sides += _halves(total, auto == "SAME_UPPER")
    return sides[0], sides[1], sides[2], sides[3]


def _halves(total: int, upper: bool) -> tuple[int, int]:
    small = total // 2
    return (small, total - small) if upper else (total - small, small)


def _sides(call: Call, rank: int) -> Sides:
    pads = call.ints("pads", (0,) * (2 * (rank - 2)), 2 * (rank - 2))
    for number in pads:
        if not 0 <= number <= call.limits.window:
            raise ImportModelError(
                f"attribute 'pads' = {pads} must have numbers from 0 to {call.limits.window}"
            )
    if rank == 3:
        return 0, 0, pads[0], pads[1]
    return pads[0], pads[2], pads[1], pads[3]


def _weight(call: Call, x: Value) -> tuple[Value, Pair]:
    """The kernel and its size, which the attribute has to repeat."""
    weight = call.value(1)
    if weight.type.rank != x.type.rank or not weight.type.is_bound:
        raise ImportModelError(
            f"weight {weight.type} must have {x.type.rank} axes of known sizes, as x {x.type}"
        )
    weight = as_image(weight)
    kernel = image_sizes(weight.type)
    given = call.ints("kernel_shape", kernel[4 - x.type.rank :], x.type.rank - 2)
    if given != kernel[4 - x.type.rank :]:
        raise ImportModelError(
            f"attribute 'kernel_shape' = {given} must be that of the weight {weight.type}"
        )
    return weight, kernel


def convolved(call: Call) -> tuple[Value, Value, dict[str, Any]]:
    """Image and kernel of a convolution, and its attributes as ours."""
    x = call.value(0)
    weight, kernel = _weight(call, x)
    rank, image = x.type.rank, as_image(x)
    stride, dilation = pair(call, "strides", 1, rank), pair(call, "dilations", 1, rank)
    sides = padding(call, image_sizes(image.type), kernel, stride, dilation, rank)
    groups = call.attribute("group", 1)
    return image, weight, {
        "stride": stride, "padding": sides, "dilation": dilation, "groups": groups,
    }  # fmt: skip


@imports("Conv")
def conv(call: Call) -> Value:
    image, weight, attributes = convolved(call)
    bias = [call.value(2)] if call.has(2) else []
    return as_before(Conv2d(**attributes)(image, weight, *bias), call.value(0))


@imports("ConvTranspose")
def conv_transpose(call: Call) -> Value:
    """Output padding that no convolution leaves unread is added as rows of zeros."""
    x = call.value(0)
    weight, kernel = _weight(call, x)
    rank, image = x.type.rank, as_image(x)
    stride, dilation = pair(call, "strides", 1, rank), pair(call, "dilations", 1, rank)
    extra = call.ints("output_padding", (0,) * (rank - 2), rank - 2)
    extra = (0, *extra) if rank == 3 else extra
    if min(extra) < 0 or max(extra) > call.limits.window:
        raise ImportModelError(f"attribute 'output_padding' = {extra} must not be negative")
    sides, more = _transposed_padding(call, image, kernel, stride, dilation, extra, rank)
    group = call.attribute("group", 1)
    bias = [call.value(2)] if call.has(2) else []
    inside = all(r < max(s, d) for r, s, d in zip(more, stride, dilation, strict=True))
    if inside:
        op = ConvTranspose2d(stride, sides, dilation, group, output_padding=(more[0], more[1]))
        return as_before(op(image, weight, *bias), x)
    y = ConvTranspose2d(stride, NONE, dilation, group)(image, weight)
    top, bottom, left, right = sides
    rows, columns = max(0, more[0] - bottom), max(0, more[1] - right)
    h, w = image_sizes(y.type)
    sizes = h - top - bottom + more[0], w - left - right + more[1]
    if rows or columns:
        y = Pad2d((0, rows, 0, columns))(y)
    y = Slice((0, 0, top, left), (*y.shape[:2], *sizes), (1, 1, 1, 1))(y)
    for b in bias:
        y = y + reshaped(b, (b.shape[0], 1, 1))
    return as_before(y, x)


def _transposed_padding(
    call: Call, image: Value, kernel: Pair, stride: Pair, dilation: Pair, extra: Any, rank: int
) -> tuple[Sides, Pair]:
    """Padding and output padding, also from a wanted `output_shape` or from SAME."""
    auto = call.attribute("auto_pad", "NOTSET")
    wanted = call.attributes.get("output_shape")
    if wanted is None and auto in ("NOTSET", "VALID"):
        return (_sides(call, rank) if auto == "NOTSET" else NONE), (extra[0], extra[1])
    sizes = image_sizes(image.type)
    if wanted is None:
        target = tuple(s * i for s, i in zip(stride, sizes, strict=True))
    else:
        target = tuple(wanted[-(rank - 2) :])
        target = (1, *target) if rank == 3 else target
    sides: list[int] = []
    more = list(extra)
    for axis in range(2):
        span = dilation[axis] * (kernel[axis] - 1) + 1
        total = stride[axis] * (sizes[axis] - 1) + more[axis] + span - target[axis]
        if total < 0:
            more[axis] -= total
            total = 0
        sides += _halves(total, auto == "SAME_UPPER")
    return (sides[0], sides[1], sides[2], sides[3]), (more[0], more[1])


# Pools


def pool_window(call: Call, image: Value, rank: int) -> dict[str, Any]:
    """The attributes of a pool, without the kernel's name."""
    kernel = pair(call, "kernel_shape", 0, rank)
    stride, dilation = pair(call, "strides", 1, rank), pair(call, "dilations", 1, rank)
    sides = padding(call, image_sizes(image.type), kernel, stride, dilation, rank)
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    if max(sides[:2]) >= spans[0] or max(sides[2:]) >= spans[1]:
        raise ImportModelError(
            f"attribute 'pads' = {call.attribute('pads')} must be less than the window, {spans}: "
            "one would lie in the padding alone"
        )
    ceil = bool(call.attribute("ceil_mode", 0)) and call.attribute("auto_pad", "NOTSET") == "NOTSET"
    if ceil:  # where floor counts the same windows, it is the plain form
        rounded = (windows(kernel, stride, sides, dilation, up) for up in (True, False))
        counts = [
            tuple(w.output(i) for w, i in zip(both, image_sizes(image.type), strict=True))
            for both in rounded
        ]
        ceil = counts[0] != counts[1]
    return {
        "kernel": kernel, "stride": stride, "padding": sides, "dilation": dilation,
        "ceil_mode": ceil,
    }  # fmt: skip


@imports("AveragePool")
def average_pool(call: Call) -> Value:
    x = call.value(0)
    image = as_image(x)
    window = pool_window(call, image, x.type.rank)
    include = bool(call.attribute("count_include_pad", 0))
    include = include and any(window["padding"])
    return as_before(AvgPool2d(**window, count_include_pad=include)(image), x)


def spatial_axes(x: Value) -> tuple[int, ...]:
    if x.type.rank < 3:
        raise ImportModelError(f"expected (N, C, ...) with at least one more axis, found {x.type}")
    return tuple(range(2, x.type.rank))


@imports("GlobalAveragePool")
def global_average_pool(call: Call) -> Value:
    x = call.value(0)
    return GlobalAvgPool2d()(x) if x.type.rank == 4 else Mean(spatial_axes(x), True)(x)


@imports("GlobalMaxPool")
def global_max_pool(call: Call) -> Value:
    x = call.value(0)
    return Max(spatial_axes(x), keepdims=True)(x)
