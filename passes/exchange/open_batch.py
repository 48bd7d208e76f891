"""A graph for batches of one size as the graph for batches of any: the number b becomes N.

Nothing is guessed. Where the items stand in every value is proven first (`analysis.batch_choices`),
so it is known which axis of which result is k·b, and becomes k·N; attributes that hold such sizes
follow. Then the items of the open graph are followed again. Where its outputs have items, or are
the same for all, every item is computed by one function, and where N is b that is the function of
the graph that was opened. So the two agree for every N.
"""

from collections.abc import Mapping
from dataclasses import replace

from graphcnn.analysis.batch_axis import batch_axes
from graphcnn.analysis.batch_choices import FixedBatch
from graphcnn.errors import GraphError
from graphcnn.ir.batch import Batch
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Op, Value, build
from graphcnn.ir.origin import inherit
from graphcnn.ir.sources import Constant, Input, State
from graphcnn.ir.tensor_type import Dim, N, Shape, TensorType
from graphcnn.ops.broadcast import BroadcastTo
from graphcnn.ops.shape import Embed, Reshape, Slice


def open_batch(found: FixedBatch) -> Graph:
    """The graph with N items in place of those that were followed.

    Raises `GraphError`, naming the node, where items meet or an operator cannot be opened.
    """
    if found.reason:
        raise GraphError(found.reason)
    graph, new = found.axes.graph, dict[Value, Value]()
    for node in graph.nodes:
        if not any(found.axes[v].is_items for v in node.outputs):
            continue
        with inherit(node.origin):
            made = _opened(node, found, new)
        new.update(zip(node.outputs, made.outputs, strict=True))
    opened = Graph.of(
        (new.get(v, v) for v in graph.inputs),
        {key: new.get(v, v) for key, v in graph.outputs.items()},
        name=graph.name,
    )
    after = batch_axes(opened)
    if after.mixing is not None:
        raise GraphError(after.reason(after.mixing))
    return opened


def _opened(node: Node, found: FixedBatch, new: Mapping[Value, Value]) -> Node:
    """The node with its items open, of which it is checked that only their number changed."""
    kinds, size = found.axes.kinds, found.size
    wanted = tuple(_open_type(v.type, kinds[v], size) for v in node.outputs)
    if isinstance(node.op, Input):
        return build(replace(node.op, type=wanted[0]), (), node.name, node.origin)
    if isinstance(node.op, Constant | State):
        return _operand(node.output, kinds[node.output], node.op, size).node
    operands = [
        _operand(new.get(v, v), found.alike.get((node, i)), node.op, size)
        for i, v in enumerate(node.inputs)
    ]
    places = kinds[node.inputs[0]] if node.inputs else kinds[node.output]
    op = _with_sizes(node.op, wanted[0].shape, places, kinds[node.outputs[0]], size)
    where = f'{node.op.name} "{node.name}"' if node.name else node.op.name
    try:
        made = build(op, operands, node.name, node.origin)
    except GraphError as error:
        raise GraphError(f"{where} cannot take N items: {str(error).splitlines()[0]}") from None
    if made.types != wanted:
        types = [", ".join(map(str, each)) for each in (made.types, wanted)]
        raise GraphError(f"{where} gives {types[0]} for N items, expected {types[1]}")
    return made


def _open_type(t: TensorType, kind: Batch, size: int) -> TensorType:
    """The type with k·N for the k·size elements along the axis of the items."""
    if not kind.is_items:
        return t
    open_axis: Dim = kind.outer * kind.inner * N
    return t.with_shape((*t.shape[: kind.axis], open_axis, *t.shape[kind.axis + 1 :]))


def _operand(value: Value, alike: Batch | None, op: Op, size: int) -> Value:
    """What an operator reads; the same for N items where it was the same for all."""
    if alike is None:
        return value
    before, after = value.shape[: alike.axis], value.shape[alike.axis + 1 :]
    apart = (*before, alike.outer, size, alike.inner, *after)
    if size > 1:
        parts, rank = Reshape(apart)(value), len(apart)
        one = (*before, alike.outer, 1, alike.inner, *after)
        value = Slice((0,) * rank, one, (1,) * rank)(parts)
    if alike.outer * alike.inner == 1:
        value = _reshaped(value, (*before, 1, *after))
        return value if op.elementwise else BroadcastTo((*before, N, *after))(value)
    value = _reshaped(value, (*before, alike.outer, 1, alike.inner, *after))
    repeated = BroadcastTo((*before, alike.outer, N, alike.inner, *after))(value)
    return Reshape((*before, alike.outer * alike.inner * N, *after))(repeated)


def _with_sizes(op: Op, shape: Shape, given: Batch, result: Batch, size: int) -> Op:
    """The operator with its attributes for a result of that shape."""
    if isinstance(op, Reshape | BroadcastTo):
        return replace(op, shape=shape)
    if isinstance(op, Slice) and given.is_items:
        return replace(op, sizes=shape, starts=_open_starts(op.starts, given, size))
    if isinstance(op, Embed) and given.is_items:
        return replace(op, shape=shape, starts=_open_starts(op.starts, result, size))
    return op


def _open_starts(starts: Shape, place: Batch, size: int) -> Shape:
    """Where a part begins, behind whole blocks of all items: their number is k·N then."""
    start = starts[place.axis]
    assert isinstance(start, int)
    blocks, inside = divmod(start, size * place.inner)
    if not blocks or inside:
        return starts
    return (*starts[: place.axis], blocks * place.inner * N, *starts[place.axis + 1 :])


def _reshaped(value: Value, shape: Shape) -> Value:
    return value if value.shape == shape else Reshape(shape)(value)
