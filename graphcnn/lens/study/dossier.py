"""The page of a unit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from graphcnn.ir.node import Array, Value
from graphcnn.lens.finding import Finding
from graphcnn.lens.study.patches import TOP, Answers
from graphcnn.pictures.parts.charts import Bar, bars, histogram
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.raster.page import Part, beside, page_picture, single, titled
from graphcnn.pictures.raster.sheet import tile_part
from graphcnn.pictures.raster.tiles import Tile, number
from graphcnn.pictures.scene.units import joined

#: Columns of the histogram, and classes that have a bar.
_CLASSES_OF: Final = 48
_BARS: Final = 12
#: Of the width, what is on the left and what is on the right.
_SHARES: Final = (0.58, 0.42)


@dataclass(frozen=True, eq=False)
class Made:
    """An image that was made for the unit, or why there is none."""

    title: str
    image: Array | None
    lines: tuple[str, ...]
    largest: float | None


def dossier(
    found: Finding,
    answers: Answers,
    captions: Sequence[tuple[str, ...]],
    names: Sequence[str],
    made: Sequence[Made],
    image: Value,
) -> Picture:
    """All parts that there are numbers for."""
    arrays = found.arrays
    patches = [
        Tile(patch, title=f"{i + 1}", lines=lines)
        for i, (patch, lines) in enumerate(zip(arrays["patches"], captions, strict=True))
    ]
    maps = [
        Tile(arrays[key], "signed", title, lines)
        for key, title, lines in (
            ("gradient", "gradient", ("of the first patch",)),
            ("guided", "guided", ("of the first patch",)),
        )
        if key in arrays
    ]
    images = [
        Tile(one.image, title=f"made: {one.title}", lines=one.lines) if one.image is not None
        else Tile(np.full(image.shape[1:], 0.5), title=f"made: {one.title}",
                  lines=one.lines, crossed=True)
        for one in made
    ]  # fmt: skip
    owes = "made for it, and " * bool(images) + "what its first patch owes to each pixel"
    parts: list[Part] = [
        titled(
            "the strongest patches of the data, what it sees at its largest number",
            tile_part(patches, columns=TOP, prefix="patch"),
        ),
        beside(
            titled(owes, tile_part([*images, *maps], columns=4, prefix="map")),
            titled("the largest number in each image", _histogram(answers, made)),
            shares=_SHARES,
        ),
    ]
    last = []
    if "incoming" in arrays:
        last.append(titled("what it reads most", _incoming(arrays)))
    if names:
        means = _classes(arrays["class_means"], names)
        last.append(titled("mean of the largest numbers, by class", means))
    if last:
        parts.append(beside(*last, shares=_SHARES if len(last) == 2 else ()))
    facts = found.facts
    subtitle = joined(
        (f"it answers {facts['answers']}", f"most for {facts['most for']}" if names else "")
    )
    return page_picture(parts, found.title, subtitle, (found.caption,))


def _histogram(answers: Answers, made: Sequence[Made]) -> Part:
    """How many images reach how much, with the places of the image made and of the median."""
    low, high = float(answers.maxima.min()), float(answers.maxima.max())
    counts, _ = np.histogram(answers.maxima, _CLASSES_OF, (low, high))
    median = float(np.median(answers.maxima))
    marks = [((median - low) / (high - low), f"median {number(median)}")]
    for one in made:
        if one.largest is not None:
            share = (one.largest - low) / (high - low)
            beyond = " →" if share > 1 else ""
            marks.append((min(max(share, 0), 1), f"made: {number(one.largest)}{beyond}"))

    return single(
        lambda left, top, width: histogram(
            counts.tolist(), number(low), number(high), left, top + 4, width, 104,
            "images by the largest number of the unit", marks,
            f"{len(answers.maxima):,} images",
        )
    )  # fmt: skip


def _incoming(arrays: Any) -> Part:
    kernels, channels = arrays["incoming"], arrays["incoming_channels"]
    if kernels[0].size == 1:
        rows = [
            Bar(f"unit {c}", float(w), number(w))
            for c, w in zip(channels.tolist(), kernels[:, 0, 0], strict=True)
        ]
        return single(lambda x, y, width: bars(rows, x, y, width, "the largest weights"))
    most = float(np.abs(kernels).max())
    tiles = [
        Tile(kernel, "signed", f"channel {c}",
             (f"norm {number(np.sqrt(np.square(kernel, dtype=np.float64).sum()))}",), most)
        for c, kernel in zip(channels.tolist(), kernels, strict=True)
    ]  # fmt: skip
    return tile_part(tiles, columns=len(tiles), prefix="kernel")


def _classes(means: Array, names: Sequence[str]) -> Part:
    known = [k for k in range(len(names)) if not np.isnan(means[k])]
    if len(known) > _BARS:
        known = sorted(known, key=lambda k: (-means[k], k))[:_BARS]
    best = max(known, key=lambda k: (means[k], -k))
    rows = [
        Bar(names[k], float(means[k]), number(means[k]), "changed" if k == best else "conv")
        for k in known
    ]
    return single(lambda x, y, width: bars(rows, x, y, width, "mean by class"))
