"""Codes: the images of a data set where a layer puts them, alike beside alike."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from graphcnn.data.dataset import Dataset
from graphcnn.errors import LensError
from graphcnn.ir.node import Array
from graphcnn.lens.core import Core
from graphcnn.lens.finding import Finding
from graphcnn.lens.study.layers import finite, is_looked_at, looked_at, name_of
from graphcnn.lens.study.projection import neighbour_embedding, on_grid, principal_components
from graphcnn.lens.study.stream import class_names, evenly, images_of, labelled, piece_for, pieces
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.raster.colors import image_pixels
from graphcnn.pictures.raster.page import beside, page_picture, single, titled
from graphcnn.pictures.raster.tiles import percent
from graphcnn.pictures.scene.colors import SHARES
from graphcnn.pictures.scene.fonts import elide, text_width
from graphcnn.pictures.scene.pixels import write_png
from graphcnn.pictures.scene.scene import Box, Group, Image, Item, Rect, Text
from graphcnn.pictures.scene.units import joined

#: How the two numbers of each image are found.
METHODS: Final = {"pca": "principal components", "tsne": "t-SNE, exact, from the components"}
#: Sides of the squares of points, and the widest of those of the grid.
_POINT, _CELL = 9.0, 52.0


def codes(
    core: Core, data: Any, layer: str | None, method: str, most: int | None, perplexity: float
) -> Finding:
    """See `Study.codes`."""
    if method not in METHODS:
        raise LensError(f"method is one of {', '.join(METHODS)}, found {method!r}")
    layer = layer if layer is not None else before_scores(core)
    value = looked_at(core, layer)
    known = labelled(core, data) if isinstance(data, Dataset | tuple) else None
    images = known.first_items if known is not None else images_of(core, data)
    chosen = evenly(len(images), most)
    if len(chosen) < 4:
        raise LensError(f"codes needs at least 4 images, found {len(chosen)}")
    probe = core.probe(("layer", layer), lambda: ((core.image,), {"layer": value}))
    size = piece_for(value, core.image)
    parts = [probe(fed, piece=size)["layer"] for _, fed in pieces(core, images[chosen], size)]
    code = np.concatenate(parts).reshape(len(chosen), -1)
    finite(code, f"the layer {layer!r}")
    points, shares = principal_components(code, f"the layer {layer!r}")
    told = " and ".join(percent(share) for share in shares[:2]) + " of the variance"
    if method == "tsne":
        perplexity = min(float(perplexity), (len(chosen) - 1) / 3)
        points = neighbour_embedding(code, points, perplexity)
        told = f"perplexity {perplexity:g}"
    places, how = on_grid(points)
    arrays = {
        "points": points,
        "grid": places,
        "items": chosen,
        "codes": code,
        "variance": shares,
        "images": core.images(images[chosen])[0],
    }
    names: list[str] = []
    if known is not None:
        arrays["labels"] = known.labels[chosen]
        names = class_names(core, known, int(known.labels.max()) + 1)
    facts = {
        "layer": f"{layer}, {code.shape[1]:,} numbers of each image",
        "method": f"{METHODS[method]}, {told}",
        "grid": how,
        "data": f"{len(chosen):,} of {len(images):,} images"
        + (", evenly spaced" if len(chosen) < len(images) else ""),
        **core.settings(),
    }
    title = f"where {layer} puts the images"
    return Finding(title, arrays, facts, lambda found: _picture(found, names))


def before_scores(core: Core) -> str:
    """The layer that the scores are computed from."""
    value = core.scores.node.inputs[0]
    while not is_looked_at(value) or value.node.op.view:
        if not value.node.inputs:
            raise LensError(f"name the layer: the scores of {core.model.name} have none before")
        value = value.node.inputs[0]
    return name_of(core, value)


def _picture(found: Finding, names: Sequence[str]) -> Picture:
    labels = found.arrays.get("labels")
    letters = _letters(names)
    marks = [letters[k] if labels is not None and k >= 0 else "" for k in _of(found)]
    known = labels is not None
    paints = [f"share{k % SHARES}" if known and k >= 0 else "kept" for k in _of(found)]

    axes = titled("the two axes", single(
        lambda x, y, width: _scatter(found["points"], paints, marks, x, y, width)
    ))  # fmt: skip
    present = [k for k in sorted({*_of(found)}) if k >= 0]
    classes = titled("classes", single(
        lambda x, y, width: _legend(present, names, letters, x, y, width)
    ))  # fmt: skip
    grid = titled(
        "the same images on a grid",
        lambda x, y, width: _grid(found, paints, marks, x, y, width),
    )
    parts = [beside(axes, classes, shares=(0.6, 0.4)) if names else axes, grid]
    subtitle = joined((found.facts["method"], found.facts["data"]))
    return page_picture(parts, found.title, subtitle, (found.caption,))


def _of(found: Finding) -> list[int]:
    """The class of each image, 0 where none is known."""
    labels = found.arrays.get("labels")
    return [0] * len(found["points"]) if labels is None else [int(k) for k in labels]


def _letters(names: Sequence[str]) -> list[str]:
    """What stands on an image of each class: its first two letters, its number where two classes
    begin alike."""
    first = [name[:2] for name in names]
    return [a if first.count(a) == 1 else str(k) for k, a in enumerate(first)]


def _scatter(
    points: Array, paints: Sequence[str], marks: Sequence[str], left: float, top: float,
    width: float,
) -> tuple[Group, float]:  # fmt: skip
    """A square for each point, its letters in it."""
    height = width * 0.62
    span = np.ptp(points, 0)
    unit = (points - points.min(0)) / np.where(span > 0, span, 1)
    box = Box(left, top, left + width, top + height)
    items: list[Item] = [Rect(box, "tile")]
    for (x, y), paint, mark in zip(unit.tolist(), paints, marks, strict=True):
        a = left + 3 + x * (width - 6 - _POINT)
        b = top + 3 + (1 - y) * (height - 6 - _POINT)
        items.append(Rect(Box(a, b, a + _POINT, b + _POINT), paint, 2))
        if text_width(mark, 7) <= _POINT:
            items.append(Text(a + _POINT / 2, b + 7, mark, 7, "text", "middle"))
    label = f"{len(points)} images by two numbers"
    return Group(tuple(items), "card", "", label, "", box), top + height + 10


def _legend(
    classes: Sequence[int], names: Sequence[str], letters: Sequence[str], left: float, top: float,
    width: float,
) -> tuple[Group, float]:  # fmt: skip
    """The colour and the letters of each class, in columns."""
    items: list[Item] = []
    rows = 17
    each = width / -(-min(len(classes), 3 * rows) // rows)
    for i, k in enumerate(classes[: 3 * rows]):
        x, y = left + i // rows * each, top + i % rows * 17
        items.append(Rect(Box(x, y, x + 17, y + 13), f"share{k % SHARES}", 2))
        items.append(Text(x + 8.5, y + 9.8, letters[k], 8.5, "text", "middle"))
        items.append(Text(x + 23, y + 10, elide(names[k], 9.5, each - 28), 9.5, "muted"))
    label = "classes: " + ", ".join(names[k] for k in classes)
    return Group(tuple(items), "legend", "", label), top + 17 * min(len(classes), rows) + 6


def _grid(
    found: Finding, paints: Sequence[str], marks: Sequence[str], left: float, top: float,
    width: float,
) -> tuple[list[Item], float]:  # fmt: skip
    """Each image in its cell, framed in the colour of its class."""
    places, images = found["grid"], found["images"]
    rows, columns = (places.max(0) + 1).tolist()
    cell = min(width / columns, _CELL)
    groups: list[Item] = []
    for (row, column), image, paint, mark, item in zip(
        places.tolist(), images, paints, marks, found["items"].tolist(), strict=True
    ):
        box = Box(left + column * cell, top + row * cell, 0, 0)
        box = Box(box.left + 1, box.top + 1, box.left + cell - 1, box.top + cell - 1)
        pixels = image_pixels(image)
        high, wide = pixels.shape[:2]
        side = (box.width - 4) / max(high, wide)
        corner = box.center - side * wide / 2, (box.top + box.bottom) / 2 - side * high / 2
        png = write_png(np.ascontiguousarray(pixels))
        shapes: list[Item] = [
            Rect(box, paint, 2),
            Image(corner, (side * wide, 0), (0, side * high), png, wide, high),
        ]
        if mark and cell >= 18:
            size = min(8.0, cell / 4)
            across = text_width(mark, size, bold=True) + 3
            tag = Box(box.left, box.top, box.left + across, box.top + size + 2)
            shapes.append(Rect(tag, paint, 2))
            shapes.append(Text(tag.center, tag.top + size, mark, size, "text", "middle", bold=True))
        name = f"image {item}" + f", class {mark}" * bool(mark)
        groups.append(Group(tuple(shapes), "", f"item{item}", name, name, box))
    return groups, top + rows * cell + 8
