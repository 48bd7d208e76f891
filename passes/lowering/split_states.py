"""Separate what depends on the weights alone: computed once when they change, not at every run.

    y = conv2d(x, w · s)    ->    prepare:  "prepared.0" = w · s
                                  run:      y = conv2d(x, state "prepared.0")

Batch norms folded into kernels, and kernels packed for the processor, cost nothing per image then.
"""

from collections.abc import Sequence

from graphcnn.ir.graph import Graph, topological_order
from graphcnn.ir.node import Node, Value
from graphcnn.ir.sources import Constant, Input, Role, State

PREPARED = "prepared."


#: Prepared of constants are arrays of at most so many times their bytes.
LARGER = 16


def split_states(graph: Graph, constants: bool = False) -> tuple[Graph | None, Graph]:
    """(prepare, run): the first computes, from states, values that the second takes as states.

    The first is None where nothing depends on states alone. States that the graph updates, and
    what depends on them, change from run to run and stay in the second. With `constants`, so is
    prepared what depends on constants alone and is not much larger than these.
    """
    fixed = known_before(graph)
    border: dict[Value, str] = {}

    def cross(value: Value) -> None:
        if value in fixed and not isinstance(value.node.op, State | Constant):
            border.setdefault(value, f"{PREPARED}{len(border)}")

    for node in graph.nodes:
        if not any(v in fixed for v in node.outputs):
            for value in node.inputs:
                cross(value)
    for value in graph.results:
        cross(value)
    border = {
        v: key
        for v, key in border.items()
        if _depends_on_state(v) or (constants and v.type.bytes <= LARGER * _constant_bytes(v))
    }
    if not border:
        return None, graph
    prepare = Graph.of((), {key: v for v, key in border.items()}, name=f"{graph.name} prepare")

    def stand_in(node: Node, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
        if not any(v in border for v in node.outputs):
            return None
        return [
            State(border[v], v.type, Role.SETTING, False)(name=border[v]) if v in border else v
            for v in node.outputs
        ]

    return prepare, graph.transform(stand_in)


def known_before(graph: Graph) -> set[Value]:
    """What depends on constants, and states that the graph does not update, alone."""
    fixed: set[Value] = set()
    for node in graph.nodes:
        known = all(v in fixed for v in node.inputs) and not isinstance(node.op, Input)
        if known and not (isinstance(node.op, State) and node.output in graph.updates):
            fixed.update(node.outputs)
    return fixed


def _depends_on_state(value: Value) -> bool:
    """Constants are folded elsewhere, with a cap on their size that is to be respected."""
    return any(isinstance(node.op, State) for node in topological_order([value.node]))


def _constant_bytes(value: Value) -> int:
    """The bytes of all constants that a value is computed from."""
    order = topological_order([value.node])
    return sum(n.output.type.bytes for n in order if isinstance(n.op, Constant))
