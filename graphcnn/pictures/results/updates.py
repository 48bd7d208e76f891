"""What an optimiser does with one parameter: the diagram of its nodes, and its formula."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from graphcnn.ir.graph import Graph
from graphcnn.pictures.diagram import graph_picture
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.scene.fonts import elide
from graphcnn.pictures.scene.scene import Box, Rect, Text

_LINE: Final = 16.0
_SIZE: Final = 10.5
_MARGIN: Final = 14.0


def update_picture(graph: Graph, title: str, formula: Sequence[str] = ()) -> Picture:
    """The diagram of an update, a card for every operator, and lines of formula below it."""
    scene = graph_picture(graph, detail="ops", title=title).scene
    top = scene.height
    bottom = top + _LINE * len(formula) + _MARGIN * bool(formula)
    ground = Rect(Box(0, top, scene.width, bottom), "ground")
    lines = [
        Text(_MARGIN, top + _LINE * i, elide(line, _SIZE, scene.width - 2 * _MARGIN), _SIZE, "text")
        for i, line in enumerate(formula, start=1)
    ]
    footer = (*scene.footer, *formula)
    items = (*scene.items, ground, *lines)
    return Picture(replace(scene, height=bottom, items=items, footer=footer), graph)
