"""Elementwise operators, alone and in fused groups: one loop, one pass over memory.

Operands broadcast: along the innermost axis as a vector of one number, elsewhere by a stride 0.
In a layout other than plain the loop runs over the storage, padding included: whoever chose the
layout knows that zeros stay zeros.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

import llvmlite.ir as ir

from graphcnn.errors import GraphError
from graphcnn.ir.node import Node, Op
from graphcnn.ir.sources import Input
from graphcnn.ir.storage import PLAIN, Images, parse_layout, storage_shape
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.broadcast import broadcast_shape
from graphcnn.ops.fused import Fused
from graphcnn.ops.layout import Placed
from graphcnn.runtime.native.code.emit import Emitter
from graphcnn.runtime.native.code.kernel import Kernel, node_key
from graphcnn.runtime.native.code.registry import EXPRESSIONS, lowers
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.parts.expressions import (
    emit_expression,
    refuse_half,
    whole_exponent,
)
from graphcnn.runtime.native.kernels.parts.image_places import ImagePlaces, field_of
from graphcnn.runtime.native.kernels.parts.loops import (
    Access,
    Nest,
    broadcast_access,
    row_major,
    shared_loop,
    sizes_of,
)

#: compute(e, lanes, registers of the inputs) -> registers of the outputs.
Compute = Callable[[Emitter, int, Sequence[ir.Value]], Sequence[ir.Value]]


@lowers(*EXPRESSIONS, "element_count")
def lower_elementwise(node: Node, target: Target) -> Kernel:
    """A single operator, or a fused group of them: operands as the body's inputs and outputs."""
    shapes = {f"result{i}": sizes_of(t) for i, t in enumerate(node.types)}
    shape = tuple(int(d) for d in broadcast_shape(**shapes))  # type: ignore[arg-type]
    types = (*(v.type for v in node.inputs), *node.types)
    if any(len(sizes_of(t)) > len(shape) for t in types):
        raise GraphError(f"an input has more axes than the results {shape}")
    return _kernel(node, node.op, shape, [broadcast_access(t, shape) for t in types], target)


def lower_placed(node: Node, target: Target) -> Kernel:
    """The same in a layout: of all operands of full size; smaller ones are plain."""
    types = (*(v.type for v in node.inputs), *node.types)
    main, op = node.types[0], cast(Placed, node.op).op
    layout = parse_layout(main.layout)
    same = all(t.layout == main.layout or t.size == 1 for t in types)
    if same or not isinstance(layout, Images):
        storage = tuple(int(d) for d in storage_shape(main))  # type: ignore[arg-type]
        accesses = [_storage_access(t, main, storage) for t in types]
        return _kernel(node, op, storage, accesses, target)
    n, blocks, h, w, lanes = storage_shape(replace(main, layout=str(Images(layout.lanes))))
    pixels = cast(tuple[int, ...], (n, blocks, h, w, lanes))
    accesses = [_pixel_access(t, main, layout) for t in types]
    return _kernel(node, op, pixels, accesses, target, [field_of(t) for t in node.types])


def _storage_access(t: TensorType, main: TensorType, storage: Sequence[int]) -> Access:
    """All of the storage, padding included."""
    if (t.shape, t.layout) == (main.shape, main.layout):
        return Access(t.dtype, row_major(storage))
    if t.layout == PLAIN and t.size == 1:
        return Access(t.dtype, (0,) * len(storage))
    raise GraphError(f"an operand {t} beside {main} has no native lowering")


def _pixel_access(t: TensorType, main: TensorType, layout: Images) -> Access:
    """The pixels without the halo: operands whose halos differ, and smaller plain ones."""
    if t.layout == PLAIN:
        shape = sizes_of(replace(main, layout=PLAIN))
        n, c, h, w = broadcast_access(t, shape).strides
        if c and shape[1] % layout.lanes:
            raise GraphError(f"a plain operand {t} beside {main} has no native lowering")
        return Access(t.dtype, (n, c * layout.lanes, h, w, c))
    own = parse_layout(t.layout)
    if t.shape != main.shape or not isinstance(own, Images) or own.lanes != layout.lanes:
        raise GraphError(f"an operand {t} beside {main} has no native lowering")
    strides = row_major(cast(tuple[int, ...], storage_shape(t)))
    top, _, left, _ = own.halo
    return Access(t.dtype, strides, top * strides[2] + left * strides[3])


def _computation(op: Op, node: Node) -> tuple[Compute, list[DType]]:
    """The code of a vector of elements, and the element types of what happens in between."""
    if isinstance(op, Fused):
        body = op.body
        for inside in body.nodes:
            refuse_half(inside)

        def group(e: Emitter, lanes: int, vectors: Sequence[ir.Value]) -> list[ir.Value]:
            given = dict(zip(body.inputs, vectors, strict=True))
            found = emit_expression(e, body, given, lanes)
            return [found[v] for v in body.outputs.values()]

        return group, [t.dtype for inside in body.nodes for t in inside.types]
    refuse_half(node)
    # An operand each, also where a value is read twice: x + x is the same kernel as x + y.
    inputs = tuple(
        Input(f"x{i}", v.type)() if v in node.inputs[:i] else v for i, v in enumerate(node.inputs)
    )
    single = Node(op, inputs, node.types)

    def alone(e: Emitter, lanes: int, vectors: Sequence[ir.Value]) -> list[ir.Value]:
        given = dict(zip(inputs, vectors, strict=True))
        return [emit_expression(e, [single], given, lanes)[single.output]]

    return alone, []


def _kernel(
    node: Node,
    op: Op,
    shape: Sequence[int],
    accesses: Sequence[Access],
    target: Target,
    fields: Sequence[ImagePlaces] = (),
) -> Kernel:
    compute, between = _computation(op, node)
    nest = Nest.of(shape, accesses, target, len(node.types), between)
    inputs = [v.type for v in node.inputs]
    full = row_major(shape)
    pairs = tuple(
        (i, j)
        for i, a in enumerate(inputs)
        for j, b in enumerate(node.types)
        if a == b and broadcast_free(accesses[len(inputs) + j], full, shape)
    )

    def emit(e: Emitter) -> None:
        nest.emit(e, e.operands, lambda vectors: compute(e, nest.lanes, vectors))
        for pointer, written in zip(e.operands[len(inputs) :], fields, strict=False):
            _clear_halos(e, pointer, written, nest.units == 1)

    exponent = None if isinstance(op, Fused) else whole_exponent(Node(op, node.inputs, node.types))
    key = f"{node_key(node)} by {exponent}"
    return Kernel(key, emit, len(accesses), nest.units, inplace=pairs, algorithm="elementwise")


def _clear_halos(e: Emitter, pointer: ir.Value, written: ImagePlaces, alone: bool) -> None:
    """Zeros around the planes that this part has a share in."""
    if any(written.halo):
        shared_loop(e, alone, written.planes, lambda n: written.clear_halo(e, pointer, n))


def broadcast_free(access: Access, full: Sequence[int], shape: Sequence[int]) -> bool:
    """Whether every index of the loops has an element of its own."""
    return all(a == b or d == 1 for a, b, d in zip(access.strides, full, shape, strict=True))
