"""Transforms one after another, for the batches of a data set."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from graphcnn.data.augment.affine import Affine, Warp
from graphcnn.data.augment.draw import Draw, repeats
from graphcnn.data.augment.kinds import one_hot, target_kinds
from graphcnn.data.augment.mix import Mixing
from graphcnn.data.augment.parts import Parts, four
from graphcnn.data.augment.transform import Moving, Subject, Transform
from graphcnn.data.given import arrays_of
from graphcnn.data.normalisation import Normalisation
from graphcnn.errors import DataError
from graphcnn.ir.node import Array

#: Transforms of one data set: each has a byte of the counter to itself.
MOST = 256


class Source(Protocol):
    """What is augmented: a data set."""

    @property
    def name(self) -> str: ...
    @property
    def images(self) -> Any: ...
    @property
    def labels(self) -> Any: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def normalisation(self) -> Normalisation | None: ...
    @property
    def ignored(self) -> tuple[int, ...]: ...
    @property
    def augmentation(self) -> "Augmentation | None": ...
    def __len__(self) -> int: ...
    def batch(self, indices: Any) -> tuple[Any, ...]: ...


@dataclass(frozen=True)
class Augmentation:
    """What happens to an image on its way to training, and to what belongs to it.

    Attributes:
        transforms: in their order.
        targets: what a user said of them, as `target_kinds` takes it.
        inputs: names of the inputs that are changed, of several; all of them alike.
    """

    transforms: tuple[Transform, ...]
    targets: str | tuple[tuple[str, str], ...] | None = None
    inputs: tuple[str, ...] = ()

    @cached_property
    def steps(self) -> tuple[tuple[int, Transform], ...]:
        """What is done, each with its place: neighbouring maps of the plane are one."""
        found: list[tuple[int, Transform]] = []
        for place, transform in enumerate(self.transforms):
            if isinstance(transform, Affine):
                last = found[-1][1] if found else None
                if isinstance(last, Warp) and last.joins(transform):
                    found[-1] = found[-1][0], last.with_part(transform)
                    continue
                transform = Warp((transform,))
            found.append((place, transform))
        return tuple(found)

    @property
    def mixes(self) -> bool:
        """Whether images are mixed, and their labels."""
        return any(isinstance(each, Mixing) for each in self.transforms)

    def check(self, data: Source) -> None:
        """Refuse with `DataError` what cannot be done to this data set."""
        if len(self.transforms) > MOST:
            raise DataError(f"at most {MOST} transforms, found {len(self.transforms)}")
        kinds = self.kinds(data)
        chosen = self._images(data)
        first = next(iter(chosen.values()))
        for key, array in chosen.items():
            if array.dtype != np.uint8 and array.dtype.kind != "f":
                raise DataError(f"input {key!r}: images are uint8 or floats, found {array.dtype}")
            if array.shape[-2:] != first.shape[-2:]:
                raise DataError(
                    f"inputs that change alike must be of one size, found {array.shape[-2:]} of "
                    f"{key} and {first.shape[-2:]} of {next(iter(chosen))}"
                )
            shape = array.shape[1:] if len(array.shape) == 4 else (1, *array.shape[1:])
            subject = Subject(
                shape,
                array.dtype,
                data.normalisation or Normalisation(),
                tuple(kinds.values()),
                data.ignored[0] if data.ignored else None,
            )
            for transform in self.transforms:
                try:
                    transform.check(subject)
                except DataError as error:
                    raise DataError(f"{transform}: {error}") from None
        if self.mixes:
            self._check_mixing(data, kinds)

    def kinds(self, data: Source) -> dict[str, str]:
        """What each target is, by its name: "label", "mask", "image" or "points"."""
        first = next(iter(self._images(data).values()))
        said = dict(self.targets) if isinstance(self.targets, tuple) else self.targets
        moves = any(isinstance(each, Moving) for each in self.transforms)
        return target_kinds(data.labels, said, tuple(first.shape[-2:]), moves)

    def target_sample(self, data: Source) -> Any:
        """No targets at all, of the type and shape that those of batches have."""
        kinds = self.kinds(data)
        named = data.labels if isinstance(data.labels, Mapping) else {"": data.labels}
        found = {key: self._target(array[:0], kinds[key], data) for key, array in named.items()}
        return found if isinstance(data.labels, Mapping) else found[""]

    def batches(
        self,
        data: Source,
        seed: int,
        epoch: int,
        size: int,
        order: Array | None = None,
        start: int = 0,
        drop_last: bool = False,
    ) -> Iterator[tuple[Any, ...]]:
        """The batches of an epoch, in an order of the images. Raises as `Dataset.batches`."""
        order = np.arange(len(data)) if order is None else order
        again = repeats(order)
        count = len(order) - (len(order) % size if drop_last else 0)
        for at in range(start * size, count, size):
            rows = slice(at, at + size)
            yield self.batch(data, Draw(seed, epoch, order[rows], again[rows]))

    def batch(self, data: Source, draw: Draw) -> tuple[Any, ...]:
        """The images that `draw` names, with their targets and weights, as training sees them."""
        return self._changed(data, draw, len(self.steps)).batch()

    def of_stream(
        self, data: Source, given: tuple[Any, ...], seed: int, epoch: int, first: int, count: int
    ) -> tuple[Any, ...]:
        """A batch of `count` images that came after `first` others of the epoch, as training sees
        it: their numbers are their indices."""
        rows = np.arange(first, first + count)
        draw = Draw(seed, epoch, rows, np.zeros(count, np.int64))
        return self._changed(data, draw, len(self.steps), given).batch()

    def _changed(
        self, data: Source, draw: Draw, steps: int, given: tuple[Any, ...] | None = None
    ) -> Parts:
        """The same after the first so many steps; `given` is what was read already."""
        given = data.batch(draw.index) if given is None else given
        kept = getattr(next(iter(arrays_of(given[0]))), "kept", None)
        if kept is not None:  # the others cannot be read, and are left out
            draw = draw.part(kept)
        parts = self._parts(data, given)
        for step, (place, transform) in enumerate(self.steps[:steps]):
            own = draw.at(place)
            if isinstance(transform, Mixing):
                others = draw.of_images(transform.partners(own, len(data)))
                partners = self._changed(data, others, step)
                if partners.count < parts.count:
                    raise DataError(
                        f"a picture of {data.name!r} that another is mixed with cannot be read: "
                        "take the files that the warning names out of the folder"
                    )
                parts = parts.mixed(transform, partners, own)
            else:
                parts = parts.changed(transform, own)
        return parts

    def _parts(self, data: Source, given: tuple[Any, ...]) -> Parts:
        items, targets, *weights = given
        kinds = self.kinds(data)
        named = targets if isinstance(targets, Mapping) else {"": targets}
        made = {key: self._target(array, kinds[key], data) for key, array in named.items()}
        images = {key: four(np.asarray(x)) for key, x in self._chosen(items).items()}
        outside = data.ignored[0] if data.ignored else 0
        return Parts(items, targets, images, made, kinds, weights[0] if weights else None, outside)

    def _target(self, array: Array, kind: str, data: Source) -> Array:
        plain = np.asarray(array)
        if kind == "label" and self.mixes and plain.dtype.kind in "iu":
            return np.asarray(one_hot(plain, len(data.classes)))
        return plain

    def _images(self, data: Source) -> dict[str, Any]:
        """The inputs that are changed. Raises `DataError` where they are no images."""
        if isinstance(data.images, Mapping):
            for key in self.inputs:
                if key not in data.images:
                    raise DataError(f"no input {key!r} among {', '.join(data.images)}")
        elif self.inputs:
            raise DataError(f"there is one input without a name, found inputs={self.inputs}")
        found = self._chosen(data.images)
        for key, array in found.items():
            if len(array.shape) not in (3, 4):
                which = f"input {key!r}: " if key else ""
                raise DataError(
                    f"{which}augmentations are of images (n, channels, height, width), or grey "
                    f"ones (n, height, width), found items of shape {tuple(array.shape)}"
                )
        return found

    def _chosen(self, items: Any) -> dict[str, Any]:
        if not isinstance(items, Mapping):
            return {"": items}
        return {key: items[key] for key in self.inputs or (next(iter(items)),)}

    def _check_mixing(self, data: Source, kinds: dict[str, str]) -> None:
        named = data.labels if isinstance(data.labels, Mapping) else {"": data.labels}
        for i, (key, array) in enumerate(named.items()):
            if kinds[key] != "label" or array.dtype.kind not in "iu":
                continue
            of = f"target {key!r}" if key else "the labels"
            if i or not data.classes or array.ndim != 1:
                raise DataError(
                    f"{of} cannot be mixed: class numbers (n,) of named classes become shares of "
                    f"classes, and floats are mixed as they are; found {array.dtype} {array.shape}"
                )
            if data.ignored and np.isin(array, data.ignored).any():
                raise DataError(f"{of} cannot be mixed where some are ignored: leave those out")
