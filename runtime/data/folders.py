"""Data sets from folders of pictures, one folder per class."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from graphcnn.errors import DataError
from graphcnn.ir import Array
from graphcnn.language.arguments import IntOrPair, pair
from graphcnn.normalisation import Normalisation
from graphcnn.runtime.data.dataset import Dataset
from graphcnn.runtime.data.members import Members, Name, members
from graphcnn.runtime.data.pictures import FORMATS, decode, is_grey

#: Bytes of all decoded pictures; a larger set is refused before it fills the memory.
MAX_DECODED = 1 << 32

_TEST = ("test", "val", "valid", "validation")


def image_folder(
    path: str | Path,
    *,
    size: IntOrPair | None = None,
    grey: bool | None = None,
    test_fraction: float = 0.2,
    seed: int = 0,
) -> tuple[Dataset, Dataset]:
    """(train, test) from pictures in CLASS/ or in train/CLASS/ and test/CLASS/ (or val/).

    Classes are the folder names in alphabetical order. A zip file is read in place, never
    unpacked. The normalisation is measured on the training images.

    Args:
        path: a folder or a zip file.
        size: an int or (H, W) to resize every picture to; without it all must have one size.
        grey: one channel or three; default is one if every picture is grey.
        test_fraction: the share to hold out where there is no folder for testing.
        seed: decides which images are held out.

    Raises:
        DataError: no picture, a picture outside a class folder, one that is damaged, mislabelled
            or of another size; the message names the file.
        MissingExtraError: Pillow is not installed.
    """
    path = Path(path).expanduser()
    hw = None if size is None else pair(size, "size")
    if hw is not None and min(hw) < 1:
        raise DataError(f"size must be (height, width) of at least 1, found {size!r}")
    with members(path) as files:
        train, test = _parts(files)
        classes = sorted({entry.label for entry in train})
        for entry in test:
            if entry.label not in classes:
                raise DataError(
                    f"{files.label(entry.name)}: no picture for training has the class "
                    f"{entry.label!r}; those have {', '.join(classes)}"
                )
        names = [entry.name for entry in train + test]
        if grey is None:
            grey = all(is_grey(files.label(name), files.read(name)) for name in names)
        images = _decode(files, names, grey, hw)
    labels = np.array([classes.index(entry.label) for entry in train + test], np.int64)
    whole = Dataset(images, labels, tuple(classes), name=path.name)
    cut = len(train)
    parts = (whole[:cut], whole[cut:]) if test else whole.split(test_fraction, seed)
    normalisation = Normalisation.of(parts[0].images)
    first, second = (
        replace(part, normalisation=normalisation, name=f"{path.name} {kind}")
        for part, kind in zip(parts, ("train", "test"), strict=True)
    )
    return first, second


class _Entry(NamedTuple):
    name: Name
    label: str


def _parts(files: Members) -> tuple[list[_Entry], list[_Entry]]:
    """The pictures for training and those for testing, as the folders divide them."""
    if not files.names:
        archives = sorted(files.root.glob("*.zip")) if files.root.is_dir() else []
        hint = f"; it holds {archives[0].name}, which can be named itself" if archives else ""
        raise DataError(f"{files.root} holds no picture ({', '.join(FORMATS)}){hint}")
    depth = 0  # folders around the whole set, as archives often have one
    while _is_around(files.names, depth):
        depth += 1
    folders = {name[depth] for name in files.names if len(name) > depth + 1}
    held = next((part for part in _TEST if part in folders), "")
    if "train" not in folders:
        return _entries(files, (), depth), []
    outside = files.names[0][:depth]
    train = _entries(files, (*outside, "train"), depth + 1)
    return train, _entries(files, (*outside, held), depth + 1) if held else []


def _is_around(names: list[Name], depth: int) -> bool:
    """Whether at `depth` there is a single folder that holds nothing but folders."""
    single = len({name[depth] for name in names}) == 1
    return single and all(len(name) > depth + 2 for name in names)


def _entries(files: Members, below: Name, depth: int) -> list[_Entry]:
    chosen = [name for name in files.names if name[: len(below)] == below]
    for name in chosen:
        if len(name) < depth + 2:
            raise DataError(
                f"{files.label(name)} lies in no class folder; expected CLASS/{name[-1]}, "
                f"train/CLASS/{name[-1]} or test/CLASS/{name[-1]}"
            )
    return [_Entry(name, name[depth]) for name in chosen]


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
                "size=(height, width) resizes all to one size"
            )
        images[i] = image
    return images
