"""What the targets of a data set are to a transform: whether they move with the pixels.

Class numbers of images do not, those of pixels do. Of numbers nobody can tell by their shape: a
user says so where they are of pixels or coordinates of points.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphcnn.errors import DataError

#: What a user may say of a target.
KINDS = ("label", "mask", "image", "points")
_ABOUT = {
    "mask": "class numbers (n, {0}, {1}), one for each pixel",
    "image": "numbers (n, {0}, {1}) or (n, channels, {0}, {1})",
    "points": "numbers (n, ..., 2): x and y in pixels",
}


def target_kinds(
    labels: Any, said: str | Mapping[str, str] | None, size: tuple[int, int], moves: bool
) -> dict[str, str]:
    """The kind of each target, by its name; "" where there is only one.

    Args:
        said: of the only target, or of all; or of some by their names.
        size: (height, width) of the images.
        moves: whether a transform moves pixels.

    Raises:
        DataError: an unknown name or kind, a target that is not of its kind, or numbers that may
            be of pixels, of which nothing was said.
    """
    named = labels if isinstance(labels, Mapping) else {"": labels}
    given = said if isinstance(said, Mapping) else {key: said for key in named if said is not None}
    for key, kind in given.items():
        if key not in named:
            known = ", ".join(filter(None, named)) or "one target without a name"
            raise DataError(f"targets names {key!r}, but there are {known}")
        if kind not in KINDS:
            raise DataError(f"targets must be {', '.join(KINDS)}, found {kind!r}")
    return {key: _kind(array, key, given.get(key), size, moves) for key, array in named.items()}


def _kind(array: Any, key: str, said: str | None, size: tuple[int, int], moves: bool) -> str:
    shape, whole = tuple(array.shape[1:]), array.dtype.kind in "iu"
    pixels = len(shape) >= 2 and shape[-2:] == size
    of = f"target {key!r}" if key else "the targets"
    if said is None:
        if not moves or len(shape) < 2 or not (whole or pixels):
            return "mask" if whole and shape == size else "label"
        if whole and shape == size:
            return "mask"
        if whole:
            raise DataError(
                f"{of} of shape {array.shape} are neither one for each image nor for each of its "
                f"{size[0]}×{size[1]} pixels, so they cannot move with it; say "
                'targets="label" if they are to stay'
            )
        raise DataError(
            f"{of} of shape {array.shape} may be numbers of pixels: say "
            'targets="image" if they move with the image, or targets="label" if they stay'
        )
    fits = {
        "label": True,
        "mask": whole and shape == size,
        "image": not whole and pixels and len(shape) <= 3,
        "points": not whole and len(shape) >= 1 and shape[-1] == 2,
    }
    if not fits[said]:
        wanted = _ABOUT[said].format(*size)
        raise DataError(f"{of}: {said} must be {wanted}, found {array.dtype} {array.shape}")
    return said


def one_hot(labels: Any, classes: int) -> Any:
    """Class numbers (n,) as shares of classes, float32 (n, K)."""
    found = np.zeros((len(labels), classes), np.float32)
    found[np.arange(len(labels)), labels] = 1
    return found
