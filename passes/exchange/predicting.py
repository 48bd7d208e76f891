"""Take what stands for a draw in a prediction, for files that predict.

in_training(p, t)           ->          p           and nothing of t is left
"""

from collections.abc import Sequence
from dataclasses import dataclass

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Value
from graphcnn.ops.random import InTraining
from graphcnn.passes.driver.base import Pass, PassLog


@dataclass(frozen=True)
class Predicting(Pass):
    """Leave out what is drawn in training only."""

    def run(self, graph: Graph, log: PassLog) -> Graph:
        def taken(node: Node, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
            if not isinstance(node.op, InTraining):
                return None
            log.fired[node.op.name] += 1
            return [inputs[0]]

        return graph.transform(taken, by=self.name)
