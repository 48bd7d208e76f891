"""Softmax and its logarithm along any axis.

Along the last axis a row is one unit, folded with vectors; a short one stays in registers. Along
another axis each lane has a row of its own.
"""

from dataclasses import dataclass
from math import prod

import llvmlite.ir as ir

from graphcnn.ir.node import Node
from graphcnn.ir.tensor_type import DType
from graphcnn.ops.softmax import LogSoftmax, Softmax
from graphcnn.runtime.native.code.emit import Emitter, Int
from graphcnn.runtime.native.code.kernel import Kernel, node_key
from graphcnn.runtime.native.code.registry import lowers
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.parts import math as vector
from graphcnn.runtime.native.kernels.parts.expressions import refuse_half
from graphcnn.runtime.native.kernels.parts.loops import (
    ALONE,
    lane_mask,
    lanes_for,
    masked,
    shared_loop,
    sizes_of,
    smaller,
    store,
    vector_loop,
)
from graphcnn.runtime.native.kernels.parts.math import constant
from graphcnn.runtime.native.kernels.parts.vector_folds import Fold, fold_blocked, fold_row

#: Columns in one unit, where the axis is not the last.
COLUMNS = 512


@lowers("softmax", "log_softmax")
def lower_softmax(node: Node, target: Target) -> Kernel:
    refuse_half(node)
    assert isinstance(node.op, Softmax | LogSoftmax)
    sizes, axis = sizes_of(node.inputs[0].type), node.op.axis
    outer, count, inner = prod(sizes[:axis]), sizes[axis], prod(sizes[axis + 1 :])
    dtype = node.types[0].dtype
    work = Rows(dtype, count, inner, lanes_for(target, dtype))
    log = isinstance(node.op, LogSoftmax)
    chunks = -(-inner // COLUMNS)
    units = 1 if outer * count * inner < ALONE else outer * chunks

    def emit(e: Emitter) -> None:
        x, y = e.operands

        def unit(u: ir.Value) -> None:
            row, chunk = e.divmod(u, chunks) if chunks > 1 else (u, 0)
            source, into = (e.at(p, dtype, (row, count * inner)) for p in (x, y))
            if inner == 1 and count <= 4 * work.lanes:
                _short_row(e, work, source, into, log)
            elif inner == 1:
                _long_row(e, work, source, into, log)
            else:
                start = e.imul(chunk, COLUMNS)
                stop = smaller(e, e.iadd(start, COLUMNS), inner)
                vector_loop(
                    e, start, stop, work.lanes,
                    lambda j, mask: _columns(e, work, source, into, log, j, mask),
                    inner % work.lanes != 0,
                )  # fmt: skip

        shared_loop(e, units == 1, outer * chunks, unit)

    return Kernel(node_key(node), emit, 2, units, inplace=((0, 0),), algorithm="softmax")


@dataclass(frozen=True)
class Rows:
    """Rows of `count` elements, `inner` apart."""

    dtype: DType
    count: int
    inner: int
    lanes: int

    @property
    def sum(self) -> Fold:
        return Fold(self.dtype)

    @property
    def max(self) -> Fold:
        return Fold(self.dtype, largest=True)

    def load(self, e: Emitter, start: ir.Value, j: Int, k: Int = 0) -> ir.Value:
        """A vector of elements j, j + 1, ... of row 0 (of columns j, ... of place k)."""
        place = e.at(start, self.dtype, (j, 1), (k, self.inner))
        return e.load(place, self.dtype, self.lanes)

    def row_maximum(self, e: Emitter, x: ir.Value) -> ir.Value:
        """The largest element of the contiguous row at x, in every lane."""
        best = fold_row(e, self.max, self.count, self.lanes, lambda j, _: self.load(e, x, j))
        return e.broadcast(self.max.lanes(e, best), self.lanes)

    def column_maximum(self, e: Emitter, x: ir.Value, j: Int) -> ir.Value:
        """The largest elements of the rows that begin at x + j, x + j + 1, ..."""
        (best,) = e.loop(
            0, self.count,
            lambda k, best: [self.max.combine(e, best, self.load(e, x, j, k))],
            1, [self.max.start(e, self.lanes)],
        )  # fmt: skip
        return best


def _finished(e: Emitter, total: ir.Value, log: bool) -> ir.Value:
    """What the elements of a row have in common: log(Σe^x) to subtract, or 1 / Σe^x to multiply."""
    return vector.log(e, total) if log else e.b.fdiv(constant(total.type, 1.0), total)


def _short_row(e: Emitter, rows: Rows, x: ir.Value, y: ir.Value, log: bool) -> None:
    """Every vector of the row in a register."""
    parts = []
    for j in range(0, rows.count, rows.lanes):
        rest = rows.count - j
        mask = lane_mask(e, e.int(rest), rows.lanes) if rest < rows.lanes else None
        parts.append((j, mask, masked(e, rows.load(e, x, j), mask, rows.max.identity)))
    best = rows.max.lanes(e, rows.max.tree(e, [v for _, _, v in parts]))
    best = e.broadcast(best, rows.lanes)
    shifted = [(j, mask, e.sub(v, best)) for j, mask, v in parts]
    powers = [vector.exp(e, v) for _, _, v in shifted]  # 0 after the end of the row
    total = rows.sum.lanes(e, rows.sum.tree(e, powers))
    total = e.broadcast(_finished(e, total, log), rows.lanes)
    for (j, mask, v), power in zip(shifted, powers, strict=True):
        result = e.sub(v, total) if log else e.mul(power, total)
        store(e, result, e.at(y, rows.dtype, (j, 1)), mask)


def _long_row(e: Emitter, rows: Rows, x: ir.Value, y: ir.Value, log: bool) -> None:
    """Three passes over the row: maximum, sum of exponentials, result."""
    best = rows.row_maximum(e, x)

    def power(j: Int, mask: ir.Value | None) -> ir.Value:
        result = vector.exp(e, e.sub(rows.load(e, x, j), best))
        if not log:
            store(e, result, e.at(y, rows.dtype, (j, 1)), mask)
        return result

    total = rows.sum.lanes(e, fold_row(e, rows.sum, rows.count, rows.lanes, power))
    total = e.broadcast(_finished(e, total, log), rows.lanes)

    def finish(j: Int, mask: ir.Value | None) -> None:
        if log:
            result = e.sub(e.sub(rows.load(e, x, j), best), total)
        else:
            result = e.mul(rows.load(e, y, j), total)
        store(e, result, e.at(y, rows.dtype, (j, 1)), mask)

    vector_loop(e, 0, rows.count, rows.lanes, finish)


def _columns(
    e: Emitter, rows: Rows, x: ir.Value, y: ir.Value, log: bool, j: Int, mask: ir.Value | None
) -> None:
    """A vector of rows, one in each lane."""
    best = rows.column_maximum(e, x, j)

    def power(k: Int, total: ir.Value) -> list[ir.Value]:
        result = vector.exp(e, e.sub(rows.load(e, x, j, k), best))
        if not log:
            store(e, result, e.at(y, rows.dtype, (j, 1), (k, rows.inner)), mask)
        return [e.add(total, result)]

    start = [rows.sum.start(e, rows.lanes)]
    (total,) = fold_blocked(e, rows.sum, rows.count, start, power)
    total = _finished(e, total, log)

    def finish(k: Int) -> None:
        if log:
            result = e.sub(e.sub(rows.load(e, x, j, k), best), total)
        else:
            result = e.mul(rows.load(e, y, j, k), total)
        store(e, result, e.at(y, rows.dtype, (j, 1), (k, rows.inner)), mask)

    e.loop(0, rows.count, finish)
