"""The diagram of a graph: cards in rows, lines with shapes, skips in their lanes, frames."""

import math
from collections.abc import Mapping, Sequence
from typing import Final

from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Value
from graphcnn.language.arguments import choose
from graphcnn.pictures.content import totals
from graphcnn.pictures.content.coloring import Heat, coloring
from graphcnn.pictures.content.content import (
    COMFORTABLE,
    DETAILS,
    Card,
    Content,
    content,
    edge_text,
    value_bytes,
)
from graphcnn.pictures.content.fold import fold as folded
from graphcnn.pictures.parts import legend as around
from graphcnn.pictures.parts.cards import Sheet, sheet, stepped
from graphcnn.pictures.parts.engine import ENGINES, placed
from graphcnn.pictures.parts.flow import LABEL, Flow, flow, ports, route
from graphcnn.pictures.parts.frames import Band, bands, common_scope, draw_band, room
from graphcnn.pictures.parts.layout import ANYWHERE, Edge, Ends, Size, rows_of
from graphcnn.pictures.parts.loops import Drawn, lines_back, loop_sheet
from graphcnn.pictures.parts.shared_weights import ties
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.scene.fonts import elide, text_width
from graphcnn.pictures.scene.scene import Box, Group, Item, Rect, Scene, Text
from graphcnn.pictures.scene.scene import around as around_boxes
from graphcnn.pictures.scene.units import counted

_GAP: Final = 22.0
_LANE: Final = 8.0
_SMALL: Final = 9.5
_MARGIN: Final = 14.0
_TOP: Final = 62.0


def graph_picture(
    graph: Graph,
    *,
    detail: str = "auto",
    color: str = "op",
    fold: bool = True,
    unfold: Sequence[str] = (),
    direction: str = "TB",
    wrap: bool = True,
    engine: str = "built-in",
    times: Mapping[str, float] | None = None,
    title: str | None = None,
) -> Picture:
    """The diagram of a graph: a card for each layer, a line for each value.

    Args:
        detail: "blocks" (a card per scope), "layers" (normalisation and activation drawn into the
            layer before them), "ops" (a card per operator), "all" (parameters too); "auto" is
            layers, or blocks for more than 60 cards.
        color: "op" for the family of the operator; "params", "macs", "bytes", "field" (size of the
            receptive field) or "time" for a scale from little to much.
        fold: draw a block that is repeated in a row once, with its count.
        unfold: beginnings of names that are not folded, as "stage3".
        direction: "TB" from top to bottom, or "LR" from left to right.
        wrap: break a long network into columns of the page.
        engine: who finds the places of cards: "built-in", or "dot" for Graphviz, whose program
            `dot` or the extra "svg" it needs. Everything is drawn by the same code.
        times: seconds by node name, for `color="time"`.
        title: heading; by default the name of the graph.
    """
    if detail != "auto":
        choose(dict.fromkeys(DETAILS), detail, "detail")
    choose(dict.fromkeys(ENGINES), engine, "engine")
    if direction not in ("TB", "LR"):
        raise GraphError(f'direction must be "TB" or "LR", found {direction!r}')
    shown = _shown(graph, detail, unfold if fold else None)
    heat = coloring(list(shown.every_card()), color, times)
    drawing = _Drawing(graph, shown, heat, direction == "LR", wrap, engine)
    return Picture(drawing.scene(graph.name if title is None else title), graph)


def _shown(graph: Graph, detail: str, unfold: Sequence[str] | None) -> Content:
    """Cards at the level of detail, folded unless `unfold` is None."""

    def at(level: str) -> Content:
        found = content(graph, level)
        return found if unfold is None else folded(found, unfold)

    layers = at("layers" if detail == "auto" else detail)
    many = len(list(layers.every_card())) > COMFORTABLE
    return at("blocks") if detail == "auto" and many else layers


