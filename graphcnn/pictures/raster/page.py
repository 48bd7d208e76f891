"""A page: tiles, tables and charts one below the other, with title and facts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from graphcnn.pictures.parts.charts import section
from graphcnn.pictures.parts.legend import heading, notes
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.scene.scene import Box, Item, Rect, Scene

#: Width of a page, that of a README, and what is left empty at both sides.
WIDTH: Final = 830.0
MARGIN: Final = 14.0
#: What draws a part of a page from (left, top) within a width: its shapes, and where they end.
Part = Callable[[float, float, float], tuple[Sequence[Item], float]]
#: Room between parts that stand beside each other.
_GUTTER: Final = 28.0


def page_picture(
    parts: Sequence[Part],
    title: str,
    subtitle: str = "",
    facts: Sequence[str] = (),
    *,
    width: float = WIDTH,
    data: Mapping[str, Any] | None = None,
) -> Picture:
    """The parts one below the other.

    Args:
        parts: what is shown, in order.
        title, subtitle: the two lines at the top.
        facts: what stands below, each broken into lines where it is too long: target and score,
            method, settings, seed, precision.
        width: in pixels.
        data: the numbers behind it, for the JSON form.
    """
    items: list[Item] = [*heading(title, subtitle, width)]
    y = 54.0
    for part in parts:
        drawn, y = part(MARGIN, y, width - 2 * MARGIN)
        items += drawn
    lines, bottom = notes(facts, width, y)
    items += lines
    ground = Rect(Box(0, 0, width, bottom + 6), "ground")
    description = f"{title}: {subtitle}" if subtitle else title
    scene = Scene(width, bottom + 6, (ground, *items), title, description, tuple(facts), data or {})
    return Picture(scene)


def single(draw: Callable[[float, float, float], tuple[Item, float]]) -> Part:
    """A part that is one shape or one group of them."""

    def drawn(left: float, top: float, width: float) -> tuple[Sequence[Item], float]:
        item, end = draw(left, top, width)
        return [item], end

    return drawn


def titled(text: str, *parts: Part) -> Part:
    """Parts one below the other under the name of what they show."""
    return below(single(lambda left, top, width: section(text, left, top, width)), *parts)


def beside(*parts: Part, shares: Sequence[float] = ()) -> Part:
    """Parts beside each other, of equal widths or these shares of the whole."""
    of = shares or [1 / len(parts)] * len(parts)

    def draw(left: float, top: float, width: float) -> tuple[Sequence[Item], float]:
        room = width - _GUTTER * (len(parts) - 1)
        items: list[Item] = []
        x, bottom = left, top
        for part, share in zip(parts, of, strict=True):
            drawn, end = part(x, top, room * share)
            items += drawn
            x, bottom = x + room * share + _GUTTER, max(bottom, end)
        return items, bottom

    return draw


def below(*parts: Part) -> Part:
    """Parts one below the other, as one."""

    def draw(left: float, top: float, width: float) -> tuple[Sequence[Item], float]:
        items: list[Item] = []
        for part in parts:
            drawn, top = part(left, top, width)
            items += drawn
        return items, top

    return draw
