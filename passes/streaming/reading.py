"""What operators read along an axis of the image, and how one place of a result is computed.

A rule says, for each operand that has the axis, which of its places a place of the result is made
of: place i of y reads i + first to i + last of x. Beyond the ends x counts as zeros.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from graphcnn.ir.node import Node, Op, Value
from graphcnn.ops.conv import Conv2d
from graphcnn.ops.dense import Dense
from graphcnn.ops.elementwise import Div, Sqrt
from graphcnn.ops.norm import BatchNorm
from graphcnn.ops.padding import Pad2d
from graphcnn.ops.shape import Concat, Reshape, Slice
from graphcnn.ops.softmax import LogSoftmax, Softmax


class Span(NamedTuple):
    """The places of an operand that place i reads, from i on."""

    first: int
    last: int

    @property
    def size(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True)
class Reading:
    """How a node goes along an axis.

    Attributes:
        spans: for each operand, None for one that is the same at every place.
        make: one place of the result, of as many places of each operand as its span has; and of
            those operands that have no span as they are.
        part: what some of the places that the first operand is read at add to the result, where it
            is a sum over them: (operands, number of the first place, whether with what is added
            once). What a mask leaves out of the last place is left out, too.
    """

    spans: tuple[Span | None, ...]
    make: Callable[[Sequence[Value]], Value]
    part: Callable[[Sequence[Value], int, bool], Value] | None = None


Rule = Callable[[Node, int], Reading | None]

#: By operator; elementwise ones need none.
_RULES: dict[type[Op], Rule] = {}


def reads(*ops: type[Op]) -> Callable[[Rule], Rule]:
    """Register the rule of these operators."""

    def register(rule: Rule) -> Rule:
        _RULES.update(dict.fromkeys(ops, rule))
        return rule

    return register


def reading(node: Node, axis: int) -> Reading | None:
    """How a node goes along an axis of its result; None where that is not known."""
    rule = _RULES.get(type(node.op))
    if rule is not None:
        return rule(node, axis)
    if node.op.elementwise and len(node.outputs) == 1:
        return _each(node, axis, node.op)
    return None


def _each(node: Node, axis: int, op: Op) -> Reading:
    """Place by place. Operands of one place along the axis, or of less axes, are broadcast."""
    spans = tuple(Span(0, 0) if has_axis(v, axis, node) else None for v in node.inputs)
    return Reading(spans, lambda operands: op(*operands))


def has_axis(operand: Value, axis: int, node: Node) -> bool:
    """Whether an operand has the places of the result of a node along its axis."""
    rank, of = node.outputs[0].type.rank, operand.type.rank
    at = axis - (rank - of)
    return at >= 0 and operand.shape[at] == node.outputs[0].shape[axis] and operand.shape[at] != 1


@reads(Conv2d)
def _conv2d(node: Node, axis: int) -> Reading | None:
    op: Any = node.op
    weight, d = node.inputs[1], axis - 2
    if d not in (0, 1) or op.stride[d] != 1 or op.flip_kernel:
        return None
    rows, columns = (int(size) for size in weight.shape[2:])  # type: ignore[arg-type]
    # A mask leaves out what is behind the centre: rows below it, and in its row what is right.
    taps = op.read_taps((rows, columns))
    read = -(-taps // columns) if d == 0 else taps if rows == 1 else columns
    if not read:
        return None
    behind = taps - (read - 1) * columns if d == 0 else columns  # of the last row
    step, before = op.dilation[d], op.padding[2 * d]
    whole = op.masked_value(weight) if op.mask else weight
    other = _without_padding(op.padding, d)
    plain = replace(op, padding=other, mask="", mask_groups=1)

    def part(operands: Sequence[Value], at: int, biased: bool) -> Value:
        x, _, *bias = operands
        first = at // step  # places begin with a tap, and what is behind their last one is not read
        count = (int(x.shape[axis]) - 1) // step + 1  # type: ignore[arg-type]
        x = cut(x, axis, 0, (count - 1) * step + 1)
        kernel, added = cut(whole, axis, first, count), bias if biased else []
        if d == 0 and first == read - 1 and behind < columns:
            lost = (columns - behind) * op.dilation[1]
            return _ending(plain, x, cut(kernel, 3, 0, behind), added, lost)
        y: Value = plain(x, kernel, *added)
        return y

    def make(operands: Sequence[Value]) -> Value:
        x, _, *bias = operands
        kernel = cut(whole, axis, 0, read)
        if d == 1 and rows == 1 and step == 1 and op.groups == 1 and not any(other):
            return _product(x, kernel, bias)
        y: Value = plain(x, kernel, *bias)
        return y

    spans = Span(-before, -before + (read - 1) * step), None, *(None for _ in node.inputs[2:])
    return Reading(spans, make, part)


def _ending(op: Any, x: Value, kernel: Value, bias: Sequence[Value], lost: int) -> Value:
    """A convolution along a row whose kernel has lost as many places at its end: as much padding
    goes with them, and what is read beyond that."""
    top, bottom, left, right = op.padding
    short = replace(op, padding=(top, bottom, left, max(right - lost, 0)))
    y = short(x, kernel, *bias)
    over = max(lost - right, 0)
    return cut(y, 3, 0, int(y.shape[3]) - over)


def _product(x: Value, kernel: Value, bias: Sequence[Value]) -> Value:
    """One place of a convolution, of all places that it reads: a product of matrices."""
    o, c, _, width = kernel.shape
    size = int(c) * int(width)  # type: ignore[arg-type]
    flat = Reshape((x.shape[0], size))(x)
    y = Dense()(flat, Reshape((o, size))(kernel), *bias)
    return Reshape((x.shape[0], o, 1, 1))(y)


def _without_padding(padding: Sequence[int], d: int) -> tuple[int, ...]:
    return tuple(0 if i // 2 == d else p for i, p in enumerate(padding))


@reads(Pad2d)
def _pad2d(node: Node, axis: int) -> Reading | None:
    op: Any = node.op
    d = axis - 2
    if d not in (0, 1) or op.mode != "constant" or (any(op.padding) and op.value != 0):
        return None
    before, other = op.padding[2 * d], _without_padding(op.padding, d)
    rest = replace(op, padding=other)
    return Reading(
        (Span(-before, -before),),
        lambda operands: rest(operands[0]) if any(other) else operands[0],
    )


@reads(Slice)
def _slice(node: Node, axis: int) -> Reading | None:
    op: Any = node.op
    if op.steps[axis] != 1 or not isinstance(op.starts[axis], int):
        return None
    start = op.starts[axis]

    def make(operands: Sequence[Value]) -> Value:
        (x,) = operands
        starts, sizes = list(op.starts), list(op.sizes)
        starts[axis], sizes[axis] = 0, 1
        if tuple(sizes) == tuple(x.shape):
            return x
        y: Value = replace(op, starts=tuple(starts), sizes=tuple(sizes))(x)
        return y

    return Reading((Span(start, start),), make)


@reads(Concat)
def _concat(node: Node, axis: int) -> Reading | None:
    op: Any = node.op
    return None if op.axis == axis else _each(node, axis, op)


@reads(Softmax, LogSoftmax)
def _softmax(node: Node, axis: int) -> Reading | None:
    op: Any = node.op
    return None if op.axis % node.outputs[0].type.rank == axis else _each(node, axis, op)


@reads(BatchNorm)
def _batch_norm(node: Node, axis: int) -> Reading | None:
    """With its statistics in a factor and a summand, which are the same at every step."""
    op: Any = node.op
    channels = node.inputs[1].shape[0]

    def make(operands: Sequence[Value]) -> Value:
        x, gamma, beta, mean, variance = operands
        scale = Div()(gamma, Sqrt()(variance + op.epsilon))
        shift = beta - mean * scale
        return x * Reshape((channels, 1, 1))(scale) + Reshape((channels, 1, 1))(shift)

    return Reading((Span(0, 0), None, None, None, None), make) if axis >= 2 else None


@reads(Reshape)
def _reshape(node: Node, axis: int) -> Reading | None:
    """Where the channels alone are cut or joined."""
    x, y = node.inputs[0].shape, node.outputs[0].shape
    behind = len(y) - axis
    if len(x) < behind or x[len(x) - behind :] != y[axis:] or x[:1] != y[:1]:
        return None
    if len(x) - behind != axis:
        return None  # the axis would be another one

    def make(operands: Sequence[Value]) -> Value:
        return Reshape((*y[:axis], 1, *y[axis + 1 :]))(operands[0])

    return Reading((Span(0, 0),), make)


def cut(x: Value, axis: int, start: int, count: int) -> Value:
    """Some places along an axis; all are the tensor itself."""
    if start == 0 and x.shape[axis] == count:
        return x
    starts = tuple(start if a == axis else 0 for a in range(x.type.rank))
    sizes = tuple(count if a == axis else size for a, size in enumerate(x.shape))
    return Slice(starts, sizes, (1,) * x.type.rank)(x)
