"""One spelling for things that can be written in several ways, so that other rules see only one.

Attributes are normal already when a node is built. What is left, and whom it serves:

    constants on the right            rules then look at one side only
    a + (-b) as a - b, x · -1 as -x   equal computations become equal nodes
    reshape after a reduction         one node, for the gradients that `keepdims` leaves behind
    a bias added after its layer      an operand of the layer, where padding and batch norm fold it
    a transpose before matmul         an attribute of matmul

All keep every bit. The order of maximum and minimum stays, because where both operands are equal
the gradient goes to the first; flatten stays flatten; x - constant is not made x + constant.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Op, Value
from graphcnn.ir.tensor_type import Shape
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.comparison import Greater, GreaterEqual, Less, LessEqual
from graphcnn.ops.dense import MatMul
from graphcnn.ops.elementwise import Add, Neg, Sub
from graphcnn.ops.reduce import Max, Mean
from graphcnn.ops.shape import Transpose
from graphcnn.passes.driver.base import Pass, PassLog, no
from graphcnn.passes.driver.patterns import constant_array, filled_with, view_as
from graphcnn.passes.driver.rewrite import Match, Result, Rule, rewrite, rule

#: a < b is b > a: what compares the same when the operands are exchanged.
MIRRORED: dict[type[Op], type[Op]] = {
    Less: Greater,
    LessEqual: GreaterEqual,
    Greater: Less,
    GreaterEqual: LessEqual,
}


def _constant_first(node: Node) -> bool:
    a, b = node.inputs
    return constant_array(a) is not None and constant_array(b) is None


@rule(where=lambda op: op.commutative)
def constant_to_the_right(node: Node, match: Match) -> Result:
    """c + x -> x + c, the same for the other operators that commute"""
    return node.op(*node.inputs[::-1], name=node.name) if _constant_first(node) else None


@rule(where=lambda op: op in MIRRORED)
def compare_with_constant(node: Node, match: Match) -> Result:
    """c < x -> x > c, the same for <=, > and >="""
    if not _constant_first(node):
        return None
    return MIRRORED[type(node.op)]()(*node.inputs[::-1], name=node.name)


@rule("mul", "div")
def times_minus_one(node: Node, match: Match) -> Result:
    """x · -1 -> -x, x / -1 -> -x"""
    x, other = node.inputs
    number = filled_with(other)
    if number is None or number != -1:
        return None
    if x.type != node.output.type:
        return no(f"the result is {node.output.type}, broadcast from {x.type}", node)
    return Neg()(x, name=node.name)


@rule("add")
def add_negative(node: Node, match: Match) -> Result:
    """a + (-b) -> a - b, (-a) + b -> b - a"""
    a, b = node.inputs
    if isinstance(b.node.op, Neg):
        return Sub()(a, b.node.inputs[0], name=node.name)
    if isinstance(a.node.op, Neg):
        return Sub()(b, a.node.inputs[0], name=node.name)
    return None


@rule("sub")
def sub_negative(node: Node, match: Match) -> Result:
    """a - (-b) -> a + b"""
    a, b = node.inputs
    return Add()(a, b.node.inputs[0], name=node.name) if isinstance(b.node.op, Neg) else None


@rule("reshape")
def reshape_of_reduction(node: Node, match: Match) -> Result:
    """reshape(sum(x)) -> sum(x; keepdims), reshape(sum(x; keepdims)) -> sum(x), also mean, max"""
    inner = node.inputs[0].node
    if not isinstance(inner.op, Sum | Mean | Max):
        return None
    other = replace(inner.op, keepdims=not inner.op.keepdims)
    if other.infer(inner.inputs[0].type).shape != node.output.shape:
        return None
    if match.uses(inner.output) > 1:
        return no(f"{inner.op.name} is used elsewhere too, it would be computed twice", inner)
    return other(inner.inputs[0], name=inner.name or node.name)


@rule("add")
def bias_into_layer(node: Node, match: Match) -> Result:
    """dense(x, w) + b -> dense(x, w, b), the same for conv2d and conv_transpose2d"""
    for layer, bias in (node.inputs, node.inputs[::-1]):
        if "bias?" not in layer.node.op.operands:
            continue
        units = layer.shape[1]
        if bias.shape not in _bias_shapes(units, layer.type.rank):
            continue
        if len(layer.node.inputs) > 2:
            return no("the layer has a bias already", layer.node)
        if match.uses(layer) > 1:
            return no("the layer is used without this bias too", layer.node)
        operands = (*layer.node.inputs, view_as(bias, (units,)))
        return layer.node.op(*operands, name=layer.node.name or node.name)
    return None


def _bias_shapes(units: Any, rank: int) -> Sequence[Shape]:
    """Shapes that broadcast one number per unit over (N, units) or (N, units, H, W)."""
    if rank == 2:
        return [(units,), (1, units)]
    return [(units, 1, 1), (1, units, 1, 1)]


@rule("matmul")
def transpose_into_matmul(node: Node, match: Match) -> Result:
    """matmul(transpose(a), b) -> matmul(a, b; transpose_a), the same for b"""
    op, (a, b) = node.op, node.inputs
    if not isinstance(op, MatMul):
        return None
    if _swaps_matrix(a):
        flipped = replace(op, transpose_a=not op.transpose_a)
        return flipped(a.node.inputs[0], b, name=node.name)
    if _swaps_matrix(b):
        flipped = replace(op, transpose_b=not op.transpose_b)
        return flipped(a, b.node.inputs[0], name=node.name)
    return None


def _swaps_matrix(value: Value) -> bool:
    """Whether the value is a transpose of the last two axes and no others."""
    op, rank = value.node.op, value.type.rank
    return isinstance(op, Transpose) and op.perm == (*range(rank - 2), rank - 1, rank - 2)


SPELLINGS: tuple[Rule, ...] = (
    constant_to_the_right,
    compare_with_constant,
    times_minus_one,
    add_negative,
    sub_negative,
    reshape_of_reduction,
    bias_into_layer,
    transpose_into_matmul,
)


@dataclass(frozen=True)
class Canonicalize(Pass):
    """Apply the spelling rules."""

    def run(self, graph: Graph, log: PassLog) -> Graph:
        return rewrite(graph, SPELLINGS, log, by=self.name)
