"""A batch on its way through the transforms: its images, and all that belongs to them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graphcnn.data.augment.draw import Draw
from graphcnn.data.augment.mix import Mixing
from graphcnn.data.augment.transform import Moving, Transform
from graphcnn.ir.node import Array


@dataclass(frozen=True, eq=False)
class Parts:
    """What was read of a batch, and what has become of it.

    Attributes:
        items, targets: as they were read.
        images: those that change, (n, C, H, W), by their names.
        made, kinds: what the targets are now, and of which kind each is.
        outside: the class number of pixels that come in from outside.
    """

    items: Any
    targets: Any
    images: dict[str, Array]
    made: dict[str, Array]
    kinds: dict[str, str]
    weights: Array | None
    outside: int

    @property
    def count(self) -> int:
        return len(next(iter(self.images.values())))

    @property
    def size(self) -> tuple[int, int]:
        height, width = next(iter(self.images.values())).shape[2:]
        return height, width

    @property
    def weighs_pixels(self) -> bool:
        """Whether each pixel has a weight of its own."""
        return (
            self.weights is not None
            and self.weights.ndim > 2
            and next(iter(self.kinds.values())) in ("mask", "image")
        )

    def changed(self, transform: Transform, draw: Draw) -> "Parts":
        images = {key: transform.images(x, draw) for key, x in self.images.items()}
        if not isinstance(transform, Moving):
            return replace(self, images=images)

        def moved(kind: str, y: Array) -> Array:
            if kind == "points":
                return transform.points(y, self.size, draw)
            if kind == "mask":
                return transform.move(four(y), draw, self.outside, nearest=True).reshape(y.shape)
            return transform.move(four(y), draw).reshape(y.shape) if kind == "image" else y

        made = {key: moved(self.kinds[key], y) for key, y in self.made.items()}
        weights = self.weights
        if self.weighs_pixels:
            w = np.asarray(weights)
            weights = transform.move(four(w), draw, nearest=True).reshape(w.shape)
        return replace(self, images=images, made=made, weights=weights)

    def mixed(self, transform: Mixing, other: "Parts", draw: Draw) -> "Parts":
        images = {
            key: transform.mixed(x, other.images[key], draw) for key, x in self.images.items()
        }

        def of_both(pixels: bool, y: Array, z: Array) -> Array:
            if pixels:
                return transform.mixed(four(y), four(z), draw).reshape(y.shape)
            return transform.labels(y, z, draw, self.size)

        made = {
            key: of_both(self.kinds[key] in ("mask", "image"), y, other.made[key])
            for key, y in self.made.items()
        }
        weights = self.weights
        if weights is not None:
            weights = of_both(self.weighs_pixels, weights, np.asarray(other.weights))
        return replace(self, images=images, made=made, weights=weights)

    def batch(self) -> tuple[Any, ...]:
        """(items, targets) or (items, targets, weights), which know where they are from."""
        named = self.items if isinstance(self.items, Mapping) else {"": self.items}
        items = _as_given(
            self.items, {key: x.reshape(named[key].shape) for key, x in self.images.items()}
        )
        targets = _as_given(self.targets, self.made)
        return (items, targets) if self.weights is None else (items, targets, self.weights)


def _as_given(given: Any, made: dict[str, Array]) -> Any:
    """Arrays in place of those that were read, by their names or alone."""
    if not isinstance(given, Mapping):
        return _like(made[""], given)
    return {key: _like(made[key], y) if key in made else y for key, y in given.items()}


def _like(made: Array, given: Any) -> Array:
    """An array that knows what the given one knows."""
    if type(given) is np.ndarray:
        return made
    found = made.view(type(given))
    found.source = given.source
    return np.asanyarray(found)


def four(x: Array) -> Array:
    """(n, H, W) with an axis for its only channel."""
    return x[:, None] if x.ndim == 3 else x
