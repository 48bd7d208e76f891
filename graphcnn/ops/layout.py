"""Where values lie in memory, as operators: nothing here changes a number.

Shapes are logical everywhere, so the definitions never see a layout: `evaluate` is the identity
here and that of the inner operator there. A difference between native and reference after layouts
were assigned is therefore a mistake in storage.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from graphcnn.errors import GraphError
from graphcnn.ir.batch import Batches, Rule, Types
from graphcnn.ir.batch_walk import follow_op
from graphcnn.ir.node import Array, Op, check_count
from graphcnn.ir.storage import PLAIN, plain, storage_shape
from graphcnn.ir.tensor_type import TensorType


@dataclass(frozen=True)
class Relayout(Op):
    """y = x, lying in memory as `layout` says; see `graphcnn.ir.storage` for the names."""

    layout: str = PLAIN

    operands: ClassVar = ("x",)
    family: ClassVar = "shape"
    rounds: ClassVar[bool] = False

    def infer(self, x: TensorType) -> TensorType:
        return _stored(plain(x), self.layout)

    def evaluate(self, x: Array) -> Array:
        return x

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return inputs[0]


@dataclass(frozen=True)
class Placed(Op):
    """`op`, reading and writing values in given layouts, by a given algorithm.

    `reads` and `writes` have one layout for each input and each result of `op`. An empty
    `algorithm` leaves the choice to the runtime.
    """

    op: Op
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    algorithm: str = ""

    operands: ClassVar = ("*inputs",)
    results: ClassVar = ("*outputs",)
    of_stored_types: ClassVar[bool] = True
    family: ClassVar = "several"

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        check_count(self.op, len(inputs))
        found = tuple(t.layout for t in inputs)
        if found != self.reads:
            raise GraphError(
                f"reads {_listed(self.reads)}, found {_listed(found)}; relayout makes another"
            )
        types = self.op.infer(*map(plain, inputs))
        types = types if isinstance(types, tuple) else (types,)
        if len(types) != len(self.writes):
            raise GraphError(f"{len(types)} results cannot be written as {_listed(self.writes)}")
        return tuple(map(_stored, types, self.writes))

    def evaluate(self, *inputs: Array) -> Any:
        return self.op.evaluate(*inputs)

    def bind(self, n: int) -> "Placed":
        op = self.op.bind(n)
        return self if op is self.op else replace(self, op=op)

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return follow_op(self.op, inputs, tuple(map(plain, types)), tuple(map(plain, results)))


def inner(op: Op) -> Op:
    """The operator itself, where it may be placed."""
    return op.op if isinstance(op, Placed) else op


def _stored(t: TensorType, layout: str) -> TensorType:
    """The type in a layout. Raises `GraphError` where the layout does not fit it."""
    stored = replace(t, layout=layout)
    storage_shape(stored)
    return stored


def _listed(layouts: tuple[str, ...]) -> str:
    return f"({', '.join(layouts)})"
