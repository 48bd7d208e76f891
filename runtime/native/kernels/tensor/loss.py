"""Losses: one number, so one unit; the order of the sum depends on the shape only.

Labels are compared with the classes, never used as an address. One out of range, which the
definition refuses with an error, makes the loss NaN.
"""

from collections.abc import Callable
from math import prod

import llvmlite.ir as ir

from graphcnn.ir.node import Node
from graphcnn.ir.tensor_type import DType
from graphcnn.ops.loss import CrossEntropy
from graphcnn.runtime.native.code.emit import I32, Emitter, Int
from graphcnn.runtime.native.code.kernel import Kernel, node_key
from graphcnn.runtime.native.code.registry import lowers
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.parts import math as vector
from graphcnn.runtime.native.kernels.parts.expressions import refuse_half
from graphcnn.runtime.native.kernels.parts.loops import iota, lanes_for, masked, sizes_of
from graphcnn.runtime.native.kernels.parts.math import DOUBLE, absolute, constant
from graphcnn.runtime.native.kernels.parts.pixel_rows import inside
from graphcnn.runtime.native.kernels.parts.vector_folds import Fold, fold_row
from graphcnn.runtime.native.kernels.tensor.softmax import Rows

#: The loss of a vector of elements, from predictions and targets.
Pointwise = Callable[[Emitter, ir.Value, ir.Value], ir.Value]


def _binary_cross_entropy(e: Emitter, z: ir.Value, t: ir.Value) -> ir.Value:
    return e.sub(vector.softplus(e, z), e.mul(z, t))


def _squared(e: Emitter, p: ir.Value, t: ir.Value) -> ir.Value:
    difference = e.sub(p, t)
    return e.mul(difference, difference)


def _absolute(e: Emitter, p: ir.Value, t: ir.Value) -> ir.Value:
    return absolute(e, e.sub(p, t))


_POINTWISE: dict[str, Pointwise] = {
    "binary_cross_entropy": _binary_cross_entropy,
    "mean_squared_error": _squared,
    "mean_absolute_error": _absolute,
}


@lowers(*_POINTWISE)
def lower_pointwise(node: Node, target: Target) -> Kernel:
    """The mean over all elements of a function of two tensors."""
    refuse_half(node)
    count = prod(sizes_of(node.inputs[0].type))
    sizes_of(node.inputs[1].type)
    dtype = node.types[0].dtype
    lanes = lanes_for(target, dtype)

    def emit(e: Emitter) -> None:
        *sources, y = e.operands

        def get(j: Int, mask: ir.Value | None) -> ir.Value:
            vectors = [e.load(e.at(p, dtype, (j, 1)), dtype, lanes) for p in sources]
            return _POINTWISE[node.op.name](e, *vectors)

        fold = Fold(dtype)
        total = fold.lanes(e, fold_row(e, fold, count, lanes, get))
        e.store(e.b.fdiv(total, constant(total.type, float(count))), y)

    return Kernel(node_key(node), emit, 3, algorithm="loss")


@lowers("cross_entropy")
def lower_cross_entropy(node: Node, target: Target) -> Kernel:
    refuse_half(node)
    assert isinstance(node.op, CrossEntropy)
    sizes = sizes_of(node.inputs[0].type)
    items, classes, inner = sizes[0], sizes[1], prod(sizes[2:])
    dtype, smoothing = node.types[0].dtype, node.op.label_smoothing
    # Beside planes of logits lie planes of labels, with as many lanes.
    lanes = lanes_for(target, dtype) if inner == 1 else lanes_for(target, dtype, DType.INT64)
    rows = Rows(dtype, classes, inner, lanes)
    of_row = _row_loss if inner == 1 else _plane_loss

    def emit(e: Emitter) -> None:
        logits, labels, y = e.operands

        def item(n: Int, total: ir.Value) -> list[ir.Value]:
            z = e.at(logits, dtype, (n, classes * inner))
            label = e.at(labels, DType.INT64, (n, inner))
            loss = of_row(e, rows, smoothing, z, label)
            return [e.add(total, loss if loss.type == DOUBLE else e.b.fpext(loss, DOUBLE))]

        (total,) = e.loop(0, items, item, 1, [DOUBLE(0.0)])
        mean = e.b.fdiv(total, DOUBLE(float(items * inner)))
        e.store(mean if dtype is DType.FLOAT64 else e.b.fptrunc(mean, ir.FloatType()), y)

    return Kernel(node_key(node), emit, 3, algorithm="loss")


