"""Images that a network drew: a sheet of them, and a film of how they came to look so."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from graphcnn.errors import DataError
from graphcnn.ir.node import Array
from graphcnn.pictures.parts.legend import heading, notes
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.raster.colors import image_pixels
from graphcnn.pictures.scene.pixels import write_png
from graphcnn.pictures.scene.scene import Box, Film, Group, Image, Item, Rect, Scene, Text

#: Of a sheet, and of a film, of which three frames stand side by side on a page.
_WIDTH, _NARROW = 640.0, 276.0
_MARGIN, _TOP = 14.0, 54.0
#: Of a cell of the sheet, in pixels of an image: what is left between two of them.
_BETWEEN: Final = 2
#: What is no image, what was given, and what is on its way.
_EMPTY: Final = 150
_KNOWN: Final = (94, 139, 205)
#: Of a film: a frame, and the last one.
_EACH, _LAST = 0.7, 4.0
#: Frames that are printed, at most.
_PRINTED = 6


def drawn_picture(
    images: Any,
    title: str,
    subtitle: str = "",
    facts: Sequence[str] = (),
    *,
    known: Any = None,
    columns: int | None = None,
    data: Mapping[str, Any] | None = None,
) -> Picture:
    """The images (n, C, H, W), numbers in [0, 1], in rows.

    Args:
        known: truths of that shape: numbers that were given. They are shown in blue.
        columns: how many stand in a row, by default as many as rows.
    """
    said = {"known": known, "columns": columns, "data": data}
    return drawn_film([images], [""], title, subtitle, facts, **said)


def drawn_film(
    frames: Sequence[Any],
    words: Sequence[str],
    title: str,
    subtitle: str = "",
    facts: Sequence[str] = (),
    *,
    known: Any = None,
    columns: int | None = None,
    data: Mapping[str, Any] | None = None,
) -> Picture:
    """Sheets of images one after the other: a film where there are several.

    Args:
        frames: images (n, C, H, W) each.
        words: what stands above each sheet.
    """
    sheets = [sheet_pixels(images, known, columns) for images in frames]
    if len({sheet.shape for sheet in sheets}) > 1:
        raise DataError("the frames of a film have images of one size and number")
    high, wide = sheets[0].shape[:2]
    whole = _WIDTH if len(sheets) == 1 else _NARROW
    width = whole - 2 * _MARGIN
    times = max(1, round(2 * width / wide))  # no writer blurs the pixels of small images
    top = _TOP + (18 if any(words) else 0)
    tall = width * high / wide
    stage = Box(_MARGIN, _TOP, whole - _MARGIN, top + tall)
    shown: list[Item] = []
    for i, (sheet, word) in enumerate(zip(sheets, words, strict=True)):
        large = np.ascontiguousarray(sheet.repeat(times, 0).repeat(times, 1))
        rows, across = large.shape[:2]
        png = write_png(large)
        items: list[Item] = [Image((_MARGIN, top), (width, 0), (0, tall), png, across, rows)]
        if word:
            items.insert(0, Text(_MARGIN, _TOP + 10, word, 12, "text", bold=True))
        seen = (i, i + 1) if len(sheets) > 1 else None
        label = f"{len(frames[i])} images{f', {word}' if word else ''}"
        shown.append(Group(tuple(items), "card", f"sheet{i}", label, label, stage, frames=seen))
    lines, bottom = notes(facts, whole, top + tall + 6)
    film = _film(len(sheets)) if len(sheets) > 1 else None
    body: list[Item] = [Group(tuple(shown), "stage", "stage", title, box=stage)] if film else shown
    ground = Rect(Box(0, 0, whole, bottom + 6), "ground")
    description = f"{title}: {subtitle}" if subtitle else title
    items = [ground, *heading(title, subtitle, whole), *body, *lines]
    scene = Scene(
        whole, bottom + 6, tuple(items), title, description, tuple(facts), data or {}, film
    )
    return Picture(scene)


def _film(count: int) -> Film:
    printed = np.unique(np.linspace(0, count - 1, min(count, _PRINTED)).round().astype(int))
    return Film((*[_EACH] * (count - 1), _LAST), tuple(int(i) for i in printed))


def sheet_pixels(images: Any, known: Any = None, columns: int | None = None) -> Array:
    """The images in rows as colours, uint8 (height, width, 3); places without an image are grey.

    Raises `DataError` for what are no images.
    """
    array = np.asarray(images)
    if array.ndim != 4 or not len(array):
        raise DataError(f"a sheet shows images (n, C, H, W), found {array.shape}")
    n, _, height, width = array.shape
    columns = min(n, columns or math.ceil(math.sqrt(n * height / width)))
    rows = -(-n // columns)
    down, across = height + _BETWEEN, width + _BETWEEN
    sheet = np.full((rows * down - _BETWEEN, columns * across - _BETWEEN, 3), _EMPTY, np.uint8)
    given = None if known is None else np.broadcast_to(np.asarray(known, bool), array.shape)
    for i, image in enumerate(array):
        pixels = image_pixels(image)
        pixels = pixels if pixels.ndim == 3 else pixels[..., None].repeat(3, 2)
        if given is not None:
            told = given[i].all(0)
            pixels = np.where(told[..., None], _tinted(pixels), pixels)
        y, x = i // columns * down, i % columns * across
        sheet[y : y + height, x : x + width] = pixels
    return sheet


def _tinted(pixels: Array) -> Array:
    """Black as dark blue and white as light blue: what was given can be told from what is drawn."""
    tint = np.array(_KNOWN, np.float64)
    return np.rint(pixels * 0.6 + tint * 0.4).astype(np.uint8)
