"""Where a step keeps its gradients, let what comes of them read them from where they are kept.

    relayout(g; plain) -> kept, f(g)        becomes        kept, f(relayout(kept; the layout of g))

An optimiser works in the layout of its parameter, the gradients that are kept are plain. Whoever
changes these between the phases of a step means the new value of the parameter.
"""

from dataclasses import dataclass

from graphcnn.ir.graph import Graph, rebuilt
from graphcnn.ir.node import Value
from graphcnn.ir.origin import inherit
from graphcnn.ir.plan import kept_gradients
from graphcnn.ops.layout import Relayout
from graphcnn.passes.driver.base import Pass, PassLog


@dataclass(frozen=True)
class ReadGradients(Pass):
    """Read gradients where they are kept; moves bytes and changes no number."""

    def run(self, graph: Graph, log: PassLog) -> Graph:
        kept = [*kept_gradients(graph).values()]
        new: dict[Value, Value] = {}
        for value in kept:
            if isinstance(value.node.op, Relayout):
                (packed,) = value.node.inputs
                with inherit(value.node.origin):
                    new[packed] = Relayout(packed.type.layout)(value)
                log.fired["relayout"] += 1
        if not new:
            return graph
        new |= {value: value for value in kept}
        results = [*graph.outputs.values(), *graph.updates.values()]
        found = rebuilt(results, new)
        count = len(graph.outputs)
        return graph.with_outputs(
            dict(zip(graph.outputs, found[:count], strict=True)),
            dict(zip(graph.updates, found[count:], strict=True)),
        )
