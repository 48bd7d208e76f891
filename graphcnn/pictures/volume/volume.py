"""Volume figures: tensors as bodies in a row, the way papers draw networks, to a stated scale."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from graphcnn.analysis.cost import total_multiply_adds
from graphcnn.analysis.counts import graph_parameters, node_windows
from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ir.tensor_type import N, Shape, size_words
from graphcnn.language.arguments import choose
from graphcnn.pictures.content.content import Card, Content, content
from graphcnn.pictures.content.fold import fold as folded
from graphcnn.pictures.parts import legend as around
from graphcnn.pictures.parts.layout import Edge, rows_of
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.scene.fonts import at_commas, elide, text_width
from graphcnn.pictures.scene.scene import Box, Group, Item, Path, Rect, Scene, Text, arrow
from graphcnn.pictures.scene.units import counted, joined, short
from graphcnn.pictures.volume.bodies import BodyStep, Repeat, bodies, nested, rails, runs
from graphcnn.pictures.volume.connections import (
    above_mark,
    converging,
    mark,
    middle,
    ports,
    repeated,
    window,
)
from graphcnn.pictures.volume.solids import RULES, SCALES, TALL, as_maps, is_colored, measure, solid
from graphcnn.pictures.volume.u_shape import arms

STYLES: Final = ("box", "lenet", "bars", "unet")
#: Width at which a figure goes on in a new row.
PAGE: Final = 1250.0
_GAP: Final = 30.0
_RAIL: Final = 26.0
#: Width of a line about the operator.
_WORDS: Final = 112.0
_ARC: Final = 16.0
#: Largest map with real values in a U, whose bodies are all as wide as their maps.
_TALL_IN_U: Final = 76.0
#: Room for the title of a repeated run, and on both sides of it.
_TITLE, _ASIDE = 20.0, 9.0
#: A row that takes more than this share of all rows together is not worth breaking the others.
_MOST: Final = 0.7

Paint = Mapping[str, Any] | Callable[[str], Any]


def volume_picture(
    graph: Graph,
    *,
    style: str = "box",
    scale: str = "sqrt",
    paint: Paint | None = None,
    fold: bool = True,
    title: str | None = None,
) -> Picture:
    """The tensors of a network as bodies in a row.

    Args:
        style: "box" (oblique boxes), "lenet" (stacked maps), "bars" (flat, for many layers) or
            "unet" (bars on a level for each size of maps, copies straight across).
        scale: how sizes become lengths: "sqrt", "linear" or "log". The figure says which.
        paint: real values, drawn on the faces: a mapping or function from the name of a node to
            its array, of one item or of a batch (then the first is taken).
        fold: draw a repeated block once, with its count.
    """
    choose(dict.fromkeys(STYLES), style, "style")
    choose(SCALES, scale, "scale")
    shown = content(graph, "layers")
    shown = folded(shown) if fold else shown
    return Picture(_Figure(graph, shown, style, scale, paint).scene(title or graph.name), graph)


class _Figure:
    def __init__(
        self, graph: Graph, shown: Content, style: str, scale: str, paint: Paint | None
    ) -> None:
        self.graph, self.style, self.scale = graph, style, scale
        self.cards, self.steps = bodies(shown)
        if not self.cards:
            raise GraphError(f"graph {graph.name!r} has no tensors to draw as volumes")
        self.shapes: list[Shape] = [
            c.output.shape if c.output is not None else () for c in self.cards
        ]
        maps = [_values(card, paint) for card in self.cards]
        self.painted = any(m is not None for m in maps)
        self.colored = any(map(is_colored, self.cards, maps))
        tall = _TALL_IN_U if self.painted and style == "unet" else TALL
        rule = measure(self.shapes, scale, tall)
        self.solids = [
            solid(card, "bars" if style == "unet" else style, rule, m)
            for card, m in zip(self.cards, maps, strict=True)
        ]
        edges = [Edge(s.source, s.target, 0) for s in self.steps]
        self.rank = rows_of(len(self.cards), edges)
        self.rail = rails(self.rank, self.steps)
        self.times = {c.key: f.times for f in shown.frames for c in f.cards}
        self.runs = runs(shown, self.cards, self.rank) if style != "unet" else []
        self.labels = [self._label(i, card) for i, card in enumerate(self.cards)]
        self.label_height = 8.0 + 12 * max(map(len, self.labels))

    def _label(self, i: int, card: Card) -> list[tuple[str, float, bool]]:
        """Name, channels and size, operator: three or four lines below a body."""
        assert card.output is not None
        framed = any(i in run.bodies for run in self.runs)
        times = f" ×{self.times[card.key]}" if card.key in self.times and not framed else ""
        name = card.name.rsplit(".", 1)[-1] if card.name.count(".") > 1 else card.name
        told = card.what == card.name.rsplit(".", 1)[-1]
        what = "" if told or not card.nodes or not card.nodes[0].inputs else card.what
        return [
            (elide(name, 9.5, 110, bold=True) + times, 9.5, True),
            (_size(card.output.shape), 9.0, False),
            *((elide(part, 8.5, _WORDS), 8.5, False) for part in at_commas(what, 8.5, _WORDS)),
        ]

    def scene(self, title: str) -> Scene:
        if self.style == "unet":
            groups, area = arms(self.cards, self.solids, self.steps, self.times, 60)
            right, top = area.right, area.bottom + 22
            above: list[Group] = []
        else:
            groups, above, right, top = self._rows()
        width = max(int(right + 14), 520)
        facts = joined((
            f"{graph_parameters(self.graph).total:,} parameters",
            f"{short(total_multiply_adds(self.graph))} multiply-adds per item",
        ))  # fmt: skip
        entries = around.families(c.family for c in self.cards)
        windows = any(node_windows(c.nodes[0]) for c in self.cards if c.nodes)
        if windows and self.style in ("box", "lenet"):
            paint = "window" if self.painted else "kernel"
            entries.append((paint, "", 0, "window, to the scale of its map"))
        if any(g.items[0].paint == "skip" for g in groups if isinstance(g.items[0], Path)):
            entries.append(around.line_entry("skip", "passes layers"))
        key, bottom = around.legend(entries, width, top)
        rule = RULES[self.scale]
        footer = [joined((rule, counted(len(self.cards), "tensor"),
                  "maps: black is the smallest value of a layer, white the largest; "
                  "the strongest channels are shown" if self.painted else "",
                  "the image in its colours" if self.colored else ""))]  # fmt: skip
        notes, bottom = around.notes(footer, width, bottom)
        items: tuple[Item, ...] = (
            Rect(Box(0, 0, width, bottom + 6), "ground"),
            *around.heading(title, facts, width),
            *groups,
            *above,
            key,
            *notes,
        )
        data = {"tensors": [{"name": c.name, "shape": list(map(str, s))}
                            for c, s in zip(self.cards, self.shapes, strict=True)]}  # fmt: skip
        description = f"The tensors of {title} as {self.style} figures. {facts}."
        return Scene(width, bottom + 6, items, title, description, tuple(footer), data)

    def _rows(self) -> tuple[list[Group], list[Group], float, float]:
        """Bodies in rows: what is drawn, what lies on top of it, and where it ends."""
        ranks = max(self.rank) + 1
        members: list[list[int]] = [[] for _ in range(ranks)]
        for i, rank in enumerate(self.rank):
            members[rank].append(i)
        widths = [max(self._wide(i) for i in m) for m in members]
        lines = self._page(members, widths)
        groups: list[Group] = []
        frames: list[Group] = []
        ends: dict[Repeat, float] = {}
        top, right = 60.0, 0.0
        self.line_of: dict[int, int] = {}
        self.extent: dict[int, tuple[float, float]] = {}
        for number, line in enumerate(lines):
            arcs = self._arcs(line)
            inside = [i for r in line for i in members[r]]
            tracks = [
                [i for i in inside if self.rail[i] == k]
                for k in sorted({self.rail[i] for i in inside})
            ]
            own = [run for run in self.runs if run.first in line]
            levels = 1 + max((level for _, level, _ in arcs), default=-1)
            y = top + _TITLE * bool(own) + _ARC * max(levels, self._above(line)) + 14
            for rail in tracks:
                high = max(self.solids[i].height for i in rail)
                x = 14.0 + (26 if number else 0)
                for r in line:
                    for i in members[r]:
                        if i in rail:
                            groups.append(self._place(i, x, widths[r], y, high))
                            self.line_of[i] = number
                    self.extent[r] = (x, x + widths[r])
                    x += widths[r] + _GAP
                y += high + self.label_height
                for run in own:
                    if run.bodies.intersection(rail):
                        ends[run] = y
                y += _RAIL
                right = max(right, x - _GAP + 26)
            rise = 10 + _ARC * levels + _TITLE
            frames += [self._frame(run, rise, ends[run]) for run in own]
            top = y
        below, above = self._lines(lines, members)
        return [*frames, *below, *groups], above, right, top

    def _frame(self, run: Repeat, rise: float, bottom: float) -> Group:
        """Around the bodies, with `rise` pixels above the bodies that its arcs pass."""
        ranks = range(max(run.first - 1, 0), run.last + 1)
        top = min(self.solids[i].box.top for i in self.line_of if self.rank[i] in ranks) - rise
        left, right = self.extent[run.first][0] - _ASIDE, self.extent[run.last][1] + _ASIDE
        return repeated(Box(left, top, right, bottom + 2), run.title, run.times)

    def _wide(self, i: int) -> float:
        label = max(text_width(t, s, b) for t, s, b in self.labels[i]) * 1.06
        return max(self.solids[i].width, label)

    def _page(self, members: list[list[int]], widths: list[float]) -> list[list[int]]:
        """Ranks in rows of the page. A row ends where all lines lead to the next rank, or, where
        none does for long, where all come from one body."""
        total = sum(widths) + _GAP * (len(widths) - 1)
        count = max(1, round(total / PAGE + 0.3))
        limit = total / count * 1.08 if total > PAGE * 1.2 else total
        open_ranks = {
            r
            for s in self.steps
            if self.rank[s.target] - self.rank[s.source] > 1
            for r in range(self.rank[s.source], self.rank[s.target])
        }
        inner = {r for run in self.runs for r in range(run.first, run.last)}
        crossed = self._crossed() | inner
        open_ranks |= inner
        lines: list[list[int]] = [[]]
        used, last, spare = 0.0, -1, -1
        for r, width in enumerate(widths):
            if used + width > limit and max(last, spare) >= 0:
                last = last if last >= 0 else spare
                moved = [k for k in lines[-1] if k > last]
                lines[-1] = [k for k in lines[-1] if k <= last]
                lines.append(moved)
                used, last, spare = sum(widths[k] + _GAP for k in moved), -1, -1
            lines[-1].append(r)
            used += width + _GAP
            if len(members[r]) == 1 and r + 1 < len(widths):
                last = r if r not in open_ranks else last
                spare = r if r not in crossed else spare
        lines = [line for line in lines if line]
        longest = max(sum(widths[r] + _GAP for r in line) for line in lines)
        return lines if longest < _MOST * total else [[*range(len(widths))]]

    def _crossed(self) -> set[int]:
        """Ranks that a line passes: a row that ends there would cut it."""
        return {r for s in self.steps for r in range(self.rank[s.source] + 1, self.rank[s.target])}

    def _place(self, i: int, x: float, width: float, top: float, high: float) -> Group:
        one = self.solids[i]
        items = one.place(x + (width - one.width) / 2, top + (high - one.height) / 2)
        y = top + high + 14
        for text, size, bold in self.labels[i]:
            if text:
                paint = "text" if bold else "muted"
                items.append(Text(x + width / 2, y, text, size, paint, "middle", bold))
            y += 12
        card = self.cards[i]
        assert card.output is not None
        label = f"{card.name}: {card.what}, output {_size(card.output.shape)}"
        return Group(tuple(items), "card", card.key, label, card.location,
                     Box(x, one.box.top, x + width, top + high + self.label_height))  # fmt: skip

    def _arcs(self, line: list[int]) -> list[tuple[BodyStep, int, int]]:
        """The skips of a row with the level of their arc, nested ones below, and where it ends."""
        own: dict[int, list[BodyStep]] = {}  # those of one source share their arc
        for s in self.steps:
            if self._skips(s) and {self.rank[s.source], self.rank[s.target]} <= set(line):
                own.setdefault(s.source, []).append(s)
        spans = {
            source: (self.rank[source], max(self.rank[s.target] for s in group))
            for source, group in own.items()
        }
        level = nested(spans)
        return [(s, level[k], spans[k][1]) for k, group in own.items() for s in group]

    def _above(self, line: list[int]) -> bool:
        """Whether lines from other rows enter bodies of this one from above."""
        inside = set(line)
        return any(
            self.rank[s.target] in inside
            and self.rank[s.source] not in inside
            and self.rank[s.target] != line[0]
            for s in self.steps
        )

    def _skips(self, step: BodyStep) -> bool:
        """Whether a line passes bodies on its rail."""
        first, last = self.rank[step.source], self.rank[step.target]
        rail = max(self.rail[step.source], self.rail[step.target])
        return any(
            first < self.rank[i] < last and self.rail[i] == rail for i in range(len(self.cards))
        )

    def _lines(
        self, lines: list[list[int]], members: list[list[int]]
    ) -> tuple[list[Group], list[Group]]:
        """What lies below the bodies (arrows, arcs) and above them (windows and their rays)."""
        below: list[Group] = []
        above: list[Group] = []
        arcs = {s: (level, end) for line in lines for s, level, end in self._arcs(line)}
        ends = ports({s: level for s, (level, _) in arcs.items()}, self.solids)
        marks: dict[int, int] = {}
        fed = {s.target for s in self.steps if self.line_of[s.source] == self.line_of[s.target]}
        for s in self.steps:
            a, b = self.solids[s.source], self.solids[s.target]
            links = (self.cards[s.source].key, self.cards[s.target].key)
            if self.line_of[s.source] != self.line_of[s.target]:
                number = marks.setdefault(s.source, len(marks) + 1)
                frame = [run for run in self.runs if s.source in run.bodies]
                outer = self.extent[frame[0].last][1] + _ASIDE if frame else 0.0
                signs = mark(a.box.right + 6, middle(a.box), number, True, outer)
                if s.target in fed and not self._covered(s.target):
                    signs += above_mark(b.box, number)
                else:
                    signs += mark(b.box.left - 26, middle(b.box), number, False)
                below.append(Group(signs, "edge", links=links))
            elif s in arcs:
                below.append(Group(self._arc(s, *arcs[s], *ends[s]), "edge", links=links))
            elif s.flat and a.face is not None and self.rail[s.source] == self.rail[s.target]:
                below.append(Group(converging(a, b.box), "edge", links=links))
            else:
                level = self.rail[s.source] == self.rail[s.target]
                seen = window(a, b, self.cards[s.target], self.style) if level else ()
                (above if seen else below).append(
                    Group(seen or self._arrow(s), "edge", links=links)
                )
        return below, above

    def _arc(
        self, step: BodyStep, level: int, end_rank: int, x0: float, x1: float
    ) -> tuple[Item, ...]:
        """Over the bodies up to `end_rank`, from `x0` to `x1`."""
        a, b = self.solids[step.source].box, self.solids[step.target].box
        first, last = self.rank[step.source], self.rank[step.target]
        row = [self.solids[i].box for i in self.line_of if first <= self.rank[i] <= end_rank]
        y = min(box.top for box in row) - 10 - _ARC * level
        start: tuple[tuple[Any, ...], ...] = (("M", x0, a.top),)
        end: tuple[tuple[Any, ...], ...] = (("L", x1, b.top - 5),)
        head = arrow(x1, b.top, 0, 1, "skip_head", 5)
        if self._covered(step.source):  # out beside the column, not through what stands above
            x0 = self.extent[first][1] + _GAP / 4
            start = (("M", a.right + 3, middle(a)), ("L", x0, middle(a)))
        if self._covered(step.target):
            x1, low = self.extent[last][0] - _GAP / 4, middle(b)
            end = (("L", x1, low), ("L", b.left - 6, low))
            head = arrow(b.left - 2, low, 1, 0, "skip_head", 5)
        steps = (
            *start, ("L", x0, y + 6), ("C", x0, y, x0, y, x0 + 6, y),
            ("L", x1 - 6, y), ("C", x1, y, x1, y, x1, y + 6), *end,
        )  # fmt: skip
        return Path(steps, "skip", 1.4), head

    def _covered(self, i: int) -> bool:
        """Whether another body of the same rank stands above."""
        return any(
            self.rank[k] == self.rank[i] and self.rail[k] < self.rail[i]
            for k in range(len(self.cards))
        )

    def _arrow(self, step: BodyStep) -> tuple[Item, ...]:
        """Straight along the lower rail; from rail to rail between the columns of the bodies."""
        a, b = self.solids[step.source].box, self.solids[step.target].box
        x0, y0, x1, y1 = a.right + 3, middle(a), b.left - 2, middle(b)
        steps: tuple[tuple[Any, ...], ...] = (("M", x0, y0), ("L", x1 - 4, y1))
        if abs(y0 - y1) > 1:
            early = self.rail[step.target] > self.rail[step.source]
            right = self.extent[self.rank[step.source]][1]
            bend = right if early else self.extent[self.rank[step.target]][0] - _GAP
            half, round_ = bend + _GAP / 2, 7 if y1 > y0 else -7
            # One upright line for all that leave or enter together, its corners rounded.
            steps = (
                ("M", x0, y0), ("L", half - 7, y0), ("C", half, y0, half, y0, half, y0 + round_),
                ("L", half, y1 - round_), ("C", half, y1, half, y1, half + 7, y1),
                ("L", x1 - 4, y1),
            )  # fmt: skip
        return Path(steps, "edge", 1.2), arrow(x1, y1, 1, 0, "head", 5)


def _values(card: Card, paint: Paint | None) -> Any:
    """The real values of a card's output, if there are any."""
    if paint is None or card.output is None or not card.nodes:
        return None
    for name in (card.output.node.name, card.name):
        found = paint(name) if callable(paint) else paint.get(name)
        if found is not None:
            return as_maps(found, card.output.shape)
    return None


def _size(shape: Shape) -> str:
    sizes = size_words(tuple(d for d in shape if d != N)) or ["scalar"]
    return f"{sizes[0]} @ {'×'.join(sizes[1:])}" if len(sizes) == 3 else "×".join(sizes)
