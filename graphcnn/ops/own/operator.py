"""Operators of the user's own as operators of the graph: their methods called where `Op` is asked.

To passes they are opaque. They have no trait but `acts_on` and `piecewise_constant`, are neither
merged with equal ones nor computed before a run, read and write plain layouts alone, and no result
lies in the memory of an operand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

from graphcnn.errors import GradientError, GraphCnnError, GraphError, OperatorError
from graphcnn.ir.batch import SUM, Batches, Rule, Types, elementwise, linear, mixed, per_item
from graphcnn.ir.node import Array, Node, Op, Value, build, constant_of
from graphcnn.ir.tensor_type import BatchSize, TensorType
from graphcnn.ops.broadcast import BroadcastTo
from graphcnn.ops.own.calling import call, lent, several, taken, types_of

#: What an operator may say of itself: on what a result's element, item or whole depends.
ACTS_ON: Final = ("batch", "items", "elements")


@dataclass(frozen=True)
class OwnOp(Op, entered=False):
    """What `graphcnn.language.own_operators.Operator`, which explains the methods, is made of."""

    family: ClassVar[str] = "own"
    pure: ClassVar[bool] = False
    acts_on: ClassVar[str] = "batch"
    weights: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(entered=False, **kwargs)

    @classmethod
    def gives(cls, method: str) -> bool:
        """Whether the class has one of the methods that may be left out."""
        return getattr(cls, method, None) is not getattr(OwnOp, method, None)

    @classmethod
    def has(cls, method: str) -> bool:
        if method == "gradient":
            return cls.gives("backward") or cls.gives("differentiate")
        return method != "expand" and super().has(method)

    @classmethod
    def home(cls) -> str:
        """Where it was defined, for messages and files."""
        return f"class {cls.__qualname__} of {cls.__module__}"

    def shape(self, x: TensorType, *others: TensorType) -> Any:
        """The types of the results: by default one, that of the first input."""
        return x

    # What is asked of every operator

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        found = self._asked("shape", types)
        if isinstance(found, TensorType) or _is_shape(found):
            found = (found,)
        return tuple(_result_type(t, types[0], found) for t in several(found))

    def evaluate(self, *arrays: Array) -> tuple[Array, ...]:
        expected = self.infer(*types_of(arrays))
        found = several(call(self, "forward", *map(lent, arrays)))
        if len(found) != len(expected):
            raise OperatorError(f"forward must give {len(expected)} arrays, found {len(found)}")
        return tuple(
            taken(y, t, f"{_which('result', i, expected)} of forward")
            for i, (y, t) in enumerate(zip(found, expected, strict=True))
        )

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        if self.acts_on == "elements":
            return elementwise(inputs, types, results[0].rank)
        if self.acts_on == "items":
            names = map(self.operand_name, range(len(inputs)))
            return per_item(inputs, [i for i, n in enumerate(names) if n not in self.weights])
        return mixed('acts on the batch as a whole (it does not claim acts_on = "items")')

    def gradient(self, node: Node, *cotangents: Value | None) -> Sequence[Value | None]:
        """By `differentiate` as nodes, else by a node that calls `backward`."""
        known = [
            _zeros(y.type) if c is None else c
            for y, c in zip(node.outputs, cotangents, strict=True)
        ]
        arguments = (*known, *node.inputs, *node.outputs)
        if not self.gives("differentiate"):
            made = iter(build(OwnGradient(self, len(node.inputs)), arguments).outputs)
            return [next(made) if x.dtype.is_float else None for x in node.inputs]
        found = several(self._asked("differentiate", arguments))
        expected = [x.type for x in node.inputs]
        if len(found) != len(expected) or not all(
            g is None or (isinstance(g, Value) and g.type == t)
            for g, t in zip(found, expected, strict=True)
        ):
            raise GradientError(
                f"differentiate of {self.name} must give a tensor or None for each of the inputs "
                f"({', '.join(map(str, expected))}), found {_listed(found)}"
            )
        return found

    # What is asked of operators of one's own alone

    def gradients(self, results: int, *arrays: Array) -> tuple[Array, ...]:
        """What `backward` makes of cotangents, inputs and results, for the inputs of floats."""
        inputs = arrays[results : len(arrays) - results]
        found = several(call(self, "backward", *map(lent, arrays)))
        if len(found) != len(inputs):
            raise OperatorError(
                f"backward of {self.name} must give a gradient or None for each of the "
                f"{len(inputs)} inputs, found {len(found)}"
            )
        return tuple(
            np.zeros_like(x, order="C")
            if g is None
            else taken(g, t, f"the gradient of {self.operand_name(i)} by backward of {self.name}")
            for i, (g, x, t) in enumerate(zip(found, inputs, types_of(inputs), strict=True))
            if t.dtype.is_float
        )

    def in_language(self, *inputs: Value) -> tuple[Value, ...]:
        """What its method `onnx` says that it equals, in functions of the language."""
        found = several(self._asked("onnx", inputs))
        expected = self.infer(*(x.type for x in inputs))
        if not all(isinstance(y, Value) for y in found) or (
            tuple(y.type for y in found) != expected
        ):
            raise OperatorError(
                f"onnx of {self.name} must give {_listed(expected)}, found {_listed(found)}"
            )
        return found

    def _asked(self, method: str, arguments: Sequence[Any]) -> Any:
        """A method that is about types or tensors, whose own refusals stay as they are."""
        try:
            return call(self, method, *arguments)
        except OperatorError as error:
            if isinstance(error.__cause__, GraphCnnError):
                raise error.__cause__ from None
            raise


@dataclass(frozen=True)
class OwnGradient(Op):
    """Gradients of the float inputs x of `op`, by its method `backward(dy, x, y)`.

    Shapes: as `count` operands, those that `op` reads; before them the gradients of its results,
    behind them these results.
    """

    op: Op
    count: int

    operands: ClassVar = ("*operands",)
    results: ClassVar = ("*dx",)
    family: ClassVar[str] = "own"
    pure: ClassVar[bool] = False

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        if not isinstance(self.op, OwnOp):
            raise GraphError(f"op must be an operator of one's own, found {self.op!r}")
        given, inputs, results = self._parts(types)
        expected = self.op.infer(*inputs)
        for what, found in (("gradients of results", given), ("results", results)):
            if tuple(found) != expected:
                raise GraphError(f"{what} must be {_listed(expected)}, found {_listed(found)}")
        return tuple(t for t in inputs if t.dtype.is_float)

    def evaluate(self, *arrays: Array) -> tuple[Array, ...]:
        assert isinstance(self.op, OwnOp)
        return self.op.gradients(len(self._parts(arrays)[0]), *arrays)

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        """It is linear in the gradients of the results. Those of weights are sums over items."""
        given, own, made = self._parts(inputs)
        _, own_types, made_types = self._parts(types)
        if all(x.is_fixed for x in (*own, *made)):
            return linear(given) or mixed("reads gradients of other kinds than sums")
        found = self.op.follow_batch(tuple(own), tuple(own_types), tuple(made_types))
        one = found[0] if isinstance(found, tuple) else found
        if not one.is_items or any(x != one for x in (*given, *made)):
            return one if one.is_mixed else mixed("reads gradients that are not of the items")
        kinds = zip(own, own_types, strict=True)
        return tuple(SUM if x.is_fixed else x for x, t in kinds if t.dtype.is_float)

    def _parts(self, of: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any], Sequence[Any]]:
        """What belongs to the gradients of the results, to the inputs, to the results."""
        results, rest = divmod(len(of) - self.count, 2)
        if rest or results < 1:
            raise GraphError(
                f"takes {self.count} operands, with as many gradients before them as there are "
                f"results behind them, found {len(of)}"
            )
        return of[:results], of[results : results + self.count], of[results + self.count :]


def is_own(op: Op) -> bool:
    """Whether Python is called for an operator in every runtime."""
    return isinstance(op, OwnOp | OwnGradient)


def _is_shape(found: Any) -> bool:
    return isinstance(found, tuple | list) and all(_is_size(d) for d in found)


def _is_size(d: Any) -> bool:
    return isinstance(d, BatchSize) or (hasattr(d, "__index__") and not isinstance(d, bool))


def _result_type(found: Any, first: TensorType, whole: Any) -> TensorType:
    if isinstance(found, TensorType):
        return found
    if _is_shape(found):
        sizes = (d if isinstance(d, BatchSize) else int(d) for d in found)
        return TensorType(tuple(sizes), first.dtype)
    raise OperatorError(f"shape must give types, or shapes of that of the first, found {whole!r}")


def _zeros(t: TensorType) -> Value:
    zero = constant_of(0, t.dtype)
    return BroadcastTo(t.shape)(zero) if t.rank else zero


def _which(what: str, i: int, of: Sequence[Any]) -> str:
    return f"the {what}" if len(of) == 1 else f"{what} {i}"


def _listed(found: Sequence[Any]) -> str:
    types = (x.type if isinstance(x, Value) else x for x in found)
    return ", ".join(str(x) for x in types) or "nothing"
