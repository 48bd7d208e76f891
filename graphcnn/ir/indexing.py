"""What `v[...]` means: the basic indexing of NumPy, read into one slice and one new shape."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.origin import current_origin
from graphcnn.ir.tensor_type import Dim, Shape, TensorType


@dataclass(frozen=True)
class Part:
    """A part of a tensor: the places `start + step·i` of every axis, some axes turned round then,
    and the shape that it takes at last."""

    starts: tuple[int, ...]
    sizes: Shape
    steps: tuple[int, ...]
    turned: tuple[int, ...]
    shape: Shape


def part_of(t: TensorType, index: Any) -> Part:
    """What an index takes, `_part_of`; an error names the user's line."""
    try:
        return _part_of(t, index)
    except GraphError as error:
        line = current_origin().location
        raise GraphError(f"index ({line}): {error}" if line else f"index: {error}") from None


def _part_of(t: TensorType, index: Any) -> Part:
    """What an index takes: an int drops its axis, `...` stands for all other axes, None makes an
    axis of size 1.

    Raises `GraphError` for an index that is nothing of these nor a slice, too many of them, a place
    outside, a part without elements, and whatever is not `:` along a batch axis.
    """
    places: list[range] = []
    sizes: list[Dim] = []
    shape: list[Dim] = []
    for entry in _entries(t, index if isinstance(index, tuple) else (index,)):
        if entry is None:
            shape.append(1)
            continue
        axis, size = len(sizes), t.shape[len(sizes)]
        if not isinstance(size, int):
            if entry != slice(None):
                raise GraphError(
                    f"axis {axis} of {t} is the batch, of which an index takes all, `:`, found "
                    f"{_written(entry)}; slice(x, {axis}, ...) takes multiples of N"
                )
            taken = range(1)
        else:
            taken = _taken(t, axis, size, entry)
            size = len(taken)
        places.append(taken)
        sizes.append(size)
        if isinstance(entry, slice):
            shape.append(size)
    forward = [taken if taken.step > 0 else taken[::-1] for taken in places]
    return Part(
        tuple(taken.start for taken in forward),
        tuple(sizes),
        tuple(taken.step if len(taken) > 1 else 1 for taken in forward),
        tuple(axis for axis, taken in enumerate(places) if taken.step < 0 and len(taken) > 1),
        tuple(shape),
    )


def _entries(t: TensorType, index: tuple[Any, ...]) -> list[Any]:
    """An int or a slice for every axis, and None between them."""
    for entry in index:
        if entry is None or entry is Ellipsis or isinstance(entry, slice):
            continue
        if not isinstance(entry, int | np.integer) or isinstance(entry, bool):
            raise GraphError(
                f"an index of {t} is made of ints, slices, `...` and None, found {_kind(entry)}; "
                "gather(x, indices) takes rows by their numbers, where(condition, a, b) chooses"
            )
    given = sum(entry is not None and entry is not Ellipsis for entry in index)
    dots = sum(entry is Ellipsis for entry in index)
    if given > t.rank or dots > 1:
        what = "`...` twice" if dots > 1 else f"{given} entries for {t.rank} axes"
        raise GraphError(f"the index of {t} has {what}")
    rest = [slice(None)] * (t.rank - given)
    at = next((i for i, entry in enumerate(index) if entry is Ellipsis), len(index))
    return [*index[:at], *rest, *index[at + 1 :]]


def _taken(t: TensorType, axis: int, size: int, entry: Any) -> range:
    """The places along one axis."""
    if not isinstance(entry, slice):
        place = int(entry)
        if not -size <= place < size:
            raise GraphError(
                f"index {place} is outside axis {axis} of {t}, which has {size} places: "
                f"{-size} to {size - 1}"
            )
        return range(place % size, place % size + 1)
    try:
        taken = range(size)[entry]
    except (TypeError, ValueError) as error:
        raise GraphError(f"{_written(entry)} along axis {axis} of {t}: {error}") from None
    if not taken:
        raise GraphError(f"{_written(entry)} takes nothing of axis {axis} of {t}")
    return taken


def _kind(entry: Any) -> str:
    """An index that cannot be one, in words."""
    kind = type(entry).__name__
    return repr(entry) if isinstance(entry, bool | float | str) else f"a {kind}"


def _written(entry: Any) -> str:
    if not isinstance(entry, slice):
        return str(entry)
    parts = ["" if part is None else str(part) for part in (entry.start, entry.stop)]
    return ":".join(parts if entry.step is None else [*parts, str(entry.step)])
