"""Which names are read: by a node, by a function, by a whole model for its outputs."""

from collections.abc import Iterator

from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto


def inner_graphs(node: NodeProto) -> list[GraphProto]:
    """The graphs that a node has as attributes."""
    return [a.g for a in node.attribute if a.type == AttributeProto.GRAPH]


def all_nodes(graph: GraphProto) -> Iterator[NodeProto]:
    """The nodes of a graph, and those of the graphs inside of them."""
    graphs = [graph]
    while graphs:
        for node in graphs.pop().node:
            yield node
            graphs += inner_graphs(node)


def names_read(node: NodeProto) -> set[str]:
    """The names that a node reads, those inside of its graphs included."""
    found = set(node.input)
    graphs = inner_graphs(node)
    while graphs:
        graph = graphs.pop()
        found.update(v.name for v in graph.output)
        for inner in graph.node:
            found.update(inner.input)
            graphs += inner_graphs(inner)
    return found


def names_in(function: FunctionProto) -> set[str]:
    """The names that the body of a function reads, and those of its results."""
    return set(function.output).union(*(names_read(node) for node in function.node))


def names_used(model: ModelProto) -> set[str]:
    """The names that the outputs of a model need, those inside of its functions included."""
    used = {v.name for v in model.graph.output}
    for node in reversed(model.graph.node):
        if not used.isdisjoint(node.output):
            used |= names_read(node)
    return used.union(*(names_in(f) for f in model.functions))
