"""A convolution drawn as the dense layer that it is: most weights removed, the others shared."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any, Final

import numpy as np

from graphcnn.ir.node import Array
from graphcnn.pictures.parts.cells import cells, short_number, table_box
from graphcnn.pictures.parts.legend import heading, notes
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.scene.colors import SHARES
from graphcnn.pictures.scene.fonts import text_width
from graphcnn.pictures.scene.scene import Box, Group, Item, Path, Rect, Scene, Text, arrow
from graphcnn.pictures.scene.units import counted

_SMALL: Final = 9.0
_TOP: Final = 60.0
#: Squares of the matrix, the widest and the narrowest, and the width that a picture has.
_WIDEST, _NARROWEST, _WIDTH = 20.0, 8.0, 830.0
_KERNEL, _PIXEL = 32.0, 20.0

Place = tuple[int, int, int]  # map, row, column
Place2 = tuple[float, float]  # of a table in the picture


@dataclass(frozen=True, eq=False)
class SharedWeights:
    """A part of the dense weight of a convolution, or all of it, with the counts of the whole.

    Attributes:
        name: of the layer.
        setting: kernel, stride and padding in words.
        kernel: its weights (O, C/groups, KH, KW).
        input_sizes, output_sizes: (C, H, W) of one item.
        outputs, inputs: what the rows and the columns of the part stand for.
        taps: whole numbers (rows, columns): the place in the flattened kernel of the weight that
            stands there, -1 where it is removed.
        parameters: numbers that the convolution learns, without biases.
        weights: numbers in the dense weight.
        kept: those of them that are not removed.
    """

    name: str
    setting: str
    kernel: Array
    input_sizes: Place
    output_sizes: Place
    outputs: tuple[Place, ...]
    inputs: tuple[Place, ...]
    taps: Array
    parameters: int
    weights: int
    kept: int

    @property
    def is_whole(self) -> bool:
        return self.taps.size == self.weights

    @cached_property
    def shown(self) -> list[int]:
        """The weights that occur, in the order of the kernel."""
        return [int(tap) for tap in np.unique(self.taps) if tap >= 0]

    @cached_property
    def is_told_apart(self) -> bool:
        """Whether each weight that occurs has a colour and a number of its own; else those of its
        place in its map, so that only weights of one block are the same."""
        return len(self.shown) <= SHARES

    def number(self, tap: int) -> int:
        """What the weight is called in the picture, from 1 on."""
        if self.is_told_apart:
            return self.shown.index(tap) + 1
        height, width = self.kernel.shape[2:]
        return int(tap % (height * width)) + 1

    def paint(self, tap: int) -> str:
        return f"share{(self.number(tap) - 1) % SHARES}"


def shared_weights_picture(form: SharedWeights) -> Picture:
    """The matrix of a convolution: a row for each output, a column for each pixel that is read.

    Where a weight is removed the place is empty. Each weight of the kernel has a colour and a
    number, and stands in as many places as share it. One row is followed to the pixels under the
    kernel. Below stand the counts of the whole layer, and what the picture leaves out.
    """
    return Picture(_Drawing(form).scene())


class _Drawing:
    def __init__(self, form: SharedWeights) -> None:
        self.form = form
        rows = [i for i, place in enumerate(form.outputs) if place[0] == form.outputs[0][0]]
        self.followed = rows[len(rows) // 2]
        labels = max(text_width(self._row_name(i), _SMALL) for i in range(len(form.outputs)))
        self.left = round(14 + labels + 18)
        room = (_WIDTH - 14 - self.left) / len(form.inputs)
        self.size = min(max(int(room), _NARROWEST), _WIDEST)

    def scene(self) -> Scene:
        form = self.form
        above, bottom = self._above()
        box = table_box(form.taps.shape, self.left, bottom + 54, self.size)
        width = max(box.right + 14, _WIDTH)
        title = f"{form.name}: {form.setting}, as a dense layer"
        removed = form.weights - form.kept
        subtitle = (
            f"{form.weights:,} weights: {removed:,} removed, the other {form.kept:,} share "
            f"{form.parameters:,}"
        )
        bars, top = self._bars(box.bottom + 18, width)
        footer = self._footer()
        lines, bottom = notes(footer, width, top + 6)
        items: tuple[Item, ...] = (
            Rect(Box(0, 0, width, bottom + 6), "ground"),
            *heading(title, subtitle, width),
            *above,
            Rect(box, "body"),
            *self._rows(box),
            *self._rulers(box),
            *bars,
            *lines,
        )
        description = (
            f"The dense weight that equals a convolution: {counted(len(form.outputs), 'row')} for "
            f"outputs, {counted(len(form.inputs), 'column')} for pixels. {subtitle}."
        )
        return Scene(width, bottom + 6, items, title, description, tuple(footer), self._data())

    # The kernel, and the pixels under it

    def _above(self) -> tuple[list[Item], float]:
        """Kernel and followed window, side by side, and where they end below."""
        form, planes, top = self.form, self._planes(), _TOP + 20
        row = form.outputs[self.followed]
        several = len(planes) > 1
        items: list[Item] = []
        x, bottom, headed = 14.0, top, 0.0

        def placed(words: str, name: str, shape: tuple[int, ...], size: float) -> Place2:
            """Where the next table stands, below its heading and its name."""
            nonlocal x, top, bottom, headed
            wide, heading = max(shape[1] * size, 44.0), text_width(words, 9.5, bold=True)
            x = max(x, headed) if words else x
            if x > 14 and x + max(wide, heading) > _WIDTH - 14:
                x, top = 14.0, bottom + 26
            if words:
                items.append(Text(x, top - 8, words, 9.5, "text", bold=True))
                headed = x + heading + 14
            if several:
                items.append(Text(x, top + 9, name, _SMALL, "muted"))
            place = x, top + (13 if several else 0)
            x, bottom = x + wide + 10, max(bottom, place[1] + shape[0] * size)
            return place

        words = f"the kernel: {counted(form.parameters, 'weight')}"
        for made, read, taps in planes:
            where = placed(words, f"map {read + 1} → {made + 1}", taps.shape, _KERNEL)
            items.append(self._plane(taps, *where, f"kernel from map {read + 1} to {made + 1}"))
            words = ""
        x += 14
        words = f"output ({row[1]}, {row[2]}) reads"
        for channel, part in groupby(range(len(form.inputs)), lambda i: form.inputs[i][0]):
            columns = list(part)
            shape = form.inputs[columns[-1]][1] + 1, form.inputs[columns[-1]][2] + 1
            where = placed(words, f"map {channel + 1}", shape, _PIXEL)
            taps = form.taps[self.followed][columns].reshape(shape)
            items.append(self._window(taps, *where, channel))
            words = ""
        return items, bottom

    def _planes(self) -> list[tuple[int, int, Array]]:
        """(output map, input map, places in the kernel) of all blocks that are not empty."""
        form = self.form
        numbers = np.arange(form.kernel.size).reshape(form.kernel.shape)
        found: dict[tuple[int, int], Array] = {}
        for i, (made, _, _) in enumerate(form.outputs):
            for j, (read, _, _) in enumerate(form.inputs):
                tap = int(form.taps[i, j])
                if tap >= 0 and (made, read) not in found:
                    o, c = np.unravel_index(tap, form.kernel.shape)[:2]
                    found[made, read] = numbers[o, c]
        return [(made, read, taps) for (made, read), taps in found.items()]

    def _plane(self, taps: Array, left: float, top: float, label: str) -> Group:
        """A map of the kernel: number and value of each weight."""
        form, items = self.form, list[Item]()
        for (row, column), tap in np.ndenumerate(taps):
            x, y = left + column * _KERNEL, top + row * _KERNEL
            met = int(tap) in form.shown
            paint = form.paint(int(tap)) if met else "zero"
            items.append(Rect(Box(x, y, x + _KERNEL, y + _KERNEL), paint))
            name = str(form.number(int(tap))) if met else "–"
            value = short_number(float(form.kernel.ravel()[int(tap)]))
            items.append(Text(x + _KERNEL / 2, y + 13, name, 9.5, "text", "middle", bold=True))
            items.append(Text(x + _KERNEL / 2, y + 26, value, 9, "text", "middle"))
        values = " ".join(short_number(float(form.kernel.ravel()[int(t)])) for t in taps.ravel())
        return Group(tuple(items), "card", "", f"{label}: {values}", label,
                     table_box(taps.shape, left, top, _KERNEL))  # fmt: skip

    def _window(self, taps: Array, left: float, top: float, channel: int) -> Group:
        """The pixels of a map, those that the followed row reads in the colours of the weights."""
        form = self.form
        met = [int(tap) for tap in taps.ravel() if tap >= 0]
        return cells(
            taps, left, top, _PIXEL, f"pixels of map {channel + 1} under the kernel",
            paint=lambda tap: form.paint(int(tap)) if int(tap) in met else "zero",
            write=lambda tap: str(form.number(int(tap))) if int(tap) in met else "",
        )  # fmt: skip

    # The matrix

    def _rows(self, box: Box) -> Iterator[Item]:
        form, size = self.form, self.size
        digits = min(9.5, size * 0.6)
        for i, taps in enumerate(form.taps):
            y = box.top + i * size
            items: list[Item] = []
            said = []
            for j, tap in enumerate(taps):
                if tap < 0:
                    continue
                x = box.left + j * size
                name = str(form.number(int(tap)))
                items.append(Rect(Box(x, y, x + size, y + size), form.paint(int(tap))))
                if digits >= 7 and text_width(name, digits) <= size - 1:
                    items.append(
                        Text(x + size / 2, y + size / 2 + 0.36 * digits, name, digits, "text",
                             "middle")
                    )  # fmt: skip
                said.append(f"{name} at {form.inputs[j]}")
            words = f"output {form.outputs[i]}: weight {', '.join(said) or 'none'}"
            yield Group(tuple(items), "card", f"row{i}", words, words,
                        Box(box.left, y, box.right, y + size))  # fmt: skip
            yield Text(box.left - 16, y + size / 2 + 3, self._row_name(i), _SMALL, "muted", "end")
        y = box.top + (self.followed + 0.5) * size
        yield arrow(box.left - 3, y, 1, 0, "head", 8)

    def _row_name(self, i: int) -> str:
        made, row, column = self.form.outputs[i]
        several = self.form.output_sizes[0] > 1
        return f"map {made + 1} " * several + f"({row}, {column})"

    def _rulers(self, box: Box) -> Iterator[Item]:
        """Names of the columns, and lines between rows of the image, channels and maps."""
        form, size = self.form, self.size
        places = form.inputs
        for name, part in groupby(range(len(places)), lambda j: places[j][:2]):
            own = list(part)
            x = box.left + own[0] * size
            if own[0]:
                new = places[own[0]][0] != places[own[0] - 1][0]
                line = (("M", x, box.top - (34 if new else 22)), ("L", x, box.bottom))
                yield Path(line, "axis" if new else "leader", 1.6 if new else None)
            words = f"row {name[1]}"
            if text_width(words, _SMALL) > len(own) * size - 4:
                words = str(name[1])
            yield Text(x + len(own) * size / 2, box.top - 14, words, _SMALL, "muted", "middle")
            for j in own if size > text_width(str(places[own[-1]][2]), _SMALL) else ():
                middle = box.left + (j + 0.5) * size
                yield Text(middle, box.top - 4, str(places[j][2]), _SMALL, "muted", "middle")
            if not name[1]:
                words = f"pixels of map {name[0] + 1}" if form.input_sizes[0] > 1 else "pixels"
                yield Text(x + 2, box.top - 27, words, 9.5, "text", bold=True)
        for i in range(1, len(form.outputs)):
            if form.outputs[i][0] != form.outputs[i - 1][0]:
                y = box.top + i * size
                yield Path((("M", box.left - 12, y), ("L", box.right, y)), "axis", 1.6)

    # Counts

    def _bars(self, top: float, width: float) -> tuple[list[Item], float]:
        """Weights of the dense layer, those that are left, those that are learned: to scale."""
        form, items = self.form, list[Item]()
        rows = (
            ("dense layer", form.weights, "state", "weights"),
            ("not removed", form.kept, "dense", "places"),
            ("learned", form.parameters, "conv", "weights"),
        )
        x = 14 + max(text_width(name, 9.5) for name, *_ in rows) * 1.06 + 12
        room = width - x - 21 - text_width(f"{form.weights:,} weights", 9.5)
        for name, count, paint, what in rows:
            bar = Box(x, top, x + max(count / form.weights * room, 1.0), top + 13)
            words = f"{count:,} {what}"
            if name == "not removed":
                words += f", {form.kept / form.weights:.2%} of all"
            elif name == "learned":
                words += f", each in {form.kept / form.parameters:,.4g} places on average"
            shapes: tuple[Item, ...] = (
                Rect(bar, paint, 2),
                Text(14, top + 10, name, 9.5, "text"),
                Text(bar.right + 7, top + 10, words, 9.5, "muted"),
            )
            items.append(Group(shapes, "legend", "", f"{name}: {words}"))
            top += 18
        return items, top

    def _footer(self) -> list[str]:
        form = self.form
        taps = form.kernel.shape[2] * form.kernel.shape[3]
        if form.is_told_apart:
            colors = "each colour, with its number, is one weight of the kernel"
        elif len(self._planes()) == 1:
            colors = f"each number is one weight of the kernel; colours repeat after {SHARES}"
        else:
            colors = (
                "in one block, between the thick lines, each number is one weight; blocks share "
                f"none, though their colours are the same{', and repeat' * (taps > SHARES)}"
            )
        lines = [f"{colors} · an empty place is a weight removed"]
        if not form.is_whole:
            (o, oh, ow), (c, h, w) = form.output_sizes, form.input_sizes
            maps, channels = _maps(form.outputs), _maps(form.inputs)
            corner, patch = form.outputs[-1], form.inputs[-1]
            rest = " · their weights for the other maps are not shown" * (len(channels) < c)
            lines.append(
                f"shown: {len(form.outputs):,} of {o * oh * ow:,} rows, the top left "
                f"{corner[1] + 1}×{corner[2] + 1} of {oh}×{ow} outputs in {_listed(maps, o)} · "
                f"{len(form.inputs):,} of {c * h * w:,} columns, the {patch[1] + 1}×{patch[2] + 1} "
                f"of {h}×{w} pixels that they read in {_listed(channels, c)} · these rows are "
                f"empty everywhere else in {'this map' if len(channels) == 1 else 'these maps'}"
                f"{rest}"
            )
        return lines

    def _data(self) -> dict[str, Any]:
        form = self.form
        return {
            "weights": form.weights,
            "kept": form.kept,
            "parameters": form.parameters,
            "outputs": form.outputs,
            "inputs": form.inputs,
            "taps": form.taps.tolist(),
        }


def _maps(places: tuple[Place, ...]) -> list[int]:
    return sorted({place[0] for place in places})


def _listed(maps: list[int], count: int) -> str:
    """`maps 1 and 2 of 6`"""
    if count == 1:
        return "the one map"
    names = " and ".join(str(m + 1) for m in maps) if len(maps) < 3 else f"1 to {maps[-1] + 1}"
    return f"map{'s' * (len(maps) > 1)} {names} of {count}"
