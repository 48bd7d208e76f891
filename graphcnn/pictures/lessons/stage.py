"""A worked figure from its panels: columns side by side, the sums below, the film around them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from graphcnn.errors import OutputError
from graphcnn.pictures.lessons.panel import SIZE, TITLE, Panel, runs
from graphcnn.pictures.lessons.wording import wrapped
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.scene.fonts import text_width
from graphcnn.pictures.scene.scene import Box, Film, Group, Item, Rect, Scene, Text

#: Frames of the longest film.
MOST: Final = 100
#: Seconds that a frame stays, of short films and of long ones; the last one stays longer.
SHORT: Final = 1.6
LONG: Final = 1.0
LAST: Final = 4.0
#: Of the text above and below the stage, and of the sums.
_NARROWEST: Final = 389.0
_SUMS: Final = 230.0
_LEFT: Final = 14.0
_GAP: Final = 12.0
#: Between two columns with a sign between them.
_SIGN: Final = 23.0
_LINE: Final = 14.0
#: Below the last line.
_FOOT: Final = 14.0


@dataclass(frozen=True)
class Step:
    """One frame in words.

    Attributes:
        name: what is computed.
        lines: how, as it is shown.
        label: the same with all that the panels show, for those who do not see them.
    """

    name: str
    lines: tuple[str, ...]
    label: str = ""


@dataclass(frozen=True)
class Column:
    """Panels below each other, and the sign between them and the next column."""

    panels: Sequence[Panel]
    sign: str = ""

    @property
    def width(self) -> float:
        return max(panel.width for panel in self.panels)


def check_count(steps: int) -> None:
    """Raise `OutputError` where a film would be too long to be looked at."""
    if steps > MOST:
        raise OutputError(
            f"this takes {steps} steps, and a film has at most {MOST}: choose a smaller size, a "
            "larger stride, or fewer of the output's places"
        )


def figure(
    title: str,
    definition: str,
    columns: Sequence[Column],
    steps: Sequence[Step],
    facts: Sequence[str],
    data: Mapping[str, Any],
    printed: Sequence[int],
) -> Picture:
    """The film of these steps.

    `definition` stands below the title and `facts` below the panels, broken to the width; `data`
    is what the JSON form holds; `printed` are the steps that a strip shows.
    """
    gaps = [_SIGN if c.sign else _GAP for c in columns[:-1]]
    stage_width = max(sum(c.width for c in columns) + sum(gaps), _SUMS)
    width = max(stage_width, _NARROWEST)
    heads = [Text(_LEFT, 24 + 19 * i, line, 15, "text", bold=True)
             for i, line in enumerate(wrapped(title, 15, width, bold=True))]  # fmt: skip
    top = heads[-1].y + 1
    for line in wrapped(definition, SIZE, width):
        top += _LINE - 1
        heads.append(Text(_LEFT, top, line, SIZE, "muted"))
    top += 14
    panels, bottom = _panels(columns, top)
    sums, bottom = _sums(steps, stage_width, bottom + 10)
    stage = Group((*panels, *sums), "stage", box=Box(_LEFT, top, _LEFT + stage_width, bottom))
    page = Box(0, 0, width + 2 * _LEFT, bottom + _FOOT)
    items: tuple[Item, ...] = (Rect(page, "ground"), *heads, stage)
    each = SHORT if len(steps) <= 12 else LONG
    film = Film((*[each] * (len(steps) - 1), LAST), tuple(printed))
    words = f"{definition} In {len(steps)} steps."
    scene = Scene(page.width, page.height, items, title, words, (), data, film)
    return annotated(Picture(scene), facts)


def annotated(picture: Picture, facts: Sequence[str]) -> Picture:
    """The picture with more lines below it."""
    scene, lines = picture.scene, list[Item]()
    y = scene.height - _FOOT + 2
    for fact in facts:
        for line in wrapped(fact, SIZE, scene.width - 2 * _LEFT):
            y += _LINE - 1
            lines.append(Text(_LEFT, y, line, SIZE, "muted"))
    high = y - 2 + _FOOT
    ground = Rect(Box(0, 0, scene.width, high), "ground")
    items = (ground, *scene.items[1:], *lines)
    footer = (*scene.footer, *facts)
    return replace(picture, scene=replace(scene, height=high, items=items, footer=footer))


def _panels(columns: Sequence[Column], top: float) -> tuple[list[Item], float]:
    """Columns with the same number of panels have them in common rows; others are centred."""
    count = max(len(c.panels) for c in columns)
    full = [c for c in columns if len(c.panels) == count]
    heights = [max(c.panels[i].height for c in full) for i in range(count)]
    total = max(
        sum(heights) + _GAP * (count - 1),
        *(sum(p.height for p in c.panels) + _GAP * (len(c.panels) - 1) for c in columns),
    )
    items: list[Item] = []
    x = _LEFT
    for place, column in enumerate(columns):
        rows: list[float] = []
        own = heights if column in full else [p.height for p in column.panels]
        y = top + (total - sum(own) - _GAP * (len(own) - 1)) / 2
        for panel, high in zip(column.panels, own, strict=True):
            items += panel.items(x, y + (high - panel.height) / 2)
            rows.append(y + (high + TITLE) / 2 + 5)
            y += high + _GAP
        sign = Text(x + column.width + _SIGN / 2, 0, column.sign, 14, "text", "middle")
        after = columns[place + 1].panels if place + 1 < len(columns) else ()
        if column.sign and len(after) == len(column.panels):
            for row, panel in zip(rows, after, strict=True):
                items += _while_filled(replace(sign, y=row), panel)
        elif column.sign:
            items.append(replace(sign, y=top + (total + TITLE) / 2 + 5))
        x += column.width + (_SIGN if column.sign else _GAP)
    return items, top + total


def _while_filled(sign: Text, panel: Panel) -> list[Item]:
    """A sign before a panel, in the frames in which the panel shows anything."""
    filled = [bool(frame.astype(bool).any()) for frame in panel.paints]
    if all(filled):
        return [sign]
    return [Group((sign,), frames=frames) for frames, shown in runs(filled) if shown]


def _sums(steps: Sequence[Step], width: float, top: float) -> tuple[list[Item], float]:
    """What each frame computes, in lines below the panels."""
    count, items, bottom = len(steps), list[Item](), top
    for i, step in enumerate(steps):
        head = f"{i + 1} of {count}"
        y = top + 10
        lines: list[Item] = [
            Text(_LEFT, y, head, SIZE, "muted"),
            Text(_LEFT + text_width(head, SIZE) + 10, y, step.name, SIZE, "text", bold=True),
        ]
        for line in step.lines:
            for part in wrapped(line, SIZE, width):
                y += _LINE
                lines.append(Text(_LEFT, y, part, SIZE, "text"))
        bottom = max(bottom, y + 6)
        label = f"{head}: {step.name}: {step.label or ', '.join(step.lines)}"
        items.append(Group(tuple(lines), "step", "", label, frames=(i, i + 1)))
    return items, bottom
