"""Operators that write several places for each number of their input, worked step by step.

Transposed convolution, which stamps its kernel; nearest upsampling; max unpooling, which needs the
switches of the pool; padding.
"""

from dataclasses import replace

import numpy as np

from graphcnn.errors import OutputError
from graphcnn.ir.geometry import Window
from graphcnn.ir.node import OPS, Array
from graphcnn.ops.conv import Conv2d, ConvTranspose2d
from graphcnn.ops.padding import Pad2d
from graphcnn.ops.parts.unfold import unfold
from graphcnn.ops.pool import MaxPool2d
from graphcnn.ops.resample import Upsample2d, ZeroInsert2d
from graphcnn.ops.unpool import MaxUnpool2d
from graphcnn.pictures.lessons.engine import definition, result, types_of
from graphcnn.pictures.lessons.panel import Panel, number
from graphcnn.pictures.lessons.reading import Reading, View, around, by_axis, output_formulas
from graphcnn.pictures.lessons.sliding import convolution, printed
from graphcnn.pictures.lessons.stage import Column, Step, check_count, figure
from graphcnn.pictures.lessons.wording import Numbers, pair, sides, size
from graphcnn.pictures.picture import Picture

_ROTATED = (
    "slid over the zeros, the kernel rotated by 180° adds up what stamps of the kernel add up"
)


def stamping(
    op: ConvTranspose2d, x: Array, weight: Array, bias: Array | None, title: str, show: Numbers
) -> Picture:
    """A transposed convolution, one input a frame: it times the kernel is added to the output.

    x (C, H, W). What the padding cuts off is computed too, and struck through.
    """
    maps, high, wide = x.shape
    check_count(x.size)
    steps = [(o, i, j) for o in range(maps) for i in range(high) for j in range(wide)]
    y = result(op, x[None], weight, bias)[0]
    top, _, left, _ = op.padding
    whole = replace(op, padding=(0, 0, 0, 0))
    canvas = result(whole, x[None], weight, bias).shape[2:]
    inside = np.zeros(canvas, bool)
    inside[top : top + y.shape[1], left : left + y.shape[2]] = True
    kernels = weight[:, :, ::-1, ::-1] if op.flip_kernel else weight
    per_group, taps = weight.shape[1], weight.shape[2:]
    places = _places(canvas, whole.windows(taps))
    frames = len(steps)
    inputs = [Panel.of(f"input {size(x.shape[1:])}", show.all(c), frames) for c in x]
    stored = [Panel.empty(f"kernel {size(taps)}", taps, frames) for _ in range(per_group)]
    stamps = [Panel.empty("stamp", taps, frames) for _ in range(per_group)]
    cut = f", {sides(op.padding)} cut off" if any(op.padding) else ""
    name = f"output {size(y.shape[1:])}{cut}"
    outputs = [Panel.empty(name, canvas, frames, "frame") for _ in y]
    for panels, what, once in ((inputs, "channel", False), (stored, "map", True),
                               (stamps, "map", True), (outputs, "map", False)):  # fmt: skip
        number(panels, what, once)
    for panel in (*stamps, *(() if maps == 1 else stored)):
        panel.name = None  # the steps tell what is in them
    for panel in outputs:
        panel.hatched = ~inside
    touched, worked, known = np.zeros((len(y), *canvas), bool), [], np.zeros_like(x)
    mul = OPS["mul"]()
    for f, (o, i, j) in enumerate(steps):
        known[o, i, j] = x[o, i, j]
        sums = result(whole, known[None], weight, bias)[0]  # of the stamps until now
        first = o // (maps // op.groups) * per_group
        rows, columns = np.divmod(places[i, j], canvas[1])
        value = float(x[o, i, j])
        inputs[o].paints[f, i, j] = "kernel"
        inputs[o].mark(f, (i, j, i + 1, j + 1), "outline")
        spoken = []
        for k in range(per_group):
            made = result(mul, x[o, i, j].reshape(1, 1), kernels[o, k])
            stored[k].texts[f], stored[k].paints[f] = show.all(kernels[o, k]), "kernel"
            stamps[k].texts[f], stamps[k].paints[f] = show.all(made), "several"
            touched[first + k, rows, columns] = True
            spoken.append(" / ".join(" ".join(row) for row in show.all(made)))
        for c, panel in enumerate(outputs):
            seen = touched[c] | (f == frames - 1)
            panel.texts[f] = np.where(seen, show.all(sums[c]), "")
            panel.paints[f] = np.where(seen, np.where(inside, op.family, "state"), "frame")
            if first <= c < first + per_group:
                panel.paints[f, rows, columns] = "kernel"
                panel.mark(f, around(rows, columns), "window")
        ranges = [_range(rows[:, 0] - top), _range(columns[0] - left)]
        where = f"added to rows {ranges[0]} and columns {ranges[1]} of the output"
        start = f"{show(value)} times the kernel, {where}"
        at = f"input at row {i}, column {j}" + f" of channel {o}" * (maps > 1)
        worked.append(Step(at, (start,), f"{start}: {'; '.join(spoken)}"))
    facts = _transposed_sizes(op, x, taps, y)
    facts.append("where stamps overlap, their numbers add up")
    if bias is not None:
        facts.append(f"the output starts at its bias, {', '.join(map(show, map(float, bias)))}")
    columns_ = [Column(inputs, "×"), Column(stored, "="), Column(stamps, "→"), Column(outputs)]
    data = {"x": x.tolist(), "weight": weight.tolist(), "y": y.tolist()}
    data |= {} if bias is None else {"bias": bias.tolist()}
    return figure(title, definition(op), columns_, worked, facts, data, printed(x.shape))


