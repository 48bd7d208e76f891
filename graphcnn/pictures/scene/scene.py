"""What a picture is made of: typed shapes in pixels, each with the name of its paint.

A scene knows nothing of graphs and nothing of file formats. The pictures make scenes, and each
writer (`graphcnn.pictures.writers.svg` and its neighbours) turns any scene into one format. Shapes
are drawn in the order in which they stand: later ones lie on top.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, NamedTuple


class Box(NamedTuple):
    """A rectangle: left, top, right, bottom."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def center(self) -> float:
        return (self.left + self.right) / 2

    def grown(self, by: float) -> "Box":
        return Box(self.left - by, self.top - by, self.right + by, self.bottom + by)

    def moved(self, dx: float, dy: float) -> "Box":
        return Box(self.left + dx, self.top + dy, self.right + dx, self.bottom + dy)

    def overlaps(self, other: "Box") -> bool:
        """Whether the two share more than an edge."""
        apart = self.right <= other.left or other.right <= self.left
        return not (apart or self.bottom <= other.top or other.bottom <= self.top)

    def contains(self, other: "Box", slack: float = 0.01) -> bool:
        outer = self.grown(slack)
        return (
            outer.left <= other.left
            and outer.top <= other.top
            and other.right <= outer.right
            and other.bottom <= outer.bottom
        )


def around(boxes: "list[Box]") -> Box:
    """The smallest box that holds all of `boxes`."""
    left, top, right, bottom = zip(*boxes, strict=True)
    return Box(min(left), min(top), max(right), max(bottom))


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle, its corners rounded by `radius`."""

    box: Box
    paint: str
    radius: float = 0.0


@dataclass(frozen=True, slots=True)
class Path:
    """Lines and curves: steps ("M", x, y), ("L", x, y), ("C", x1, y1, x2, y2, x, y) and ("Z",)."""

    steps: tuple[tuple[Any, ...], ...]
    paint: str
    width: float | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text. `y` is its base line; `anchor` is "start", "middle" or "end"."""

    x: float
    y: float
    text: str
    size: float = 10.0
    paint: str = "text"
    anchor: str = "start"
    bold: bool = False


@dataclass(frozen=True, slots=True)
class Image:
    """A PNG file stretched over a parallelogram: `corner`, and the edges to its right and below.

    `across` and `down` are vectors in pixels; an upright picture has across = (w, 0) and
    down = (0, h).
    """

    corner: tuple[float, float]
    across: tuple[float, float]
    down: tuple[float, float]
    png: bytes
    columns: int
    rows: int


@dataclass(frozen=True, slots=True)
class Group:
    """Shapes that belong together, with what they are called.

    Attributes:
        kind: "card", "edge", "label", "frame", "legend", "tie", "step" or "": what the tests and
            the page ask for. A "badge" looks the same wherever it stands; `box` begins where it
            does. The "stage" is the part of a film that moves.
        key: an identifier, unique in the scene; "" where nothing refers to the group.
        label: the group in words. A reader of the text form or of the page hears it.
        title: what a pointer that rests on the group shows.
        box: the area that the group takes, where it is one.
        links: for an edge, the keys of the groups that it joins.
        frames: for a film, the first frame in which it is seen and the first in which it no longer
            is. None for always, or for as long as the group around it.
    """

    items: tuple["Item", ...]
    kind: str = ""
    key: str = ""
    label: str = ""
    title: str = ""
    box: Box | None = None
    links: tuple[str, ...] = ()
    frames: tuple[int, int] | None = None


Item = Rect | Path | Text | Image | Group


@dataclass(frozen=True, slots=True)
class Film:
    """When the frames of a scene are shown.

    Attributes:
        seconds: how long each frame stays, from the first to the last, which is the one to see
            where nothing moves.
        printed: the frames that stand side by side where there is no film, as on paper.
    """

    seconds: tuple[float, ...]
    printed: tuple[int, ...]


@dataclass(frozen=True)
class Scene:
    """A whole picture, or a film: `graphcnn.pictures.scene.frames` makes pictures of films.

    Attributes:
        width, height: its size in pixels.
        title: what it is, in a few words.
        description: what it shows, in a sentence: for those who do not see it.
        footer: the totals that stand below it, as text.
        data: the facts behind it, of plain types, for the JSON form.
        film: for a film, its frames.
    """

    width: float
    height: float
    items: tuple[Item, ...]
    title: str
    description: str
    footer: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    film: Film | None = None

    def groups(self, kind: str | None = None) -> Iterator[Group]:
        """All groups, those inside others too, or those of one kind."""
        for group in _groups(self.items):
            if kind is None or group.kind == kind:
                yield group


def _groups(items: tuple[Item, ...]) -> Iterator[Group]:
    for item in items:
        if isinstance(item, Group):
            yield item
            yield from _groups(item.items)


def shapes(items: tuple[Item, ...]) -> Iterator[Rect | Path | Text | Image]:
    """All shapes, without the groups around them."""
    for item in items:
        if isinstance(item, Group):
            yield from shapes(item.items)
        else:
            yield item


def moved(item: Item, dx: float, dy: float) -> Item:
    """The same at another place."""
    match item:
        case Rect():
            return replace(item, box=item.box.moved(dx, dy))
        case Text():
            return replace(item, x=item.x + dx, y=item.y + dy)
        case Path():
            shift = itertools.cycle((dx, dy))
            steps = tuple((kind, *(v + next(shift) for v in at)) for kind, *at in item.steps)
            return replace(item, steps=steps)
        case Image():
            return replace(item, corner=(item.corner[0] + dx, item.corner[1] + dy))
        case Group():
            inside = tuple(moved(i, dx, dy) for i in item.items)
            return replace(item, items=inside, box=item.box and item.box.moved(dx, dy))


def arrow(x: float, y: float, dx: float, dy: float, paint: str, size: float = 6.0) -> Path:
    """A filled head whose tip is at (x, y), pointing along the unit vector (dx, dy)."""
    back_x, back_y, half = x - size * dx, y - size * dy, size * 0.45
    return Path(
        (
            ("M", x, y),
            ("L", back_x - half * dy, back_y + half * dx),
            ("L", back_x + half * dy, back_y - half * dx),
            ("Z",),
        ),
        paint,
    )
