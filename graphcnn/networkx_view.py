"""A graph as networkx sees it, for its algorithms: dominators, paths, isomorphism, colouring."""

from typing import Any

import networkx as nx

from graphcnn.graph import Graph, unique_names


def to_networkx(graph: Graph) -> "nx.DiGraph[Any]":
    """A copy whose nodes are the `Node`s and whose edges run from producer to reader.

    Nodes have the attributes `name` (unique), `op` (the operator's name) and `types`; an edge has
    `operands`, the pairs (operand of the reader, result of the producer) that it stands for.
    """
    names = unique_names(graph)
    view: nx.DiGraph[Any] = nx.DiGraph(name=graph.name)
    for node in graph.nodes:
        view.add_node(node, name=names[node], op=node.op.name, types=node.types)
    for node in graph.nodes:
        for position, value in enumerate(node.inputs):
            if not view.has_edge(value.node, node):
                view.add_edge(value.node, node, operands=[])
            view.edges[value.node, node]["operands"].append((position, value.index))
    return view
