"""Pictures that are read and decoded when they are wanted, by several threads in order."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from graphcnn.data.folders.image_files import WHITE, Colour, decode
from graphcnn.data.folders.members import Members, Name
from graphcnn.data.normalisation import Array
from graphcnn.data.prefetching import each, leave_out, reading
from graphcnn.data.rows import Rows
from graphcnn.errors import DataError


@dataclass
class LeftOut:
    """What could not be read, by the names of the files, each with its reason."""

    reasons: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, reason: str) -> None:
        if name not in self.reasons:
            self.reasons[name] = reason
            leave_out(name, reason)


@dataclass(frozen=True)
class Source:
    """Where encoded pictures come from, by number."""

    labels: Sequence[str]
    read: Callable[[int], bytes]
    digest: str


class Pictures(Rows):
    """Pictures (n, C, H, W) of uint8 in files, none of which is kept.

    Attributes:
        left_out: pictures that could not be read, where those are left out of their batches;
            without it, such a one is an error.
    """

    def __init__(
        self,
        source: Source,
        grey: bool,
        size: tuple[int, int] | None,
        background: Colour = WHITE,
        left_out: LeftOut | None = None,
    ) -> None:
        self._source, self._grey, self._size = source, grey, size
        self._background, self.left_out = background, left_out
        self._first = ""
        self.dtype = np.dtype(np.uint8)
        self.shape = (len(source.labels), 3 - 2 * grey, *(size or self._size_of_first()))

    @property
    def digest(self) -> str:  # type: ignore[override]
        about = self._source.digest, self._grey, self._size, self._background
        return hashlib.sha256(repr(about).encode()).hexdigest()

    def _size_of_first(self) -> tuple[int, int]:
        """Of the first picture that can be read, which all others must have."""
        for number, label in enumerate(self._source.labels):
            image = self._decoded(number)
            if not isinstance(image, str):
                self._first = label
                return (image.shape[1], image.shape[2])
            self._leave_out(number, image)
        raise DataError(f"none of {len(self._source.labels)} pictures can be read")

    def readable(self, wanted: Array) -> tuple[Array, Array | None]:
        joined: Array = np.empty((len(wanted), *self.shape[1:]), np.uint8)
        kept: list[int] = []
        for k, image in enumerate(each(self._one, [int(i) for i in wanted])):
            if isinstance(image, str):
                self._leave_out(int(wanted[k]), image)
            else:
                joined[len(kept)] = image
                kept.append(k)
        if not kept and len(wanted):
            label = self._source.labels[int(wanted[0])]
            raise DataError(f"none of the {len(wanted)} pictures of a batch can be read: {label}")
        return (joined, None) if len(kept) == len(wanted) else (joined[: len(kept)], np.array(kept))

    def _leave_out(self, number: int, reason: str) -> None:
        assert self.left_out is not None
        self.left_out.add(self._source.labels[number], reason)

    def _one(self, number: int) -> Array | str:
        image = self._decoded(number)
        if not isinstance(image, str) and image.shape != self.shape[1:]:
            label, (_, *wanted) = self._source.labels[number], self.shape[1:]
            raise DataError(
                f"{label} is {image.shape[1]}×{image.shape[2]}, but {self._first} is "
                f"{wanted[0]}×{wanted[1]}; size=(height, width) resizes all to one size (--size "
                "HxW on the command line)"
            )
        return image

    def _decoded(self, number: int) -> Array | str:
        """The picture, or the reason why it is left out."""
        label = self._source.labels[number]
        try:
            with reading(label):
                data = self._source.read(number)
                return decode(label, data, self._grey, self._size, self._background)
        except DataError as error:
            if self.left_out is None:
                raise
            return str(error).removeprefix(label).strip()


def files_source(files: Members, names: Sequence[Name]) -> Source:
    """The pictures of a folder or an archive. Their names and sizes stand for what they are."""
    about = repr([(name, files.size(name)) for name in names])
    return Source(
        [files.label(name) for name in names],
        lambda number: files.read(names[number]),
        hashlib.sha256(about.encode()).hexdigest(),
    )
