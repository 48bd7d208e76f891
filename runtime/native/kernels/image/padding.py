"""Padding of images and its gradient: rows are copied by vectors, borders pixel by pixel."""

from typing import cast

import llvmlite.ir as ir
import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.node import Array, Node
from graphcnn.ir.tensor_type import DType
from graphcnn.ops.padding import Pad2d, _Padding
from graphcnn.runtime.native.code.emit import Emitter, Int
from graphcnn.runtime.native.code.kernel import Kernel, node_key
from graphcnn.runtime.native.code.registry import lowers
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.parts.pixel_rows import (
    copy,
    each_plane,
    each_row,
    fill,
    flat,
    float_type,
    image_shape,
    table,
)


def sources(op: _Padding, h: int, w: int) -> tuple[Array, Array]:
    """Row and column that each padded row and column copies; -1 where it is filled."""
    if op.mode != "constant":
        return op.source((h, w))
    top, bottom, left, right = op.padding
    pads = (h, (top, bottom)), (w, (left, right))
    rows, columns = (np.pad(np.arange(n), sides, constant_values=-1) for n, sides in pads)
    return rows, columns


def entry(e: Emitter, numbers: ir.Value, i: Int) -> ir.Value:
    """Number i of a table of places."""
    return e.place(e.load(e.at(numbers, DType.INT64, (i, 1)), DType.INT64))


@lowers("pad2d")
def _pad(node: Node, target: Target) -> Kernel:
    op, dtype = cast(Pad2d, node.op), node.types[0].dtype
    if dtype.is_small:
        raise GraphError(f"pad2d of {dtype} has no native code: use f32 or f64")
    planes, h, w = image_shape(node)
    _, height, width = image_shape(node, output=True)
    left, right = op.padding[2:]
    constant = op.mode == "constant"

    def emit(e: Emitter) -> None:
        x, y = e.operands
        row_of, column_of = (table(e, "places", s, DType.INT64) for s in sources(op, h, w))

        def row(plane: Int, i: Int) -> None:
            to = e.at(y, dtype, (plane, height * width), (i, width))
            source = entry(e, row_of, i)

            def border(start: ir.Value, first: int, count: int) -> None:
                if constant:
                    fill(e, e.at(to, dtype, (first, 1)), count, op.value, dtype)
                    return

                def pixel(j: Int) -> None:
                    value = e.load(e.at(start, dtype, (entry(e, column_of, j), 1)), dtype)
                    e.store(value, e.at(to, dtype, (j, 1)))

                e.loop(first, first + count, pixel)

            def copied() -> None:
                start = e.at(x, dtype, (plane, h * w), (source, w))
                border(start, 0, left)
                copy(e, start, e.at(to, dtype, (left, 1)), w, dtype)
                border(start, left + w, right)

            if not constant:
                copied()
                return
            with e.b.if_else(e.b.icmp_signed("<", source, e.int(0))) as (outside, inner):
                with outside:
                    fill(e, to, width, op.value, dtype)
                with inner:
                    copied()

        each_row(e, planes, height, row)

    return Kernel(node_key(node), emit, 2, planes * height)


@lowers("pad2d_grad")
def _pad_grad(node: Node, target: Target) -> Kernel:
    op, dtype = cast(_Padding, node.op), float_type(node)
    planes, height, width = image_shape(node)
    _, h, w = image_shape(node, output=True)
    top, _, left, right = op.padding

    def crop(e: Emitter) -> None:
        dy, dx = e.operands

        def row(plane: Int, i: Int) -> None:
            source = ((plane, height * width), (e.iadd(i, top), width), (left, 1))
            copy(e, e.at(dy, dtype, *source), e.at(dx, dtype, (plane, h * w), (i, w)), w, dtype)

        each_row(e, planes, h, row)

    def emit(e: Emitter) -> None:
        dy, dx = e.operands
        row_of, column_of = (table(e, "places", s, DType.INT64) for s in sources(op, h, w))

        def plane(n: Int) -> None:
            image = e.at(dx, dtype, (n, h * w))
            fill(e, image, h * w, 0.0, dtype)

            def row(i: Int) -> None:
                up = e.at(dy, dtype, (n, height * width), (i, width))
                to = e.at(image, dtype, (entry(e, row_of, i), w))

                def add(source: Int, place: Int, lanes: int) -> None:
                    pixel = e.at(to, dtype, (place, 1))
                    value = e.load(e.at(up, dtype, (source, 1)), dtype, lanes)
                    e.store(e.add(e.load(pixel, dtype, lanes), value), pixel)

                def border(j: Int) -> None:
                    add(j, entry(e, column_of, j), 1)

                e.loop(0, left, border)
                flat(e, w, dtype, lambda j, lanes: add(e.iadd(j, left), j, lanes))
                e.loop(left + w, left + w + right, border)

            e.loop(0, height, row)

        each_plane(e, planes, plane)

    if op.mode == "constant":
        return Kernel(node_key(node), crop, 2, planes * h, algorithm="crop")
    return Kernel(node_key(node), emit, 2, planes)
