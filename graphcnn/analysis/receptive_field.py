"""Receptive fields: which pixels of the image one element of a value can depend on.

Along each axis a value has, in pixels of the image,

    size   r    how many pixels an element sees
    jump   j    how far the fields of neighbouring elements lie apart
    start  a    the first pixel that element 0 sees (negative: it sees padding)

so that element i sees pixels a + j·i to a + j·i + r - 1. A window of kernel k, dilation d, stride
s and padding p maps them to

    r + (d (k - 1)) j        j s        a - p j

(A. Araujo, W. Norris, J. Sim, "Computing receptive fields of convolutional neural networks",
Distill 2019). Fields are those of the geometry: they may be larger than the image.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from graphcnn.analysis.counts import node_windows
from graphcnn.ir.geometry import Pair, Window, windows
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Op, Value
from graphcnn.ir.tensor_type import known_size
from graphcnn.ops.activation import PRelu
from graphcnn.ops.blocks import DepthToSpace, SpaceToDepth
from graphcnn.ops.broadcast import BroadcastTo, Sum
from graphcnn.ops.conv import ConvTranspose2d
from graphcnn.ops.fused import Fused
from graphcnn.ops.gather import Gather
from graphcnn.ops.layout import Placed, Relayout
from graphcnn.ops.norm import BatchNorm, BatchNormTrain, GroupNorm, LayerNorm
from graphcnn.ops.own.operator import OwnOp
from graphcnn.ops.padding import Pad2d
from graphcnn.ops.reduce import AllReduce, ArgMax, Max, Mean, Prod
from graphcnn.ops.resample import Upsample2d, ZeroInsert2d
from graphcnn.ops.shape import Concat, Embed, Flatten, Reshape, Slice, Transpose
from graphcnn.ops.softmax import LogSoftmax, Softmax


@dataclass(frozen=True)
class Field:
    """Receptive field along one axis."""

    size: Fraction = Fraction(1)
    jump: Fraction = Fraction(1)
    start: Fraction = Fraction(0)

    def widen(self, before: int | Fraction, more: int | Fraction, jump: Fraction) -> "Field":
        """A field that starts `before` elements earlier and sees `more` elements in all."""
        return Field(self.size + more * self.jump, jump, self.start - before * self.jump)

    def union(self, other: "Field") -> "Field":
        """The smallest field that covers both."""
        start = min(self.start, other.start)
        end = max(self.start + self.size, other.start + other.size)
        return Field(end - start, max(self.jump, other.jump), start)


@dataclass(frozen=True)
class ReceptiveField:
    """Receptive field of the elements of a value, in pixels of the image."""

    height: Field = Field()
    width: Field = Field()

    @property
    def size(self) -> Pair:
        """Rows and columns, rounded up where interpolation sees parts of pixels."""
        return -(-self.height.size // 1), -(-self.width.size // 1)

    @property
    def jump(self) -> tuple[Fraction, Fraction]:
        return self.height.jump, self.width.jump

    @property
    def start(self) -> tuple[Fraction, Fraction]:
        return self.height.start, self.width.start

    def union(self, other: "ReceptiveField") -> "ReceptiveField":
        return ReceptiveField(self.height.union(other.height), self.width.union(other.width))

    def map(self, function: Callable[[Field, int], Field]) -> "ReceptiveField":
        """`function(field, axis)` along axis 0 (height) and 1 (width)."""
        return ReceptiveField(function(self.height, 0), function(self.width, 1))


Rule = Callable[[Node, ReceptiveField], ReceptiveField | None]

#: Field of the results from the union of the fields of the inputs, by operator; None stands for the
#: whole image. Of those that are not here, elementwise ones see pixel by pixel, those that slide
#: windows see these, and all others the whole image.
FIELDS: dict[type[Op], Rule] = {}


def fields_of(*ops: type[Op]) -> Callable[[Rule], Rule]:
    """Register the rule of these operators."""

    def register(rule: Rule) -> Rule:
        FIELDS.update(dict.fromkeys(ops, rule))
        return rule

    return register


def receptive_fields(graph: Graph, image: Value | None = None) -> dict[Value, ReceptiveField]:
    """The receptive field of every value that depends on `image`.

    `image` is the first input of rank 4 unless given; without one the result is empty.
    """
    if image is None:
        image = next((v for v in graph.inputs if v.type.rank == 4), None)
    if image is None:
        return {}
    height, width = (known_size((d,)) for d in image.shape[2:])
    whole = ReceptiveField(Field(Fraction(height)), Field(Fraction(width)))
    found = {image: ReceptiveField()}
    for node in graph.nodes:
        seen = [(v, found[v]) for v in node.inputs if v in found]
        if not seen:
            continue
        field = seen[0][1]
        for _, other in seen[1:]:
            field = field.union(other)
        values = [v for v, _ in seen]
        weights_see = node.op.anchor and values != [node.inputs[0]]
        result = None if weights_see else seen_by(node, field)
        found.update(dict.fromkeys(node.outputs, result or whole))
    return found


def seen_by(node: Node, x: ReceptiveField) -> ReceptiveField | None:
    """The field of a node's results where its inputs have the field x; None for the whole image."""
    rule = FIELDS.get(type(node.op))
    if rule is not None:
        return rule(node, x)
    if node_windows(node) is not None:
        return _slide(node, x)
    own = isinstance(node.op, OwnOp) and node.op.acts_on == "elements"
    return _each_pixel(node, x) if node.op.elementwise or own else None


