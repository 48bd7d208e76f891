"""Data sets from folders of pictures, one folder per class, or with a table of labels."""

import weakref
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from graphcnn.data.class_names import check_count, listed, nearest, same_text
from graphcnn.data.dataset import Dataset
from graphcnn.data.folders.folder_structure import folders_of
from graphcnn.data.folders.image_files import background_colour, is_grey
from graphcnn.data.folders.label_tables import Table, table_of
from graphcnn.data.folders.members import Members, Name, members
from graphcnn.data.folders.pictures import LeftOut, Pictures, files_source
from graphcnn.data.normalisation import Normalisation
from graphcnn.data.parts import Parts
from graphcnn.data.prefetching import reading_threads
from graphcnn.errors import DataError
from graphcnn.ir.node import Array
from graphcnn.ir.philox import permutation
from graphcnn.language.arguments import IntOrPair, choose, pair

#: Bytes of all decoded pictures; a larger set is refused before it fills the memory.
MAX_DECODED = 1 << 32
#: Pictures that the normalisation is measured on, and that tell whether all are grey, where they
#: are not kept: so many, drawn by the seed, so that a large set is not read twice.
MEASURED = 2000
_MEASURE, _AT_ONCE = 0x4D454153, 256
_SKIPS = {"raise": False, "skip": True}


def image_folder(
    path: str | Path,
    *,
    size: IntOrPair | None = None,
    grey: bool | None = None,
    labels: str | Path | None = None,
    lazy: bool = False,
    on_error: str = "raise",
    background: Any = "white",
    normalisation: Normalisation | None = None,
    test_fraction: float = 0.2,
    seed: int = 0,
) -> Parts:
    """(train, test) from pictures in CLASS/, or in train/CLASS/, test/CLASS/ and val/CLASS/.

    Classes are the folder names in alphabetical order. A zip file is read in place, never
    unpacked. The normalisation is measured on the training images.

    A class folder has pictures in it. A folder that has class folders in it is a part of the set,
    and its name says which: train, test or val, in capitals or not, and the like (Training,
    test_set, validation, dev, eval). The pictures for validation are the attribute `validation` of
    the result; without a folder for testing they are the second part, and `validation` is None.
    Beside one for training, a folder of pictures without classes is left out, with a warning.

    Pictures are turned upright as their EXIF data say; 16 bits become 8, to the nearest level; of
    an animation the first frame is taken. Hidden files and those of systems are passed over.

    Args:
        path: a folder or a zip file.
        size: an int or (H, W) to resize every picture to; without it all must have one size.
        grey: one channel or three; default is one if every picture is grey.
        labels: a CSV file, in the folder or elsewhere, in place of class folders; see
            `graphcnn.data.folders.label_tables` for its columns.
        lazy: keep no picture in memory, and decode each when its batch is drawn. The normalisation
            is measured, and greyness is told, by `MEASURED` pictures for training that the seed
            chooses, or all where there are less.
        on_error: "raise" refuses a picture that cannot be read, with its name; "skip" leaves it
            out, warns, and tells it in the attribute `skipped` of the result. With `lazy` that is
            found out when its batch is drawn, which is then shorter by it.
        background: what is seen behind transparent pixels: "white", "black", a level, or
            (red, green, blue).
        normalisation: in place of the measured one, so that nothing is read in advance.
        test_fraction: the share to hold out where there is no folder for testing or validation.
        seed: decides which images are held out.

    Raises:
        DataError: no picture, a picture outside a class folder or a part, one that is damaged,
            mislabelled or of another size, a class that training has no picture of; the message
            names the file. A table with a fault (names the line), or that does not have every
            picture, or has others.
        MissingExtraError: Pillow is not installed.
    """
    path = Path(path).expanduser()
    hw = None if size is None else pair(size, "size")
    if hw is not None and min(hw) < 1:
        raise DataError(f"size must be (height, width) of at least 1, found {size!r}")
    left_out = LeftOut() if choose(_SKIPS, on_error, "on_error") else None
    colour = background_colour(background)
    with ExitStack() as opened:
        files = opened.enter_context(members(path))
        parts = _parts(files, labels)
        if grey is None:
            grey = _all_grey(files, parts, lazy, seed, left_out)
        source, hold_out = files_source(files, parts.names), (test_fraction, seed)
        with reading_threads():
            pictures = Pictures(source, grey, hw, colour, left_out)
            if lazy:
                weakref.finalize(source, opened.pop_all().close)
                found = parts.divided(path.name, hold_out, pictures)
                known = normalisation or measured(found.train, seed)
            else:
                found = parts.divided(path.name, hold_out, *_decoded(files, pictures))
                known = normalisation or Normalisation.of(found.train.images)
    name = path.name
    result = found.map(lambda part, kind: replace(part, normalisation=known, name=f"{name} {kind}"))
    if left_out is not None:
        result.skipped = left_out.reasons
    return result


class _Entry(NamedTuple):
    name: Name
    label: str


