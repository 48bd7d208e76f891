"""One channel of a layer for each item, and no other: of a convolution a single filter is computed.

Where item k of a batch is to excite channel index[k], the other channels of the layer are of no
use. So what makes the layer is rewritten, from its end to the nearest convolution or dense layer:

    conv2d      items become groups of one convolution, with the filters W[index]
    dense       y[k] = x[k] · W[index[k]] + b[index[k]]
    batch_norm  with the numbers of the channel
    elementwise operators, pools, maps of one pixel made flat: of the channel
    all else    one channel of its result is picked

The formula is the same, and 64 filters at once cost what one costs.
"""

from dataclasses import replace

from graphcnn.ir.graph import Graph, topological_order
from graphcnn.ir.node import Node, Value
from graphcnn.ir.origin import inherit
from graphcnn.ir.sources import Input
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.conv import Conv2d
from graphcnn.ops.dense import Dense
from graphcnn.ops.gather import Gather
from graphcnn.ops.norm import BatchNorm
from graphcnn.ops.pool import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from graphcnn.ops.shape import Reshape


def one_channel(value: Value, index: Value) -> Value:
    """Channel index[k] of each item k of `value` (n, C, ...), as (n, 1, ...).

    Args:
        value: of a batch of n items, a number.
        index: i64[n].
    """
    nodes = topological_order([value.node])
    inputs = [node.output for node in nodes if isinstance(node.op, Input)]
    return _Channels(Graph.of(inputs, {"value": value}), index).of(value)


class _Channels:
    def __init__(self, graph: Graph, index: Value) -> None:
        self._graph, self._index = graph, index

    def of(self, value: Value) -> Value:
        """The channels of a value."""
        with inherit(value.node.origin):
            found = self._rewritten(value.node) if self._is_free(value) else None
        if found is not None:
            return found
        return Gather(1)(value, Reshape((*self._index.shape, 1))(self._index))

    def _rewritten(self, node: Node) -> Value | None:
        """The channels of a result, computed alone; None where that is not known."""
        op = node.op
        if not node.inputs or len(node.outputs) > 1:
            return None
        x, *others = node.inputs
        if isinstance(op, Conv2d) and op.groups == 1:
            n, channels, height, width = map(int, x.shape)  # type: ignore[arg-type]
            flat = Reshape((1, n * channels, height, width))(x)
            filters = replace(op, groups=n)(flat, *map(self._picked, others), name=node.name)
            return _as_items(filters)
        if isinstance(op, Dense):
            weight, *bias = map(self._picked, others)
            y = Sum((1,), True)(x * weight)
            return y + Reshape(y.shape)(bias[0]) if bias else y
        if isinstance(op, BatchNorm) and x.type.rank == 4:
            one = self.of(x)
            groups = Reshape((1, one.shape[0], *one.shape[2:]))(one)
            return _as_items(op(groups, *map(self._picked, others), name=node.name))
        if isinstance(op, MaxPool2d | AvgPool2d | GlobalAvgPool2d):
            return op(self.of(x), name=node.name)
        if op.view and node.output.shape == x.shape[:2] and x.shape[2:] == (1, 1):
            return Reshape((x.shape[0], 1))(self.of(x))
        if op.elementwise and all(v.shape in (node.output.shape, ()) for v in node.inputs):
            parts = [self.of(v) if v.shape else v for v in node.inputs]
            return op(*parts, name=node.name)
        return None

    def _is_free(self, value: Value) -> bool:
        """Whether no two nodes read it: what is needed whole is not computed twice."""
        return len(self._graph.users.get(value, ())) < 2

    def _picked(self, parameter: Value) -> Value:
        return Gather()(parameter, self._index)


def _as_items(y: Value) -> Value:
    """Groups (1, n, H, W) as items (n, 1, H, W)."""
    _, n, height, width = y.shape
    return Reshape((n, 1, height, width))(y)
