"""A schedule: its number at every step of a run."""

from collections.abc import Sequence
from typing import Final

from graphcnn.errors import DataError
from graphcnn.pictures.parts.legend import heading
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.results.axes import Axis, whole_ticks
from graphcnn.pictures.scene.scene import Box, Group, Item, Path, Rect, Scene, Text
from graphcnn.pictures.scene.units import counted

_AREA: Final = Box(70, 62, 800, 232)
_WIDTH, _HEIGHT = 830.0, 272.0
_SMALL: Final = 8.5
#: More points than these lie on the same pixels.
_MOST: Final = 1500


def rates_picture(
    numbers: Sequence[float], steps_per_epoch: int | None = None, title: str = "learning rate"
) -> Picture:
    """The numbers of a schedule, one a step, as a line over the steps, or over epochs of so many.

    Raises:
        DataError: there is no number.
    """
    if not numbers:
        raise DataError("a schedule is drawn over one step at least, found none")
    steps = len(numbers)
    across = Axis(1, max(steps, 2), _AREA.left, _AREA.right)
    up = Axis.of([*numbers, 0.0], _AREA.bottom - 6, _AREA.top + 6)
    items: list[Item] = [Rect(_AREA, "body")]
    per, unit = (steps_per_epoch, "epochs") if steps_per_epoch else (1, "step")
    for tick in whole_ticks(steps // per, 12):
        # An epoch is done with its last step.
        x = across.place(tick * per)
        items.append(Path((("M", x, _AREA.bottom), ("L", x, _AREA.bottom + 4)), "leader"))
        items.append(Text(x, _AREA.bottom + 14, str(tick), _SMALL, "muted", "middle"))
    items.append(Text(_AREA.center, _AREA.bottom + 27, unit, _SMALL, "muted", "middle"))
    for value in up.ticks():
        y = up.place(value)
        items.append(Path((("M", _AREA.left, y), ("L", _AREA.right, y)), "leader"))
        items.append(Text(_AREA.left - 6, y + 3, up.words(value), _SMALL, "muted", "end"))
    each = -(-steps // _MOST)
    shown = sorted({*range(0, steps, each), steps - 1, max(range(steps), key=numbers.__getitem__)})
    points = [(across.place(i + 1), up.place(numbers[i])) for i in shown]
    line = Path((("M", *points[0]), *(("L", *p) for p in points[1:] or points)), "curve_train")
    most = max(range(steps), key=numbers.__getitem__)
    subtitle = (
        f"{counted(steps, 'step')} · {numbers[0]:.4g} at first · highest {numbers[most]:.4g} in "
        f"step {most + 1} · {numbers[-1]:.4g} at last"
    )
    items.append(Group((line,), "legend", "", subtitle, title="every step"))
    items = [Rect(Box(0, 0, _WIDTH, _HEIGHT), "ground"), *heading(title, subtitle, _WIDTH), *items]
    description = f"A schedule. {subtitle}."
    data = {"numbers": [float(numbers[i]) for i in shown], "steps": [i + 1 for i in shown]}
    return Picture(Scene(_WIDTH, _HEIGHT, tuple(items), title, description, (), data))
