"""What scikit-learn calls X: rows of numbers or images, checked in its manner."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from graphcnn.ir.node import Array

Shape = tuple[int, ...]


def checked_items(estimator: Any, X: Any, *, first: bool) -> Array:
    """X (n, ...) as an array of finite numbers: of uint8 where it was given so, else float32.

    Sets `n_features_in_`, the numbers of one item, and for tables the names of the columns, where
    it is the first X of a fit; else compares them. Raises `ValueError` and `TypeError`.
    """
    if not hasattr(X, "shape"):
        X = np.asarray(X)
    if len(X.shape) <= 2:
        found: Array = validate_data(estimator, X, reset=first)
    else:
        found = check_array(X, allow_nd=True, input_name="X", estimator=estimator)
        rows = found.reshape(len(found), -1)
        validate_data(estimator, rows, reset=first, skip_check_array=True)
    return found if found.dtype == np.uint8 else found.astype(np.float32)


def told_shape(items: Array, shape: Any) -> Shape:
    """The shape of one item: that of X, where grey images (n, H, W) have one channel, or the
    `shape` that was told.

    Raises `ValueError` where the two do not fit.
    """
    found: Shape = items.shape[1:]
    image = (1, *found) if len(found) == 2 else found
    if shape is None:
        return image
    wanted = _checked(shape)
    row = len(found) == 1 and found[0] == math.prod(wanted)
    if not (row or wanted in (found, image)):
        raise ValueError(f"X has items of shape {found}, which are none of shape={wanted}")
    return wanted


def _checked(shape: Any) -> Shape:
    whole = isinstance(shape, Sequence) and all(
        isinstance(n, int | np.integer) and n >= 1 for n in shape
    )
    if not whole or not shape:
        raise ValueError(f"shape must be sizes such as (1, 28, 28), found {shape!r}")
    return tuple(map(int, shape))


def as_taken(items: Array, wanted: Shape, whose: str) -> Array:
    """The items in the shape that a network takes.

    Rows are cut into images, and grey images (n, H, W) have one channel. Raises `ValueError` for
    other shapes than the network's.
    """
    found = items.shape[1:]
    row = len(found) == 1 and found[0] == math.prod(wanted)
    grey = len(wanted) == 3 and wanted[0] == 1 and found == wanted[1:]
    if not (found == wanted or row or grey):
        raise ValueError(f"X has items of shape {found}, but {whose!r} takes {wanted}")
    taken = items.reshape(len(items), *wanted)
    # Bytes are numbers from 0 to 1 in images alone.
    return taken if len(wanted) == 3 else taken.astype(np.float32)
