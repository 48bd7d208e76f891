"""Kernels that are known, rotated before a graph is written: ONNX's convolutions never rotate."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.naming import Names
from graphcnn.ir.node import Array, Node, Value, build, freeze
from graphcnn.ir.sources import Constant, State
from graphcnn.ops.conv import Conv2d, ConvTranspose2d


def turn_kernels(graph: Graph, states: Mapping[str, Array]) -> tuple[Graph, Mapping[str, Array]]:
    """The graph in which no convolution with a stored kernel rotates it, and its states then."""
    names = Names([*states, *(node.name for node in graph.nodes)])
    found: dict[str, Array] = {}
    turned: dict[Value, Value] = {}

    def rotated(weight: Value, node: Node) -> Value:
        op: Any = weight.node.op
        if isinstance(op, Constant):
            return Constant(freeze(_rotated(op.array)))(name=names.fresh(f"{node.name}.flipped"))
        key = names.fresh(f"{node.name}.flipped")
        found[key] = _rotated(states[op.key])
        return build(replace(op, key=key), (), key, weight.node.origin).output

    def rewrite(node: Node, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
        op = node.op
        if not isinstance(op, Conv2d | ConvTranspose2d) or not op.flip_kernel:
            return None
        old = node.inputs[1]
        if not isinstance(old.node.op, State | Constant):
            return None
        if old not in turned:
            turned[old] = rotated(old, node)
        operands = (inputs[0], turned[old], *inputs[2:])
        return build(replace(op, flip_kernel=False), operands, node.name, node.origin).outputs

    new = graph.transform(rewrite)
    if not turned:
        return graph, states
    kept = {state_of(s).key for s in new.states}
    return new, {k: a for k, a in {**states, **found}.items() if k in kept}


def _rotated(kernel: Array) -> Array:
    return np.ascontiguousarray(kernel[:, :, ::-1, ::-1])
