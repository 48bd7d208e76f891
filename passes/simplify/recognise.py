"""Patterns in imported graphs that are one operator of ours: x · sigmoid(x) is silu.

Exporters write such operators out. Only spellings that compute the same are replaced, and only
where nothing else reads what lies in between.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import is_

from graphcnn.ir.graph import Graph, with_inputs
from graphcnn.ir.node import Node, Op, Value, build
from graphcnn.ir.sources import Constant
from graphcnn.ops.activation import Gelu, HardSigmoid, HardSwish, Sigmoid, Silu, Tanh
from graphcnn.ops.comparison import Equal, Not, NotEqual
from graphcnn.ops.elementwise import Add, Div, Erf, Mul, Pow

Match = tuple[Op, tuple[Value, ...]]


def fuse(graph: Graph) -> tuple[Graph, dict[Value, Value]]:
    """The graph with these patterns replaced: silu, hard swish, gelu, not equal; and what every
    value became. Values inside of a pattern become values that the new graph has not."""
    patterns = _Patterns(graph)
    found = {node: match for node in graph.nodes if (match := patterns.match(node))}
    if not found:
        return graph, {v: v for node in graph.nodes for v in node.outputs}
    new: dict[Value, Value] = {}

    def rewrite(node: Node, inputs: tuple[Value, ...]) -> Sequence[Value]:
        if node in found:
            op, operands = found[node]
            results = build(op, [new[v] for v in operands], node.name, node.origin).outputs
        else:
            same = inputs == node.inputs
            results = node.outputs if same else with_inputs(node, inputs).outputs
        new.update(zip(node.outputs, results, strict=True))
        return results

    return graph.transform(rewrite), new


@dataclass(frozen=True)
class _Patterns:
    graph: Graph

    def once(self, value: Value) -> bool:
        """Whether one node alone reads the value."""
        return len(self.graph.users.get(value, ())) == 1 and value not in self.graph.results

    def match(self, node: Node) -> Match | None:
        """The operator that a node and what lies before it are, with its operands."""
        if isinstance(node.op, Not):
            (equal,) = node.inputs
            if isinstance(equal.node.op, Equal) and self.once(equal):
                return NotEqual(), equal.node.inputs
        if isinstance(node.op, Mul) and node.output.dtype.is_float:
            return self.gate(node) or self.gelu(node)
        return None

    def gate(self, node: Node) -> Match | None:
        """x · sigmoid(x), or x · hard_sigmoid(x) with the slope 1/6."""
        for gate, x in (node.inputs, node.inputs[::-1]):
            op = gate.node.op
            if gate.node.inputs != (x,) or not self.once(gate):
                continue
            if isinstance(op, Sigmoid):
                return Silu(), (x,)
            if isinstance(op, HardSigmoid) and _near(op.alpha, 1 / 6) and op.beta == 0.5:
                return HardSwish(), (x,)
        return None

    def gelu(self, node: Node) -> Match | None:
        """x · 1/2 · (1 + erf(x / √2)), or with tanh(√(2/π)·(x + 0.044715·x³)) instead of erf."""
        number, rest = self.product(node.output)
        if not _near(number, 0.5) or len(rest) != 2:
            return None
        for x, sum_ in (rest, rest[::-1]):
            bend = self.plus(sum_, lambda v: _number(v) == 1.0)
            if bend is None or not self.once(bend) or len(bend.node.inputs) != 1:
                continue
            scale, inner = self.product(bend.node.inputs[0])
            if isinstance(bend.node.op, Erf) and _near(scale, math.sqrt(0.5)) and inner == [x]:
                return Gelu("none"), (x,)
            if isinstance(bend.node.op, Tanh) and _near(scale, math.sqrt(2 / math.pi)):
                cube = self.plus(inner[0], partial(is_, x)) if len(inner) == 1 else None
                if cube is not None and self.once(cube):
                    factor, xs = self.product(cube)
                    if _near(factor, 0.044715) and xs == [x] * 3:
                        return Gelu("tanh"), (x,)
        return None

    def plus(self, value: Value, wanted: Callable[[Value], bool]) -> Value | None:
        """a of a sum a + b, or b + a, in which b is as wanted."""
        if not isinstance(value.node.op, Add) or not self.once(value):
            return None
        a, b = value.node.inputs
        if wanted(b):
            return a
        return b if wanted(a) else None

    def product(self, root: Value) -> tuple[float, list[Value]]:
        """A product in its factors: the constant ones together, and the others."""
        number, rest, left = 1.0, list[Value](), [root]
        while left:
            value = left.pop()
            constant, op = _number(value), value.node.op
            inner = value is root or self.once(value)
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
    op = value.node.op
    return float(op.array.reshape(())) if isinstance(op, Constant) and op.array.size == 1 else None


def _near(number: float, wanted: float) -> bool:
    """Equal, but for the rounding of exporters to float32 and to a few digits."""
    return abs(number - wanted) <= 2e-6 * abs(wanted)
