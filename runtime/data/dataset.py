"""Images with their labels, in memory; the order of training is a pure function of the seed."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self, overload

import numpy as np

from graphcnn.errors import DataError
from graphcnn.ir import Array
from graphcnn.language.arguments import is_int
from graphcnn.normalisation import Normalisation, check_images, check_labels, check_targets
from graphcnn.philox import permutation

#: Streams of the random generator, apart from those that the nodes of a graph count up from 0.
_SHUFFLE, _SPLIT = 0x53485546, 0x53504C54


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images (n, C, H, W) of uint8 or float32, and one label or target for each.

    Attributes:
        images: pixels as they were read; `normalisation` makes them what a network is fed.
        labels: class numbers of int64, (n,) or one per pixel (n, height, width); or targets
            (n, ...) of float32 without `classes`.
        classes: names of the classes, in the order of their numbers.
        normalisation: None means uint8 is divided by 255 and nothing else.
        numbered: the labels came without names, and `classes` only spells their numbers. A model
            takes such labels as they are; others it finds by the names of their classes.

    Raises:
        DataError: no image at all, numbers of images and labels that differ, labels that are
            no class, or a wrong shape or element type.
    """

    images: Array
    labels: Array
    classes: tuple[str, ...] = ()
    normalisation: Normalisation | None = None
    name: str = "data"
    numbered: bool = False

    def __post_init__(self) -> None:
        try:
            images = check_images(self.images)
            classes = tuple(map(str, self.classes))
            labels = check_labels(self.labels, len(classes)) if classes else self.labels
            labels = labels if classes else check_targets(labels)
            if len(images) != len(labels):
                raise DataError(f"{len(images)} images but {len(labels)} labels")
        except DataError as error:
            raise DataError(f"data set {self.name!r}: {error}") from None
        object.__setattr__(self, "images", images)
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "classes", classes)

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        shape = "×".join(map(str, self.image_shape))
        of = f", {len(self.classes)} classes" if self.classes else ""
        return f"<Dataset {self.name!r}: {len(self)} images {shape} {self.images.dtype}{of}>"

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        _, c, h, w = self.images.shape
        return c, h, w

    @overload
    def __getitem__(self, index: int) -> tuple[Array, Any]: ...
    @overload
    def __getitem__(self, index: slice | Array | list[int]) -> Self: ...
    def __getitem__(self, index: int | slice | Array | list[int]) -> Any:
        """One (image, label), or the data set of a slice or of an array of indices."""
        images, labels = self.images[index], self.labels[index]
        if images.ndim < self.images.ndim:
            return images, labels
        return replace(self, images=images, labels=labels)

    def batch(self, indices: Any) -> tuple[Array, Array]:
        """The images at `indices`, normalised to float32, and their labels."""
        normalisation = self.normalisation or Normalisation()
        return normalisation.apply(self.images[indices]), self.labels[indices]

    def batches(
        self, batch_size: int, order: Array | None = None, start: int = 0
    ) -> Iterator[tuple[Array, Array]]:
        """Images as they were read and their labels, batch after batch; the last may be short.

        Args:
            order: indices in the order to take them, such as `shuffled_order`; default is as
                stored.
            start: number of the batch to begin with, in a run that goes on where one stopped.
        """
        if batch_size < 1:
            raise DataError(f"batch_size must be at least 1, found {batch_size}")
        count = len(self) if order is None else len(order)
        for at in range(start * batch_size, count, batch_size):
            chosen = slice(at, at + batch_size)
            rows: Any = chosen if order is None else order[chosen]
            yield self.images[rows], self.labels[rows]

    def check_batch_size(self, batch_size: int) -> None:
        """Refuse to train with batches larger than the data set."""
        if not is_int(batch_size) or not 1 <= batch_size <= len(self):
            raise DataError(
                f"batch_size must be from 1 to the {len(self)} images of {self.name!r}, "
                f"found {batch_size!r}"
            )

    def shuffled_order(self, seed: int, epoch: int) -> Array:
        """The order of the images in one epoch: a permutation that only seed and epoch decide."""
        return permutation(seed, epoch, _SHUFFLE, len(self))

    def split(self, fraction: float, seed: int = 0) -> tuple[Self, Self]:
        """(the rest, round(fraction · n) images chosen at random), each class in proportion.

        train, validation = train.split(0.1)
        """
        n = len(self)
        held = round(fraction * n) if 0 < fraction < 1 else 0
        if not 0 < held < n:
            raise DataError(
                f"data set {self.name!r}: fraction = {fraction} of {n} images must leave both "
                f"sides at least one: round({fraction} · {n}) = {round(fraction * n)}"
            )
        order = permutation(seed, 0, _SPLIT, n)
        if self.classes and self.labels.ndim == 1:
            # every n/held-th image of the classes laid one after another
            order = order[np.argsort(self.labels[order], kind="stable")]
        k = np.arange(n)
        chosen = (k + 1) * held // n > k * held // n
        return self[np.sort(order[~chosen])], self[np.sort(order[chosen])]
