"""Data sets from folders of pictures, one folder per class."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from graphcnn.data.class_names import check_count, listed, nearest, same_text
from graphcnn.data.dataset import Dataset
from graphcnn.data.folder_structure import folders_of
from graphcnn.data.image_files import decode, is_grey
from graphcnn.data.members import Members, Name, members
from graphcnn.data.normalisation import Normalisation
from graphcnn.data.parts import Parts
from graphcnn.errors import DataError
from graphcnn.ir.node import Array
from graphcnn.language.arguments import IntOrPair, pair

#: Bytes of all decoded pictures; a larger set is refused before it fills the memory.
MAX_DECODED = 1 << 32


def image_folder(
    path: str | Path,
    *,
    size: IntOrPair | None = None,
    grey: bool | None = None,
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

    Args:
        path: a folder or a zip file.
        size: an int or (H, W) to resize every picture to; without it all must have one size.
        grey: one channel or three; default is one if every picture is grey.
        test_fraction: the share to hold out where there is no folder for testing or validation.
        seed: decides which images are held out.

    Raises:
        DataError: no picture, a picture outside a class folder or a part, one that is damaged,
            mislabelled or of another size, a class that training has no picture of; the message
            names the file.
        MissingExtraError: Pillow is not installed.
    """
    path = Path(path).expanduser()
    hw = None if size is None else pair(size, "size")
    if hw is not None and min(hw) < 1:
        raise DataError(f"size must be (height, width) of at least 1, found {size!r}")
    with members(path) as files:
        parts = folders_of(files)
        entries = {kind: _entries(files, *place) for kind, place in parts.items()}
        classes = _classes(files, entries)
        names = [entry.name for part in entries.values() for entry in part]
        if grey is None:
            grey = all(is_grey(files.label(name), files.read(name)) for name in names)
        images = _decode(files, names, grey, hw)
    number = {label: i for i, label in enumerate(classes)}
    labels = np.array([number[e.label] for part in entries.values() for e in part], np.int64)
    whole = Dataset(images, labels, classes, name=path.name)
    return _named(_divided(whole, entries, test_fraction, seed), path.name)


class _Entry(NamedTuple):
    name: Name
    label: str


def _divided(
    whole: Dataset, entries: Mapping[str, list[_Entry]], fraction: float, seed: int
) -> Parts:
    """The data set in its parts, which lie one behind another, or with some images held out."""
    found, at = {}, 0
    for kind, part in entries.items():
        found[kind] = whole[at : at + len(part)]
        at += len(part)
    if "test" in found:
        return Parts(found["train"], found["test"], found.get("validation"))
    return Parts(*whole.split(fraction, seed))


def _named(parts: Parts, name: str) -> Parts:
    """Each part with its name, and the normalisation of the training images."""
    normalisation = Normalisation.of(parts.train.images)
    return parts.map(
        lambda part, kind: replace(part, normalisation=normalisation, name=f"{name} {kind}")
    )


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


def _decode(files: Members, names: list[Name], grey: bool, size: tuple[int, int] | None) -> Array:
    """All pictures as one array (n, C, H, W)."""
    first = decode(files.label(names[0]), files.read(names[0]), grey, size)
    need = len(names) * first.size
    if need > MAX_DECODED:
        raise DataError(
            f"{files.root}: {len(names)} pictures × {first.size} bytes = {need} bytes, limit "
            f"{MAX_DECODED}; a smaller size=(height, width) makes them fit"
        )
    images = np.empty((len(names), *first.shape), np.uint8)
    for i, name in enumerate(names):
        image = decode(files.label(name), files.read(name), grey, size)
        if image.shape != first.shape:
            raise DataError(
                f"{files.label(name)} is {image.shape[1]}×{image.shape[2]}, but "
                f"{files.label(names[0])} is {first.shape[1]}×{first.shape[2]}; "
                "size=(height, width) resizes all to one size (--size HxW on the command line)"
            )
        images[i] = image
    return images
