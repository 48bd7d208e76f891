"""Maxima of integers of 8 bits, which our pools take of floats.

    cast u8(max_pool2d(cast f32(x: u8)))    becomes    MaxPool(x)

ONNX's padding is the least number of the type, where ours is -∞. That is the same, since every
window of ours meets a pixel.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Value
from graphcnn.ir.tensor_type import DType
from graphcnn.onnx.exporting.qlinear import is_alone
from graphcnn.onnx.exporting.rules.pool import is_plain, max_pool
from graphcnn.onnx.exporting.writer import NodeWriter
from graphcnn.ops.elementwise import Cast
from graphcnn.ops.pool import MaxPool2d


@dataclass(frozen=True)
class BytePool:
    """A pool between two casts, without the second one, and what it reads."""

    pool: Node
    x: Value
    inner: frozenset[Node]

    def emit(self, emit: NodeWriter, node: Node, values: Mapping[Value, str]) -> list[str]:
        return max_pool(emit, self.pool.op, values[self.x], self.x.type, indices=False)


def byte_pool(graph: Graph, node: Node) -> BytePool | None:
    """The pool that ends in `node`."""
    pool = node.inputs[0].node if isinstance(node.op, Cast) else None
    if pool is None or not isinstance(pool.op, MaxPool2d) or pool.op.indices:
        return None
    cast = pool.inputs[0].node
    if not isinstance(cast.op, Cast) or not is_alone(graph, pool.output):
        return None
    (x,) = cast.inputs
    if x.dtype not in (DType.INT8, DType.UINT8) or node.output.dtype is not x.dtype:
        return None
    if not cast.output.dtype.is_float or cast.output.dtype.bits < 16:  # which hold all of them
        return None
    if not is_plain(pool.op, x.type):
        return None
    return BytePool(pool, x, frozenset([pool, *([cast] if is_alone(graph, cast.output) else [])]))
