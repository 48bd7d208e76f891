"""Write operators out that there is no code for.

dequantize(x, scale, zero)        becomes        (cast f32(x) - cast f32(zero)) · scale
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Op, Value
from graphcnn.passes.driver.base import Pass, PassLog


def nothing(op: Op) -> bool:
    """Whatever expands is written out."""
    return False


@dataclass(frozen=True)
class Expand(Pass):
    """Replace every operator without a lowering by the smaller ones that it expands to.

    One that does not expand either is left as it is: who lowers it says that it has no lowering.

    Attributes:
        lowered: whether the runtime has code for an operator; by default it has for none.
    """

    lowered: Callable[[Op], bool] = field(default=nothing, repr=False)

    tolerance: ClassVar[float | None] = 1e-4

    def run(self, graph: Graph, log: PassLog) -> Graph:
        def expanded(old: Node, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
            if not old.op.has("expand") or self.lowered(old.op):
                return None
            log.fired[old.op.name] += 1
            return _called(old.name, old.op.expand(*inputs), inputs)

        while (found := graph.transform(expanded, by=self.name)) is not graph:
            graph = found  # whose new operators may be without a lowering in their turn
        return graph


def _called(name: str, results: Sequence[Value], inputs: Sequence[Value]) -> list[Value]:
    """The results, made by nodes of this name. What was given keeps its own."""
    given = {value.node for value in inputs}
    named = {v.node: replace(v.node, name=name) for v in results if v.node not in given}
    return [named[v.node].outputs[v.index] if v.node in named else v for v in results]
