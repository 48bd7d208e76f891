"""Rotate kernels that are known, for formats whose convolutions never rotate them.

    conv2d(x, w; flip_kernel)    ->    conv2d(x, rotated w)

A kernel that is a state becomes another state, "C1.flipped", which holds it rotated by 180 degrees.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.naming import Names
from graphcnn.ir.node import Array, Node, Value, build, freeze
from graphcnn.ir.sources import Constant, State
from graphcnn.ops.conv import Conv2d, ConvTranspose2d
from graphcnn.passes.driver.base import Pass, PassLog, States


@dataclass(frozen=True)
class TurnKernels(Pass):
    """Rotate the kernels that are states or constants; one that is computed stays."""

    def run(self, graph: Graph, log: PassLog) -> Graph:
        return self._turned(graph, log)[0]

    def apply(self, graph: Graph, states: States, log: PassLog) -> tuple[Graph, States]:
        after, turned = self._turned(graph, log)
        if after is graph:
            return graph, states
        keys = [state_of(s).key for s in after.states]
        return after, {k: _rotated(states[turned[k]]) if k in turned else states[k] for k in keys}

    def _turned(self, graph: Graph, log: PassLog) -> tuple[Graph, dict[str, str]]:
        """The graph, and the keys of the states that it turned by those of what they hold now."""
        names = Names([*(state_of(s).key for s in graph.states), *(n.name for n in graph.nodes)])
        keys: dict[str, str] = {}
        new: dict[Value, Value] = {}

        def rotated(weight: Value, name: str) -> Value:
            op: Any = weight.node.op
            name = names.fresh(f"{name}.flipped")
            if isinstance(op, Constant):
                return Constant(freeze(_rotated(op.array)))(name=name)
            keys[name] = op.key
            return build(replace(op, key=name), (), name, weight.node.origin).output

        def rewrite(node: Node, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
            op = node.op
            if not isinstance(op, Conv2d | ConvTranspose2d) or not op.flip_kernel:
                return None
            old = node.inputs[1]
            if not isinstance(old.node.op, State | Constant):
                return None
            if old not in new:
                new[old] = rotated(old, node.name)
            log.fired[op.name] += 1
            operands = (inputs[0], new[old], *inputs[2:])
            return build(replace(op, flip_kernel=False), operands, node.name, node.origin).outputs

        return graph.transform(rewrite, by=self.name), keys


def _rotated(kernel: Array) -> Array:
    return np.ascontiguousarray(kernel[:, :, ::-1, ::-1])
