"""Level 1 of the IR: immutable, typed nodes. Nothing about memory, nothing about order.

An operator is a frozen dataclass derived from `Op`; its fields are its attributes. Calling it on
values builds a `Node`, infers the types of the results at once, and returns the result:

    y = Conv2d(stride=(2, 2))(x, weight)

Nodes and values are compared by identity. Names are hints; unique names are made when a graph is
printed or exported.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any, ClassVar, Self, cast

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.batch import Batches, Rule, Types, elementwise, mixed
from graphcnn.ir.geometry import Window
from graphcnn.ir.indexing import part_of
from graphcnn.ir.origin import UNKNOWN, Origin, current_origin
from graphcnn.ir.stored_types import in_wider_types
from graphcnn.ir.tensor_type import DType, Shape, TensorType, bind_shape, is_open

Array = np.ndarray[Any, np.dtype[Any]]

#: Every operator by name: filled as the classes are defined.
OPS: dict[str, "type[Op]"] = {}


@dataclass(frozen=True)
class Op:
    """An operator with its attributes: what it means, and nothing about who uses it.

    A subclass gives `infer` (types), `evaluate` (the definition, in plain NumPy) and either
    `gradient` (the backward nodes) or `expand` (an equivalent in smaller operators, which is then
    differentiated). Attributes are normalised and hashable, so that equal operators compare equal.
    """

    #: Name in text and registries, by default made from the class name: "max_pool2d".
    name: ClassVar[str] = ""
    #: Kind of layer that it belongs to: a key of `graphcnn.pictures.scene.colors.FAMILIES`.
    family: ClassVar[str] = "arithmetic"
    #: Names of the inputs. A trailing "?" marks an optional, a leading "*" a repeated one.
    operands: ClassVar[tuple[str, ...]] = ()
    #: Names of the outputs.
    results: ClassVar[tuple[str, ...]] = ("y",)
    #: The output element depends only on the input elements at the same (broadcast) place.
    elementwise: ClassVar[bool] = False
    #: The output is the same bytes as the first input under another shape.
    view: ClassVar[bool] = False
    #: Heavy operators that elementwise ones may be fused to.
    anchor: ClassVar[bool] = False
    #: Two nodes with equal operator and inputs may be merged.
    pure: ClassVar[bool] = True
    #: The derivative is zero wherever it exists: integer and boolean results.
    piecewise_constant: ClassVar[bool] = False

    # Of elementwise operators

    #: Exchanging the two operands changes no bit: f(a, b) = f(b, a).
    commutative: ClassVar[bool] = False
    #: f(f(x)) = f(x) for one operand, f(x, x) = x for two.
    idempotent: ClassVar[bool] = False
    #: f(f(x)) = x.
    involution: ClassVar[bool] = False
    #: For each operand 1 where the result never falls as it rises, -1 where it never rises, 0
    #: where neither holds.
    monotone: ClassVar[tuple[int, ...]] = ()
    #: Sets of operands, by place: where one is 0 as a whole so is the result, whatever finite the
    #: other operands are (a divisor not 0).
    annihilators: ClassVar[tuple[tuple[int, ...], ...]] = ()

    # Of all operators

    #: Floats of the results are rounded. False where each is an operand's, negated or not, or a
    #: whole number.
    rounds: ClassVar[bool] = True
    #: Whole numbers make whole numbers: sums and products of operands, no quotients.
    integral: ClassVar[bool] = False
    #: The result that says where in the first operand elements lie, by its place.
    places: ClassVar[int | None] = None

    #: `evaluate` takes elements of types that are stored only as they are, not as wider ones.
    of_stored_types: ClassVar[bool] = False

    def __init_subclass__(cls, entered: bool = True, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "evaluate" in cls.__dict__:
            cls.evaluate = in_wider_types(cls.evaluate)  # type: ignore[method-assign]
        if not entered or cls.__name__.startswith("_"):
            return  # a shared base, not an operator
        snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()
        cls.name = cls.__dict__.get("name", snake)
        known = OPS.get(cls.name)
        if known is not None and known.__qualname__ != cls.__qualname__:
            raise TypeError(f"two operators are called {cls.name!r}")
        OPS[cls.name] = cls

    def infer(self, *args: Any, **kwargs: Any) -> Any:
        """Types of the results from the types of the inputs: one `TensorType` or a tuple.

        Raises `GraphError` with expected, found and formula; the node's name is added by `build`.
        """
        raise NotImplementedError

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Values of the results from arrays: the definition of the operator."""
        raise NotImplementedError

    def gradient(self, *args: Any, **kwargs: Any) -> Sequence["Value | None"]:
        """Cotangents of the inputs, as graph nodes: `gradient(node, *cotangents_of_outputs)`.

        None stands for an input without influence (or, among the arguments, an unused output).
        """
        raise NotImplementedError

    def expand(self, *args: Any, **kwargs: Any) -> tuple["Value", ...]:
        """The results in terms of smaller operators: `expand(*inputs)`. Optional.

        They are differentiated where there is no `gradient`, computed where there is no kernel,
        and exported where there is no rule for ONNX.
        """
        raise NotImplementedError

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        """How the results depend on the items of a batch, given how the inputs do.

        `types` are those of the inputs, `results` those of the results. Not asked where an input
        is MIXED (so are all results), nor where all are FIXED and no attribute holds N (so are the
        results). What is not proven is MIXED. See `graphcnn.ir.batch`.
        """
        if self.elementwise:
            return elementwise(inputs, types, results[0].rank)
        return mixed("has no rule for the items of a batch")

    def sliding(self, *types: TensorType) -> tuple[Window, Window] | None:
        """The windows (height, width) that slide over the first input, from the inputs' types."""
        return None

    def limits(self, *types: TensorType) -> Mapping[int, tuple[int, int]]:
        """Smallest and largest element allowed, for operands that may not hold any number."""
        return {}

    def bind(self, n: int) -> Self:
        """This operator with `n` for N in its attributes."""
        changes: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, tuple) and is_open(value):
                changes[f.name] = bind_shape(cast(Shape, value), n)
            elif isinstance(value, TensorType) and not value.is_bound:
                changes[f.name] = value.bind(n)
        return replace(self, **changes) if changes else self

    @property
    def attributes(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.attribute_names()}

    @classmethod
    def attribute_names(cls) -> list[str]:
        """The fields that say what the operator means; one that is not compared does not."""
        return [f.name for f in fields(cls) if f.compare]

    @classmethod
    def has(cls, method: str) -> bool:
        """Whether the class defines `method` itself instead of leaving it to `Op`."""
        return getattr(cls, method) is not getattr(Op, method)

    def operand_name(self, index: int) -> str:
        """Name of input `index`, also for repeated operands: `x0`, `x1`."""
        operands = self.operands
        if operands and operands[-1].startswith("*"):
            fixed = len(operands) - 1
            if index >= fixed:
                return f"{operands[-1][1:]}{index - fixed}"
        return operands[index].rstrip("?") if index < len(operands) else f"input{index}"

    def __call__(self, *inputs: "Value", name: str = "") -> "Value":
        """Build a node and return its (first) result."""
        return build(self, inputs, name).outputs[0]


