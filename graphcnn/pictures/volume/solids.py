"""The bodies of volume figures: boxes, stacks of maps, bars and dots, with their faces."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from graphcnn.ir.node import Array, Op
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import Shape, known_size
from graphcnn.ops.elementwise import Add, Mul, Sub
from graphcnn.pictures.content.content import Card
from graphcnn.pictures.scene.colors import FAMILIES
from graphcnn.pictures.scene.pixels import to_grey, write_png
from graphcnn.pictures.scene.scene import Box, Image, Item, Path, Rect, Text

#: Largest and smallest edges in pixels, of space and of channels.
TALL, SMALL = 128.0, 7.0
THICK, THIN = 44.0, 4.0
#: Length of the shortest vector.
SHORT: Final = 12.0
#: Direction in which depth is drawn: right and up, for each pixel of width.
OBLIQUE: Final = (0.42, -0.3)
#: The same behind painted maps, where channels lie in depth: for each pixel of their thickness.
BEHIND: Final = (0.36, -0.26)
#: Maps of a stack that are drawn, and how far each lies from the next.
MAPS, OFFSET = 8, 5.0

SCALES: Final[dict[str, Callable[[float], float]]] = {
    "sqrt": math.sqrt,
    "linear": float,
    "log": lambda x: math.log2(1 + x),
}

#: What a figure says about its scale.
RULES: Final[dict[str, str]] = {
    "sqrt": "not to scale: lengths grow with the square root of the sizes",
    "linear": "lengths are true to scale, down to a smallest one",
    "log": "not to scale: lengths grow with the logarithm of the sizes",
}

#: What is drawn as a circle with a sign.
SIGNS: Final[dict[type[Op], str]] = {Add: "+", Mul: "×", Sub: "−"}

Vector = tuple[float, float]


@dataclass(frozen=True)
class Face:
    """A parallelogram that shows height and width: its corner and its two edges."""

    corner: Vector
    across: Vector
    down: Vector

    def point(self, u: float, v: float) -> Vector:
        """The point at the share `u` of the width and `v` of the height."""
        return (
            self.corner[0] + u * self.across[0] + v * self.down[0],
            self.corner[1] + u * self.across[1] + v * self.down[1],
        )

    def path(self, u0: float, v0: float, u1: float, v1: float, paint: str) -> Path:
        points = [self.point(u, v) for u, v in ((u0, v0), (u1, v0), (u1, v1), (u0, v1))]
        first, *rest = points
        return Path((("M", *first), *(("L", *p) for p in rest), ("Z",)), paint)

    def moved(self, dx: float, dy: float) -> "Face":
        return Face((self.corner[0] + dx, self.corner[1] + dy), self.across, self.down)


@dataclass
class Solid:
    """A body of `width` by `height` pixels, drawn from its top left corner.

    `face` is where windows lie and maps are painted; None where there is no such place.
    `crown` is where its upper edge begins and ends, where that is not all of its width.
    """

    card: Card
    width: float
    height: float
    parts: Callable[[float, float], list[Item]]
    face: Face | None = None
    size: tuple[int, int] = (1, 1)
    painted: bool = False
    crown: tuple[float, float] | None = None
    box: Box = field(default=Box(0, 0, 0, 0))

    @property
    def top(self) -> tuple[float, float]:
        """Middle and width of the upper edge."""
        left, right = self.crown or (0.0, self.width)
        return self.box.left + (left + right) / 2, right - left

    def place(self, left: float, top: float) -> list[Item]:
        self.box = Box(left, top, left + self.width, top + self.height)
        if self.face is not None:
            self.face = self.face.moved(left, top)
        return self.parts(left, top)


@dataclass(frozen=True)
class Measure:
    """From sizes of tensors to pixels, by one rule for the whole figure."""

    scale: str
    most: float
    most_channels: float
    most_units: float
    tall: float = TALL

    def space(self, size: float) -> float:
        rule = SCALES[self.scale]
        return max(SMALL, self.tall * rule(size) / rule(self.most))

    def units(self, count: float) -> float:
        rule = SCALES[self.scale]
        return max(SHORT, self.tall * rule(count) / rule(self.most_units))

    def channels(self, count: float) -> float:
        rule = SCALES[self.scale]
        return max(THIN, THICK * rule(count) / rule(self.most_channels))


def measure(shapes: Sequence[Shape], scale: str, tall: float = TALL) -> Measure:
    """The rule for these shapes: the largest maps are `tall` pixels high, and so is the longest
    vector, whatever its number of elements."""
    sizes = [d for s in shapes for d in s[2:] if isinstance(d, int)]
    channels = [s[1] for s in shapes if len(s) == 4 and isinstance(s[1], int)]
    units = [known_size(s[1:]) for s in shapes if not _is_map(s)]
    size, channel, unit = (max(each, default=1) for each in (sizes, channels, units))
    return Measure(scale, size, channel, unit, tall)


def _is_map(shape: Shape) -> bool:
    """Whether an item has channels, height and width, and more than one pixel."""
    return len(shape) == 4 and shape[2:] != (1, 1)


def solid(card: Card, style: str, m: Measure, maps: Array | None = None) -> Solid:
    """The body of a card's output; `maps` are its real values, without the batch axis."""
    assert card.output is not None
    shape = [int(d) for d in card.output.shape[1:] if isinstance(d, int)]
    sign = SIGNS.get(type(card.nodes[0].op)) if card.nodes else None
    if sign is not None:
        return _dot(card, sign)
    if len(shape) != 3 or not _is_map(card.output.shape):
        return _bar(card, max(math.prod(shape), 1), m, maps)
    c, h, w = shape
    make = {"box": _box, "lenet": _stack, "bars": _flat}[style]
    return make(card, c, h, w, m, maps)


