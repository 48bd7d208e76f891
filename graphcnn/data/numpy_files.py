"""Data sets from arrays, and from the `.npz` files that hold them."""

import os
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from graphcnn.base.regular_files import open_regular
from graphcnn.data.class_names import check_count, given_names, numbered
from graphcnn.data.dataset import Dataset
from graphcnn.data.mapped import mapped_member, mapped_npy
from graphcnn.data.normalisation import Normalisation, as_numbers
from graphcnn.data.parts import Parts
from graphcnn.errors import DataError
from graphcnn.ir.node import Array

#: Bytes of all arrays of a compressed file; more is refused before it fills the memory.
MAX_BYTES = 1 << 32

_VALIDATION = ("val", "valid", "validation")
_IMAGES = ("x", "images", "x_train")
_LABELS = ("y", "labels", "y_train")


def arrays(
    x: Any,
    y: Any,
    *,
    classes: Sequence[str] | None = None,
    normalisation: Normalisation | None = None,
    name: str = "arrays",
    ignore_index: int | Sequence[int] | None = None,
) -> Dataset:
    """A data set of items x and labels or targets y.

    Args:
        x: images (n, C, H, W) or (n, H, W), uint8 in 0..255 or floats in 0..1; or items of any
            rank: vectors (n, D), series (n, C, L), volumes (n, C, D, H, W). A dict of such arrays,
            by the names of its inputs, is for a network of several. The path of an `.npy` file is
            the array in it, which stays there: it is mapped, and read batch by batch.
        y: class numbers of integers, (n,) or one per pixel (n, height, width), or numbers to
            predict (n, ...) of floats; the path of an `.npy` file, too.
        classes: names of the classes; default "0", "1", ... up to the largest label. Those are
            no names: a model takes the labels as its own class numbers.
        ignore_index: a label that stands for no class, or several, for a loss that leaves it out
            (`cross_entropy(..., ignore_index=255)`).

    Raises:
        DataError: what does not fit together, or a label so large that it is no class number.
    """
    x, y = (mapped_npy(Path(a).expanduser()) if isinstance(a, str | Path) else a for a in (x, y))
    labels = as_numbers(y)
    several = () if ignore_index is None else np.atleast_1d(ignore_index)
    ignored = tuple(map(int, several))
    made_up = classes is None and labels.dtype.kind in "iu" and labels.size > 0
    if made_up:
        counted = labels[~np.isin(labels, ignored)] if ignored else labels
        classes = numbered(counted, f"data set {name!r}")
    return Dataset(x, y, given_names(classes), normalisation, name, made_up, ignored)


def npz(
    path: str | Path, *, test_fraction: float = 0.2, seed: int = 0, mmap: bool = False
) -> Parts:
    """(train, test) from a file of NumPy arrays; pickled objects are never loaded.

    The arrays are named x and y, images and labels, or x_train and y_train. Those for testing are
    x_test and y_test; without them, `test_fraction` of the images is held out. Those for validation
    are x_val and y_val (x_valid, x_validation), the attribute `validation` of the result. An array
    of texts `classes` may name the classes. Strings of labels, (n, length), are filled up with -1
    behind the labels of each item.

    `mmap`: leave the items in the file, which is mapped into memory and read batch by batch; they
    must not be compressed there. Only their shapes and types are looked at before.

    Raises:
        DataError: no such file or no regular one, arrays that are missing, do not fit together or
            unpack to more than `MAX_BYTES`, a label that is no class number; with `mmap`, items
            that are compressed.
    """
    path = Path(path).expanduser()
    found = _read(path, mmap)
    x, y = _pick(path, found, _IMAGES), _pick(path, found, _LABELS)
    names = found.get("classes")
    parts = {"train": (x, y)}
    if "x_test" in found or "y_test" in found:
        parts["test"] = _pick(path, found, ("x_test",)), _pick(path, found, ("y_test",))
    for word in _VALIDATION:
        if f"x_{word}" in found or f"y_{word}" in found:
            pair = _pick(path, found, (f"x_{word}",)), _pick(path, found, (f"y_{word}",))
            parts["validation"] = pair
    if names is not None:
        check_count(names.size, str(path))
    classes = None if names is None else tuple(map(str, names.reshape(-1)))
    made_up = classes is None and all(b.dtype.kind in "iu" and b.size for _, b in parts.values())
    if made_up:  # as many for both parts
        classes = max((numbered(b, f"{path}, {k}") for k, (_, b) in parts.items()), key=len)
    fill = (_FILL,) if any(_filled_up(b) for _, b in parts.values()) else ()
    sets = {
        part: Dataset(
            a, b, classes or (), name=f"{path.name} {part}", numbered=made_up, ignored=fill
        )
        for part, (a, b) in parts.items()
    }
    train, test = sets["train"], sets.get("test")
    if test is None:
        train, test = train.split(test_fraction, seed)
    return Parts(train, test, sets.get("validation"))


#: What stands behind the labels of a string that is shorter than the others.
_FILL = -1


def _filled_up(labels: Array) -> bool:
    """Whether these are strings of labels, (n, length), of which some are filled up."""
    if labels.ndim != 2 or labels.dtype.kind != "i":
        return False
    fill = labels == _FILL
    return bool(fill.any() and not (fill[:, :-1] & ~fill[:, 1:]).any())


#: How files that `numpy.load` reads without unpickling begin: .npy, .npz, and an empty .npz.
_SIGNATURES = (b"\x93NUMPY", b"PK\x03\x04", b"PK\x05\x06")


def _read(path: Path, mmap: bool) -> dict[str, Array]:
    try:
        with open_regular(path) as file:
            if not mmap:
                _check_size(path, file)
            known = file.read(6).startswith(_SIGNATURES)
            file.seek(0)
            if not known:
                raise DataError(f"{path} is no .npz file: it is neither a zip nor a NumPy file")
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DataError(f"{path} holds one array (.npy); expected an .npz file of several")
            with archive:
                items = (*_IMAGES, "x_test", *(f"x_{word}" for word in _VALIDATION))
                return {
                    key: mapped_member(path, key) if mmap and key in items else archive[key]
                    for key in archive.files
                }
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"{path} is no .npz file of plain arrays (pickled objects are never loaded): {error}"
        ) from None


def _check_size(path: Path, file: BinaryIO) -> None:
    """Refuse a small file of huge arrays; one that is as large as its arrays is no surprise."""
    size = os.fstat(file.fileno()).st_size
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            need = sum(member.file_size for member in archive.infolist())
        if need > max(MAX_BYTES, size):
            raise DataError(
                f"{path} holds {need} bytes of arrays in {size} bytes, limit {MAX_BYTES}; a file "
                "that is not compressed (numpy.savez) may be of any size"
            )
    file.seek(0)


def _pick(path: Path, found: dict[str, Array], names: tuple[str, ...]) -> Array:
    for name in names:
        if name in found:
            return found[name]
    raise DataError(
        f"{path}: expected an array named {' or '.join(names)}, found {', '.join(found) or 'none'}"
    )
