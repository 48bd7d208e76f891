"""The best elements of each row, by a heap of k elements whose root is the worst of them.

An element that is no better than the root is done with one comparison; any other takes its place
and sinks. At the end the root is taken out again and again, which leaves the best one in front.
"""

from dataclasses import dataclass
from math import prod

import llvmlite.ir as ir

from graphcnn.ir.node import Node
from graphcnn.ir.tensor_type import DType
from graphcnn.ops.gather import TopK
from graphcnn.runtime.native.code.emit import I1, Emitter, Int
from graphcnn.runtime.native.code.kernel import Kernel, node_key
from graphcnn.runtime.native.code.registry import EXPRESSIONS, lowers
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.parts.expressions import refuse_half
from graphcnn.runtime.native.kernels.parts.loops import ALONE, shared_loop, sizes_of
from graphcnn.runtime.native.kernels.parts.pixel_rows import least


@lowers("top_k")
def lower_top_k(node: Node, target: Target) -> Kernel:
    refuse_half(node)
    assert isinstance(node.op, TopK)
    k, dtype = node.op.k, node.types[0].dtype
    sizes = sizes_of(node.inputs[0].type)
    rows, width = prod(sizes[:-1]), sizes[-1]
    units = 1 if rows * width < ALONE else rows

    def emit(e: Emitter) -> None:
        x, y, indices = e.operands

        def row(u: Int) -> None:
            start = e.at(x, dtype, (u, width))
            heap = _Heap(e, node, e.at(y, dtype, (u, k)), e.at(indices, DType.INT64, (u, k)))

            def value(i: Int) -> ir.Value:
                return e.load(e.at(start, dtype, (i, 1)), dtype)

            def enter(i: Int) -> None:
                found = value(i)
                e.when(
                    heap.better(found, heap.get(0)[0]),
                    lambda: heap.sink(0, (found, e.stored(i)), k),
                )

            def order(i: Int) -> None:
                at = e.b.sub(e.int(k // 2 - 1), e.int(i))
                heap.sink(at, heap.get(at), k)

            def take_out(i: Int) -> None:
                last = e.b.sub(e.int(k - 1), e.int(i))
                worst, moved = heap.get(0), heap.get(last)
                heap.put(last, *worst)
                heap.sink(0, moved, last)

            e.loop(0, k, lambda i: heap.put(i, value(i), e.stored(i)))
            e.loop(0, k // 2, order)
            e.loop(k, width, enter)
            e.loop(0, k - 1, take_out)

        shared_loop(e, units == 1, rows, row)

    return Kernel(node_key(node), emit, 3, units, algorithm="heap")


@dataclass
class _Heap:
    """Pairs (value, place) in two arrays; no element is better than those below it."""

    e: Emitter
    node: Node
    values: ir.Value
    places: ir.Value

    @property
    def dtype(self) -> DType:
        return self.node.types[0].dtype

    @property
    def op(self) -> TopK:
        assert isinstance(self.node.op, TopK)
        return self.node.op

    def get(self, i: Int) -> tuple[ir.Value, ir.Value]:
        value = self.e.load(self.e.at(self.values, self.dtype, (i, 1)), self.dtype)
        return value, self.e.load(self.e.at(self.places, DType.INT64, (i, 1)), DType.INT64)

    def put(self, i: Int, value: ir.Value, place: ir.Value) -> None:
        self.e.store(value, self.e.at(self.values, self.dtype, (i, 1)))
        self.e.store(place, self.e.at(self.places, DType.INT64, (i, 1)))

    def better(self, a: ir.Value, b: ir.Value) -> ir.Value:
        """Whether a comes before b; NaN is larger than any number."""
        e, largest = self.e, self.op.largest
        if not self.dtype.is_float:
            name = "greater" if largest else "less"
            return EXPRESSIONS[name](e, self.op, self.dtype, a, b)
        if largest:
            return e.b.and_(e.b.fcmp_unordered(">", a, b), e.b.fcmp_ordered("ord", b, b))
        return e.b.and_(e.b.fcmp_unordered("<", a, b), e.b.fcmp_ordered("ord", a, a))

    def before(self, a: tuple[ir.Value, ir.Value], b: tuple[ir.Value, ir.Value]) -> ir.Value:
        """The order of the result: of equal elements the first counts first."""
        e = self.e
        tie = e.b.and_(e.b.not_(self.better(b[0], a[0])), e.b.icmp_signed("<", a[1], b[1]))
        return e.b.or_(self.better(a[0], b[0]), tie)

    def sink(self, at: Int, item: tuple[ir.Value, ir.Value], size: Int) -> None:
        """Put an element at `at`, or below it: the worse one of two children moves up as long as
        it is worse than the element. The heap has `size` elements."""
        e = self.e

        def level(_: Int, at: ir.Value, sinks: ir.Value) -> list[ir.Value]:
            left = e.b.add(e.b.add(at, at), e.int(1))
            right = e.b.add(left, e.int(1))
            exists = e.b.and_(sinks, e.b.icmp_signed("<", left, e.int(size)))
            last = e.b.sub(e.int(size), e.int(1))
            first = e.b.select(exists, left, e.int(0))
            second = e.b.select(exists, e.int(least(e, right, last)), e.int(0))
            one, other = self.get(first), self.get(second)
            worse = self.before(one, other)
            child = e.b.select(worse, second, first)
            found = tuple(e.b.select(worse, b, a) for a, b in zip(one, other, strict=True))
            sinks = e.b.and_(exists, self.before(item, (found[0], found[1])))
            e.when(sinks, lambda: self.put(at, *found))
            return [e.b.select(sinks, child, at), sinks]

        depth = max(1, self.op.k.bit_length())
        end, _ = e.loop(0, depth, level, 1, [e.int(at), I1(1)])
        self.put(end, *item)
