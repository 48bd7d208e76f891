"""Labels out of what a network says at every step."""

from typing import Any

import numpy as np

from graphcnn.errors import DataError
from graphcnn.ir.node import Array


def ctc_greedy(
    scores: Any, lengths: Any = None, *, blank: int = -1, padding: int = -1
) -> tuple[Array, Array]:
    """The labels that the best class of each step reads: equal ones behind each other are one, and
    blanks are left out (A. Graves et al., 2006, "best path decoding").

    How many labels there are depends on the numbers, so this is a function of NumPy, for what
    `predict` gives: a static graph has one size.

        labels, counts = cnn.ctc_greedy(model.predict(images))

    Args:
        scores: (N, T, K), logits or probabilities.
        lengths: (N,): of item n only the first `lengths[n]` steps count.
        blank: the class that stands for no label, counted from the end where it is negative:
            the last by default.
        padding: what is behind the labels of an item.

    Returns:
        (labels, counts): int64 (N, T), filled up with `padding`, and how many each item has, (N,).

    Raises:
        DataError: scores or lengths are of another shape, or blank is no class.
    """
    array = np.asarray(scores)
    if array.ndim != 3 or not array.shape[2]:
        raise DataError(f"scores must be (N, steps, classes), found {array.shape}")
    items, steps, classes = array.shape
    if not -classes <= blank < classes:
        raise DataError(f"blank must be one of {classes} classes, found {blank}")
    counts = np.full(items, steps) if lengths is None else np.asarray(lengths)
    if counts.shape != (items,) or counts.dtype.kind not in "iu":
        raise DataError(
            f"lengths must be ({items},), one number of steps for each item, found "
            f"{counts.dtype}{counts.shape}"
        )
    path = array.argmax(2)
    said = path != blank % classes
    said[:, 1:] &= path[:, 1:] != path[:, :-1]
    said &= np.arange(steps) < counts[:, None]
    labels = np.full((items, steps), padding, np.int64)
    places = said.cumsum(1) - 1
    rows, columns = np.nonzero(said)
    labels[rows, places[rows, columns]] = path[rows, columns]
    return labels, said.sum(1).astype(np.int64)
