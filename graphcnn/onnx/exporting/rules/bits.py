"""Bits of integers in ONNX, which shifts numbers without a sign only."""

from typing import Any

import numpy as np

from graphcnn.ir.node import Node, Value
from graphcnn.ir.sources import Constant
from graphcnn.ir.tensor_type import DType
from graphcnn.onnx.exporting.registry import exports, plain
from graphcnn.onnx.exporting.writer import ELEMENT_TYPES, NodeWriter

for _name, _onnx_type in {
    "bit_and": "BitwiseAnd", "bit_or": "BitwiseOr", "bit_xor": "BitwiseXor",
}.items():  # fmt: skip
    exports(_name)(plain(_onnx_type))


@exports("bit_shift")
def bit_shift(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    """In 32 or 64 bits, for which every ONNX Runtime has kernels.

    A negative number to the right: its bits turned over, moved, and turned over again.
    """
    op: Any = node.op
    dtype, sign = node.output.dtype, not node.output.dtype.is_unsigned
    way = "LEFT" if op.left else "RIGHT"
    if dtype is DType.UINT8 and _inside(node.inputs[1], dtype.bits):
        return [emit.add("BitShift", *inputs, direction=way)]
    wide = DType[f"{'INT' if sign else 'UINT'}{max(32, dtype.bits)}"]
    x, count = (_cast(emit, v, dtype, wide) for v in inputs)
    negative = emit.add("Less", x, emit.scalar(0, wide)) if sign and not op.left else ""
    bare = DType[wide.name.removeprefix("U").replace("INT", "UINT")]
    y, count = (
        _cast(emit, _turned(emit, wide, negative, x), wide, bare),
        _cast(emit, count, wide, bare),
    )
    y = emit.add("BitShift", y, count, direction="LEFT" if op.left else "RIGHT")
    if not _inside(node.inputs[1], wide.bits):  # which ONNX leaves open: here nothing is left
        some = emit.add("Less", count, emit.scalar(wide.bits, bare))
        y = emit.add("Mul", y, emit.add("Cast", some, to=int(ELEMENT_TYPES[bare])))
    return [_cast(emit, _turned(emit, wide, negative, _cast(emit, y, bare, wide)), wide, dtype)]


def _cast(emit: NodeWriter, x: str, source: DType, dtype: DType) -> str:
    return x if source is dtype else emit.add("Cast", x, to=int(ELEMENT_TYPES[dtype]))


def _turned(emit: NodeWriter, dtype: DType, where: str, x: str) -> str:
    """-1 - x, the other bits, where that is asked for."""
    return emit.add("Where", where, emit.add("Sub", emit.scalar(-1, dtype), x), x) if where else x


def _inside(count: Value, bits: int) -> bool:
    """Whether a count is known, and known to leave bits."""
    op = count.node.op
    return isinstance(op, Constant) and bool(np.all((op.array >= 0) & (op.array < bits)))