def is_colored(card: Card, maps: Array | None) -> bool:
    """Whether the values are an image of red, green and blue, which is painted in its colours."""
    return (
        maps is not None
        and len(maps) == 3
        and bool(card.nodes)
        and isinstance(card.nodes[0].op, Input)
    )


def _paint(card: Card) -> str:
    return FAMILIES[card.family].paint


def _box(card: Card, c: int, h: int, w: int, m: Measure, maps: Array | None) -> Solid:
    """An oblique box: thick by channels, high and deep by height and width."""
    paint, pool = _paint(card), card.family == "pool"
    thick = 5.0 if pool else m.channels(c) if card.nodes[0].inputs else 3.0
    high, deep = m.space(h), m.space(w)
    dx, dy = OBLIQUE[0] * deep, OBLIQUE[1] * deep
    face = Face((thick, -dy), (dx, dy), (0, high))
    top = Face((0, -dy), (thick, 0), (dx, dy))
    front = Face((0, -dy), (thick, 0), (0, high))

    def parts(left: float, upper: float) -> list[Item]:
        items: list[Item] = [
            top.moved(left, upper).path(0, 0, 1, 1, f"{paint}_top"),
            face.moved(left, upper).path(0, 0, 1, 1, paint),
            front.moved(left, upper).path(0, 0, 1, 1, f"{paint}_front"),
        ]
        if maps is not None:
            chosen = _shown(card, maps, 1)[0]
            items.insert(2, _painted(face.moved(left, upper), chosen, maps))
            items.insert(3, face.moved(left, upper).path(0, 0, 1, 1, f"{paint}_line"))
        return items

    crown = (dx, dx + thick)
    return Solid(card, thick + dx, high - dy, parts, face, (h, w), maps is not None, crown)


def _stack(card: Card, c: int, h: int, w: int, m: Measure, maps: Array | None) -> Solid:
    """Maps one before the other; the front one lies lowest and furthest right."""
    paint = _paint(card)
    high, wide = m.space(h), m.space(w)
    count = 1 if is_colored(card, maps) else min(c, MAPS)
    chosen = _shown(card, maps, count) if maps is not None else []
    shift = OFFSET * (count - 1)
    face = Face((shift, shift), (wide, 0), (0, high))

    def parts(left: float, upper: float) -> list[Item]:
        items: list[Item] = []
        for i in range(count):
            x, y = left + OFFSET * i, upper + OFFSET * i
            box = Box(x, y, x + wide, y + high)
            if maps is not None:
                one = Face((x, y), (wide, 0), (0, high))
                items += [_painted(one, chosen[count - 1 - i], maps), _frame(box, paint)]
            else:
                items.append(Rect(box, paint))
        return items

    size, crown = (wide + shift, high + shift), (0.0, wide)
    return Solid(card, *size, parts, face, (h, w), maps is not None, crown)


