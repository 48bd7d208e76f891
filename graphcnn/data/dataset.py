"""Items with their labels, in memory; the order of training is a pure function of the seed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, overload

import numpy as np

from graphcnn.data.batch_parts import Labels
from graphcnn.data.class_names import given_names
from graphcnn.data.content import content_of
from graphcnn.data.given import arrays_of, checked_items, checked_targets, each_of, shape_text
from graphcnn.data.normalisation import Items, Normalisation, refuse_normalised
from graphcnn.data.rows import in_memory, indices, part_of, readable
from graphcnn.data.sampling import balanced_order, fold_numbers, shared_out
from graphcnn.data.weights import check_weights, weights_of
from graphcnn.errors import DataError
from graphcnn.ir.node import Array
from graphcnn.ir.philox import permutation
from graphcnn.language.arguments import is_int

if TYPE_CHECKING:
    from graphcnn.data.augment.augmentation import Augmentation
    from graphcnn.data.augment.transform import Transform

#: Stream of the random generator, apart from those that the nodes of a graph count up from 0.
_SHUFFLE = 0x53485546


@dataclass(frozen=True, eq=False)
class Dataset:
    """Items, such as images (n, C, H, W) of uint8 or float32, and one label or target for each.

    Items may have any rank: vectors (n, D), series (n, C, L), images, volumes (n, C, D, H, W). A
    network of several inputs takes a dict of arrays, one by the name of each input; the
    normalisation is that of the first.

    Attributes:
        images: the items as they were read, an array or a dict of arrays; `normalisation` makes
            images what a network is fed. What has `shape`, `dtype`, a length, and gives arrays for
            slices and arrays of indices will do for an array: it is read batch by batch.
        labels: class numbers of int64, (n,) or one per pixel (n, height, width); or targets
            (n, ...) of float32 without `classes`. A dict of such, by the names of the outputs, is
            for a network of several.
        classes: names of the classes, in the order of their numbers; those of the first labels,
            where there are several.
        normalisation: None means uint8 is divided by 255 and nothing else.
        numbered: the labels came without names, and `classes` only spells their numbers. A model
            takes such labels as they are; others it finds by the names of their classes.
        ignored: labels that stand for no class, for losses that leave them out.
        weights: how much each item counts in the loss, of float32 (n,), or each of its labels,
            of their shape; None where all count the same.
        augmentation: what happens to images on their way to training; see `augmented`.
        balance: whether an epoch has equally many items of each class; see `balanced`.

    Raises:
        DataError: no item at all, numbers of items and labels that differ, labels that are
            no class, weights that are negative or not finite, or a wrong shape or element type.
    """

    images: Any
    labels: Any
    classes: tuple[str, ...] = ()
    normalisation: Normalisation | None = None
    name: str = "data"
    numbered: bool = False
    ignored: tuple[int, ...] = ()
    weights: Array | None = None
    augmentation: "Augmentation | None" = None
    balance: bool = False

    def __post_init__(self) -> None:
        try:
            if self.normalisation is not None:
                for given in arrays_of(self.images):
                    refuse_normalised(given, "the data set")
            images = checked_items(self.images)
            classes = given_names(self.classes)
            labels = checked_targets(self.labels, len(classes), self.ignored)
            first = next(iter(arrays_of(images)))
            for array in arrays_of(labels):
                if len(first) != len(array):
                    raise DataError(f"{len(first)} images but {len(array)} labels")
            weights = self.weights
            if weights is not None:
                weights = check_weights(weights, labels)
        except DataError as error:
            raise DataError(f"data set {self.name!r}: {error}") from None
        object.__setattr__(self, "images", images)
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "classes", classes)
        object.__setattr__(self, "weights", weights)

    def __len__(self) -> int:
        return len(self.first_labels)

    @cached_property
    def digest(self) -> str:
        """A hash of all that makes the batches of training; computed once.

        Of items that are no array it is their own `digest`, where they have one; else their shape
        and type, as reading them may take hours.
        """
        return content_of(self)

    def __repr__(self) -> str:
        of = f", {len(self.classes)} classes" if self.classes else ""
        if isinstance(self.images, Mapping):
            kinds = ", ".join(f"{key} {shape_text(a)} {a.dtype}" for key, a in self.images.items())
            return f"<Dataset {self.name!r}: {len(self)} items of {kinds}{of}>"
        what = "images" if len(self.images.shape) == 4 else "items"
        kind = f"{shape_text(self.images)} {self.images.dtype}".strip()
        return f"<Dataset {self.name!r}: {len(self)} {what} {kind}{of}>"

    @property
    def image_shape(self) -> tuple[int, ...]:
        """The shape of one item, (C, H, W) of images; of the first where there are several."""
        return tuple(self.first_items.shape[1:])

    @property
    def first_items(self) -> Array:
        """The items, those of the first input where there are several."""
        first: Array = next(iter(arrays_of(self.images)))
        return first

    @property
    def first_labels(self) -> Array:
        """The labels, those of the first output where there are several."""
        first: Array = next(iter(arrays_of(self.labels)))
        return first

    @property
    def known_count(self) -> int | None:
        """How many items there are; None where that is not known before."""
        return len(self)

    @property
    def about(self) -> str:
        """Name and number of items, by which a run tells its data from others."""
        return f"{self.name}, {len(self)} items"

    @property
    def _class_each(self) -> Array | None:
        """The class of each item, where each has one that is known."""
        labels = self.first_labels
        known = self.classes and labels.ndim == 1 and len(labels) == self.known_count
        return labels if known else None

    @property
    def costly(self) -> bool:
        """Whether drawing a batch is more than copying it, so that `fit` does so on a thread."""
        plain = all(map(in_memory, arrays_of(self.images)))
        return self.augmentation is not None or not plain

    @property
    def target_sample(self) -> Any:
        """An empty array (0, ...), or a dict of such, of the type and item shape that the targets
        of training batches have. Data that change their targets say so here."""
        if self.augmentation is not None:
            return self.augmentation.target_sample(self)
        return each_of(self.labels, lambda array: array[:0])

    @overload
    def __getitem__(self, index: int) -> tuple[Any, Any]: ...
    @overload
    def __getitem__(self, index: slice | Array | list[int]) -> Self: ...
    def __getitem__(self, index: int | slice | Array | list[int]) -> Any:
        """One (image, label), or the data set of a slice or of an array of indices."""
        labels = each_of(self.labels, lambda array: array[index])
        if next(iter(arrays_of(labels))).ndim < self.first_labels.ndim:
            return self._rows(index), labels
        images = each_of(self.images, lambda items: part_of(items, index))
        weights = None if self.weights is None else self.weights[index]
        return replace(self, images=images, labels=labels, weights=weights)

    def _rows(self, index: Any) -> Any:
        """The items at an index or at several."""
        return each_of(self.images, lambda array: array[index])

    def _readable(self, rows: Any) -> tuple[Any, Any, Array | None]:
        """The items at some indices, and the indices, without those of items that are left out; and
        the places of those that are there, unless all are."""
        if isinstance(self.images, Mapping):
            return self._rows(rows), rows, None
        items, kept = readable(self.images, rows)
        return items, rows if kept is None else indices(rows, len(self))[kept], kept

    def batch(self, indices: Any, *, normalised: bool = False) -> tuple[Any, ...]:
        """The items at `indices` as they were read, their labels, and their weights, if any.

        `normalised` makes images float32 numbers of mean 0, as `batches` does: to look at, or for
        other programs. A model does so itself, and refuses images that were normalised here.
        """
        return self._batch(indices, normalised)

    def _batch(self, rows: Any, normalised: bool) -> tuple[Any, ...]:
        items, rows, kept = self._readable(rows)
        if normalised:
            items = self._normalised(items)

        def known(array: Array) -> Array:
            batch = array.view(Items)
            batch.source, batch.normalised, batch.kept = self, normalised, kept
            return batch

        labels = each_of(self.labels, lambda array: array[rows])
        first = next(iter(arrays_of(labels)))
        if isinstance(first, np.ndarray):  # else of one item
            named = first.view(Labels)
            named.source = self
            several = isinstance(labels, Mapping)
            labels = {**labels, next(iter(labels)): named} if several else named
        batch = each_of(items, known), labels
        return batch if self.weights is None else (*batch, self.weights[rows])

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
    ) -> Iterator[tuple[Any, ...]]:
        """What `batch` gives, batch after batch; the last may be short.

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
    ) -> Iterator[tuple[Any, ...]]:
        """The batches of one epoch of training: those that `fit` takes, which seed and epoch alone
        decide. Each is (items, targets), or (items, targets, weights) of data with weights.

            for epoch in range(10):
                for batch in train.epoch(0, epoch, 64):
                    session.step(*batch)

        Args:
            seed: of all that is random; None for the items in their order and as they are, which is
                how they are measured.
            epoch: 0 for the first.
            size: items of a batch; the last may be short, or left out by `drop_last`.
            start: number of the batch to begin with, in a run that goes on where one stopped.
            shuffle: whether the order is random, `shuffled_order`; else it is as stored.
        """
        if self.balance and not shuffle:
            raise DataError(f"{self.name!r} is balanced, which is an order: shuffle must be True")
        order = self.shuffled_order(seed, epoch) if shuffle and seed is not None else None
        if self.augmentation is not None and seed is not None:
            return self.augmentation.batches(self, seed, epoch, size, order, start, drop_last)
        # A subclass with batches of its own may not know what it is not asked for.
        options = {"drop_last": True} if drop_last else {}
        return self.batches(size, order, start, **options)

    def steps(self, batch_size: int, drop_last: bool) -> int | None:
        """How many batches an epoch has; None where that is not known before."""
        whole, rest = divmod(len(self), batch_size)
        return whole if drop_last or not rest else whole + 1

    def check_batch_size(self, batch_size: int) -> None:
        """Refuse to train with batches larger than the data set."""
        if not is_int(batch_size) or not 1 <= batch_size <= len(self):
            raise DataError(
                f"batch_size must be from 1 to the {len(self)} images of {self.name!r}, "
                f"found {batch_size!r}"
            )

    def shuffled_order(self, seed: int, epoch: int) -> Array:
        """The order of the images in one epoch, which only seed and epoch decide: a permutation,
        or of balanced data as many images, some of them more than once."""
        if self.balance:
            return balanced_order(self.first_labels, self.ignored, seed, epoch)
        return permutation(seed, epoch, _SHUFFLE, len(self))

    def weighted(self, weights: Any) -> Self:
        """The same items, each with a weight in the loss; what it weighs already is multiplied.

        Args:
            weights: "balanced" gives each class the weight n / (K · count), n labels of K classes,
                as scikit-learn's `compute_class_weight` does; a dict from names or numbers of
                classes to weights, 1 for others; or an array, (n,) or of the shape of the labels.

        Raises:
            DataError: an unknown class (names the nearest), weights that are negative or not
                finite, or data without classes where the weights are of classes.
        """
        return replace(self, weights=weights_of(self, weights))

    def balanced(self) -> Self:
        """The same items, of which an epoch of training has equally many of each class.

        It is as long as before: each class has its share of the places, and fills them with its
        items in random order, all of them before any comes again. Seed and epoch decide it alone.

        Raises:
            DataError: data without classes, or with several labels an item.
        """
        if self._class_each is None or isinstance(self.labels, Mapping):
            raise DataError(f"{self.name!r} cannot be balanced: it has no class for each item")
        return replace(self, balance=True)

    def augmented(
        self,
        *transforms: "Transform | Callable[[Array, np.random.Generator], Any]",
        targets: str | Mapping[str, str] | None = None,
        inputs: str | Sequence[str] = (),
    ) -> Self:
        """The same items, whose images change at random in the batches of training.

            train = train.augmented(flip(), crop(4), cutout(8))  # of cnn.augment

        Training sees the changed images; measuring, predicting and `images` itself the real ones.
        What each draws depends on seed, epoch, the index of the image in this data set (a part of
        it counts from 0 again) and the place of the transform, and on nothing else.

        Args:
            transforms: of `cnn.augment`, in their order; or functions of one's own, from (image,
                generator of NumPy's) to an image of the same shape. They come after those that the
                data set has.
            targets: what the targets are, where several are as a dict by their names: "label"
                stays; "mask", class numbers of pixels, "image", numbers of pixels, and "points",
                numbers (n, ..., 2) that are x and y in pixels, move with their image. Class numbers
                tell it by their shape; of numbers that may be of pixels it must be said.
            inputs: names of the inputs that change, of several: all alike. Default is the first.

        Raises:
            DataError: a transform that these images or targets do not allow.
        """
        from graphcnn.data.augment.building import augmentation_of

        made, normalisation = augmentation_of(self, transforms, targets, inputs)
        return replace(self, augmentation=made, normalisation=normalisation)

    def split(self, fraction: float, seed: int = 0) -> tuple[Self, Self]:
        """(the rest, round(fraction · n) images chosen at random), each class in proportion.

        train, validation = train.split(0.1)
        """
        n = len(self)
        held = round(fraction * n) if 0 < fraction < 1 else 0
        if not 0 < held < n:
            raise DataError(
                f"data set {self.name!r}: fraction = {fraction} of {n} images must leave both "
                f"sides at least one: {fraction} · {n} = {fraction * n:g}, rounded"
            )
        rest, chosen = shared_out(self._class_each, n, held, seed)
        return self[rest], self[chosen]

    def folds(self, count: int, seed: int = 0) -> list[tuple[Self, Self]]:
        """`count` pairs (train, validation) for cross-validation: every item is for validation in
        one of them, and each class is in proportion in all.

            for train, validation in data.folds(5):
                model().fit(train, validation=validation)

        Raises:
            DataError: less than 2 folds, or more than there are items.
        """
        if not is_int(count) or not 2 <= count <= len(self):
            raise DataError(
                f"{self.name!r}: folds must be from 2 to its {len(self)} items, found {count!r}"
            )
        fold = fold_numbers(self._class_each, len(self), count, seed)
        return [(self[fold != k], self[fold == k]) for k in range(count)]
