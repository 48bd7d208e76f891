"""Sums of products of integers with what brings them to the scale of their result, as one node.

    quantize(dequantize(conv_integer(x, w; x_zero, w_zero) + bias; x_scale · w_scale / y_scale); 1;
    y_zero)  becomes  QLinearConv(x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias)

and the same of matmul_integer. Runtimes have their fast code for these nodes. What stands between
must be read by nobody else, and the types must be those that ONNX Runtime computes with.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Value
from graphcnn.ir.sources import Constant
from graphcnn.ir.tensor_type import DType
from graphcnn.onnx.exporting.rules.image import window_attributes
from graphcnn.onnx.exporting.rules.integer import as_row, row_axis
from graphcnn.onnx.exporting.writer import NodeWriter
from graphcnn.ops.elementwise import Add, Div, Mul
from graphcnn.ops.integer import ConvInteger, Dequantize, MatMulInteger, Quantize

I8, U8 = DType.INT8, DType.UINT8
#: Types of both factors and of the result.
TYPES = {(U8, U8, U8), (U8, I8, U8), (I8, I8, I8)}


@dataclass(frozen=True)
class QLinear:
    """The nodes of one QLinearConv or QLinearMatMul but the last, and what it reads.

    `scales` are those of both factors and of the result; None is 1.
    """

    sums: Node
    scales: tuple[Value | None, Value, Value | None]
    zero: Value | None
    bias: Value | None
    inner: frozenset[Node]

    def emit(self, emit: NodeWriter, node: Node, values: Mapping[Value, str]) -> list[str]:
        """One node for the group that ends in `node`."""

        def row(value: Value | None, dtype: DType, size: int | None, default: float) -> str:
            if value is not None:
                return as_row(emit, value, values[value], size)
            return emit.constant(np.full(() if size is None else size, default, dtype.numpy))

        sums = self.sums
        x, w, *zeros = sums.inputs
        x_zero, w_zero = [*zeros, None, None][:2]
        a, b, y = self.scales
        is_conv = isinstance(sums.op, ConvInteger)
        count = int(w.shape[0 if is_conv else -1])  # type: ignore[arg-type]
        size = count if any(v is not None and v.type.rank for v in (b, w_zero)) else None
        inputs = [
            values[x], row(a, DType.FLOAT32, None, 1.0), row(x_zero, x.dtype, None, 0),
            values[w], row(b, DType.FLOAT32, size, 1.0), row(w_zero, w.dtype, size, 0),
            row(y, DType.FLOAT32, None, 1.0), row(self.zero, node.output.dtype, None, 0),
        ]  # fmt: skip
        if self.bias is not None:
            inputs.append(row(self.bias, DType.INT32, count, 0))
        if not is_conv:
            return [emit.add("QLinearMatMul", *inputs)]
        return [emit.add("QLinearConv", *inputs, **window_attributes(sums.op, w.shape[2:]))]


def is_alone(graph: Graph, value: Value) -> bool:
    """Whether one operand of one node reads the value, and nothing outside of the graph."""
    return len(graph.users.get(value, ())) == 1 and value not in graph.results


def qlinear(graph: Graph, node: Node) -> QLinear | None:
    """The group that ends in `node`."""
    if not isinstance(node.op, Quantize) or not _is_one(node.inputs[1]):
        return None
    numbers, zero = node.inputs[0], node.inputs[2] if len(node.inputs) > 2 else None
    inner = numbers.node
    if not isinstance(inner.op, Dequantize) or len(inner.inputs) > 2:
        return None
    found, bias = inner.inputs[0], None
    chain = [numbers, found]
    if isinstance(found.node.op, Add):
        parts = found.node.inputs
        first = isinstance(parts[0].node.op, ConvInteger)
        found, bias = parts if first else parts[::-1]
        chain.append(found)
    sums = found.node
    is_conv = isinstance(sums.op, ConvInteger)
    if not is_conv and (bias is not None or not isinstance(sums.op, MatMulInteger)):
        return None
    types = (sums.inputs[0].dtype, sums.inputs[1].dtype, node.output.dtype)
    if types not in TYPES or not all(is_alone(graph, v) for v in chain):
        return None
    if (zero is not None and zero.type.rank) or not _zeros_fit(sums):
        return None
    rank = sums.output.type.rank
    axis = 1 if is_conv else rank - 1
    if bias is not None and row_axis([bias.shape], rank) not in (axis, -1):
        return None
    scales, made = _scales(graph, inner.inputs[1])
    a, b, y = scales
    several = row_axis([b.shape], rank)
    if several not in (axis, -1) or any(s is not None and s.type.rank for s in (a, y)):
        return None
    if several == axis and not is_conv and sums.inputs[1].type.rank != 2:
        return None
    return QLinear(sums, scales, zero, bias, frozenset([*(v.node for v in chain), *made]))


def _is_one(scale: Value) -> bool:
    op = scale.node.op
    return isinstance(op, Constant) and op.array.size == 1 and float(op.array.reshape(())) == 1.0


def _zeros_fit(sums: Node) -> bool:
    """One zero point of the first factor; one, or one for each filter or column, of the second."""
    _, second, *zeros = sums.inputs
    if zeros and zeros[0].type.rank:
        return False
    if len(zeros) < 2 or isinstance(sums.op, ConvInteger):
        return True
    return not zeros[1].type.rank or second.type.rank == 2


def _scales(
    graph: Graph, factor: Value
) -> tuple[tuple[Value | None, Value, Value | None], list[Node]]:
    """a, b and y of a factor a·b / y, with the nodes that serve it alone; else it is b."""
    quotient = factor.node
    if isinstance(quotient.op, Div) and isinstance(quotient.inputs[0].node.op, Mul):
        product, y = quotient.inputs
        a, b = product.node.inputs
        if factor.shape == b.shape and not a.type.rank and not y.type.rank:
            alone = [v for v in (factor, product) if is_alone(graph, v)]
            return (a, b, y), [v.node for v in alone[: len(alone) if alone[:1] == [factor] else 0]]
    return (None, factor, None), []
