"""A hash of all that makes the batches of training, by which a run knows its data again."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

#: Bytes that are hashed at a time, a copy where they do not lie together.
_PIECE = 1 << 22


def content_of(data: Any) -> str:
    """The hash of a `Dataset`: items, labels, weights, and how batches are made of them."""
    total = hashlib.sha256()
    named = data.images if isinstance(data.images, Mapping) else {"": data.images}
    labels = data.labels if isinstance(data.labels, Mapping) else {"": data.labels}
    arrays = [*named.items(), *((f"labels{k and f' {k}'}", a) for k, a in labels.items())]
    if data.weights is not None:
        arrays.append(("weights", data.weights))
    for key, array in arrays:
        total.update(f"{key} {array.dtype.str} {array.shape}".encode())
        if not isinstance(array, np.ndarray):
            total.update(str(getattr(array, "digest", "")).encode())
            continue
        rows = max(1, _PIECE // max(1, array[:1].nbytes))
        for at in range(0, len(array), rows):
            total.update(np.ascontiguousarray(array[at : at + rows]).data.cast("B"))
    about = data.classes, data.normalisation, data.ignored
    total.update(repr(about).encode())
    if data.augmentation is not None:
        total.update(repr(data.augmentation).encode())
    if data.balance:
        total.update(b"balanced")
    return total.hexdigest()
