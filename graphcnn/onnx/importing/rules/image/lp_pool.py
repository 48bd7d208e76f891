"""Pools of ONNX that take p-norms: (sum of |x|^p)^(1/p) over a window, or over the whole image."""

from math import prod

from graphcnn.errors import ImportModelError
from graphcnn.ir.geometry import Sides, Window, windows
from graphcnn.ir.node import Value, constant_of
from graphcnn.onnx.importing.context import Call, imports
from graphcnn.onnx.importing.rules.image.conv_and_pool import (
    as_before,
    as_image,
    pool_window,
    spatial_axes,
)
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.elementwise import Abs, Pow, Sqrt
from graphcnn.ops.parts.checks import image_sizes
from graphcnn.ops.pool import AvgPool2d


@imports("LpPool")
def lp_pool(call: Call) -> Value:
    """The mean over the window, its padding counted, times the size of the window.

    A last window that `ceil_mode` keeps is a whole one over wider padding.
    """
    x, p = call.value(0), _exponent(call)
    image = as_image(x)
    window = pool_window(call, image, x.type.rank)
    if window.pop("ceil_mode"):
        both = windows(window["kernel"], window["stride"], window["padding"], window["dilation"],
                       ceil=True)  # fmt: skip
        window["padding"] = _filled(both, image)
    mean = AvgPool2d(**window, count_include_pad=True)(_power(image, p))
    return as_before(_root(mean * float(prod(window["kernel"])), p), x)


def _filled(both: tuple[Window, Window], image: Value) -> Sides:
    """The padding that the windows which are counted read."""
    sides: list[int] = []
    for size, w in zip(image_sizes(image.type), both, strict=True):
        read = (w.output(size) - 1) * w.stride + w.span
        sides += [w.before, max(0, read - size - w.before)]
    return sides[0], sides[1], sides[2], sides[3]


@imports("GlobalLpPool")
def global_lp_pool(call: Call) -> Value:
    x, p = call.value(0), _exponent(call)
    return _root(Sum(spatial_axes(x), keepdims=True)(_power(x, p)), p)


def _exponent(call: Call) -> float:
    """Any number in the first version, whole ones since."""
    p = float(call.attribute("p", 2))
    if not p >= 1:
        raise ImportModelError(f"attribute 'p' = {p:g} must be at least 1: a norm has no other")
    return p


def _power(x: Value, p: float) -> Value:
    if p == 2:
        return x * x
    return Abs()(x) if p == 1 else Pow()(Abs()(x), constant_of(p, x.dtype))


def _root(x: Value, p: float) -> Value:
    if p == 2:
        return Sqrt()(x)
    return x if p == 1 else Pow()(x, constant_of(1.0 / p, x.dtype))
