"""Col2Im of ONNX: windows added up to images."""

from functools import reduce
from itertools import product
from math import prod

from graphcnn.errors import ImportModelError
from graphcnn.ir.node import Value
from graphcnn.onnx.importing.context import Call, imports, reshaped
from graphcnn.onnx.importing.rules.parts import cut
from graphcnn.onnx.importing.rules.scatter import size_of
from graphcnn.ops.elementwise import Add
from graphcnn.ops.shape import Embed


@imports("Col2Im")
def col2im(call: Call) -> Value:
    """Columns (N, C·taps, places) back as images: each tap's pixels are spread, and summed."""
    x = call.value(0)
    image, block = call.numbers(1, "image_shape"), call.numbers(2, "block_shape")
    rank, taps = len(image), prod(block)
    stride, dilation = (
        call.ints("strides", (1,) * rank, rank),
        call.ints("dilations", (1,) * rank, rank),
    )
    pads = call.ints("pads", (0,) * 2 * rank, 2 * rank)
    if x.type.rank != 3 or len(block) != rank or taps < 1 or size_of(x, 1) % taps:
        raise ImportModelError(f"blocks {block} do not fit the columns {x.type}")
    if taps > call.limits.pieces:
        raise ImportModelError(f"{taps} taps, expected at most {call.limits.pieces}")
    n, c = x.shape[0], size_of(x, 1) // taps
    whole = tuple(d + pads[a] + pads[a + rank] for a, d in enumerate(image))
    places = tuple(
        (d - dilation[a] * (block[a] - 1) - 1) // stride[a] + 1 for a, d in enumerate(whole)
    )
    call.limits.check_shape((n, c, *whole), "the result")
    if x.shape[2] != prod(places):
        raise ImportModelError(f"{places} blocks need {prod(places)} columns, found {x.type}")
    columns = reshaped(x, (n, c, taps, *places))
    parts = []
    for tap, at in enumerate(product(*map(range, block))):
        part = reshaped(cut(columns, 2, tap, 1), (n, c, *places))
        starts = (0, 0, *(i * d for i, d in zip(at, dilation, strict=True)))
        parts.append(Embed((n, c, *whole), starts, (1, 1, *stride))(part))
    y = reduce(Add(), parts)
    for a, d in enumerate(image):
        y = cut(y, 2 + a, pads[a], d)
    return y
