"""Operators of ONNX Runtime's own that are standard ones by another name or in another layout, and
an attention that exporters of PyTorch write for want of a standard one."""

from graphcnn.errors import ImportModelError
from graphcnn.ir.node import Value
from graphcnn.onnx.importing.context import RULES, Call, Results, UnsupportedError, reshaped
from graphcnn.onnx.importing.rules.microsoft.operators import (
    channels_first,
    channels_last,
    dequantised,
    own,
    quantised,
    standard,
)
from graphcnn.onnx.importing.rules.parts import cut
from graphcnn.onnx.importing.rules.scatter import size_of
from graphcnn.ops.dense import MatMul
from graphcnn.ops.shape import Transpose
from graphcnn.ops.softmax import Softmax


def _same(name: str) -> None:
    @own(name)
    def rule(call: Call) -> Results:
        return RULES[name](call)


for _name in ("Trilu", "GridSample", "Pad"):
    _same(_name)


@own("ExpandDims")
def expand_dims(call: Call) -> Value:
    """A new axis of size 1 at a place counted in the result."""
    x = call.value(0)
    axis = call.axis(int(call.scalar(1, "axis")), x.type.rank + 1)
    return reshaped(x, (*x.shape[:axis], 1, *x.shape[axis:]))


# Images with their channels last, and a choice of integers


@own("NhwcMaxPool")
def nhwc_max_pool(call: Call) -> Value:
    return channels_last(
        standard(call, "MaxPool", channels_first(call.value(0)), **call.attributes)
    )


@own("QLinearWhere")
def qlinear_where(call: Call) -> Value:
    """Numbers of different scales, chosen by a condition, in the scale of the result."""
    a, b = dequantised(call, 1, 2, 3), dequantised(call, 4, 5, 6)
    return quantised(call, standard(call, "Where", call.given(0), a, b), 7, 8)


# Attention whose queries, keys and values are given


@own("MultiHeadAttention")
def multi_head_attention(call: Call) -> Value:
    """softmax(q·kᵀ·scale)·v for each head, the heads side by side in the last axis."""
    for i in range(4, len(call.inputs)):
        if call.has(i):
            raise UnsupportedError(f"its input {i} (a mask, or results of former calls)")
    if call.wanted > 1 or call.attribute("unidirectional", 0):
        raise UnsupportedError("its further results, and attribute 'unidirectional'")
    if not (call.has(1) and call.has(2)):
        raise UnsupportedError("queries, keys and values packed in one tensor")
    heads, values = call.attribute("num_heads", 1), [call.value(i) for i in range(3)]
    if any(v.type.rank != 3 or size_of(v, 2) % heads for v in values):
        found = ", ".join(str(v.type) for v in values)
        raise ImportModelError(f"expected (N, S, heads · size) for {heads} heads, found {found}")
    if call.has(3):
        bias, start = call.value(3), 0
        for i, v in enumerate(values):
            width = size_of(v, 2)
            values[i] = v + cut(bias, 0, start, width)
            start += width
    n = values[0].shape[0]
    q, k, v = (
        Transpose((0, 2, 1, 3))(reshaped(x, (n, x.shape[1], heads, size_of(x, 2) // heads)))
        for x in values
    )
    scale = call.attribute("scale", 0.0) or size_of(q, 3) ** -0.5
    y = MatMul()(Softmax(3)(MatMul()(q, Transpose((0, 1, 3, 2))(k)) * scale), v)
    return reshaped(Transpose((0, 2, 1, 3))(y), (n, q.shape[2], size_of(values[2], 2)))
