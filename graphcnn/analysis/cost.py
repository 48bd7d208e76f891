"""What nodes cost, by operator: the registry that summaries and schedulers ask.

A multiply-add is one multiplication together with one addition, the unit in which convolutions
and matrix products are measured. Operators without products of two tensors (pooling, activations,
normalisation, shapes) count none: their time is that of reading and writing memory.
"""

import math
from collections.abc import Callable
from dataclasses import replace

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Op
from graphcnn.ir.tensor_type import Shape, known_size
from graphcnn.ops.conv import Conv2d, Conv2dWeightGrad, ConvTranspose2d
from graphcnn.ops.dense import Dense, MatMul
from graphcnn.ops.fused import Fused
from graphcnn.ops.integer import ConvInteger, MatMulInteger
from graphcnn.ops.layout import Placed
from graphcnn.ops.loops import Scan
from graphcnn.ops.pool import MaxPool2dGrad

#: Multiply-adds of a node, by its operator. An operator that is not here costs none.
COST: dict[type[Op], Callable[[Node], int]] = {}


def costs(*ops: type[Op]) -> Callable[[Callable[[Node], int]], Callable[[Node], int]]:
    """Register a function that gives the multiply-adds of these operators."""

    def register(count: Callable[[Node], int]) -> Callable[[Node], int]:
        COST.update(dict.fromkeys(ops, count))
        return count

    return register


def multiply_adds(node: Node) -> int:
    """Multiply-adds of a node: per item while the batch size is `N`, else of the whole batch."""
    count = COST.get(type(node.op))
    return 0 if count is None else count(node)


def total_multiply_adds(graph: Graph) -> int:
    """Multiply-adds of all nodes; `N` counts as 1."""
    return sum(map(multiply_adds, graph.nodes))


@costs(Conv2d, ConvInteger)
def _conv2d(node: Node) -> int:
    """Every output element sums C/groups · KH · KW products, less where a mask leaves some out."""
    return _products(node.output.shape, node.inputs[1].shape, node.op)


@costs(ConvTranspose2d)
def _conv_transpose2d(node: Node) -> int:
    """Every input element paints C/groups · KH · KW products."""
    return _products(node.inputs[0].shape, node.inputs[1].shape, node.op)


@costs(Conv2dWeightGrad)
def _conv2d_weight_grad(node: Node) -> int:
    """Every element of dy meets C/groups · KH · KW input pixels."""
    return _products(node.inputs[1].shape, node.output.shape, node.op)


@costs(Dense)
def _dense(node: Node) -> int:
    """Every output sums F products."""
    return known_size(node.output.shape) * known_size(node.inputs[0].shape[1:])


@costs(MatMul, MatMulInteger)
def _matmul(node: Node) -> int:
    """Every output element sums K products."""
    a = node.inputs[0].shape
    inner = a[-2] if getattr(node.op, "transpose_a", False) else a[-1]
    return known_size(node.output.shape) * known_size((inner,))


@costs(MaxPool2dGrad)
def _max_pool2d_grad(node: Node) -> int:
    """None: maxima are compared, and shares are chosen."""
    return 0


@costs(Fused)
def _fused(node: Node) -> int:
    """The sum over the body."""
    body = node.op.attributes["body"]
    return sum(map(multiply_adds, body.nodes))


@costs(Scan)
def _scan(node: Node) -> int:
    """At every step, the sum over what moves in the body; once that over all else of it."""
    op: Scan = node.op  # type: ignore[assignment]
    each = [multiply_adds(n) * (op.length if n.output in op.moving else 1) for n in op.body.nodes]
    return sum(each)


@costs(Placed)
def _placed(node: Node) -> int:
    """Those of the operator that is placed."""
    plain = [replace(t, layout="plain") for t in node.types]
    return multiply_adds(Node(node.op.attributes["op"], node.inputs, tuple(plain)))


def _products(pixels: Shape, kernel: Shape, op: Op) -> int:
    """Each of the pixels with each weight of its channel; a mask leaves some out."""
    o, *each = (d for d in kernel if isinstance(d, int))
    if isinstance(op, ConvInteger) or not op.attributes.get("mask"):
        return known_size(pixels) * math.prod(each)
    convolution: Conv2d = op  # type: ignore[assignment]
    kh, kw = each[1:]
    kept = convolution.weights_of(o, each[0] * convolution.groups, (kh, kw))
    return known_size(pixels) * int(kept.sum()) // o
