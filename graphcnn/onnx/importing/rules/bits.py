"""Bits of integers: those of ONNX are ours."""

from typing import Any

import numpy as np

from graphcnn.errors import ImportModelError
from graphcnn.ir.node import Op, Value
from graphcnn.onnx.importing.context import Call, imports
from graphcnn.onnx.importing.known.fold import folds
from graphcnn.ops.bits import BitAnd, BitOr, BitShift, BitXor


def _binary(name: str, op: Op) -> None:
    @imports(name)
    def rule(call: Call) -> Value:
        return op(call.value(0), call.value(1))


_binary("BitwiseAnd", BitAnd())
_binary("BitwiseOr", BitOr())
_binary("BitwiseXor", BitXor())


@imports("BitwiseNot")
def bitwise_not(call: Call) -> Value:
    """All bits turned over: those that either x or a number of ones has."""
    x = call.value(0)
    if x.dtype.is_float:
        raise ImportModelError(f"expected integers, found {x.type}")
    return BitXor()(x, call.like(np.bitwise_not(np.zeros((), x.dtype.numpy)), x))


@imports("BitShift")
def bit_shift(call: Call) -> Value:
    return _shift(call)(call.value(0), call.value(1))


@folds("BitShift")
def _folded(call: Call, arrays: list[Any]) -> Any:
    a, b = arrays
    call.store.fold(np.broadcast_shapes(a.shape, b.shape), a.dtype)
    return _shift(call).evaluate(a, b)


def _shift(call: Call) -> BitShift:
    direction = call.attribute("direction")
    if direction not in ("LEFT", "RIGHT"):
        raise ImportModelError(f"attribute 'direction' = {direction!r} must be LEFT or RIGHT")
    return BitShift(direction == "LEFT")
