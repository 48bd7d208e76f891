"""How much each layer learns, epoch by epoch: a row for each."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from graphcnn.errors import DataError
from graphcnn.pictures.parts.legend import heading, notes
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.results.axes import Axis, whole_ticks
from graphcnn.pictures.scene.fonts import elide, text_width
from graphcnn.pictures.scene.scene import Box, Group, Item, Path, Rect, Scene, Text
from graphcnn.pictures.scene.units import counted

_WIDTH: Final = 830.0
_SMALL: Final = 8.5
_TALL, _GAP, _BETWEEN = 26.0, 8.0, 84.0
_NAMES: Final = 170.0
#: Rows that a picture has; further layers are named below.
_MOST: Final = 40
#: The usual size of an update beside the weights.
_USUAL: Final = 1e-3


def layers_picture(
    updates: Mapping[str, Sequence[float]],
    gradients: Mapping[str, Sequence[float]],
    *,
    first: int = 1,
    each: str = "epoch",
    title: str = "",
) -> Picture:
    """Left the update of each layer beside its weights, right the norm of its gradient.

    The height of a row is logarithmic, the same for all rows of one side; a number that is 0 or not
    finite leaves a gap. At the end of a row stands its last number.

    Args:
        updates, gradients: by layer a number for each epoch.
        first: the number of the first epoch.
        each: what the numbers are of: an "epoch", whose last step is looked at, or a "step".
        title: what stands above.

    Raises:
        DataError: no layer, other layers or another number of epochs on one side, no number.
    """
    lengths = {len(v) for v in (*updates.values(), *gradients.values())}
    if not updates or list(updates) != list(gradients) or len(lengths) != 1 or 0 in lengths:
        raise DataError(
            f"layers are drawn with as many updates as gradients each, found {len(updates)} and "
            f"{len(gradients)} layers of {', '.join(map(str, sorted(lengths))) or 'no'} epochs"
        )
    if not any(_known(v) for v in (*updates.values(), *gradients.values())):
        raise DataError("no update and no gradient is a positive number: nothing to draw")
    names = list(updates)[:_MOST]
    left = 14 + 8 + max(text_width(elide(n, 9.5, _NAMES), 9.5) for n in names) * 1.06
    wide = (_WIDTH - 14 - left - 2 * _BETWEEN + 30) / 2
    epochs = lengths.pop()
    top, items = 92.0, list[Item]()
    bottom = top + len(names) * (_TALL + _GAP)
    sides = (
        (
            "updates",
            "|change| / |weights|" + " in the last step" * (each == "epoch"),
            updates,
            "conv",
            left,
        ),
        ("gradients", "norm of the gradient", gradients, "backward", left + wide + _BETWEEN),
    )
    scales = []
    for side, words, values, paint, x in sides:
        area = Box(x, top, x + wide, bottom)
        items += [
            Text(x, top - 22, side, 11, "text", bold=True),
            Text(x, top - 8, words, _SMALL, "muted"),
            *_ticks(epochs, first, area, each),
        ]
        found = [v for name in names for v in _known(values[name])]
        if found:
            scale = _decades(found)
            scales.append(f"{side}: rows from {scale.low:g} to {scale.high:g}, logarithmic")
            for i, name in enumerate(names):
                row = Box(x, top + i * (_TALL + _GAP), x + wide, top + i * (_TALL + _GAP) + _TALL)
                items.append(_row(side, name, values[name], scale, row, paint))
    for i, name in enumerate(names):
        y = top + i * (_TALL + _GAP) + _TALL / 2 + 3.5
        items.append(Text(left - 8, y, elide(name, 9.5, _NAMES), 9.5, "text", "end"))
    footer = [*scales, "dashed: an update of 1/1000 of the weights, which is usual"]
    if len(updates) > _MOST:
        footer.append(f"{len(updates) - _MOST} further layers are in the data, not in the picture")
    lines, bottom = notes([" · ".join(footer)], _WIDTH, bottom + 34)
    title = title or "how much each layer learns"
    subtitle = f"{counted(len(updates), 'layer')} over {counted(epochs, each)}"
    ground = Rect(Box(0, 0, _WIDTH, bottom + 6), "ground")
    everything = (ground, *heading(title, subtitle, _WIDTH), *items, *lines)
    description = f"Updates and gradients of {subtitle}."
    data: dict[str, Any] = {
        "first": first,
        "updates": {k: _plain(v) for k, v in updates.items()},
        "gradients": {k: _plain(v) for k, v in gradients.items()},
    }
    return Picture(Scene(_WIDTH, bottom + 6, everything, title, description, tuple(footer), data))


def _known(values: Sequence[float]) -> list[float]:
    return [v for v in values if math.isfinite(v) and v > 0]


def _plain(values: Sequence[float]) -> list[float | None]:
    return [float(v) if math.isfinite(v) else None for v in values]


def _decades(values: Sequence[float]) -> Axis:
    """A logarithmic scale of whole decades."""
    low = math.floor(math.log10(min(values)))
    high = max(math.ceil(math.log10(max(values))), low + 1)
    return Axis(10.0**low, 10.0**high, 0, _TALL, log=True)


def _ticks(epochs: int, first: int, area: Box, each: str) -> Iterator[Item]:
    across = Axis(0.5, epochs + 0.5, area.left, area.right)
    for i in whole_ticks(epochs, int(area.width // 40)):
        x = across.place(i)
        yield Path((("M", x, area.top - 2), ("L", x, area.bottom - _GAP + 4)), "leader")
        yield Text(x, area.bottom + 5, str(i + first - 1), _SMALL, "muted", "middle")
    yield Text(area.center, area.bottom + 18, each, _SMALL, "muted", "middle")


def _row(side: str, name: str, values: Sequence[float], scale: Axis, box: Box, paint: str) -> Group:
    """The area under the numbers of a layer."""
    across = Axis(0.5, len(values) + 0.5, box.left, box.right)
    items: list[Item] = []
    known = [i for i, v in enumerate(values) if math.isfinite(v) and v > 0]
    for _, run in groupby(enumerate(known), lambda pair: pair[1] - pair[0]):
        own = [i for _, i in run]
        # A column for each epoch: a single one is seen as well as many.
        steps: list[tuple[Any, ...]] = [("M", across.place(own[0] + 0.5), box.bottom)]
        for i in own:
            y = box.bottom - max(scale.place(values[i]), 0.8)
            steps += [("L", across.place(i + 0.5), y), ("L", across.place(i + 1.5), y)]
        end = ("L", across.place(own[-1] + 1.5), box.bottom)
        items.append(Path((*steps, end, ("Z",)), f"{paint}_area"))
    items.append(Path((("M", box.left, box.bottom), ("L", box.right, box.bottom)), "axis"))
    if side == "updates" and scale.low < _USUAL < scale.high:
        y = box.bottom - scale.place(_USUAL)
        items.append(Path((("M", box.left, y), ("L", box.right, y)), "bound"))
    last = values[-1]
    words = f"{last:.2g}" if math.isfinite(last) else "–"
    items.append(Text(box.right + 6, box.bottom - 3, words, 9, "text"))
    said = ", ".join(f"{v:.3g}" if math.isfinite(v) else "–" for v in values[:200])
    label = f"{side} of {name}: {said}"
    outer = Box(box.left, box.top - 1, box.right + 6 + text_width(words, 9) + 1, box.bottom + 1)
    return Group(tuple(items), "card", f"{side} {name}", label, label, outer)
