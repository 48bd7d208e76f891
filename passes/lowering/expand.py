"""Write operators out that native code has no kernels for.

dequantize(x, scale, zero)        becomes        (cast f32(x) - cast f32(zero)) · scale
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Value
from graphcnn.passes.driver.base import Pass, PassLog


@dataclass(frozen=True)
class Expand(Pass):
    """Replace every operator that is `composite` by the smaller ones that it expands to."""

    def run(self, graph: Graph, log: PassLog) -> Graph:
        def expanded(old: Node, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
            if not old.op.composite:
                return None
            log.fired[old.op.name] += 1
            found = old.op.expand(*inputs)
            return [replace(v.node, name=old.name).outputs[v.index] for v in found]

        return graph.transform(expanded, by=self.name)
