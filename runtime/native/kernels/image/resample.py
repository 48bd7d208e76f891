"""Upsampling, its gradient, and zeros put between pixels.

Nearest neighbours repeat the lanes of a vector; their gradient adds every scale-th lane. Bilinear
weights are tables beside the code: each output has two pixels along each axis, each pixel's
gradient a range of outputs.
"""

from collections.abc import Callable
from typing import cast

import llvmlite.ir as ir
import numpy as np

from graphcnn.ir.node import Array, Node
from graphcnn.ir.tensor_type import DType
from graphcnn.ops.resample import Upsample2d, Upsample2dGrad, ZeroInsert2d, _Upsample
from graphcnn.runtime.native.code.emit import Emitter, Int
from graphcnn.runtime.native.code.kernel import Kernel, node_key
from graphcnn.runtime.native.code.registry import lowers
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.parts.pixel_rows import (
    MAX_STEP,
    each_plane,
    each_row,
    every,
    fill,
    float_type,
    image_shape,
    lanes_for,
    table,
    tiles,
)

Values = list[ir.Value]


@lowers("upsample2d")
def _upsample(node: Node, target: Target) -> Kernel:
    op = cast(Upsample2d, node.op)
    float_type(node)
    planes, h, _ = image_shape(node)
    emit = _nearest if op.mode == "nearest" else _bilinear
    rows = h if op.mode == "nearest" else h * op.scale[0]
    return Kernel(node_key(node), lambda e: emit(e, node), 2, planes * rows, algorithm=op.mode)


@lowers("upsample2d_grad")
def _upsample_grad(node: Node, target: Target) -> Kernel:
    op = cast(Upsample2dGrad, node.op)
    float_type(node)
    planes, h, _ = image_shape(node, output=True)
    emit = _nearest_grad if op.mode == "nearest" else _bilinear_grad
    return Kernel(node_key(node), lambda e: emit(e, node), 2, planes * h, algorithm=op.mode)


def _lanes(e: Emitter, w: int, scale: int, dtype: DType) -> int:
    return 1 if scale > MAX_STEP else lanes_for(w, e.target, dtype)


