"""What follows a convolution or a matrix product, computed while its results are in registers.

A `FusedGroup` is a node with one heavy operator: that operator alone, or a `Fused` one around it.
Its epilogue turns a vector of results into the vector to be stored, reading the group's other
operands at the same place.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import cast

import llvmlite.ir as ir

from graphcnn.errors import GraphError
from graphcnn.ir.node import Node, Op, Value
from graphcnn.ir.sources import Input
from graphcnn.ir.storage import Images, Vectors, parse_layout
from graphcnn.ir.tensor_type import TensorType
from graphcnn.ops.fused import Fused
from graphcnn.ops.layout import inner
from graphcnn.runtime.native.code.emit import I32, STORED, Emitter, Int
from graphcnn.runtime.native.kernels.parts.blocked import Blocked, Epilogue, Place
from graphcnn.runtime.native.kernels.parts.expressions import emit_expression, to_register
from graphcnn.runtime.native.kernels.parts.numbers import Numbers

#: The vector of an operand at the place of the result: f(pointer, type).
Reader = Callable[[ir.Value, TensorType], ir.Value]


@dataclass(frozen=True)
class FusedGroup:
    """One heavy operator and what follows it.

    Attributes:
        node: the node of the graph.
        op: the heavy operator.
        places: where its operands stand among the node's inputs.
        body: the group around it, if there is one.
    """

    node: Node
    op: Op
    places: tuple[int, ...]
    body: Fused | None = None

    @property
    def types(self) -> tuple[TensorType, ...]:
        """The types of the heavy operator's operands, layouts included."""
        return tuple(self.node.inputs[i].type for i in self.places)

    @property
    def result(self) -> TensorType:
        """The type of the group's result."""
        return self.node.types[0]

    @property
    def read_again(self) -> frozenset[int]:
        """Which operands of the heavy operator what follows it reads, too."""
        anchor = None if self.body is None else self.body.anchor_node
        if self.body is None or anchor is None:
            return frozenset()
        others = {v for node in self.body.body.nodes if node is not anchor for v in node.inputs}
        return frozenset(i for i, v in enumerate(anchor.inputs) if v in others)

    @property
    def numbers(self) -> Numbers:
        """Those of the heavy operator, a sum of products of its first two operands."""
        read, weight = self.types[:2]
        return Numbers.of(read.dtype, weight.dtype, self.result.dtype)

    def operands(self, e: Emitter) -> list[ir.Value]:
        """The pointers of the heavy operator's operands, then that of the result."""
        return [*(e.operands[i] for i in self.places), e.operands[len(self.node.inputs)]]

    @property
    def count(self) -> int:
        """Pointers that the kernel takes besides scratch."""
        return len(self.node.inputs) + len(self.node.types)

    @property
    def inplace(self) -> tuple[tuple[int, int], ...]:
        """Pairs (operand, result) for operands of the epilogue that lie as the result does: for
        code that reads them at a place just before it writes there, and nowhere else."""
        inputs = enumerate(self.node.inputs)
        return tuple((i, 0) for i, v in inputs if i not in self.places and v.type == self.result)

    def blocked_epilogue(self) -> Epilogue | None:
        """The epilogue on blocked images."""
        return None if self.body is None else self._blocked

    def _blocked(self, e: Emitter, value: ir.Value, place: Place) -> ir.Value:
        def read(pointer: ir.Value, t: TensorType) -> ir.Value:
            return _blocked_operand(e, pointer, t, place)

        value = self._apply(e, value, place.lanes, read)
        rest = cast(int, self.result.shape[1]) % place.lanes
        if not rest:
            return value
        channels = e.int(cast(int, self.result.shape[1]))
        return _first_lanes(e, value, e.b.sub(channels, e.int(e.imul(place.block, place.lanes))))

    def apply_stored(self, e: Emitter, value: ir.Value, offset: Int) -> ir.Value:
        """The epilogue on the vector at `offset` of a result, where all that is not one number
        lies in the same layout."""
        if self.body is None:
            return value
        lanes = value.type.count

        def read(pointer: ir.Value, t: TensorType) -> ir.Value:
            if prod(cast(tuple[int, ...], t.shape)) == 1:
                return e.broadcast(e.load(pointer, t.dtype), lanes)
            if (t.shape, t.layout) != (self.result.shape, self.result.layout):
                raise GraphError(f"an operand {t} cannot be read beside {self.result}")
            return e.load(e.at(pointer, t.dtype, (offset, 1)), t.dtype, lanes)

        return self._apply(e, value, lanes, read)

    def apply_plain(
        self, e: Emitter, value: ir.Value, coordinates: Sequence[Int], flattened: int = 1
    ) -> ir.Value:
        """The epilogue on a vector of a row-major result that starts at `coordinates`.

        The last `flattened` axes are counted as one: `coordinates` has a single index for them.
        """
        if self.body is None:
            return value
        shape = cast(tuple[int, ...], self.result.shape)
        lanes = value.type.count if isinstance(value.type, ir.VectorType) else 1

        def read(pointer: ir.Value, t: TensorType) -> ir.Value:
            return _plain_operand(e, pointer, t, shape, coordinates, flattened, lanes)

        return self._apply(e, value, lanes, read)

    def _apply(self, e: Emitter, value: ir.Value, lanes: int, read: Reader) -> ir.Value:
        assert self.body is not None and self.body.anchor_node is not None
        body, anchor = self.body.body, self.body.anchor_node
        rest = [n for n in body.nodes if n is not anchor and not isinstance(n.op, Input)]
        used = {v for n in rest for v in n.inputs}
        vectors: dict[Value, ir.Value] = {anchor.output: value}
        for i, v in enumerate(body.inputs):
            if v in used:
                t = self.node.inputs[i].type
                vectors[v] = to_register(e, read(e.operands[i], t), t.dtype)
        (result,) = body.outputs.values()
        return emit_expression(e, rest, vectors, lanes)[result]


