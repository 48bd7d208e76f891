"""Sum, mean, product and maximum over any axes.

Axes are merged to groups that are kept or reduced in turn. Where the last group is reduced its
rows are folded with vectors and the lanes combined at the end; where it is kept, each lane folds
an element of its own and nothing is left to combine. Units are outputs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import llvmlite.ir as ir

from graphcnn.ir.node import Node
from graphcnn.ir.tensor_type import DType
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.reduce import Max, Mean, Prod
from graphcnn.runtime.native.code.emit import Emitter, Int
from graphcnn.runtime.native.code.kernel import Kernel, node_key
from graphcnn.runtime.native.code.registry import lowers
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.parts.expressions import refuse_half
from graphcnn.runtime.native.kernels.parts.loops import (
    ALONE,
    lane_mask,
    lanes_for,
    row_major,
    shared_loop,
    sizes_of,
    store,
)
from graphcnn.runtime.native.kernels.parts.math import constant
from graphcnn.runtime.native.kernels.parts.vector_folds import WAYS, Fold, fold_blocked, fold_row

#: Size and stride of merged axes.
Group = tuple[int, int]


@lowers("sum", "mean", "max", "prod")
def lower_reduction(node: Node, target: Target) -> Kernel:
    assert isinstance(node.op, Sum | Mean | Max | Prod)
    sizes = sizes_of(node.inputs[0].type)
    return reduction(node, node.op, sizes, node.op.axes, target)


def reduction(
    node: Node,
    op: Sum | Mean | Max | Prod,
    sizes: Sequence[int],
    axes: Sequence[int],
    target: Target,
) -> Kernel:
    """The kernel over a contiguous array of `sizes`, the result in the order of the kept axes."""
    refuse_half(node)
    kept, reduced = _groups(sizes, axes)
    dtype = node.types[0].dtype
    fold = Fold(dtype, largest=isinstance(op, Max), product=isinstance(op, Prod))
    count = prod(size for size, _ in reduced) if isinstance(op, Mean) else 1
    lanes = lanes_for(target, dtype)
    rows = reduced and (not kept or reduced[-1][1] < kept[-1][1])
    work = (_Rows if rows else _Columns)(fold, kept, reduced, lanes, count)

    def emit(e: Emitter) -> None:
        shared_loop(e, work.kernel_units == 1, work.units, lambda u: work.emit(e, u))

    name = "rows" if rows else "columns"
    return Kernel(node_key(node), emit, 2, work.kernel_units, algorithm=f"reduce {name}")


def _groups(sizes: Sequence[int], axes: Sequence[int]) -> tuple[list[Group], list[Group]]:
    """Kept and reduced groups of neighbouring axes, outermost first. Size 1 counts as nothing."""
    kept: list[Group] = []
    reduced: list[Group] = []
    last: list[Group] | None = None
    for axis, (size, stride) in enumerate(zip(sizes, row_major(sizes), strict=True)):
        if size == 1:
            continue
        into = reduced if axis in axes else kept
        if into is last:
            into[-1] = (into[-1][0] * size, stride)
        else:
            into.append((size, stride))
        last = into
    return kept, reduced


def _place(e: Emitter, index: Int, groups: Sequence[Group]) -> Int:
    """Offset of a row-major position among groups."""
    if not groups:
        return 0
    offset: Int = 0
    for i, (_, stride) in zip(e.unravel(index, [g[0] for g in groups]), groups, strict=True):
        offset = e.iadd(offset, e.imul(i, stride))
    return offset


@dataclass(frozen=True)
class _Reduction:
    fold: Fold
    kept: list[Group]
    reduced: list[Group]
    lanes: int
    divisor: int

    @property
    def units(self) -> int:
        raise NotImplementedError

    @property
    def kernel_units(self) -> int:
        whole = prod(size for size, _ in (*self.kept, *self.reduced))
        return 1 if whole < ALONE else self.units

    @property
    def dtype(self) -> DType:
        return self.fold.dtype

    def divided(self, e: Emitter, total: ir.Value) -> ir.Value:
        if self.divisor == 1:
            return total
        return e.b.fdiv(total, constant(total.type, float(self.divisor)))


class _Rows(_Reduction):
    """The last group is reduced: contiguous rows. A unit is one output."""

    @property
    def units(self) -> int:
        return prod(size for size, _ in self.kept)

    def emit(self, e: Emitter, u: ir.Value) -> None:
        x, y = e.operands
        base = _place(e, u, self.kept)
        outer, length = self.reduced[:-1], self.reduced[-1][0]

        def row(offset: Int) -> ir.Value:
            start = e.at(x, self.dtype, (base, 1), (offset, 1))
            return fold_row(
                e, self.fold, length, self.lanes,
                lambda j, _: e.load(e.at(start, self.dtype, (j, 1)), self.dtype, self.lanes),
            )  # fmt: skip

        if outer:
            (total,) = fold_blocked(
                e, self.fold, prod(size for size, _ in outer),
                [self.fold.start(e, self.lanes)],
                lambda r, s: [self.fold.combine(e, s, row(_place(e, r, outer)))],
            )  # fmt: skip
        else:
            total = row(0)
        e.store(self.divided(e, self.fold.lanes(e, total)), e.at(y, self.dtype, (u, 1)))


class _Columns(_Reduction):
    """The last group is kept: its elements lie side by side. A unit is a few vectors of them."""

    @property
    def width(self) -> int:
        return self.kept[-1][0] if self.kept else 1

    @property
    def vectors(self) -> int:
        return -(-self.width // self.lanes)

    @property
    def together(self) -> int:
        """Vectors in one unit."""
        return next(w for w in (4, 3, 2, 1) if self.vectors % w == 0)

    @property
    def units(self) -> int:
        outer = prod(size for size, _ in self.kept[:-1])
        return outer * self.vectors // self.together

    def emit(self, e: Emitter, u: ir.Value) -> None:
        x, y = e.operands
        many, lanes, dtype = self.together, self.lanes, self.dtype
        outer, group = e.divmod(u, self.vectors // many)
        column = e.imul(group, many * lanes)
        start = e.at(x, dtype, (_place(e, outer, self.kept[:-1]), 1), (column, 1))
        count = prod(size for size, _ in self.reduced)
        ways = max(1, WAYS // many)
        even = count // ways * ways

        def step(r: Int, *sums: ir.Value) -> list[ir.Value]:
            found = []
            for way in range(len(sums) // many):
                offset = _place(e, e.iadd(r, way), self.reduced)
                for w in range(many):
                    place = e.at(start, dtype, (offset, 1), (w * lanes, 1))
                    vector = e.load(place, dtype, lanes)
                    found.append(self.fold.combine(e, sums[way * many + w], vector))
            return found

        zeros = [self.fold.start(e, lanes)] * many
        sums = list(fold_blocked(e, self.fold, even, zeros * ways, step, ways))
        totals = [self.fold.tree(e, sums[w::many]) for w in range(many)]
        if even < count:
            totals = e.loop(even, count, step, 1, totals)
        for w, total in enumerate(totals):
            mask = None
            if w == many - 1 and self.width % lanes:
                rest = e.b.sub(e.int(self.width), e.int(e.iadd(column, w * lanes)))
                mask = lane_mask(e, rest, lanes)
            place = e.at(y, dtype, (e.imul(outer, self.width), 1), (column, 1), (w * lanes, 1))
            store(e, self.divided(e, total), place, mask)