@fields_of(AllReduce, BroadcastTo, Concat, Embed, Relayout, Reshape)
def _each_pixel(node: Node, x: ReceptiveField) -> ReceptiveField | None:
    """The same height and width mean the same pixels."""
    rank = node.output.type.rank
    spatial = node.output.shape[2:]
    operands = [v.shape[2:] for v in node.inputs if v.type.rank == rank]
    broadcast = all(s == spatial or set(s) == {1} for s in operands)
    return x if spatial in operands and broadcast else None


@fields_of(Softmax, LogSoftmax, Sum, Mean, Max, Prod, ArgMax)
def _along_axes(node: Node, x: ReceptiveField) -> ReceptiveField | None:
    """Along channels every pixel is by itself."""
    along_pixels = getattr(node.op, "axis", 1) > 1 or node.output.type.rank < 4
    return None if along_pixels else _each_pixel(node, x)


@fields_of(Gather)
def _gather(node: Node, x: ReceptiveField) -> ReceptiveField | None:
    """Whole items or channels are chosen; rows and columns may come from anywhere."""
    op = node.op
    return _each_pixel(node, x) if isinstance(op, Gather) and op.batch < 2 else None


@fields_of(Fused)
def _fused(node: Node, x: ReceptiveField) -> ReceptiveField | None:
    """What the heavy operator sees: the others are elementwise."""
    anchor = node.op.anchor_node if isinstance(node.op, Fused) else None
    return _each_pixel(node, x) if anchor is None else seen_by(anchor, x)


@fields_of(Placed)
def _placed(node: Node, x: ReceptiveField) -> ReceptiveField | None:
    assert isinstance(node.op, Placed)
    return seen_by(Node(node.op.op, node.inputs, node.types), x)


def _slide(node: Node, x: ReceptiveField) -> ReceptiveField:
    both = node_windows(node)
    assert both is not None, "only nodes with windows slide them"

    def along(f: Field, axis: int) -> Field:
        w = both[axis]
        return f.widen(w.before, w.span - 1, f.jump * w.stride)

    return x.map(along)


@fields_of(ConvTranspose2d)
def _transposed(node: Node, x: ReceptiveField) -> ReceptiveField:
    """Element q gathers from the inputs i with 0 <= q + p - s·i <= d (k - 1)."""
    op: Any = node.op
    both = windows(node.inputs[1].shape[2:], op.stride, op.padding, op.dilation)  # type: ignore[arg-type]

    def along(f: Field, axis: int) -> Field:
        w: Window = both[axis]
        reach = (w.span - 1) // w.stride
        first = -((w.before - w.span + 1) // -w.stride)
        return f.widen(-first, reach, f.jump / w.stride)

    return x.map(along)


@fields_of(Upsample2d)
def _upsample(node: Node, x: ReceptiveField) -> ReceptiveField:
    """Bilinear upsampling sees the two nearest pixels of each axis."""
    op: Any = node.op
    near = 1 if op.mode == "bilinear" else 0

    def along(f: Field, axis: int) -> Field:
        before = near if not op.align_corners and op.scale[axis] > 1 else 0
        more = near if op.scale[axis] > 1 else 0
        return f.widen(before, more, f.jump / op.scale[axis])

    return x.map(along)


@fields_of(DepthToSpace)
def _smaller_pixels(node: Node, x: ReceptiveField) -> ReceptiveField:
    """The pixels of a block were one."""
    op: Any = node.op
    return x.map(lambda f, axis: f.widen(0, 0, f.jump / op.block))


@fields_of(SpaceToDepth)
def _larger_pixels(node: Node, x: ReceptiveField) -> ReceptiveField:
    op: Any = node.op
    return x.map(lambda f, axis: f.widen(0, op.block - 1, f.jump * op.block))


@fields_of(ZeroInsert2d)
def _zero_insert(node: Node, x: ReceptiveField) -> ReceptiveField:
    op: Any = node.op

    def along(f: Field, axis: int) -> Field:
        before = Fraction(op.border[2 * axis], op.stride[axis])
        return f.widen(before, 0, f.jump / op.stride[axis])

    return x.map(along)


@fields_of(Pad2d)
def _pad(node: Node, x: ReceptiveField) -> ReceptiveField:
    op: Any = node.op
    return x.map(lambda f, axis: f.widen(op.padding[2 * axis], 0, f.jump))


@fields_of(Slice)
def _slice(node: Node, x: ReceptiveField) -> ReceptiveField:
    op: Any = node.op
    if len(op.starts) != 4:
        return x
    return x.map(lambda f, axis: f.widen(-op.starts[axis + 2], 0, f.jump * op.steps[axis + 2]))


@fields_of(Transpose)
def _transpose(node: Node, x: ReceptiveField) -> ReceptiveField | None:
    perm = getattr(node.op, "perm", ())
    if perm[2:] == (3, 2):
        return ReceptiveField(x.width, x.height)
    return x if perm[2:] == (2, 3) else None


@fields_of(Flatten, PRelu, BatchNorm, BatchNormTrain, GroupNorm, LayerNorm)
def _each_element(node: Node, x: ReceptiveField) -> ReceptiveField:
    """The elements see what they saw before (statistics of batches and groups aside)."""
    return x
