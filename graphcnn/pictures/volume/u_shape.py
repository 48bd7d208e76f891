"""The U of encoder and decoder: each size of maps has a level, the network runs from left to right.

After figure 1 of O. Ronneberger, P. Fischer, T. Brox, "U-Net: convolutional networks for biomedical
image segmentation" (MICCAI 2015): bars as high as their maps and as wide as their channels, lines
down where maps shrink and up where they grow, and copies straight across above their level.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from graphcnn.errors import GraphError
from graphcnn.ir.tensor_type import known_size, size_words
from graphcnn.pictures.content.content import Card
from graphcnn.pictures.scene.fonts import elide, text_width
from graphcnn.pictures.scene.scene import Box, Group, Path, Text, arrow
from graphcnn.pictures.volume.bodies import BodyStep, nested
from graphcnn.pictures.volume.connections import ports
from graphcnn.pictures.volume.solids import Solid

_GAP: Final = 24.0
_LABEL: Final = 42.0
#: Above a level: for the first copy, for each further one, and between levels.
_ABOVE, _ARC, _BETWEEN = 14.0, 10.0, 20.0
_NAME, _FACT = 9.0, 9.0


def arms(
    cards: Sequence[Card],
    solids: Sequence[Solid],
    steps: Sequence[BodyStep],
    times: Mapping[str, int],
    top: float,
) -> tuple[list[Group], Box]:
    """Bodies and lines of the figure from a height on, and the area that they take.

    `times` says by key how often a folded card is repeated.

    Raises:
        GraphError: a line skips bodies and leads to maps of another size.
    """
    shapes = [card.output.shape if card.output is not None else () for card in cards]
    heights = [known_size(shape[2:3]) if len(shape) == 4 else 0 for shape in shapes]
    known = sorted(set(heights), reverse=True)
    level = [known.index(height) for height in heights]
    copies = [s for s in steps if s.target - s.source > 1]
    for s in copies:
        if level[s.source] != level[s.target]:
            raise GraphError(
                f'style "unet" draws copies between maps of one size, but "{cards[s.target].name}" '
                f'reads "{cards[s.source].name}" of another size past others: take style "box"'
            )
    rise = _rises(copies)
    high = [
        max(one.height for one, at in zip(solids, level, strict=True) if at == number)
        for number in range(len(known))
    ]
    tops = _tops(high, level, copies, rise, top)
    x = 14.0
    groups: list[Group] = []
    for card, one, own in zip(cards, solids, level, strict=True):
        texts = _texts(card, times.get(card.key, 1))
        wide = max([one.width, *(text_width(t, s, b) * 1.06 for t, s, b in texts)])
        y = tops[own] + (high[own] - one.height) / 2
        groups.append(_placed(card, one, texts, x, y, wide))
        x += wide + _GAP
    boxes = [g.box for g in groups if g.box]
    ends = ports(rise, solids)
    lines = [
        Group(
            _copy(s, solids, tops[level[s.source]] - _ABOVE + 2 - _ARC * rise[s], *ends[s])
            if s in rise
            else _step(s, solids, boxes),
            "edge",
            links=(cards[s.source].key, cards[s.target].key),
        )
        for s in steps
    ]
    area = Box(14, top, x - _GAP, max(box.bottom for box in boxes))
    return [*lines, *groups], area


def _rises(copies: Sequence[BodyStep]) -> dict[BodyStep, int]:
    """How high each copy passes above its level: nested ones lie lower, those of one source
    level."""
    end: dict[int, int] = {}
    for s in copies:
        end[s.source] = max(end.get(s.source, 0), s.target)
    rise = nested({source: (source, last) for source, last in end.items()})
    return {s: rise[s.source] for s in copies}


def _tops(
    high: Sequence[float],
    level: Sequence[int],
    copies: Sequence[BodyStep],
    rise: dict[BodyStep, int],
    top: float,
) -> list[float]:
    """The height at which the bodies of each level begin."""
    tops = []
    for number, height in enumerate(high):
        own = [rise[s] for s in copies if level[s.source] == number]
        top += _ABOVE + _ARC * max(own) if own else 0
        tops.append(top)
        top += height + _LABEL + _BETWEEN
    return tops


def _texts(card: Card, times: int) -> list[tuple[str, float, bool]]:
    """The last part of the name, channels, size."""
    assert card.output is not None
    sizes = size_words(card.output.shape[1:])
    name = elide(card.name.rsplit(".", 1)[-1], _NAME, 60, bold=True)
    name += f" ×{times}" * (times > 1)
    return [(name, _NAME, True), (sizes[0] if sizes else "scalar", _FACT, False),
            ("×".join(sizes[1:]), _FACT, False)]  # fmt: skip


def _placed(
    card: Card,
    one: Solid,
    texts: Sequence[tuple[str, float, bool]],
    x: float,
    y: float,
    wide: float,
) -> Group:
    items = one.place(x + (wide - one.width) / 2, y)
    base = one.box.bottom + 12
    for text, size, bold in texts:
        if text:
            paint = "text" if bold else "muted"
            items.append(Text(x + wide / 2, base, text, size, paint, "middle", bold))
        base += 12
    label = f"{card.name}: {card.what}, output {'×'.join(t for t, _, _ in texts[1:] if t)}"
    box = Box(x, one.box.top, x + wide, one.box.bottom + _LABEL)
    return Group(tuple(items), "card", card.key, label, card.location, box)


def _step(step: BodyStep, solids: Sequence[Solid], boxes: Sequence[Box]) -> tuple[Any, ...]:
    """To the next body: straight, or down or up between the two columns."""
    a, b = solids[step.source].box, solids[step.target].box
    y0, y1 = (a.top + a.bottom) / 2, (b.top + b.bottom) / 2
    middle = (boxes[step.source].right + boxes[step.target].left) / 2
    steps: tuple[tuple[Any, ...], ...] = (("M", a.right + 2, y0), ("L", b.left - 5, y1))
    if abs(y0 - y1) > 0.1:
        steps = (("M", a.right + 2, y0), ("L", middle, y0), ("L", middle, y1),
                 ("L", b.left - 5, y1))  # fmt: skip
    return Path(steps, "edge", 1.3), arrow(b.left - 1, y1, 1, 0, "head", 5)


def _copy(
    step: BodyStep, solids: Sequence[Solid], y: float, x0: float, x1: float
) -> tuple[Any, ...]:
    """Straight across, above the level."""
    a, b = solids[step.source].box, solids[step.target].box
    steps = (("M", x0, a.top), ("L", x0, y), ("L", x1, y), ("L", x1, b.top - 5))
    return Path(steps, "skip", 1.4), arrow(x1, b.top, 0, 1, "skip_head", 5)
