"""Average pooling and its gradient, of plain and of blocked images.

A window's divisor is the product of its rows and its columns that count; both are known, and kept
as tables beside the code.
"""

from typing import cast

import llvmlite.ir as ir

from graphcnn.errors import GraphError
from graphcnn.ir.geometry import Window
from graphcnn.ir.node import Node
from graphcnn.ops.layout import inner
from graphcnn.ops.parts.unfold import covered
from graphcnn.ops.pool import _AvgPool
from graphcnn.runtime.native.code.emit import Emitter, Int
from graphcnn.runtime.native.code.kernel import Kernel, node_key
from graphcnn.runtime.native.code.registry import lowers, places
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.parts.image_places import (
    ImagePlaces,
    Numbers,
    field_of,
    is_padded,
)
from graphcnn.runtime.native.kernels.parts.pixel_rows import (
    each_plane,
    fill,
    float_type,
    fold_lanes,
    table,
)
from graphcnn.runtime.native.kernels.parts.pixel_sums import Values, plane_sums, vector_sums
from graphcnn.runtime.native.kernels.parts.pool_reach import PoolReach, can_gather
from graphcnn.runtime.native.kernels.parts.pool_windows import Pooling, Span, pooling


class Divisors:
    """Pixels that count in each window of an average pooling."""

    def __init__(self, e: Emitter, node: Node, p: Pooling) -> None:
        include = cast(_AvgPool, inner(node.op)).count_include_pad

        def counts(window: Window, size: int) -> ir.Value:
            sides = (window.before, window.after) if include else (0, 0)
            return table(e, "counts", covered(size, window, *sides), p.dtype)

        self.e, self.p = e, p
        self.rows, self.columns = counts(p.rows, p.images.h), counts(p.columns, p.images.w)

    def at(self, i: Int, j: Int, span: Span) -> ir.Value:
        """The divisors of the windows (i, j), (i, j + 1), …"""
        e, dtype = self.e, self.p.dtype
        row = e.load(e.at(self.rows, dtype, (i, 1)), dtype)
        column = e.load(e.at(self.columns, dtype, (j, 1)), dtype, span.lanes)
        if span.lanes == 1:
            return e.broadcast(e.mul(row, column), span.cell)
        return e.mul(e.broadcast(row, span.lanes), column)


@places("avg_pool2d")
@lowers("avg_pool2d")
def avg_pool(node: Node, target: Target) -> Kernel:
    float_type(node)
    x_field, y_field = field_of(node.inputs[0].type), field_of(node.types[0])
    p = pooling(node, x_field)

    def emit(e: Emitter) -> None:
        x, y = e.operands
        divisors = Divisors(e, node, p)

        def row(n: Int, i: Int) -> None:
            image, to = x_field.plane(e, x, n), y_field.plane(e, y, n)

            def windows(j: Int, span: Span) -> None:
                def body(x: ir.Value, place: Int, tap: Int, sum: ir.Value) -> Values:
                    return [e.add(sum, x)]

                zero = e.splat(0.0, p.dtype, span.width)
                (total,) = p.window(e, image, i, j, span, body, lambda x, place, tap: [zero])
                mean = e.b.fdiv(total, divisors.at(i, j, span))
                e.store(mean, y_field.pixel(e, to, i, j))

            p.across(e, windows)

        y_field.rows(e, y, row)

    return Kernel(node_key(node), emit, 2, y_field.units)


