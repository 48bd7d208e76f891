"""Dotted lines between cards that share weights. The tabs on both cards have the same name."""

import itertools
from collections.abc import Sequence
from typing import Final

from graphcnn.pictures.parts.cards import TAB_LINE, Sheet
from graphcnn.pictures.scene.scene import Box, Group, Path

#: How far ties run from the cards that they pass, and from each other.
_ASIDE: Final = 5.0
_APART: Final = 3.0


def ties(sheets: Sequence[Sheet], places: Sequence[Box], columns: Sequence[int]) -> list[Group]:
    """A line for each pair of neighbours among the cards that share weights.

    Cards that stand level are tied straight across, others on the left of what lies between them.
    `columns` has the column of the page of every card; there are no ties from column to column,
    where the names must do.
    """
    users: dict[str, list[int]] = {}
    for i, one in enumerate(sheets):
        for name in one.card.shared:
            users.setdefault(name, []).append(i)
    groups: dict[tuple[int, int], Group] = {}
    for cards in users.values():
        for a, b in itertools.pairwise(
            sorted(cards, key=lambda i: (places[i].top, places[i].left))
        ):
            if columns[a] == columns[b] and (a, b) not in groups:
                path = _path(a, b, places, columns, len(groups) % 3)
                keys = (sheets[a].card.key, sheets[b].card.key)
                groups[a, b] = Group((path,), "tie", links=keys)
    return list(groups.values())


def _path(a: int, b: int, places: Sequence[Box], columns: Sequence[int], number: int) -> Path:
    one, other = places[a], places[b]
    y0, y1 = one.bottom - TAB_LINE, other.bottom - TAB_LINE
    if one.top < other.bottom and other.top < one.bottom:
        left, right = sorted((one, other))
        return Path((("M", left.right, y0), ("L", right.left, y1)), "tie")
    between = [
        box for box, column in zip(places, columns, strict=True)
        if column == columns[a] and box.bottom > one.top and box.top < other.bottom
    ]  # fmt: skip
    x = min(box.left for box in between) - _ASIDE - _APART * number
    steps = (("M", one.left, y0), ("L", x, y0), ("L", x, y1), ("L", other.left, y1))
    return Path(steps, "tie")
