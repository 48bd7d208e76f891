"""Moving values from one layout to another: images, kernels and vectors."""

from typing import cast

import llvmlite.ir as ir

from graphcnn.errors import GraphError
from graphcnn.ir.node import Node
from graphcnn.ir.storage import (
    PLAIN,
    DepthwiseKernels,
    Images,
    Kernels,
    TransformedKernels,
    Vectors,
    parse_layout,
)
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.runtime.native.code.emit import Emitter, Int
from graphcnn.runtime.native.code.kernel import Kernel, node_key
from graphcnn.runtime.native.code.registry import lowers
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.conv.packing import (
    copy,
    fill_zero,
    transpose,
    transpose_registers,
)
from graphcnn.runtime.native.kernels.conv.winograd_kernel import transformed
from graphcnn.runtime.native.kernels.layout.relayout_kernels import kernels
from graphcnn.runtime.native.kernels.parts.blocked import Blocked
from graphcnn.runtime.native.kernels.parts.epilogue import images
from graphcnn.runtime.native.kernels.parts.tiles import blocks, store_part, zero


@lowers("relayout")
def relayout(node: Node, target: Target) -> Kernel:
    """Raises `GraphError` for two layouts of different kinds."""
    source, result = node.inputs[0].type, node.types[0]
    kinds = [parse_layout(t.layout) for t in (source, result)]
    key = node_key(node)
    if all(k is None or isinstance(k, Images) for k in kinds) and any(kinds):
        return _images(key, source, result)
    if all(k is None or isinstance(k, Kernels) for k in kinds) and any(kinds):
        return kernels(key, source, result)
    if all(k is None or isinstance(k, DepthwiseKernels) for k in kinds):
        return _images(key, _as_image(source), _as_image(result))
    if isinstance(kinds[1], TransformedKernels):
        return transformed(key, source, result, target)
    if all(k is None or isinstance(k, Vectors) for k in kinds):
        return Kernel(key, lambda e: _vector(e, source, result), 2, algorithm="copy")
    raise GraphError(f"no relayout from {source} to {result}")


def _as_image(t: TensorType) -> TensorType:
    """Kernels (C, 1, KH, KW) as the image (1, C, KH, KW) that lies like them."""
    c, _, *window = t.shape
    layout = t.layout if t.layout == PLAIN else t.layout.replace("d", "c")
    return TensorType((1, c, *window), t.dtype, layout)


# Images


def _images(key: str, source: TensorType, result: TensorType) -> Kernel:
    n, c, h, w = cast(tuple[int, ...], source.shape)
    read, written = images(source), images(result)
    if read is not None and written is not None and read.lanes != written.lanes:
        raise GraphError(f"no relayout between {source.layout} and {result.layout}")
    blocked = read or written
    assert blocked is not None
    dtype = source.dtype

    def emit(e: Emitter) -> None:
        x, y = e.operands

        def unit(u: Int) -> None:
            i, block = e.divmod(u, blocked.blocks)
            plain = x if read is None else y
            image = e.at(plain, dtype, (i, c * h * w))
            if read is None and written is not None:
                to = e.at(y, dtype, (i, written.image), (block, written.plane))
                written.clear_halo(e, dtype, to)
                blocks(
                    e, c, written.lanes,
                    lambda k, size: _to_blocked(
                        e, dtype, e.at(image, dtype, (k, h * w)), to, written, size
                    ),
                    (block, e.iadd(block, 1)),
                )  # fmt: skip
            elif read is not None and written is None:
                at = e.at(x, dtype, (i, read.image), (block, read.plane))
                blocks(
                    e, c, read.lanes,
                    lambda k, size: _to_plain(
                        e, dtype, at, e.at(image, dtype, (k, h * w)), read, size
                    ),
                    (block, e.iadd(block, 1)),
                )  # fmt: skip
            elif read is not None and written is not None:
                at = e.at(x, dtype, (i, read.image), (block, read.plane), (read.offset(0, 0), 1))
                to = e.at(y, dtype, (i, written.image), (block, written.plane))
                written.clear_halo(e, dtype, to)
                to = e.at(to, dtype, (written.offset(0, 0), 1))
                e.loop(
                    0, h,
                    lambda row: copy(
                        e, dtype, e.at(at, dtype, (row, read.row)),
                        e.at(to, dtype, (row, written.row)), w * read.lanes,
                    ),
                )  # fmt: skip

        e.loop(*e.share(n * blocked.blocks), unit)

    return Kernel(key, emit, 2, n * blocked.blocks, algorithm="blocks")


