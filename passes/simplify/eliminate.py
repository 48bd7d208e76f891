"""Remove what is not needed: identities, repeated computations, dead code.

Identities are rules, listed at the end. They keep every bit, so some that school teaches are not
among them: x + 0 turns -0 into 0 (x - 0 and x + (-0) do not), and x · 0 is NaN where x is NaN or
infinite. `signed_zeros=False` gives up the first of these scruples. The sum of a single number is
that number, though a library that starts from 0 makes -0 a 0: a sum does not define it.

Repeated computations are nodes with equal operator and inputs; the first is kept. Constants are
equal when their bits are; inputs, states and impure operators are never merged. Dead code needs no
rule, since a graph consists of what its outputs and updates depend on.

A dropout is an identity here, as its definition is the form of inference: `training_mode` comes
before this pass where the network is to be trained. So are what is drawn in training only, and what
stops gradients: `backward` does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from graphcnn.ir.graph import Graph, with_inputs
from graphcnn.ir.node import Node, Value
from graphcnn.ir.sources import Constant
from graphcnn.ops.pool import MaxPool2d
from graphcnn.ops.shape import Flatten, Reshape, Transpose
from graphcnn.passes.driver.base import Pass, PassLog, no
from graphcnn.passes.driver.patterns import filled_with, flattened, is_zero, view_as
from graphcnn.passes.driver.rewrite import Match, Result, Rule, rewrite, rule
from graphcnn.text.literals import format_op


def _same(x: Value, node: Node) -> Result:
    """x for the node, if it has the type of the node's result."""
    if x.type == node.output.type:
        return x
    return no(f"the result is {node.output.type}, broadcast from {x.type}", node)


def _sides(node: Node) -> list[tuple[Value, Value]]:
    """Both orders of two operands."""
    a, b = node.inputs
    return [(a, b), (b, a)]


@rule("add")
def add_zero(node: Node, match: Match) -> Result:
    """x + (-0) -> x, and x + 0 -> x for whole numbers"""
    for x, other in _sides(node):
        number = filled_with(other)
        if is_zero(number, negative=True):
            return _same(x, node)
        if is_zero(number, negative=False):
            return no("-0 + 0 is 0, so the sign of a zero would change", node)
    return None


@rule("add")
def add_any_zero(node: Node, match: Match) -> Result:
    """x + 0 -> x (where signs of zeros may change)"""
    for x, other in _sides(node):
        if is_zero(filled_with(other), negative=False):
            return _same(x, node)
    return None


@rule("sub")
def sub_zero(node: Node, match: Match) -> Result:
    """x - 0 -> x"""
    x, other = node.inputs
    return _same(x, node) if is_zero(filled_with(other), negative=False) else None


@rule("mul")
def mul_one(node: Node, match: Match) -> Result:
    """x · 1 -> x"""
    for x, other in _sides(node):
        number = filled_with(other)
        if number is not None and number == 1:
            return _same(x, node)
        if number is not None and number == 0:
            return no("x · 0 is not 0 where x is NaN, infinite or negative", node)
    return None


@rule("div", "pow")
def div_or_pow_one(node: Node, match: Match) -> Result:
    """x / 1 -> x, x ** 1 -> x"""
    x, other = node.inputs
    number = filled_with(other)
    return _same(x, node) if number is not None and number == 1 else None


@rule(where=lambda op: op.involution)
def involution(node: Node, match: Match) -> Result:
    """-(-x) -> x, not(not(x)) -> x"""
    inner = node.inputs[0].node
    return inner.inputs[0] if inner.op == node.op else None


@rule(where=lambda op: op.idempotent and len(op.operands) == 1)
def idempotent(node: Node, match: Match) -> Result:
    """relu(relu(x)) -> relu(x), the same for abs, sign, floor, ceil, round and cast"""
    return node.inputs[0] if node.inputs[0].node.op == node.op else None


@rule(where=lambda op: op.idempotent and len(op.operands) == 2)
def with_itself(node: Node, match: Match) -> Result:
    """maximum(x, x) -> x, the same for minimum, and, or, bit_and, bit_or"""
    a, b = node.inputs
    return a if a is b else None


@rule("reshape", "flatten")
def view_of_view(node: Node, match: Match) -> Result:
    """reshape(reshape(x)) -> reshape(x), the same with flatten"""
    inner = node.inputs[0].node
    if not isinstance(inner.op, Reshape | Flatten):
        return None
    return view_as(inner.inputs[0], node.output.shape, node.name)


@rule("reshape")
def reshape_to_flatten(node: Node, match: Match) -> Result:
    """reshape(x; (N, C·H·W)) -> flatten(x)"""
    x, shape = node.inputs[0], node.output.shape
    if x.shape == shape or shape != flattened(x.shape):
        return None
    return view_as(x, shape, node.name)


@rule("transpose")
def transpose_of_transpose(node: Node, match: Match) -> Result:
    """transpose(transpose(x; p); q) -> transpose(x; p[q])"""
    inner, outer = node.inputs[0].node.op, node.op
    if not isinstance(inner, Transpose) or not isinstance(outer, Transpose):
        return None
    both = tuple(inner.perm[axis] for axis in outer.perm)
    return Transpose(both)(node.inputs[0].node.inputs[0], name=node.name)


@rule("transpose")
def transpose_nothing(node: Node, match: Match) -> Result:
    """transpose(x; 0, 1, 2, ...) -> x"""
    op = node.op
    in_order = isinstance(op, Transpose) and list(op.perm) == sorted(op.perm)
    return node.inputs[0] if in_order else None