def inserting(
    op: ConvTranspose2d, x: Array, weight: Array, bias: Array | None, title: str, show: Numbers
) -> Picture:
    """A transposed convolution as a plain one: zeros between the pixels, the kernel rotated.

    Raises:
        OutputError: the padding cuts off more than the kernel reaches over the border.
    """
    taps = weight.shape[2:]
    a, b = op.windows((taps[0], taps[1]))
    border = (a.span - 1 - a.before, a.span - 1 - a.after + op.output_padding[0],
              b.span - 1 - b.before, b.span - 1 - b.after + op.output_padding[1])  # fmt: skip
    if min(border) < 0:
        raise OutputError(
            f"with padding {sides(op.padding)} pixels of the input are cut off too, which zeros "
            "between them do not show: draw it as stamps"
        )
    insert = ZeroInsert2d(op.stride, border)
    spread = result(insert, x[None])[0]
    given = result(insert, np.ones((1, 1, *x.shape[1:]), np.float32))[0, 0] > 0
    g, o, c = op.groups, weight.shape[0] // op.groups, weight.shape[1]
    turned = weight.reshape(g, o, c, *taps).swapaxes(1, 2).reshape(g * c, o, *taps)
    plain = Conv2d((1, 1), (0, 0, 0, 0), op.dilation, g, not op.flip_kernel)
    zeros = f"{pair(op.stride)} apart" if max(op.stride) > 1 else "side by side"
    facts = (
        f"the {size(x.shape[1:])} pixels are put {zeros}, with zeros between and around: "
        f"{size(spread.shape[1:])}",
        *_transposed_sizes(op, x, taps, result(op, x[None], weight, bias)[0]),
    )
    name = f"input {size(x.shape[1:])} with zeros {size(spread.shape[1:])}"
    view = View(title=name, given=given, sizes=facts, rotated=_ROTATED)
    found = convolution(plain, spread, np.ascontiguousarray(turned), bias, title, show, view)
    data = {
        **found.scene.data,
        "x": x.tolist(),
        "weight": weight.tolist(),
        "zeros": spread.tolist(),
    }
    return replace(found, scene=replace(found.scene, data=data))