class _Drawing:
    def __init__(
        self,
        graph: Graph,
        shown: Content,
        heat: Heat | None,
        turned: bool,
        wrap: bool,
        engine: str,
        ends: Ends = ANYWHERE,
    ) -> None:
        self.graph, self.shown, self.heat, self.turned = graph, shown, heat, turned
        self.engine = engine
        bundles: dict[Value, int] = {}
        for link in shown.links:
            bundles.setdefault(link.value, len(bundles))
        self.texts = _texts(shown)
        self.edges = [Edge(k.source, k.target, bundles[k.value]) for k in shown.links]
        self.skips = False  # whether a line passes rows, here or in a loop
        self.bands = bands(shown, rows_of(len(shown.cards), self.edges, ends))
        self.sheets = self._sheets()
        sizes = [self._size(i) for i in range(len(self.sheets))]
        self.layout = placed(engine, sizes, self.edges, _GAP, _LANE, ends)
        self.skips |= any(len(way) > 2 for way in self.layout.ways)
        self.leaving: dict[int, list[list[int]]] = {}
        for way in self.layout.ways:
            self.leaving.setdefault(way[0], []).append(way)
        self.flow = self._flow(wrap)

    def _sheets(self) -> list[Sheet]:
        """The cards, their names without the scope that a frame around them says."""
        said: dict[int, str] = {}
        for band in self.bands:
            scope = common_scope(band.frame.cards)
            said.update({i: scope for i in band.cards if len(scope) > len(said.get(i, ""))})
        titles = [
            card.name[len(said[i]) :] if i in said else ""
            for i, card in enumerate(self.shown.cards)
        ]
        return [
            self._loop(card, title) if card.loop else sheet(card, title)
            for card, title in zip(self.shown.cards, titles, strict=True)
        ]

    def _loop(self, card: Card, title: str) -> Sheet:
        """The card of a loop, with its body drawn in one piece."""
        loop = card.loop
        assert loop is not None
        ends = Ends(loop.entries, loop.exits)
        body = _Drawing(self.graph, loop.inside, self.heat, self.turned, False, self.engine, ends)
        self.skips |= body.skips
        return loop_sheet(card, loop, body.drawn(0.0), title, self.turned)

    def _size(self, i: int) -> Size:
        one = self.sheets[i]
        if self.turned:
            return Size(one.height / 2, one.height / 2, one.width)
        label = max((text_width(t, _SMALL) for t in self.texts.get(i, ())), default=0)
        label = stepped(label * 1.06 + 12)
        return Size(one.width / 2, max(one.width / 2, label), one.height)

    def _flow(self, wrap: bool) -> Flow:
        layout, sheets = self.layout, self.sheets
        lanes = [(_LANE / 2, _LANE / 2)] * (len(layout.row) - layout.boxes)
        sizes = [self._size(i) for i in range(layout.boxes)]
        before, after, aside = room(self.bands, len(layout.order), self.turned)
        widest = max((text_width(t, _SMALL) for ts in self.texts.values() for t in ts), default=0)
        return flow(
            layout,
            [s.height for s in sizes],
            [(s.left, s.right) for s in sizes] + lanes,
            before=before,
            after=after,
            whole=[
                (b.first, b.last)
                for b in self.bands
                if b.frame.times > 1 or (not b.inner and b.last - b.first < 6)
            ],
            label=widest * 1.06 + 14 if self.turned else LABEL,
            turned=self.turned,
            wrap=wrap and len(sheets) > 6,
            start=_MARGIN + 6 if self.turned else _TOP,
            aside=aside,
        )

    def scene(self, title: str) -> Scene:
        drawn = self.drawn(_TOP if self.turned else _MARGIN)
        right, bottom = drawn.box.right + _MARGIN, drawn.box.bottom + _MARGIN
        subtitle = totals.subtitle(self.graph)
        wide = max(text_width(title, 15, True), text_width(subtitle, 10)) * 1.06 + 28
        width = math.ceil(max(right, min(wide, 720), 420))
        bottom += self.flow.tracks
        extra, bottom = self._below(width, bottom + 6, drawn.tied)
        footer = totals.footer(self.graph, self.shown)
        notes, bottom = around.notes(footer, width, bottom + 2)
        height = math.ceil(bottom + 6)
        items: tuple[Item, ...] = (
            Rect(Box(0, 0, width, height), "ground"),
            *around.heading(title, subtitle, width),
            *drawn.items,
            *extra,
            *notes,
        )
        description = (
            f"Diagram of {title}: {counted(len(self.sheets), 'card')}, "
            f"{counted(len(self.edges), 'line')}. {subtitle}."
        )
        return Scene(width, height, items, title, description, tuple(footer),
                     totals.data(self.graph, self.shown))  # fmt: skip

    def drawn(self, shift: float) -> Drawn:
        """Frames, lines, labels and cards, so far to the right, or down where it is turned."""
        self.flow.shift = [s + shift for s in self.flow.shift]
        self.flow.columns = [(a + shift, b + shift) for a, b in self.flow.columns]
        places = [self._place(i) for i in range(len(self.sheets))]
        sides = [(b.height if self.turned else b.width) / 2 - 8 for b in places]
        enter = ports(self.flow, self.layout.ways, sides)
        lines = self._lines(places, enter)
        labels = self._labels(places)
        held = {i: [box] for i, box in enumerate(places)}
        for i, group in zip(self.texts, labels, strict=True):
            held[i] += [group.box.grown(2)] if group.box else []
        arriving: dict[int, list[float]] = {}
        for way, x in zip(self.layout.ways, enter, strict=True):
            arriving.setdefault(self.layout.row[way[-1]], []).append(x)
        frames = [
            group
            for band in self.bands
            for group in draw_band(band, self.flow, self._reach(band, held), arriving)
        ]
        largest = self.heat.largest() if self.heat else set()
        cards = [
            one.draw(
                box.left,
                box.top,
                self.heat.paint(one.card) if self.heat and one.card in self.heat.values else None,
                outlined=one.card in largest,
            )
            for one, box in zip(self.sheets, places, strict=True)
        ]
        columns = [self.flow.column[self.layout.row[i]] for i in range(len(places))]
        shared = ties(self.sheets, places, columns)
        boxes = [g.box for g in (*frames, *labels, *cards) if g.box]
        # Lanes of lines may lie outside of all boxes.
        low, high = min(a for a, _ in self.flow.columns), max(b for _, b in self.flow.columns)
        if self.turned:
            end = max(self.flow.leave[:-1], default=0)
            hull = around_boxes([*boxes, Box(boxes[0].left, low, max(boxes[0].right, end), high)])
        else:
            hull = around_boxes([*boxes, Box(low, boxes[0].top, high, boxes[0].bottom)])
        items = (*frames, *lines, *shared, *labels, *cards)
        return Drawn(items, tuple(places), hull, bool(shared))

    def _place(self, i: int) -> Box:
        one = self.sheets[i]
        along = self.flow.top[self.layout.row[i]]
        return self.flow.box(self.flow.across(i), along, one.width, one.height)

    def _reach(self, band: Band, held: Mapping[int, list[Box]]) -> dict[int, list[Box]]:
        """Boxes of a band by the column of the page that they stand in."""
        found: dict[int, list[Box]] = {}
        inside = set(band.cards)
        for i in band.cards:
            found.setdefault(self.flow.column[self.layout.row[i]], []).extend(held[i])
        for way in (way for i in band.cards for way in self.leaving.get(i, ())):
            if way[-1] in inside:
                for lane in way[1:-1]:
                    row = self.layout.row[lane]
                    x = self.flow.across(lane)
                    top, bottom = self.flow.top[row], self.flow.bottom[row]
                    corner, other = self.flow.point(x - 3, top), self.flow.point(x + 3, bottom)
                    found.setdefault(self.flow.column[row], []).append(Box(*corner, *other))
        return found

    def _lines(self, places: list[Box], enter: list[float]) -> list[Group]:
        lines = []
        # Long lines lie below short ones, where they leave a card together.
        numbers = sorted(range(len(enter)), key=lambda k: -len(self.layout.ways[k]))
        for k in numbers:
            link, way = self.shown.links[k], self.layout.ways[k]
            paint = "skip" if len(way) > 2 else "edge"
            size = math.log2(max(value_bytes(link.value), 1))
            width = min(3.6, max(1.0, 0.9 + 0.16 * (size - 8)))
            box = places[link.source]
            begin = box.right if self.turned else box.bottom
            path = route(self.flow, way, begin, enter[k], paint, width)
            ends = (self.shown.cards[link.source].key, self.shown.cards[link.target].key)
            lines.append(Group(path, "edge", links=ends))
        return lines

    def _labels(self, places: list[Box]) -> list[Group]:
        labels = []
        for i, texts in self.texts.items():
            x, y = places[i].center + 5, places[i].bottom + 11.5
            if self.turned:
                x, y = places[i].right + 5, (places[i].top + places[i].bottom) / 2 - 4
            for text in texts:
                wide = text_width(text, _SMALL)
                labels.append(
                    Group(
                        (Text(x, y, text, _SMALL, "muted"),),
                        "label",
                        box=Box(x, y - 8, x + wide, y + 2),
                    )
                )
        return labels

    def _below(self, width: float, top: float, tied: bool) -> tuple[list[Group], float]:
        groups = []
        if self.heat:
            values = self.heat.values.values()
            group, top = around.scale(self.heat.what, 0, max(values, default=0), self.heat.write,
                                      width, top)  # fmt: skip
            groups.append(group)
        cards = list(self.shown.every_card())
        entries = around.families((f for c in cards for f, _ in c.extra), (c.family for c in cards))
        entries.append(around.line_entry("edge", "value, wider for more bytes"))
        if self.skips:
            entries.append(around.line_entry("skip", "skips layers"))
        if lines_back(cards):
            entries.append(around.line_entry("carry", "carried to the next step"))
        if tied:
            entries.append(around.line_entry("tie", "shared weights"))
        group, top = around.legend(entries, width, top)
        return [*groups, group], top


def _texts(shown: Content) -> dict[int, list[str]]:
    """The texts below each card: one per value that leaves it; equal ones once."""
    texts: dict[int, list[str]] = {}
    for link in shown.links:
        found = texts.setdefault(link.source, [])
        text = elide(edge_text(link.value), _SMALL, 150)
        if text not in found:
            found.append(text)
    # A card has room for one line; several different values are counted.
    return {
        i: found if len(found) == 1 else [f"{found[0]} + {len(found) - 1} more"]
        for i, found in texts.items()
    }
