"""What in a graph depends on random numbers."""

from graphcnn.graph import Graph
from graphcnn.ir import Node


def random_nodes(graph: Graph) -> frozenset[Node]:
    """The nodes that draw numbers, and those that compute with such."""
    found: set[Node] = set()
    for node in graph.nodes:
        if node.op.name == "random_uniform" or any(v.node in found for v in node.inputs):
            found.add(node)
    return frozenset(found)


def random_outputs(graph: Graph) -> tuple[str, ...]:
    """The outputs among them, in order."""
    found = random_nodes(graph)
    return tuple(key for key, value in graph.outputs.items() if value.node in found)