class _Listed(NamedTuple):
    """The pictures in their parts, one behind another, with what is known of them.

    `targets` are class numbers or other targets of them all.
    """

    names: list[Name]
    kinds: list[str]
    targets: Array
    classes: tuple[str, ...]

    def of_training(self) -> list[int]:
        return [i for i, kind in enumerate(self.kinds) if kind == "train"]

    def divided(
        self, name: str, hold_out: tuple[float, int], images: Any, kept: Array | None = None
    ) -> Parts:
        """The data set in its parts, or with some images held out (a fraction, and a seed).

        `kept`: which of the pictures the images are, unless all.
        """
        targets, kinds = self.targets, np.array(self.kinds)
        if kept is not None:
            targets, kinds = targets[kept], kinds[kept]
        gone = {*self.kinds} - {*kinds.tolist()}
        if gone:
            raise DataError(f"no picture for {' and '.join(sorted(gone))} can be read")
        whole = Dataset(images, targets, self.classes, name=name)
        if "test" not in self.kinds:
            return Parts(*whole.split(*hold_out))
        found = {}
        for kind in dict.fromkeys(self.kinds):
            places = np.flatnonzero(kinds == kind)
            together = places[-1] - places[0] == len(places) - 1
            found[kind] = whole[slice(places[0], places[-1] + 1) if together else places]
        return Parts(found["train"], found["test"], found.get("validation"))


def _parts(files: Members, labels: str | Path | None) -> _Listed:
    if labels is not None:
        table: Table = table_of(files, labels)
        return _Listed(table.names, table.kinds, table.targets, table.classes)
    places = folders_of(files)
    entries = {kind: _entries(files, *place) for kind, place in places.items()}
    classes = _classes(files, entries)
    number = {label: i for i, label in enumerate(classes)}
    every = [(kind, entry) for kind, part in entries.items() for entry in part]
    targets = np.array([number[entry.label] for _, entry in every], np.int64)
    names, kinds = [entry.name for _, entry in every], [kind for kind, _ in every]
    return _Listed(names, kinds, targets, classes)


def _all_grey(
    files: Members, parts: _Listed, lazy: bool, seed: int, left_out: LeftOut | None
) -> bool:
    """Whether the headers of all pictures, or of some where there are many, say grey."""
    names = parts.names
    if lazy:
        training = parts.of_training()
        names = [names[training[i]] for i in sample_of(len(training), seed)]
    for name in names:
        label = files.label(name)
        try:
            if not files.begun(name, lambda file, label=label: is_grey(label, file)):  # type: ignore[misc]
                return False
        except DataError:  # of one that is left out when it is decoded
            if left_out is None:
                raise
    return True


def sample_of(count: int, seed: int) -> Array:
    """Some of so many, in their order; all where they are few."""
    return np.sort(permutation(seed, 0, _MEASURE, count)[:MEASURED])


def measured(train: Dataset, seed: int) -> Normalisation:
    """The normalisation of some of the pictures, read a few at a time."""
    chosen = sample_of(len(train), seed)
    pieces = (chosen[at : at + _AT_ONCE] for at in range(0, len(chosen), _AT_ONCE))
    return Normalisation.of_pieces(train.images.readable(piece)[0] for piece in pieces)


def _classes(files: Members, entries: Mapping[str, list[_Entry]]) -> tuple[str, ...]:
    """The classes of the training pictures. Raises `DataError` if another part has more."""
    found = {kind: sorted({e.label for e in part}) for kind, part in entries.items()}
    known = found["train"]
    check_count(len(known), str(files.root))
    for kind, labels in found.items():
        strange = {*labels} - {*known}
        for entry in entries[kind] if strange else ():
            if entry.label in strange:
                raise DataError(
                    f"{files.label(entry.name)}: no picture for training has the class "
                    f"{entry.label!r}{nearest(entry.label, known)}; those for training have "
                    f"{listed(known)}; those for {kind} have {listed(labels)}"
                )
    return tuple(known)


def _entries(files: Members, below: Name, depth: int) -> list[_Entry]:
    chosen = [name for name in files.names if name[: len(below)] == below]
    for name in chosen:
        if len(name) < depth + 2:
            raise DataError(
                f"{files.label(name)} lies in no class folder; expected CLASS/{name[-1]}, "
                f"train/CLASS/{name[-1]} or test/CLASS/{name[-1]}"
            )
    return [_Entry(name, same_text(name[depth])) for name in chosen]


def _decoded(files: Members, pictures: Pictures) -> tuple[Array, Array | None]:
    """All pictures as one array (n, C, H, W), and which of them these are, unless all."""
    count, item = len(pictures), pictures.shape[1:]
    each = int(np.prod(item))
    if count * each > MAX_DECODED:
        raise DataError(
            f"{files.root}: {count} pictures × {each} bytes = {count * each} bytes, limit "
            f"{MAX_DECODED}; a smaller size=(height, width) makes them fit, and lazy=True keeps "
            "none in memory"
        )
    images, kept = np.empty((count, *item), np.uint8), []
    for at in range(0, count, _AT_ONCE):
        wanted = np.arange(at, min(at + _AT_ONCE, count))
        found, places = pictures.readable(wanted)
        kept.append(wanted if places is None else wanted[places])
        first = sum(map(len, kept[:-1]))
        images[first : first + len(found)] = found
    every = np.concatenate(kept)
    return (images, None) if len(every) == count else (images[: len(every)].copy(), every)
