"""Operators that move elements: copies between two ways of walking through memory."""

from collections.abc import Sequence
from math import prod

import llvmlite.ir as ir

from graphcnn.ir.node import Node
from graphcnn.ir.tensor_type import DType, times_n
from graphcnn.ops.shape import Concat, Embed, OneHot, Slice
from graphcnn.runtime.native.code.emit import I32, I64, Emitter, Int
from graphcnn.runtime.native.code.kernel import Kernel, node_key
from graphcnn.runtime.native.code.registry import lowers
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.parts.casts import cast
from graphcnn.runtime.native.kernels.parts.expressions import refuse_half
from graphcnn.runtime.native.kernels.parts.loops import (
    ALONE,
    Access,
    Nest,
    iota,
    lanes_for,
    row_major,
    shared_loop,
    sizes_of,
    store,
    vector_loop,
)
from graphcnn.runtime.native.kernels.parts.math import constant


@lowers("reshape", "flatten")
def lower_view(node: Node, target: Target) -> Kernel:
    """The same bytes: a copy where the plan could not let the two share memory."""
    refuse_half(node)
    size = prod(sizes_of(node.types[0]))
    access = Access(node.types[0].dtype, (1,))
    nest = Nest.of((size,), (access, access), target)

    def emit(e: Emitter) -> None:
        nest.emit(e, e.operands, lambda vectors: vectors)

    return Kernel(node_key(node), emit, 2, nest.units, inplace=((0, 0),), algorithm="copy")


@lowers("slice")
def lower_slice(node: Node, target: Target) -> Kernel:
    refuse_half(node)
    assert isinstance(node.op, Slice)
    whole, starts = sizes_of(node.inputs[0].type), [*map(times_n, node.op.starts)]
    inside = _part(node.inputs[0].dtype, whole, starts, node.op.steps)
    shape = sizes_of(node.types[0])
    nest = Nest.of(shape, (inside, Access(node.types[0].dtype, row_major(shape))), target)

    def emit(e: Emitter) -> None:
        nest.emit(e, e.operands, lambda vectors: vectors)

    return Kernel(node_key(node), emit, 2, nest.units, algorithm="copy")


def _part(
    dtype: DType, whole: Sequence[int], starts: Sequence[int], steps: Sequence[int]
) -> Access:
    """The places start + step·i of an array of sizes `whole`."""
    strides = row_major(whole)
    offset = sum(start * s for start, s in zip(starts, strides, strict=True))
    return Access(dtype, tuple(step * s for step, s in zip(steps, strides, strict=True)), offset)


@lowers("concat")
def lower_concat(node: Node, target: Target) -> Kernel:
    """One copy after the other, each a row of the output's rows."""
    refuse_half(node)
    assert isinstance(node.op, Concat)
    axis, dtype = node.op.axis, node.types[0].dtype
    total = prod(sizes_of(node.types[0])[axis:])
    outer = prod(sizes_of(node.types[0])[:axis])
    nests, offset = [], 0
    for value in node.inputs:
        width = prod(sizes_of(value.type)[axis:])
        accesses = (Access(dtype, (width, 1)), Access(dtype, (total, 1), offset))
        nests.append(Nest.of((outer, width), accesses, target))
        offset += width
    units = max(nest.pieces for nest in nests) if outer * total >= ALONE else 1

    def emit(e: Emitter) -> None:
        *sources, y = e.operands
        for source, nest in zip(sources, nests, strict=True):
            nest.emit(e, (source, y), lambda vectors: vectors, alone=units == 1)

    return Kernel(node_key(node), emit, len(nests) + 1, units, algorithm="copy")