def group_of(node: Node) -> FusedGroup:
    """The group of a node. Raises `GraphError` for groups of several results."""
    op = inner(node.op)
    if not isinstance(op, Fused):
        return FusedGroup(node, op, tuple(range(len(node.inputs))))
    anchor = op.anchor_node
    if anchor is None or len(op.body.outputs) != 1:
        raise GraphError(f"a group around a heavy operator has one result, found {op}")
    places = tuple(op.body.inputs.index(v) for v in anchor.inputs)
    return FusedGroup(node, anchor.op, places, op)


def images(t: TensorType) -> Blocked | None:
    """How a value of a blocked layout lies in memory; None for other layouts."""
    layout = parse_layout(t.layout)
    if not isinstance(layout, Images):
        return None
    _, c, h, w = cast(tuple[int, ...], t.shape)
    return Blocked(c, (h, w), layout.lanes, layout.halo)


def _blocked_operand(e: Emitter, pointer: ir.Value, t: TensorType, place: Place) -> ir.Value:
    shape = (1,) * (4 - t.rank) + cast(tuple[int, ...], t.shape)
    lanes = place.lanes
    if prod(shape) == 1:
        return e.broadcast(e.load(pointer, t.dtype), lanes)
    blocked = images(t)
    if blocked is not None and blocked.lanes == lanes:
        return e.load(place.at(e, pointer, t.dtype, blocked), t.dtype, lanes)
    if isinstance(parse_layout(t.layout), Vectors) or (
        t.layout == "plain" and shape == (1, shape[1], 1, 1)
    ):
        size = cast(int, t.shape[0]) if t.rank == 1 else shape[1]
        found = e.load(e.at(pointer, t.dtype, (place.block, lanes)), t.dtype, lanes)
        if size % lanes == 0 or t.layout != "plain":
            return found
        return _first_lanes(e, found, e.b.sub(e.int(size), e.int(e.imul(place.block, lanes))))
    raise GraphError(f"an operand {t} cannot be read beside blocked results")


def _first_lanes(e: Emitter, vector: ir.Value, count: ir.Value) -> ir.Value:
    """The first `count` lanes, zeros in the others."""
    lanes = vector.type.count
    kind = ir.VectorType(I32, lanes)
    limit = e.broadcast(e.i32(count), lanes)
    inside = e.b.icmp_signed("<", kind(list(range(lanes))), limit)
    element = vector.type.element
    nothing = element(0) if isinstance(element, ir.IntType) else element(0.0)
    return e.b.select(inside, vector, vector.type([nothing] * lanes))


def _plain_operand(
    e: Emitter,
    pointer: ir.Value,
    t: TensorType,
    shape: tuple[int, ...],
    coordinates: Sequence[Int],
    flattened: int,
    lanes: int,
) -> ir.Value:
    """The vector of an operand that broadcasts to `shape`."""
    if t.layout != "plain":
        raise GraphError(f"an operand {t} cannot be read beside plain results")
    own = (1,) * (len(shape) - t.rank) + cast(tuple[int, ...], t.shape)
    head, tail = own[:-flattened], own[-flattened:]
    offset: Int = 0
    stride = prod(tail)
    for size, at in zip(reversed(head), reversed(coordinates[:-1]), strict=True):
        if size > 1:
            offset = e.iadd(offset, e.imul(at, stride))
        stride *= size
    base = e.at(pointer, t.dtype, (offset, 1))
    if prod(tail) == 1:
        return e.broadcast(e.load(base, t.dtype), lanes)
    if tail == shape[-flattened:]:
        return e.load(e.at(base, t.dtype, (coordinates[-1], 1)), t.dtype, lanes)
    found = ir.VectorType(STORED[t.dtype], lanes)(ir.Undefined) if lanes > 1 else None
    last = prod(shape[-flattened:]) - 1
    for lane in range(lanes):
        at = e.iadd(coordinates[-1], lane)
        over = e.b.icmp_signed(">", e.int(at), e.int(last))
        index = e.unravel(e.b.select(over, e.int(last), e.int(at)), shape[-flattened:])
        place: Int = 0
        for size, i in zip(tail, index, strict=True):
            place = e.iadd(e.imul(place, size), i if size > 1 else 0)
        one = e.load(e.at(base, t.dtype, (place, 1)), t.dtype)
        if found is None:
            return one
        found = e.b.insert_element(found, one, I32(lane))
    return found