def _nearest(e: Emitter, node: Node) -> None:
    dtype, (a, b) = float_type(node), cast(_Upsample, node.op).scale
    planes, h, w = image_shape(node)
    lanes = _lanes(e, w, b, dtype)
    x, y = e.operands

    def row(plane: Int, i: Int) -> None:
        source = e.at(x, dtype, (plane, h * w), (i, w))
        to = e.at(y, dtype, (plane, h * w * a * b), (i, w * a * b))

        def block(j: Int) -> None:
            v = e.load(e.at(source, dtype, (j, 1)), dtype, lanes)
            if lanes > 1:
                v = e.shuffle(v, None, [k // b for k in range(lanes * b)])
                e.loop(0, a, lambda u: e.store(v, e.at(to, dtype, (u, w * b), (j, b))))
                return

            def copies(u: Int) -> None:
                e.loop(0, b, lambda k: e.store(v, e.at(to, dtype, (u, w * b), (j, b), (k, 1))))

            e.loop(0, a, copies)

        tiles(e, 0, w, lanes, block)

    each_row(e, planes, h, row)


def _nearest_grad(e: Emitter, node: Node) -> None:
    dtype, (a, b) = float_type(node), cast(_Upsample, node.op).scale
    planes, h, w = image_shape(node, output=True)
    lanes = _lanes(e, w, b, dtype)
    dy, dx = e.operands

    def row(plane: Int, i: Int) -> None:
        up = e.at(dy, dtype, (plane, h * w * a * b), (i, w * a * b))

        def block(j: Int) -> None:
            def line(u: Int, total: ir.Value) -> Values:
                start = e.at(up, dtype, (u, w * b), (j, b))
                if lanes > 1:
                    wide = e.load(start, dtype, lanes * b)
                    for k in range(b):
                        total = e.add(total, every(e, wide, k, b, lanes))
                    return [total]

                def single(k: Int, sum: ir.Value) -> Values:
                    return [e.add(sum, e.load(e.at(start, dtype, (k, 1)), dtype))]

                return e.loop(0, b, single, carry=[total])

            (total,) = e.loop(0, a, line, carry=[e.splat(0.0, dtype, lanes)])
            e.store(total, e.at(dx, dtype, (plane, h * w), (i, w), (j, 1)))

        tiles(e, 0, w, lanes, block)

    each_row(e, planes, h, row)


class Pairs:
    """The two pixels along one axis that an output mixes, and the weights of both."""

    def __init__(self, e: Emitter, pairs: tuple[Array, Array], dtype: DType) -> None:
        self.e, self.dtype = e, dtype
        places, weights = pairs
        self.places = [table(e, "places", v, DType.INT64) for v in places]
        self.weights = [table(e, "weights", v, dtype) for v in weights]

    def at(self, i: Int) -> list[tuple[ir.Value, ir.Value]]:
        """(place, weight) of both pixels of output i."""
        e = self.e
        return [
            (
                e.place(e.load(e.at(place, DType.INT64, (i, 1)), DType.INT64)),
                e.load(e.at(weight, self.dtype, (i, 1)), self.dtype),
            )
            for place, weight in zip(self.places, self.weights, strict=True)
        ]


def _bilinear(e: Emitter, node: Node) -> None:
    op, dtype = cast(_Upsample, node.op), float_type(node)
    planes, h, w = image_shape(node)
    _, height, width = image_shape(node, output=True)
    x, y = e.operands
    rows = Pairs(e, op.pairs(h, op.scale[0]), dtype)
    columns = Pairs(e, op.pairs(w, op.scale[1]), dtype)

    def row(plane: Int, i: Int) -> None:
        (r0, a0), (r1, a1) = rows.at(i)
        top = e.at(x, dtype, (plane, h * w), (r0, w))
        below = e.at(x, dtype, (plane, h * w), (r1, w))

        def pixel(j: Int) -> None:
            mixed = [
                e.add(
                    e.mul(a0, e.load(e.at(top, dtype, (place, 1)), dtype)),
                    e.mul(a1, e.load(e.at(below, dtype, (place, 1)), dtype)),
                )
                for place, _ in columns.at(j)
            ]
            (_, b0), (_, b1) = columns.at(j)
            value = e.add(e.mul(b0, mixed[0]), e.mul(b1, mixed[1]))
            e.store(value, e.at(y, dtype, (plane, height * width), (i, width), (j, 1)))

        e.loop(0, width, pixel)

    each_row(e, planes, height, row)


class Ranges:
    """The outputs along one axis that a pixel was mixed into: first, count, weights.

    All pixels have the largest count. What is too much has the weight 0 and does not count, not
    even where it is infinite.
    """

    def __init__(self, e: Emitter, matrix: Array, dtype: DType) -> None:
        used = matrix != 0
        first = np.argmax(used, axis=0)
        self.count = int(np.max(len(matrix) - np.argmax(used[::-1], axis=0) - first))
        first = np.minimum(first, len(matrix) - self.count)
        weights = [matrix[f : f + self.count, k] for k, f in enumerate(first)]
        self.e, self.dtype = e, dtype
        self.first = table(e, "places", first, DType.INT64)
        self.weights = table(e, "weights", np.concatenate(weights), dtype)

    def each(self, k: Int, total: ir.Value, term: Callable[[Int], ir.Value]) -> ir.Value:
        """total + sum over the outputs i of pixel k of weight · term(i)."""
        e = self.e
        first = e.place(e.load(e.at(self.first, DType.INT64, (k, 1)), DType.INT64))
        none = e.splat(0.0, self.dtype)

        def body(m: Int, sum: ir.Value) -> Values:
            place = e.at(self.weights, self.dtype, (k, self.count), (m, 1))
            weight = e.load(place, self.dtype)
            more = e.add(sum, e.mul(weight, term(e.iadd(first, m))))
            return [e.b.select(e.b.fcmp_unordered("!=", weight, none), more, sum)]

        return e.loop(0, self.count, body, carry=[total])[0]


def _bilinear_grad(e: Emitter, node: Node) -> None:
    op, dtype = cast(_Upsample, node.op), float_type(node)
    planes, height, width = image_shape(node)
    _, h, w = image_shape(node, output=True)
    dy, dx = e.operands
    rows = Ranges(e, op.matrix(h, op.scale[0], np.float64), dtype)
    columns = Ranges(e, op.matrix(w, op.scale[1], np.float64), dtype)
    zero = e.splat(0.0, dtype)

    def row(plane: Int, r: Int) -> None:
        def pixel(c: Int) -> None:
            def line(i: Int) -> ir.Value:
                up = e.at(dy, dtype, (plane, height * width), (i, width))
                return columns.each(c, zero, lambda j: e.load(e.at(up, dtype, (j, 1)), dtype))

            total = rows.each(r, zero, line)
            e.store(total, e.at(dx, dtype, (plane, h * w), (r, w), (c, 1)))

        e.loop(0, w, pixel)

    each_row(e, planes, h, row)


@lowers("zero_insert2d")
def _zero_insert(node: Node, target: Target) -> Kernel:
    op, dtype = cast(ZeroInsert2d, node.op), float_type(node)
    planes, h, w = image_shape(node)
    _, height, width = image_shape(node, output=True)
    (s, t), (top, _, left, _) = op.stride, op.border

    def emit(e: Emitter) -> None:
        x, y = e.operands

        def plane(n: Int) -> None:
            image = e.at(y, dtype, (n, height * width))
            fill(e, image, height * width, 0.0, dtype)

            def row(i: Int) -> None:
                source = e.at(x, dtype, (n, h * w), (i, w))
                to = e.at(image, dtype, (i, s * width), (top * width + left, 1))

                def pixel(j: Int) -> None:
                    e.store(e.load(e.at(source, dtype, (j, 1)), dtype), e.at(to, dtype, (j, t)))

                e.loop(0, w, pixel)

            e.loop(0, h, row)

        each_plane(e, planes, plane)

    return Kernel(node_key(node), emit, 2, planes)
