"""Write kernels that are known as they are used, for formats whose convolutions have no words for
it.

    conv2d(x, w; flip_kernel)    ->    conv2d(x, rotated w)
    conv2d(x, w; mask)           ->    conv2d(x, w with zeros where the mask has none)

A kernel that is a state becomes another state, "C1.flipped", which holds it rotated by 180 degrees,
or "C1.masked".
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

Kind = Conv2d | ConvTranspose2d


@dataclass(frozen=True)
class TurnKernels(Pass):
    """Rotate and mask the kernels that are states or constants; one that is computed stays."""

    def run(self, graph: Graph, log: PassLog) -> Graph:
        return self._turned(graph, log)[0]

    def apply(self, graph: Graph, states: States, log: PassLog) -> tuple[Graph, States]:
        after, turned = self._turned(graph, log)
        if after is graph:
            return graph, states
        keys = [state_of(s).key for s in after.states]

        def value(key: str) -> Array:
            if key not in turned:
                return states[key]
            old, op = turned[key]
            return _written(states[old], op)

        return after, {k: value(k) for k in keys}

    def _turned(self, graph: Graph, log: PassLog) -> tuple[Graph, dict[str, tuple[str, Kind]]]:
        """The graph, and for each new state the key of the old one, and who reads it how."""
        names = Names([*(state_of(s).key for s in graph.states), *(n.name for n in graph.nodes)])
        keys: dict[str, tuple[str, Kind]] = {}
        new: dict[object, Value] = {}

        def written(weight: Value, name: str, reader: Kind) -> Value:
            op: Any = weight.node.op
            name = names.fresh(f"{name}.{'flipped' if reader.flip_kernel else 'masked'}")
            if isinstance(op, Constant):
                return Constant(freeze(_written(op.array, reader)))(name=name)
            keys[name] = op.key, reader
            return build(replace(op, key=name), (), name, weight.node.origin).output

        def rewrite(node: Node, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
            op = node.op
            if not isinstance(op, Conv2d | ConvTranspose2d) or not (op.flip_kernel or op.mask):
                return None
            old = node.inputs[1]
            if not isinstance(old.node.op, State | Constant):
                return None
            how = (old, op.mask, op.mask_groups, op.groups)
            if how not in new:
                new[how] = written(old, node.name, op)
            log.fired[op.name] += 1
            operands = (inputs[0], new[how], *inputs[2:])
            plain = replace(op, flip_kernel=False, mask="", mask_groups=1)
            return build(plain, operands, node.name, node.origin).outputs

        return graph.transform(rewrite, by=self.name), keys


def _written(kernel: Array, reader: Kind) -> Array:
    """A kernel as a convolution uses it."""
    kernel = reader.masked(kernel)
    return np.ascontiguousarray(kernel[:, :, ::-1, ::-1]) if reader.flip_kernel else kernel
