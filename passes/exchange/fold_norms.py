"""Fold batch norms into the values of weights: a network without them, to be stored.

    batch_norm(conv2d(x, "C1.weight"))    ->    conv2d(x, "C1.weight", "C1.bias")

`fold_batch_norm` leaves the products of weights and scales in the graph, where they follow when
weights change; here they are computed, and become states under the names that a layer has.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from graphcnn.ir.evaluate import Evaluator, between
from graphcnn.ir.graph import Graph, state_of, unique_names
from graphcnn.ir.naming import named, state_keys
from graphcnn.ir.node import Node, Value
from graphcnn.ir.sources import Role, State
from graphcnn.passes.driver.base import Pass, PassLog, States
from graphcnn.passes.driver.rewrite import rewrite
from graphcnn.passes.lowering.split_states import split_states
from graphcnn.passes.simplify.fold_batch_norm import (
    FoldBatchNorm,
    batch_norm_before_layer,
    batch_norm_into_layer,
)


@dataclass(frozen=True)
class FoldNorms(Pass):
    """Fold the batch norms that stand beside a layer; the others stay."""

    tolerance: ClassVar[float | None] = FoldBatchNorm.tolerance

    def run(self, graph: Graph, log: PassLog) -> Graph:
        return self._folded(graph, log)[1]

    def apply(self, graph: Graph, states: States, log: PassLog) -> tuple[Graph, States]:
        prepare, after, keys = self._folded(graph, log)
        if prepare is None:
            return graph, states
        known = {s: np.asarray(states[state_of(s).key]) for s in prepare.states}
        made = Evaluator(between(known, prepare.results), prepare.results).run(known)
        arrays = {keys[key]: made[value] for key, value in prepare.outputs.items()}
        kept = {state_of(s).key for s in after.states} - set(arrays)
        return after, arrays | {key: states[key] for key in kept}

    def _folded(self, graph: Graph, log: PassLog) -> tuple[Graph | None, Graph, dict[str, str]]:
        """What computes the new states, the graph, and its keys for the results of the first."""
        rules = (batch_norm_into_layer, batch_norm_before_layer)
        prepare, run = split_states(rewrite(graph, rules, log, self.name))
        if prepare is None:
            return None, graph, {}
        stand_ins: dict[str, Value] = {}

        def without_key(node: Node, inputs: tuple[Value, ...]) -> list[Value] | None:
            if not isinstance(node.op, State) or node.op.key not in prepare.outputs:
                return None
            op = replace(node.op, key="", role=Role.PARAMETER, trainable=True)
            stand_ins[node.op.key] = op()
            return [stand_ins[node.op.key]]

        run = run.transform(without_key)
        keys = state_keys(run, unique_names(run))
        return prepare, named(run), {key: keys[value] for key, value in stand_ins.items()}
