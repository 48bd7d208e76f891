"""Cards as drawn: measured first, so that everything fits, and placed later."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from graphcnn.pictures.colors import FAMILIES
from graphcnn.pictures.content import Card
from graphcnn.pictures.fonts import elide, text_width
from graphcnn.pictures.scene import Box, Group, Item, Rect, Text
from graphcnn.pictures.units import counted, dimensions, joined, short

TITLE: Final = 11.0
BODY: Final = 9.5
#: Height of the title's band and of a line below it, and the margin of texts.
HEAD: Final = 19.0
LINE: Final = 13.5
MARGIN: Final = 7.0
NARROWEST: Final = 96.0
#: Widest text on a card; longer ones lose their middle.
WIDEST: Final = 230.0
#: Texts may turn out this much wider than measured.
SLACK: Final = 1.06
_CHIP: Final = 17.0


@dataclass(frozen=True)
class Sheet:
    """A card with its size, ready to be placed."""

    card: Card
    width: float
    height: float
    lines: tuple[tuple[str, str], ...]
    chips: tuple[tuple[str, str], ...]
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
            items.append(Rect(box.grown(2), "outline", kind.radius + 2))
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
        chip = Box(left + 4, top + 3.5, left + 4 + _CHIP, top + 15.5)
        return [
            Rect(chip, f"{kind.paint}_side", min(kind.radius, 6)),
            Text(chip.center, top + 12.6, kind.letters, 8.5, "badge_text", "middle", True),
            Text(chip.right + 4, top + 13.4, self.title, TITLE, "text", bold=True),
        ]

    def _chips(self, left: float, y: float) -> list[Item]:
        items: list[Item] = []
        x = left + MARGIN
        for family, text in self.chips:
            width = text_width(text, BODY) * SLACK + 8
            kind = FAMILIES[family]
            chip = Box(x, y - 10, x + width, y + 3.5)
            items.append(Rect(chip, kind.paint, min(kind.radius, 6)))
            items.append(Text(x + 4, y, text, BODY, "text"))
            x += width + 4
        return items


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
    notes = joined((_unread(card), "shares weights" if card.shared else ""))
    lines += [(note, "") for note in (notes, *facts) if note]
    width = text_width(title, TITLE, bold=True) + _CHIP + 8
    for start, end in lines:
        both = text_width(start, BODY) + text_width(end, BODY) + (12 if start and end else 0)
        width = max(width, both)
    width = max(width, sum(text_width(t, BODY) * SLACK + 12 for _, t in chips) - 4)
    count = sum(any(line) for line in lines)
    height = HEAD + LINE * count + (LINE + 2) * bool(chips) + 2
    most = max(NARROWEST, stepped(width * SLACK + 2 * MARGIN))
    return Sheet(card, most, height, tuple(lines), chips, title)


def stepped(width: float) -> float:
    """The next multiple of 16: cards of about the same width get the same."""
    return -(-width // 16) * 16


def _seen(card: Card) -> str:
    if card.field is None or card.family == "end":
        return ""
    size = "×".join(map(str, card.field.size))
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
    name = card.name if len(card.name) <= 120 else f"{card.name[:60]}…{card.name[-59:]}"
    return ", ".join(
        filter(
            None,
            (
                f"{name}: {card.what}",
                *(text for _, text in card.extra),
                f"output {dimensions(card.output.type)}" if card.output is not None else "",
                f"{card.parameters:,} parameters" if card.parameters else "",
                f"{card.multiply_adds:,} multiply-adds" if card.multiply_adds else "",
                _seen(card),
                _unread(card),
                f"shares {', '.join(card.shared)}" if card.shared else "",
            ),
        )
    )
