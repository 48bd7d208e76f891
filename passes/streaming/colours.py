"""Of colours: whether each is told by those of its pixel that are drawn before it.

For each channel of each value and each colour of the image: how far on, in the order of reading,
the last pixel lies whose colour the channel depends on. Rules add up along the network: an operator
gives its channels the reach of those that they are made of, and a convolution that of its taps.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.graph import topological_order
from graphcnn.ir.node import Array, Node, Op, Value
from graphcnn.ops.conv import Conv2d
from graphcnn.ops.norm import BatchNorm
from graphcnn.ops.padding import Pad2d
from graphcnn.ops.shape import Concat, Reshape, Slice
from graphcnn.ops.softmax import LogSoftmax, Softmax
from graphcnn.passes.streaming.lines import CannotStreamError, told
from graphcnn.passes.streaming.reading import reading

#: A row is further than any number of columns.
_ROW = 1 << 20
#: How far a channel reaches that does not depend on a colour.
_NOWHERE = -(1 << 60)

Rule = Callable[[Node, Sequence[Array]], Array]
#: By operator; elementwise ones need none.
_RULES: dict[type[Op], Rule] = {}


def _channels(*ops: type[Op]) -> Callable[[Rule], Rule]:
    """Register how these operators go from channels to channels: the reach of their operands,
    each (channels, colours), to that of their result."""

    def register(rule: Rule) -> Rule:
        _RULES.update(dict.fromkeys(ops, rule))
        return rule

    return register


def check_colours(image: Value, logits: Value) -> None:
    """Prove that no number depends on itself or on one of its pixel that is drawn after it.

    Raises:
        CannotStreamError: an operator of which it is not known what its channels are made of.
        GraphError: a colour depends on itself or on a later one.
    """
    colours = int(image.shape[1])  # type: ignore[arg-type]
    own = np.where(np.eye(colours, dtype=bool), 0, _NOWHERE)
    reach: dict[Value, Array] = {image: own}
    for node in topological_order([logits.node]):
        if node is not image.node and any(v in reach for v in node.inputs):
            reach[node.outputs[0]] = _reach(node, reach, colours)
    if logits not in reach:
        return
    found = reach[logits].reshape(colours, -1, colours).max(1)
    first, later = np.arange(colours)[:, None], np.arange(colours)[None]
    wrong = np.argwhere((later >= first) & (found >= 0))
    if len(wrong):
        c, of = (int(i) for i in wrong[0])
        node = _suspect(logits, c, of, reach, colours)
        raise GraphError(
            f"{told(node, {})} lets a colour through too early: the "
            f"distribution of channel {c} depends on channel {of} of the same pixel, and only "
            f'those before it are drawn then; mask_groups={colours} with mask="A" in the first '
            'convolution of the image, and with mask="B" in all behind it, would leave it out'
        )


def _reach(node: Node, reach: dict[Value, Array], colours: int) -> Array:
    """How far the channels of a node reach: (channels, colours)."""
    y = node.outputs[0]
    along = [reading(node, axis) for axis in (2, 3)] if len(node.outputs) == 1 else []
    spans = [a.spans for a in along if a is not None]
    moving = [v for v in node.inputs if v in reach]
    rule = _RULES.get(type(node.op), _each if node.op.elementwise else None)
    if rule is None or len(spans) != 2 or {v.type.rank for v in (y, *moving)} != {4}:
        raise CannotStreamError(f"{told(node, {})} is not known to keep colours apart")
    operands = []
    for v, row, column in zip(node.inputs, *spans, strict=True):
        if v in reach:
            on = (row.first * _ROW if row else 0) + (column.first if column else 0)
            operands.append(_further(reach[v], on))
        else:
            operands.append(np.full((1, colours), _NOWHERE))
    return rule(node, operands)


def _further(reach: Array, on: Array | int) -> Array:
    found = reach + on
    return np.where(found < _NOWHERE // 2, _NOWHERE, found)


@_channels(BatchNorm, Pad2d, Reshape)
def _each(node: Node, operands: Sequence[Array]) -> Array:
    """Channel by channel; an operand of one channel goes into all."""
    channels = int(node.outputs[0].shape[1])  # type: ignore[arg-type]
    found: Array = np.maximum.reduce([_spread(r, channels) for r in operands])
    return found


def _spread(reach: Array, channels: int) -> Array:
    return np.broadcast_to(reach, (channels, reach.shape[1]))


@_channels(Conv2d)
def _conv2d(node: Node, operands: Sequence[Array]) -> Array:
    """Of each channel the furthest that the weights reach which a mask leaves it."""
    op: Any = node.op
    o, each, kh, kw = (int(size) for size in node.inputs[1].shape)  # type: ignore[arg-type]
    there = np.ones((o, each, kh, kw), bool)
    if op.mask:
        there = op.weights_of(o, each * op.groups, (kh, kw))
    taps = np.arange(kh)[:, None] * op.dilation[0] * _ROW + np.arange(kw) * op.dilation[1]
    furthest = np.where(there, taps, _NOWHERE).max((2, 3)).reshape(op.groups, -1, each)
    x = operands[0].reshape(op.groups, each, -1)
    found = _further(furthest[..., None], x[:, None]).max(2)
    reached: Array = found.reshape(o, -1)
    return reached


@_channels(Slice)
def _slice(node: Node, operands: Sequence[Array]) -> Array:
    op: Any = node.op
    kept: Array = operands[0][op.starts[1] + np.arange(op.sizes[1]) * op.steps[1]]
    return kept


@_channels(Concat)
def _concat(node: Node, operands: Sequence[Array]) -> Array:
    op: Any = node.op
    if op.axis != 1:
        return _each(node, operands)
    sizes = [int(v.shape[1]) for v in node.inputs]  # type: ignore[arg-type]
    return np.concatenate([_spread(r, n) for r, n in zip(operands, sizes, strict=True)])


@_channels(Softmax, LogSoftmax)
def _softmax(node: Node, operands: Sequence[Array]) -> Array:
    """Each channel of all."""
    return _spread(operands[0].max(0)[None], len(operands[0]))


def _suspect(logits: Value, c: int, of: int, reach: dict[Value, Array], colours: int) -> Node:
    """The node to name. On a way from the number back to the colour that it sees: the first from
    behind that makes a channel of one that belongs to a later colour, or else the last, which has
    the colour of the image itself."""
    channels = len(reach[logits]) // colours
    at = c * channels + int(reach[logits][c * channels : (c + 1) * channels, of].argmax())
    v, node = logits, logits.node
    while v.node.inputs:
        node = v.node
        v, before = next(_ways(node, at, of, reach, colours))
        if before * colours // len(reach[v]) > at * colours // len(reach[node.outputs[0]]):
            break
        at = before
    return node


def _ways(
    node: Node, at: int, of: int, reach: dict[Value, Array], colours: int
) -> Iterator[tuple[Value, int]]:
    """Operands and their channels by which a channel reaches as far as it does."""
    moving = [v for v in node.inputs if v in reach]
    nothing = {v: np.full_like(reach[v], _NOWHERE) for v in moving}
    for v in moving:
        for channel, own in enumerate(reach[v]):
            alone = nothing[v].copy()
            alone[channel] = own
            found = _reach(node, {**nothing, v: alone}, colours)
            if found[at, of] == reach[node.outputs[0]][at, of]:
                yield v, channel