def _item_loss(
    e: Emitter, rows: Rows, smoothing: float, sums: tuple[ir.Value, ir.Value, ir.Value | None]
) -> ir.Value:
    """(1 - s)·(log Σe^z - z[label]) - s·(mean of z - log Σe^z), the z shifted by their maximum."""
    powers, picked, total = sums
    log = vector.log(e, powers)
    loss = e.sub(log, picked)
    if total is None:
        return loss
    mean = e.b.fdiv(total, constant(total.type, float(rows.count)))
    s = constant(log.type, smoothing)
    rest = constant(log.type, 1.0 - smoothing)
    return e.sub(e.mul(rest, loss), e.mul(s, e.sub(mean, log)))


def _row_loss(e: Emitter, rows: Rows, smoothing: float, z: ir.Value, label: ir.Value) -> ir.Value:
    """The loss of one contiguous row of logits."""
    best = rows.row_maximum(e, z)
    number = e.load(label, DType.INT64)
    known = inside(e, number, rows.count)
    wanted = e.broadcast(e.b.trunc(e.b.select(known, number, number.type(-1)), I32), rows.lanes)

    def shifted(j: Int, _: ir.Value | None) -> ir.Value:
        return e.sub(rows.load(e, z, j), best)

    def power(j: Int, mask: ir.Value | None) -> ir.Value:
        return vector.exp(e, shifted(j, mask))

    def picked(j: Int, mask: ir.Value | None) -> ir.Value:
        first = e.broadcast(e.i32(j), rows.lanes)
        here = e.b.icmp_signed("==", e.b.add(first, iota(rows.lanes)), wanted)
        return masked(e, shifted(j, mask), here, 0.0)

    def folded(get: Callable[[Int, ir.Value | None], ir.Value]) -> ir.Value:
        return rows.sum.lanes(e, fold_row(e, rows.sum, rows.count, rows.lanes, get))

    total = folded(shifted) if smoothing else None
    loss = _item_loss(e, rows, smoothing, (folded(power), folded(picked), total))
    return e.b.select(known, loss, constant(loss.type, float("nan")))


def _plane_loss(
    e: Emitter, rows: Rows, smoothing: float, z: ir.Value, labels: ir.Value
) -> ir.Value:
    """The sum of the losses of a plane of rows: each lane has a row of its own."""

    def get(j: Int, _: ir.Value | None) -> ir.Value:
        best = rows.column_maximum(e, z, j)
        wanted = e.load(e.at(labels, DType.INT64, (j, 1)), DType.INT64, rows.lanes)

        def step(k: Int, powers: ir.Value, picked: ir.Value, *total: ir.Value) -> list[ir.Value]:
            value = e.sub(rows.load(e, z, j, k), best)
            here = e.b.icmp_signed("==", wanted, e.broadcast(e.stored(k), rows.lanes))
            return [
                e.add(powers, vector.exp(e, value)),
                e.b.select(here, value, picked),
                *(e.add(t, value) for t in total),
            ]

        zero = rows.sum.start(e, rows.lanes)
        nothing = constant(zero.type, float("nan"))  # until the class of the label comes
        start = [zero, nothing, *([zero] if smoothing else [])]
        powers, picked, *total = e.loop(0, rows.count, step, 1, start)
        return _item_loss(e, rows, smoothing, (powers, picked, total[0] if total else None))

    return rows.sum.lanes(e, fold_row(e, rows.sum, rows.inner, rows.lanes, get))
