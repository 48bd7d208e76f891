"""The diagram of a page: the picture that `draw` makes; its cards say which map they stand for."""

from graphcnn.ir.graph import Graph
from graphcnn.page.shown import Shown
from graphcnn.pictures.content.content import content
from graphcnn.pictures.diagram import graph_picture
from graphcnn.pictures.writers.svg import attribute, to_svg


def drawn(graph: Graph, maps: list[Shown]) -> str:
    """SVG for a page; the card of a map has its name as `data-layer`."""
    detail = "layers"
    text = to_svg(graph_picture(graph, detail=detail, fold=False).scene, page=True)
    prefix = text.partition('data-prefix="')[2].partition('"')[0]
    names = {s.node.name: s.name for s in maps}
    for card in content(graph, detail).cards:
        layer = next((names[n.name] for n in card.nodes if n.name in names), None)
        if layer is not None:
            mark = f'id="{prefix}-{attribute(card.key)}"'
            text = text.replace(mark, f'{mark} data-layer="{attribute(layer)}"', 1)
    return text
