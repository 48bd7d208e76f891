"""Positions of maxima along one axis: the first of equal ones; NaN wins."""

from math import prod

import llvmlite.ir as ir

from graphcnn.ir.node import Node
from graphcnn.ir.tensor_type import DType
from graphcnn.ops.reduce import ArgMax
from graphcnn.runtime.native.code.emit import I64, Emitter, Int
from graphcnn.runtime.native.code.kernel import Kernel, node_key
from graphcnn.runtime.native.code.registry import lowers
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.parts.expressions import refuse_half
from graphcnn.runtime.native.kernels.parts.loops import (
    ALONE,
    fold_lanes,
    iota,
    lane_mask,
    lanes_for,
    masked,
    shared_loop,
    sizes_of,
    store,
    vector_loop,
)
from graphcnn.runtime.native.kernels.parts.math import constant
from graphcnn.runtime.native.kernels.parts.vector_folds import Fold


@lowers("argmax")
def lower_argmax(node: Node, target: Target) -> Kernel:
    refuse_half(node)
    assert isinstance(node.op, ArgMax)
    sizes = sizes_of(node.inputs[0].type)
    axis = node.op.axis
    outer, count, inner = prod(sizes[:axis]), sizes[axis], prod(sizes[axis + 1 :])
    units = 1 if outer * count * inner < ALONE else outer
    dtype = node.inputs[0].dtype
    fold = Fold(dtype, largest=True)

    def emit(e: Emitter) -> None:
        if inner == 1:
            lanes = lanes_for(e.target, dtype)
            shared_loop(e, units == 1, outer, lambda u: _row(e, fold, u, count, lanes))
        else:
            lanes = lanes_for(e.target, dtype, DType.INT64)
            shared_loop(e, units == 1, outer, lambda u: _columns(e, fold, u, count, inner, lanes))

    return Kernel(node_key(node), emit, 2, units)


def _better(
    e: Emitter, fold: Fold, best: ir.Value, where: ir.Value, x: ir.Value, index: ir.Value
) -> list[ir.Value]:
    """The larger one and its position; the old one where they are equal."""
    if fold.dtype.is_float:
        larger = e.b.fcmp_unordered(">", x, best)
        larger = e.b.and_(larger, e.b.fcmp_ordered("ord", best, best))
    elif fold.dtype.is_unsigned:
        larger = e.b.icmp_unsigned(">", x, best)
    else:
        larger = e.b.icmp_signed(">", x, best)
    return [e.b.select(larger, x, best), e.b.select(larger, index, where)]


def _row(e: Emitter, fold: Fold, u: ir.Value, count: int, lanes: int) -> None:
    """Each lane finds the best of its own elements, then the lanes are compared."""
    x, y = e.operands
    start = e.at(x, fold.dtype, (u, count))
    whole = count // lanes * lanes

    def step(j: Int, best: ir.Value, where: ir.Value, index: ir.Value) -> list[ir.Value]:
        vector = e.load(e.at(start, fold.dtype, (j, 1)), fold.dtype, lanes)
        if isinstance(j, int):
            mask = lane_mask(e, e.int(count - j), lanes)
            vector = masked(e, vector, mask, fold.identity)
        found = _better(e, fold, best, where, vector, index)
        return [*found, e.b.add(index, constant(index.type, lanes))]

    best, where, index = fold.start(e, lanes), iota(lanes), iota(lanes)
    if whole:
        best, where, index = e.loop(0, whole, step, lanes, [best, where, index])
    if whole < count:
        best, where, index = step(whole, best, where, index)
    largest = e.broadcast(fold.lanes(e, best), lanes)
    if fold.dtype.is_float:
        equal = e.b.fcmp_unordered("==", best, largest)  # every lane, or NaN: only if all are
        both = e.b.or_(
            e.b.fcmp_ordered("ord", largest, largest), e.b.fcmp_unordered("uno", best, best)
        )
        equal = e.b.and_(equal, both)
    else:
        equal = e.b.icmp_signed("==", best, largest)
    positions = e.b.select(equal, where, constant(where.type, 2**31 - 1))
    first = fold_lanes(e, positions, lambda a, b: e.b.select(e.b.icmp_signed("<", a, b), a, b))
    e.store(e.b.sext(first, I64), e.at(y, DType.INT64, (u, 1)))


def _columns(e: Emitter, fold: Fold, u: ir.Value, count: int, inner: int, lanes: int) -> None:
    """The axis is not the last one: each lane has a row of its own."""
    x, y = e.operands
    start = e.at(x, fold.dtype, (u, count * inner))
    end = e.at(y, DType.INT64, (u, inner))
    whole = ir.VectorType(I64, lanes) if lanes > 1 else I64

    def columns(j: Int, mask: ir.Value | None) -> None:
        def step(k: Int, best: ir.Value, where: ir.Value) -> list[ir.Value]:
            place = e.at(start, fold.dtype, (k, inner), (j, 1))
            index = e.broadcast(e.stored(k), lanes)
            return _better(e, fold, best, where, e.load(place, fold.dtype, lanes), index)

        begin = [fold.start(e, lanes), constant(whole, 0)]
        _, where = e.loop(0, count, step, 1, begin)
        store(e, where, e.at(end, DType.INT64, (j, 1)), mask)

    vector_loop(e, 0, inner, lanes, columns)
