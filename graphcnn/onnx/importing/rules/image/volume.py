"""Convolutions and pools of volumes (N, C, D, H, W), by those of images.

A pool is one over height and width and then one over depth: maxima, means and p-norms compose. A
convolution takes the slices that its taps meet along the depth as channels of one image. Each
image is handed to the rule of the 2-D operator, with the attributes of its two axes.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from typing import Any

from graphcnn.errors import ImportModelError
from graphcnn.ir.node import Value, constant_of
from graphcnn.ir.tensor_type import DType, is_open
from graphcnn.onnx.importing.context import RULES, Call, UnsupportedError, reshaped
from graphcnn.onnx.importing.rules.image.conv_and_pool import padding, pair
from graphcnn.onnx.importing.rules.image.max_pool import pooled, through_batch
from graphcnn.onnx.importing.rules.parts import cut
from graphcnn.onnx.importing.rules.scatter import size_of
from graphcnn.ops.broadcast import BroadcastTo
from graphcnn.ops.elementwise import Add, Quotient
from graphcnn.ops.gather import Gather
from graphcnn.ops.shape import Concat, Embed, Transpose

#: Attributes with one number per spatial axis; `pads` has two.
PER_AXIS = ("kernel_shape", "strides", "dilations", "output_padding")

Rule = Callable[[Call], Any]


def _with_volumes(name: str, volume: Callable[[Call, Rule], Value]) -> None:
    """Put the form for volumes in front of the rule for images."""
    flat = RULES[name]

    def rule(call: Call) -> Any:
        return volume(call, flat) if call.value(0).type.rank == 5 else flat(call)

    RULES[name] = rule


def _some_axes(call: Call, axes: tuple[int, ...]) -> dict[str, Any]:
    """The attributes of some of the spatial axes."""
    found = dict(call.attributes)
    for name, factor in [*((n, 1) for n in PER_AXIS), ("pads", 2)]:
        if name in found:
            numbers = call.ints(name, (), 3 * factor)
            found[name] = [numbers[a + 3 * k] for k in range(factor) for a in axes]
    if "output_shape" in found:
        found["output_shape"] = [tuple(found["output_shape"])[-3:][a] for a in axes]
    return found


def _sizes(x: Value) -> tuple[int, int, int, int]:
    if is_open(x.shape[1:]):
        raise UnsupportedError(f"expected (N, C, D, H, W) of known sizes, found {x.type}")
    c, d, h, w = x.shape[1:]
    return int(c), int(d), int(h), int(w)  # type: ignore[arg-type]


# Pools


def _pool(call: Call, flat: Rule) -> Value:
    x = call.value(0)
    n = x.shape[0]
    c, d, h, w = _sizes(x)
    images = reshaped(x, (n, c * d, h, w))
    y = flat(replace(call, inputs=(images,), attributes=_some_axes(call, (1, 2))))
    rows, columns = y.shape[2:]
    inputs = (reshaped(y, (n, c, d, rows * columns)),)
    y = flat(replace(call, inputs=inputs, attributes=_along_depth(call)))
    return reshaped(y, (n, c, y.shape[2], rows, columns))


def _along_depth(call: Call) -> dict[str, Any]:
    """The attributes of the depth as the height of an image, whose columns stay alone."""
    depth = _some_axes(call, (0,))
    for name in PER_AXIS:
        if name in depth:
            depth[name] = [*depth[name], 1]
    if "pads" in depth:
        depth["pads"] = [depth["pads"][0], 0, depth["pads"][1], 0]
    return depth


def _max_pool(call: Call, flat: Rule) -> Any:
    """With places: those in the slice that had the maximum, of equal slices the first."""
    if call.wanted < 2:
        return _pool(call, flat)
    x = call.value(0)
    n = x.shape[0]
    c, d, h, w = _sizes(x)
    in_slices = replace(call, name="", attributes=_some_axes(call, (1, 2)))
    y, inside = pooled(in_slices, reshaped(x, (n, c * d, h, w)))
    rows, columns = size_of(y, 2), size_of(y, 3)
    count = rows * columns
    along = replace(call, attributes=_along_depth(call))
    y, slices = pooled(along, reshaped(y, (n, c, d, count)))
    shape = (n, c, size_of(y, 2), rows, columns)
    chosen = Transpose((0, 1, 3, 2))(Quotient()(slices, constant_of(count, DType.INT64)))
    inside = Transpose((0, 1, 3, 2))(reshaped(inside, (n, c, d, count)))
    places = Transpose((0, 1, 3, 2))(Gather(3)(inside, chosen) + chosen * (h * w))
    return [reshaped(y, shape), through_batch(call, reshaped(places, shape), x)]


_with_volumes("MaxPool", _max_pool)
for _name in ("AveragePool", "LpPool"):
    _with_volumes(_name, _pool)


# Convolutions


def _depth(call: Call, name: str, default: int) -> int:
    return call.ints(name, (default,) * 3, 3)[0]


def _kernel(call: Call, x: Value) -> tuple[Value, int]:
    """The kernel and its size along the depth."""
    weight = call.value(1)
    if weight.type.rank != 5 or is_open(weight.shape):
        raise ImportModelError(f"weight {weight.type} must have 5 axes of known sizes, as {x.type}")
    if int(weight.shape[2]) > call.limits.pieces:  # type: ignore[arg-type]
        raise ImportModelError(f"a kernel of depth {weight.shape[2]}, expected at most "
                               f"{call.limits.pieces} (limits.pieces)")  # fmt: skip
    return weight, int(weight.shape[2])  # type: ignore[arg-type]


def _images(x: Value, depth: int) -> tuple[Value, int]:
    """(N, D, C, H, W) as images: D per item or, where N is open, D groups of channels."""
    n, _, c, h, w = x.shape
    if not isinstance(n, int):
        return reshaped(x, (n, depth * c, h, w)), depth
    return reshaped(x, (n * depth, c, h, w)), 1


def _volumes(y: Value, n: Any, depth: int, channels: int) -> Value:
    """Images of `_images` as (N, C, D, H, W)."""
    return Transpose((0, 2, 1, 3, 4))(reshaped(y, (n, depth, channels, *y.shape[2:])))


def repeated(x: Value, times: int) -> Value:
    """x so many times along its first axis: the same kernel for each group."""
    if times == 1:
        return x
    wide = BroadcastTo((times, *x.shape))(x)
    return reshaped(wide, (times * int(x.shape[0]), *x.shape[1:]))  # type: ignore[arg-type]


def _deeper(x: Value, before: int, after: int, border: Value | None) -> Value:
    """x with slices in front and behind that hold one number."""
    n, c, d, h, w = x.shape
    if border is None:
        deep = (n, c, int(d) + before + after, h, w)  # type: ignore[arg-type]
        return Embed(deep, (0, 0, before, 0, 0), (1,) * 5)(x)
    slices = [[BroadcastTo((n, c, k, h, w))(border)] if k else [] for k in (before, after)]
    return Concat(2)(*slices[0], x, *slices[1])


def conv_of_volumes(call: Call, flat: Rule, border: Value | None = None) -> Value:
    """`border` is the number outside of the volume along its depth, 0 if there is none."""
    x = call.value(0)
    weight, k = _kernel(call, x)
    n, group = x.shape[0], call.attribute("group", 1)
    c, d, h, w = _sizes(x)
    m = int(weight.shape[0])  # type: ignore[arg-type]
    if group < 1 or c % group or weight.shape[1] != c // group:
        raise ImportModelError(f"group {group} and weight {weight.type} do not fit x {x.type}")
    along = replace(call, attributes=_some_axes(call, (0,)))
    window = pair(along, "strides", 1, 3), pair(along, "dilations", 1, 3)
    (_, stride), (_, dilation) = window
    before, after = padding(along, (1, d), (1, k), *window, 3)[2:]
    if before or after:
        x = _deeper(x, before, after, border)
    count = (d + before + after - dilation * (k - 1) - 1) // stride + 1
    if count < 1:
        raise ImportModelError(f"a kernel of depth {k} does not fit {x.type}")
    parts = [
        reshaped(cut(x, 2, t * dilation, count, stride), (n, group, 1, c // group, count, h * w))
        for t in range(k)
    ]
    joined = Transpose((0, 4, 1, 2, 3, 5))(Concat(2)(*parts) if k > 1 else parts[0])
    images, groups = _images(reshaped(joined, (n, count, k * c, h, w)), count)
    kernel = reshaped(Transpose((0, 2, 1, 3, 4))(weight), (m, k * c // group, *weight.shape[3:]))
    inputs = [images, repeated(kernel, groups)]
    inputs += [repeated(call.value(2), groups)] if call.has(2) else []
    attributes = {**_some_axes(call, (1, 2)), "group": group * groups}
    y = flat(replace(call, inputs=tuple(inputs), attributes=attributes))
    return _volumes(y, n, count, m)


def _conv_transpose(call: Call, flat: Rule) -> Value:
    """Each tap along the depth gives images that are spread with the stride, and summed."""
    x = call.value(0)
    weight, k = _kernel(call, x)
    n, group = x.shape[0], call.attribute("group", 1)
    _, d, _, _ = _sizes(x)
    m = int(weight.shape[1]) * group  # type: ignore[arg-type]
    stride, dilation = _depth(call, "strides", 1), _depth(call, "dilations", 1)
    full = (d - 1) * stride + dilation * (k - 1) + 1
    before, size = _transposed_depth(call, d, stride, full)
    images, groups = _images(Transpose((0, 2, 1, 3, 4))(x), d)
    attributes = {**_some_axes(call, (1, 2)), "group": group * groups}
    sums = []
    for t in range(k):
        kernel = reshaped(cut(weight, 2, t, 1), (*weight.shape[:2], *weight.shape[3:]))
        inputs = images, repeated(kernel, groups)
        y = _volumes(flat(replace(call, inputs=inputs, attributes=attributes)), n, d, m)
        shape = (n, m, max(full, before + size), *y.shape[3:])
        sums.append(Embed(shape, (0, 0, t * dilation, 0, 0), (1, 1, stride, 1, 1))(y))
    y = cut(reduce(Add(), sums), 2, before, size)
    return y + reshaped(call.value(2), (m, 1, 1, 1)) if call.has(2) else y


def _transposed_depth(call: Call, d: int, stride: int, full: int) -> tuple[int, int]:
    """How much is cut off in front, and the size along the depth."""
    more, auto = _depth(call, "output_padding", 0), call.attribute("auto_pad", "NOTSET")
    wanted = call.attributes.get("output_shape")
    if wanted is None and auto in ("NOTSET", "VALID"):
        pads = call.ints("pads", (0,) * 6, 6) if auto == "NOTSET" else (0,) * 6
        return pads[0], full + more - pads[0] - pads[3]
    size = stride * d if wanted is None else int(tuple(wanted)[-3])
    total = max(0, full + more - size)
    return total // 2 if auto == "SAME_UPPER" else total - total // 2, size


_with_volumes("Conv", conv_of_volumes)
_with_volumes("ConvTranspose", _conv_transpose)
