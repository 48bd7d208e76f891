"""Rows of pixels: what the image kernels are made of.

Vectors lie over neighbouring pixels of one row. A number of pixels that is no multiple of the
vector is covered by one more vector that ends with the row and does some pixels twice (`tiles`),
so that no kernel needs scalar code for the rest. Every step-th pixel of a row is read by one wide
load and a shuffle.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import llvmlite.ir as ir

from graphcnn.errors import GraphError
from graphcnn.ir.node import Node
from graphcnn.ir.tensor_type import DType
from graphcnn.runtime.native.code.emit import I32, STORED, Emitter, Int
from graphcnn.runtime.native.code.target import Target

#: Largest step between pixels that is read and written by shuffles of wide vectors.
MAX_STEP = 4


def float_type(node: Node) -> DType:
    """The element type of the first result, float32 or float64. Raises `GraphError` for float16."""
    dtype = node.types[0].dtype
    if dtype not in (DType.FLOAT32, DType.FLOAT64):
        raise GraphError(f"{node.op.name} of {dtype} has no native code: use f32 or f64")
    return dtype


def image_shape(node: Node, output: bool = False) -> tuple[int, int, int]:
    """(N·C, H, W) of the first input or of the first result."""
    n, c, h, w = (node.types[0] if output else node.inputs[0].type).shape
    return int(n) * int(c), int(h), int(w)  # type: ignore[arg-type]


def lanes_for(pixels: int, target: Target, dtype: DType) -> int:
    """Lanes of the widest vector that `pixels` fill: a power of two."""
    return min(target.lanes(dtype), 1 << max(pixels, 1).bit_length() - 1)


# Integers


def least(e: Emitter, a: Int, b: Int) -> Int:
    if isinstance(a, int) and isinstance(b, int):
        return min(a, b)
    a, b = e.int(a), e.int(b)
    return e.b.select(e.b.icmp_signed("<", a, b), a, b)


def most(e: Emitter, a: Int, b: Int) -> Int:
    if isinstance(a, int) and isinstance(b, int):
        return max(a, b)
    a, b = e.int(a), e.int(b)
    return e.b.select(e.b.icmp_signed(">", a, b), a, b)


def inside(e: Emitter, i: ir.Value, size: int) -> ir.Value:
    """0 <= i < size."""
    return e.b.icmp_unsigned("<", i, i.type(size))


def number(e: Emitter, i: Int, dtype: DType, lanes: int = 1) -> ir.Value:
    """A small integer as a float in every lane."""
    if isinstance(i, int):
        return e.splat(i, dtype, lanes)
    return e.broadcast(e.b.sitofp(i, STORED[dtype]), lanes)


def table(e: Emitter, name: str, values: Iterable[Any], dtype: DType) -> ir.Value:
    """A constant array in the object code."""
    items = [float(v) if dtype.is_float else int(v) for v in values] or [0]
    kind = ir.ArrayType(STORED[dtype], len(items))
    constant = ir.GlobalVariable(e.module, kind, e.module.get_unique_name(name))
    constant.initializer = kind([STORED[dtype](v) for v in items])
    constant.global_constant = True
    constant.linkage = "internal"
    return constant


# Loops


def tiles(e: Emitter, start: int, stop: int, lanes: int, body: Callable[[Int], None]) -> None:
    """body(i) for blocks of `lanes` that cover start to stop; the last two may overlap."""
    full = (stop - start) // lanes
    if full:
        e.loop(start, start + full * lanes, body, step=lanes)
    if start + full * lanes < stop:
        body(stop - lanes)


def flat(e: Emitter, count: int, dtype: DType, body: Callable[[Int, int], None]) -> None:
    """body(i, lanes) for i from 0 to `count`: vectors, then one by one; none twice."""
    lanes = lanes_for(count, e.target, dtype)
    done = count - count % lanes
    e.loop(0, done, lambda i: body(i, lanes), step=lanes)
    if done < count:
        e.loop(done, count, lambda i: body(i, 1))


def each_row(e: Emitter, planes: int, rows: int, body: Callable[[Int, Int], None]) -> None:
    """body(plane, row) for this part of all rows of all planes."""
    first, last = e.share(planes * rows)
    e.loop(first, last, lambda r: body(*e.divmod(r, rows)))


def each_plane(e: Emitter, planes: int, body: Callable[[Int], None]) -> None:
    """body(plane) for this part of the planes."""
    first, last = e.share(planes)
    e.loop(first, last, body)


def fill(e: Emitter, pointer: ir.Value, count: int, value: float, dtype: DType) -> None:
    """`count` equal elements."""

    def body(i: Int, lanes: int) -> None:
        e.store(e.splat(value, dtype, lanes), e.at(pointer, dtype, (i, 1)))

    flat(e, count, dtype, body)


def copy(e: Emitter, source: ir.Value, target: ir.Value, count: int, dtype: DType) -> None:
    """`count` elements from one address to another."""

    def body(i: Int, lanes: int) -> None:
        e.store(e.load(e.at(source, dtype, (i, 1)), dtype, lanes), e.at(target, dtype, (i, 1)))

    flat(e, count, dtype, body)


# Vectors with steps


def every(e: Emitter, wide: ir.Value, first: int, step: int, lanes: int) -> ir.Value:
    """Lanes first, first + step, … of a wide vector."""
    if step == 1:
        return wide
    return e.shuffle(wide, None, [first + step * i for i in range(lanes)])


def load_every(e: Emitter, pointer: ir.Value, dtype: DType, lanes: int, step: int) -> ir.Value:
    """`lanes` elements, `step` apart. Reads up to step - 1 elements after the last of them."""
    if lanes == 1:
        return e.load(pointer, dtype)
    return every(e, e.load(pointer, dtype, lanes * step), 0, step, lanes)


def interleave(e: Emitter, vectors: Sequence[ir.Value], lanes: int) -> ir.Value:
    """a0 b0 c0 a1 b1 c1 … of up to MAX_STEP vectors."""
    if len(vectors) == 1:
        return vectors[0]
    join = list(range(2 * lanes))
    halves = [
        e.shuffle(vectors[i], vectors[i + 1] if i + 1 < len(vectors) else None, join)
        for i in range(0, len(vectors), 2)
    ]
    places = [k * lanes + i for i in range(lanes) for k in range(len(vectors))]
    return e.shuffle(halves[0], halves[1] if len(halves) > 1 else None, places)


def fold_lanes(e: Emitter, vector: ir.Value, lanes: int) -> ir.Value:
    """The sum of all lanes, by halves."""
    while lanes > 1:
        lanes //= 2
        low = e.shuffle(vector, None, range(lanes))
        high = e.shuffle(vector, None, range(lanes, 2 * lanes))
        vector = e.add(low, high)
    return e.b.extract_element(vector, I32(0)) if isinstance(vector.type, ir.VectorType) else vector


def join_scalars(e: Emitter, parts: Sequence[ir.Value]) -> ir.Value:
    """Scalars as one vector, or the only scalar itself."""
    if len(parts) == 1:
        return parts[0]
    vector = ir.VectorType(parts[0].type, len(parts))(ir.Undefined)
    for k, part in enumerate(parts):
        vector = e.b.insert_element(vector, part, I32(k))
    return vector
