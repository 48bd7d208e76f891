"""Data sets from arrays, and from the `.npz` files that hold them."""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graphcnn.class_names import check_count, numbered
from graphcnn.errors import DataError
from graphcnn.ir import Array
from graphcnn.normalisation import Normalisation, as_array
from graphcnn.runtime.data.dataset import Dataset

_IMAGES = ("x", "images", "x_train")
_LABELS = ("y", "labels", "y_train")


def arrays(
    x: Any,
    y: Any,
    *,
    classes: Sequence[str] | None = None,
    normalisation: Normalisation | None = None,
    name: str = "arrays",
) -> Dataset:
    """A data set of images x (n, C, H, W) or (n, H, W) and labels or targets y.

    Args:
        x: uint8 in 0..255, or floats in 0..1.
        y: class numbers of integers, (n,) or one per pixel (n, height, width), or numbers to
            predict (n, ...) of floats.
        classes: names of the classes; default "0", "1", ... up to the largest label. Those are
            no names: a model takes the labels as its own class numbers.

    Raises:
        DataError: what does not fit together, or a label so large that it is no class number.
    """
    labels = as_array(y, "labels")
    made_up = classes is None and labels.dtype.kind in "iu" and labels.size > 0
    if made_up:
        classes = numbered(labels, f"data set {name!r}")
    return Dataset(x, y, tuple(classes or ()), normalisation, name, made_up)


def npz(path: str | Path, *, test_fraction: float = 0.2, seed: int = 0) -> tuple[Dataset, Dataset]:
    """(train, test) from a file of NumPy arrays; pickled objects are never loaded.

    The arrays are named x and y, images and labels, or x_train and y_train. Those for testing are
    x_test and y_test; without them, `test_fraction` of the images is held out. An array of texts
    `classes` may name the classes.
    """
    path = Path(path).expanduser()
    found = _read(path)
    x, y = _pick(path, found, _IMAGES), _pick(path, found, _LABELS)
    names = found.get("classes")
    parts = {"train": (x, y)}
    if "x_test" in found or "y_test" in found:
        parts["test"] = _pick(path, found, ("x_test",)), _pick(path, found, ("y_test",))
    if names is not None:
        check_count(names.size, str(path))
    classes = None if names is None else tuple(map(str, names.reshape(-1)))
    made_up = classes is None and all(b.dtype.kind in "iu" and b.size for _, b in parts.values())
    if made_up:  # as many for both parts
        classes = max((numbered(b, f"{path}, {k}") for k, (_, b) in parts.items()), key=len)
    sets = {
        part: Dataset(a, b, classes or (), name=f"{path.name} {part}", numbered=made_up)
        for part, (a, b) in parts.items()
    }
    if "test" in sets:
        return sets["train"], sets["test"]
    return sets["train"].split(test_fraction, seed)


def _read(path: Path) -> dict[str, Array]:
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DataError(f"{path} holds one array (.npy); expected an .npz file of several")
            with archive:
                return {key: archive[key] for key in archive.files}
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"{path} is no .npz file of plain arrays (pickled objects are never loaded): {error}"
        ) from None


def _pick(path: Path, found: dict[str, Array], names: tuple[str, ...]) -> Array:
    for name in names:
        if name in found:
            return found[name]
    raise DataError(
        f"{path}: expected an array named {' or '.join(names)}, found {', '.join(found) or 'none'}"
    )
