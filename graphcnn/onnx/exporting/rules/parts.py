"""Parts of tensors, and tensors as parts of zeros, in ONNX.

ONNX infers no shape behind a `Slice` or a `Pad` whose numbers are computed, as those that depend
on N are. So blocks of n elements along a batch axis are cut with `Split` and joined to zeros.
"""

from math import gcd
from typing import Any

from graphcnn.ir.node import Node
from graphcnn.ir.tensor_type import BatchSize, Dim, Shape, TensorType, affine
from graphcnn.onnx.exporting.registry import exports
from graphcnn.onnx.exporting.writer import Line, NodeWriter

#: The end of any axis.
_END = (1 << 63) - 1


@exports("slice")
def slice_(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    """Only the axes that lose something are named."""
    op: Any = node.op
    x, cuts = inputs[0], []
    for axis, d in enumerate(node.inputs[0].shape):
        start, size, step = op.starts[axis], op.sizes[axis], op.steps[axis]
        if d == size:
            continue
        if isinstance(d, BatchSize):
            x = _part(emit, x, axis, d, start, size, step)
        else:
            cuts.append((start, start + step * (size - 1) + 1, axis, step))
    if not cuts:
        return [x]
    starts, ends, axes, steps = zip(*cuts, strict=True)
    return [emit.slice(x, starts, ends, axes, steps)]


def _part(
    emit: NodeWriter, x: str, axis: int, d: BatchSize, start: Dim, size: Dim, step: int
) -> str:
    """A part of an axis that depends on N: single elements, or blocks, and each `step`-th there."""
    first, offset = (start.times, 0) if isinstance(start, BatchSize) else (0, start)
    end = first + step * size.times if isinstance(size, BatchSize) else d.times
    if isinstance(size, BatchSize) and offset >= step:
        ends = ((0, offset), (step * size.times, offset), (0, axis), (0, step))
        return emit.add("Slice", x, *(emit.numbers([line], "place") for line in ends))
    x = _blocks(emit, x, axis, d.times, first, end)
    if not isinstance(size, BatchSize):
        places = range(offset, offset + step * size, step)
        return emit.add("Gather", x, emit.integers(places, "places"), axis=axis)
    return x if step == 1 else emit.slice(x, [offset], [_END], [axis], [step])


def _blocks(emit: NodeWriter, x: str, axis: int, whole: int, start: int, end: int) -> str:
    """From start·n to end·n of an axis of whole·n elements."""
    unit = gcd(whole, start, end)
    if (start, end) == (0, whole):
        return x
    count = whole // unit
    how = {"num_outputs": count} if emit.opset >= 18 else {}
    taken = emit.add_many("Split", count, x, axis=axis, **how)[start // unit : end // unit]
    return taken[0] if len(taken) == 1 else emit.add("Concat", *taken, axis=axis)


@exports("embed")
def embed_(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    op: Any = node.op
    return [embed(emit, inputs[0], node.inputs[0].type, op.shape, op.starts, op.steps)]


def embed(
    emit: NodeWriter,
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
    for axis, sides in enumerate(zip(before, ends, strict=True)):
        if any(a for a, _ in sides):  # as many zeros as N decides
            rows = [
                _zeros(emit, wide, axis, each, type) if each != (0, 0) else "" for each in sides
            ]
            x = emit.add("Concat", *filter(None, (rows[0], x, rows[1])), axis=axis)
            before[axis] = ends[axis] = (0, 0)
    if all(p == (0, 0) for p in (*before, *ends)):
        return x
    return emit.pad(x, [b for _, b in before], [b for _, b in ends], zero)


def _zeros(emit: NodeWriter, shape: list[Dim], axis: int, size: Line, type: TensorType) -> str:
    """Zeros of the shape with another size along one axis."""
    sizes = [size if a == axis else affine(d) for a, d in enumerate(shape)]
    return emit.zeros(sizes, type.dtype)


def _room(whole: Dim, start: Dim, size: Dim) -> Line:
    """whole - start - size as (a, b) of a·N + b."""
    (a, b), (c, d), (e, f) = map(affine, (whole, start, size))
    return a - c - e, b - d - f
