"""What a rule of the importer sees, and the registry of rules.

    @imports("Relu")
    def relu(call: Call) -> Value:
        return Relu()(call.value(0))

A rule gets one ONNX node as a `Call` and returns its results: values of our graph, or arrays that
are known while importing. Initializers and constants stay arrays until a rule asks for a value;
then float initializers become states (they are trained) and all others constants.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import onnx

from graphcnn.errors import ImportModelError
from graphcnn.ir.evaluate import Evaluator, results_of
from graphcnn.ir.evaluate import Results as Arrays
from graphcnn.ir.graph import topological_order
from graphcnn.ir.initializers import Constant as Fill
from graphcnn.ir.initializers import He
from graphcnn.ir.node import Array, Node, Value, constant_of, freeze
from graphcnn.ir.sources import Constant, Input, Role, State
from graphcnn.ir.tensor_type import Dim, DType, N, TensorType, is_open
from graphcnn.onnx.importing.file.arrays import array_of, stored_bytes
from graphcnn.onnx.importing.file.given import needed
from graphcnn.onnx.importing.file.limits import Limits
from graphcnn.onnx.importing.file.load import is_external
from graphcnn.onnx.importing.known.affine import Affine, dims_of, symbolic_type
from graphcnn.ops.elementwise import Cast
from graphcnn.ops.shape import Concat, ElementCount, Reshape

NUMPY_TYPES: Final = {d.numpy: d for d in DType}


class NeedsValueError(ImportModelError):
    """A rule needs the numbers of a tensor that only the inputs called `keys` decide."""

    def __init__(self, message: str, keys: frozenset[str]) -> None:
        super().__init__(message)
        self.keys = keys


class UnsupportedError(ImportModelError):
    """What the node means is clear, but our operators cannot express it."""


@dataclass(eq=False)
class Known:
    """An array that is known while importing, under its name in the file.

    Objects in `array` are integers that depend on the batch size. A `learned` array is a float
    initializer with at least one axis.
    """

    array: Array
    name: str = ""
    learned: bool = False
    value: Value | None = None

    is_tensor: ClassVar[bool] = True


Operand = Value | Known
Results = Operand | Array | None | Sequence[Operand | Array | None]
Rule = Callable[["Call"], Results]

RULES: dict[str, Rule] = {}


def imports(*names: str) -> Callable[[Rule], Rule]:
    """Register a function as the meaning of the standard operators called `names`."""

    def register(rule: Rule) -> Rule:
        for name in names:
            if name in RULES:
                raise TypeError(f"two rules for {name!r}")
            RULES[name] = rule
        return rule

    return register


@dataclass
class Store:
    """What the import of one model has gathered: states, their arrays, memory spent."""

    limits: Limits
    states: dict[str, Array] = field(default_factory=dict)
    folded_bytes: int = 0
    edge_bytes: int = 0
    #: Streams of random numbers that nodes have for themselves.
    streams: int = 0
    #: Constants in the place of random numbers, of which another runtime draws others.
    drawn: list[Value] = field(default_factory=list)
    external_bytes: int = 0
    #: Places of maxima counted through the whole batch: those in their channel, and its size.
    places: dict[Value, tuple[Value, int]] = field(default_factory=dict)
    #: Of these, those of pools whose windows are single pixels: each channel begins with its first.
    single: dict[Value, int] = field(default_factory=dict)
    #: Stand-ins for numbers that count the items of a batch, with the nodes that gave them.
    counted: dict[Value, str] = field(default_factory=dict)
    #: Parts of arrays, by what of them they are: parameters of their own.
    parts: dict[tuple[Known, Any, Any, Any], Known] = field(default_factory=dict)
    #: Names of initializers, and of copies of them.
    taken: set[str] = field(default_factory=set)

    def fold(self, shape: Sequence[int], dtype: Any) -> None:
        """Count an array that is about to be computed. Raises where that is too much."""
        count = self.limits.check_shape(tuple(int(d) for d in shape), "a constant")
        self.folded_bytes += count * np.dtype(dtype).itemsize
        if self.folded_bytes > self.limits.folded_bytes:
            raise ImportModelError(
                f"constants of {self.folded_bytes:,} bytes are computed, expected at most "
                f"{self.limits.folded_bytes:,} (limits.folded_bytes)"
            )

    def array(self, tensor: onnx.TensorProto, what: str, folder: Path | None) -> Array:
        """The array of a tensor of the file, or of a file beside it, which is counted first."""
        self.external_bytes += stored_bytes(tensor) if is_external(tensor) else 0
        if self.external_bytes > self.limits.external_bytes:
            raise ImportModelError(
                f"external data of {self.external_bytes:,} bytes, expected at most "
                f"{self.limits.external_bytes:,} (limits.external_bytes)"
            )
        return array_of(tensor, what, folder, self.limits)

    def value(self, operand: Operand, role: Role = Role.PARAMETER, decays: bool = True) -> Value:
        """The operand as a value of the graph: a state or a constant where it is an array.

        Statistics are a state of their own each time, since exporters store equal arrays once: all
        means of new batch norms, say, which part as soon as training begins.
        """
        if isinstance(operand, Value):
            return operand
        if not operand.is_tensor:
            raise UnsupportedError("a sequence, where a tensor is expected")
        if role is Role.STATISTIC and operand.learned:
            return self._source(operand, role)
        if operand.value is None:
            operand.value = self._source(operand, role, decays)
        return operand.value

    def _source(self, known: Known, role: Role, decays: bool = True) -> Value:
        array = known.array
        if array.dtype == object:
            return _symbolic(array)
        dtype = NUMPY_TYPES.get(array.dtype)
        if dtype is None:
            raise UnsupportedError(
                f"{known.name!r} has the element type {array.dtype}, expected one of "
                f"{', '.join(str(d) for d in NUMPY_TYPES)}"
            )
        if 0 in array.shape:
            raise UnsupportedError(
                f"{known.name!r} has the shape {array.shape}, expected sizes of at least 1"
            )
        if not known.learned:
            return Constant(freeze(array))(name=known.name)
        key, number = known.name, 1
        while key in self.states:
            key, number = f"{known.name}_{number + 1}", number + 1
        self.states[key] = array
        statistic = role is Role.STATISTIC
        op = State(
            key, TensorType(array.shape, dtype), role, not statistic,
            He() if array.ndim > 1 else Fill(float(statistic)), decays,
        )  # fmt: skip
        return op(name=key)


def _symbolic(array: Array) -> Value:
    """Numbers that depend on N as a tensor, computed when the batch size is known."""
    dtype = DType.of(symbolic_type(array))
    parts = []
    for x in array.flat:
        if isinstance(x, Affine):
            plain = float if dtype.is_float else int
            count = ElementCount((N,), dtype)()
            count = count if x.a == 1 else count * plain(x.a)
            parts.append(count + plain(x.b) if x.b else count)
        else:
            parts.append(constant_of(x, dtype))
    if not array.ndim:
        return parts[0]
    rows = [Reshape((1,))(p) for p in parts]
    flat = rows[0] if len(rows) == 1 else Concat(0)(*rows)
    return flat if flat.shape == array.shape else Reshape(array.shape)(flat)


@dataclass
class Call:
    """One ONNX node in translation. Positions of inputs count from 0."""

    op_type: str
    name: str
    opset: int
    inputs: tuple[Operand | None, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    store: Store
    #: How many results the node names, at least up to the last, whether they are read or not.
    named: int = 0

    @property
    def limits(self) -> Limits:
        return self.store.limits

    @property
    def wanted(self) -> int:
        """How many results are used, at least up to the last."""
        return max((i + 1 for i, name in enumerate(self.outputs) if name), default=0)

    def wants(self, index: int) -> bool:
        """Whether anything reads a result."""
        return index < len(self.outputs) and bool(self.outputs[index])

    def has(self, index: int) -> bool:
        """Whether an input is given."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def given(self, index: int) -> Operand:
        if not self.has(index):
            raise ImportModelError(f"input {index} is missing")
        found = self.inputs[index]
        assert found is not None
        if isinstance(found, Known) and not found.is_tensor:
            raise ImportModelError(f"input {index} is a sequence, expected a tensor")
        return found

    def value(self, index: int, role: Role = Role.PARAMETER, decays: bool = True) -> Value:
        """An input as a value of the graph; `decays` as in `parameter`."""
        return self.store.value(self.given(index), role, decays)

    def values(self) -> list[Value]:
        return [self.value(i) for i in range(len(self.inputs)) if self.has(i)]

    def known(self, index: int, what: str) -> Array:
        """An input as an array. Raises `NeedsValueError` where inputs of the graph decide it."""
        found = self.given(index)
        if isinstance(found, Known):
            return found.array
        return self._evaluated(found, what)

    def _evaluated(self, value: Value, what: str) -> Array:
        """The array of a value that depends on states and constants only."""
        order = topological_order([value.node])
        inputs = {n.op.key: n.op.type for n in order if isinstance(n.op, Input)}
        open_ = any(n.op.bind(1) is not n.op or not all(t.is_bound for t in n.types) for n in order)
        if inputs or open_:
            raise NeedsValueError(needed(what, inputs), frozenset(inputs))

        def counted(node: Node, operands: Sequence[Array]) -> Arrays:
            if isinstance(node.op, State):
                return (self.store.states[node.op.key],)
            for t in node.types:
                self.store.fold([int(d) for d in t.shape], t.dtype.numpy)  # type: ignore[arg-type]
            return results_of(node, operands)

        return np.asarray(Evaluator(order, {value}).run(compute=counted)[value])

    def numbers(self, index: int, what: str) -> tuple[int, ...]:
        """An input as a list of integers."""
        dims = self.sizes(index, what)
        if is_open(dims):
            raise UnsupportedError(f"{what} depends on the batch size N")
        return tuple(int(d) for d in dims)  # type: ignore[arg-type]

    def sizes(self, index: int, what: str) -> tuple[Dim, ...]:
        """An input as a list of sizes, with N where it is the batch size."""
        return dims_of(self.known(index, what), what)

    def scalar(self, index: int, what: str) -> Any:
        """An input of one element as a Python number."""
        array = self.known(index, what)
        if array.size != 1:
            raise ImportModelError(f"{what} must be one number, found shape {array.shape}")
        return array.reshape(()).item()

    def attribute(self, name: str, default: Any = None) -> Any:
        return self.attributes.get(name, default)

    def ints(self, name: str, default: Sequence[int], count: int | None = None) -> tuple[int, ...]:
        """An attribute of integers; `count` is how many there have to be."""
        found = tuple(self.attributes.get(name, default))
        if count is not None and len(found) != count:
            raise ImportModelError(f"attribute {name!r} must have {count} numbers, found {found}")
        return found

    def listed(self, name: str, index: int, default: Any = None) -> Any:
        """Integers that were an attribute once and are an input now; `default` without either."""
        if self.has(index):
            return self.numbers(index, name)
        return tuple(self.attributes[name]) if name in self.attributes else default

    def axis(self, axis: int, rank: int) -> int:
        """A position counted from either end, as one from the front."""
        if not -rank <= axis < rank:
            raise ImportModelError(f"axis {axis} must be from {-rank} to {rank - 1}")
        return axis % rank

    def axes(self, axes: Sequence[int], rank: int) -> tuple[int, ...]:
        """Distinct axes from the front, in order."""
        found = [self.axis(a, rank) for a in axes]
        if len(set(found)) < len(found):
            raise ImportModelError(f"axes {tuple(axes)} must be distinct")
        return tuple(sorted(found))

    def like(self, number: Any, value: Value) -> Value:
        """A constant of the element type of `value`."""
        return Constant(freeze(np.asarray(number), value.dtype))()

    def name_of(self, index: int) -> str:
        """The name for the node of result `index`."""
        return self.name if not index else self.outputs[index]


def cast_to(x: Value, dtype: DType) -> Value:
    return x if x.dtype is dtype else Cast(dtype)(x)


def reshaped(x: Value, shape: tuple[Dim, ...]) -> Value:
    return x if x.shape == shape else Reshape(shape)(x)