@places("avg_pool2d_grad")
@lowers("avg_pool2d_grad")
def avg_pool_grad(node: Node, target: Target) -> Kernel:
    float_type(node)
    dy_field, dx_field = field_of(node.inputs[0].type), field_of(node.types[0])
    p = pooling(node, dx_field)
    if dx_field.cell == 1 and not can_gather(p):
        return Kernel(node_key(node), lambda e: _scatter(e, node, p), 2, dx_field.planes)
    gather = PoolReach(p, dx_field)

    def emit(e: Emitter) -> None:
        dy, dx, room = e.operands
        divisors = Divisors(e, node, p)
        (shares,) = gather.scratch(e, room, 1)
        fill(e, shares, gather.count, 0.0, p.dtype)

        def term(i: Int, j: Int, tap: int, lanes: int) -> ir.Value:
            return e.load(gather.at(e, shares, i, j), p.dtype, lanes * dx_field.cell)

        def plane(n: Int) -> None:
            up = dy_field.plane(e, dy, n)

            def divide(i: Int) -> None:
                def windows(j: Int, span: Span) -> None:
                    value = e.load(dy_field.pixel(e, up, i, j), p.dtype, span.width)
                    share = e.b.fdiv(value, divisors.at(i, j, span))
                    e.store(share, gather.at(e, shares, i, j))

                p.across(e, windows, cut=False)

            e.loop(0, p.oh, divide)
            gather.pixels(e, dx_field.plane(e, dx, n), term)
            dx_field.clear_halo(e, dx, n)

        each_plane(e, dx_field.planes, plane)

    return Kernel(node_key(node), emit, 3, dx_field.planes, gather.bytes, algorithm="gather")


def _scatter(e: Emitter, node: Node, p: Pooling) -> None:
    dy, dx = e.operands
    divisors, single = Divisors(e, node, p), Span(1, 1, False)
    images, windows = p.images, ImagePlaces(p.images.n, p.images.blocks, 0, p.oh, p.ow, p.dtype)

    def plane(n: Int) -> None:
        result, up = images.plane(e, dx, n), windows.plane(e, dy, n)
        fill(e, result, images.size, 0.0, p.dtype)

        def window(i: Int, j: Int) -> None:
            value = e.load(windows.pixel(e, up, i, j), p.dtype)
            share = e.b.fdiv(value, divisors.at(i, j, single))

            def body(old: ir.Value, place: Int, tap: Int) -> Values:
                e.store(e.add(old, share), e.at(result, p.dtype, (place, 1)))
                return []

            p.window(e, result, i, j, single, body, lambda x, place, tap: [])

        e.loop(0, p.oh, lambda i: e.loop(0, p.ow, lambda j: window(i, j)))

    each_plane(e, images.planes, plane)


@places("global_avg_pool2d")
@lowers("global_avg_pool2d")
def global_avg_pool(node: Node, target: Target) -> Kernel:
    dtype, f = float_type(node), field_of(node.inputs[0].type)
    y_field = field_of(node.types[0])
    if any(y_field.halo) and y_field.cell != f.cell:
        raise GraphError(f"{node.op.name} does not write a halo: {node.types[0]}")
    y_numbers = Numbers(f.channels, f.cell, dtype, f.cell == 1 or is_padded(node.types[0]))

    def whole(e: Emitter, image: ir.Value) -> ir.Value:
        def terms(at: Int, lanes: int) -> Values:
            return [e.load(e.at(image, dtype, (at, 1)), dtype, lanes)]

        (total,), lanes = plane_sums(e, f.h * f.w, dtype, terms)
        return fold_lanes(e, total, lanes)

    def blocks(e: Emitter, image: ir.Value) -> ir.Value:
        zero = e.splat(0.0, dtype, f.cell)

        def row(i: Int, total: ir.Value) -> Values:
            def term(j: Int) -> Values:
                return [e.load(f.pixel(e, image, i, j), dtype, f.cell)]

            return [e.add(total, vector_sums(e, f.w, [zero], term)[0])]

        return e.loop(0, f.h, row, carry=[zero])[0]

    def emit(e: Emitter) -> None:
        x, y = e.operands

        def plane(p: Int) -> None:
            n, block = e.divmod(p, f.blocks)
            total = (whole if f.cell == 1 else blocks)(e, f.plane(e, x, p))
            mean = e.b.fdiv(total, e.splat(f.h * f.w, dtype, f.cell))
            if any(y_field.halo):
                y_field.clear_halo(e, y, p)
                e.store(mean, y_field.plane(e, y, p))
                return
            image = f.blocks * f.cell if y_numbers.padded else f.channels
            y_numbers.store(e, mean, e.at(y, dtype, (n, image)), block)

        each_plane(e, f.planes, plane)

    return Kernel(node_key(node), emit, 2, f.planes)
