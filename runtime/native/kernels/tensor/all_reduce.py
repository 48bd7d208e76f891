"""The sum of shards that are all alike: what `all_reduce` is in a graph that is run by itself.

No plan has it for a step. What shards add up is added by `graphcnn.runtime.native.sums`, in place.
"""

from math import prod

import llvmlite.ir as ir

from graphcnn.ir.node import Node
from graphcnn.ops.parts.tree import tree_sum
from graphcnn.ops.reduce import AllReduce
from graphcnn.runtime.native.code.emit import Emitter
from graphcnn.runtime.native.code.kernel import Kernel, node_key
from graphcnn.runtime.native.code.registry import lowers
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.parts.expressions import refuse_half
from graphcnn.runtime.native.kernels.parts.loops import sizes_of


@lowers("all_reduce")
def lower_all_reduce(node: Node, target: Target) -> Kernel:
    refuse_half(node)
    assert isinstance(node.op, AllReduce)
    dtype, count, shards = node.types[0].dtype, prod(sizes_of(node.types[0])), node.op.shards

    def emit(e: Emitter) -> None:
        x, y = e.operands
        plus = e.add if dtype.is_float else e.b.add

        def one(i: ir.Value) -> None:
            value = e.load(e.at(x, dtype, (i, 1)), dtype)
            e.store(tree_sum([value] * shards, plus), e.at(y, dtype, (i, 1)))

        e.loop(*e.share(count), one)

    return Kernel(node_key(node), emit, 2, count)
