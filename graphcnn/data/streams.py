"""Data that come batch by batch or item by item, and of which no array is known.

    train = cnn.data.stream(lambda epoch: batches_of(epoch))  # called for every epoch
    model.fit(train, epochs=5)

    model.fit(torch_data_set, epochs=5, batch_size=64)  # anything with a length and items

Nothing is asked of other libraries: what has `__array__` (tensors) becomes an array, and a picture
of Pillow its pixels.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Self

import numpy as np

from graphcnn.data.batch_parts import Labels, items_of
from graphcnn.data.class_names import given_names
from graphcnn.data.dataset import Dataset
from graphcnn.data.given import arrays_of, each_of
from graphcnn.data.normalisation import Items, Normalisation, as_numbers
from graphcnn.errors import DataError
from graphcnn.ir.node import Array
from graphcnn.language.arguments import is_int

#: Names of the columns of items that are dicts, in the order in which they are looked for.
IMAGES = ("image", "images", "img", "x", "pixel_values", "input", "inputs")
LABELS = ("label", "labels", "y", "target", "targets", "fine_label")


@dataclass(frozen=True, eq=False)
class Stream(Dataset):
    """Batches that are drawn in order, as they come; `images` and `labels` are empty arrays of the
    shapes and types that they have. `stream` makes one.

    Attributes:
        draw: gives the batches of an epoch.
        count: batches of an epoch, where that is known.
    """

    draw: Callable[[int], Iterator[Any]] = iter  # type: ignore[assignment]
    count: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", given_names(self.classes))

    def __len__(self) -> int:
        raise TypeError(f"{self.name!r} is a stream: how many items it has is not known")

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        length = "" if self.count is None else f"{self.count} "
        return f"<Stream {self.name!r}: {length}batches of {self._kind()}>"

    def _kind(self) -> str:
        first = self.first_items
        return f"{'×'.join(map(str, first.shape[1:]))} {first.dtype}"

    def __getitem__(self, index: Any) -> Any:
        raise DataError(f"{self.name!r} is a stream, which has no parts")

    @property
    def known_count(self) -> int | None:
        return None

    @property
    def about(self) -> str:
        return f"{self.name}, a stream"

    @property
    def costly(self) -> bool:
        return True

    @property
    def digest(self) -> str:
        """What is in it is not known before it comes, and not compared."""
        made = "" if self.augmentation is None else f" {self.augmentation}"
        return f"stream {self._kind()} {self.classes} {self.normalisation} {self.count}{made}"

    def steps(self, batch_size: int, drop_last: bool) -> int | None:
        return self.count

    def check_batch_size(self, batch_size: int) -> None:
        raise DataError(f"{self.name!r} is a stream, whose batches have sizes of their own")

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
        """The batches as they come, from number `start`: those before are drawn and left out."""
        made, first = self.augmentation, 0
        for number, given in enumerate(islice(self.draw(epoch), self.count)):
            if number < start and (made is None or seed is None):
                continue
            batch = self.known(pair_of(given, self.name))
            count = items_of(batch)
            if number >= start and made is not None and seed is not None:
                batch = made.of_stream(self, batch, seed, epoch, first, count)
            first += count
            if number >= start:
                yield batch

    def known(self, batch: Sequence[Any]) -> tuple[Any, ...]:
        """A batch that knows where it is from, its items in the shape that the model takes."""

        def item(array: Array, sample: Array) -> Any:
            wanted = sample.shape[1:]
            if array.shape[1:] != wanted and array.size == len(array) * int(np.prod(wanted)):
                array = array.reshape(len(array), *wanted)  # a channel of its own, or none
            found = np.ascontiguousarray(array).view(Items)
            found.source = self
            return found

        images, targets, *weights = batch
        if isinstance(self.images, Mapping):
            images = {key: item(images[key], sample) for key, sample in self.images.items()}
        else:
            images = item(images, self.images)
        if isinstance(targets, np.ndarray):
            named = targets.view(Labels)
            named.source = self
            targets = named
        return (images, targets, *(np.asarray(w, np.float32) for w in weights))

    def split(self, fraction: float, seed: int = 0) -> tuple[Self, Self]:
        raise DataError(f"{self.name!r} is a stream: validation takes data of its own")

    def weighted(self, weights: Any) -> Self:
        raise DataError(f"{self.name!r} is a stream: weights are the third of each batch")

    def augmented(self, *transforms: Any, **options: Any) -> Self:
        """As `Dataset.augmented`; the index of an image is its number in its epoch."""
        found = super().augmented(*transforms, **options)
        if found.augmentation is not None and found.augmentation.mixes:
            raise DataError(
                f"{self.name!r} is a stream: it has no other image to mix one with; mix what is "
                "drawn, before it is yielded"
            )
        return found


def stream(
    source: Any,
    *,
    batches: int | None = None,
    classes: Sequence[str] | None = None,
    normalisation: Normalisation | None = None,
    name: str = "stream",
) -> Stream:
    """Data of a generator, or of any iterable of batches (items, targets) or (items, targets,
    weights), in the order in which they come; `shuffle` and `batch_size` of fit do nothing.

    Args:
        source: a function that gives the batches of an epoch anew, of no argument or of the number
            of the epoch: a run that goes on draws them again, so it is exact where the function
            gives the same. An iterable (a list, a loader) is gone through once an epoch. A
            generator gives its batches once: it can be trained on for one epoch.
        batches: of an epoch, where there are more or without end; schedules that count epochs need
            it.
        classes: their names, where targets are class numbers.

    Raises:
        DataError: no batch, or what is none.
    """
    if batches is not None and (not is_int(batches) or batches < 1):
        raise DataError(f"batches must be an int of at least 1, found {batches!r}")
    drawn = _Source(source, name)
    images, targets, *weights = pair_of(drawn.first(), name)
    return Stream(
        each_of(images, lambda array: array[:0]),
        each_of(targets, lambda array: array[:0]),
        given_names(classes),
        normalisation,
        name,
        weights=weights_sample(weights),
        draw=drawn,
        count=batches,
    )


def is_stream(x: Any) -> bool:
    """Whether `x` is a function that gives batches, or an iterable of them that has no numbers."""
    plain = isinstance(x, Dataset | tuple | list | Mapping | str | bytes | type)
    return not plain and not hasattr(x, "__array__") and (callable(x) or isinstance(x, Iterable))


def weights_sample(weights: Sequence[Any]) -> Array | None:
    """An empty array like the weights of a batch, which tells that there are some, or None."""
    return np.asarray(weights[0], np.float32)[:0] if weights else None


class _Source:
    """The batches of an epoch. The first of all is looked at before, and not drawn twice."""

    def __init__(self, source: Any, name: str) -> None:
        self._source, self._name = source, name
        self._once = isinstance(source, Iterator)
        self._begun: tuple[Any, Iterator[Any]] | None = None
        self._taken = False
        if not callable(source) and not isinstance(source, Iterable):
            raise DataError(
                f"{name!r} must be an iterable of batches, or a function that gives one, found "
                f"{type(source).__name__}"
            )

    def first(self) -> Any:
        batches = self._anew(0)
        try:
            found = next(batches)
        except StopIteration:
            raise DataError(f"{self._name!r} gives no batch") from None
        self._begun = found, batches
        return found

    def __call__(self, epoch: int) -> Iterator[Any]:
        begun, self._begun = self._begun, None
        if begun is not None and epoch == 0:
            self._taken = True
            yield begun[0]
            yield from begun[1]
            return
        if self._once and (self._taken or begun is None or epoch):
            raise DataError(
                f"{self._name!r} is a generator, which gives its batches once; for several epochs, "
                "or to go on, give a function that makes one: cnn.data.stream(lambda: ...)"
            )
        yield from self._anew(epoch)

    def _anew(self, epoch: int) -> Iterator[Any]:
        source = self._source
        if callable(source) and not isinstance(source, Iterable):
            source = source(epoch) if _takes_one(source) else source()
            if not isinstance(source, Iterable):
                raise DataError(
                    f"{self._name!r}: the function must give an iterable of batches, found "
                    f"{type(source).__name__}"
                )
        return iter(source)


def _takes_one(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)


def pair_of(
    given: Any, name: str, image: str | None = None, label: str | None = None
) -> tuple[Any, ...]:
    """(items, targets) or (items, targets, weights) of a batch or an item, as arrays."""
    if isinstance(given, Mapping):
        given = (
            given[_column(given, IMAGES if image is None else (image,), "images", name)],
            given[_column(given, LABELS if label is None else (label,), "labels", name)],
        )
    if not isinstance(given, tuple | list) or len(given) not in (2, 3):
        found = (
            f"{type(given).__name__} of {len(given)}"
            if isinstance(given, tuple | list)
            else (type(given).__name__)
        )
        raise DataError(
            f"{name!r} must give pairs (items, targets), or dicts with such columns, found {found}"
        )
    items, targets, *weights = given
    parts = each_of(items, np.asarray), as_numbers(each_of(targets, np.asarray)), *weights
    for array in (*arrays_of(parts[0]), *arrays_of(parts[1])):
        if array.dtype.kind not in "fiubV":
            raise DataError(f"{name!r} must give numbers, found {array.dtype.name}")
    return parts


def _column(given: Mapping[str, Any], names: Sequence[str], what: str, name: str) -> str:
    found = [key for key in names if key in given]
    if not found:
        raise DataError(
            f"{name!r} has no column of {what} ({', '.join(names)}); its columns are "
            f"{', '.join(map(str, given))}"
        )
    return found[0]
