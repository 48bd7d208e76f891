"""The items and labels that are given for a data set, as it keeps them: checked, one or by name."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from graphcnn.data.normalisation import (
    as_numbers,
    check_inputs,
    check_labels,
    check_targets,
    is_one_hot,
)
from graphcnn.data.rows import are_rows, check_rows, is_mapped
from graphcnn.errors import DataError
from graphcnn.ir.node import Array


def checked_items(images: Any) -> Any:
    """An array of items, or a dict of arrays with equally many."""
    if not isinstance(images, Mapping):
        return _items(images, images=True)
    if not images:
        raise DataError("no items: the dict of inputs is empty")
    found: dict[str, Array] = {}
    for key, x in images.items():
        try:
            found[str(key)] = _items(x, images=False)
        except DataError as error:
            raise DataError(f"input {key!r}: {error}") from None
    if len(set(map(len, found.values()))) > 1:
        sizes = ", ".join(f"{len(array)} of {key}" for key, array in found.items())
        raise DataError(f"the inputs must have equally many items, found {sizes}")
    return found


def _items(x: Any, images: bool) -> Any:
    return check_rows(x, images) if are_rows(x) or is_mapped(x) else check_inputs(x, images)


def checked_targets(labels: Any, classes: int, ignored: tuple[int, ...]) -> Any:
    """Labels, or a dict of labels: the classes are those of the first."""
    if not isinstance(labels, Mapping):
        return _labels(labels, classes, ignored)
    if not labels:
        raise DataError("no labels: the dict of targets is empty")
    found: dict[str, Array] = {}
    for key, array in labels.items():
        try:
            found[str(key)] = _labels(array, 0 if found else classes, ignored)
        except DataError as error:
            raise DataError(f"target {key!r}: {error}") from None
    return found


def _labels(labels: Any, classes: int, ignored: tuple[int, ...]) -> Array:
    """Class numbers where there are classes; else whole numbers or floats as they are."""
    array: Array = as_numbers(labels)
    if classes:
        rows = array.ndim == 2 and not (array.shape[1] == classes and is_one_hot(array))
        # A class for every step of a series, or of a volume, is as good as one for every pixel.
        free = rows or array.ndim > 3
        return check_labels(array, classes, array.shape[1:] if free else None, ignored)
    if array.dtype.kind in "iu" and array.ndim:
        return array.astype(np.int64, copy=False)
    return check_targets(array)


def arrays_of(images: Any) -> Iterable[Any]:
    return images.values() if isinstance(images, Mapping) else (images,)


def each_of(images: Any, function: Callable[[Array], Any]) -> Any:
    if isinstance(images, Mapping):
        return {key: function(array) for key, array in images.items()}
    return function(images)


def shape_text(array: Array) -> str:
    return "×".join(map(str, array.shape[1:]))
