"""Max unpooling: one image by one thread, places in order, so that sums never change their order.

A place outside of the image, which the definition refuses with an error, is not written; its
gradient is NaN.
"""

from graphcnn.ir.node import Node
from graphcnn.ir.tensor_type import DType
from graphcnn.runtime.native.code.emit import Emitter, Int
from graphcnn.runtime.native.code.kernel import Kernel, node_key
from graphcnn.runtime.native.code.registry import lowers
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.parts.pixel_rows import (
    each_plane,
    fill,
    float_type,
    image_shape,
    inside,
)


@lowers("max_unpool2d")
def _max_unpool(node: Node, target: Target) -> Kernel:
    dtype = float_type(node)
    planes, h, w = image_shape(node)
    _, height, width = image_shape(node, output=True)

    def emit(e: Emitter) -> None:
        x, indices, y = e.operands

        def plane(n: Int) -> None:
            image = e.at(y, dtype, (n, height * width))
            fill(e, image, height * width, 0.0, dtype)

            def add(k: Int) -> None:
                place = e.load(e.at(indices, DType.INT64, (n, h * w), (k, 1)), DType.INT64)

                def write() -> None:
                    pixel = e.at(image, dtype, (e.place(place), 1))
                    value = e.load(e.at(x, dtype, (n, h * w), (k, 1)), dtype)
                    e.store(e.add(e.load(pixel, dtype), value), pixel)

                e.when(inside(e, place, height * width), write)

            e.loop(0, h * w, add)

        each_plane(e, planes, plane)

    return Kernel(node_key(node), emit, 3, planes)


@lowers("max_unpool2d_grad")
def _max_unpool_grad(node: Node, target: Target) -> Kernel:
    dtype = float_type(node)
    planes, height, width = image_shape(node)
    _, h, w = image_shape(node, output=True)

    def emit(e: Emitter) -> None:
        dy, indices, dx = e.operands

        def plane(n: Int) -> None:
            def read(k: Int) -> None:
                place = e.load(e.at(indices, DType.INT64, (n, h * w), (k, 1)), DType.INT64)
                known = inside(e, place, height * width)
                safe = e.place(e.b.select(known, place, place.type(0)))
                value = e.load(e.at(dy, dtype, (n, height * width), (safe, 1)), dtype)
                value = e.b.select(known, value, e.splat(float("nan"), dtype))
                e.store(value, e.at(dx, dtype, (n, h * w), (k, 1)))

            e.loop(0, h * w, read)

        each_plane(e, planes, plane)

    return Kernel(node_key(node), emit, 3, planes)
