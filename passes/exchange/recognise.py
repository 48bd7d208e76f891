"""Recognise one operator that is written in several: x · sigmoid(x) is silu(x).

Files of other frameworks write such operators out; the numbers in them have gone through float32 or
were given a few digits. Only spellings that compute the same are replaced, and only where nothing
else reads what lies in between.

In float32 and float64, silu and not equal keep every bit of the definition; mish, hard swish and
gelu round in other places, and where a number was written with few digits they have all of it. So
the pass may stand in a pipeline of inference, too; the importer runs it, for everything then sees
what the file means.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from operator import is_
from typing import ClassVar

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Value
from graphcnn.ops.activation import (
    Gelu,
    HardSigmoid,
    HardSwish,
    Mish,
    Sigmoid,
    Silu,
    Softplus,
    Tanh,
)
from graphcnn.ops.comparison import Equal, NotEqual
from graphcnn.ops.elementwise import Add, Div, Erf, Mul, Pow
from graphcnn.ops.norm import LayerNorm
from graphcnn.ops.shape import Transpose
from graphcnn.passes.driver.base import Pass, PassLog, Refusal, no
from graphcnn.passes.driver.patterns import constant_array
from graphcnn.passes.driver.rewrite import Match, Result, rewrite, rule


@rule("not")
def not_of_equal(node: Node, match: Match) -> Result:
    """not(a == b) -> a != b"""
    (equal,) = node.inputs
    if not isinstance(equal.node.op, Equal):
        return None
    return _read_elsewhere(equal, match) or NotEqual()(*equal.node.inputs, name=node.name)


@rule("mul")
def times_its_sigmoid(node: Node, match: Match) -> Result:
    """x * sigmoid(x) -> silu(x)"""
    gate = _gate(node, Sigmoid)
    if gate is None:
        return None
    return _read_elsewhere(gate, match) or Silu()(*gate.node.inputs, name=node.name)


@rule("mul")
def times_tanh_of_its_softplus(node: Node, match: Match) -> Result:
    """x * tanh(softplus(x)) -> mish(x)"""
    for x, bend in (node.inputs, node.inputs[::-1]):
        inner = bend.node.inputs[0] if isinstance(bend.node.op, Tanh) else None
        if inner is not None and isinstance(inner.node.op, Softplus) and inner.node.inputs == (x,):
            elsewhere = _read_elsewhere(bend, match) or _read_elsewhere(inner, match)
            return elsewhere or Mish()(x, name=node.name)
    return None


@rule("mul")
def times_its_hard_sigmoid(node: Node, match: Match) -> Result:
    """x * clip(x / 6 + 1/2, 0, 1) -> hard_swish(x)"""
    gate = _gate(node, HardSigmoid)
    if gate is None:
        return None
    op = gate.node.op
    assert isinstance(op, HardSigmoid)
    if not _near(op.alpha, 1 / 6) or op.beta != 0.5:
        return no(f"hard swish has x / 6 + 1/2, found x * {op.alpha:g} + {op.beta:g}", gate.node)
    return _read_elsewhere(gate, match) or HardSwish()(*gate.node.inputs, name=node.name)


@rule("mul")
def gelu_by_erf(node: Node, match: Match) -> Result:
    """x / 2 * (1 + erf(x / √2)) -> gelu(x)"""
    for x, bend in _halves_of_one_and(node, Erf, match):
        scale, inner = _factors(bend.node.inputs[0], match)
        if inner == [x]:
            if not _near(scale, math.sqrt(0.5)):
                return no(f"gelu takes erf of x / √2, found x * {scale:.7g}", node)
            return Gelu("none")(x, name=node.name)
    return None


@rule("mul")
def gelu_by_tanh(node: Node, match: Match) -> Result:
    """x / 2 * (1 + tanh(√(2/π) * (x + 0.044715 * x³))) -> gelu(x; approximate='tanh')"""
    for x, bend in _halves_of_one_and(node, Tanh, match):
        scale, inner = _factors(bend.node.inputs[0], match)
        cube = _added_to(inner[0], partial(is_, x), match) if len(inner) == 1 else None
        if cube is None or match.uses(cube) > 1:
            continue
        factor, xs = _factors(cube, match)
        if xs == [x] * 3:
            if not _near(scale, math.sqrt(2 / math.pi)) or not _near(factor, 0.044715):
                found = f"{scale:.7g} * (x + {factor:.7g} * x³)"
                return no(f"gelu takes tanh of √(2/π) * (x + 0.044715 * x³), found {found}", node)
            return Gelu("tanh")(x, name=node.name)
    return None


@rule("transpose")
def layer_norm_of_moved_axes(node: Node, match: Match) -> Result:
    """transpose(layer_norm(transpose(x))) -> layer_norm(x), along the axes where they were"""
    norm = node.inputs[0].node
    moved = norm.inputs[0] if isinstance(norm.op, LayerNorm) else node.output
    first, last = moved.node.op, node.op
    if not (isinstance(norm.op, LayerNorm) and isinstance(first, Transpose)):
        return None
    assert isinstance(last, Transpose)
    if [first.perm[a] for a in last.perm] != [*range(len(last.perm))]:
        return no("the axes do not come back to where they were", node)
    axes = tuple(first.perm[a] for a in norm.op.axes)
    if axes != tuple(sorted(axes)):
        return no("gamma has the axes in another order", norm)
    again = LayerNorm(axes, norm.op.epsilon)(*moved.node.inputs, *norm.inputs[1:], name=node.name)
    return _read_elsewhere(norm.output, match) or _read_elsewhere(moved, match) or again


RULES = (
    not_of_equal, times_its_sigmoid, times_tanh_of_its_softplus, times_its_hard_sigmoid,
    gelu_by_erf, gelu_by_tanh, layer_norm_of_moved_axes,
)  # fmt: skip


@dataclass(frozen=True)
class Recognise(Pass):
    """Replace what is written out by the operators: silu, mish, hard swish, gelu, not equal, layer
    norms whose axes were moved."""

    #: In bfloat16, where every step of the long spelling rounds to 8 bits.
    tolerance: ClassVar[float | None] = 2.0**-6

    def run(self, graph: Graph, log: PassLog) -> Graph:
        return rewrite(graph, RULES, log, by=self.name)


def _read_elsewhere(value: Value, match: Match) -> Refusal | None:
    """The refusal where more than one operand reads the value."""
    return no("it is read elsewhere, too", value.node) if match.uses(value) > 1 else None


def _gate(node: Node, op: type) -> Value | None:
    """f(x) of x · f(x), or f(x) · x, of floats."""
    if not node.output.dtype.is_float:
        return None
    pairs = (node.inputs, node.inputs[::-1])
    gates = (b for a, b in pairs if isinstance(b.node.op, op) and b.node.inputs == (a,))
    return next(gates, None)


def _halves_of_one_and(node: Node, op: type, match: Match) -> list[tuple[Value, Value]]:
    """(x, f) of x · 1/2 · (1 + f), in which f, by that operator of one operand, is read once."""
    if not node.output.dtype.is_float:
        return []
    number, rest = _factors(node.output, match, node)
    if not _near(number, 0.5) or len(rest) != 2:
        return []
    bends = [(x, _added_to(total, _is_one, match)) for x, total in (rest, rest[::-1])]
    return [
        (x, f)
        for x, f in bends
        if f is not None and isinstance(f.node.op, op) and match.uses(f) == 1
    ]


def _added_to(value: Value, wanted: Callable[[Value], bool], match: Match) -> Value | None:
    """a of a sum a + b, or b + a, in which b is as wanted and which is read once."""
    if not isinstance(value.node.op, Add) or match.uses(value) > 1:
        return None
    a, b = value.node.inputs
    if wanted(b):
        return a
    return b if wanted(a) else None


def _factors(value: Value, match: Match, root: Node | None = None) -> tuple[float, list[Value]]:
    """A product in its factors: the constant ones together, and the others.

    Other products in it are taken apart where they are read once.
    """
    number, rest, left = 1.0, list[Value](), [value]
    while left:
        value = left.pop()
        constant, op = _number(value), value.node.op
        inner = value.node is root or match.uses(value) <= 1
        if constant is not None:
            number *= constant
        elif isinstance(op, Mul) and inner:
            left += reversed(value.node.inputs)
        elif isinstance(op, Div) and inner and _number(value.node.inputs[1]):
            number /= _number(value.node.inputs[1]) or 1.0
            left.append(value.node.inputs[0])
        elif isinstance(op, Pow) and inner and _number(value.node.inputs[1]) == 3.0:
            rest += [value.node.inputs[0]] * 3
        else:
            rest.append(value)
    return number, rest


def _number(value: Value) -> float | None:
    """The number that a constant of one element is."""
    array = constant_array(value)
    return float(array.reshape(())) if array is not None and array.size == 1 else None


def _is_one(value: Value) -> bool:
    return _number(value) == 1.0


def _near(number: float, wanted: float) -> bool:
    """Equal, but for the rounding of exporters to float32 and to a few digits."""
    return abs(number - wanted) <= 2e-6 * abs(wanted)