def _flat(card: Card, c: int, h: int, w: int, m: Measure, maps: Array | None) -> Solid:
    """A bar: as high as the space, as wide as the channels. With maps, the strongest of them with
    the channels behind it."""
    if maps is not None:
        return _slab(card, c, h, w, m, maps)
    paint, high, wide = _paint(card), m.space(h), max(m.channels(c), 6.0)
    face = Face((0, 0), (wide, 0), (0, high))

    def parts(left: float, upper: float) -> list[Item]:
        return [Rect(Box(left, upper, left + wide, upper + high), f"{paint}_top", 1.5)]

    return Solid(card, wide, high, parts, face, (h, w))


def _slab(card: Card, c: int, h: int, w: int, m: Measure, maps: Array) -> Solid:
    """A box seen from its front, which shows a map: as deep as there are channels."""
    paint, high, wide = _paint(card), m.space(h), m.space(w)
    dx, dy = (part * m.channels(c) for part in BEHIND)
    face = Face((0, -dy), (wide, 0), (0, high))
    top = Face((dx, 0), (wide, 0), (-dx, -dy))
    side = Face((wide, -dy), (dx, dy), (0, high))

    def parts(left: float, upper: float) -> list[Item]:
        front = face.moved(left, upper)
        return [
            top.moved(left, upper).path(0, 0, 1, 1, f"{paint}_top"),
            side.moved(left, upper).path(0, 0, 1, 1, f"{paint}_front"),
            _painted(front, _shown(card, maps, 1)[0], maps),
            front.path(0, 0, 1, 1, f"{paint}_line"),
        ]

    return Solid(card, wide + dx, high - dy, parts, face, (h, w), True, (dx, dx + wide))


def _bar(card: Card, units: int, m: Measure, maps: Array | None) -> Solid:
    """A vector: a thin column, its length by the number of elements."""
    high, wide, paint = m.units(units), 9.0, _paint(card)

    def parts(left: float, upper: float) -> list[Item]:
        box = Box(left, upper, left + wide, upper + high)
        if maps is None:
            return [Rect(box, f"{paint}_top", 1.5)]
        column = maps.reshape(-1, 1)
        face = Face((left, upper), (wide, 0), (0, high))
        return [_painted(face, column, maps), _frame(box, paint)]

    return Solid(card, wide, high, parts)


def _dot(card: Card, sign: str) -> Solid:
    """A sum, as a circle with its sign."""

    def parts(left: float, upper: float) -> list[Item]:
        box = Box(left, upper, left + 22, upper + 22)
        return [
            Rect(box, _paint(card), 11),
            Text(left + 11, upper + 16, sign, 15, "text", "middle", True),
        ]

    return Solid(card, 22, 22, parts)


def _frame(box: Box, paint: str) -> Path:
    """A line around a painted map, in the colour of its family."""
    face = Face((box.left, box.top), (box.width, 0), (0, box.height))
    return face.path(0, 0, 1, 1, f"{paint}_line")


def _shown(card: Card, maps: Array, count: int) -> list[Array]:
    """What is painted: the strongest maps, or the one picture (H, W, 3) of a coloured image."""
    return [np.moveaxis(maps, 0, 2)] if is_colored(card, maps) else strongest(maps, count)


def strongest(maps: Array, count: int) -> list[Array]:
    """The maps (C, H, W) with the largest sums of squares, in falling order."""
    energy = np.square(np.nan_to_num(maps, posinf=0, neginf=0)).sum(axis=(1, 2))
    order = np.argsort(-energy, kind="stable")[:count]
    return [maps[i] for i in order]


def _painted(face: Face, values: Array, all_values: Array) -> Image:
    """Values as pixels on a face, on the scale of all values of the layer."""
    finite = np.nan_to_num(all_values, posinf=0, neginf=0)
    low, high = float(finite.min()), float(finite.max())
    rows, columns = values.shape[:2]
    pixels = to_grey(values.reshape(rows, -1), low, high).reshape(values.shape)
    return Image(face.corner, face.across, face.down, write_png(pixels), columns, rows)


def as_maps(values: Any, shape: Shape) -> Array:
    """Values of one item: (C, H, W), (F), or either behind a batch axis, of which the first."""
    array = np.asarray(values)
    wanted = len(shape) - 1
    if array.ndim == wanted + 1:
        array = array[0]
    return array if array.ndim == 3 else array.reshape(-1, 1, 1)
