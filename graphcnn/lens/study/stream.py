"""A data set in pieces: what is kept of it does not grow with the number of its items."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from graphcnn.data.dataset import Dataset
from graphcnn.data.normalisation import check_images
from graphcnn.errors import LensError
from graphcnn.ir.node import Array, Value
from graphcnn.ir.tensor_type import known_size
from graphcnn.language.arguments import is_int
from graphcnn.lens.core import Core
from graphcnn.lens.target import has_sigmoids
from graphcnn.network.feeding import as_dataset
from graphcnn.network.network import Network

#: Bytes of a layer that are held at a time, and the most items that run at a time.
_BYTES: Final = 32 << 20
_ITEMS: Final = 256


def loss_of_labels(model: Network) -> str:
    """The loss that takes labels of this model: class numbers, or what its sigmoids say."""
    return "binary_cross_entropy" if has_sigmoids(model) else "cross_entropy"


def labelled(core: Core, data: Any, classes: int | None = None) -> Dataset:
    """The data set with one class number for each image, below `classes` where that is given.

    Raises `LensError` for others.
    """
    found = as_dataset(data, core.network, loss=loss_of_labels(core.model))
    if found.labels.ndim != 1 or found.labels.dtype.kind not in "iu":
        raise LensError(
            f"{found.name!r} has labels {found.labels.dtype} {found.labels.shape}; expected one "
            "class number for each image"
        )
    strange = [k for k in np.unique(found.labels).tolist() if k not in found.ignored]
    strange = [k for k in strange if k < 0 or (classes is not None and k >= classes)]
    if strange:
        raise LensError(
            f"{found.name!r} has the label {strange[0]}, expected class numbers from 0"
            + (f" to {classes - 1}" if classes is not None else "")
        )
    return found


def images_of(core: Core, data: Any) -> Array:
    """The images of a data set, of a pair (images, labels), or alone, as they were read.

    Raises `DataError` for what are no images of the network's.
    """
    if isinstance(data, Dataset):
        return data.first_items
    given = data[0] if isinstance(data, tuple) and len(data) == 2 else data
    return check_images(given, core.image.shape[1:])  # type: ignore[arg-type]


def evenly(count: int, most: Any) -> Array:
    """At most so many of `count` places, equally far apart; None is all. Raises `LensError`."""
    if most is not None and (not is_int(most) or most < 2):
        raise LensError(f"most must be None or an int of at least 2, found {most!r}")
    kept = count if most is None else min(count, int(most))
    return np.arange(kept) * count // kept


def piece_for(*values: Value) -> int:
    """How many items run at a time, so that these tensors of them take little memory."""
    each = sum(4 * known_size(v.shape[1:]) for v in values)
    return int(max(1, min(_ITEMS, _BYTES // each)))


def pieces(core: Core, images: Array, size: int) -> Iterator[tuple[slice, Array]]:
    """The images as the network takes them, `size` at a time, and where they stand."""
    for start in range(0, len(images), size):
        part = slice(start, min(start + size, len(images)))
        yield part, core.network.prepare(images[part])


def class_names(core: Core, data: Dataset, count: int) -> list[str]:
    """What the classes are called, their numbers where nobody said."""
    known = core.network.classes or data.classes
    return [known[k] if k < len(known) else str(k) for k in range(count)]
