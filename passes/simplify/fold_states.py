"""Make states constant: a trained network, frozen for inference or for a file.

    state "C1.weight" -> constant

`fold_constants` can then compute everything that is made of weights alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Node, Value, freeze
from graphcnn.ir.sources import Constant, State
from graphcnn.passes.driver.base import Pass, PassLog, Refusal


@dataclass(frozen=True)
class FoldStates(Pass):
    """Replace the states whose keys are in `values` by those arrays.

    A state that the graph updates stays, and so does one without a value. Raises `GraphError`
    where an array has another shape or element type than its state.
    """

    values: Mapping[str, Array] = field(default_factory=dict, repr=False)

    #: The outputs no longer depend on the states, so there is nothing to compare with.
    tolerance: ClassVar[float | None] = None

    def run(self, graph: Graph, log: PassLog) -> Graph:
        def fold(node: Node, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
            if not isinstance(node.op, State) or node.op.key not in self.values:
                return None
            if node.output in graph.updates:
                log.refuse(Refusal("the graph updates it", node, self.name))
                return None
            log.fired["state"] += 1
            return [Constant(_fitting(self.values[node.op.key], node.op))(name=node.op.key)]

        return graph.transform(fold, by=self.name)


def _fitting(array: Array, state: State) -> Array:
    frozen = freeze(array)
    found = Constant(frozen).infer()
    if found != state.type:
        raise GraphError(f"state {state.key!r} must be {state.type}, found a value of {found}")
    return frozen


def freeze_states(graph: Graph, values: Mapping[str, Array]) -> Graph:
    """`graph` with the states named in `values` made constant."""
    return FoldStates(values)(graph)
