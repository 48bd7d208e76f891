"""Operators of one's own: a class with a definition in NumPy, entered by `operator`."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from types import CodeType, FunctionType
from typing import Any, TypeVar, overload

from graphcnn.errors import OperatorError
from graphcnn.ir.node import OPS, Op, Value, build
from graphcnn.language.arguments import scoped
from graphcnn.language.errors import located
from graphcnn.ops.own.operator import ACTS_ON, OwnOp
from graphcnn.text.literals import PLAIN, format_op

C = TypeVar("C", bound="type[Operator]")


@dataclass(frozen=True)
class Operator(OwnOp):
    """The base of operators of one's own: what the functions of the language cannot say.

        @cnn.operator
        class Swish(cnn.Operator):
            \"\"\"y = x · sigmoid(beta · x).\"\"\"

            beta: float = 1.0
            acts_on = "elements"

            def forward(self, x):
                return x / (1 + np.exp(-self.beta * x))

            def backward(self, dy, x, y):
                s = 1 / (1 + np.exp(-self.beta * x))
                return dy * (s + self.beta * y * (1 - s))

        y = Swish(beta=1.5)(x)

    The fields are its attributes: numbers, texts, truth values and tuples of these. Methods:

        forward(inputs)                     the definition, in NumPy: an array, or several
        shape(types of inputs)              types of the results, `TensorType` or tuples of sizes
                                            (the element type is then that of the first input); by
                                            default there is one, as the first input
        backward(dy, inputs, results)       gradients of the inputs, or None where one has none, in
                                            NumPy, from those of the results
        differentiate(dy, inputs, results)  the same in functions of the language, which are
                                            compiled and have derivatives of their own; with it
                                            there is no need of `backward`
        onnx(inputs)                        the definition in functions of the language, by which it
                                            is exported

    The names of the inputs are those of `forward`'s parameters, a last one with a star is repeated.
    Where there are several results, each has its gradient as an argument, in their order. Without
    `backward` and `differentiate` nothing before the operator can be trained.

    Arrays are read-only, row-major copies. What a method computes must follow from its arguments
    and the attributes alone. Python is called in every runtime, by one thread. What is claimed is
    taken for true: `cnn.testing.check_operator` proves it.

    Class attributes:
        acts_on: "batch", what is safe, lets nobody cut a batch. "items": item i of every result,
            along axis 0, depends on item i of the inputs alone; those that `weights` names belong
            to no item. "elements": an element of the result depends on the elements at its place,
            as operands broadcast.
        weights: names of the inputs that are the same for all items.
        piecewise_constant: the derivative is zero wherever it exists.
        family: of layers, for colours and legends: "own", "activation", "norm", "pool", ...
    """

    def __call__(self, *inputs: Value, name: str = "") -> Any:
        """The result, or a tuple of them. Raises `GraphError` with the operator, its name, and the
        line where it is called."""
        return _apply(self, inputs, name=name)


def _apply(op: Operator, inputs: tuple[Any, ...], *, name: str) -> Any:
    known = OPS.get(op.name)
    if not isinstance(known, type) or not issubclass(known, OwnOp) or type(op) is Operator:
        raise OperatorError(
            f"{type(op).__qualname__} is not entered: write @cnn.operator above the class"
        )

    def checked(*, name: str) -> Any:
        format_op(op)
        hash(op)
        outputs = build(op, inputs, scoped(name, op.name)).outputs
        return outputs if len(outputs) > 1 else outputs[0]

    checked.__name__ = op.name
    return located(checked)(name=name)


@overload
def operator(cls: C, /) -> C: ...
@overload
def operator(*, name: str = "") -> Callable[[C], C]: ...
def operator(cls: C | None = None, /, *, name: str = "") -> Any:
    """Enter an `Operator` of one's own: `@cnn.operator` above its class, which becomes a dataclass.

    The operator is called as the class is, "max_pool2d" for `MaxPool2d`, or `name`; by this name
    files find it again. A class that is defined anew at the same place, as when a cell of a
    notebook runs again, is the one known before if nothing in it changed; else it takes its place,
    and what was built with the old one keeps it, but is not saved any more.

    Raises:
        OperatorError: it is no `Operator`, lacks `forward`, claims what is none of the claims,
            defines what is not for users to define, or has the name of another operator.
    """
    if cls is None:
        return lambda given: _entered(given, name)
    return _entered(cls, name)


def _entered(cls: C, name: str) -> Any:
    if not isinstance(cls, type) or not issubclass(cls, Operator):
        raise OperatorError(f"@operator is for classes derived from cnn.Operator, found {cls!r}")
    called = name or cls.__dict__.get("name") or _snake(cls.__name__)
    try:
        _check(cls, called)
    except OperatorError as error:
        raise OperatorError(f"{cls.home()}: {error}") from None
    known = OPS.get(called)
    done = "__dataclass_params__" in cls.__dict__  # by the user, or entered before
    made = cls if done else dataclass(frozen=True)(cls)
    claimed = [f.name for f in fields(made) if f.name in _CLAIMS]
    if claimed:
        raise OperatorError(
            f"{cls.home()}: {claimed[0]} is said of all: write it without a type, or as ClassVar"
        )
    made.name = called
    made.operands = _operands(cls)
    if known is not None:
        if not issubclass(known, OwnOp):
            raise OperatorError(
                f"{cls.home()}: {called!r} is an operator of graphcnn; take another name, "
                f'@cnn.operator(name="my_{called}")'
            )
        if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise OperatorError(
                f"two operators are called {called!r}: {known.home()} and {cls.home()}; "
                "give one of them another by @cnn.operator(name=...)"
            )
        if _definition(known) == _definition(made):
            return known
    OPS[called] = made
    return made


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


#: What a class may say, of the traits that operators have.
_CLAIMS = {"name", "family", "results", "weights", "acts_on", "piecewise_constant"}
_METHODS = ("shape", "forward", "backward", "differentiate", "onnx")


def _check(cls: type[Operator], called: str) -> None:
    if not re.fullmatch(PLAIN, called):
        raise OperatorError(f"its name must be one of letters, digits and _, found {called!r}")
    if not isinstance(cls.__dict__.get("forward", getattr(cls, "forward", None)), FunctionType):
        raise OperatorError("forward is missing: forward(self, x) gives the result in NumPy")
    free = {*_CLAIMS, "shape", "operands"}  # which are made of the parameters of `forward`
    theirs = {n for n in vars(OwnOp) | vars(Op) if not n.startswith("__")} - free
    for base in cls.__mro__[: cls.__mro__.index(Operator)]:
        for key in sorted(vars(base).keys() | base.__annotations__.keys()):
            if key in theirs or key == "__call__":
                can = ", ".join((*_METHODS, *sorted(_CLAIMS)))
                raise OperatorError(f"{key} is not for users to define; they may {can}")
    if cls.acts_on not in ACTS_ON:
        raise OperatorError(f"acts_on must be one of {', '.join(ACTS_ON)}, found {cls.acts_on!r}")
    names = [name.lstrip("*") for name in _operands(cls)]
    if not isinstance(cls.weights, tuple) or not set(cls.weights) <= set(names):
        raise OperatorError(
            f"weights must be a tuple of inputs, of {', '.join(names)}, found {cls.weights!r}"
        )


def _operands(cls: type[Operator]) -> tuple[str, ...]:
    """The parameters of `forward`, besides self."""
    found = []
    for p in list(inspect.signature(cls.forward).parameters.values())[1:]:  # type: ignore[attr-defined]
        if p.kind is p.VAR_POSITIONAL:
            found.append(f"*{p.name}")
        elif p.kind is p.POSITIONAL_OR_KEYWORD and p.default is p.empty:
            found.append(p.name)
        else:
            raise OperatorError(
                f"every parameter of forward is an input, without a default: found {p}; numbers "
                "and settings are fields of the class"
            )
    if not found:
        raise OperatorError("forward must have an input: forward(self, x)")
    return tuple(found)


#: What `dataclass` makes of the fields, and Python of the class.
_MADE = {
    "__init__", "__repr__", "__eq__", "__hash__", "__setattr__", "__delattr__", "__replace__",
    "__match_args__", "__dataclass_fields__", "__dataclass_params__", "__doc__", "__dict__",
    "__weakref__", "__firstlineno__", "__static_attributes__", "__annotations__", "__module__",
    "__annotate_func__", "__annotations_cache__",
}  # fmt: skip


def _definition(cls: type[Op]) -> Any:
    """What makes a class mean what it means: equal for classes of the same text."""
    own = {key: _meaning(x) for key, x in vars(cls).items() if key not in _MADE}
    return cls.__bases__, [(f.name, f.type, repr(f.default)) for f in fields(cls)], own


def _meaning(x: Any) -> Any:
    if isinstance(x, FunctionType):
        kept = zip(x.__code__.co_freevars, x.__closure__ or (), strict=True)
        held = [(name, id(cell.cell_contents)) for name, cell in kept if name != "__class__"]
        return _code(x.__code__), repr(x.__defaults__), repr(x.__kwdefaults__), held
    if isinstance(x, staticmethod | classmethod | property):
        inner = x.fget if isinstance(x, property) else x.__func__
        return type(x), _meaning(inner)
    return repr(x)


def _code(code: CodeType) -> Any:
    constants = tuple(_code(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts)
    return code.co_code, constants, code.co_names, code.co_varnames, code.co_freevars
