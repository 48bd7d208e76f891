"""A runtime of the imagination: convolutions that are fast in blocks of 16 channels."""

from collections.abc import Iterator, Sequence
from math import prod

from graphcnn.analysis.cost import multiply_adds
from graphcnn.ir.node import Node
from graphcnn.ir.storage import Choice
from graphcnn.ops.fused import Fused

SLOW, FAST = 20e9, 100e9  # multiply-adds per second
#: Layouts of the anchor's inputs and of its result.
BLOCKED = {
    "conv2d": (("c16", "o16i16x1"), "c16"),
    "conv_transpose2d": (("c16", "i16o16x1"), "c16"),
    "conv2d_weight_grad": (("c16", "c16"), "o16i16x1"),
}


def choose(node: Node) -> Sequence[Choice] | None:
    """Plain or blocked for convolutions with their epilogues; nothing for all others."""
    anchor = node.op.anchor_node if isinstance(node.op, Fused) else node
    if anchor is None or anchor.op.name not in BLOCKED:
        return None
    return list(_choices(node, anchor))


def _choices(node: Node, anchor: Node) -> Iterator[Choice]:
    work, (reads, writes) = multiply_adds(node), BLOCKED[anchor.op.name]
    plain = ("plain",)
    yield Choice(plain * len(node.inputs), plain * len(node.types), "rows", work / SLOW)
    sizes = [v.shape[:2] for v in (*anchor.inputs[:2], *anchor.outputs)]
    if all(prod(s) and s[1] % 16 == 0 for s in sizes):
        others = ("c16" if writes == "c16" else writes, "plain")
        rest = tuple(others[v.shape != node.output.shape] for v in node.inputs[2:])
        yield Choice((*reads, *rest), (writes,) * len(node.types), "blocks", work / FAST)
