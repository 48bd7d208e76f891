"""Items that are no array in memory: what a data set asks of them, and how they are changed.

Whatever has a `shape`, a `dtype` of NumPy, a length, and gives arrays for slices and for arrays of
indices can be the items of a data set: pictures that are decoded when they are wanted, files that
are mapped. Nobody asks for all of it at once, nor twice in an epoch.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphcnn.data.normalisation import Array
from graphcnn.errors import DataError


class Rows:
    """The base of ours: `take` gives the items of an array of indices, in their order.

    Attributes:
        shape, dtype: as of an array of all items.
        digest: stands for what the items are, where that is known without reading them.
    """

    shape: tuple[int, ...]
    dtype: "np.dtype[Any]"
    digest: str = ""

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, int | np.integer):
            return self.take(indices(index, len(self)))[0]
        return self.take(indices(index, len(self)))

    def take(self, wanted: Array) -> Array:
        return self.readable(wanted)[0]

    def readable(self, wanted: Array) -> tuple[Array, Array | None]:
        """The items of those indices that can be read, and their places among these; None where
        nothing was left out."""
        return self.take(wanted), None


def indices(index: Any, count: int) -> Array:
    """An index, a slice, a mask or indices of `count` items as an array of numbers from 0."""
    if isinstance(index, slice):
        return np.arange(*index.indices(count))
    array: Array = np.atleast_1d(index)
    if array.dtype == bool:
        return np.arange(count)[array]
    array = np.where(array < 0, array + count, array).astype(np.int64, copy=False)
    if array.size and not (0 <= array.min() and array.max() < count):
        raise IndexError(f"index {index!r:.80} is out of range of {count} items")
    return array


def readable(items: Any, index: Any) -> tuple[Array, Array | None]:
    """The items at an index that can be read, and their places; None where all can."""
    if isinstance(items, Rows):
        return items.readable(indices(index, len(items)))
    return items[index], None


def are_rows(x: Any) -> bool:
    """Whether `x` is such items. What NumPy makes an array of is none: it becomes one."""
    return (
        not isinstance(x, np.ndarray | np.generic)
        and isinstance(getattr(x, "dtype", None), np.dtype)
        and isinstance(getattr(x, "shape", None), tuple)
        and not hasattr(x, "__array__")
        and hasattr(x, "__len__")
        and hasattr(x, "__getitem__")
    )


def in_memory(x: Any) -> bool:
    """Whether reading an item costs nothing but its bytes."""
    return isinstance(x, np.ndarray) and not is_mapped(x)


def is_mapped(x: Any) -> bool:
    """Whether an array is, or looks into, a file that is mapped into memory."""
    while isinstance(x, np.ndarray):
        if isinstance(x, np.memmap):
            return True
        x = x.base
    return False


def check_rows(x: Any, images: bool) -> Any:
    """Items that are no array, by their shape and type alone: their numbers are looked at batch by
    batch.

    Raises:
        DataError: no item at all, or a type that is none of numbers, or of no pixels.
    """
    shape, dtype = tuple(x.shape), x.dtype
    if not shape or 0 in shape or len(x) != shape[0]:
        raise DataError(f"no items: expected (n, ...) with n of at least 1, found {shape}")
    wanted = "uint8 (0..255) or float (0..1)" if images and len(shape) == 4 else "numbers"
    pixels = dtype == np.uint8 or dtype.kind == "f"
    if not pixels and (wanted != "numbers" or dtype.kind not in "iub"):
        raise DataError(f"items of shape {shape} must be {wanted}, found {dtype.name}")
    return x


class Chosen(Rows):
    """Some of the rows, by a slice, indices, or a mask."""

    def __init__(self, rows: Any, index: Any) -> None:
        every = indices(index, len(rows))
        if isinstance(rows, Chosen):  # so that parts of parts are no deeper
            rows, every = rows.rows, rows.index[every]
        self.rows: Any = rows
        self.index: Array = every
        self.shape, self.dtype = (len(every), *rows.shape[1:]), rows.dtype

    @property
    def digest(self) -> str:  # type: ignore[override]
        chosen = hashlib.sha256(self.index.tobytes()).hexdigest()
        return f"{getattr(self.rows, 'digest', '')} {chosen}"

    def readable(self, wanted: Array) -> tuple[Array, Array | None]:
        return readable(self.rows, self.index[wanted])


def part_of(items: Any, index: Any) -> Any:
    """Some of the items, as items of a data set: what is no array stays none."""
    whole = in_memory(items) or (is_mapped(items) and isinstance(index, slice))
    return items[index] if whole else Chosen(items, index)


class Changed(Rows):
    """Rows with a function between: `change` takes and gives arrays (k, ...)."""

    def __init__(self, rows: Any, change: Callable[[Array], Array], shape: tuple[int, ...]) -> None:
        self.rows, self._change = rows, change
        self.shape, self.dtype = (len(rows), *shape), rows.dtype

    @property
    def digest(self) -> str:  # type: ignore[override]
        return str(getattr(self.rows, "digest", ""))

    def readable(self, wanted: Array) -> tuple[Array, Array | None]:
        found, kept = readable(self.rows, wanted)
        return self._change(np.asarray(found)), kept


class Joined(Rows):
    """Rows of several one behind another."""

    def __init__(self, parts: Sequence[Any]) -> None:
        self.parts = parts
        self.starts = np.cumsum([0, *map(len, parts)])
        self.shape, self.dtype = (int(self.starts[-1]), *parts[0].shape[1:]), parts[0].dtype

    @property
    def digest(self) -> str:  # type: ignore[override]
        return " ".join(str(getattr(part, "digest", "")) for part in self.parts)

    def readable(self, wanted: Array) -> tuple[Array, Array | None]:
        owners = np.searchsorted(self.starts, wanted, side="right") - 1
        found: Array = np.empty((len(wanted), *self.shape[1:]), self.dtype)
        there = np.ones(len(wanted), bool)
        for k in np.unique(owners):
            places = np.flatnonzero(owners == k)
            items, kept = readable(self.parts[k], wanted[places] - self.starts[k])
            if kept is not None:
                there[places] = False
                places = places[kept]
                there[places] = True
            found[places] = items
        return (found, None) if there.all() else (found[there], np.flatnonzero(there))


def with_channel(items: Any) -> Any:
    """Grey images (n, H, W) as (n, 1, H, W)."""
    if isinstance(items, np.ndarray):
        return items[:, None]
    return Changed(items, lambda batch: batch[:, None], (1, *items.shape[1:]))
