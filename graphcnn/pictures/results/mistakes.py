"""The mistakes that a network is surest of, with their images."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphcnn.errors import DataError
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.raster.sheet import sheet_picture
from graphcnn.pictures.raster.tiles import Tile


def errors_picture(
    images: Any,
    true: Any,
    predicted: Any,
    probability: Any,
    classes: Sequence[str] = (),
    *,
    probability_true: Any = (),
    items: Any = (),
    title: str = "mistakes",
    subtitle: str = "",
    facts: Sequence[str] = (),
) -> Picture:
    """A tile for each mistake: its image, what it is, what it was taken for and how surely.

    Args:
        images: (n, C, H, W) with numbers in [0, 1], grey or in colours.
        true, predicted: class numbers, (n,) each.
        probability: of the class predicted.
        classes: names of the classes; numbers by default.
        probability_true: of the class that it is.
        items: the number of each image in its data set.

    Raises:
        DataError: no image, or numbers of them that differ.
    """
    shown = np.asarray(images)
    lists = {"true": true, "predicted": predicted, "probability": probability}
    lists |= {"probability_true": probability_true} if len(probability_true) else {}
    lists |= {"items": items} if len(items) else {}
    if shown.ndim != 4 or not len(shown):
        raise DataError(f"mistakes are shown as images (n, C, H, W), found shape {shown.shape}")
    for name, values in lists.items():
        if len(values) != len(shown):
            raise DataError(f"{len(shown)} images but {len(values)} numbers in {name!r}")

    def called(number: int) -> str:
        return str(classes[number]) if classes else str(number)

    tiles = []
    for i, image in enumerate(shown):
        is_, taken = called(int(true[i])), called(int(predicted[i]))
        lines = [f"{taken}: {probability[i]:.2%}"]
        if len(probability_true):
            lines.append(f"{is_}: {probability_true[i]:.2%}")
        if len(items):
            lines.append(f"item {int(items[i]):,}")
        tiles.append(Tile(image, title=f"{is_} as {taken}", lines=tuple(lines)))
    data = {
        name: [v.item() if isinstance(v, np.generic) else v for v in values]
        for name, values in lists.items()
    }
    return sheet_picture(tiles, title, subtitle, facts, data=data)
