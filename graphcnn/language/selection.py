"""Elements by their places: read, written, or the best ones."""

from typing import Any

from graphcnn.errors import GraphError
from graphcnn.ir.node import Value
from graphcnn.language.arguments import is_int, scoped
from graphcnn.language.axes import one_axis
from graphcnn.language.errors import located
from graphcnn.ops.gather import Gather, Scatter, TopK
from graphcnn.ops.shape import Transpose


@located
def gather(x: Value, indices: Value, *, batch: int = 0, name: str = "") -> Value:
    """The rows of x that `indices` (int64) name: y[k] = x[indices[k]].

    Args:
        batch: leading axes that x and indices have in common, for each of which rows are picked on
            their own: with 1, y[n, k] = x[n, indices[n, k]].
    """
    return Gather(_count(batch))(x, indices, name=scoped(name, Gather.name))


@located
def scatter(
    x: Value,
    indices: Value,
    updates: Value,
    reduction: str = "none",
    *,
    batch: int = 0,
    name: str = "",
) -> Value:
    """x, with the rows that `indices` (int64) name replaced by `updates`.

    Args:
        reduction: "none" replaces; "add", "mul", "max" and "min" combine with what is there.
        batch: leading axes in common, as in `gather`.
    """
    op = Scatter(_count(batch), reduction)
    return op(x, indices, updates, name=scoped(name, Scatter.name))


@located
def top_k(
    x: Value, k: int, axis: int = -1, *, largest: bool = True, name: str = ""
) -> tuple[Value, Value]:
    """The k largest (or smallest) elements along `axis`, best first, and their places (int64).

    Of equal elements the first counts first; NaN counts as larger than any number.
    """
    if not is_int(k):
        raise GraphError(f"k must be an int, found {k!r}")
    axis, last = one_axis(x, axis), x.type.rank - 1
    others = tuple(a for a in range(last + 1) if a != axis)
    rows = x if axis == last else Transpose((*others, axis))(x)
    values, places = TopK(int(k), bool(largest))(rows, name=scoped(name, TopK.name)).node.outputs
    if axis == last:
        return values, places
    back = Transpose((*range(axis), last, *range(axis, last)))
    return back(values), back(places)


def _count(batch: Any) -> int:
    if not is_int(batch) or batch < 0:
        raise GraphError(f"batch must be a number of axes, found {batch!r}")
    return int(batch)
