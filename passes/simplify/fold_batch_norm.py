"""Fold batch norm, in its form of inference, into the layer before or after it.

With s = γ / sqrt(σ² + ε) and t = β - μ·s per channel, batch_norm(x) = s·x + t, and

    batch_norm(conv2d(x, w, b))  =  conv2d(x, s·w, s·(b - μ) + β)
    conv2d(batch_norm(x), w, b)  =  conv2d(x, w·s, b + sum of w·t)        without padding

where s scales output channels in the first and input channels in the second. Transposed
convolutions and dense layers are alike. Weights are states, so what is folded becomes arithmetic on
them, in new nodes: shared weights stay as they are, and `fold_constants` computes the result once
the states are constant. A batch norm with no layer to fold into becomes s·x + t itself.
"""

from dataclasses import dataclass
from typing import ClassVar

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Value
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.conv import Conv2d, ConvTranspose2d
from graphcnn.ops.dense import Dense
from graphcnn.ops.elementwise import Sqrt
from graphcnn.ops.norm import BatchNorm, per_channel
from graphcnn.ops.shape import Reshape
from graphcnn.passes.driver.base import Pass, PassLog, no
from graphcnn.passes.driver.patterns import is_fixed
from graphcnn.passes.driver.rewrite import Match, Result, rewrite, rule


def _scale(node: Node, op: BatchNorm) -> Value:
    """s = γ / sqrt(σ² + ε)"""
    _, gamma, _, _, variance = node.inputs
    return gamma / Sqrt()(variance + op.epsilon)


@rule("batch_norm")
def batch_norm_into_layer(node: Node, match: Match) -> Result:
    """batch_norm(conv2d(x, w, b)) -> conv2d(x, s·w, s·(b - μ) + β), the same for other layers"""
    op, layer = node.op, node.inputs[0].node
    if not isinstance(op, BatchNorm) or not isinstance(layer.op, Conv2d | ConvTranspose2d | Dense):
        return None
    if match.uses(layer.output) > 1:
        return no(f"{layer.op.name} is used without the batch norm too", layer)
    if not all(map(is_fixed, (*layer.inputs[1:], *node.inputs[1:]))):
        return no("weights or statistics depend on the inputs", node)
    x, weight, *bias = layer.inputs
    _, _, beta, mean, _ = node.inputs
    scale = _scale(node, op)
    shifted = (bias[0] - mean) if bias else -mean
    return layer.op(x, _scaled_rows(layer, weight, scale), shifted * scale + beta, name=layer.name)


def _scaled_rows(layer: Node, weight: Value, scale: Value) -> Value:
    """The weight with what feeds output channel c multiplied by scale[c]."""
    channels = int(scale.shape[0])  # type: ignore[arg-type]
    if isinstance(layer.op, ConvTranspose2d):
        groups = layer.op.groups
        if groups == 1:
            return weight * Reshape((1, channels, 1, 1))(scale)
        # Output channels are counted group by group: rows of a group feed its channels only.
        rows, per_group, *kernel = weight.shape
        grouped = Reshape((groups, int(rows) // groups, per_group, *kernel))(weight)  # type: ignore[arg-type]
        scaled = grouped * Reshape((groups, 1, per_group, 1, 1))(scale)
        return Reshape(weight.shape)(scaled)
    return weight * Reshape((channels, *(1 for _ in weight.shape[1:])))(scale)


@rule("conv2d", "dense")
def batch_norm_before_layer(node: Node, match: Match) -> Result:
    """conv2d(batch_norm(x), w, b) -> conv2d(x, w·s, b + sum of w·t), without padding; also dense"""
    norm = node.inputs[0].node
    if not isinstance(norm.op, BatchNorm):
        return None
    if isinstance(node.op, Conv2d) and any(node.op.padding):
        return no("the padding is 0 after the batch norm, it would be -t/s before it", node)
    if isinstance(node.op, Conv2d) and node.op.groups > 1:
        return no(f"not done for groups = {node.op.groups}", node)
    if match.uses(norm.output) > 1:
        return no("the batch norm is used elsewhere too", norm)
    if not all(map(is_fixed, (*node.inputs[1:], *norm.inputs[1:]))):
        return no("weights or statistics depend on the inputs", node)
    x, _, beta, mean, _ = norm.inputs
    _, weight, *bias = node.inputs
    scale = _scale(norm, norm.op)
    columns = (1, *scale.shape, *(1 for _ in weight.shape[2:]))
    shift = Reshape(columns)(beta - mean * scale)
    constant = Sum(tuple(range(1, weight.type.rank)))(weight * shift)
    total = bias[0] + constant if bias else constant
    return node.op(x, weight * Reshape(columns)(scale), total, name=node.name)


@rule("batch_norm")
def batch_norm_to_scale_and_shift(node: Node, match: Match) -> Result:
    """batch_norm(x) -> x·s + t"""
    op = node.op
    if not isinstance(op, BatchNorm):
        return None
    if not all(map(is_fixed, node.inputs[1:])):
        return no("its statistics depend on the inputs", node)
    x, _, beta, mean, _ = node.inputs
    scale = _scale(node, op)
    scaled = x * per_channel(scale, x)
    y = scaled + per_channel(beta - mean * scale, x)
    return y.node.op(*y.node.inputs, name=node.name)


@dataclass(frozen=True)
class FoldBatchNorm(Pass):
    """Fold batch norms into layers; write those that are left as a product and a sum."""

    #: Scales of any size meet in the sums, and (b - μ) may cancel.
    tolerance: ClassVar[float | None] = 1e-4

    def run(self, graph: Graph, log: PassLog) -> Graph:
        folded = rewrite(graph, (batch_norm_into_layer, batch_norm_before_layer), log, self.name)
        rest = PassLog()
        result = rewrite(folded, (batch_norm_to_scale_and_shift,), rest, self.name)
        log.fired.update(rest.fired)
        for refusal in rest.refused:
            log.refuse(refusal)
        return result
