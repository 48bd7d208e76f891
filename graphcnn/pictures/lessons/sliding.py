"""Operators that read a window for each number of their output: convolution and pooling, worked."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np

from graphcnn.ir.node import OPS, Array
from graphcnn.ops.conv import Conv2d
from graphcnn.ops.pool import AvgPool2d, MaxPool2d
from graphcnn.pictures.lessons.engine import definition, result, types_of
from graphcnn.pictures.lessons.panel import Panel, number
from graphcnn.pictures.lessons.reading import Reading, View, output_formulas
from graphcnn.pictures.lessons.stage import Column, Step, check_count, figure
from graphcnn.pictures.lessons.wording import Numbers, pair, sides, size
from graphcnn.pictures.picture import Picture

#: Channels of a map that are drawn; what the others add is one number.
CHANNELS: Final = 4


class _Part(NamedTuple):
    """What one channel, or all those that are not drawn, add to an output."""

    name: str
    window: Array
    kernel: Array
    total: float


def printed(outputs: tuple[int, ...]) -> tuple[int, ...]:
    """The steps that a strip shows: the first two, the first of the second row, the last."""
    maps, high, wide = outputs
    last = maps * high * wide - 1
    return tuple(sorted({step for step in (0, 1, wide, high * wide, last) if step <= last}))


def convolution(
    op: Conv2d,
    x: Array,
    weight: Array,
    bias: Array | None,
    title: str,
    show: Numbers,
    view: View | None = None,
) -> Picture:
    """A convolution, one output a frame: the window, the kernel, the products, their sum.

    x is (C, H, W).
    """
    view = view or View()
    y = result(op, x[None], weight, bias)[0]
    maps, high, wide = y.shape
    check_count(y.size)
    steps = [(o, i, j) for o in range(maps) for i in range(high) for j in range(wide)]
    both = op.sliding(*types_of(x[None], weight))
    reading = Reading.of(x, both)
    kernels = weight[:, :, ::-1, ::-1] if op.flip_kernel else weight
    per_group, taps, frames = weight.shape[1], weight.shape[2:], len(steps)
    drawn = [c for c in range(len(x)) if c % per_group < CHANNELS]
    inputs = _inputs(reading, drawn, show, frames, op, view)
    name = f"kernel {size(taps)}"
    weights = [Panel.empty(name + ", rotated" * op.flip_kernel, taps, frames) for _ in drawn]
    stored = [Panel.empty(name, taps, frames) for _ in drawn]
    products = [Panel.empty("products", taps, frames) for _ in drawn]
    outputs = _outputs(y, frames, view)
    for panel in (*products, *(() if maps == 1 else (*weights, *stored))):
        panel.name = None  # the steps tell what is in them
    for panels, what, once in ((inputs, "channel", False), (weights, "channel", True),
                               (stored, "channel", True), (products, "channel", True),
                               (outputs, "map", False)):  # fmt: skip
        number(panels, what, once)
    mul, alone, worked = OPS["mul"](), Conv2d(), []
    for f, (o, i, j) in enumerate(steps):
        rows, columns = reading.window(i, j)
        first = o // (maps // op.groups) * per_group
        parts: list[_Part] = []
        for n, c in enumerate(drawn):
            if not first <= c < first + per_group:
                continue
            window, kernel = reading.padded[c][rows, columns], kernels[o, c - first]
            inputs[n].paints[f, rows, columns] = "kernel"
            inputs[n].mark(f, reading.area(i, j), "window")
            for panel, values, paint in (
                (weights[n], kernel, "kernel"),
                (stored[n], weight[o, c - first], "body"),
                (products[n], result(mul, window, kernel), "several"),
            ):
                panel.texts[f], panel.paints[f] = show.all(values), paint
            total = result(alone, window[None, None], kernel[None, None]).item()
            parts.append(_Part(f"channel {c}", window, kernel, total))
        if per_group > CHANNELS:
            window, kernel = reading.padded[CHANNELS:, rows, columns], kernels[o, CHANNELS:]
            total = result(alone, window[None], kernel[None]).item()
            parts.append(_Part(f"{len(window)} other channels", window, kernel, total))
        value = y[o, i, j].item()
        place = _place((o, i + view.origin[0], j + view.origin[1]), maps, "map")
        worked.append(_sum(place, parts, None if bias is None else bias[o].item(), value, show))
        _put(outputs[o], f, i, j, show(value), op.family)
    columns_ = [Column(inputs, "×"), Column(weights, "="), Column(products, "→"), Column(outputs)]
    if op.flip_kernel:
        columns_.insert(1, Column(stored, "→"))
    sizes = view.sizes or tuple(output_formulas((x.shape[1], x.shape[2]), both))
    facts = [*sizes, *_about(op, weight, view)]
    data = {"x": x.tolist(), "weight": weight.tolist(), "y": y.tolist()}
    data |= {} if bias is None else {"bias": bias.tolist()}
    return figure(title, definition(op), columns_, worked, facts, data, printed(y.shape))


def pooling(
    op: MaxPool2d | AvgPool2d, x: Array, title: str, show: Numbers, view: View | None = None
) -> Picture:
    """A pool, one output a frame: the window, and its largest number or its mean. x (C, H, W)."""
    view = view or View()
    y = result(op, x[None])[0]
    maps, high, wide = y.shape
    check_count(y.size)
    steps = [(c, i, j) for c in range(maps) for i in range(high) for j in range(wide)]
    both = op.sliding(*types_of(x[None]))
    reading = Reading.of(x, both)
    counted = isinstance(op, AvgPool2d) and op.count_include_pad
    inputs = _inputs(reading, range(maps), show, len(steps), op, view)
    outputs = _outputs(y, len(steps), view)
    for panel in inputs if not counted else []:
        panel.texts[:, ~reading.inside] = ""
    number(inputs, "channel")
    number(outputs, "channel")
    if isinstance(op, MaxPool2d):
        switches: Any = replace(op, indices=True).evaluate(x[None])[1][0]
    worked = []
    for f, (c, i, j) in enumerate(steps):
        rows, columns = reading.window(i, j)
        read = np.full(rows.shape, True) if counted else reading.inside[rows, columns]
        values = [float(v) for v in reading.padded[c][rows, columns][read]]
        inputs[c].paints[f, rows, columns] = "kernel"
        inputs[c].mark(f, reading.area(i, j), "window")
        value = y[c, i, j].item()
        if isinstance(op, MaxPool2d):
            at = reading.padded_place(int(switches[c, i, j]))
            inputs[c].paints[f][at], inputs[c].bold[f][at] = "added", True
            line = f"max({', '.join(map(show, values))}) = {show(value)}"
        else:
            count = int(op.counts((x.shape[1], x.shape[2]), np.int64)[i, j])
            sum_ = show.sum(*((v, "") for v in values))
            line = f"({sum_}) / {count} {show.equals(*values, value)} {show(value)}"
        place = _place((c, i + view.origin[0], j + view.origin[1]), maps, "channel")
        worked.append(Step(place, (line,)))
        _put(outputs[c], f, i, j, show(value), op.family)
    facts = [*(view.sizes or output_formulas((x.shape[1], x.shape[2]), both))]
    if not reading.inside.all() and not counted:
        facts.append(
            "padding takes no part" + ": it is never the maximum" * isinstance(op, MaxPool2d)
        )
    data = {"x": x.tolist(), "y": y.tolist()}
    columns_ = [Column(inputs, "→"), Column(outputs)]
    return figure(title, definition(op), columns_, worked, facts, data, printed(y.shape))


def _put(panel: Panel, f: int, i: int, j: int, text: str, paint: str) -> None:
    """An output that a frame has made, and that stays."""
    panel.texts[f:, i, j], panel.paints[f:, i, j] = text, paint
    panel.mark(f, (i, j, i + 1, j + 1), "outline")


def _inputs(
    reading: Reading, drawn: Sequence[int], show: Numbers, frames: int, op: Any, view: View
) -> list[Panel]:
    """The channels with their padding, what no window reads struck through."""
    real = reading.inside.copy()
    if view.given is not None:
        real[reading.inside] = view.given.flat
    paints = np.where(real, "body", "state").astype(object)
    shape = (reading.inside.any(1).sum(), reading.inside.any(0).sum())
    padding = f", padding {sides(op.padding)}" if any(op.padding) else ""
    title = view.title or f"input {size(shape)}{padding}"
    panels = [Panel.of(title, show.all(reading.padded[c]), frames, paints) for c in drawn]
    for panel in panels:
        panel.hatched = reading.unread
    return panels


def _outputs(y: Array, frames: int, view: View) -> list[Panel]:
    title = view.output or f"output {size(y.shape[1:])}"
    return [Panel.empty(title, y.shape[1:], frames, "frame") for _ in y]


def _about(op: Conv2d, weight: Array, view: View) -> list[str]:
    """What the attributes mean, where they are not the usual ones."""
    o, per_group, *taps = weight.shape
    found = []
    if op.groups > 1:
        each = "one channel" if per_group == 1 else f"{per_group} channels"
        numbers = f"{o}·{per_group}·{taps[0]}·{taps[1]} = {weight.size}"
        found.append(
            f"{op.groups} groups: each map reads the {each} of its group and no others: "
            f"{numbers} weights in place of {weight.size * op.groups}"
        )
    if op.flip_kernel:
        found.append(view.rotated)
    if max(op.dilation) > 1:
        spans = [w.span for w in op.windows((taps[0], taps[1]))]
        found.append(
            f"dilation {pair(op.dilation)}: {size(taps)} weights span {size(spans)} pixels"
        )
    return found


def _place(at: tuple[int, int, int], maps: int, what: str) -> str:
    where = f"output at row {at[1]}, column {at[2]}"
    return where if maps == 1 else f"{where} of {what} {at[0]}"


def _sum(place: str, parts: list[_Part], bias: float | None, y: float, show: Numbers) -> Step:
    """The sum of products in words, channel by channel where there are several."""
    spoken = []
    for part in parts:
        if part.window.ndim == 3:  # too many to be told one by one
            spoken.append(f"{part.name} together {show(part.total)}")
            continue
        pairs = zip(part.window.flat, part.kernel.flat, strict=True)
        products = [f"{show.factor(float(v))}·{show.factor(float(w))}" for v, w in pairs]
        terms = " + ".join(products)
        numbers = (*map(float, part.window.flat), *map(float, part.kernel.flat), part.total)
        sum_ = f"{terms} {show.equals(*numbers)} {show(part.total)}"
        spoken.append(sum_ if len(parts) == 1 else f"{part.name}: {sum_}")
    totals = [part.total for part in parts]
    lines = list(spoken) if len(parts) == 1 else []
    names = [part.name if len(parts) > 1 else "" for part in parts]
    named = list(zip(totals, names, strict=True))
    if bias is not None:
        named.append((bias, "bias"))
    if bias is not None or len(parts) > 1:
        exact = show.equals(*totals, bias or 0.0, y)
        lines.append(f"{show.sum(*named)} {exact} {show(y)}")
        spoken.append(lines[-1])
    return Step(place, tuple(lines), "; ".join(spoken))
