"""How the language reads its arguments: the spellings users may choose, made one."""

import difflib
import inspect
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import numpy as np

from graphcnn.errors import GraphCnnError, GraphError
from graphcnn.ir.geometry import Pair, Sides, same_padding
from graphcnn.ir.node import Value
from graphcnn.ir.tensor_type import BatchSize, Shape

Padding = int | tuple[int, int] | tuple[int, int, int, int] | str
IntOrPair = int | tuple[int, int]
T = TypeVar("T")

_scope: ContextVar[tuple[str, ...]] = ContextVar("graphcnn_scope", default=())


@contextmanager
def scope(name: str) -> Iterator[None]:
    """Prefix the names of all nodes built inside with `name` and a dot.

    with cnn.scope("block1"):
        x = cnn.conv2d(x, 64, 3, name="conv")     # its weight is "block1.conv.weight"
    """
    token = _scope.set((*_scope.get(), name))
    try:
        yield
    finally:
        _scope.reset(token)


def scoped(name: str, op_name: str) -> str:
    """`name` within the current scope; unnamed nodes take the operator's name inside a scope."""
    prefix = _scope.get()
    if not prefix:
        return name
    return ".".join((*prefix, name or op_name))


def is_int(x: Any) -> bool:
    """An integer, and not a truth value (`True` is an int in Python)."""
    if isinstance(x, bool | np.ndarray):
        return isinstance(x, np.ndarray) and x.shape == () and x.dtype.kind in "iu"
    return hasattr(x, "__index__")


def positive(x: Any, name: str) -> int:
    if not is_int(x) or x < 1:
        raise GraphError(f"{name} must be an int of at least 1, found {x!r}")
    return int(x)


def number(x: Any, name: str) -> float:
    """A Python or NumPy number, as a float."""
    if isinstance(x, bool) or not (is_int(x) or isinstance(x, float | np.floating)):
        raise GraphError(f"{name} must be a number, found {x!r}")
    return float(x)


def ints(x: Any, name: str) -> tuple[int, ...]:
    if isinstance(x, tuple | list) and all(map(is_int, x)):
        return tuple(int(d) for d in x)
    raise GraphError(f"{name} must hold ints, found {x!r}")


def dims(x: Any, name: str) -> Shape:
    """Sizes: ints and multiples of `N`."""
    if isinstance(x, tuple | list) and all(is_int(d) or isinstance(d, BatchSize) for d in x):
        return tuple(d if isinstance(d, BatchSize) else int(d) for d in x)
    raise GraphError(f"{name} must hold ints, found {x!r}")


def pair(x: Any, name: str) -> Pair:
    """An int for both axes, or (height, width)."""
    if is_int(x):
        return int(x), int(x)
    if isinstance(x, tuple | list) and len(x) == 2 and all(map(is_int, x)):
        return int(x[0]), int(x[1])
    raise GraphError(f"{name} must be an int or a pair (height, width), found {x!r}")


def sides(x: Any, sizes: Pair, kernel: Pair, stride: Pair, dilation: Pair) -> Sides:
    """Padding as (top, bottom, left, right) from any of its spellings.

    An int pads every side, a pair (height, width) pads both sides of an axis, four ints are the
    sides themselves, "valid" is none and "same" is what gives ceil(size / stride) outputs.
    """
    if x == "valid":
        return 0, 0, 0, 0
    if x == "same":
        return same_padding(sizes, kernel, _at_least_one(stride), dilation)
    if is_int(x):
        return int(x), int(x), int(x), int(x)
    if isinstance(x, tuple | list) and all(map(is_int, x)):
        if len(x) == 2:
            return int(x[0]), int(x[0]), int(x[1]), int(x[1])
        if len(x) == 4:
            return int(x[0]), int(x[1]), int(x[2]), int(x[3])
    raise GraphError(
        "padding must be an int, a pair (height, width), four sides (top, bottom, left, right), "
        f'"same" or "valid", found {x!r}'
    )


def cut_off(x: Any) -> Sides:
    """Rows and columns to cut off a transposed convolution: the spellings of padding but "same"."""
    if x == "same":
        raise GraphError('padding="same" has no meaning here; give the rows and columns to cut off')
    return sides(x, (0, 0), (1, 1), (1, 1), (1, 1))


def _at_least_one(stride: Pair) -> Pair:
    """The stride with 0 and less read as 1, so that its own check reports it, not a division."""
    return max(1, stride[0]), max(1, stride[1])


def check_function(
    function: Any, expected: str, error: type[GraphCnnError] = GraphError, count: int = 2
) -> None:
    """Raise an error, which begins with `expected`, unless it takes so many arguments."""
    if not callable(function):
        raise error(f"{expected}, found {function!r}")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # one that does not say what it takes
        return
    try:
        signature.bind(*[None] * count)
    except TypeError as found:
        raise error(f"{expected}, found one of {signature}: {found}") from None


def choose(table: Mapping[str, T], key: str, what: str) -> T:
    """`table[key]`. Raises `GraphError` with the nearest known name."""
    if isinstance(key, Hashable) and key in table:
        return table[key]
    near = difflib.get_close_matches(key, table, 1) if isinstance(key, str) else []
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise GraphError(f"unknown {what} {key!r}; {hint}known are {', '.join(table)}")


Activation = str | Callable[[Value], Value] | None