@rule(
    "reshape",
    "flatten",
    "broadcast_to",
    "slice",
    "embed",
    "concat",
    "cast",
    "pad2d",
    "upsample2d",
    "zero_insert2d",
)
def same_type(node: Node, match: Match) -> Result:
    """reshape, slice, pad2d, upsample2d, cast, ... to the shape and type of x -> x"""
    # These operators drop, repeat or insert elements whenever they do anything but copy x.
    if len(node.inputs) != 1 or node.inputs[0].type != node.output.type:
        return None
    if node.op.attributes.get("mode") == "bilinear":
        return no("bilinear weights of 0 still spread NaN and infinity", node)
    return node.inputs[0]


@rule("broadcast_to")
def broadcast_of_broadcast(node: Node, match: Match) -> Result:
    """broadcast_to(broadcast_to(x)) -> broadcast_to(x)"""
    inner = node.inputs[0].node
    if inner.op.name != "broadcast_to":
        return None
    return node.op(inner.inputs[0], name=node.name)


@rule("cast")
def cast_of_cast(node: Node, match: Match) -> Result:
    """cast(cast(x; wider); t) -> cast(x; t)"""
    inner = node.inputs[0].node
    if inner.op.name != "cast":
        return None
    x = inner.inputs[0]
    if not np.can_cast(x.dtype.numpy, inner.output.dtype.numpy, "safe"):
        return no(f"{inner.output.dtype} does not hold every {x.dtype}", node)
    if x.dtype.is_float and not node.output.dtype.is_float:
        return no("floats outside the range of whole numbers may become others", node)
    return node.op(x, name=node.name)


@rule("dropout", "stop_gradient", "probabilities", "in_training")
def identity(node: Node, match: Match) -> Result:
    """dropout(x) -> x, the same for stop_gradient, probabilities and in_training(x, y)"""
    return node.inputs[0]


@rule("where")
def where_always(node: Node, match: Match) -> Result:
    """where(true, a, b) -> a, where(false, a, b) -> b"""
    condition, a, b = node.inputs
    number = filled_with(condition)
    if number is None:
        return None
    return _same(a if number else b, node)


@rule("where")
def where_either(node: Node, match: Match) -> Result:
    """where(c, a, a) -> a"""
    _, a, b = node.inputs
    return _same(a, node) if a is b else None


@rule("sum", "mean", "max")
def reduce_nothing(node: Node, match: Match) -> Result:
    """sum(x; axes=()) -> x, the same for mean and max"""
    return node.inputs[0] if not node.op.attributes["axes"] else None


@rule("max_pool2d", "avg_pool2d")
def pool_single_pixels(node: Node, match: Match) -> Result:
    """max_pool2d(x; kernel=1, stride=1) -> x, the same for avg_pool2d"""
    a = node.op.attributes
    if a["kernel"] != (1, 1) or a["stride"] != (1, 1):  # padding is smaller than the kernel
        return None
    return node.inputs[0] if len(node.outputs) == 1 else None


@rule("max_pool2d")
def unused_indices(node: Node, match: Match) -> Result:
    """max_pool2d(x; indices) -> max_pool2d(x), where nobody reads the indices"""
    op = node.op
    if not isinstance(op, MaxPool2d) or not op.indices or match.uses(node.outputs[1]):
        return None
    # The second result stands for the indices, which nobody reads.
    return [replace(op, indices=False)(node.inputs[0], name=node.name), node.outputs[1]]


IDENTITIES: tuple[Rule, ...] = (
    add_zero,
    sub_zero,
    mul_one,
    div_or_pow_one,
    involution,
    idempotent,
    with_itself,
    view_of_view,
    same_type,
    reshape_to_flatten,
    transpose_of_transpose,
    transpose_nothing,
    broadcast_of_broadcast,
    cast_of_cast,
    identity,
    where_always,
    where_either,
    reduce_nothing,
    pool_single_pixels,
    unused_indices,
)


def merge_equal(graph: Graph, log: PassLog, by: str = "") -> Graph:
    """`graph` with nodes of equal operator and inputs made one. The first one keeps its name."""
    known: dict[object, Sequence[Value]] = {}

    def first(node: Node, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
        if not node.op.pure:
            return None
        operands = frozenset(inputs) if node.op.commutative else inputs
        # The text tells attributes of 0.0 and -0.0 apart, which compare equal.
        plain = isinstance(node.op, Constant) or not vars(node.op)
        text = "" if plain else format_op(node.op)
        key = (node.op, text, operands)
        if key not in known:
            kept = node if inputs == node.inputs else with_inputs(node, inputs)
            known[key] = kept.outputs
            return kept.outputs
        log.fired["common_subexpression"] += 1
        return known[key]

    return graph.transform(first, by)


@dataclass(frozen=True)
class Eliminate(Pass):
    """Apply the identities and merge equal nodes until neither finds anything.

    With `signed_zeros=False`, x + 0 -> x too, which keeps every number but not the sign of zeros.
    """

    signed_zeros: bool = True

    def run(self, graph: Graph, log: PassLog) -> Graph:
        rules = IDENTITIES if self.signed_zeros else (add_any_zero, *IDENTITIES)
        while True:
            new = merge_equal(rewrite(graph, rules, log, by=self.name), log, by=self.name)
            if new is graph:
                return graph
            graph = new
