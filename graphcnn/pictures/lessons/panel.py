"""A grid of cells over the frames of a film: what each cell holds, and how it is painted."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

import numpy as np

from graphcnn.ir.node import Array
from graphcnn.pictures.scene.fonts import text_width
from graphcnn.pictures.scene.scene import Box, Group, Item, Path, Rect, Text

Frames = tuple[int, int]
#: Top, left, bottom, right, in cells.
Area = tuple[int, int, int, int]

SIZE: Final = 9.5
CELL: Final = 20.0
#: From the top of a title to the top of its grid.
TITLE: Final = 18.0
#: Paints of cells whose text steps back.
_QUIET: Final = ("state",)


@dataclass
class Panel:
    """A grid of cells.

    Attributes:
        title: what stands above it.
        texts: what each cell says in each frame, (frames, H, W).
        paints: how it is painted, "" for not at all.
        bold: which texts are bold.
        hatched: cells that are struck through, (H, W).
        outlines: frames around cells, in some of the film's frames, each with its paint.
        name: what it is called for those who do not see it, and are told what it holds in the end;
            by default its title. None where other words tell them.
    """

    title: str
    texts: Array
    paints: Array
    bold: Array
    hatched: Array
    outlines: list[tuple[Frames, Area, str]] = field(default_factory=list)
    name: str | None = ""

    @classmethod
    def of(cls, title: str, texts: Array, frames: int, paint: str | Array = "body") -> "Panel":
        """The same texts (H, W) and paints in every frame, to be changed afterwards."""
        shape = (frames, *texts.shape)
        paints = np.broadcast_to(np.asarray(paint, object), shape).copy()
        still = np.broadcast_to(texts, shape).copy()
        return cls(title, still, paints, np.zeros(shape, bool), np.zeros(texts.shape, bool))

    @classmethod
    def empty(cls, title: str, shape: Sequence[int], frames: int, paint: str = "") -> "Panel":
        """Cells (H, W) that say nothing yet."""
        return cls.of(title, np.full(tuple(shape), "", object), frames, paint)

    def mark(self, frame: int, area: Area, paint: str) -> None:
        """An outline around cells in one frame."""
        self.outlines.append(((frame, frame + 1), area, paint))

    @property
    def cell(self) -> float:
        """Width of a cell: every text has room."""
        return max(CELL, *[text_width(str(t), SIZE, True) + 5 for t in set(self.texts.flat)])

    @property
    def width(self) -> float:
        columns: int = self.texts.shape[2]
        return max(columns * self.cell, text_width(self.title, SIZE))

    @property
    def height(self) -> float:
        rows: int = self.texts.shape[1]
        return TITLE + rows * CELL

    def words(self) -> str:
        """The last frame row by row, for those who do not see it."""
        rows = [" ".join(t or "·" for t in row) for row in self.texts[-1]]
        return "" if self.name is None else f"{self.name or self.title}: {' / '.join(rows)}"

    def items(self, left: float, top: float) -> tuple[Item, ...]:
        """The shapes, from this corner on."""
        grid, wide = top + TITLE, self.cell
        seen: dict[Frames, list[Item]] = defaultdict(list)
        written: dict[Frames, list[Item]] = defaultdict(list)
        for row, column in np.ndindex(self.texts.shape[1:]):
            x, y = left + column * wide, grid + row * CELL
            paints = self.paints[:, row, column]
            for frames, paint in runs(paints):
                if paint:
                    seen[frames].append(Rect(Box(x, y, x + wide, y + CELL), paint))
            quiet = [paint in _QUIET for paint in paints]
            states = zip(self.texts[:, row, column], quiet, self.bold[:, row, column], strict=True)
            for frames, (text, faint, bold) in runs(list(states)):
                if text:
                    ink = "muted" if faint else "text"
                    place = (x + wide / 2, y + CELL / 2 + 3.5)
                    written[frames].append(Text(*place, text, SIZE, ink, "middle", bool(bold)))
        around: dict[Frames, list[Item]] = defaultdict(list)
        for frames, (first, start, last, end), paint in self.outlines:
            box = Box(left + start * wide, grid + first * CELL, left + end * wide,
                      grid + last * CELL)  # fmt: skip
            around[frames].append(_outline(box, paint))
        corners = [(left + c * wide, grid + r * CELL) for r, c in np.argwhere(self.hatched)]
        hatches = [hatch(Box(x, y, x + wide, y + CELL)) for x, y in corners]
        title = Text(left, top + 10, self.title, SIZE, "muted")
        shapes = (title, *self._timed(seen), *hatches, *self._timed(written), *self._timed(around))
        box = Box(left, top, left + self.width, top + self.height)
        return (Group(shapes, "frame", "", self.words(), box=box),)

    def _timed(self, by_frames: dict[Frames, list[Item]]) -> Iterator[Item]:
        """What is always seen, then the groups that come and go."""
        always = (0, len(self.texts))
        yield from by_frames.pop(always, ())
        for frames in sorted(by_frames):
            yield Group(tuple(by_frames[frames]), frames=frames)


def number(panels: Sequence[Panel], what: str, once: bool = False) -> None:
    """Several panels below each other say which is which; `once`: the first alone has a title."""
    for n, panel in enumerate(panels if len(panels) > 1 else ()):
        if once:
            panel.name = None if panel.name is None else f"{panel.title} of {what} {n}"
            panel.title *= n == 0
        else:
            panel.title = f"{what} {n}" + f": {panel.title}" * (n == 0)


def runs(states: Any) -> Iterator[tuple[Frames, Any]]:
    """Equal neighbours together: from which frame to which, and what is in them."""
    at = 0
    for state, same in groupby(states):
        count = sum(1 for _ in same)
        yield (at, at + count), state
        at += count


def _outline(box: Box, paint: str) -> Path:
    a, b, c, d = box
    corners = (("M", a, b), ("L", c, b), ("L", c, d), ("L", a, d), ("Z",))
    return Path(corners, paint)


def hatch(box: Box) -> Path:
    """Falling strokes through a cell, none through the number in its middle."""
    steps: list[tuple[Any, ...]] = []
    gap, middle = 6.5, (box.width + box.height) / 2
    for k in range(1, int(2 * middle / gap) + 1):
        reach = k * gap  # distance from the lower left corner, along the left and the bottom edge
        x0, y0 = box.left + max(0.0, reach - box.height), max(box.top, box.bottom - reach)
        x1, y1 = min(box.right, box.left + reach), box.bottom - max(0.0, reach - box.width)
        if x1 > x0 and abs(reach - middle) > gap * 0.6:
            steps += [("M", x0, y0), ("L", x1, y1)]
    return Path(tuple(steps), "leader", 0.5)
