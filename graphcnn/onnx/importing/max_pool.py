"""Max pools of ONNX, whose second result says where the maxima were.

ONNX numbers the places of a tensor (N, C, ...) through the whole batch: (n·C + c)·P + place, with P
places in a channel, row-major or, by `storage_order`, column-major. Ours are the places in their
channel. Where other operators of the model want these, they get them.
"""

from math import prod
from typing import Any

import numpy as np

from graphcnn.ir import Value, constant_of
from graphcnn.onnx.importing.context import Call, imports
from graphcnn.onnx.importing.image import as_before, as_image, pool_window
from graphcnn.onnx.importing.scatter import size_of
from graphcnn.ops.elementwise import Add, Cast, Remainder
from graphcnn.ops.gather import Gather
from graphcnn.ops.pool import MaxPool2d
from graphcnn.ops.shape import Positions
from graphcnn.tensor_type import DType, is_open


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
    return whole


@imports("Mod")
def mod(call: Call) -> Value:
    """The rest has the sign of b, with `fmod` that of a. Places of maxima through the batch,
    modulo the places of a channel, are places in it."""
    found = call.given(0)
    if isinstance(found, Value) and found in call.store.places:
        places, plane = call.store.places[found]
        if call.scalar(1, "the divisor") == plane:
            return places
    return Remainder(bool(call.attribute("fmod", 0)))(call.value(0), call.value(1))
