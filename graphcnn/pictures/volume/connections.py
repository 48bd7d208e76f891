"""How the bodies of a volume figure are joined: windows and their rays, signs, repeated runs."""

from collections.abc import Mapping, Sequence
from typing import Final

from graphcnn.analysis.counts import node_windows
from graphcnn.pictures.content.content import Card
from graphcnn.pictures.scene.fonts import elide
from graphcnn.pictures.scene.scene import Box, Group, Item, Path, Rect, Text, arrow
from graphcnn.pictures.volume.bodies import BodyStep
from graphcnn.pictures.volume.solids import Solid

#: Between arcs that enter or leave a body side by side.
_PORT: Final = 7.0


def window(source: Solid, target: Solid, card: Card, style: str) -> tuple[Item, ...]:
    """The window of `card` on the source's face at its true relative size, and its rays."""
    both = node_windows(card.nodes[0]) if card.nodes else None
    if both is None or source.face is None or style == "bars":
        return ()
    (h, w), (down, across) = source.size, both
    high, wide = min(1.0, down.span / h), min(1.0, across.span / w)
    u, v = (1 - wide) * 0.55, (1 - high) * 0.62
    # Real maps are seen through the window.
    patch = source.face.path(u, v, u + wide, v + high, "window" if source.painted else "kernel")
    goal = (target.box.left, middle(target.box))
    if target.face is not None and style == "lenet":
        goal = target.face.point(0.3, 0.5)
    corners = [source.face.point(u + wide, v), source.face.point(u + wide, v + high)]
    return (patch, *(Path((("M", *c), ("L", *goal)), "ray") for c in corners))


def ports(
    heights: Mapping[BodyStep, int], solids: Sequence[Solid]
) -> dict[BodyStep, tuple[float, float]]:
    """Where arcs leave their sources and enter their targets, side by side on the upper edges.

    From left to right: those that enter, the low ones first so that they do not cross, and then
    what leaves.
    """
    entering: dict[int, list[BodyStep]] = {}
    for step in sorted(heights, key=lambda s: heights[s]):
        entering.setdefault(step.target, []).append(step)
    leaving = {step.source for step in heights}
    places: dict[int, list[float]] = {}
    for i in leaving.union(entering):
        count = len(entering.get(i, ())) + (i in leaving)
        center, wide = solids[i].top
        step_ = min(_PORT, (wide - 4) / max(count - 1, 1))
        places[i] = [center + (k - (count - 1) / 2) * step_ for k in range(count)]
    return {
        s: (places[s.source][-1], places[s.target][entering[s.target].index(s)]) for s in heights
    }


def converging(source: Solid, b: Box) -> tuple[Item, ...]:
    """From the face of a body to the whole vector that it becomes."""
    assert source.face is not None
    return tuple(
        Path((("M", *source.face.point(1, v)), ("L", b.left, y)), "leader")
        for v, y in ((0, b.top), (1, b.bottom))
    )


def mark(x: float, y: float, number: int, leaving: bool, outer: float = 0.0) -> tuple[Item, ...]:
    """A numbered sign where a row goes on in the next one; one that leaves, beyond `outer`."""
    left = max(x + 6, outer + 6) if leaving else x
    circle = Box(left, y - 7, left + 14, y + 7)
    line = (x, circle.left) if leaving else (circle.right, circle.right + 8)
    return (
        Path((("M", line[0], y), ("L", line[1], y)), "edge", 1.2),
        Rect(circle, "badge", 7),
        Text(circle.center, y + 3.2, str(number), 9, "badge_text", "middle", True),
    )


def above_mark(box: Box, number: int) -> tuple[Item, ...]:
    """The sign above a body, where the line from another row enters it."""
    x = box.center - min(12.0, box.width / 2 - 4)
    circle = Box(x - 7, box.top - 24, x + 7, box.top - 10)
    return (
        Path((("M", x, circle.bottom), ("L", x, box.top - 4)), "skip", 1.4),
        arrow(x, box.top, 0, 1, "skip_head", 5),
        Rect(circle, "badge", 7),
        Text(x, circle.bottom - 3.8, str(number), 9, "badge_text", "middle", True),
    )


def repeated(box: Box, title: str, times: int) -> Group:
    """A frame around bodies that follow one another several times."""
    badge = Box(box.right - 34, box.top + 3, box.right - 4, box.top + 16.5)
    return Group(
        (
            Rect(box, "repeat", 4),
            Text(box.left + 7, box.top + 12.5, elide(title, 9, badge.left - box.left - 16), 9,
                 "muted", bold=True),
            Rect(badge, "badge", 6),
            Text(badge.center, badge.bottom - 3.2, f"×{times}", 10, "badge_text", "middle", True),
        ),
        "frame", "", f"{title}: repeated {times} times", box=box,
    )  # fmt: skip


def middle(box: Box) -> float:
    return (box.top + box.bottom) / 2
