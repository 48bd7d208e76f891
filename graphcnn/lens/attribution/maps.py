"""Maps as findings: the facts of a map in order, and the tiles that show it over its image."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from graphcnn.ir.node import Array
from graphcnn.lens.attribution.subject import Subject, told
from graphcnn.lens.core import Core
from graphcnn.lens.finding import Finding
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.raster.sheet import sheet_picture
from graphcnn.pictures.raster.tiles import Tile, number

#: A box on a tile: left, top, right, bottom in pixels of the image.
Mark = tuple[float, float, float, float]

#: As many images are drawn; all are in the arrays.
_DRAWN = 6


def map_finding(
    lens: Core,
    subject: Subject,
    method: str,
    arrays: Mapping[str, Array],
    settings: Mapping[str, str],
    score: Array,
    more: Callable[[int], Sequence[Tile]] = lambda image: (),
    mark: Mark | None = None,
) -> Finding:
    """A finding of the first of `arrays`, maps (n, C, H, W) or (n, H, W) for the images.

    `more` tiles of an image stand behind its own; `mark` is a box that is outlined on it.
    """
    title = f"{method}: {subject.words}"
    facts = {
        "target": subject.words,
        "score": told([number(s) for s in score]) + (" before softmax" * (not subject.layer)),
        "layer": subject.targets[0].layer if subject.layer else "",
        "method": method,
        **settings,
        **lens.settings(),
    }
    kept = {key: fact for key, fact in facts.items() if fact}
    return Finding(title, arrays, kept, lambda found: _picture(lens, subject, found, more, mark))


def _picture(
    lens: Core,
    subject: Subject,
    found: Finding,
    more: Callable[[int], Sequence[Tile]],
    mark: Mark | None,
) -> Picture:
    looks, _ = lens.images(subject.shown)
    count = min(len(looks), _DRAWN)
    tiles: list[Tile] = []
    for i in range(count):
        own = tiles_of(looks[i], found.array[i], _name(found, i))
        if mark is not None:
            own[0] = replace(own[0], marks=(mark,))
        tiles += [*own, *more(i)]
    columns = len(tiles) // count
    notes = [found.caption]
    if found.array.ndim == 4 and found.array.shape[1] > 1:
        notes.append("shown of each pixel: the sum over its channels, and the largest size of them")
    if count < len(looks):
        notes.append(f"shown: the first {count} of {len(looks)} images")
    data = {"facts": dict(found.facts)}
    return sheet_picture(tiles, found.title, lens.model.name, notes, columns=columns, data=data)


def _name(found: Finding, image: int) -> str:
    return f"image {image}" if len(found.array) > 1 else "image"


def tiles_of(image: Array, values: Array, name: str = "image") -> list[Tile]:
    """An image, its map by sign, and the sizes of the map laid over the image."""
    sizes = _telling(widest(values))
    return [
        Tile(image, "image", name),
        map_tile(values, "for (red), against (blue)" if values.min() < 0 else "map"),
        Tile(sizes, "size", "over the image", (f"up to {number(sizes.max())}",), over=image),
    ]


def map_tile(values: Array, title: str, lines: tuple[str, ...] = ()) -> Tile:
    """A map by itself: around 0 where it has signs, else from 0 on, or from its smallest number
    where that is far from 0."""
    flat = flattened(values)
    span = f"{number(flat.min())} to {number(flat.max())}"
    if flat.min() < 0:
        return Tile(flat, "signed", title, (span, *lines))
    shown = _telling(flat)
    return Tile(shown, "size", title, (span + ", less the first" * (shown is not flat), *lines))


def _telling(sizes: Array) -> Array:
    """Sizes, less the smallest where it is so large that all would have nearly one colour."""
    low, high = sizes.min(), sizes.max()
    return sizes - low if low > 0.3 * high else sizes


def flattened(values: Array) -> Array:
    """A map (C, H, W) or (H, W) with one number for each pixel: the sum over the channels."""
    return values if values.ndim == 2 else values.sum(0)


def widest(values: Array) -> Array:
    """How large a map is at each pixel: the largest size over the channels."""
    found: Any = np.abs(values) if values.ndim == 2 else np.abs(values).max(0)
    return found  # type: ignore[no-any-return]


def enlarged(maps: Array, sizes: tuple[int, int]) -> Array:
    """Maps (..., h, w) in the size of an image, bilinear between the middles of their cells."""
    for axis, size in ((-2, sizes[0]), (-1, sizes[1])):
        low, high, share = _between(maps.shape[axis], size)
        if axis == -2:
            share = share[:, None]
        maps = np.take(maps, low, axis) * (1 - share) + np.take(maps, high, axis) * share
    return maps


@lru_cache(maxsize=64)
def _between(count: int, size: int) -> tuple[Array, Array, Array]:
    """The two of `count` cells that each of `size` places lies between, and its share of the
    second."""
    places = np.clip((np.arange(size) + 0.5) * (count / size) - 0.5, 0, count - 1)
    low = np.minimum(places.astype(np.intp), max(count - 2, 0))
    return low, np.minimum(low + 1, count - 1), places - low
