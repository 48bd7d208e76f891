"""Reductions: one number from many, along some axes or all."""

from collections.abc import Sequence

from graphcnn.ir.node import Value
from graphcnn.language.arguments import scoped
from graphcnn.language.axes import many_axes, one_axis
from graphcnn.language.errors import located
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.reduce import ArgMax, Max, Mean, Prod

Axes = int | Sequence[int] | None


@located
def sum(x: Value, axes: Axes = None, *, keepdims: bool = False, name: str = "") -> Value:
    """Sum over `axes` (an int, several, or None for all).

    Args:
        axes: negative ones count from the last.
        keepdims: leave the summed axes in the shape, with size 1.
    """
    return Sum(many_axes(x, axes), bool(keepdims))(x, name=scoped(name, "sum"))


@located
def mean(x: Value, axes: Axes = None, *, keepdims: bool = False, name: str = "") -> Value:
    """Mean over `axes` (an int, several, or None for all); see `sum`."""
    return Mean(many_axes(x, axes), bool(keepdims))(x, name=scoped(name, "mean"))


@located
def prod(x: Value, axes: Axes = None, *, keepdims: bool = False, name: str = "") -> Value:
    """Product over `axes` (an int, several, or None for all); see `sum`."""
    return Prod(many_axes(x, axes), bool(keepdims))(x, name=scoped(name, "prod"))


@located
def max(x: Value, axes: Axes = None, *, keepdims: bool = False, name: str = "") -> Value:
    """Largest element over `axes` (an int, several, or None for all); see `sum`.

    NaN wins. Equal maxima share the gradient equally.
    """
    return Max(many_axes(x, axes), bool(keepdims))(x, name=scoped(name, "max"))


@located
def argmax(x: Value, axis: int = -1, *, keepdims: bool = False, name: str = "") -> Value:
    """Position of the largest element along `axis`, int64: the first of equal ones."""
    return ArgMax(one_axis(x, axis), bool(keepdims))(x, name=scoped(name, "argmax"))
