"""What is explained: images, and one number that the network makes of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphcnn.errors import LensError
from graphcnn.ir.node import Array, Value
from graphcnn.lens.core import Core
from graphcnn.lens.target import Target
from graphcnn.pictures.scene.units import counted


@dataclass(frozen=True, eq=False)
class Subject:
    """Images and what is looked at in them.

    Attributes:
        shown: the images as they were given; a copy, for the picture.
        fed: as the network takes them, (n, C, H, W).
        value: the tensor of the scores, (N, K) or (N, K, H, W).
        targets: the number of it that is explained: one for all images, or one for each.
        layer: whether it is a layer's, no score of a class.
    """

    shown: Array
    fed: Array
    value: Value
    targets: tuple[Target, ...]
    layer: bool

    def target(self, image: int) -> Target:
        return self.targets[image if len(self.targets) > 1 else 0]

    def weights(self) -> Array:
        """What selects the score of each image, (n, K) or (n, K, H, W)."""
        rows = [target.selector(self.value) for target in self.targets]
        if len(rows) == len(self.fed):
            return rows[0] if len(rows) == 1 else np.concatenate(rows)
        return np.broadcast_to(rows[0], (len(self.fed), *rows[0].shape[1:]))

    def alone(self, image: int) -> "Subject":
        """One of the images."""
        one = slice(image, image + 1)
        shown = self.shown if len(self.fed) == 1 else self.shown[one]
        return Subject(shown, self.fed[one], self.value, (self.target(image),), self.layer)

    def copies(self, first: int, last: int) -> Array:
        """The first image, so many times."""
        return np.repeat(self.fed[:1], last - first, 0)

    @property
    def words(self) -> str:
        """The targets for captions."""
        return told([target.words for target in self.targets])


def subject(lens: Core, x: Any, target: Any, layer: str | None = None, at: Any = None) -> Subject:
    """The images `x` and their target.

    A class by number or name, None for the one that is predicted for each image, or with `layer` a
    channel or unit of that layer, `at` a place (row, column) of its map; a list has one for each.

    Raises:
        DataError: images that the model does not take.
        LensError: a target that is none, or another number of them than of images.
    """
    fed = lens.fed(x)
    shown = np.array(x)
    if isinstance(target, np.ndarray) and target.ndim == 1:
        target = list(target)
    several = isinstance(target, Sequence) and not isinstance(target, str)
    if several or (target is None and layer is None and len(fed) > 1):
        each = target if several else [None] * len(fed)
        if len(each) != len(fed):
            raise LensError(f"{counted(len(each), 'target')} for {counted(len(fed), 'image')}")
        found = [lens.target(t, fed[i : i + 1], layer, at) for i, t in enumerate(each)]
        return Subject(shown, fed, found[0][0], tuple(t for _, t in found), layer is not None)
    value, one = lens.target(target, fed, layer, at)
    return Subject(shown, fed, value, (one,), layer is not None)


def told(words: Sequence[str], most: int = 4) -> str:
    """What is said of several images: once where it is the same."""
    different = list(dict.fromkeys(words))
    if len(different) == 1:
        return different[0]
    return ", ".join(words[:most]) + (", ..." if len(words) > most else "")
