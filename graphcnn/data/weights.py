"""How much each item counts in the loss: by hand, or by its class."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphcnn.data.class_names import listed, nearest, same_text
from graphcnn.data.normalisation import Array
from graphcnn.errors import DataError

BALANCED = "balanced"


def check_weights(weights: Any, labels: Any) -> Array:
    """Weights as float32, (n,) or of the shape of the labels.

    Raises:
        DataError: another shape, no number, negative or not finite (names the first), or all 0.
    """
    try:
        array = np.asarray(weights, np.float32)
    except (TypeError, ValueError):
        raise DataError(f"weights must be numbers, found {weights!r:.80}") from None
    several = isinstance(labels, Mapping)
    first = next(iter(labels.values())) if several else labels
    shapes = [(len(first),)] if several else list(dict.fromkeys([(len(first),), first.shape]))
    if array.shape not in shapes:
        wanted = " or ".join(map(str, shapes))
        raise DataError(f"weights must have shape {wanted}, found {array.shape}")
    wrong = ~(np.isfinite(array) & (array >= 0))
    if wrong.any():
        row, *place = (int(i) for i in np.argwhere(wrong)[0])
        where = f" at {tuple(place)}" if place else ""
        value = array[(row, *place)]
        raise DataError(f"weight {value} in row {row}{where} must be finite and at least 0")
    if not array.any():
        raise DataError("all weights are 0: nothing would be learned")
    return array


def weights_of(data: Any, weights: Any) -> Array:
    """The weights of the items (see `Dataset.weighted`), times those that they have already."""
    by_class = isinstance(weights, str | Mapping)
    found = _of_classes(data, weights) if by_class else check_weights(weights, data.labels)
    if data.weights is None:
        return found
    before: Array = data.weights
    if before.ndim < found.ndim:
        before = before.reshape(-1, *(1,) * (found.ndim - 1))
    elif found.ndim < before.ndim:
        found = found.reshape(-1, *(1,) * (before.ndim - 1))
    return found * before


def _of_classes(data: Any, weights: Any) -> Array:
    """For each label the weight of its class; 0 where it stands for no class."""
    labels = data.labels
    if isinstance(labels, Mapping) or not data.classes:
        why = "several targets" if isinstance(labels, Mapping) else "no classes"
        raise DataError(
            f"{data.name!r} has {why}, so that weights must be an array (n,), found {weights!r:.80}"
        )
    counted = labels[~np.isin(labels, data.ignored)] if data.ignored else labels
    if isinstance(weights, str):
        if weights != BALANCED:
            raise DataError(f"weights must be {BALANCED!r}, a dict or an array, found {weights!r}")
        counts = np.bincount(counted.reshape(-1), minlength=len(data.classes))
        table = counted.size / (np.count_nonzero(counts) * np.maximum(counts, 1))
    else:
        table = np.ones(len(data.classes))
        for key, weight in weights.items():
            table[_number(key, data)] = _checked(key, weight)
    known = (labels >= 0) & (labels < len(table))
    return np.where(known, table[np.where(known, labels, 0)], 0).astype(np.float32)


def _number(key: Any, data: Any) -> int:
    """The number of the class that a key of a dict names."""
    names = [same_text(name) for name in data.classes]
    if isinstance(key, str):
        if same_text(key) in names:
            return names.index(same_text(key))
    elif isinstance(key, int | np.integer) and not isinstance(key, bool):
        if 0 <= key < len(names):
            return int(key)
    hint = nearest(key, data.classes) if isinstance(key, str) else ""
    raise DataError(
        f"class_weights: {data.name!r} has no class {key!r}{hint}; its classes are "
        f"{listed(data.classes)}"
    )


def _checked(key: Any, weight: Any) -> float:
    try:
        found = float(weight)
    except (TypeError, ValueError):
        found = np.nan
    if not (np.isfinite(found) and found >= 0):
        raise DataError(
            f"the weight of class {key!r} must be finite and at least 0, found {weight!r}"
        )
    return found
