"""The memory of a plan: which bytes of the arena are taken from which step to which."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from graphcnn.analysis.phases import phases
from graphcnn.analysis.words import describe
from graphcnn.ir.node import Node, Value
from graphcnn.ir.plan import IN_ARENA, Buffer, BufferRole, Plan, is_alias, root
from graphcnn.pictures.parts import legend as around
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.scene.fonts import elide, text_width
from graphcnn.pictures.scene.scene import Box, Group, Item, Path, Rect, Scene, Text, arrow
from graphcnn.pictures.scene.units import counted, in_bytes, joined

#: Size of the chart. Steps are made narrower down to `_NARROW`; then the chart grows.
_HEIGHT: Final = 420.0
_WIDTH: Final = 1080.0
_NARROW, _BROAD = 3.0, 30.0
_LEFT, _TOP = 78.0, 70.0
_SMALL: Final = 8.5
#: Room below which nothing is written: names of a few letters and dots say nothing.
_READABLE: Final = 28.0
#: Paint and words by what a buffer is: the phase of the step that first writes it, or scratch.
_KINDS: Final = {
    "forward": ("conv", "result of a forward step"),
    "backward": ("backward", "gradient"),
    "update": ("update", "result of an update"),
    "scratch": ("state", "scratch of one step"),
}


#: What buffers of a role are called where they are counted.
_NAMES = {BufferRole.REDUCED: "shared sum"}


def plan_picture(plan: Plan, *, title: str | None = None) -> Picture:
    """The arena of a plan: a rectangle for each buffer.

    From left to right run the steps, from bottom to top the offsets in the arena. A rectangle
    reaches from the step that first writes the buffer to the last one that reads it. Results that
    were written over their input are parts of one rectangle, tied by dotted lines; values that are
    the same bytes under another shape are named together. Two rectangles never overlap.
    """
    return Picture(_Chart(plan).scene(title or f"{plan.graph.name}: memory plan"), plan.graph)


@dataclass
class _Life:
    """What a buffer of the arena holds: (step, value) in order, and the last step that reads it."""

    buffer: Buffer
    kind: str
    held: list[tuple[int, str]] = field(default_factory=list)
    last: int = 0

    @property
    def first(self) -> int:
        return self.held[0][0]

    @property
    def name(self) -> str:
        return " → ".join(name for _, name in self.held)


class _Chart:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.phase = phases(plan.graph)
        self.views: dict[Value, list[str]] = {}
        for node in plan.graph.nodes:
            if is_alias(node):
                self.views.setdefault(root(node.output), []).append(_name(node))
        self.lives = self._lives()
        ends = [life.last + 1 for life in self.lives]
        self.columns = max([len(plan.steps), 1, *ends])
        self.column = min(max(_WIDTH / self.columns, _NARROW), _BROAD)
        self.area = Box(_LEFT, _TOP, _LEFT + self.columns * self.column, _TOP + _HEIGHT)
        self.alive = [0] * self.columns
        for life in self.lives:
            for i in range(life.first, life.last + 1):
                self.alive[i] += -(-life.buffer.bytes // life.buffer.align) * life.buffer.align

    def _lives(self) -> list[_Life]:
        found: dict[Buffer, _Life] = {}

        def write(buffer: Buffer, step: int, name: str, kind: str) -> None:
            if buffer.role in IN_ARENA:
                life = found.setdefault(buffer, _Life(buffer, kind))
                life.held.append((step, name))
                life.last = max(life.last, step)

        for i, step in enumerate(self.plan.steps):
            for buffer in step.reads:
                if buffer in found:
                    found[buffer].last = i
            for value, buffer in zip(step.node.outputs, step.writes, strict=True):
                write(buffer, i, self._called(value), self.phase.get(step.node, "forward"))
            if step.scratch is not None:
                write(step.scratch, i, f"for {_name(step.node)}", "scratch")
        for copy in self.plan.copies:
            if copy.source in found:
                found[copy.source].last = len(self.plan.steps)
            write(copy.target, len(self.plan.steps), self._called(copy.value), "update")
        return list(found.values())

    def _called(self, value: Value) -> str:
        results = value.node.op.results
        part = f".{results[value.index]}" if 0 < value.index < len(results) else ""
        return " = ".join(dict.fromkeys([_name(value.node) + part, *self.views.get(value, ())]))

    # Places

    def _x(self, step: float) -> float:
        return self.area.left + step * self.column

    def _y(self, offset: float) -> float:
        return self.area.bottom - offset * _HEIGHT / max(self.plan.arena_bytes, 1)

    def _box(self, life: _Life) -> Box:
        low = life.buffer.offset or 0
        high = low + life.buffer.bytes
        return Box(self._x(life.first), self._y(high), self._x(life.last + 1), self._y(low))

    # Parts of the picture

    def scene(self, title: str) -> Scene:
        cards = [self._card(i, life) for i, life in enumerate(self.lives)]
        limits, right = self._limits()
        width = max(int(right + 14) + 1, 640)
        entries: list[around.Entry] = [
            (paint, "", 2.0, text)
            for kind, (paint, text) in _KINDS.items()
            if any(life.kind == kind for life in self.lives)
        ]
        if any(len(life.held) > 1 for life in self.lives):
            entries.append(around.line_entry("tie", "written over its input"))
        entries.append(around.line_entry("limit", "size of the arena"))
        entries.append(around.line_entry("bound", "lower bound: most bytes alive in one step"))
        key, bottom = around.legend(entries, width, self.area.bottom + 52)
        footer = self._footer()
        notes, bottom = around.notes(footer, width, bottom)
        subtitle = self._subtitle()
        items: tuple[Item, ...] = (
            Rect(Box(0, 0, width, bottom + 6), "ground"),
            *around.heading(title, subtitle, width),
            *self._axes(),
            *cards,
            *limits,
            key,
            *notes,
        )
        description = (
            f"Memory plan: {counted(len(cards), 'buffer')} in the arena, from left to right by "
            f"step, from bottom to top by offset. {subtitle}."
        )
        return Scene(width, bottom + 6, items, title, description, tuple(footer), self._data())

    def _card(self, number: int, life: _Life) -> Group:
        box, (paint, words) = self._box(life), _KINDS[life.kind]
        items: list[Item] = [Rect(box, paint)]
        ends = [step for step, _ in life.held[1:]] + [life.last + 1]
        for (step, name), end in zip(life.held, ends, strict=True):
            part = Box(self._x(step), box.top, self._x(end), box.bottom)
            if step != life.first:
                items.append(Path((("M", part.left, box.top), ("L", part.left, box.bottom)), "tie"))
            items += _written(name, life.buffer.bytes, part)
        steps = f"step {life.first}" + (f" to {life.last}" if life.last > life.first else "")
        place = f"{in_bytes(life.buffer.bytes)} at offset {life.buffer.offset:,}"
        label = f"{life.name}: {joined((words, place, steps))}"
        return Group(tuple(items), "card", f"b{number}", label, label, box)

    def _axes(self) -> Iterator[Item]:
        """Lines for offsets on the left, numbers of steps below, a strip of the steps' phases."""
        area, size = self.area, 1
        while size * 7 < self.plan.arena_bytes:
            size *= 2
        for offset in range(0, self.plan.arena_bytes + 1, size):
            y = self._y(offset)
            yield Path((("M", area.left - 4, y), ("L", area.right, y)), "leader")
            if y > area.top + 8 or not offset:
                yield Text(area.left - 8, y + 3, in_bytes(offset), _SMALL, "muted", "end")
        yield Text(14, area.top - 8, "offset", _SMALL, "muted")
        for i, step in enumerate(self.plan.steps):
            strip = Box(self._x(i), area.bottom + 5, self._x(i + 1), area.bottom + 13)
            paint, _ = _KINDS[self.phase.get(step.node, "forward")]
            title = f"step {i}: {joined((_name(step.node), describe(step.node)))}"
            yield Group((Rect(strip, paint),), key=f"s{i}", title=title, box=strip)
        each = next(n for n in _rounds() if n * self.column >= 30)
        for i in range(0, len(self.plan.steps), each):
            x = self._x(i + 0.5)
            yield Text(x, area.bottom + 25, str(i), _SMALL, "muted", "middle")
        yield Text(area.left - 8, area.bottom + 12, "step", _SMALL, "muted", "end")

    def _limits(self) -> tuple[list[Item], float]:
        """The lines of the arena's size and of the lower bound, the mark of the fullest step."""
        items: list[Item] = []
        right, below = self.area.right, 0.0
        for what, size, paint in (
            ("arena", self.plan.arena_bytes, "limit"),
            ("lower bound", self.plan.lower_bound, "bound"),
        ):
            y = self._y(size)
            items.append(Path((("M", self.area.left, y), ("L", self.area.right + 6, y)), paint))
            text, below = f"{what} {in_bytes(size)}", max(y + 3, below)
            items.append(Text(self.area.right + 10, below, text, 9, "text"))
            right, below = max(right, self.area.right + 10 + text_width(text, 9)), below + 13
        if self.lives:
            x = self._x(self.fullest + 0.5)
            items.append(arrow(x, self.area.top - 3, 0, 1, "head", 7))
            text = f"step {self.fullest}"
            at = min(x + 7, self.area.right - text_width(text, _SMALL))
            items.append(Text(at, self.area.top - 5, text, _SMALL, "muted"))
        return items, right

    @property
    def fullest(self) -> int:
        """The first step with the most bytes alive."""
        return self.alive.index(max(self.alive))

    def _subtitle(self) -> str:
        plan, most = self.plan, ""
        if self.fullest < len(plan.steps) and self.lives:
            most = f"most alive in step {self.fullest}, {_name(plan.steps[self.fullest].node)}"
        over = plan.arena_bytes / plan.lower_bound if plan.lower_bound else 1.0
        return joined((
            counted(len(plan.steps), "step"),
            f"arena {in_bytes(plan.arena_bytes)}, {over:.3f} × the lower bound",
            f"{in_bytes(plan.sum_bytes)} without reuse",
            most,
        ))  # fmt: skip

    def _footer(self) -> list[str]:
        outside = []
        for role in BufferRole:
            found = [b for b in self.plan.buffers if b.role is role and role not in IN_ARENA]
            if found:
                size = in_bytes(sum(b.bytes for b in found))
                outside.append(f"{counted(len(found), _NAMES.get(role, role.value))} {size}")
        tied = sum(len(life.held) - 1 for life in self.lives)
        over = sum(b.role is BufferRole.STATE for s in self.plan.steps for b in s.writes)
        return [
            joined((
                f"{counted(len(self.lives), 'buffer')} in the arena",
                f"{counted(tied, 'result')} written over an input" if tied else "",
                f"{counted(over, 'state')} updated in place" if over else "",
                counted(len(self.plan.copies), "copy").replace("copys", "copies")
                if self.plan.copies else "",
            )),
            joined(("outside the arena", *outside)) if outside else "",
        ]  # fmt: skip

    def _data(self) -> dict[str, object]:
        plan = self.plan
        return {
            "steps": [_name(step.node) for step in plan.steps],
            "arena_bytes": plan.arena_bytes,
            "sum_bytes": plan.sum_bytes,
            "lower_bound": plan.lower_bound,
            "alive": self.alive,
            "buffers": [
                {
                    "values": [name for _, name in life.held],
                    "kind": life.kind,
                    "offset": life.buffer.offset,
                    "bytes": life.buffer.bytes,
                    "first": life.first,
                    "last": life.last,
                }
                for life in self.lives
            ],
        }


def _name(node: Node) -> str:
    """`C1`, or for what was generated `max_pool2d_grad of S2`."""
    forward = node.origin.forward
    return node.name or f"{node.op.name}{f' of {forward}' if forward else ''}"


def _rounds() -> Iterator[int]:
    """1, 2, 5, 10, 20, 50 and so on."""
    power = 1
    while True:
        yield from (power, 2 * power, 5 * power)
        power *= 10


def _written(name: str, size: int, part: Box) -> Iterator[Text]:
    """Name and size in a part of a rectangle, as far as there is room for them."""
    room = part.width / 1.06 - 8
    if part.height < 12 or room < _READABLE:
        return
    lines = [elide(name, _SMALL, room)]
    if part.height >= 24 and text_width(in_bytes(size), _SMALL) <= room:
        lines.append(in_bytes(size))
    y = (part.top + part.bottom) / 2 + 3 - 5.5 * (len(lines) - 1)
    for i, line in enumerate(lines):
        yield Text(part.left + 4, y + 11 * i, line, _SMALL)
