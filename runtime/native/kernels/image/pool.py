"""Max pooling, of plain and of blocked images: the maximum is kept in registers while the taps of
the window go by. Its gradient is in `pool_grad`."""

from typing import cast

import llvmlite.ir as ir

from graphcnn.ir.node import Node, Op
from graphcnn.ir.tensor_type import DType
from graphcnn.ops.layout import inner
from graphcnn.ops.pool import MaxPool2d
from graphcnn.runtime.native.code.emit import Emitter, Int
from graphcnn.runtime.native.code.kernel import Kernel, node_key
from graphcnn.runtime.native.code.registry import lowers, passes, places
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.parts.image_places import field_of
from graphcnn.runtime.native.kernels.parts.pixel_rows import float_type
from graphcnn.runtime.native.kernels.parts.pool_windows import Pooling, Span, Values, pooling


class RunningMaximum:
    """A running maximum, and apart from it whether there was a NaN, which wins in the end.

    That leaves one instruction between one tap and the next.
    """

    def __init__(self, e: Emitter, dtype: DType, width: int) -> None:
        self.e, self.dtype, self.width = e, dtype, width

    def first(self, x: ir.Value) -> Values:
        return [x, self._spoilt(x)]

    def more(self, x: ir.Value, best: ir.Value, spoilt: ir.Value) -> Values:
        b = self.e.b
        return [b.select(b.fcmp_ordered(">", x, best), x, best), b.or_(spoilt, self._spoilt(x))]

    def result(self, best: ir.Value, spoilt: ir.Value) -> ir.Value:
        b = self.e.b
        if self._wide:
            spoilt = b.icmp_signed("!=", spoilt, spoilt.type([0] * self.width))
        return b.select(spoilt, self.e.splat(float("nan"), self.dtype, self.width), best)

    @property
    def _wide(self) -> bool:
        return self.width > 1 and not self.e.target.masks

    def _spoilt(self, x: ir.Value) -> ir.Value:
        """NaN or not: one bit each where the processor has masks of bits, else whole numbers."""
        found = self.e.b.fcmp_unordered("uno", x, x)
        if not self._wide:
            return found
        lane = ir.IntType(8 * self.dtype.bytes)
        return self.e.b.sext(found, ir.VectorType(lane, self.width))


def beats(e: Emitter, x: ir.Value, best: ir.Value) -> ir.Value:
    """Whether x is larger, or the first NaN."""
    return e.b.and_(e.b.fcmp_unordered(">", x, best), e.b.fcmp_ordered("ord", best, best))


def winner(e: Emitter, p: Pooling, plane: ir.Value, i: Int, j: Int) -> tuple[ir.Value, ir.Value]:
    """Value and place of the first maximum of one window, of plain images."""

    def body(x: ir.Value, place: Int, tap: Int, best: ir.Value, at: ir.Value) -> Values:
        better = beats(e, x, best)
        return [e.b.select(better, x, best), e.b.select(better, e.int(place), at)]

    def first(x: ir.Value, place: Int, tap: Int) -> Values:
        return [x, e.int(place)]

    best, at = p.window(e, plane, i, j, Span(1, 1, False), body, first)
    return best, at


@passes("max_pool2d")
def has_one_result(op: Op, layout: str) -> bool:
    """Places are counted in plain images."""
    return isinstance(op, MaxPool2d) and not op.indices


@places("max_pool2d")
@lowers("max_pool2d")
def max_pool(node: Node, target: Target) -> Kernel:
    float_type(node)
    x_field, y_field = field_of(node.inputs[0].type), field_of(node.types[0])
    p = pooling(node, x_field)
    indices = cast(MaxPool2d, inner(node.op)).indices

    def emit(e: Emitter) -> None:
        x, y = e.operands[:2]

        def row(n: Int, i: Int) -> None:
            image, to = x_field.plane(e, x, n), y_field.plane(e, y, n)

            def windows(j: Int, span: Span) -> None:
                maximum = RunningMaximum(e, p.dtype, span.width)

                def body(x: ir.Value, place: Int, tap: Int, *carry: ir.Value) -> Values:
                    return maximum.more(x, *carry)

                found = p.window(e, image, i, j, span, body, lambda x, place, tap: maximum.first(x))
                e.store(maximum.result(*found), y_field.pixel(e, to, i, j))

            def single(j: Int) -> None:
                best, at = winner(e, p, image, i, j)
                e.store(best, y_field.pixel(e, to, i, j))
                place = e.at(e.operands[2], DType.INT64, (n, p.oh * p.ow), (i, p.ow), (j, 1))
                e.store(e.stored(at), place)

            if indices:
                e.loop(0, p.ow, single)
            else:
                p.across(e, windows)

        y_field.rows(e, y, row)

    return Kernel(node_key(node), emit, 2 + indices, y_field.units)


@lowers("max_pool2d_pick")
def _max_pool_pick(node: Node, target: Target) -> Kernel:
    float_type(node)
    x_field, y_field = field_of(node.inputs[0].type), field_of(node.types[0])
    p = pooling(node, x_field)

    def emit(e: Emitter) -> None:
        x, g, y = e.operands

        def row(n: Int, i: Int) -> None:
            image, to = x_field.plane(e, x, n), y_field.plane(e, y, n)
            other = x_field.plane(e, g, n)

            def single(j: Int) -> None:
                _, at = winner(e, p, image, i, j)
                value = e.load(e.at(other, p.dtype, (at, 1)), p.dtype)
                e.store(value, y_field.pixel(e, to, i, j))

            e.loop(0, p.ow, single)

        y_field.rows(e, y, row)

    return Kernel(node_key(node), emit, 3, y_field.units)
