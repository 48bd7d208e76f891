"""Items with their labels, in memory; the order of training is a pure function of the seed."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self, overload

import numpy as np

from graphcnn.data.class_names import given_names
from graphcnn.data.normalisation import (
    Items,
    Normalisation,
    as_numbers,
    check_inputs,
    check_labels,
    check_targets,
    is_one_hot,
    refuse_normalised,
)
from graphcnn.errors import DataError
from graphcnn.ir.node import Array
from graphcnn.ir.philox import permutation
from graphcnn.language.arguments import is_int

#: Streams of the random generator, apart from those that the nodes of a graph count up from 0.
_SHUFFLE, _SPLIT = 0x53485546, 0x53504C54
#: Bytes that are hashed at a time, a copy where they do not lie together.
_PIECE = 1 << 22


class Labels(np.ndarray):
    """Labels of a batch that know the data set whose class numbers they are.

    What is computed from them are other numbers, of nobody's classes.
    """

    source: "Dataset | None" = None

    def __array_finalize__(self, other: Any) -> None:
        self.source = getattr(other, "source", None)

    def __array_wrap__(self, *arguments: Any, **options: Any) -> Any:
        result = super().__array_wrap__(*arguments, **options)
        if isinstance(result, Labels):
            result.source = None
        return result


def source_of(images: Any) -> "Dataset | None":
    """The data set that a batch is from, if it is known."""
    return getattr(next(iter(_arrays(images)), None), "source", None)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Items, such as images (n, C, H, W) of uint8 or float32, and one label or target for each.

    Items may have any rank: vectors (n, D), series (n, C, L), images, volumes (n, C, D, H, W). A
    network of several inputs takes a dict of arrays, one by the name of each input; the
    normalisation is that of the first.

    Attributes:
        images: the items as they were read, an array or a dict of arrays; `normalisation` makes
            images what a network is fed.
        labels: class numbers of int64, (n,) or one per pixel (n, height, width); or targets
            (n, ...) of float32 without `classes`.
        classes: names of the classes, in the order of their numbers.
        normalisation: None means uint8 is divided by 255 and nothing else.
        numbered: the labels came without names, and `classes` only spells their numbers. A model
            takes such labels as they are; others it finds by the names of their classes.
        ignored: labels that stand for no class, for losses that leave them out.

    Raises:
        DataError: no item at all, numbers of items and labels that differ, labels that are
            no class, or a wrong shape or element type.
    """

    images: Any
    labels: Array
    classes: tuple[str, ...] = ()
    normalisation: Normalisation | None = None
    name: str = "data"
    numbered: bool = False
    ignored: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        try:
            if self.normalisation is not None:
                for given in _arrays(self.images):
                    refuse_normalised(given, "the data set")
            images = _checked(self.images)
            classes = given_names(self.classes)
            labels = _labels(self.labels, len(classes), self.ignored)
            for array in _arrays(images):
                if len(array) != len(labels):
                    raise DataError(f"{len(array)} images but {len(labels)} labels")
        except DataError as error:
            raise DataError(f"data set {self.name!r}: {error}") from None
        object.__setattr__(self, "images", images)
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "classes", classes)

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def digest(self) -> str:
        """A hash of every bit of items, labels, classes and normalisation; computed once."""
        total = hashlib.sha256()
        named = self.images if isinstance(self.images, Mapping) else {"": self.images}
        for key, array in (*named.items(), ("labels", self.labels)):
            total.update(f"{key} {array.dtype.str} {array.shape}".encode())
            rows = max(1, _PIECE // max(1, array[:1].nbytes))
            for at in range(0, len(array), rows):
                total.update(np.ascontiguousarray(array[at : at + rows]).data.cast("B"))
        about = self.classes, self.normalisation, self.ignored
        total.update(repr(about).encode())
        return total.hexdigest()

    def __repr__(self) -> str:
        of = f", {len(self.classes)} classes" if self.classes else ""
        if isinstance(self.images, Mapping):
            kinds = ", ".join(f"{key} {_shape(a)} {a.dtype}" for key, a in self.images.items())
            return f"<Dataset {self.name!r}: {len(self)} items of {kinds}{of}>"
        what = "images" if self.images.ndim == 4 else "items"
        kind = f"{_shape(self.images)} {self.images.dtype}".strip()
        return f"<Dataset {self.name!r}: {len(self)} {what} {kind}{of}>"

    @property
    def image_shape(self) -> tuple[int, ...]:
        """The shape of one item, (C, H, W) of images; of the first where there are several."""
        return tuple(self.first_items.shape[1:])

    @property
    def first_items(self) -> Array:
        """The items, those of the first input where there are several."""
        first: Array = next(iter(_arrays(self.images)))
        return first

    @overload
    def __getitem__(self, index: int) -> tuple[Any, Any]: ...
    @overload
    def __getitem__(self, index: slice | Array | list[int]) -> Self: ...
    def __getitem__(self, index: int | slice | Array | list[int]) -> Any:
        """One (image, label), or the data set of a slice or of an array of indices."""
        images, labels = self._rows(index), self.labels[index]
        if labels.ndim < self.labels.ndim:
            return images, labels
        return replace(self, images=images, labels=labels)

    def _rows(self, index: Any) -> Any:
        """The items at an index or at several."""
        return _each(self.images, lambda array: array[index])

    def batch(self, indices: Any, *, normalised: bool = False) -> tuple[Any, Array]:
        """The items at `indices` as they were read, and their labels.

        `normalised` makes images float32 numbers of mean 0, as `batches` does: to look at, or for
        other programs. A model does so itself, and refuses images that were normalised here.
        """
        return self._batch(indices, normalised)

    def _batch(self, rows: Any, normalised: bool) -> tuple[Any, Array]:
        items = self._rows(rows)
        if normalised:
            items = self._normalised(items)

        def known(array: Array) -> Array:
            batch = array.view(Items)
            batch.source, batch.normalised = self, normalised
            return batch

        labels = self.labels[rows]
        if not isinstance(labels, np.ndarray):  # of one item
            return _each(items, known), labels
        numbered = labels.view(Labels)
        numbered.source = self
        return _each(items, known), numbered

    def _normalised(self, items: Any) -> Any:
        """Images normalised, the first of several inputs; items that are no images as they are."""
        first = next(iter(items)) if isinstance(items, Mapping) else None
        images = items if first is None else items[first]
        if images.ndim in (3, 4):
            images = (self.normalisation or Normalisation()).apply(images)
        return images if first is None else {**items, first: images}

    def batches(
        self,
        batch_size: int,
        order: Array | None = None,
        start: int = 0,
        *,
        drop_last: bool = False,
        normalised: bool = False,
    ) -> Iterator[tuple[Any, Array]]:
        """Items as they were read and their labels, batch after batch; the last may be short.

        In an order of one's own; the batches of training are those of `epoch`.

        Args:
            order: indices in the order to take them, such as `shuffled_order`; default is as
                stored.
            start: number of the batch to begin with, in a run that goes on where one stopped.
            drop_last: leave a short last batch out.
            normalised: see `batch`.
        """
        if not is_int(batch_size) or batch_size < 1:
            raise DataError(f"batch_size must be an int of at least 1, found {batch_size!r}")
        count = len(self) if order is None else len(order)
        if drop_last:
            count -= count % batch_size
        for at in range(start * batch_size, count, batch_size):
            chosen = slice(at, at + batch_size)
            yield self._batch(chosen if order is None else order[chosen], normalised)

    def epoch(
        self,
        seed: int | None,
        epoch: int,
        size: int,
        start: int = 0,
        *,
        shuffle: bool = True,
        drop_last: bool = False,
    ) -> Iterator[tuple[Any, Array]]:
        """The batches of one epoch of training: those that `fit` takes, which seed and epoch alone
        decide.

            for epoch in range(10):
                for images, labels in train.epoch(0, epoch, 64):
                    session.step(images, labels)

        Args:
            seed: of all that is random; None for the items in their order and as they are, which is
                how they are measured.
            epoch: 0 for the first.
            size: items of a batch; the last may be short, or left out by `drop_last`.
            start: number of the batch to begin with, in a run that goes on where one stopped.
            shuffle: whether the order is random, `shuffled_order`; else it is as stored.
        """
        order = self.shuffled_order(seed, epoch) if shuffle and seed is not None else None
        # A subclass with batches of its own may not know what it is not asked for.
        options = {"drop_last": True} if drop_last else {}
        return self.batches(size, order, start, **options)

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


def _checked(images: Any) -> Any:
    """An array of items, or a dict of arrays with equally many."""
    if not isinstance(images, Mapping):
        return check_inputs(images, images=True)
    if not images:
        raise DataError("no items: the dict of inputs is empty")
    found: dict[str, Array] = {}
    for key, x in images.items():
        try:
            found[str(key)] = check_inputs(x, images=False)
        except DataError as error:
            raise DataError(f"input {key!r}: {error}") from None
    if len(set(map(len, found.values()))) > 1:
        sizes = ", ".join(f"{len(array)} of {key}" for key, array in found.items())
        raise DataError(f"the inputs must have equally many items, found {sizes}")
    return found


def _labels(labels: Any, classes: int, ignored: tuple[int, ...]) -> Array:
    """Class numbers where there are classes; else whole numbers or floats as they are."""
    array = as_numbers(labels)
    if classes:
        rows = array.ndim == 2 and not (array.shape[1] == classes and is_one_hot(array))
        # A class for every step of a series, or of a volume, is as good as one for every pixel.
        free = rows or array.ndim > 3
        return check_labels(array, classes, array.shape[1:] if free else None, ignored)
    if array.dtype.kind in "iu" and array.ndim:
        return array.astype(np.int64, copy=False)
    return check_targets(array)


def _arrays(images: Any) -> Iterable[Any]:
    return images.values() if isinstance(images, Mapping) else (images,)


def _each(images: Any, function: Callable[[Array], Any]) -> Any:
    if isinstance(images, Mapping):
        return {key: function(array) for key, array in images.items()}
    return function(images)


def _shape(array: Array) -> str:
    return "×".join(map(str, array.shape[1:]))
