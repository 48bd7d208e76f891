"""Masked convolutions as native code has them: whole taps are skipped, single weights are zeros.

    conv2d(x, w; mask, colours)         ->    conv2d(x, where(mask, w, 0); mask B)
    conv2d_weight_grad(x, dy; mask)     ->    where(mask, conv2d_weight_grad(x, dy), 0)

Without colours a mask is whole taps, and a convolution stays as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Value
from graphcnn.ops.conv import Conv2d, Conv2dWeightGrad, ConvTranspose2d
from graphcnn.passes.driver.base import Pass, PassLog


@dataclass(frozen=True)
class WriteMasks(Pass):
    """Write the masks of weights into the graph, but for whole taps."""

    def run(self, graph: Graph, log: PassLog) -> Graph:
        def written(node: Node, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
            op = node.op
            if not isinstance(op, Conv2d | ConvTranspose2d | Conv2dWeightGrad):
                return None
            result = op.in_whole_taps(inputs)
            if result is None:
                return None
            log.fired[op.name] += 1
            named = replace(result.node, name=node.name)
            return [named.outputs[result.index]]

        return graph.transform(written, by=self.name)
