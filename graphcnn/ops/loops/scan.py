"""A loop whose number of steps is known, as one operator."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar, Generic, NamedTuple, TypeVar

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.batch import Batches, Rule, Types, mixed
from graphcnn.ir.batch_walk import follow
from graphcnn.ir.evaluate import Evaluator
from graphcnn.ir.node import Array, Node, Value
from graphcnn.ir.sources import Input, State
from graphcnn.ir.tensor_type import TensorType
from graphcnn.ops.parts.body import WithBody, all_nodes, depending, inlined
from graphcnn.ops.random import Dropout, InTraining, RandomUniform
from graphcnn.ops.shape import Concat, Reshape, Slice

T = TypeVar("T")


class Parts(NamedTuple, Generic[T]):
    """Inputs of a scan, or of its body: what is carried, what is scanned, what is the same."""

    carries: tuple[T, ...]
    scanned: tuple[T, ...]
    given: tuple[T, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Scan(WithBody):
    """(c, y[t]) = body(c, x[t], given), for t = 0, 1, ... `length` - 1.

    The body reads `carries` carries, which are what the step before gave, then `scanned` slices,
    then what is given: the same at every step. It gives the new carries, of the same types, and
    then slices y[t].
    Shapes: inits as the carries, xs (length, ...slice), given as the body reads them; results are
    the last carries, then ys (length, ...slice). `reverse` begins at the last slice; every y[t]
    lies at the place of its x[t]. The body is pure: no states, and no random numbers but those
    whose seed or step comes with a slice or a carry. Scans may stand in bodies of scans.
    """

    carries: int = field(kw_only=True)
    scanned: int = field(kw_only=True)
    length: int = field(kw_only=True)
    reverse: bool = field(default=False, kw_only=True)

    of_stored_types: ClassVar[bool] = True  # the operators of the body say what they do with them

    def parts(self, values: Sequence[T]) -> Parts[T]:
        """The inputs of the operator, or of its body, by what they are for."""
        first, second = self.carries, self.carries + self.scanned
        return Parts(tuple(values[:first]), tuple(values[first:second]), tuple(values[second:]))

    def operand_name(self, index: int) -> str:
        """What the body calls it."""
        known = index < len(self.body.inputs)
        return self.body.inputs[index].node.name if known else super().operand_name(index)

    @property
    def words(self) -> str:
        times = f"{self.name} × {self.length}{' backwards' * self.reverse}"
        return super().words.replace(self.name, times, 1)

    @property
    def steps(self) -> range:
        """The places of slices in the order in which they are computed."""
        return range(self.length)[:: -1 if self.reverse else 1]

    @cached_property
    def moving(self) -> frozenset[Value]:
        """The values of the body that differ from step to step: all but given ones, constants and
        what is made of these alone."""
        read = self.body.inputs[: self.carries + self.scanned]
        return frozenset(depending(self.body.nodes, read))

    # Types

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        self._check_body()
        read = [v.type for v in self.body.inputs]
        if len(inputs) != len(read):
            raise GraphError(
                f"the body reads {len(read)} tensors ({self.carries} carries, {self.scanned} "
                f"slices, {len(read) - self.carries - self.scanned} given), found {len(inputs)}"
            )
        for i, (found, inner) in enumerate(zip(inputs, read, strict=True)):
            what, expected = f"init {i}", inner
            if i >= self.carries:
                what = f"given {i - self.carries - self.scanned}"
            if self.carries <= i < self.carries + self.scanned:
                what, expected = f"xs {i - self.carries}", self._stacked(inner)
            if found != expected:
                label = self.body.inputs[i].node.name
                raise GraphError(
                    f"{what} must be {expected}, as the body reads {label!r}: {inner}"
                    f"{f' at each of {self.length} steps' * (expected != inner)}, found {found}"
                )
        types = [v.type for v in self.body.outputs.values()]
        ys = [self._stacked(t) for t in types[self.carries :]]
        return (*types[: self.carries], *ys)

    def _stacked(self, t: TensorType) -> TensorType:
        return t.with_shape((self.length, *t.shape))

    def _check_body(self) -> None:
        """Raise `GraphError` where the counts do not fit the body, or it is no function."""
        body = self.body
        for name, least in (("carries", 0), ("scanned", 0), ("length", 1)):
            if getattr(self, name) < least:
                raise GraphError(f"{name} must be at least {least}, found {getattr(self, name)}")
        if len(body.inputs) < self.carries + self.scanned or len(body.outputs) < self.carries:
            raise GraphError(
                f"a body with {self.carries} carries and {self.scanned} slices reads at least "
                f"{self.carries + self.scanned} tensors and gives {self.carries}, this one reads "
                f"{len(body.inputs)} and gives {len(body.outputs)}"
            )
        for i, (old, (key, new)) in enumerate(
            zip(body.inputs[: self.carries], body.outputs.items(), strict=False)
        ):
            if old.type != new.type:
                raise GraphError(
                    f"carry {i}, {old.node.name!r}, is {old.type} and becomes {key!r}: {new.type}; "
                    "a carry keeps its type"
                )
        for node in all_nodes(body):
            if isinstance(node.op, State | Dropout | InTraining):
                raise GraphError(f"{_label(node)} cannot stand in the body: {_WHY[type(node.op)]}")
        for node in body.nodes:
            if isinstance(node.op, RandomUniform) and node.output not in self.moving:
                raise GraphError(
                    f"{_label(node)} would draw the same numbers at every step: scan over numbers "
                    "that are drawn for all steps before"
                )
        if body.updates:
            raise GraphError("the body updates states, and a body is a function of what it reads")

    # Values

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        body, (first, results) = self.body, (self.carries, tuple(self.body.outputs.values()))
        xs = inputs[first : first + self.scanned]
        given = dict(zip(body.inputs, inputs, strict=True))
        fixed = self._once.run({v: given[v] for v in body.inputs[first + self.scanned :]})
        carries = inputs[:first]
        ys: list[list[Array]] = [[] for _ in results[first:]]
        for t in self.steps:
            read = zip(body.inputs, (*carries, *(x[t] for x in xs)), strict=False)
            found = self._each.run({**fixed, **dict(read)})
            carries = tuple(found[v] for v in results[:first])
            for rows, v in zip(ys, results[first:], strict=True):
                rows.append(found[v])
        order = -1 if self.reverse else 1
        return (*carries, *(np.stack(rows[::order]) for rows in ys))

    @cached_property
    def _once(self) -> Evaluator:
        """Evaluates what does not move, and keeps what moving nodes read of it."""
        moving, results = self.moving, self.body.outputs.values()
        read = {v for n in self.body.nodes if n.outputs[0] in moving for v in n.inputs}
        still = [n for n in self._computed if n.outputs[0] not in moving]
        return Evaluator(still, frozenset({*read, *results} - moving))

    @cached_property
    def _each(self) -> Evaluator:
        """Evaluates what moves."""
        moving = [n for n in self._computed if n.outputs[0] in self.moving]
        return Evaluator(moving, frozenset(self.body.outputs.values()))

    @property
    def _computed(self) -> list[Node]:
        return [n for n in self.body.nodes if not isinstance(n.op, Input)]

    def expand(self, *inputs: Value) -> tuple[Value, ...]:
        """The body, written out for every step; what does not move in it stands there once."""
        carries, xs, given = self.parts(inputs)
        body, results = self.body, tuple(self.body.outputs.values())
        still = [n for n in body.nodes if n.outputs[0] not in self.moving]
        fixed = inlined(still, dict(zip(self.parts(body.inputs).given, given, strict=True)))
        ys: list[list[Value]] = [[] for _ in results[self.carries :]]
        for t in self.steps:
            read = zip(body.inputs, (*carries, *(sliced(x, t) for x in xs)), strict=False)
            new = inlined(body.nodes, {**fixed, **dict(read)})
            carries = tuple(new[v] for v in results[: self.carries])
            for rows, v in zip(ys, results[self.carries :], strict=True):
                rows.append(new[v])
        order = -1 if self.reverse else 1
        return (*carries, *(stacked(rows[::order]) for rows in ys))

    # Batches

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        carries, xs, given = self.parts(inputs)
        slices = tuple(x.at(x.axis - 1) if x.is_items else x for x in xs)
        if any(x.is_items and x.axis < 0 for x in slices):
            return mixed("goes through the items of the batch, one after the other")
        known = dict(zip(self.body.inputs, (*carries, *slices, *given), strict=True))
        found = follow(self.body.nodes, known)
        kinds = [found[v] for v in self.body.outputs.values()]
        for before, after in zip(carries, kinds[: self.carries], strict=True):
            if after.is_mixed:
                return after
            if before != after:
                return mixed(f"carries what is {before} at first and {after} then")
        ys = (y.at(y.axis + 1) if y.is_items else y for y in kinds[self.carries :])
        return (*carries, *ys)

    def bind(self, n: int) -> "Scan":
        body = self.body.bind(n)
        return self if body is self.body else replace(self, body=body)


_WHY = {
    State: "give its value to the scan",
    Dropout: "scan over a mask that is drawn for all steps before",
    InTraining: "scan over numbers that are drawn for all steps before",
}


def _label(node: Node) -> str:
    return f'{node.op.name} "{node.name}"' if node.name else node.op.name


def sliced(x: Value, t: int) -> Value:
    """x[t]: slice t along axis 0, without the axis."""
    rest = x.shape[1:]
    row = Slice((t, *(0 for _ in rest)), (1, *rest), (1,) * x.type.rank)(x)
    return Reshape(rest)(row)


def stacked(rows: Sequence[Value]) -> Value:
    """Tensors of one type along a new axis 0."""
    parts = [Reshape((1, *y.shape))(y) for y in rows]
    return parts[0] if len(parts) == 1 else Concat(0)(*parts)