@dataclass(frozen=True, eq=False, slots=True)
class Value:
    """One result of one node: what users hold and call a tensor."""

    node: "Node"
    index: int

    #: NumPy leaves `array * value` to this class instead of going element by element.
    __array_ufunc__: ClassVar[None] = None

    def __array_function__(self, function: Any, *_: Any) -> Any:
        raise GraphError(
            f"numpy.{function.__name__} computes with numbers, and {self!r} has none while the "
            "graph is being built: use the functions of graphcnn"
        )

    @property
    def type(self) -> TensorType:
        return self.node.types[self.index]

    @property
    def shape(self) -> Shape:
        return self.type.shape

    @property
    def dtype(self) -> DType:
        return self.type.dtype

    def __repr__(self) -> str:
        return f"<{self.node.op.name} {self.node.name!r} {self.type}>"

    def __bool__(self) -> bool:
        raise GraphError(
            f"{self!r} has no truth value while the graph is being built: "
            "use where(condition, a, b) instead of if"
        )

    __iter__: ClassVar[None] = None  # it is indexed by all axes at once

    def __getitem__(self, index: Any) -> "Value":
        """A part by the basic indexing of NumPy: `v[:, 3]`, `v[..., 2:5]`, `v[:, ::-1, None]`.

        Of a batch axis all is taken. `GraphError` for other indices and places outside.
        """
        part, y = part_of(self.type, index), self
        if part.sizes != self.shape:
            y = _made("slice", part.starts, part.sizes, part.steps)(y)
        for axis in part.turned:
            y = _turned(y, axis)
        return y if y.shape == part.shape else _made("reshape", part.shape)(y)

    def __add__(self, other: Any) -> "Value":
        return _binary("add", self, other)

    def __radd__(self, other: Any) -> "Value":
        return _binary("add", other, self)

    def __sub__(self, other: Any) -> "Value":
        return _binary("sub", self, other)

    def __rsub__(self, other: Any) -> "Value":
        return _binary("sub", other, self)

    def __mul__(self, other: Any) -> "Value":
        return _binary("mul", self, other)

    def __rmul__(self, other: Any) -> "Value":
        return _binary("mul", other, self)

    def __truediv__(self, other: Any) -> "Value":
        return _binary("div", self, other)

    def __rtruediv__(self, other: Any) -> "Value":
        return _binary("div", other, self)

    def __pow__(self, other: Any) -> "Value":
        return _binary("pow", self, other)

    def __rpow__(self, other: Any) -> "Value":
        return _binary("pow", other, self)

    def __matmul__(self, other: Any) -> "Value":
        return _binary("matmul", self, other)

    def __rmatmul__(self, other: Any) -> "Value":
        return _binary("matmul", other, self)

    def __neg__(self) -> "Value":
        return OPS["neg"]()(self)

    def __abs__(self) -> "Value":
        return OPS["abs"]()(self)

    def __and__(self, other: Any) -> "Value":
        return _binary("and", self, other)

    def __or__(self, other: Any) -> "Value":
        return _binary("or", self, other)

    def __invert__(self) -> "Value":
        return OPS["not"]()(self)

    def __lt__(self, other: Any) -> "Value":
        return _binary("less", self, other)

    def __le__(self, other: Any) -> "Value":
        return _binary("less_equal", self, other)

    def __gt__(self, other: Any) -> "Value":
        return _binary("greater", self, other)

    def __ge__(self, other: Any) -> "Value":
        return _binary("greater_equal", self, other)


