"""The numbers of places: 0, 1, 2, ..."""

from math import prod

import llvmlite.ir as ir

from graphcnn.ir.node import Node
from graphcnn.ir.tensor_type import DType
from graphcnn.runtime.native.code.emit import I64, Emitter
from graphcnn.runtime.native.code.kernel import Kernel, node_key
from graphcnn.runtime.native.code.registry import lowers
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.parts.loops import (
    ALONE,
    lane_mask,
    lanes_for,
    shared_loop,
    sizes_of,
    store,
)


@lowers("positions")
def lower_positions(node: Node, target: Target) -> Kernel:
    count = prod(sizes_of(node.types[0]))
    lanes = lanes_for(target, DType.INT64)
    units = -(-count // lanes)

    def emit(e: Emitter) -> None:
        (y,) = e.operands
        first = ir.VectorType(I64, lanes)(list(range(lanes)))

        def unit(u: ir.Value) -> None:
            start = e.b.mul(u, e.int(lanes))
            mask = lane_mask(e, e.b.sub(e.int(count), start), lanes) if count % lanes else None
            numbers = e.b.add(e.broadcast(e.stored(start), lanes), first)
            store(e, numbers, e.at(y, DType.INT64, (start, 1)), mask)

        shared_loop(e, kernel_units == 1, units, unit)

    kernel_units = 1 if count < ALONE else units
    return Kernel(node_key(node), emit, 1, kernel_units)
