"""Nodes of ours that are one node of ONNX together."""

from collections.abc import Mapping
from typing import Protocol

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Value
from graphcnn.onnx.exporting.byte_pool import byte_pool
from graphcnn.onnx.exporting.qlinear import qlinear
from graphcnn.onnx.exporting.writer import NodeWriter


class NodeGroup(Protocol):
    """The nodes of a group but the last, which nothing outside of it reads."""

    @property
    def inner(self) -> frozenset[Node]: ...

    def emit(self, emit: NodeWriter, node: Node, values: Mapping[Value, str]) -> list[str]:
        """Write the group that ends in `node`; the names of its results."""
        ...


def find_groups(graph: Graph) -> dict[Node, NodeGroup]:
    """The groups of a graph by their last node, no two of which share nodes."""
    matched = ((node, qlinear(graph, node) or byte_pool(graph, node)) for node in graph.nodes)
    return {node: group for node, group in matched if group is not None}
