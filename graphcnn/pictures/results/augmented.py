"""Images of a data set as training sees them, epoch after epoch."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphcnn.data.augment.draw import Draw
from graphcnn.data.dataset import Dataset
from graphcnn.errors import DataError
from graphcnn.ir.node import Array
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.raster.sheet import sheet_picture
from graphcnn.pictures.raster.tiles import Tile

#: Half the side of the box around a point, in pixels of the image.
_REACH = 0.75


def augmented_picture(
    data: Dataset,
    items: int | Sequence[int] = 8,
    epochs: int = 4,
    *,
    seed: int = 0,
    title: str = "as training sees them",
    subtitle: str = "",
) -> Picture:
    """A row of images as they are stored, and below it the same in each of the first epochs.

    Mixed labels stand below their image, labels of pixels are laid over it, and points are boxes.

    Args:
        items: how many images, evenly spaced in the data set; or their indices.
        epochs: how many rows of them.
        seed: that of the training.

    Raises:
        DataError: data that are not augmented, no such item, or no epoch.
    """
    made = data.augmentation
    if made is None:
        raise DataError(f"{data.name!r} is not augmented: data.augmented(...) says how")
    rows = _rows(items, len(data))
    if epochs < 1:
        raise DataError(f"epochs must be at least 1, found {epochs}")
    kind = next(iter(made.kinds(data).values()))
    stored = _first(data.batch(rows)[0]), _first(data.batch(rows)[1])
    tiles = _tiles(data, stored, kind, stored[0], "as stored")
    for epoch in range(epochs):
        draw = Draw(seed, epoch, rows, np.zeros(len(rows), np.int64))
        images, targets, *_ = made.batch(data, draw)
        found = _first(images), _first(targets)
        tiles += _tiles(data, found, kind, stored[0], f"epoch {epoch + 1}")
    facts = [*map(repr, made.transforms), f"seed {seed}, items {', '.join(map(str, rows))}"]
    return sheet_picture(
        tiles,
        title,
        subtitle or data.name,
        facts,
        columns=len(rows),
        data={"items": rows.tolist(), "epochs": epochs, "seed": seed, "transforms": facts[:-1]},
    )


def _rows(items: int | Sequence[int], count: int) -> Array:
    if isinstance(items, int):
        if not 1 <= items <= count:
            raise DataError(f"items must be from 1 to {count}, found {items}")
        return np.linspace(0, count - 1, items).round().astype(np.int64)
    rows = np.asarray(items, np.int64)
    if rows.ndim != 1 or not len(rows) or rows.min() < 0 or rows.max() >= count:
        raise DataError(f"items must be indices from 0 to {count - 1}, found {items!r}")
    return rows


def _first(given: Any) -> Array:
    return np.asarray(next(iter(given.values())) if isinstance(given, Mapping) else given)


def _tiles(
    data: Dataset, found: tuple[Array, Array], kind: str, stored: Array, group: str
) -> list[Tile]:
    images, targets = found
    low, high = _range(stored)
    tiles = []
    for image, target in zip(images, targets, strict=True):
        shown = (image.astype(np.float64) - low) / (high - low)
        shown = shown if shown.ndim == 3 else shown[None]
        title, lines = _words(data, target)
        if kind == "mask":
            classes = max(1, len(data.classes) - 1)
            inside = np.where(np.isin(target, data.ignored), 0, target)
            tile = Tile(inside, "size", over=shown, most=classes, group=group)
        elif kind == "points":
            points = target.reshape(-1, 2) + 0.5  # centres of pixels, in cells of the array
            boxes = [(x - _REACH, y - _REACH, x + _REACH, y + _REACH) for x, y in points.tolist()]
            tile = Tile(shown, marks=tuple(boxes), group=group)
        else:
            tile = Tile(shown, title=title, lines=lines, group=group)
        tiles.append(tile)
    return tiles


def _range(stored: Array) -> tuple[float, float]:
    """What is drawn black, and what white."""
    if stored.dtype == np.uint8:
        return 0.0, 255.0
    low, high = float(min(stored.min(), 0)), float(max(stored.max(), 1))
    return low, high


def _words(data: Dataset, target: Array) -> tuple[str, tuple[str, ...]]:
    """The name of a class above an image, or of the classes of a mixed one, with their shares."""
    if not data.classes:
        return "", ()
    if target.ndim == 0 and target.dtype.kind in "iu" and 0 <= target < len(data.classes):
        return data.classes[int(target)], ()
    if target.shape != (len(data.classes),):
        return "", ()
    # A share that reads 0% is none.
    order = [int(k) for k in np.argsort(-target, kind="stable") if target[k] >= 0.005]
    if len(order) == 1:
        return data.classes[order[0]], ()
    lines = tuple(f"{data.classes[k]} {target[k]:.0%}" for k in order[:3])
    return lines[0], lines[1:]
