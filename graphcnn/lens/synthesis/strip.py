"""Pictures of images that were sought: the last ones, or a film strip of how they came about."""

from collections.abc import Container, Sequence

import numpy as np

from graphcnn.ir.node import Array
from graphcnn.lens.finding import Finding
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.raster.sheet import sheet_picture
from graphcnn.pictures.raster.tiles import Tile, number

#: Up to so many images are shown with their film strips.
STRIPS = 12


def film(
    finding: Finding,
    words: Sequence[str],
    steps: Sequence[int],
    lines: Array,
    crossed: Container[int] = (),
) -> Picture:
    """Images and how they came about, or the last ones alone where they are many.

    Args:
        finding: its `frames` (frames, n, C, H, W) are shown.
        words: what each image is, n of them.
        steps: the number of steps before each frame.
        lines: what stands below each frame, texts (frames, n).
        crossed: the images that are none.
    """
    frames, tiles = finding["frames"], []
    if len(words) > STRIPS:
        for i, word in enumerate(words):
            tile = Tile(frames[-1, i], title=word, lines=(lines[-1, i],), crossed=i in crossed)
            tiles.append(tile)
    else:
        for i, word in enumerate(words):
            for step, frame, line in zip(steps, frames, lines, strict=True):
                title = f"step {step}"
                tile = Tile(frame[i], "image", title, (line[i],), crossed=i in crossed, group=word)
                tiles.append(tile)
    data = {name: [*array.shape] for name, array in finding.arrays.items()}
    columns = None if len(words) > STRIPS else len(steps)
    return sheet_picture(
        tiles, finding.title, finding.facts["model"], (finding.caption,), columns=columns, data=data
    )


def score_lines(scores: Array) -> Array:
    """Scores as texts, of the same shape."""
    found: Array = np.vectorize(lambda s: f"score {number(s)}", otypes=[object])(scores)
    return found
