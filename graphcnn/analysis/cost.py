"""What nodes cost, by operator: the registry that summaries and schedulers ask.

A multiply-add is one multiplication together with one addition, the unit in which convolutions
and matrix products are measured. Operators without products of two tensors (pooling, activations,
normalisation, shapes) count none: their time is that of reading and writing memory.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node
from graphcnn.ir.tensor_type import Shape, known_size


@dataclass(frozen=True)
class Cost:
    """Arithmetic of one node: per item while the batch size is `N`, else of the whole batch."""

    multiply_adds: int = 0


#: Cost of a node, by the name of its operator. An operator that is not here costs no multiply-adds.
COST: dict[str, Callable[[Node], Cost]] = {}


def costs(*names: str) -> Callable[[Callable[[Node], int]], Callable[[Node], int]]:
    """Register a function that gives the multiply-adds of these operators."""

    def register(count: Callable[[Node], int]) -> Callable[[Node], int]:
        for name in names:
            COST[name] = lambda node: Cost(count(node))
        return count

    return register


def multiply_adds(node: Node) -> int:
    """Multiply-adds of a node; `N` counts as 1."""
    return COST[node.op.name](node).multiply_adds if node.op.name in COST else 0


def total_multiply_adds(graph: Graph) -> int:
    """Multiply-adds of all nodes; `N` counts as 1."""
    return sum(map(multiply_adds, graph.nodes))


@costs("conv2d", "conv_integer")
def _conv2d(node: Node) -> int:
    """Every output element sums C/groups · KH · KW products."""
    return known_size(node.output.shape) * _taps(node.inputs[1].shape)


@costs("conv_transpose2d")
def _conv_transpose2d(node: Node) -> int:
    """Every input element paints C/groups · KH · KW products."""
    return known_size(node.inputs[0].shape) * _taps(node.inputs[1].shape)


@costs("conv2d_weight_grad")
def _conv2d_weight_grad(node: Node) -> int:
    """Every element of dy meets C/groups · KH · KW input pixels."""
    return known_size(node.inputs[1].shape) * _taps(node.output.shape)


@costs("dense")
def _dense(node: Node) -> int:
    """Every output sums F products."""
    return known_size(node.output.shape) * known_size(node.inputs[0].shape[1:])


@costs("matmul", "matmul_integer")
def _matmul(node: Node) -> int:
    """Every output element sums K products."""
    a = node.inputs[0].shape
    inner = a[-2] if getattr(node.op, "transpose_a", False) else a[-1]
    return known_size(node.output.shape) * known_size((inner,))


@costs("max_pool2d_grad")
def _max_pool2d_grad(node: Node) -> int:
    """None: maxima are compared, and shares are chosen."""
    return 0


@costs("fused")
def _fused(node: Node) -> int:
    """The sum over the body."""
    body = node.op.attributes["body"]
    return sum(map(multiply_adds, body.nodes))


@costs("placed")
def _placed(node: Node) -> int:
    """Those of the operator that is placed."""
    plain = [replace(t, layout="plain") for t in node.types]
    return multiply_adds(Node(node.op.attributes["op"], node.inputs, tuple(plain)))


def _taps(kernel: Shape) -> int:
    return math.prod(d for d in kernel[1:] if isinstance(d, int))
