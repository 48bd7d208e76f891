"""Fuse explicit padding into the windows that read it, so that the padded image is never made.

Sums of paddings, for x padded by p and a window that pads by q itself:

    conv2d(pad2d(x; p, 0), w; q)       = conv2d(x, w; p + q)
    max_pool2d(pad2d(x; p, -inf); q)   = max_pool2d(x; p + q)
    avg_pool2d(pad2d(x; p, 0); q)      = avg_pool2d(x; p + q)    where padding counts as pixels

A max pool keeps zero padding: its own padding is -inf, and a zero would win over negative pixels.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from graphcnn.ir.geometry import Sides
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Op
from graphcnn.ops.conv import Conv2d, Conv2dWeightGrad
from graphcnn.ops.padding import Pad2d
from graphcnn.ops.pool import AvgPool2d, MaxPool2d
from graphcnn.passes.driver.base import Pass, PassLog, no
from graphcnn.passes.driver.rewrite import Match, Result, rewrite, rule


def _total(p: Sides, q: Sides) -> Sides:
    return p[0] + q[0], p[1] + q[1], p[2] + q[2], p[3] + q[3]


@rule("conv2d", "conv2d_weight_grad")
def pad_into_conv(node: Node, match: Match) -> Result:
    """conv2d(pad2d(x; p, 0), w; q) -> conv2d(x, w; p + q)"""
    op, padded = node.op, node.inputs[0].node
    pad = padded.op
    if not isinstance(op, Conv2d | Conv2dWeightGrad) or not isinstance(pad, Pad2d):
        return None
    if pad.mode != "constant" or pad.value != 0:
        return no(f"a convolution pads with 0, not with {_fill(pad)}", padded)
    fused = replace(op, padding=_total(pad.padding, op.padding))
    return fused(padded.inputs[0], *node.inputs[1:], name=node.name)


@rule("max_pool2d")
def pad_into_max_pool(node: Node, match: Match) -> Result:
    """max_pool2d(pad2d(x; p, -inf); q) -> max_pool2d(x; p + q)"""
    op, padded = node.op, node.inputs[0].node
    pad = padded.op
    if not isinstance(op, MaxPool2d) or not isinstance(pad, Pad2d):
        return None
    if pad.mode != "constant" or pad.value != -math.inf:
        return no(f"max pooling pads with -inf, not with {_fill(pad)}", padded)
    if not padded.output.dtype.has_infinity:
        return no(f"{padded.output.dtype} has no infinity: the border is NaN", padded)
    if op.indices:
        return no("the indices count positions of the padded image", node)
    return _pool(node, op, pad)


@rule("avg_pool2d")
def pad_into_avg_pool(node: Node, match: Match) -> Result:
    """avg_pool2d(pad2d(x; p, 0); q) -> avg_pool2d(x; p + q, count_include_pad)"""
    op, padded = node.op, node.inputs[0].node
    pad = padded.op
    if not isinstance(op, AvgPool2d) or not isinstance(pad, Pad2d):
        return None
    if pad.mode != "constant" or pad.value != 0:
        return no(f"average pooling pads with 0, not with {_fill(pad)}", padded)
    if any(op.padding) and not op.count_include_pad:
        return no(
            f"the pool does not count its own padding {op.padding}, but must count the "
            f"explicit one {pad.padding}",
            node,
        )
    return _pool(node, op, pad, count_include_pad=True)


@rule("pad2d")
def pad_of_pad(node: Node, match: Match) -> Result:
    """pad2d(pad2d(x; p, v); q, v) -> pad2d(x; p + q, v)"""
    inner, op = node.inputs[0].node, node.op
    if not isinstance(op, Pad2d) or not isinstance(inner.op, Pad2d):
        return None
    if (op.mode, inner.op.mode) != ("constant", "constant") or op.value != inner.op.value:
        return no(f"the paddings fill with {_fill(inner.op)} and {_fill(op)}", node)
    both = replace(op, padding=_total(inner.op.padding, op.padding))
    return both(inner.inputs[0], name=node.name)


def _pool(node: Node, op: Any, pad: Pad2d, **changes: Any) -> Result:
    total = _total(pad.padding, op.padding)
    if op.ceil_mode:
        return no("with ceil_mode, padding and pixels place the last window differently", node)
    spans = [d * (k - 1) + 1 for k, d in zip(op.kernel, op.dilation, strict=True)]
    if max(total[:2]) >= spans[0] or max(total[2:]) >= spans[1]:
        return no(f"padding {total} would hold whole windows of span {tuple(spans)}", node)
    fused: Op = replace(op, padding=total, **changes)
    return fused(node.inputs[0].node.inputs[0], name=node.name)


def _fill(pad: Pad2d) -> str:
    return f"{pad.value:g}" if pad.mode == "constant" else f"mode {pad.mode!r}"


@dataclass(frozen=True)
class FusePad(Pass):
    """Sum explicit zero padding into convolutions and pools."""

    #: Padding adds exact zeros, but the library's matrix product may then sum in another order.
    tolerance: ClassVar[float | None] = 1e-6

    def run(self, graph: Graph, log: PassLog) -> Graph:
        rules = (pad_of_pad, pad_into_conv, pad_into_max_pool, pad_into_avg_pool)
        return rewrite(graph, rules, log, by=self.name)
