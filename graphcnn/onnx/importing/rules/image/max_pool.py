"""Max pools of ONNX, whose second result says where the maxima were.

ONNX numbers the places of a tensor (N, C, ...) through the whole batch: (n·C + c)·P + place, with P
places in a channel, row-major or, by `storage_order`, column-major. Ours are the places in their
channel. Where other operators of the model want these, they get them.
"""

from math import prod
from typing import Any

import numpy as np

import graphcnn.onnx.importing.rules.elementwise  # noqa: F401 - before this one
from graphcnn.ir.node import Value, constant_of
from graphcnn.ir.tensor_type import DType, Shape, is_open
from graphcnn.onnx.importing.context import RULES, Call, Known, Results, imports
from graphcnn.onnx.importing.rules.image.conv_and_pool import as_before, as_image, pool_window
from graphcnn.onnx.importing.rules.scatter import size_of
from graphcnn.ops.elementwise import Add, Cast, Remainder
from graphcnn.ops.gather import Gather
from graphcnn.ops.pool import MaxPool2d
from graphcnn.ops.shape import Positions, Slice


@imports("MaxPool")
def max_pool(call: Call) -> Value | list[Value]:
    x = call.value(0)
    y, *places = pooled(call, x)
    return [y, through_batch(call, places[0], x)] if places else y


def pooled(call: Call, x: Value) -> list[Value]:
    """The maxima of images or signals and, if they are used, their places in the channel."""
    if x.dtype.bytes == 1:  # small integers are whole numbers as floats, too
        y, *places = pooled(call, Cast(DType.FLOAT32)(x))
        return [Cast(x.dtype)(y), *places]
    image = as_image(x)
    window = pool_window(call, image, x.type.rank)
    if call.wanted < 2:
        return [as_before(MaxPool2d(**window)(image), x)]
    node = MaxPool2d(**window, indices=True)(image, name=call.name).node
    return [as_before(v, x) for v in node.outputs]


def through_batch(call: Call, places: Value, x: Value) -> Value:
    """Places in the channels of x, counted through the whole batch."""
    sizes = tuple(size_of(x, a) for a in range(2, x.type.rank))
    plane, column_major = prod(sizes), bool(call.attribute("storage_order", 0))
    counted = places
    if column_major and len(sizes) > 1:
        numbers: Any = np.arange(plane).reshape(sizes[::-1]).T
        counted = Gather()(constant_of(numbers.reshape(-1), DType.INT64), places)
    channels = (*x.shape[:2], *(1 for _ in sizes))
    if is_open(channels):
        start = Positions(channels)() * plane
    else:
        numbers = np.arange(prod(channels)).reshape(channels) * plane  # type: ignore[arg-type]
        start = constant_of(numbers, DType.INT64)
    whole = Add()(counted, start, name=f"{call.name}.indices")
    if not column_major:
        call.store.places[whole] = places, plane
        if {*call.ints("kernel_shape", ())} == {1} and not any(call.ints("pads", ())):
            call.store.single[whole] = plane
    return whole


_sub = RULES["Sub"]


def sub(call: Call) -> Results:
    """Places through the batch less the first of their channel, as exporters of PyTorch write it,
    are places in the channel."""
    whole, first = call.given(0), call.given(1)
    if isinstance(whole, Value) and isinstance(first, Value) and whole in call.store.places:
        places, plane = call.store.places[whole]
        if _first_of_channel(call, first, plane, whole.shape[:2]):
            return places
    return _sub(call)


RULES["Sub"] = sub


def _first_of_channel(call: Call, value: Value, plane: int, channels: Shape) -> bool:
    """Whether a value is the beginning, (n, c, 0, ...), of the places of a pool that has a window
    for every pixel alone: those are all places in their order."""
    if value.shape[:2] != channels or any(d != 1 for d in value.shape[2:]):
        return False
    while isinstance(value.node.op, Slice):
        if any(start != 0 for start in value.node.op.starts):
            return False
        (value,) = value.node.inputs
    return value.shape[:2] == channels and call.store.single.get(value) == plane


@imports("Mod")
def mod(call: Call) -> Value:
    """The rest has the sign of b, with `fmod` that of a. Places of maxima through the batch,
    modulo the places of a channel, are places in it."""
    found, by = call.given(0), call.given(1)
    if isinstance(found, Value) and found in call.store.places and isinstance(by, Known):
        places, plane = call.store.places[found]
        if by.array.size == 1 and by.array.reshape(()) == plane:
            return places
    return Remainder(bool(call.attribute("fmod", 0)))(call.value(0), call.value(1))
