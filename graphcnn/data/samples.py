"""Data sets of other libraries: whatever has a length and gives items by their numbers."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from graphcnn.data.class_names import given_names
from graphcnn.data.dataset import Dataset
from graphcnn.data.folders.image_files import WHITE, is_grey_picture, pixels
from graphcnn.data.given import each_of
from graphcnn.data.normalisation import Normalisation
from graphcnn.data.prefetching import reading
from graphcnn.data.rows import indices
from graphcnn.data.streams import LABELS, Stream, pair_of, weights_sample
from graphcnn.errors import DataError
from graphcnn.ir.node import Array
from graphcnn.language.arguments import is_int


@dataclass(frozen=True, eq=False)
class Samples(Stream):
    """Items that a data set of another library gives by their numbers; `samples` makes one.

    Each is asked for once an epoch, in the order that seed and epoch decide, on one thread. What
    the other library draws at random itself is not ours to repeat.
    """

    source: Any = None
    chosen: Array | None = None
    image: str | None = None
    label: str | None = None

    def __len__(self) -> int:
        return len(self.source) if self.chosen is None else len(self.chosen)

    def __repr__(self) -> str:
        return f"<Samples {self.name!r}: {len(self)} items of {self._kind()}>"

    def __getitem__(self, index: Any) -> Any:
        if is_int(index):
            images, targets, *_ = self._of([index])
            return each_of(images, lambda a: a[0]), each_of(targets, lambda a: a[0])
        rows = indices(index, len(self))
        return replace(self, chosen=rows if self.chosen is None else self.chosen[rows])

    @property
    def known_count(self) -> int | None:
        return len(self)

    @property
    def about(self) -> str:
        return super(Stream, self).about

    @property
    def digest(self) -> str:
        """Of the items only their number is known before they come."""
        some = b"" if self.chosen is None else self.chosen.tobytes()
        about = type(self.source).__qualname__, self._kind(), self.classes, self.normalisation
        made = "" if self.augmentation is None else f" {self.augmentation}"
        return f"samples {len(self)} {about} {hashlib.sha256(some).hexdigest()[:16]}{made}"

    def steps(self, batch_size: int, drop_last: bool) -> int | None:
        return super(Stream, self).steps(batch_size, drop_last)

    def check_batch_size(self, batch_size: int) -> None:
        super(Stream, self).check_batch_size(batch_size)

    def split(self, fraction: float, seed: int = 0) -> tuple[Self, Self]:
        return super(Stream, self).split(fraction, seed)

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
        known = shuffle and seed is not None
        order = self.shuffled_order(seed, epoch) if known else np.arange(len(self))  # type: ignore[arg-type]
        if self.augmentation is not None and seed is not None:
            yield from self.augmentation.batches(self, seed, epoch, size, order, start, drop_last)
            return
        count = len(order) - (len(order) % size if drop_last else 0)
        for at in range(start * size, count, size):
            yield self.known(self._of(order[at : min(at + size, count)]))

    def batch(self, indices: Any, *, normalised: bool = False) -> tuple[Any, ...]:
        items, *rest = self.known(self._of(indices))
        return (self._normalised(items) if normalised else items, *rest)

    def augmented(self, *transforms: Any, **options: Any) -> Self:
        return super(Stream, self).augmented(*transforms, **options)

    def _of(self, rows: Sequence[int] | Array) -> tuple[Any, ...]:
        """The items of these numbers, one behind another."""
        places = np.asarray(rows) if self.chosen is None else self.chosen[np.asarray(rows)]
        given = [self._one(int(i)) for i in places]
        shapes = {np.shape(images) for images, *_ in given if not isinstance(images, dict)}
        if len(shapes) > 1:
            raise DataError(
                f"the items of {self.name!r} must have one shape, found {sorted(shapes)[:4]}; "
                "have it resize them"
            )
        first = given[0]
        return tuple(
            {key: np.stack([one[k][key] for one in given]) for key in first[k]}
            if isinstance(first[k], dict)
            else np.stack([one[k] for one in given])
            for k in range(len(first))
        )

    def _one(self, number: int) -> tuple[Any, ...]:
        what = f"item {number} of {self.name!r}"
        try:
            with reading(what):
                given = self.source[number]
        except Exception as error:
            raise DataError(f"{what}: {type(error).__name__}: {error}") from error
        return pair_of(_without_pictures(given, what), self.name, self.image, self.label)


def samples(
    source: Any,
    *,
    image: str | None = None,
    label: str | None = None,
    classes: Sequence[str] | None = None,
    normalisation: Normalisation | None = None,
    name: str | None = None,
) -> Samples:
    """A data set of another library: of PyTorch, Hugging Face, or your own class with `__len__` and
    `__getitem__`. `fit`, `evaluate` and `Session` take such ones as they are, too.

    Args:
        source: its items are pairs (image, target), or dicts. Pictures of Pillow become their
            pixels (C, H, W); everything else is what NumPy makes of it.
        image, label: the columns of items that are dicts; found where they are called "image",
            "img", "label" or alike.
        classes: names of the classes; default is what the data set says itself (`classes`, or the
            names of a Hugging Face column).

    Raises:
        DataError: no item, or what is no pair of numbers.
    """
    name = name or type(source).__name__
    if not is_map(source) or not len(source):
        raise DataError(f"{name!r} must have a length and items, found {source!r:.80}")
    found = Samples((), (), (), normalisation, name, source=source, image=image, label=label)
    images, targets, *weights = found._of([0])
    names = _classes(source, label) if classes is None else given_names(classes)
    whole = isinstance(targets, np.ndarray) and targets.dtype.kind in "iu"
    return replace(
        found,
        images=each_of(images, lambda array: array[:0]),
        labels=each_of(targets, lambda array: array[:0]),
        classes=names if whole else (),
        weights=weights_sample(weights),
    )


def is_map(x: Any) -> bool:
    """Whether `x` is a data set of another library: with a length and items by their numbers."""
    plain = isinstance(x, Dataset | tuple | list | dict | str | bytes) or hasattr(x, "__array__")
    return not plain and hasattr(x, "__len__") and hasattr(x, "__getitem__")


def _classes(source: Any, label: str | None) -> tuple[str, ...]:
    features = getattr(source, "features", None)
    if isinstance(features, dict):
        for key in (label,) if label else LABELS:
            names = getattr(features.get(key), "names", None)
            if names:
                return given_names(names)
    found = getattr(source, "classes", None)
    is_list = isinstance(found, list | tuple) and all(isinstance(x, str) for x in found)
    return given_names(found) if is_list else ()


def _without_pictures(given: Any, what: str) -> Any:
    """The item with the pixels of pictures in place of pictures."""

    def change(x: Any) -> Any:
        if not (hasattr(x, "getexif") and hasattr(x, "mode")):  # a picture of Pillow
            return x
        return pixels(what, x.copy(), is_grey_picture(x), None, WHITE)

    if isinstance(given, dict):
        return {key: change(x) for key, x in given.items()}
    return [change(x) for x in given] if isinstance(given, tuple | list) else given
