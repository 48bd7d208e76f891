"""X and O: how a small convolutional network tells them apart, as one worked figure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from graphcnn.ir.node import Array
from graphcnn.pictures.parts.cells import cells, short_number, window_box
from graphcnn.pictures.parts.legend import heading, notes
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.scene.fonts import text_width
from graphcnn.pictures.scene.scene import Box, Group, Item, Path, Rect, Scene, Text, arrow

_SMALL: Final = 9.0
_MARGIN: Final = 14.0
#: Squares of the picture, of patches and features, of maps, of pooled maps, of small pictures.
_PIXEL, _PATCH, _MAP, _POOLED, _TINY = 16.0, 17.0, 25.0, 28.0, 10.0
#: Between the columns of the first four steps, and between the tables of the fifth and sixth.
_GAP, _APART = 22.0, 22.0
_BAR: Final = 96.0


@dataclass(frozen=True, eq=False)
class Look:
    """What the network makes of a picture (H, W) of +1 and -1.

    Attributes:
        maps, rectified, pooled: (features, H, W).
        votes: one for each class.
        agreement: mean of the products with the pixels of the first class' own picture.
    """

    name: str
    picture: Array
    maps: Array
    rectified: Array
    pooled: Array
    votes: Array
    agreement: float


@dataclass(frozen=True, eq=False)
class Window:
    """A window that is worked: the pixels under it, their products with a feature, the mean."""

    feature: int
    place: tuple[int, int]
    patch: Array
    products: Array
    mean: float


@dataclass(frozen=True, eq=False)
class Story:
    """All numbers of the figure.

    Attributes:
        features: by name, (3, 3) each.
        windows: two for each feature, in their order.
        votes: weights of the dense layer, (classes, features, H, W): those of the answers that a
            class does not listen to are 0.
        looks: the first is worked, and all of them are voted upon.
        classes: names.
    """

    features: Mapping[str, Array]
    windows: Sequence[Window]
    votes: Array
    looks: Sequence[Look]
    classes: Sequence[str]


def xo_picture(story: Story) -> Picture:
    """Features slid over a picture, products under two windows of each, means, match maps, ReLU,
    pooling and votes; then the votes on further pictures."""
    return Picture(_Figure(story).scene())


class _Figure:
    def __init__(self, story: Story) -> None:
        self.story, self.first = story, story.looks[0]
        size = len(self.first.picture) * _PIXEL
        worked = 3 * 3 * _PATCH + 2 * 16 + text_width("−1.00", 11, bold=True) + 20
        wide = self.first.maps.shape[2] * _MAP
        pooled = self.first.pooled.shape[2] * _POOLED
        self.columns: list[float] = [_MARGIN]
        for width in (size, worked, wide):
            self.columns.append(round(self.columns[-1] + width + _GAP))
        # Below them a table of each feature after pooling, and as many of those who listen.
        count, across = len(self.first.pooled), pooled + _APART
        self.tables = [_MARGIN + i * across for i in range(2 * count)]
        ends = self.columns[-1] + wide, self.tables[-1] + pooled
        self.right = max(ends)
        self.row = max(wide, 2 * (3 * _PATCH + 30)) + 34

    def scene(self) -> Scene:
        first, story = self.first, self.story
        width = self.right + _MARGIN
        items: list[Item] = [*self._headings(64.0)]
        top = 112.0
        for i in range(len(story.features)):
            items += self._feature(i, top + i * self.row)
        top += len(story.features) * self.row
        items += self._answers(top)
        top += 54 + first.pooled.shape[1] * _POOLED + 24
        sums, top = self._sums(top, width)
        items += sums
        gallery, top = self._gallery(top + 20, width)
        items += gallery
        footer = [
            "red squares are above 0, blue ones below, the stronger the further · window a matches "
            "its feature in all nine pixels, b does not",
            "no number here is learned: a class listens to the answers that its own picture makes "
            "larger by more than 0.3 than the other one, and averages them",
        ]
        lines, bottom = notes(footer, width, top + 6)
        winner = story.classes[int(np.argmax(first.votes))]
        title = f"How {first.name} is seen: features, matches, votes"
        subtitle = (
            f"{len(story.features)} features slid over {first.picture.shape[0]}×"
            f"{first.picture.shape[1]} pixels · every number is computed by the graph"
        )
        description = (
            f"A worked example of a convolutional network, step by step: the votes for "
            f"{first.name} are {self._votes(first)}, so it is {winner}."
        )
        items = [
            Rect(Box(0, 0, width, bottom + 6), "ground"),
            *heading(title, subtitle, width), *items, *lines,
        ]  # fmt: skip
        return Scene(
            width, bottom + 6, tuple(items), title, description, tuple(footer), self._data()
        )

    def _headings(self, top: float) -> Iterator[Item]:
        wholes = (
            ("1 the picture", "pixels +1 and −1"),
            ("2 a feature is slid over it", "pixels × feature, their mean"),
            ("3 match map", "the mean at each place"),
            ("4 ReLU", "below 0 becomes 0"),
        )
        for x, (title, words) in zip(self.columns, wholes, strict=True):
            yield from _step(x, top, title, words)

    # One row for each feature

    def _feature(self, i: int, top: float) -> Iterator[Item]:
        story, first = self.story, self.first
        name, feature = list(story.features.items())[i]
        own = [w for w in story.windows if w.feature == i]
        x = self.columns
        picture = cells(
            first.picture, x[0], top, _PIXEL, f"{first.name}", write=_sign, key=f"picture{i}"
        )
        yield picture
        for window, paint in zip(own, ("outline", "window"), strict=True):
            place = window_box(*window.place, (3, 3), x[0], top, _PIXEL)
            yield _outlined(place, paint)
        words = f"the {name}"
        yield Text(x[0], top + len(first.picture) * _PIXEL + 13, words, 9.5, "text", bold=True)
        for j, (window, paint) in enumerate(zip(own, ("outline", "window"), strict=True)):
            y = top + j * (3 * _PATCH + 30)
            yield from self._window(window, feature, "ab"[j], paint, x[1], y, name)
        for column, maps, what in (
            (2, first.maps[i], "match map"),
            (3, first.rectified[i], "after ReLU"),
        ):
            yield cells(maps, x[column], top, _MAP, f"{what} of the {name}", key=f"{what} {i}")
        for window, paint in zip(own, ("outline", "window"), strict=True):
            for column in (2, 3):
                yield _outlined(window_box(*window.place, (1, 1), x[column], top, _MAP), paint)
        middle = top + 1.5 * _MAP
        for left in (x[2], x[3]):
            yield Path((("M", left - 17, middle), ("L", left - 10, middle)), "edge")
            yield arrow(left - 5, middle, 1, 0, "head")

    def _answers(self, top: float) -> Iterator[Item]:
        """What pooling leaves of each feature, and who listens to it."""
        names = list(self.story.features)
        x, y = self.tables, top + 50
        yield from _step(x[0], top, "5 pooling", "largest of 2×2")
        yield from _step(x[len(names)], top, "6 who listens", "weights of the votes")
        for i, name in enumerate(names):
            for at in (x[i], x[len(names) + i]):
                yield Text(at, y - 6, f"the {name}", 9.5, "text", bold=True)
            label = f"pooled answers of the {name}"
            yield cells(self.first.pooled[i], x[i], y, _POOLED, label, key=f"pooled{i}")
            yield self._listeners(i, x[len(names) + i], y, name)

    def _window(
        self, window: Window, feature: Array, letter: str, paint: str, x: float, y: float, name: str
    ) -> Iterator[Item]:
        """Pixels × feature = products, and their mean."""
        row, column = window.place
        yield Text(x, y + 9, f"{letter}  at ({row}, {column})", _SMALL, "text")
        top, wide = y + 14, 3 * _PATCH
        where = f"window {letter} at ({row}, {column})"
        yield cells(window.patch, x, top, _PATCH, f"pixels under {where}", write=_sign)
        yield _outlined(window_box(0, 0, (3, 3), x, top, _PATCH), paint)
        at = x + wide
        for sign, numbers, what in (
            ("×", feature, f"the {name}"),
            ("=", window.products, f"products under {where}"),
        ):
            yield Text(at + 8, top + wide / 2 + 4, sign, 11, "text", "middle")
            yield cells(numbers, at + 16, top, _PATCH, what, write=_sign)
            at += 16 + wide
        yield Text(at + 8, top + wide / 2 - 6, "mean", _SMALL, "muted")
        mean = short_number(window.mean)
        yield Text(at + 8, top + wide / 2 + 8, mean, 11, "text", bold=True)

    def _listeners(self, i: int, x: float, y: float, name: str) -> Group:
        """Which class listens to each pooled answer, and with what weight."""
        items: list[Item] = []
        said = []
        for (row, column), _ in np.ndenumerate(self.story.votes[0, i]):
            left, top = x + column * _POOLED, y + row * _POOLED
            weights = self.story.votes[:, i, row, column]
            voter = int(np.argmax(weights))
            listens = weights[voter] > 0
            paint = ("plus2", "minus2")[voter % 2] if listens else "body"
            items.append(Rect(Box(left, top, left + _POOLED, top + _POOLED), paint))
            if listens:
                letter, middle = self.story.classes[voter], left + _POOLED / 2
                items.append(Text(middle, top + 12, letter, 9.5, "text", "middle", bold=True))
                weight = short_number(float(weights[voter]))
                items.append(Text(middle, top + 24, weight, 9, "text", "middle"))
                said.append(f"{letter} to ({row}, {column}) with {weight}")
        label = f"who listens to the {name}: {', '.join(said) or 'nobody'}"
        rows, columns = self.story.votes.shape[2:]
        box = Box(x, y, x + columns * _POOLED, y + rows * _POOLED)
        return Group(tuple(items), "card", f"votes{i}", label, label, box)

    # Votes

    def _sums(self, top: float, width: float) -> tuple[list[Item], float]:
        """The dense layer written out for the worked picture."""
        items: list[Item] = [
            Text(_MARGIN, top + 9, "7 the votes: a dense layer", 11, "text", bold=True)
        ]
        top += 26
        for name, weights, vote in zip(
            self.story.classes, self.story.votes, self.first.votes, strict=True
        ):
            heard = self.first.pooled[weights > 0]
            terms = " + ".join(short_number(float(v)) for v in heard)
            value = short_number(float(vote))
            result, said = f"{name} {value}", f"{name} listens to {len(heard)}: ({terms})"
            words = f"= ({terms}) / {len(heard)}, the {len(heard)} that it listens to"
            shapes: tuple[Item, ...] = (
                Text(_MARGIN, top + 9, result, 11, "text", bold=True),
                Text(_MARGIN + 42, top + 9, words, 9.5, "text"),
            )
            items.append(Group(shapes, "legend", "", f"{said} / {len(heard)} = {value}"))
            top += 17
        return items, top

    def _votes(self, look: Look) -> str:
        pairs = zip(self.story.classes, look.votes, strict=True)
        return ", ".join(f"{name} {short_number(float(vote))}" for name, vote in pairs)

    def _gallery(self, top: float, width: float) -> tuple[list[Item], float]:
        """All pictures with their pooled answers and votes."""
        looks = self.story.looks
        words = "their pooled answers, the votes, and how far their pixels agree with the first"
        items: list[Item] = [
            Text(_MARGIN, top + 9, "8 the same network on other pictures", 11, "text", bold=True),
            Text(_MARGIN, top + 22, words, _SMALL, "muted"),
        ]
        each = (width - 2 * _MARGIN + 10) / len(looks)
        bottom = top
        for i, look in enumerate(looks):
            group = self._verdict(look, _MARGIN + i * each, top + 34, each - 10, f"look{i}")
            items.append(group)
            assert group.box is not None
            bottom = max(bottom, group.box.bottom)
        return items, bottom + 6

    def _verdict(self, look: Look, x: float, y: float, width: float, key: str) -> Group:
        winner = int(np.argmax(look.votes))
        items: list[Item] = [Text(x, y + 9, look.name, 9.5, "text", bold=True)]
        top = y + 14
        items += cells(look.picture, x, top, _TINY, look.name, paint=_ink, write=None).items
        for i, pooled in enumerate(look.pooled):
            at = top + i * (len(pooled) * 7 + 3)
            left = x + look.picture.shape[1] * _TINY + 10
            items += cells(pooled, left, at, 7.0, "", write=None).items
        top += len(look.picture) * _TINY + 8
        for i, (name, vote) in enumerate(zip(self.story.classes, look.votes, strict=True)):
            bar = Box(x + 16, top, x + 16 + _BAR, top + 11)
            filled = Box(bar.left, top, bar.left + max(float(vote) * _BAR, 0.5), bar.bottom)
            wins = i == winner
            items += [
                Text(x, top + 9, name, 9.5, "text", bold=wins),
                Rect(bar, "body"),
                Rect(filled, ("plus4", "minus4")[i % 2]),
                Text(bar.right + 6, top + 9, short_number(float(vote)), 9.5, "text", bold=wins),
            ]
            top += 15
        words = f"→ {self.story.classes[winner]}"
        items.append(Text(x, top + 11, words, 11, "text", bold=True))
        agrees = f"pixels: {short_number(look.agreement)}"
        items.append(Text(x + 30, top + 11, agrees, _SMALL, "muted"))
        box = Box(x, y, x + width, top + 16)
        label = (
            f"{look.name}: votes {self._votes(look)}, so {self.story.classes[winner]}; pixel by "
            f"pixel it agrees with {self.first.name} to {short_number(look.agreement)}"
        )
        return Group(tuple(items), "card", key, label, label, box)

    def _data(self) -> dict[str, Any]:
        story = self.story
        return {
            "windows": [
                {"feature": w.feature, "place": w.place, "products": w.products.tolist(),
                 "mean": w.mean}
                for w in story.windows
            ],
            "votes": [
                {"name": k.name, "votes": [float(v) for v in k.votes], "agreement": k.agreement}
                for k in story.looks
            ],
            "maps": self.first.maps.tolist(),
            "rectified": self.first.rectified.tolist(),
            "pooled": self.first.pooled.tolist(),
            "weights": story.votes.tolist(),
        }  # fmt: skip


def _step(x: float, top: float, title: str, words: str) -> Iterator[Item]:
    """The heading of a step."""
    yield Text(x, top + 11, title, 11, "text", bold=True)
    yield Text(x, top + 24, words, _SMALL, "muted")


def _ink(value: float) -> str:
    """Dark and light tell small pixels apart in print, too."""
    return "badge" if value > 0 else "zero"


def _sign(value: float) -> str:
    return "+" if value > 0 else "−"


def _outlined(box: Box, paint: str) -> Path:
    corners = ((box.right, box.top), (box.right, box.bottom), (box.left, box.bottom))
    steps = (("M", box.left, box.top), *(("L", *corner) for corner in corners), ("Z",))
    return Path(steps, paint, 2.2)
