"""Cards as drawn: measured first, so that everything fits, and placed later."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from graphcnn.pictures.content.content import Card, Tab
from graphcnn.pictures.parts.legend import BADGE, badge
from graphcnn.pictures.scene.colors import FAMILIES
from graphcnn.pictures.scene.fonts import elide, text_width
from graphcnn.pictures.scene.scene import Box, Group, Item, Path, Rect, Text
from graphcnn.pictures.scene.units import counted, dimensions, short

TITLE: Final = 11.0
BODY: Final = 9.5
#: Size of the texts on tabs, and height of their row.
TAB: Final = 9.5
_TABS: Final = 14.5
#: Where the tabs stand, above the lower edge of a card.
TAB_LINE: Final = 6.5
#: Height of the title's band and of a line below it, and the margin of texts.
HEAD: Final = 19.0
LINE: Final = 13.5
MARGIN: Final = 7.0
NARROWEST: Final = 96.0
#: Widest text on a card; longer ones lose their middle.
WIDEST: Final = 230.0
#: Texts may turn out this much wider than measured.
SLACK: Final = 1.06


@dataclass(frozen=True)
class Sheet:
    """A card with its size, ready to be placed."""

    card: Card
    width: float
    height: float
    lines: tuple[tuple[str, str], ...]
    chips: tuple[tuple[str, str], ...]
    tabs: tuple[str, ...]
    title: str

    def draw(self, left: float, top: float, ground: str | None = None, *, outlined: bool = False
             ) -> Group:  # fmt: skip
        """The card at a place. `ground` is the paint of the whole card instead of its family's."""
        kind = FAMILIES[self.card.family]
        box = Box(left, top, left + self.width, top + self.height)
        items: list[Item] = [Rect(box, ground or kind.paint, kind.radius)]
        if ground is None and (self.lines or self.chips):
            inner = Box(left + 1, top + HEAD, box.right - 1, box.bottom - 1)
            items.append(Rect(inner, "ground", max(kind.radius - 1, 0)))
        if outlined:
            items.append(Rect(box, "outline", kind.radius))
        items += self._head(left, top)
        y = top + HEAD + 10
        for position, (start, end) in enumerate(self.lines):
            paint = "text" if position == 0 or ground else "muted"
            if start:
                items.append(Text(left + MARGIN, y, start, BODY, paint))
            if end:
                quiet = "text" if ground else "muted"
                items.append(Text(box.right - MARGIN, y, end, BODY, quiet, "end"))
            y += LINE if start or end else 0
            if position == 0:
                items += self._chips(left, y)
                y += (LINE + 2) * bool(self.chips)
        items += self._tabs(left, box.bottom, "text" if ground else "muted")
        return Group(
            tuple(items),
            "card",
            self.card.key,
            spoken(self.card),
            self.card.location,
            box,
        )

    def _head(self, left: float, top: float) -> list[Item]:
        kind = FAMILIES[self.card.family]
        return [
            badge(kind, left + 4, top + 3.5),
            Text(left + 8 + BADGE, top + 13.4, self.title, TITLE, "text", bold=True),
        ]

    def _tabs(self, left: float, bottom: float, paint: str) -> list[Item]:
        """Weights as tabs that stand on the lower edge of the card."""
        steps: list[tuple[Any, ...]] = []
        items: list[Item] = []
        x = left + MARGIN - 3
        for text in self.tabs:
            right, top = x + _tab_width(text), bottom - _TABS + 1.5
            steps += [("M", x, bottom), ("L", x, top), ("L", right, top), ("L", right, bottom)]
            items.append(Text(x + 3.5, bottom - 3.5, text, TAB, paint))
            x = right + 4
        return [Path(tuple(steps), "tab"), *items] if steps else []

    def _chips(self, left: float, y: float) -> list[Item]:
        items: list[Item] = []
        x = left + MARGIN
        for family, text in self.chips:
            items.append(_chip(family, text, x, y - 10))
            x += _chip_width(text) + 4
        return items


def _chip(family: str, text: str, left: float, top: float) -> Group:
    """What was drawn into a card, as a small label in the colour of its family."""
    kind = FAMILIES[family]
    box = Box(left, top, left + _chip_width(text), top + 13.5)
    ground = Rect(box, kind.paint, min(kind.radius, 6))
    return Group((ground, Text(left + 4, top + 10, text, BODY, "text")), "badge", box=box)


