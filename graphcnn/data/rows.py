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


class Chosen:
    """Some of the rows, by a slice, indices, or a mask."""

    def __init__(self, rows: Any, index: Any) -> None:
        every: Array = np.arange(len(rows))[index]
        if isinstance(rows, Chosen):  # so that parts of parts are no deeper
            rows, every = rows.rows, rows.index[every]
        self.rows: Any = rows
        self.index = every
        self.shape, self.dtype = (len(every), *rows.shape[1:]), rows.dtype

    @property
    def digest(self) -> str:
        chosen = hashlib.sha256(self.index.tobytes()).hexdigest()
        return f"{getattr(self.rows, 'digest', '')} {chosen}"

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, index: Any) -> Any:
        return self.rows[self.index[index]]


class Changed:
    """Rows with a function between: `change` takes and gives arrays (k, ...)."""

    def __init__(self, rows: Any, change: Callable[[Array], Array], shape: tuple[int, ...]) -> None:
        self.rows, self._change = rows, change
        self.shape, self.dtype = (len(rows), *shape), rows.dtype

    @property
    def digest(self) -> str:
        return str(getattr(self.rows, "digest", ""))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, int | np.integer):
            return self._change(np.asarray(self.rows[index : index + 1 or None]))[0]
        return self._change(np.asarray(self.rows[index]))


class Joined:
    """Rows of several one behind another."""

    def __init__(self, parts: Sequence[Any]) -> None:
        self.parts = parts
        self.starts = np.cumsum([0, *map(len, parts)])
        self.shape, self.dtype = (int(self.starts[-1]), *parts[0].shape[1:]), parts[0].dtype

    @property
    def digest(self) -> str:
        return " ".join(str(getattr(part, "digest", "")) for part in self.parts)

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, index: Any) -> Any:
        wanted: Array = np.arange(len(self))[index]
        each = wanted.reshape(-1)
        places = np.searchsorted(self.starts, each, side="right") - 1
        found: Array = np.empty((len(each), *self.shape[1:]), self.dtype)
        for k in np.unique(places):
            of_this = places == k
            found[of_this] = self.parts[k][each[of_this] - self.starts[k]]
        return found if wanted.ndim else found[0]


def with_channel(items: Any) -> Any:
    """Grey images (n, H, W) as (n, 1, H, W)."""
    if isinstance(items, np.ndarray):
        return items[:, None]
    return Changed(items, lambda batch: batch[:, None], (1, *items.shape[1:]))
