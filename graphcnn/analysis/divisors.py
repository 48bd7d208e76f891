"""Which integer inputs of a graph are divided by."""

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node
from graphcnn.ir.sources import Input
from graphcnn.ops.elementwise import Quotient, Remainder


def divisor_inputs(graph: Graph) -> frozenset[str]:
    """The keys of the integer inputs of which divisors of integers are made: 0 is no number to try
    such a graph with."""
    found: set[Node] = set()
    for node in reversed(graph.nodes):
        if isinstance(node.op, Quotient | Remainder) and not node.output.dtype.is_float:
            found.add(node.inputs[1].node)
        if node in found:
            found |= {v.node for v in node.inputs if not v.dtype.is_float}
    return frozenset(n.op.key for n in found if isinstance(n.op, Input))
