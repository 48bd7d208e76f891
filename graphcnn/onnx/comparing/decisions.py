"""Where a graph decides: an integer, a truth value or a place is made of floats.

The float beside such a decision may lie as near to its boundary as rounding reaches: then right
implementations decide differently, and all that follows differs by whole steps. So results are
judged with the decisions that were made on their side, and the decisions by the floats that they
were made of: one that rounding of its input explains is right, any other is not.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graphcnn.ir.evaluate import Evaluator, Results, as_tuple
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Node, Value
from graphcnn.ir.sources import Constant, Input, State
from graphcnn.ir.tensor_type import DType
from graphcnn.onnx.comparing.rounding import unit
from graphcnn.onnx.comparing.widened import ROUNDED
from graphcnn.ops.broadcast import BroadcastTo
from graphcnn.ops.comparison import And, Equal, Not, NotEqual, Or, Where
from graphcnn.ops.elementwise import Add, Cast, Div, Maximum, Minimum, Mul, Neg, Round, Sub
from graphcnn.ops.integer import Quantize
from graphcnn.ops.pool import MaxPool2d
from graphcnn.ops.reduce import ArgMax
from graphcnn.ops.shape import Flatten, Reshape, Slice, Transpose

#: What may lie between a decision and the value by which it is seen.
BETWEEN = (
    Add, Sub, Mul, Div, Maximum, Minimum, Cast, Where, Not, And, Or, Neg,
    Reshape, Transpose, BroadcastTo, Flatten, Slice,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Point:
    """A value that shows a decision. `nodes` are those from the deciding ones to it, in order."""

    value: Value
    deciding: tuple[Value, ...]
    nodes: tuple[Node, ...]


def decides(node: Node) -> Value | None:
    """The result that is a decision on floats, None where there is none."""
    if not node.inputs or not any(v.dtype.is_float for v in node.inputs):
        return None
    op = node.op
    if isinstance(op, Cast):
        to = node.output.dtype
        stored = to.is_float and (to in ROUNDED or to is DType.FLOAT64)
        return None if stored else node.output
    if op.places is not None:
        return node.outputs[op.places] if op.places < len(node.outputs) else None
    steps = op.piecewise_constant and op.monotone
    return node.output if steps or isinstance(op, Equal | NotEqual) else None


def points(graph: Graph, seen: Collection[Value]) -> list[Point]:
    """The first values among `seen` that show the decisions of the graph. Those that no such value
    shows are left out."""
    known, found = set(seen), list[Point]()
    carried: dict[Value, tuple[tuple[Value, ...], tuple[Node, ...]]] = {}
    for node in graph.nodes:
        decision = decides(node)
        behind = [carried[v] for v in node.inputs if v in carried]
        deciding = tuple(dict.fromkeys(d for ds, _ in behind for d in ds))
        nodes = tuple(dict.fromkeys(n for _, ns in behind for n in ns))
        for value in node.outputs:
            ds, ns = tuple[Value, ...](), tuple[Node, ...]()
            if value is decision:
                ds, ns = (value,), (node,)
                if isinstance(node.op, Cast) and deciding:  # of whole numbers: nothing is decided
                    ds, ns = deciding, (*nodes, node)
            elif deciding and isinstance(node.op, BETWEEN) and _shows(node, carried):
                ds, ns = deciding, (*nodes, node)
            if ds and value in known:
                found.append(Point(value, ds, ns))
            elif ds:
                carried[value] = (ds, ns)
    return found


def _shows(node: Node, carried: Collection[Value]) -> bool:
    """Whether a result tells the decisions before it: all else that it is made of has no rounding
    of its own, as a choice between two computed floats has."""
    others = [v for v in node.inputs if v not in carried and v.dtype.is_float]
    return all(isinstance(v.node.op, Constant | Input | State) for v in others)


def needed(found: Sequence[Point]) -> set[Value]:
    """The values whose exact numbers `explained` reads."""
    return {v for p in found for n in p.nodes for v in n.inputs}


@dataclass(frozen=True)
class Decided:
    """How a side decided at one value: elements that differ from the exact decision, and of these
    the ones that rounding does not explain. `biased` says that the others went one way."""

    elements: int
    differing: int
    wrong: int
    biased: bool = False

    @property
    def right(self) -> bool:
        return not self.wrong and not self.biased


Near = Callable[[Value], Array]


def exactly(point: Point, exact: Mapping[Value, Array]) -> Array:
    """The decision that the exact floats make."""
    return _moved(point, exact, lambda v: np.zeros(()), 0)[point.value]


def explained(point: Point, taken: Array, exact: Mapping[Value, Array], near: Near) -> Decided:
    """Whether a decision is one that the exact floats allow. `near(v)` is how far rounding may move
    the elements of v."""
    chain = _moved(point, exact, near, 0)
    right = chain[point.value]
    if taken.shape != right.shape:
        return Decided(right.size, right.size, right.size)
    other = ~((taken == right) | ((taken != taken) & (right != right)))
    if not other.any():
        return Decided(right.size, 0, 0)
    if point.deciding[0].node.op.places is not None and len(point.deciding) == 1:
        wrong = other & ~_places_allowed(point, taken, chain, exact, near)
        return Decided(right.size, int(other.sum()), int(wrong.sum()))
    low, high = (_moved(point, exact, near, way)[point.value] for way in (-1, 1))
    least, most = np.minimum(np.minimum(low, high), right), np.maximum(np.maximum(low, high), right)
    wrong = other & ~((taken >= least) & (taken <= most))
    biased = not wrong.any() and _one_way(point, taken, right, exact, other)
    return Decided(right.size, int(other.sum()), int(wrong.sum()), biased)


def _moved(point: Point, exact: Mapping[Value, Array], near: Near, way: int) -> dict[Value, Array]:
    """The values up to the one seen, where every deciding float is moved down (-1) or up (1) as far
    as rounding may move it, or not at all."""

    def moved(node: Node, operands: Sequence[Array]) -> Results:
        arrays, op = [*operands], node.op
        with np.errstate(all="ignore"):
            close = None
            if way and any(v in point.deciding for v in node.outputs) and op.places is None:
                away = [near(v) for v in node.inputs if v.dtype.is_float]
                if isinstance(op, Quantize):
                    arrays[0] = arrays[0] + way * _quotient_room(arrays, away, node)
                elif isinstance(op, Equal | NotEqual):
                    close = np.abs(arrays[0] - arrays[1]) <= np.add(*away)
                else:
                    signs = op.monotone or (1,)
                    arrays = [x + way * s * d for x, s, d in zip(arrays, signs, away, strict=True)]
            results = as_tuple(op.evaluate(*arrays))  # of float64, whatever the node's types
        return results if close is None else (np.where(close, way > 0, results[0]),)

    made = {v for node in point.nodes for v in node.outputs}
    known = {v: exact[v] for node in point.nodes for v in node.inputs if v not in made}
    return Evaluator(point.nodes, made).run(known, moved)


def _quotient_room(arrays: list[Array], away: list[Array], node: Node) -> Array:
    """How far the dividend of a quantisation may move: by its own rounding, that of the divisor,
    and that of the quotient."""
    x, scale = arrays[:2]
    share = 2 * unit(node.inputs[0].dtype) + away[1] / np.abs(scale)
    return np.asarray(away[0] + np.abs(x) * share)


def _places_allowed(
    point: Point,
    taken: Array,
    chain: Mapping[Value, Array],
    exact: Mapping[Value, Array],
    near: Near,
) -> Array:
    """Where a place holds a number as good as the best one, as far as rounding can tell."""
    decision = point.deciding[0]
    node, right = decision.node, chain[decision]
    x = exact[node.inputs[0]]
    if taken.size != right.size:
        return np.zeros(taken.shape, bool)
    away = np.broadcast_to(near(node.inputs[0]), x.shape)
    change = (taken.astype(np.int64) - chain[point.value].astype(np.int64)).ravel()
    at = (right.ravel() + change).reshape(right.shape)
    axis = node.op.axis if isinstance(node.op, ArgMax) else -1
    best = right
    if isinstance(node.op, MaxPool2d):
        x, away = (a.reshape(*a.shape[:2], -1) for a in (x, away))
        at, best = (a.reshape(*a.shape[:2], -1) for a in (at, best))
    elif isinstance(node.op, ArgMax) and not node.op.keepdims:
        at, best = np.expand_dims(at, axis), np.expand_dims(best, axis)
    inside = (at >= 0) & (at < x.shape[axis])
    held = np.where(inside, at, 0)
    got, want = (np.take_along_axis(x, i, axis) for i in (held, best))
    slack = np.take_along_axis(away, held, axis) + np.take_along_axis(away, best, axis)
    with np.errstate(invalid="ignore"):
        return np.asarray((inside & (np.abs(got - want) <= slack)).reshape(taken.shape))


def _one_way(
    point: Point, taken: Array, right: Array, exact: Mapping[Value, Array], other: Array
) -> bool:
    """Whether rounding went up, or away from zero, nearly always: a rule for ties, not chance.

    Equal numbers are rounded equally, so only different ones count.
    """
    rounding = isinstance(point.deciding[0].node.op, Round | Cast | Quantize)
    if not rounding or len(point.deciding) > 1:
        return False
    x = exact[point.deciding[0].node.inputs[0]]
    if x.shape != taken.shape:
        return False
    step = np.sign(taken[other].astype(np.float64) - right[other].astype(np.float64))
    numbers, first = np.unique(x[other], return_index=True)
    steps = step[first]
    count = len(numbers)
    lean = max(abs(float(steps.sum())), abs(float((steps * np.sign(numbers)).sum())))
    return bool(lean > max(0.5 * count, 5 * np.sqrt(count)))
