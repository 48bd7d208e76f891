"""Operators of ONNX Runtime's own that are standard ones by another name or in another layout, and
two that exporters of PyTorch write for want of a standard one."""

from itertools import permutations

from graphcnn.errors import ImportModelError
from graphcnn.ir import Value
from graphcnn.onnx.importing.context import RULES, Call, Results, UnsupportedError, reshaped
from graphcnn.onnx.importing.microsoft import (
    channels_first,
    channels_last,
    dequantised,
    own,
    quantised,
    standard,
)
from graphcnn.onnx.importing.parts import cut
from graphcnn.onnx.importing.scatter import size_of
from graphcnn.ops.dense import MatMul
from graphcnn.ops.shape import Concat, Transpose
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


# The inverse of small matrices


@own("Inverse")
def inverse(call: Call) -> Value:
    """The matrix of minors, turned, over the determinant; for at most 4 by 4."""
    x = call.value(0)
    rank = x.type.rank
    size = size_of(x, rank - 1) if rank >= 2 else 0
    if not 1 <= size <= 4 or x.shape[-2] != size:
        raise UnsupportedError(f"the inverse of {x.type}: expected at most 4 by 4")
    cells = [
        [cut(cut(x, rank - 2, i, 1), rank - 1, j, 1) for j in range(size)] for i in range(size)
    ]
    every = tuple(range(size))

    def minor(rows: tuple[int, ...], columns: tuple[int, ...]) -> Value | None:
        """The determinant of some rows and columns, None where there are none."""
        total: Value | None = None
        for order in permutations(columns):
            term: Value | None = None
            for i, j in zip(rows, order, strict=True):
                term = cells[i][j] if term is None else term * cells[i][j]
            if term is None:
                return None
            swaps = sum(a > b for k, a in enumerate(order) for b in order[k + 1 :])
            term = -term if swaps % 2 else term
            total = term if total is None else total + term
        return total

    whole = minor(every, every)
    assert whole is not None
    rows = []
    for i in every:
        row = []
        for j in every:  # the cofactor of place (j, i)
            rest = minor(tuple(r for r in every if r != j), tuple(c for c in every if c != i))
            part = 1.0 / whole if rest is None else rest / whole
            row.append(-part if (i + j) % 2 else part)
        rows.append(Concat(rank - 1)(*row) if size > 1 else row[0])
    return Concat(rank - 2)(*rows) if size > 1 else rows[0]
