"""A graph in other element types: all that is of one type becomes another, or is computed so.

Every edge has a type, so what changes is exactly what was of a type that is named; sizes, places
and truth values keep theirs. Three things may be meant by it, which the option `keep` says:

    "nothing"   the whole graph, with its inputs, states and outputs: float64 in place of float32
    "ends"      inputs and outputs stay, and so do states that leave the graph as they are, the
                scales of integers, and what goes from one scale to another: float16 inside
    "results"   all that is stored stays, every operator computes in the other type and its results
                are rounded to their own: arithmetic for types that the processor only stores

A number that the other type cannot hold is refused, with the name of its tensor.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, ClassVar

import ml_dtypes
import numpy as np

from graphcnn.errors import ExportError, GraphError
from graphcnn.ir.graph import Graph, state_of, topological_order, unique_names, with_inputs
from graphcnn.ir.node import Array, Node, Op, Value, build, freeze
from graphcnn.ir.origin import inherit
from graphcnn.ir.sources import Constant, Input, State
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.elementwise import Cast, Floor
from graphcnn.ops.integer import Dequantize, Quantize
from graphcnn.ops.parts.body import WithBody
from graphcnn.ops.random import RandomUniform, kept_bits
from graphcnn.passes.driver.base import Pass, PassLog, States

KEPT = ("nothing", "ends", "results")


@dataclass(frozen=True)
class Retype(Pass):
    """Casts, and operators and states of other types.

    Attributes:
        types: which become which, as in "f16->f64, f32->f64".
        keep: "nothing", "ends" or "results".

    Raises:
        GraphError: an option that is none of these.
        ExportError: a state, constant or attribute that the other type cannot hold.
    """

    types: str = ""
    keep: str = "nothing"

    #: Other types round elsewhere, or are those of the outputs.
    tolerance: ClassVar[float | None] = None

    def __post_init__(self) -> None:
        if self.keep not in KEPT:
            raise GraphError(f"keep must be one of {', '.join(KEPT)}, found {self.keep!r}")
        if not all(pair.count("->") == 1 for pair in self._pairs):
            raise GraphError(
                f'types must be given as in "f16->f64, f32->f64", found {self.types!r}'
            )

    def run(self, graph: Graph, log: PassLog) -> Graph:
        return _Run(self, graph, log).graph()

    def apply(self, graph: Graph, states: States, log: PassLog) -> tuple[Graph, States]:
        after = self.run(graph, log)
        types = {state_of(s).key: s.dtype for s in after.states}
        return after, {
            key: array if array.dtype == types[key].numpy else self.array(array, key)
            for key, array in states.items()
            if key in types
        }

    def dtype(self, old: DType) -> DType:
        """The type that a type becomes."""
        return self.becomes.get(old, old)

    def array(self, array: Array, name: str = "") -> Array:
        """An array in the type that its own becomes. `name` is for the error."""
        old = DType.of(array.dtype)
        new = self.dtype(old)
        if new is old:
            return array
        with np.errstate(over="ignore"):
            found: Array = array.astype(new.numpy)
        if new.bits < old.bits:
            lost = ~np.isfinite(found) & np.isfinite(array)
            if lost.any():
                raise _overflow(f"the tensor {name!r}", float(array[lost].flat[0]), old, new)
        return found

    @cached_property
    def becomes(self) -> Mapping[DType, DType]:
        """The types that change, and what they become."""
        pairs = [pair.strip().split("->") for pair in self._pairs]
        return {DType.of(old): DType.of(new) for old, new in pairs}

    @property
    def _pairs(self) -> list[str]:
        return self.types.split(",") if self.types else []

    def attribute(self, x: Any, name: str) -> Any:
        """An attribute that names a type, has one, or holds numbers of one."""
        if isinstance(x, DType):
            return self.dtype(x)
        if isinstance(x, TensorType):
            return x if self.dtype(x.dtype) is x.dtype else replace(x, dtype=self.dtype(x.dtype))
        if isinstance(x, np.ndarray):
            found = self.array(x, name)
            return x if found is x else freeze(found)
        if isinstance(x, Graph):  # a body: what it reads and gives changes with what is around it
            return replace(self, keep="results" if self.keep == "results" else "nothing")(x)
        return x

    def operator(self, op: Op, name: str) -> Op:
        """The operator of the other types."""
        changes = {}
        for f in fields(op):
            value = getattr(op, f.name)
            changed = self.attribute(value, name) if f.compare else value
            if changed is not value:
                changes[f.name] = changed
            if isinstance(value, float):
                self._check(value, f"{op.name} {name!r}: {f.name}")
        return replace(op, **changes) if changes else op

    def _check(self, number: float, what: str) -> None:
        """An attribute is a number of every type that the graph computes in."""
        for old, new in self.becomes.items():
            if new.bits < old.bits and largest(new) < abs(number) < np.inf:
                raise _overflow(what, number, old, new)


#: For files that compute in half precision between inputs and outputs of float32.
IN_FLOAT16 = Retype("f32->f16", "ends")
#: The same formulas with next to no rounding. Shorter floats stay, as integers do: to store a
#: number in them is a step of the model, which the exact result takes too.
IN_FLOAT64 = Retype("f16->f64, bf16->f64, f32->f64")


class _Run:
    """One graph on its way into other types."""

    def __init__(self, by: Retype, graph: Graph, log: PassLog) -> None:
        self.by, self.before, self.log = by, graph, log
        self.ends, self.results = by.keep == "ends", by.keep == "results"
        self.names = unique_names(graph) if self.ends else {}
        #: Only that operators compute in wider types is news of a node.
        self.named = by.name if self.results else ""
        self.casts: dict[tuple[Value, DType], Value] = {}

    def graph(self) -> Graph:
        types = {t.dtype for node in self.before.nodes for t in node.types}
        if not any(self.by.dtype(t) is not t for t in types):
            return self.before
        after = self.before.transform(self.rewrite, self.named)
        if not self.ends:
            return after
        outputs = {}
        for key, value in self.before.outputs.items():
            found = self.log.became.get(value, value)
            if not self.leaves_as_it_is(value.node) and self.changes(value):
                half = self.cast(found, self.by.dtype(value.dtype), self.names[value.node])
                with inherit(value.node.origin, self.named):
                    found = Cast(value.dtype)(half, name=key)
            outputs[key] = found
        return after.with_outputs(outputs) if outputs != after.outputs else after

    def changes(self, value: Value) -> bool:
        return self.by.dtype(value.dtype) is not value.dtype

    def rewrite(self, node: Node, inputs: tuple[Value, ...]) -> Sequence[Value]:
        """The results of a node whose operands are retyped already."""
        made = self.made(node, inputs)
        if made is not node.outputs:
            self.log.became.update(zip(node.outputs, made, strict=True))
        return made

    def made(self, node: Node, inputs: tuple[Value, ...]) -> Sequence[Value]:
        if self.results and isinstance(node.op, WithBody):  # whose operators round to their types
            body = self.by.operator(node.op, node.name or node.op.name)
            same = body is node.op and inputs == node.inputs
            return node.outputs if same else build(body, inputs, node.name).outputs
        if self.stays(node):
            operands = [self.cast(*pair) for pair in self.as_before(node, inputs)]
            same = operands == [*node.inputs]
            return node.outputs if same else with_inputs(node, tuple(operands)).outputs
        name = self.names.get(node, node.name)
        op = self.by.operator(node.op, name or node.op.name)
        operands = [
            self.cast(new, self.by.dtype(old.dtype), self.names.get(old.node, ""))
            for old, new in zip(node.inputs, inputs, strict=True)
        ]
        if op is node.op and operands == [*node.inputs]:
            return node.outputs
        self.log.fired[op.name] += 1
        if isinstance(op, State | Constant):
            name = node.name
        elif self.ends and any(v in self.before.results for v in node.outputs):
            name = f"{name}.{_long(self.by.dtype(node.output.dtype))}"  # its end keeps the name
        found: Sequence[Value] = build(op, operands, name).outputs
        if not self.results:
            return found
        if isinstance(node.op, RandomUniform):
            found = [_cut(found[0], node.op.dtype)]
        return [self.cast(v, t.dtype) for v, t in zip(found, node.types, strict=True)]

    def as_before(self, node: Node, inputs: Sequence[Value]) -> Sequence[tuple[Value, DType]]:
        """The operands of a node that stays. What is computed of constants alone is as it was."""
        return [
            (old if self.ends and _is_constant(old) else new, old.dtype)
            for old, new in zip(node.inputs, inputs, strict=True)
        ]

    def stays(self, node: Node) -> bool:
        """Whether a node keeps its types."""
        if self.results:
            types = (*(v.dtype for v in node.inputs), *(t.dtype for t in node.types))
            stored = isinstance(node.op, Cast | Input | State | Constant)
            return stored or all(self.by.dtype(t) is t for t in types)
        if not self.ends:
            return False
        if isinstance(node.op, Quantize | Dequantize):
            return self.changes(node.inputs[1])
        return self.leaves_as_it_is(node)

    def leaves_as_it_is(self, node: Node) -> bool:
        """Whether it is an input, or a state that is an output as it is."""
        state = isinstance(node.op, State) and node.output in self.before.results
        return state or isinstance(node.op, Input)

    def cast(self, value: Value, dtype: DType, name: str = "") -> Value:
        """The value in that type, cast once for all that read it."""
        if value.dtype is dtype:
            return value
        key = value, dtype
        if key not in self.casts:
            name = f"{name}.{_long(dtype)}" if name else ""
            with inherit(value.node.origin, self.named):
                self.casts[key] = Cast(dtype)(value, name=name)
        return self.casts[key]


def largest(dtype: DType) -> float:
    """The largest number of a float type."""
    return float(ml_dtypes.finfo(dtype.numpy).max)  # type: ignore[no-untyped-call]


def _cut(u: Value, dtype: DType) -> Value:
    """Uniform numbers with so many bits as a type holds: rounding would reach 1."""
    bits = kept_bits(dtype)
    return Floor()(u * 2.0**bits) * 2.0**-bits


def _is_constant(value: Value) -> bool:
    """Whether it is computed of constants alone."""
    order = topological_order([value.node])
    return all(isinstance(n.op, Constant) or n.inputs for n in order)


def _long(dtype: DType) -> str:
    return dtype.name.lower()


def _overflow(what: str, number: float, old: DType, new: DType) -> ExportError:
    return ExportError(
        f"{what} holds {number:g}, {_long(new)} at most {largest(new):g} in size: "
        f"export it as {_long(old)}"
    )
