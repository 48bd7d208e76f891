"""Volume figures: tensors as bodies in a row, the way papers draw networks, to a stated scale."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from graphcnn.analysis import graph_parameters, node_windows
from graphcnn.cost import total_multiply_adds
from graphcnn.errors import GraphError
from graphcnn.graph import Graph
from graphcnn.language.arguments import choose
from graphcnn.pictures import legend as around
from graphcnn.pictures.arms import arms
from graphcnn.pictures.content import Card, Content, content
from graphcnn.pictures.fold import fold as folded
from graphcnn.pictures.fonts import elide, text_width
from graphcnn.pictures.layout import Edge, rows_of
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.rails import Step, bodies, rails
from graphcnn.pictures.scene import Box, Group, Item, Path, Rect, Scene, Text, arrow
from graphcnn.pictures.solids import RULES, SCALES, as_maps, measure, solid
from graphcnn.pictures.units import counted, joined, short
from graphcnn.tensor_type import N, Shape

STYLES: Final = ("box", "lenet", "bars", "unet")
#: Width at which a figure goes on in a new row.
PAGE: Final = 1250.0
_GAP: Final = 30.0
_RAIL: Final = 26.0
#: Width of a line about the operator.
_WORDS: Final = 112.0
_ARC: Final = 16.0

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
        rule = measure(self.shapes, scale)
        maps = [_values(card, paint) for card in self.cards]
        self.solids = [
            solid(card, "bars" if style == "unet" else style, rule, m)
            for card, m in zip(self.cards, maps, strict=True)
        ]
        self.painted = any(m is not None for m in maps)
        edges = [Edge(s.source, s.target, 0) for s in self.steps]
        self.rank = rows_of(len(self.cards), edges)
        self.rail = rails(self.rank, self.steps)
        self.times = {c.key: f.times for f in shown.frames for c in f.cards}
        self.labels = [self._label(card) for card in self.cards]
        self.label_height = 8.0 + 12 * max(map(len, self.labels))

    def _label(self, card: Card) -> list[tuple[str, float, bool]]:
        """Name, channels and size, operator: three or four lines below a body."""
        assert card.output is not None
        times = f" ×{self.times[card.key]}" if card.key in self.times else ""
        name = card.name.rsplit(".", 1)[-1] if card.name.count(".") > 1 else card.name
        what = "" if not card.nodes or not card.nodes[0].inputs else card.what
        parts = [what]
        if text_width(what, 8.5) > _WORDS:  # at the comma, in two lines
            head, comma, tail = what.partition(", ")
            parts = [head + comma.strip(), tail]
        return [
            (elide(name, 9.5, 110, bold=True) + times, 9.5, True),
            (_size(card.output.shape), 9.0, False),
            *((elide(part, 8.5, _WORDS), 8.5, False) for part in parts),
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
                  "the strongest channels are shown" if self.painted else ""))]  # fmt: skip
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
            y = top + _ARC * (1 + max((level for _, level in arcs), default=-1)) + 14
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
                y += high + self.label_height + _RAIL
                right = max(right, x - _GAP + 26)
            top = y
        below, above = self._lines(lines, members)
        return [*below, *groups], above, right, top

    def _wide(self, i: int) -> float:
        label = max(text_width(t, s, b) for t, s, b in self.labels[i]) * 1.06
        return max(self.solids[i].width, label)

    def _page(self, members: list[list[int]], widths: list[float]) -> list[list[int]]:
        """Ranks in rows of the page; a row ends only where all lines lead to the next rank."""
        total = sum(widths) + _GAP * (len(widths) - 1)
        count = max(1, round(total / PAGE + 0.3))
        limit = total / count * 1.08 if total > PAGE * 1.2 else total
        open_ranks = {
            r
            for s in self.steps
            if self.rank[s.target] - self.rank[s.source] > 1
            for r in range(self.rank[s.source], self.rank[s.target])
        }
        lines: list[list[int]] = [[]]
        used, last = 0.0, -1
        for r, width in enumerate(widths):
            if used + width > limit and last >= 0:
                moved = [k for k in lines[-1] if k > last]
                lines[-1] = [k for k in lines[-1] if k <= last]
                lines.append(moved)
                used, last = sum(widths[k] + _GAP for k in moved), -1
            lines[-1].append(r)
            used += width + _GAP
            if len(members[r]) == 1 and r not in open_ranks and r + 1 < len(widths):
                last = r
        return [line for line in lines if line]

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

    def _arcs(self, line: list[int]) -> list[tuple[Step, int]]:
        """The skips of a row with the level of their arc: nested ones lie below."""
        own = [s for s in self.steps if self._skips(s) and self.rank[s.source] in line]
        own.sort(key=lambda s: self.rank[s.target] - self.rank[s.source])
        taken: list[list[tuple[int, int]]] = []
        result = []
        for s in own:
            span = (self.rank[s.source], self.rank[s.target])
            free = [
                k for k, spans in enumerate(taken)
                if all(span[1] <= a or b <= span[0] for a, b in spans)
            ]  # fmt: skip
            level = free[0] if free else len(taken)
            if not free:
                taken.append([])
            for below in taken[: level + 1]:
                below.append(span)
            result.append((s, level))
        return result

    def _skips(self, step: Step) -> bool:
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
        arcs = {s: level for line in lines for s, level in self._arcs(line)}
        marks: dict[int, int] = {}
        for s in self.steps:
            a, b = self.solids[s.source], self.solids[s.target]
            links = (self.cards[s.source].key, self.cards[s.target].key)
            if self.line_of[s.source] != self.line_of[s.target]:
                number = marks.setdefault(s.source, len(marks) + 1)
                signs = (
                    *_mark(a.box.right + 6, _middle(a.box), number, True),
                    *_mark(b.box.left - 26, _middle(b.box), number, False),
                )
                below.append(Group(signs, "edge", links=links))
            elif s in arcs:
                below.append(Group(self._arc(s, arcs[s]), "edge", links=links))
            elif s.flat:
                below.append(Group(_converging(a.box, b.box), "edge", links=links))
            else:
                window = self._window(s)
                (above if window else below).append(
                    Group(window or self._arrow(s), "edge", links=links)
                )
        return below, above

    def _arc(self, step: Step, level: int) -> tuple[Item, ...]:
        a, b = self.solids[step.source].box, self.solids[step.target].box
        first, last = self.rank[step.source], self.rank[step.target]
        row = [self.solids[i].box for i in self.line_of if first <= self.rank[i] <= last]
        y = min(box.top for box in row) - 10 - _ARC * level
        x0, x1 = a.center + 3, b.center - 3
        start: tuple[tuple[Any, ...], ...] = (("M", x0, a.top),)
        end: tuple[tuple[Any, ...], ...] = (("L", x1, b.top - 5),)
        head = arrow(x1, b.top, 0, 1, "skip_head", 5)
        if self._covered(step.source):  # out beside the column, not through what stands above
            x0 = self.extent[first][1] + _GAP / 4
            start = (("M", a.right + 3, _middle(a)), ("L", x0, _middle(a)))
        if self._covered(step.target):
            x1, low = self.extent[last][0] - _GAP / 4, _middle(b)
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

    def _arrow(self, step: Step) -> tuple[Item, ...]:
        """Straight along the lower rail; from rail to rail between the columns of the bodies."""
        a, b = self.solids[step.source].box, self.solids[step.target].box
        x0, y0, x1, y1 = a.right + 3, _middle(a), b.left - 2, _middle(b)
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

    def _window(self, step: Step) -> tuple[Item, ...]:
        """The window on the source's face at its true relative size, and its rays."""
        card = self.cards[step.target]
        source, target = self.solids[step.source], self.solids[step.target]
        both = node_windows(card.nodes[0]) if card.nodes else None
        level = self.rail[step.source] == self.rail[step.target]
        if both is None or source.face is None or self.style == "bars" or not level:
            return ()
        (h, w), (down, across) = source.size, both
        high, wide = min(1.0, down.span / h), min(1.0, across.span / w)
        u, v = (1 - wide) * 0.55, (1 - high) * 0.62
        # Real maps are seen through the window.
        paint = "window" if source.painted else "kernel"
        patch = source.face.path(u, v, u + wide, v + high, paint)
        goal = (target.box.left, _middle(target.box))
        if target.face is not None and self.style == "lenet":
            goal = target.face.point(0.3, 0.5)
        corners = [source.face.point(u + wide, v), source.face.point(u + wide, v + high)]
        rays = [Path((("M", *c), ("L", *goal)), "ray") for c in corners]
        return (patch, *rays)


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
    sizes = [str(d) for d in shape if d is not N] or ["scalar"]
    return f"{sizes[0]} @ {'×'.join(sizes[1:])}" if len(sizes) == 3 else "×".join(sizes)


def _middle(box: Box) -> float:
    return (box.top + box.bottom) / 2


def _converging(a: Box, b: Box) -> tuple[Item, ...]:
    """From the whole body to the whole vector."""
    return tuple(
        Path((("M", a.right, y0), ("L", b.left, y1)), "leader")
        for y0, y1 in ((a.top, b.top), (a.bottom, b.bottom))
    )


def _mark(x: float, y: float, number: int, leaving: bool) -> tuple[Item, ...]:
    """A numbered sign where a row goes on in the next one."""
    circle = Box(x + 6 * leaving, y - 7, x + 14 + 6 * leaving, y + 7)
    line = (x, circle.left) if leaving else (circle.right, circle.right + 8)
    return (
        Path((("M", line[0], y), ("L", line[1], y)), "edge", 1.2),
        Rect(circle, "badge", 7),
        Text(circle.center, y + 3.2, str(number), 9, "badge_text", "middle", True),
    )
