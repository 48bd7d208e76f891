"""Compute once, at compile time, what depends on constants only.

    operator(constants) -> constant

States are not constants, because training or loading changes them; `fold_states` makes them so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphcnn.errors import DataError
from graphcnn.ir.evaluate import results_of
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Value, freeze
from graphcnn.ir.sources import Constant
from graphcnn.passes.driver.base import Pass, PassLog, Refusal, no


@dataclass(frozen=True)
class FoldConstants(Pass):
    """Replace operators whose inputs are all constant by their results.

    A result of more than `max_bytes` bytes is made only if it is no larger than what it is made
    from: a constant spread over an image is better spread when it is needed.
    """

    max_bytes: int = 1 << 20

    def run(self, graph: Graph, log: PassLog) -> Graph:
        def fold(old: Node, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
            constant = all(isinstance(v.node.op, Constant) for v in inputs)
            if not constant or not old.op.pure or isinstance(old.op, Constant):
                return None
            results = self._fold(old, inputs)
            if isinstance(results, Refusal):
                log.refuse(Refusal(results.reason, results.node, self.name))
                return None
            log.fired[old.op.name] += 1
            return results

        return graph.transform(fold, by=self.name)

    def _fold(self, node: Node, inputs: tuple[Value, ...]) -> Sequence[Value] | Refusal:
        if node.op.bind(1) is not node.op or not all(t.is_bound for t in node.types):
            return no("it depends on N; bind(N=...) first", node)
        made, given = sum(t.bytes for t in node.types), sum(v.type.bytes for v in inputs)
        if made > max(given, self.max_bytes):
            return no(
                f"the result has {made} bytes, its inputs {given}, and max_bytes is "
                f"{self.max_bytes}",
                node,
            )
        try:
            results = results_of(node, [v.node.op.evaluate() for v in inputs])
        except DataError as error:
            return no(f"the constants are wrong, running it will fail: {error}", node)
        return [
            Constant(freeze(np.array(array, t.dtype.numpy, order="C")))(name=node.name)
            for array, t in zip(results, node.types, strict=True)
        ]
