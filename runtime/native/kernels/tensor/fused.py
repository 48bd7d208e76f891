"""Fused groups: the elementwise ones, and those of whoever registered them with `anchored`."""

from graphcnn.errors import GraphError
from graphcnn.ir.node import Node
from graphcnn.ops.fused import Fused
from graphcnn.runtime.native.code.kernel import Kernel
from graphcnn.runtime.native.code.registry import ANCHORED, lowers
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.tensor.elementwise import lower_elementwise


@lowers("fused")
def lower_fused(node: Node, target: Target) -> Kernel:
    """Raises `GraphError` for a group around an operator without a lowering for groups."""
    assert isinstance(node.op, Fused)
    anchor = node.op.anchor_node
    if anchor is None:
        return lower_elementwise(node, target)
    if anchor.op.name not in ANCHORED:
        raise GraphError(f"groups around {anchor.op.name} have no native lowering")
    return ANCHORED[anchor.op.name](node, target)
