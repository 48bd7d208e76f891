"""What the nodes of a training step say of the part of the batch that they see.

    training.share      f64[], the part of the items that a shard has: n_s / n
    training.first      i64[], the place in the batch of its first item

Both are settings, which the engine writes before a shard is computed. Means over the items of a
shard, times its share, add up to the mean over the batch; sums add up as they are.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.initializers import Constant
from graphcnn.ir.node import Node, Value
from graphcnn.ir.sources import Role, State
from graphcnn.ir.tensor_type import DType, Shape, TensorType, open_axes, times_n
from graphcnn.ops.elementwise import Cast, Mul
from graphcnn.ops.reduce import AllReduce

SHARE, FIRST = "training.share", "training.first"


@dataclass(frozen=True, eq=False)
class Shares:
    """The shards of one graph: how many, and its states `share` and `first`."""

    count: int
    share: Value
    first: Value
    _names: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, graph: Graph, count: int) -> Self:
        known = {state_of(s).key: s for s in graph.states}
        share = known[SHARE] if SHARE in known else _setting(SHARE, DType.FLOAT64, 1 / count)
        first = known[FIRST] if FIRST in known else _setting(FIRST, DType.INT64, 0)
        return cls(count, share, first)

    def part(self, value: Value) -> Value:
        """A value times the share."""
        return Mul()(value, Cast(value.dtype)(self.share))

    def total(self, value: Value, name: str) -> Value:
        """The sum over the shards; of short types, as a longer one. Each has a name of its own."""
        self._names[name] += 1
        if self._names[name] > 1:
            name = f"{name}.{self._names[name]}"
        if value.dtype.bytes >= 4 and value.dtype is not DType.BOOL:
            return AllReduce(self.count)(value, name=name)
        wide = DType.FLOAT32 if value.dtype.is_float else DType.INT32
        return Cast(value.dtype)(AllReduce(self.count)(Cast(wide)(value), name=name))

    def mean(self, value: Value, name: str) -> Value:
        """The mean over the items of the batch, of means over those of the shards."""
        return self.total(self.part(value), name)

    def first_of(self, shape: Shape, node: Node) -> Iterator[Value]:
        """The row from which random numbers of a shape are drawn, if they are drawn for items.

        Raises `GraphError` where they lie in another way than one after the other.
        """
        axes = open_axes(shape)
        if axes and (axes != (0,) or times_n(shape[0]) != 1):
            where = f" ({node.origin.location})" if node.origin.location else ""
            raise GraphError(
                f'{node.op.name} "{node.name}"{where} draws numbers for items that do not lie '
                "along axis 0: cut into shards, they would get others"
            )
        if axes:
            yield self.first


def _setting(key: str, dtype: DType, initial: float) -> Value:
    state = State(key, TensorType((), dtype), Role.SETTING, False, Constant(initial))
    return state(name=key)
