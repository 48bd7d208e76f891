"""Shapes, parts, joins, reductions and indicator vectors in ONNX."""

from typing import Any

from graphcnn.ir import Node
from graphcnn.onnx.exporting.table import exports
from graphcnn.onnx.exporting.writer import ELEMENT_TYPES, Emitter, Line
from graphcnn.tensor_type import Dim, Shape, TensorType, affine, is_open, known_size, open_axes


@exports("reshape")
def reshape(emit: Emitter, node: Node, inputs: list[str]) -> list[str]:
    return [emit.reshape(inputs[0], node.inputs[0].shape, node.output.shape)]


@exports("flatten")
def flatten(emit: Emitter, node: Node, inputs: list[str]) -> list[str]:
    return [emit.add("Flatten", inputs[0], axis=1)]


@exports("transpose")
def transpose(emit: Emitter, node: Node, inputs: list[str]) -> list[str]:
    op: Any = node.op
    return [emit.transpose(inputs[0], *op.perm)]


@exports("concat")
def concat(emit: Emitter, node: Node, inputs: list[str]) -> list[str]:
    op: Any = node.op
    return [emit.add("Concat", *inputs, axis=op.axis)]


@exports("slice")
def slice_(emit: Emitter, node: Node, inputs: list[str]) -> list[str]:
    """Only the axes that lose something are named."""
    op: Any = node.op
    cuts = [
        (affine(start), _end(d, start, size, step), axis, step)
        for axis, (d, start, size, step) in enumerate(
            zip(node.inputs[0].shape, op.starts, op.sizes, op.steps, strict=True)
        )
        if d != size
    ]
    if not cuts:
        return [inputs[0]]
    starts, ends, axes, steps = zip(*cuts, strict=True)
    return [emit.slice(inputs[0], starts, ends, axes, steps)]


def _end(whole: Dim, start: Dim, size: Dim, step: int) -> Line:
    """Behind the last place; the end of the axis where the next place would be behind it."""
    (a, b), (c, d) = affine(start), affine(size)
    if isinstance(size, int):
        return a, b + step * (size - 1) + 1
    return a + step * c, b + step * d


@exports("embed")
def embed_(emit: Emitter, node: Node, inputs: list[str]) -> list[str]:
    op: Any = node.op
    return [embed(emit, inputs[0], node.inputs[0].type, op.shape, op.starts, op.steps)]


def embed(
    emit: Emitter,
    x: str,
    type: TensorType,
    shape: Shape,
    starts: Shape,
    steps: tuple[int, ...],
) -> str:
    """Zeros of `shape` with x at the places start + step·i.

    Each pixel becomes a block of `step` cells, itself and zeros (a reshape and a pad); what the
    last block has too much is cut off, then the border is added.
    """
    zero = emit.scalar(0, type.dtype)
    old = type.shape
    wide = list(old)
    stepped = [a for a, (step, d) in enumerate(zip(steps, old, strict=True)) if step > 1 and d != 1]
    if stepped:
        pixels: list[Dim] = []
        after: list[int] = []
        for axis, d in enumerate(old):
            pixels += [d, 1] if axis in stepped else [d]
            after += [0, steps[axis] - 1] if axis in stepped else [0]
            wide[axis] = d * steps[axis] if axis in stepped else d
        x = emit.reshape(x, old, tuple(pixels))
        x = emit.pad(x, [0] * len(pixels), after, zero)
        blocks = tuple(d + a if a else d for d, a in zip(pixels, after, strict=True))
        x = emit.reshape(x, blocks, tuple(wide))
    before = [*map(affine, starts)]
    ends = [_room(*each) for each in zip(shape, starts, wide, strict=True)]
    cut = {axis: a + b for axis, (a, b) in enumerate(ends) if a + b < 0}  # for N = 1, and all N
    if cut:
        x = emit.slice(x, [0] * len(cut), [*cut.values()], [*cut])
    ends = [(a, b - cut.get(axis, 0)) for axis, (a, b) in enumerate(ends)]
    return emit.pad(x, before, ends, zero) if any(p != (0, 0) for p in (*before, *ends)) else x


def _room(whole: Dim, start: Dim, size: Dim) -> Line:
    """whole - start - size as (a, b) of a·N + b."""
    (a, b), (c, d), (e, f) = map(affine, (whole, start, size))
    return a - c - e, b - d - f


@exports("broadcast_to")
def broadcast_to(emit: Emitter, node: Node, inputs: list[str]) -> list[str]:
    return [emit.add("Expand", inputs[0], emit.shape(node.output.shape))]


@exports("element_count")
def element_count(emit: Emitter, node: Node, inputs: list[str]) -> list[str]:
    """A constant, or a constant times the batch size of the run."""
    op: Any = node.op
    count = emit.scalar(known_size(op.shape), op.dtype)
    if not is_open(op.shape):
        return [count]
    batch = emit.add("Squeeze", emit.batch(), emit.integers((0,), "axes"))
    batch = emit.add("Cast", batch, to=int(ELEMENT_TYPES[op.dtype]))
    for _ in range(len(open_axes(op.shape))):
        count = emit.add("Mul", batch, count)
    return [count]


@exports("one_hot")
def one_hot(emit: Emitter, node: Node, inputs: list[str]) -> list[str]:
    """label == 0, 1, 2, ...; ONNX's OneHot takes no label of rank 0."""
    op: Any = node.op
    labels = emit.add("Unsqueeze", inputs[0], emit.integers((-1,), "axes"))
    hit = emit.add("Equal", labels, emit.integers(range(op.depth), "classes"))
    return [emit.add("Cast", hit, to=int(ELEMENT_TYPES[op.dtype]))]


#: ONNX Runtime sums all pixels of an image in one row; of so many it loses a digit. One axis first,
#: then the rest, costs the same and loses none.
_LARGE = 1024


def _reduction(onnx_type: str) -> None:
    @exports(onnx_type.removeprefix("Reduce").lower())
    def reduction(emit: Emitter, node: Node, inputs: list[str]) -> list[str]:
        op: Any = node.op
        if not op.axes:
            return [inputs[0]]
        x, shape = inputs[0], node.inputs[0].shape
        sums = onnx_type in ("ReduceSum", "ReduceMean") and node.output.dtype.is_float
        if sums and op.axes == (0, 2, 3) and known_size(shape[2:]) >= _LARGE:
            x = emit.reduce(onnx_type, x, (2,), True)
        return [emit.reduce(onnx_type, x, op.axes, op.keepdims)]


for _onnx_type in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceProd"):
    _reduction(_onnx_type)


@exports("argmax")
def argmax(emit: Emitter, node: Node, inputs: list[str]) -> list[str]:
    op: Any = node.op
    y = emit.add("ArgMax", inputs[0], axis=op.axis, keepdims=int(op.keepdims), select_last_index=0)
    return [y]
