"""Graphs whose states travel: in as inputs, out as outputs, and whoever runs them keeps them."""

from collections.abc import Mapping

import numpy as np

from graphcnn.ir.graph import Graph, state_of, with_inputs
from graphcnn.ir.node import Array, Value, build, freeze
from graphcnn.ir.sources import Constant, Input, State
from graphcnn.ops.broadcast import BroadcastTo

#: The new value of the state "C1.weight" is the output "C1.weight.new".
NEW = ".new"


def open_states(graph: Graph) -> Graph:
    """States become inputs of the same names, after the graph's own; updates become outputs."""
    new: dict[Value, Value] = {}
    for node in graph.nodes:
        if isinstance(node.op, State):
            source = Input(node.op.key, node.op.type)
            new[node.output] = build(source, (), node.name, node.origin).output
            continue
        inputs = tuple(new[v] for v in node.inputs)
        kept = node if inputs == node.inputs else with_inputs(node, inputs)
        new.update(zip(node.outputs, kept.outputs, strict=True))
    outputs = {key: new[v] for key, v in graph.outputs.items()}
    outputs |= {state_of(s).key + NEW: new[v] for s, v in graph.updates.items()}
    return Graph.of([new[v] for v in (*graph.inputs, *graph.states)], outputs, name=graph.name)


def values_graph(name: str, arrays: Mapping[str, Array]) -> Graph:
    """A graph without inputs that gives these arrays. One that repeats a number stores it once."""
    outputs: dict[str, Value] = {}
    for key, array in arrays.items():
        first = array.reshape(-1)[:1]
        if array.size > 1 and np.array_equal(np.broadcast_to(first, array.shape), array):
            one = Constant(freeze(first.reshape(())))()
            outputs[key] = BroadcastTo(array.shape)(one, name=key)
        else:
            outputs[key] = Constant(freeze(array))(name=key)
    return Graph.of((), outputs, name=name)
