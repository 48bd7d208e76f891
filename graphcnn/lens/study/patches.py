"""What a unit answers to a data set: its strongest patches, how often it answers, to what."""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from graphcnn.analysis.receptive_field import ReceptiveField
from graphcnn.ir.node import Array, Value
from graphcnn.lens.core import Core
from graphcnn.lens.study.field import seen_box, sizes
from graphcnn.lens.study.layers import finite
from graphcnn.lens.study.stream import piece_for, pieces

#: Patches that are kept.
TOP: Final = 9


@dataclass
class Answers:
    """Answers of one unit to the images of a data set.

    Attributes:
        maxima: the largest number of its map for each image, float32 (n,): the one that a
            percentile is of. A map is mostly quiet, and beside the numbers of all places every
            image that was made for the unit would be stronger than nearly all.
        items, values, places: of the strongest images, the strongest first; of equal ones the
            first of the data set.
        quiet: the share of all places that are 0.
        least: the smallest number of all.
    """

    maxima: Array
    items: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    values: Array = field(default_factory=lambda: np.zeros(0, np.float32))
    places: Array = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    quiet: float = 0.0
    least: float = float("inf")

    def percentile(self, value: float) -> float:
        """The share of images whose largest number is smaller."""
        return float(np.mean(self.maxima < value))


def answers(core: Core, layer: str, value: Value, unit: int, images: Array) -> Answers:
    """The answers of a unit, in one pass over the images, a piece at a time."""
    probe = core.probe(("layer", layer), lambda: ((core.image,), {"layer": value}))
    found = Answers(np.empty(len(images), np.float32))
    size, zeros, count = piece_for(value, core.image), 0, 0
    for part, fed in pieces(core, images, size):
        maps = probe(fed, piece=size)["layer"][:, unit]
        finite(maps, f"unit {unit} of {layer!r}")
        flat = maps.reshape(len(maps), -1)
        best = flat.argmax(1)
        largest = flat[np.arange(len(flat)), best]
        found.maxima[part] = largest
        zeros, count = zeros + int((flat == 0).sum()), count + flat.size
        found.least = min(found.least, float(flat.min()))
        wide = maps.shape[2] if maps.ndim == 3 else 1
        items = np.concatenate([found.items, np.arange(part.start, part.stop)])
        values = np.concatenate([found.values, largest])
        places = np.concatenate([found.places, np.stack(np.divmod(best, wide), 1)])
        order = np.lexsort((items, -values.astype(np.float64)))[:TOP]
        found.items, found.values, found.places = items[order], values[order], places[order]
    found.quiet = zeros / count
    return found


def patch_box(core: Core, seen: ReceptiveField, value: Value, place: Any) -> Array:
    """Top, left, bottom, right of what an element sees: a side that is larger than the image is
    that of the image, else it may reach beyond its border."""
    height, width = sizes(core.image)
    at = (int(place[0]), int(place[1])) if value.type.rank == 4 else (0, 0)
    top, left, bottom, right = seen_box(seen, at, (height, width), clip=False).tolist()
    if bottom - top >= height or value.type.rank == 2:
        top, bottom = 0, height
    if right - left >= width or value.type.rank == 2:
        left, right = 0, width
    return np.array([top, left, bottom, right])


def cropped(array: Array, box: Array, outside: float = 0.0) -> tuple[Array, bool]:
    """The part (C, h, w) of an array (C, H, W), filled with `outside` beyond its border; and
    whether some of it lies there."""
    top, left, bottom, right = (int(v) for v in box)
    height, width = array.shape[1:]
    part = np.full((len(array), bottom - top, right - left), outside, array.dtype)
    a, b = max(top, 0), min(bottom, height)
    c, d = max(left, 0), min(right, width)
    part[:, a - top : b - top, c - left : d - left] = array[:, a:b, c:d]
    return part, (a, c, b, d) != (top, left, bottom, right)
