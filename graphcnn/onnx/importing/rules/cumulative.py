"""Running sums and products of ONNX along an axis: CumSum, CumProd."""

from collections.abc import Callable

import numpy as np

from graphcnn.ir.node import Value, constant_of
from graphcnn.onnx.importing.context import Call, imports
from graphcnn.onnx.importing.rules.parts import cut
from graphcnn.onnx.importing.rules.scatter import size_of
from graphcnn.ops.elementwise import Add, Mul
from graphcnn.ops.shape import Embed


def _running(name: str, op: Callable[[Value, Value], Value], neutral: int) -> None:
    """y[i] = x[0] op ... op x[i], in log2(n) steps: each doubles how many elements are joined."""

    @imports(name)
    def rule(call: Call) -> Value:
        x = call.value(0)
        axis = call.axis(int(call.scalar(1, "axis")), x.type.rank)
        size, back = size_of(x, axis), bool(call.attribute("reverse", 0))
        y = _shifted(x, axis, 1, back, neutral) if call.attribute("exclusive", 0) else x
        step = 1
        while step < size:
            y = op(y, _shifted(y, axis, step, back, neutral))
            step *= 2
        return y


def _shifted(x: Value, axis: int, by: int, back: bool, neutral: int) -> Value:
    """x moved along an axis, the neutral element where it moved away from."""
    size, rank = size_of(x, axis), x.type.rank
    border = np.full([size if a == axis else 1 for a in range(rank)], neutral)
    if by >= size:
        return x * 0 + constant_of(border, x.dtype)
    kept = cut(x, axis, by if back else 0, size - by)
    starts = tuple(by if a == axis and not back else 0 for a in range(rank))
    y = Embed(x.shape, starts, (1,) * rank)(kept)
    if not neutral:
        return y
    inside = [slice(None)] * rank
    inside[axis] = slice(0, size - by) if back else slice(by, size)
    border[tuple(inside)] = 0
    return y + constant_of(border, x.dtype)


_running("CumSum", Add(), 0)
_running("CumProd", Mul(), 1)
