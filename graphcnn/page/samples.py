"""The images that a page offers."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from graphcnn.data.dataset import Dataset
from graphcnn.errors import DataError
from graphcnn.ir.node import Array
from graphcnn.network.network import Network
from graphcnn.page.memory import text_of


@dataclass(frozen=True)
class Samples:
    """Images as bytes, (n, C, H, W), what each is, and the same as the network is fed them."""

    levels: Array
    labels: tuple[str, ...]
    fed: Array | None = None

    def told(self) -> list[dict[str, str]]:
        return [
            {"label": label, "levels": text_of(x.tobytes())}
            for label, x in zip(self.labels, self.levels, strict=True)
        ]


def samples_of(
    model: Network, shape: tuple[int, ...], given: Any, labels: Any = None, most: int = 12
) -> Samples:
    """Images of uint8, or of floats in [0, 1], which become the nearest of 256 levels; of a data
    set the first of each class, then the second, until there are `most`.

    Raises `DataError` for other images, for labels of another number, and for `most` below 0.
    """
    if most < 0:
        raise DataError(f"most is the number of images, 0 or more; found {most}")
    if given is None:
        return Samples(np.empty((0, *shape), np.uint8), ())
    if isinstance(given, Dataset):
        places = _first_of_each(given.labels, len(given))[:most]
        given, labels = given.images[places], np.asarray(given.labels)[places]
    elif isinstance(given, tuple) and len(given) == 2 and labels is None:
        given, labels = given
    try:
        images = np.asarray(given)
        numbers = images.dtype.kind in "biuf"
    except ValueError:  # rows of unlike lengths
        numbers = False
    if not numbers:
        raise DataError(f"samples are an array of numbers, found {type(given).__name__}")
    if images.shape == shape:
        images = images[None]
    elif shape[0] == 1 and images.ndim == 3 and images.shape[1:] == shape[1:]:
        images = images[:, None]
    if images.ndim != 4 or images.shape[1:] != shape:
        wanted = ", ".join(map(str, shape))
        raise DataError(f"samples are images (n, {wanted}), found an array of shape {images.shape}")
    levels = _levels(images)
    return Samples(levels, _labels(model, labels, len(levels)), model.prepare(levels))


def _first_of_each(labels: Any, count: int) -> Array:
    """Numbers of items: the first of every class, the second of every class, and so on."""
    classes = np.asarray(labels)
    if classes.ndim != 1 or classes.dtype.kind not in "iu":
        return np.arange(count)
    order = np.argsort(classes, kind="stable")
    ranked = classes[order]
    begins = np.searchsorted(ranked, ranked)
    return order[np.lexsort((ranked, np.arange(count) - begins))]


def _levels(images: Array) -> Array:
    if images.dtype == np.uint8:
        return np.ascontiguousarray(images)
    floats = images.astype(np.float32)
    if not np.isfinite(floats).all() or floats.min(initial=0) < 0 or floats.max(initial=0) > 1:
        raise DataError("samples are of uint8, or of floats from 0 to 1, before normalisation")
    return np.rint(floats * 255).astype(np.uint8)


def _labels(model: Network, labels: Any, count: int) -> tuple[str, ...]:
    if labels is None:
        return ("",) * count
    found = list(labels)
    if len(found) != count:
        raise DataError(f"there are {count} samples and {len(found)} labels")
    return tuple(_label(model, each) for each in found)


def _label(model: Network, label: Any) -> str:
    if isinstance(label, str):
        return label
    whole = np.ndim(label) == 0 and np.asarray(label).dtype.kind in "biu"
    if whole and 0 <= int(label) < len(model.classes):
        return model.classes[int(label)]
    return str(label) if np.ndim(label) == 0 else ""