def upsampling(op: Upsample2d, x: Array, title: str, show: Numbers) -> Picture:
    """Nearest upsampling, one input a frame. x (C, H, W).

    Raises:
        OutputError: another mode than "nearest".
    """
    if op.mode != "nearest":
        raise OutputError(f'only mode "nearest" is drawn step by step, not {op.mode!r}')
    check_count(x.size)
    y = result(op, x[None])[0]
    # The pixel that each place copies, told by the operator itself.
    numbers = np.arange(x[0].size, dtype=np.float64).reshape(1, 1, *x.shape[1:])
    source = result(op, numbers)[0, 0].astype(int)
    steps = list(np.ndindex(x.shape))
    inputs = [Panel.of(f"input {size(x.shape[1:])}", show.all(c), len(steps)) for c in x]
    outputs = [Panel.empty(f"output {size(y.shape[1:])}", y.shape[1:], len(steps), "frame")
               for _ in y]  # fmt: skip
    number(inputs, "channel")
    number(outputs, "channel")
    worked = []
    for f, (c, i, j) in enumerate(steps):
        rows, columns = np.nonzero(source == i * x.shape[2] + j)
        inputs[c].paints[f, i, j] = "kernel"
        inputs[c].mark(f, (i, j, i + 1, j + 1), "outline")
        outputs[c].texts[f:, rows, columns] = show.all(y[c, rows, columns])
        outputs[c].paints[f:, rows, columns] = op.family
        outputs[c].paints[f, rows, columns] = "kernel"
        outputs[c].mark(f, around(rows, columns), "window")
        at = f"input at row {i}, column {j}" + f" of channel {c}" * (len(x) > 1)
        where = f"rows {_range(np.unique(rows))} and columns {_range(np.unique(columns))}"
        worked.append(Step(at, (f"{show(float(x[c, i, j]))} is copied to {where}",)))
    h, w = op.scale
    facts = by_axis([f"{x.shape[1]}·{h} = {y.shape[1]}", f"{x.shape[2]}·{w} = {y.shape[2]}"])
    data = {"x": x.tolist(), "y": y.tolist()}
    both = [Column(inputs, "→"), Column(outputs)]
    formula = definition(op).partition(";")[0]  # that of the other mode follows
    return figure(title, formula, both, worked, facts, data, printed(x.shape))


def unpooling(op: MaxPool2d, x: Array, title: str, show: Numbers) -> Picture:
    """Max pooling that keeps its switches, then unpooling by them, one window a frame. x (C, H, W).

    Raises:
        OutputError: more than one channel, which the switches would be drawn for twice.
    """
    if len(x) != 1:
        raise OutputError(f"switches are drawn for one channel, not for {len(x)}")
    pool = replace(op, indices=True)
    pool.infer(*types_of(x[None]))
    found, at = pool.evaluate(x[None])
    unpool = MaxUnpool2d((x.shape[1], x.shape[2]))
    y = result(unpool, found, at)[0]
    reading = Reading.of(x, op.sliding())
    high, wide = found.shape[2:]
    check_count(2 * high * wide)
    outputs = list(np.ndindex(high, wide))
    frames = 2 * len(outputs)
    border = np.where(reading.inside, "body", "state").astype(object)
    texts = np.where(reading.inside, show.all(reading.padded[0]), "")
    image = Panel.of(f"input {size(x.shape[1:])}", texts, frames, border)
    pooled = Panel.empty(f"pooled {size((high, wide))}", (high, wide), frames, "frame")
    switches = Panel.empty("switches", (high, wide), frames, "frame")
    back = Panel.empty(f"unpooled {size(y.shape[1:])}", y.shape[1:], frames, "frame")
    image.hatched = reading.unread
    worked, known, taken = [], np.zeros_like(found), np.zeros(border.shape, bool)
    placed = np.zeros(y.shape[1:], bool)
    for f, (i, j) in enumerate(outputs):
        rows, columns = reading.window(i, j)
        row, column = divmod(int(at[0, 0, i, j]), x.shape[2])
        place = reading.padded_place(int(at[0, 0, i, j]))
        image.paints[f, rows, columns] = "kernel"
        taken[place] = True
        image.paints[f, taken], image.bold[f:, taken] = "added", True
        image.paints[f + 1 :, taken] = "added"
        image.mark(f, reading.area(i, j), "window")
        value, switch = show(float(found[0, 0, i, j])), int(at[0, 0, i, j])
        pooled.texts[f:, i, j], pooled.paints[f:, i, j] = value, op.family
        switches.texts[f:, i, j], switches.paints[f:, i, j] = str(switch), "merge"
        for panel in (pooled, switches):
            panel.mark(f, (i, j, i + 1, j + 1), "outline")
        read = reading.inside[rows, columns]
        values = ", ".join(map(show, map(float, reading.padded[0][rows, columns][read])))
        line = f"max({values}) = {value}, found at row {row}, column {column}: "
        line += f"switch {row}·{x.shape[2]} + {column} = {switch}"
        worked.append(Step(f"pool at row {i}, column {j}", (line,)))
    for f, (i, j) in enumerate(outputs, len(outputs)):
        known[0, 0, i, j] = found[0, 0, i, j]
        row, column = divmod(int(at[0, 0, i, j]), x.shape[2])
        back.texts[f:] = show.all(result(unpool, known, at)[0, 0])
        placed[row, column] = True
        back.paints[f:] = np.where(placed, op.family, "body")
        back.paints[f, row, column] = "added"
        back.bold[f, row, column] = True
        back.mark(f, (row, column, row + 1, column + 1), "outline")
        for panel in (pooled, switches):
            panel.mark(f, (i, j, i + 1, j + 1), "outline")
        value, switch = show(float(found[0, 0, i, j])), int(at[0, 0, i, j])
        line = f"{value} goes to place {switch}: row {row}, column {column}; zeros elsewhere"
        worked.append(Step(f"unpool row {i}, column {j}", (line,)))
    facts = ["pooled " + line for line in output_formulas((x.shape[1], x.shape[2]), reading.both)]
    facts.append(f"unpooled to the size of the input, {size(y.shape[1:])}")
    data = {"x": x.tolist(), "pooled": found[0].tolist(), "switches": at[0].tolist(),
            "y": y.tolist()}  # fmt: skip
    columns_ = [Column([image], "→"), Column([pooled]), Column([switches], "→"), Column([back])]
    chosen = sorted({0, len(outputs) - 1, len(outputs), frames - 1})
    return figure(title, definition(unpool), columns_, worked, facts, data, chosen)


