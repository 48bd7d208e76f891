"""Fused groups: the elementwise ones here, those around a heavy operator where that one is.

`anchored("conv2d")` registers the lowering of the groups that have a convolution in them.
"""

from collections.abc import Callable

from graphcnn.errors import GraphError
from graphcnn.ir.node import Node
from graphcnn.ops.fused import Fused
from graphcnn.runtime.native.code.kernel import Kernel, Lowering, lowers
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.tensor.elementwise import lower_elementwise

#: Name of the heavy operator to the lowering of a `Fused` node around it.
ANCHORED: dict[str, Lowering] = {}


def anchored(*ops: str) -> Callable[[Lowering], Lowering]:
    """Register the lowering of fused groups around heavy operators."""

    def register(function: Lowering) -> Lowering:
        for op in ops:
            if op in ANCHORED:
                raise TypeError(f"two lowerings for groups around {op!r}")
            ANCHORED[op] = function
        return function

    return register


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
