"""Transposition: rows are copied where the last axis stays last, else squares are turned around.

A square of lanes × lanes elements is read as contiguous vectors along the axis that is last in the
input, turned in registers, and written as contiguous vectors along the last axis of the output.
"""

from dataclasses import dataclass
from math import prod

import llvmlite.ir as ir

from graphcnn.ir.node import Node
from graphcnn.ir.tensor_type import DType
from graphcnn.ops.shape import Transpose
from graphcnn.runtime.native.code.emit import Emitter, Int
from graphcnn.runtime.native.code.kernel import Kernel, node_key
from graphcnn.runtime.native.code.registry import lowers
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.parts.expressions import refuse_half
from graphcnn.runtime.native.kernels.parts.loops import (
    ALONE,
    Access,
    Nest,
    lanes_for,
    merge_axes,
    row_major,
    shared_loop,
    sizes_of,
)


@lowers("transpose")
def lower_transpose(node: Node, target: Target) -> Kernel:
    refuse_half(node)
    assert isinstance(node.op, Transpose)
    sizes, dtype = sizes_of(node.inputs[0].type), node.inputs[0].dtype
    shape = sizes_of(node.types[0])
    own = row_major(sizes)
    strides = tuple(own[axis] for axis in node.op.perm)
    merged, (inside, outside) = merge_axes(shape, (strides, row_major(shape)))
    if not merged or inside[-1] == 1:
        accesses = (Access(dtype, strides), Access(dtype, row_major(shape)))
        nest = Nest.of(shape, accesses, target)

        def emit(e: Emitter) -> None:
            nest.emit(e, e.operands, lambda vectors: vectors)

        return Kernel(node_key(node), emit, 2, nest.units, algorithm="copy")
    squares = _Squares(merged, inside, outside, dtype, lanes_for(target, dtype))
    units = squares.units if prod(merged) >= ALONE else 1

    def turn(e: Emitter) -> None:
        shared_loop(e, units == 1, squares.units, lambda u: squares.emit(e, u))

    return Kernel(node_key(node), turn, 2, units, algorithm="squares")


@dataclass(frozen=True)
class _Squares:
    """Merged sizes of the output; strides in the input and in the output, in elements.

    A unit is a stripe: `lanes` places along the axis that is last in the input, and all of the
    axis that is last in the output.
    """

    sizes: tuple[int, ...]
    inside: tuple[int, ...]
    outside: tuple[int, ...]
    dtype: DType
    lanes: int

    @property
    def across(self) -> int:
        """The axis of the output that is last in the input."""
        return self.inside.index(1)

    @property
    def stripes(self) -> int:
        return -(-self.sizes[self.across] // self.lanes)

    @property
    def _outer(self) -> list[int]:
        return [a for a in range(len(self.sizes) - 1) if a != self.across]

    @property
    def units(self) -> int:
        return prod(self.sizes[a] for a in self._outer) * self.stripes

    def emit(self, e: Emitter, u: ir.Value) -> None:
        x, y = e.operands
        axes = self._outer
        row, stripe = e.divmod(u, self.stripes)
        at = e.unravel(row, [self.sizes[a] for a in axes]) if axes else []
        first = e.imul(stripe, self.lanes)
        source = e.at(
            x, self.dtype, *((i, self.inside[a]) for i, a in zip(at, axes, strict=True)), (first, 1)
        )
        result = e.at(
            y,
            self.dtype,
            *((i, self.outside[a]) for i, a in zip(at, axes, strict=True)),
            (first, self.outside[self.across]),
        )
        width, last = self.sizes[self.across], self.sizes[-1]
        whole = last // self.lanes * self.lanes
        full = width // self.lanes
        rest = width - full * self.lanes
        if full:
            inside = e.b.icmp_signed("<", e.int(stripe), e.int(full))

            def squares() -> None:
                e.loop(0, whole, lambda j: self._square(e, source, result, j), self.lanes)
                self._elements(e, source, result, self.lanes, whole)

            e.when(inside, squares)
        if rest:
            partial = e.b.icmp_signed("==", e.int(stripe), e.int(full))
            e.when(partial, lambda: self._elements(e, source, result, rest, 0))

    def _square(self, e: Emitter, source: ir.Value, result: ir.Value, j: Int) -> None:
        n, dtype = self.lanes, self.dtype
        rows = [
            e.load(e.at(source, dtype, (e.iadd(j, i), self.inside[-1])), dtype, n) for i in range(n)
        ]
        for i, column in enumerate(turned(e, rows)):
            e.store(column, e.at(result, dtype, (i, self.outside[self.across]), (j, 1)))

    def _elements(
        self, e: Emitter, source: ir.Value, result: ir.Value, count: int, start: int
    ) -> None:
        """`count` places of the stripe, from `start` along the last axis: one by one."""
        stride, dtype = self.outside[self.across], self.dtype

        def place(i: ir.Value) -> None:
            def element(j: ir.Value) -> None:
                value = e.load(e.at(source, dtype, (j, self.inside[-1]), (i, 1)), dtype)
                e.store(value, e.at(result, dtype, (i, stride), (j, 1)))

            e.loop(start, self.sizes[-1], element)

        if start < self.sizes[-1]:
            e.loop(0, count, place)


def turned(e: Emitter, rows: list[ir.Value]) -> list[ir.Value]:
    """The columns of a square of vectors. Step s swaps the two blocks of s × s beside the diagonal
    of every block of 2s × 2s."""
    rows, n = list(rows), len(rows)
    step = 1
    while step < n:
        for i in range(n):
            if i & step:
                continue
            a, b = rows[i], rows[i + step]
            low = [n + lane - step if lane & step else lane for lane in range(n)]
            high = [n + lane if lane & step else lane + step for lane in range(n)]
            rows[i], rows[i + step] = e.shuffle(a, b, low), e.shuffle(a, b, high)
        step *= 2
    return rows
