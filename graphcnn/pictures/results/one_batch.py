"""The loss of one batch that is learned by heart, step by step."""

import math
from collections.abc import Sequence
from typing import Final

from graphcnn.errors import DataError
from graphcnn.pictures.parts.legend import heading, legend, line_entry
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.results.axes import Axis, whole_ticks
from graphcnn.pictures.scene.scene import Box, Group, Item, Path, Rect, Scene, Text
from graphcnn.pictures.scene.units import counted, joined

_WIDTH: Final = 830.0
_AREA: Final = Box(70, 60, 800, 270)
_SMALL: Final = 8.5


def one_batch_picture(
    losses: Sequence[float], to: float, constant: float, *, title: str = ""
) -> Picture:
    """The loss before every step, with a line where it is called learned, and one at the loss of
    the best prediction that does not look at the items.

    The scale is logarithmic where all are positive and far apart.

    Raises:
        DataError: no loss that is finite.
    """
    known = [x for x in losses if math.isfinite(x)]
    if not known:
        raise DataError("no step has a finite loss: nothing to draw")
    lines = {"learned": (to, "bound"), "best constant prediction": (constant, "tie")}
    lines = {name: each for name, each in lines.items() if math.isfinite(each[0])}
    up = Axis.of([*known, *(x for x, _ in lines.values())], _AREA.bottom - 6, _AREA.top + 6)
    across = Axis(0.5, len(losses) + 0.5, _AREA.left, _AREA.right)
    items: list[Item] = [Rect(_AREA, "body")]
    for step in whole_ticks(len(losses), 16):
        x = across.place(step)
        items.append(Path((("M", x, _AREA.bottom), ("L", x, _AREA.bottom + 4)), "leader"))
        items.append(Text(x, _AREA.bottom + 14, str(step), _SMALL, "muted", "middle"))
    items.append(Text(_AREA.center, _AREA.bottom + 27, "step", _SMALL, "muted", "middle"))
    for value in up.ticks():
        y = up.place(value)
        items.append(Path((("M", _AREA.left, y), ("L", _AREA.right, y)), "leader"))
        items.append(Text(_AREA.left - 6, y + 3, up.words(value), _SMALL, "muted", "end"))
    for x, paint in lines.values():
        y = up.place(x)
        items.append(Path((("M", _AREA.left, y), ("L", _AREA.right, y)), paint))
    points = [(across.place(i), up.place(x)) for i, x in enumerate(losses, 1) if math.isfinite(x)]
    path = Path((("M", *points[0]), *(("L", *p) for p in points[1:])), "curve_train")
    said = ", ".join(f"{x:.4g}" for x in losses[:200])
    mark = [Rect(Box(x - 2, y - 2, x + 2, y + 2), "mark_train", 2) for x, y in points[-1:]]
    items.append(Group((path, *mark), "legend", "", f"loss: {said}", title="loss of each step"))
    entries = [line_entry("curve_train", "loss before each step")]
    entries += [line_entry(paint, f"{name}: {x:.3g}") for name, (x, paint) in lines.items()]
    key, bottom = legend(entries, _WIDTH, _AREA.bottom + 38)
    how = "learned" if any(x <= to for x in known) else "not learned"
    subtitle = joined((how, counted(len(losses), "step"), f"{losses[0]:.3g} to {min(known):.3g}"))
    title = title or "one batch, again and again"
    ground = Rect(Box(0, 0, _WIDTH, bottom + 6), "ground")
    everything = (ground, *heading(title, subtitle, _WIDTH), *items, key)
    data = {"losses": [*losses], "learned": to, "constant": constant}
    description = f"Losses of one batch over {counted(len(losses), 'step')}. {subtitle}."
    return Picture(Scene(_WIDTH, bottom + 6, everything, title, description, (), data))