def _chip_width(text: str) -> float:
    return math.ceil(text_width(text, BODY) * SLACK + 8)


def sheet(card: Card, title: str = "", facts: Sequence[str] = ()) -> Sheet:
    """A measured card: its name above, then what it is, then its numbers.

    `title` replaces the name; `facts` are more lines of text.
    """
    title = elide(title or card.name, TITLE, WIDEST - 30, bold=True)
    lines = [(elide(card.what, BODY, WIDEST), "")] if card.what and card.what != title else []
    chips = tuple((family, elide(text, BODY, WIDEST / 2)) for family, text in card.extra[:4])
    lines = lines or ([("", "")] if chips else [])
    shape = dimensions(card.output.type) if card.output is not None else ""
    terminal = card.family in ("end", "state")
    lines.append((f"→ {shape}" if shape and not terminal else shape, _seen(card)))
    numbers = (
        f"{card.parameters:,} params" if card.parameters else "",
        f"{short(card.multiply_adds)} mult-adds" if card.multiply_adds else "",
    )
    if any(numbers):
        lines.append(numbers)
    lines += [(note, "") for note in (_unread(card), *facts) if note]
    tabs = _tab_texts(card.tabs)
    width = text_width(title, TITLE, bold=True) + BADGE + 8
    for start, end in lines:
        both = text_width(start, BODY) + text_width(end, BODY) + (12 if start and end else 0)
        width = max(width, both)
    width = max(width, sum(_chip_width(t) + 4 for _, t in chips) - 4)
    width = max(width, sum(_tab_width(t) + 4 for t in tabs) - 10)
    count = sum(any(line) for line in lines)
    height = HEAD + LINE * count + (LINE + 2) * bool(chips) + _TABS * bool(tabs) + 2
    most = max(NARROWEST, stepped(width * SLACK + 2 * MARGIN))
    return Sheet(card, most, height, tuple(lines), chips, tabs, title)


def _tab_width(text: str) -> float:
    return math.ceil(text_width(text, TAB) * SLACK + 7)


def _tab_texts(tabs: Sequence[Tab]) -> tuple[str, ...]:
    """`W 6×1×5×5`, with the name of shared weights in front; at most three."""
    texts = [
        elide(
            f"{f'{tab.shared}: ' if tab.shared else ''}{tab.letters} {tab.shape}", TAB, WIDEST / 2
        )
        for tab in tabs
    ]
    return tuple(texts if len(texts) <= 3 else [*texts[:2], f"{len(texts) - 2} more"])


def stepped(width: float) -> float:
    """The next multiple of 16: cards of about the same width get the same."""
    return -(-width // 16) * 16


def _seen(card: Card) -> str:
    """The receptive field, and how far those of neighbours in a map lie apart."""
    if card.field is None or card.family == "end":
        return ""
    size = "×".join(map(str, card.field.size))
    maps = card.output.shape[2:] if card.output is not None else ()
    if len(maps) != 2 or maps == (1, 1):
        return f"sees {size}"
    jump = card.field.jump
    step = f"{float(jump[0]):g}" if jump[0] == jump[1] else "×".join(f"{float(j):g}" for j in jump)
    return f"sees {size}, step {step}"


def _unread(card: Card) -> str:
    rows, columns = card.unread
    parts = [counted(rows, "row")] if rows else []
    parts += [counted(columns, "column")] if columns else []
    return f"unused: {', '.join(parts)}" if parts else ""


def spoken(card: Card) -> str:
    """The card in words, its numbers exact."""
    return ", ".join(
        filter(
            None,
            (
                f"{_shortened(card.name)}: {card.what}",
                *(text for _, text in card.extra),
                f"output {dimensions(card.output.type)}" if card.output is not None else "",
                f"{card.parameters:,} parameters" if card.parameters else "",
                f"{card.multiply_adds:,} multiply-adds" if card.multiply_adds else "",
                _seen(card),
                _unread(card),
                f"shares {', '.join(map(_shortened, card.shared))}" if card.shared else "",
                *(f"{tab.letters} {tab.shape}" for tab in card.tabs),
            ),
        )
    )


def _shortened(name: str) -> str:
    return name if len(name) <= 120 else f"{name[:60]}…{name[-59:]}"
