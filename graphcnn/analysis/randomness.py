"""What in a graph depends on random numbers."""

from collections.abc import Collection

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Value


def random_nodes(graph: Graph, drawn: Collection[Value] = ()) -> frozenset[Node]:
    """The nodes that draw numbers, and those that compute with such, or with values of `drawn`."""
    makers = {v.node for v in drawn}
    found: set[Node] = set()
    for node in graph.nodes:
        drawing = node.op.name == "random_uniform" or node in makers
        if drawing or any(v.node in found for v in node.inputs):
            found.add(node)
    return frozenset(found)


def random_outputs(graph: Graph, drawn: Collection[Value] = ()) -> tuple[str, ...]:
    """The outputs among them, in order."""
    found = random_nodes(graph, drawn)
    return tuple(key for key, value in graph.outputs.items() if value.node in found)