@lowers("embed")
def lower_embed(node: Node, target: Target) -> Kernel:
    """Row by row of the output: zeros, then the elements that belong there."""
    refuse_half(node)
    assert isinstance(node.op, Embed)
    whole, part = sizes_of(node.types[0]), sizes_of(node.inputs[0].type)
    if not whole:
        whole, part = (1,), (1,)
    starts, steps = [*map(times_n, node.op.starts)] or [0], node.op.steps or (1,)
    dtype = node.types[0].dtype
    lanes = lanes_for(target, dtype)
    rows, width = prod(whole[:-1]), whole[-1]
    units = 1 if rows * width < ALONE else rows
    strides = row_major(part)

    def emit(e: Emitter) -> None:
        x, y = e.operands

        def row(u: ir.Value) -> None:
            start = e.at(y, dtype, (u, width))
            zero = e.splat(0, dtype, lanes)

            def clear(j: Int, mask: ir.Value | None) -> None:
                store(e, zero, e.at(start, dtype, (j, 1)), mask)

            vector_loop(e, 0, width, lanes, clear)
            inside, source = _inside(e, u, whole[:-1], part, starts, steps, strides)

            def fill() -> None:
                first = e.at(x, dtype, (source, 1))
                into = e.at(start, dtype, (starts[-1], 1))

                def copy(j: Int, mask: ir.Value | None) -> None:
                    vector = e.load(e.at(first, dtype, (j, 1)), dtype, lanes)
                    store(e, vector, e.at(into, dtype, (j, 1)), mask)

                def scatter(j: ir.Value) -> None:
                    element = e.load(e.at(first, dtype, (j, 1)), dtype)
                    e.store(element, e.at(into, dtype, (j, steps[-1])))

                if steps[-1] == 1:
                    vector_loop(e, 0, part[-1], lanes, copy)
                else:
                    e.loop(0, part[-1], scatter)

            if inside is None:
                fill()
            else:
                e.when(inside, fill)

        shared_loop(e, units == 1, rows, row)

    return Kernel(node_key(node), emit, 2, units, algorithm="copy")


def _inside(
    e: Emitter,
    u: ir.Value,
    outer: Sequence[int],
    part: Sequence[int],
    starts: Sequence[int],
    steps: Sequence[int],
    strides: Sequence[int],
) -> tuple[ir.Value | None, Int]:
    """Whether row u holds elements of the part (None: always), and where its first one is."""
    condition: ir.Value | None = None
    source: Int = 0
    for axis, c in enumerate(e.unravel(u, outer) if outer else []):
        place, step = e.b.sub(e.int(c), e.int(starts[axis])), steps[axis]
        index = place if step == 1 else e.b.sdiv(place, e.int(step))
        source = e.iadd(source, e.imul(index, strides[axis]))
        checks = []
        if (starts[axis], part[axis], step) != (0, outer[axis], 1):
            # Unsigned: places before the first are large numbers.
            checks.append(e.b.icmp_unsigned("<", index, e.int(part[axis])))
        if step > 1:
            checks.append(e.b.icmp_signed("==", e.b.mul(index, e.int(step)), place))
        for check in checks:
            condition = check if condition is None else e.b.and_(condition, check)
    return condition, source


@lowers("one_hot")
def lower_one_hot(node: Node, target: Target) -> Kernel:
    """A row of comparisons for every label; a label out of range gives zeros."""
    refuse_half(node)
    assert isinstance(node.op, OneHot)
    depth, dtype = node.op.depth, node.types[0].dtype
    rows = prod(sizes_of(node.inputs[0].type))
    lanes = lanes_for(target, dtype)
    units = 1 if rows * depth < ALONE else rows

    def emit(e: Emitter) -> None:
        labels, y = e.operands

        def row(u: ir.Value) -> None:
            label = e.load(e.at(labels, DType.INT64, (u, 1)), DType.INT64)
            start = e.at(y, dtype, (u, depth))

            def compare(j: Int, mask: ir.Value | None) -> None:
                # The lane that the label falls on, if it is one of 0 to lanes - 1.
                here = e.b.sub(label, e.stored(j))
                low = e.b.icmp_unsigned("<", here, I64(lanes))
                lane = e.b.select(low, e.b.trunc(here, I32), I32(-1))
                equal = e.b.icmp_signed("==", iota(lanes), e.broadcast(lane, lanes))
                one = (
                    cast(e, equal, DType.BOOL, dtype)
                    if dtype is not DType.BOOL
                    else (e.b.select(equal, constant(_bytes(lanes), 1), constant(_bytes(lanes), 0)))
                )
                store(e, one, e.at(start, dtype, (j, 1)), mask)

            vector_loop(e, 0, depth, lanes, compare)

        shared_loop(e, units == 1, rows, row)

    return Kernel(node_key(node), emit, 2, units)


def _bytes(lanes: int) -> ir.Type:
    return ir.VectorType(ir.IntType(8), lanes)
