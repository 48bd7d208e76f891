"""How the language reads axes: negative ones count from the last."""

from typing import Any

from graphcnn.errors import GraphError
from graphcnn.ir.node import Value
from graphcnn.language.arguments import is_int


def one_axis(x: Value, axis: Any) -> int:
    """An axis of x as a number from 0."""
    rank = _rank(x)
    if not is_int(axis) or not -rank <= axis < rank:
        raise GraphError(
            f"axis must be an int from {-rank} to {rank - 1} for a tensor of type {x.type}, "
            f"found {axis!r}"
        )
    return int(axis) % rank


def many_axes(x: Value, axes: Any) -> tuple[int, ...]:
    """Axes of x, sorted: from None (all), an int or a sequence of ints."""
    if axes is None:
        return tuple(range(_rank(x)))
    found = [one_axis(x, a) for a in (axes if isinstance(axes, tuple | list) else (axes,))]
    if len(set(found)) < len(found):
        raise GraphError(f"axes {axes!r} of a tensor of type {x.type} name one axis twice")
    return tuple(sorted(found))


def _rank(x: Value) -> int:
    if not isinstance(x, Value):
        raise GraphError(
            f"x must be a tensor of the graph, found {type(x).__name__}; "
            "wrap arrays in constant(...)"
        )
    return x.type.rank