@dataclass(frozen=True, eq=False, slots=True)
class Node:
    """One application of an operator. Build it with `build` or by calling the operator."""

    op: Op
    inputs: tuple[Value, ...]
    types: tuple[TensorType, ...]
    name: str = ""
    origin: Origin = UNKNOWN
    outputs: tuple[Value, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "outputs", tuple([Value(self, i) for i in range(len(self.types))]))

    @property
    def output(self) -> Value:
        """The first result."""
        return self.outputs[0]

    def __repr__(self) -> str:
        return f"<node {self.op.name} {self.name!r}>"


def build(op: Op, inputs: Sequence[Value], name: str = "", origin: Origin | None = None) -> Node:
    """A node with inferred types. Raises `GraphError` naming the node and the user's line."""
    origin = origin or current_origin()
    try:
        for position, value in enumerate(inputs):
            if not isinstance(value, Value):
                raise GraphError(
                    f"{op.operand_name(position)} must be a tensor of the graph, "
                    f"found {type(value).__name__}; wrap arrays in constant(...)"
                )
        check_count(op, len(inputs))
        types = op.infer(*(value.type for value in inputs))
    except GraphError as error:
        where = f" ({origin.location})" if origin.location else ""
        label = f' "{name}"' if name else ""
        raise type(error)(f"{op.name}{label}{where}: {error}") from None
    types = types if isinstance(types, tuple) else (types,)
    return Node(op, tuple(inputs), types, name, origin)


def check_count(op: Op, found: int) -> None:
    """Raise `GraphError` unless the operator takes so many inputs."""
    least, most = _counts(tuple(op.operands))
    if found < least or (most is not None and found > most):
        raise GraphError(f"takes the inputs ({', '.join(op.operands)}), found {found}")


@cache
def _counts(operands: tuple[str, ...]) -> tuple[int, int | None]:
    """How many inputs an operator takes at least, and at most."""
    if operands and operands[-1].startswith("*"):
        return len(operands) - 1, None
    return sum(not name.endswith("?") for name in operands), len(operands)


def _binary(name: str, left: Any, right: Any) -> Value:
    """An arithmetic operator of two values, one of which may be a Python number."""
    like = left if isinstance(left, Value) else right
    return OPS[name]()(as_value(left, like.dtype), as_value(right, like.dtype))


def _turned(x: Value, axis: int) -> Value:
    """The elements along one axis in the opposite order."""
    swapped = [*range(x.type.rank)]
    swapped[0], swapped[axis] = axis, 0
    order = constant_of(np.arange(cast(int, x.shape[axis]))[::-1], DType.INT64)
    rows = OPS["gather"]()(_made("transpose", tuple(swapped))(x), order)
    return _made("transpose", tuple(swapped))(rows)


def _made(name: str, *attributes: Any) -> Op:
    return cast("Callable[..., Op]", OPS[name])(*attributes)


def as_value(x: Any, dtype: DType) -> Value:
    """`x` itself if it is a value, else a constant of `dtype`, which must be able to hold it."""
    if isinstance(x, Value):
        return x
    if not dtype.is_float and np.any(np.asarray(x) != np.asarray(x).astype(dtype.numpy)):
        raise GraphError(f"{x} cannot be stored in {dtype}; cast the tensor to a float type")
    return constant_of(x, dtype)


def constant_of(x: Any, dtype: DType | None = None) -> Value:
    """A constant node. Floats default to float32, ints to int64."""
    return _made("constant", freeze(x, dtype))()


def freeze(x: Any, dtype: DType | None = None) -> Array:
    """`x` as a read-only array of a known element type."""
    array = np.array(x, dtype=dtype.numpy if dtype else None)
    if dtype is None and array.dtype == np.float64 and not isinstance(x, np.ndarray | np.generic):
        array = array.astype(np.float32)
    DType.of(array.dtype)
    array.flags.writeable = False
    return array
