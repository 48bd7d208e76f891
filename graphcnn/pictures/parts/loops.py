"""The card of a loop: a frame that says how often, its body inside, and what is carried back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from graphcnn.pictures.content.content import Card, Loop
from graphcnn.pictures.parts.cards import BODY, MARGIN, SLACK, TITLE, Sheet, stepped
from graphcnn.pictures.parts.legend import BADGE, badge
from graphcnn.pictures.scene.colors import FAMILIES
from graphcnn.pictures.scene.fonts import elide, text_width
from graphcnn.pictures.scene.scene import Box, Group, Item, Path, Rect, Text, arrow, moved
from graphcnn.pictures.scene.units import short

#: Name and totals above the body.
_HEAD: Final = 34.0
#: Room around the body, and between lines that go back.
_PAD: Final = 10.0
_TRACK: Final = 7.0
#: Room of the count, at the upper right.
_COUNT: Final = 44.0


class Drawn(NamedTuple):
    """A drawing without its heading: shapes, the box of every card, and the box around all."""

    items: tuple[Item, ...]
    places: tuple[Box, ...]
    box: Box
    tied: bool


@dataclass(frozen=True)
class LoopSheet(Sheet):
    """A card that holds the drawing of a loop's body."""

    loop: Loop
    body: Drawn
    turned: bool

    def draw(self, left: float, top: float, ground: str | None = None, *, outlined: bool = False
             ) -> Group:  # fmt: skip
        """The frame at a place, and in it the body. `ground` is the paint of its head."""
        kind = FAMILIES[self.card.family]
        box = Box(left, top, left + self.width, top + self.height)
        items: list[Item] = [Rect(box, "repeat", 4)]
        if ground:
            items.append(
                Rect(Box(box.left + 1, box.top + 1, box.right - 1, top + _HEAD), ground, 3)
            )
        if outlined:
            items.append(Rect(box, "outline", 4))
        count = Box(box.right - _COUNT, top + 4, box.right - 5, top + 17.5)
        items += [
            badge(kind, left + 4, top + 4),
            Text(left + 8 + BADGE, top + 14, self.title, TITLE, "text", bold=True),
            Rect(count, "badge", 6),
            Text(count.center, count.bottom - 3.2, f"×{self.loop.times:,}", 10, "badge_text",
                 "middle", True),
        ]  # fmt: skip
        (start, end), *_ = self.lines
        quiet = "text" if ground else "muted"
        items.append(Text(left + MARGIN, top + 29, start, BODY, quiet))
        items.append(Text(box.right - MARGIN, top + 29, end, BODY, quiet, "end"))
        head = Group(
            tuple(items), "card", self.card.key, spoken(self.card), self.card.location, box
        )
        tracks = _PAD + _TRACK * len(self.loop.back)
        before = left + (tracks if self.turned else _PAD), top + _HEAD + tracks
        # A frame that its head makes wider has the body in the middle.
        spare = max(0.0, self.width - self._needed(len(self.loop.back))) / 2
        dx, dy = before[0] + spare - self.body.box.left, before[1] - self.body.box.top
        inside = [moved(item, dx, dy) for item in self.body.items]
        return Group((head, *inside, *self._back(dx, dy)), box=box)

    def _needed(self, back: int) -> float:
        return needed(self.body, back, self.turned)[0]

    def _back(self, dx: float, dy: float) -> list[Group]:
        """From the new carries, behind the body, to where the next step reads them."""
        inside, places = self.loop.inside, [b.moved(dx, dy) for b in self.body.places]
        hull = self.body.box.moved(dx, dy)
        order = sorted(self.loop.back, key=lambda pair: -self._across(places[pair[0]]))
        groups = []
        for number, (source, target) in enumerate(order):
            away = 8 + _TRACK * number
            one, other = places[source], places[target]
            if self.turned:
                y0, y1 = (one.top + one.bottom) / 2, (other.top + other.bottom) / 2
                low = hull.bottom + away
                corners = [
                    (one.right, y0), (hull.right + away, y0), (hull.right + away, low),
                    (hull.left - away, low), (hull.left - away, y1),
                ]  # fmt: skip
                tip, way = (other.left, y1), (1.0, 0.0)
            else:
                corners = [
                    (one.center, one.bottom), (one.center, hull.bottom + away),
                    (hull.right + away, hull.bottom + away), (hull.right + away, hull.top - away),
                    (other.center, hull.top - away),
                ]  # fmt: skip
                tip, way = (other.center, other.top), (0.0, 1.0)
            end = tip[0] - 5 * way[0], tip[1] - 5 * way[1]
            steps: list[tuple[Any, ...]] = [("M", *corners[0])]
            steps += [("L", *corner) for corner in (*corners[1:], end)]
            head = Group((arrow(*tip, *way, paint="carry_head"),), "badge", box=Box(*tip, *tip))
            keys = (inside.cards[source].key, inside.cards[target].key)
            groups.append(Group((Path(tuple(steps), "carry"), head), "edge", links=keys))
        return groups

    def _across(self, box: Box) -> float:
        return (box.top + box.bottom) / 2 if self.turned else box.center


def needed(body: Drawn, back: int, turned: bool) -> tuple[float, float]:
    """Width and height of a frame around a body with so many lines back."""
    tracks = _PAD + _TRACK * back
    wide = body.box.width + (2 * tracks if turned else _PAD + tracks)
    return wide, _HEAD + body.box.height + 2 * tracks


def loop_sheet(card: Card, loop: Loop, body: Drawn, title: str, turned: bool) -> LoopSheet:
    """The measured card of a loop whose body is drawn."""
    wide, high = needed(body, len(loop.back), turned)
    start = f"loop of {loop.words}"
    end = totals(card)
    least = text_width(start, BODY) + text_width(end, BODY) + 3 * MARGIN
    wide = stepped(max(wide, least * SLACK))
    title = elide(title or card.name, TITLE, wide - BADGE - _COUNT - 18, bold=True)
    return LoopSheet(card, wide, high, ((start, end),), (), (), title, loop, body, turned)


def totals(card: Card) -> str:
    """Parameters and work of all steps."""
    numbers = (
        f"{card.parameters:,} params" if card.parameters else "",
        f"{short(card.multiply_adds)} mult-adds" if card.multiply_adds else "",
    )
    return ", ".join(filter(None, numbers))


def spoken(card: Card) -> str:
    """The loop in words."""
    assert card.loop is not None
    parts = (
        f"{card.name}: loop of {card.loop.words}",
        f"{card.parameters:,} parameters" if card.parameters else "",
        f"{card.multiply_adds:,} multiply-adds in all" if card.multiply_adds else "",
        carried(card.loop),
    )
    return ", ".join(filter(None, parts))


def carried(loop: Loop) -> str:
    """What the arrows back say."""
    cards = loop.inside.cards
    pairs = [f"{cards[a].name} to {cards[b].name}" for a, b in loop.back]
    return f"carried to the next step: {'; '.join(pairs)}" if pairs else ""


def lines_back(cards: Sequence[Card]) -> bool:
    """Whether any of the cards is a loop that carries something."""
    return any(card.loop is not None and card.loop.back for card in cards)
