"""Names that last: every node and state of a model gets one, once, when the model is made."""

from collections.abc import Sequence
from dataclasses import replace

from graphcnn.graph import Graph, unique_names
from graphcnn.ir import Node, Value, build
from graphcnn.sources import Constant, State


def named(graph: Graph) -> Graph:
    """The graph with a unique name on every node, and a key on every state.

    A state without a key is named after the operand of the first node that reads it:
    the weight of the convolution "C1" becomes "C1.weight".
    """
    names = unique_names(graph)
    keys = {v.node: key for v, key in state_keys(graph, names).items()}

    def rename(node: Node, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
        if isinstance(node.op, Constant):
            return None
        key = keys.get(node, names[node])
        op = replace(node.op, key=key) if isinstance(node.op, State) else node.op
        if key == node.name and op == node.op:
            return None
        return build(op, inputs, key, node.origin).outputs

    return graph.transform(rename)


def state_keys(graph: Graph, names: dict[Node, str]) -> dict[Value, str]:
    """A key for every state that has none."""
    taken = {v.node.op.key for v in graph.states if isinstance(v.node.op, State)}
    keys: dict[Value, str] = {}
    for node in graph.nodes:
        for position, value in enumerate(node.inputs):
            if not isinstance(value.node.op, State) or value.node.op.key or value in keys:
                continue
            stem = f"{names[node]}.{node.op.operand_name(position)}"
            key, count = stem, 1
            while key in taken:
                count += 1
                key = f"{stem}_{count}"
            taken.add(key)
            keys[value] = key
    return keys
