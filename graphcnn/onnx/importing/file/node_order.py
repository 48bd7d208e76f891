"""Nodes in the order in which they can be computed.

The standard asks for sorted nodes, yet tools write files whose nodes stand in another order, and
ONNX Runtime sorts them. A graph that has an order gets it, here; one with a cycle stays as it is,
and the validation names a node of it.
"""

import heapq
from collections.abc import Sequence
from typing import Any

from onnx import ModelProto, NodeProto

from graphcnn.onnx.importing.file.names_read import inner_graphs, names_read


def sort_nodes(model: ModelProto) -> None:
    """Put the nodes of every graph and function behind those that make what they read.

    Only what is out of order is changed, and then nodes stay as near to their places as can be.
    """
    bodies: list[Any] = [model.graph, *model.functions]
    while bodies:
        body = bodies.pop()
        order = _order(body.node)
        if order is not None:
            nodes = [NodeProto.FromString(body.node[i].SerializeToString()) for i in order]
            del body.node[:]
            body.node.extend(nodes)
        bodies += (graph for node in body.node for graph in inner_graphs(node))


def _order(nodes: Sequence[NodeProto]) -> list[int] | None:
    """The places of the nodes in order; None where they are in order, or where there is none."""
    makers: dict[str, int] = {}
    for i, node in enumerate(nodes):
        for name in filter(None, node.output):
            makers.setdefault(name, i)
    before = [{makers[n] for n in names_read(node) if n in makers} for node in nodes]
    if all(j < i for i, made in enumerate(before) for j in made):
        return None
    after: list[list[int]] = [[] for _ in nodes]
    for i, made in enumerate(before):
        for j in made:
            after[j].append(i)
    waiting = [len(made) for made in before]
    ready = [i for i, count in enumerate(waiting) if not count]
    order: list[int] = []
    while ready:
        order.append(heapq.heappop(ready))
        for i in after[order[-1]]:
            waiting[i] -= 1
            if not waiting[i]:
                heapq.heappush(ready, i)
    return order if len(order) == len(nodes) else None