def padding_rows(op: Pad2d, x: Array, title: str, show: Numbers) -> Picture:
    """Padding, one row of the result a frame. x (C, H, W)."""
    y = result(op, x[None])[0]
    top, _, left, _ = op.padding
    inside = np.zeros(y.shape[1:], bool)
    inside[top : top + x.shape[1], left : left + x.shape[2]] = True
    count = y.shape[1]
    check_count(count)
    inputs = [Panel.of(f"input {size(x.shape[1:])}", show.all(c), count) for c in x]
    outputs = [Panel.empty(f"output {size(y.shape[1:])}", y.shape[1:], count, "frame") for _ in y]
    number(inputs, "channel")
    number(outputs, "channel")
    copies = op.mode != "constant"
    rows, columns = op.source((x.shape[1], x.shape[2])) if copies else (None, None)
    worked = []
    for f in range(count):
        for c, (before, after) in enumerate(zip(inputs, outputs, strict=True)):
            after.texts[f:, f] = show.all(y[c, f])
            after.paints[f:, f] = np.where(inside[f], op.family, "state")
            after.mark(f, (f, 0, f + 1, y.shape[2]), "outline")
            source = int(rows[f]) if rows is not None else f - top
            if 0 <= source < x.shape[1]:
                before.paints[f, source] = "kernel"
        if rows is None or columns is None:
            value = show(op.value)
            row = f"row {f - top} of the input, {left} × {value} before and {op.padding[3]} after"
            line = row if inside[f].any() else f"{y.shape[2]} × {value}"
        else:
            line = f"row {rows[f]} of the input, its columns {', '.join(map(str, columns))}"
        worked.append(Step(f"output row {f}", (line,)))
    t, b, le, r = op.padding
    facts = by_axis([f"{x.shape[1]} + {t} + {b} = {y.shape[1]}",
                     f"{x.shape[2]} + {le} + {r} = {y.shape[2]}"])  # fmt: skip
    data = {"x": x.tolist(), "y": y.tolist()}
    both = [Column(inputs, "→"), Column(outputs)]
    return figure(title, definition(op), both, worked, facts, data, sorted({0, top, count - 1}))


def _places(canvas: tuple[int, ...], both: tuple[Window, Window]) -> Array:
    """The places row·W + column of the canvas under the kernel of each input: (H, W, KH, KW)."""
    numbers = np.arange(canvas[0] * canvas[1]).reshape(1, 1, *canvas)
    found: Array = unfold(numbers, both)[0, 0]
    return found


def _range(numbers: Array) -> str:
    first, last = int(numbers[0]), int(numbers[-1])
    words = f"{first}" if first == last else f"{first} to {last}"
    return words.replace("-", "−")


def _transposed_sizes(op: ConvTranspose2d, x: Array, taps: tuple[int, ...], y: Array) -> list[str]:
    """The formula of the output size for each axis, with its numbers."""
    lines = []
    for axis, w in enumerate(op.windows((taps[0], taps[1]))):
        lines.append(
            f"{w.stride}·({x.shape[axis + 1]} − 1) + {w.dilation}·({w.kernel} − 1) + 1 − "
            f"{w.before} − {w.after} + {op.output_padding[axis]} = {y.shape[axis + 1]}"
        )
    return by_axis(lines)
