"""Reading and writing rows at places that are computed.

A place outside of x, which the definition refuses with an error, reads as NaN (0 where the type has
none) and is not written.
"""

from math import prod

import llvmlite.ir as ir

from graphcnn.ir.node import Node
from graphcnn.ir.tensor_type import DType
from graphcnn.ops.gather import Gather, Scatter
from graphcnn.runtime.native.code.emit import Emitter, Int
from graphcnn.runtime.native.code.kernel import Kernel, node_key
from graphcnn.runtime.native.code.registry import EXPRESSIONS, lowers
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.parts.expressions import refuse_half
from graphcnn.runtime.native.kernels.parts.loops import ALONE, shared_loop, sizes_of
from graphcnn.runtime.native.kernels.parts.pixel_rows import copy, fill, flat, inside

#: Our elementwise operator for each way to combine.
COMBINES = {"add": "add", "mul": "mul", "max": "maximum", "min": "minimum"}


def _place(e: Emitter, indices: ir.Value, item: Int, count: int, k: Int) -> ir.Value:
    return e.load(e.at(indices, DType.INT64, (item, count), (k, 1)), DType.INT64)


@lowers("gather")
def lower_gather(node: Node, target: Target) -> Kernel:
    """One copy of a row for each index."""
    refuse_half(node)
    assert isinstance(node.op, Gather)
    batch, dtype = node.op.batch, node.types[0].dtype
    x, indices = (sizes_of(v.type) for v in node.inputs)
    size, width = x[batch], prod(x[batch + 1 :])
    items, count = prod(x[:batch]), prod(indices[batch:])
    units = 1 if items * count * width < ALONE else items * count

    def emit(e: Emitter) -> None:
        x, indices, y = e.operands

        def row(u: Int) -> None:
            item, k = e.divmod(u, count)
            place = _place(e, indices, item, count, k)
            into = e.at(y, dtype, (u, width))
            with e.b.if_else(inside(e, place, size)) as (known, unknown):
                with known:
                    found = e.at(x, dtype, (item, size * width), (e.place(place), width))
                    copy(e, found, into, width, dtype)
                with unknown:
                    fill(e, into, width, float("nan") if dtype.is_float else 0, dtype)

        shared_loop(e, units == 1, items * count, row)

    return Kernel(node_key(node), emit, 3, units, algorithm="copy")


@lowers("scatter")
def lower_scatter(node: Node, target: Target) -> Kernel:
    """One item of the batch by one thread, updates in order."""
    refuse_half(node)
    assert isinstance(node.op, Scatter)
    batch, reduction, dtype = node.op.batch, node.op.reduction, node.types[0].dtype
    x, indices = (sizes_of(v.type) for v in node.inputs[:2])
    size, width = x[batch], prod(x[batch + 1 :])
    items, count = prod(x[:batch]), prod(indices[batch:])
    units = 1 if items * (size + count) * width < ALONE else items

    def emit(e: Emitter) -> None:
        x, indices, updates, y = e.operands

        def item(n: Int) -> None:
            start = e.at(y, dtype, (n, size * width))
            copy(e, e.at(x, dtype, (n, size * width)), start, size * width, dtype)

            def update(k: Int) -> None:
                place = _place(e, indices, n, count, k)
                new = e.at(updates, dtype, (n, count * width), (k, width))

                def write() -> None:
                    row = e.at(start, dtype, (e.place(place), width))
                    if reduction == "none":
                        copy(e, new, row, width, dtype)
                    else:
                        _combine(e, node, COMBINES[reduction], row, new, width, dtype)

                e.when(inside(e, place, size), write)

            e.loop(0, count, update)

        shared_loop(e, units == 1, items, item)

    return Kernel(node_key(node), emit, 4, units)


def _combine(
    e: Emitter, node: Node, name: str, row: ir.Value, new: ir.Value, width: int, dtype: DType
) -> None:
    """row = row (+, ·, max, min) new, element by element."""

    def step(i: Int, lanes: int) -> None:
        at = e.at(row, dtype, (i, 1))
        old = e.load(at, dtype, lanes)
        other = e.load(e.at(new, dtype, (i, 1)), dtype, lanes)
        e.store(EXPRESSIONS[name](e, node.op, dtype, old, other), at)

    flat(e, width, dtype, step)
