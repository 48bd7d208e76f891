"""The losses of a sweep through learning rates, with the rates that it suggests."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from graphcnn.errors import DataError
from graphcnn.pictures.parts.legend import heading, legend, line_entry
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.results.axes import Axis
from graphcnn.pictures.scene.fonts import text_width
from graphcnn.pictures.scene.scene import Box, Group, Item, Path, Rect, Scene, Text
from graphcnn.pictures.scene.units import counted, joined

_WIDTH: Final = 830.0
_AREA: Final = Box(70, 84, 800, 304)
_SMALL: Final = 8.5
#: The lines of suggestions, in their order.
_PAINTS: Final = ("bound", "tie")


def sweep_picture(
    rates: Sequence[float],
    losses: Sequence[float],
    smoothed: Sequence[float],
    suggestions: Mapping[str, float | None],
    *,
    title: str = "",
    ended: str = "",
) -> Picture:
    """The loss of every step over its learning rate, which has a logarithmic scale, and a line of
    their means; each suggestion is a mark across.

    What is far above the first loss, where training diverged, is cut off.

    Args:
        rates, losses, smoothed: one number for each step.
        suggestions: rates by what they are called; None draws none.
        title: what stands above.
        ended: why the sweep ended, said below the title.

    Raises:
        DataError: less than two steps.
    """
    if len(rates) < 2:
        raise DataError(f"a sweep is drawn of two steps at least, found {len(rates)}")
    known = {name: rate for name, rate in suggestions.items() if rate is not None}
    across = Axis(rates[0], rates[-1], _AREA.left + 8, _AREA.right - 8, True)
    first, least = max(smoothed[: len(smoothed) // 4 + 1]), min(smoothed)
    most = first + max(first - least, 0.05 * abs(first))
    up = Axis.of([least, *(x for x in smoothed if x <= most)], _AREA.bottom - 6, _AREA.top + 6)
    items: list[Item] = [Rect(_AREA, "body"), *_grid(across, up)]
    items += [*_marks(rates, losses, across, up), *_line(rates, smoothed, across, up)]
    for (name, rate), paint in zip(known.items(), _PAINTS, strict=False):
        items.append(_suggested(name, rate, across.place(rate), paint, list(known).index(name)))
    entries = [line_entry("curve_train", "smoothed loss")]
    entries += [
        line_entry(paint, f"{name}: {rate:.2g}")
        for (name, rate), paint in zip(known.items(), _PAINTS, strict=False)
    ]
    key, bottom = legend(entries, _WIDTH, _AREA.bottom + 40)
    best = "; ".join(f"{name} at {rate:.2g}" for name, rate in known.items())
    subtitle = joined((counted(len(rates), "step"), best or "the loss fell nowhere", ended))
    title = title or "learning rates tried"
    items = [
        Rect(Box(0, 0, _WIDTH, bottom + 6), "ground"),
        *heading(title, subtitle, _WIDTH), *items, key,
    ]  # fmt: skip
    data = {"rates": [*rates], "losses": [*losses], "smoothed": [*smoothed], **known}
    description = f"Losses over learning rates. {subtitle}."
    return Picture(Scene(_WIDTH, bottom + 6, tuple(items), title, description, (), data))


def _grid(across: Axis, up: Axis) -> Iterator[Item]:
    power = 1e-12
    while power <= across.high * 1.001:
        if power >= across.low * 0.999:
            x = across.place(power)
            yield Path((("M", x, _AREA.top), ("L", x, _AREA.bottom + 4)), "leader")
            yield Text(x, _AREA.bottom + 14, across.words(power), _SMALL, "muted", "middle")
        power *= 10
    yield Text(_AREA.center, _AREA.bottom + 28, "learning rate", _SMALL, "muted", "middle")
    for value in up.ticks():
        y = up.place(value)
        yield Path((("M", _AREA.left, y), ("L", _AREA.right, y)), "leader")
        yield Text(_AREA.left - 6, y + 3, up.words(value), _SMALL, "muted", "end")


def _marks(
    rates: Sequence[float], losses: Sequence[float], across: Axis, up: Axis
) -> Iterator[Item]:
    """A point for each step."""
    points = []
    for rate, loss in zip(rates, losses, strict=True):
        if up.low <= loss <= up.high:
            x, y = across.place(rate), up.place(loss)
            points.append(Rect(Box(x - 1.2, y - 1.2, x + 1.2, y + 1.2), "mark_train", 1.2))
    yield Group(tuple(points), "legend", "", "the loss of each step", title="the loss of each step")


def _line(
    rates: Sequence[float], smoothed: Sequence[float], across: Axis, up: Axis
) -> Iterator[Item]:
    """The means, as far as they are within the picture."""
    points = []
    for rate, loss in zip(rates, smoothed, strict=True):
        if loss > up.high:
            break
        points.append((across.place(rate), up.place(max(loss, up.low))))
    if len(points) > 1:
        path = Path((("M", *points[0]), *(("L", *p) for p in points[1:])), "curve_train")
        yield Group((path,), "legend", "", "smoothed loss", title="smoothed loss")


def _suggested(name: str, rate: float, x: float, paint: str, row: int) -> Item:
    words = f"{name}: {rate:.2g}"
    half = text_width(words, _SMALL) / 2
    line = Path((("M", x, _AREA.top), ("L", x, _AREA.bottom)), paint)
    middle = min(max(x, _AREA.left + half), _AREA.right - half)
    text = Text(middle, _AREA.top - 6 - 12 * row, words, _SMALL, "text", "middle")
    return Group((line, text), "legend", "", words, title=words)