def _rows(b: Blocked) -> tuple[int, int]:
    """(rows, pixels in each) that are read as one: the whole image where nothing lies between."""
    (h, w), flat = b.sizes, b.halo[2] == b.halo[3] == 0
    return (1, h * w) if flat else (h, w)


def _to_blocked(
    e: Emitter, dtype: DType, source: ir.Value, to: ir.Value, b: Blocked, channels: int
) -> None:
    rows, pixels = _rows(b)
    area = b.sizes[0] * b.sizes[1]

    def row(i: Int) -> None:
        target = e.at(to, dtype, (i, b.row), (b.offset(0, 0), 1))
        _transpose(
            e, dtype, e.at(source, dtype, (i, pixels)), target, channels, pixels, area, b.lanes
        )

    e.loop(0, rows, row)


def _transpose(
    e: Emitter, dtype: DType, source: ir.Value, to: ir.Value,
    rows: int, columns: int, read_stride: int, lanes: int,
) -> None:  # fmt: skip
    """`transpose`, also for blocks of other lanes than the processor's vectors."""
    if e.target.lanes(dtype) == lanes:
        transpose(e, dtype, source, to, rows, columns, read_stride, lanes)
        return

    def pixel(j: Int) -> None:
        def channel(k: Int) -> None:
            value = e.load(e.at(source, dtype, (k, read_stride), (j, 1)), dtype)
            e.store(value, e.at(to, dtype, (j, lanes), (k, 1)))

        e.loop(0, rows, channel)
        if rows < lanes:
            nothing = zero(dtype, 1)
            e.loop(rows, lanes, lambda k: e.store(nothing, e.at(to, dtype, (j, lanes), (k, 1))))

    e.loop(0, columns, pixel)


def _to_plain(
    e: Emitter, dtype: DType, source: ir.Value, to: ir.Value, b: Blocked, channels: int
) -> None:
    rows, pixels = _rows(b)
    lanes, area = b.lanes, b.sizes[0] * b.sizes[1]
    vectors = e.target.lanes(dtype) == lanes

    def row(i: Int) -> None:
        at = e.at(source, dtype, (i, b.row), (b.offset(0, 0), 1))
        target = e.at(to, dtype, (i, pixels))

        def square(j: Int, count: int) -> None:
            """`count` pixels, at most a vector of them."""
            read = [
                e.load(e.at(at, dtype, (j, lanes), (k * lanes, 1)), dtype, lanes)
                if k < count
                else zero(dtype, lanes)
                for k in range(lanes)
            ]
            for k, vector in enumerate(transpose_registers(e, read)[:channels]):
                store_part(e, vector, e.at(target, dtype, (j, 1), (k, area)), dtype, count)

        def single(j: Int) -> None:
            def channel(k: Int) -> None:
                value = e.load(e.at(at, dtype, (j, lanes), (k, 1)), dtype)
                e.store(value, e.at(target, dtype, (j, 1), (k, area)))

            e.loop(0, channels, channel)

        if vectors:
            blocks(e, pixels, lanes, square)
        else:
            e.loop(0, pixels, single)

    e.loop(0, rows, row)


def _vector(e: Emitter, source: TensorType, result: TensorType) -> None:
    x, y = e.operands
    (size,) = cast(tuple[int, ...], source.shape)
    copy(e, source.dtype, x, y, size)
    layout = parse_layout(result.layout)
    if isinstance(layout, Vectors) and size % layout.lanes:
        rest = e.at(y, source.dtype, (size, 1))
        fill_zero(e, source.dtype, rest, -size % layout.lanes)
