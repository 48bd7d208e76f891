"""What layers give before a training begins: a histogram for each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from graphcnn.errors import DataError
from graphcnn.pictures.parts.charts import SIZE, histogram
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.raster.page import page_picture
from graphcnn.pictures.scene.fonts import elide
from graphcnn.pictures.scene.scene import Item, Text
from graphcnn.pictures.scene.units import counted

#: Histograms side by side, their height, how many classes each has, and how many there are.
_ACROSS, _TALL, _CLASSES, _MOST = 3, 74.0, 40, 24
_GUTTER: Final = 30.0


@dataclass(frozen=True, eq=False)
class Layer:
    """One histogram.

    Attributes:
        name: above it, and `words` below.
        values: numbers that the layer gives.
        marked: whether there is something to look at.
    """

    name: str
    words: str
    values: Any
    marked: bool = False


def signals_picture(layers: Sequence[Layer], *, title: str = "", subtitle: str = "") -> Picture:
    """A histogram of what each layer gives, in the order of the network.

    Each goes from the least to the largest of 99 % of its numbers. Of many layers the first and the
    last are drawn, evenly spaced.

    Raises:
        DataError: no layer.
    """
    if not layers:
        raise DataError("no layer to draw a histogram of")
    count = len(layers)
    places = range(count) if count <= _MOST else [i * (count - 1) // (_MOST - 1)
                                                  for i in range(_MOST)]  # fmt: skip
    shown = [layers[i] for i in places]
    facts = ["each from the least to the largest of 99 % of its numbers"]
    if len(shown) < count:
        facts.append(f"{len(shown)} of {count} layers are drawn")
    data = {"layers": [{"name": each.name, "words": each.words} for each in layers]}
    return page_picture(
        [lambda left, top, width: _grid(shown, left, top, width)],
        title or "what each layer gives",
        subtitle or counted(count, "layer"),
        [" · ".join(facts)],
        data=data,
    )


def _grid(
    layers: Sequence[Layer], left: float, top: float, width: float
) -> tuple[Sequence[Item], float]:
    wide = (width - _GUTTER * (_ACROSS - 1)) / _ACROSS
    items: list[Item] = []
    y = bottom = top
    for i, layer in enumerate(layers):
        x = left + i % _ACROSS * (wide + _GUTTER)
        if i % _ACROSS == 0:
            y = bottom
        drawn, end = _one(layer, x, y, wide)
        items += drawn
        bottom = max(bottom, end)
    return items, bottom


def _one(layer: Layer, left: float, top: float, width: float) -> tuple[Sequence[Item], float]:
    values = np.asarray(layer.values, np.float64)
    values = values[np.isfinite(values)]
    low, high = np.quantile(values, (0.005, 0.995)) if values.size else (0.0, 1.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    counts, _ = np.histogram(np.clip(values, low, high), _CLASSES, (low, high))
    name = elide(layer.name, 10.5, width, bold=True)
    words = elide(layer.words, SIZE, width)
    paint = "error_text" if layer.marked else "muted"
    chart, bottom = histogram(
        counts.tolist(), f"{low:.3g}", f"{high:.3g}", left, top + 16, width, _TALL,
        f"{layer.name}, {layer.words}",
    )  # fmt: skip
    return [
        Text(left, top + 10, name, 10.5, "text", bold=True),
        chart,
        Text(left, bottom, words, SIZE, paint),
    ], bottom + 16
