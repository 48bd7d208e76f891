"""Placed operators: the code that knows the layouts, of whoever registered it with `places`."""

from typing import cast

from graphcnn.errors import GraphError
from graphcnn.ir.node import Node
from graphcnn.ops.layout import Placed
from graphcnn.runtime.native.code.kernel import Kernel
from graphcnn.runtime.native.code.registry import LOWERINGS, PLACED, heavy_op, lowers
from graphcnn.runtime.native.code.target import Target


@lowers("placed")
def lower_placed_node(node: Node, target: Target) -> Kernel:
    """The code for these layouts; where all are plain, the operator's own."""
    op = cast(Placed, node.op)
    if {*op.reads, *op.writes} <= {"plain"}:
        return LOWERINGS[op.op.name](Node(op.op, node.inputs, node.types, node.name), target)
    name = heavy_op(node).name
    if name not in PLACED:
        raise GraphError(f"{name} has no native lowering for {op.reads} -> {op.writes}")
    return PLACED[name](node, target)
