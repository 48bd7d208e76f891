"""The curves of several runs in one picture."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from graphcnn.errors import DataError
from graphcnn.pictures.parts.legend import line_entry
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.results.axes import Axis
from graphcnn.pictures.results.curves import VALIDATION, series
from graphcnn.pictures.results.panel import epoch_ticks, height, line, panel, smoothed
from graphcnn.pictures.results.panels import boxes, sheet
from graphcnn.pictures.scene.colors import RUNS
from graphcnn.pictures.scene.fonts import elide
from graphcnn.pictures.scene.scene import Box, Group, Item, Rect, Scene
from graphcnn.pictures.scene.units import counted, joined

#: Runs of at most so many epochs have marks.
_MARKED: Final = 30


def runs_picture(
    runs: Mapping[str, Iterable[Mapping[str, float]]],
    *,
    measures: Sequence[str] | None = None,
    at: Mapping[str, Sequence[float]] | None = None,
    unit: str = "epoch",
    title: str = "",
    smooth: int = 1,
) -> Picture:
    """Loss and metrics of several runs, a line for each run, training and validation apart.

    The legend says of each run what it had at the end: the accuracy of validation, else its loss,
    else another accuracy that is drawn, else the loss; the same of all runs.

    Args:
        runs: a `History`, or one mapping per epoch, by the name of the run; at most 24 of them. A
            run that has no number of a panel has no line there, and one with no epoch has none.
        measures: the columns to draw, such as "val_accuracy", by default those that
            `curves_picture` draws.
        at: where the epochs of each run lie, such as the minutes after which they were done; by
            default 1, 2, 3.
        unit: what `at` counts.
        title: what stands above.
        smooth: an odd number of epochs, whose mean is drawn.

    Raises:
        DataError: no run, more than 24, nothing to draw in any, an unknown measure, as many places
            as a run has no epochs, or a `smooth` that is even or negative.
    """
    rows = {name: [*history] for name, history in runs.items()}
    if not any(rows.values()):
        raise DataError("none of the runs has an epoch: nothing to draw")
    if len(rows) > RUNS:
        raise DataError(f"at most {RUNS} runs are told apart in one picture, found {len(rows)}")
    if smooth < 1 or smooth % 2 == 0:
        raise DataError(f"smooth must be an odd number of epochs, found {smooth}")
    known = dict.fromkeys(key for each in rows.values() for row in each for key in row)
    for measure in measures or ():
        if measure not in known:
            raise DataError(f"no run has {measure!r}; they have {', '.join(known) or 'nothing'}")
    drawn = [*measures] if measures else _usual([row for each in rows.values() for row in each])
    places = {name: [*(at or {}).get(name, range(1, len(rows[name]) + 1))] for name in rows}
    for name, each in rows.items():
        if len(places[name]) != len(each):
            raise DataError(
                f"{name} has {counted(len(each), 'epoch')}, but {len(places[name])} places"
            )
    return Picture(_Runs(rows, drawn, places, at is not None, unit, title, smooth).scene())


def _usual(rows: list[Mapping[str, float]]) -> list[str]:
    """The columns that curves are drawn of, training before validation."""
    return [
        VALIDATION * (curve == "validation") + measure
        for measure, curves in series(rows).items()
        for curve in curves
    ]


@dataclass
class _Runs:
    rows: Mapping[str, Sequence[Mapping[str, float]]]
    drawn: Sequence[str]
    places: Mapping[str, Sequence[float]]
    measured: bool
    unit: str
    title: str
    window: int

    def scene(self) -> Scene:
        areas = boxes(len(self.drawn))
        items: list[Item] = []
        for column, area in zip(self.drawn, areas, strict=True):
            items += self._panel(column, area)
        said = self._said()
        entries = [
            line_entry(f"run{i}", self._words(name, said)) for i, name in enumerate(self.rows)
        ]
        footer = [f"lines are means of {self.window} epochs"] if self.window > 1 else []
        subtitle = joined(
            (counted(len(self.rows), "run"), f"numbers are {_named(said)} at the end" * bool(said))
        )
        description = f"Curves of {', '.join(self.rows)} by {self.unit}. {subtitle}."
        return sheet(
            areas, items, entries, footer, self.title or "runs", subtitle, description, self._data()
        )

    def _said(self) -> str:
        """The column of which the legend has the last number of each run."""
        known = {key for each in self.rows.values() for row in each for key in row}
        others = [key for key in self.drawn if key.endswith("accuracy")]
        wanted = ("val_accuracy", "val_loss", *others, "loss", *self.drawn)
        return next((key for key in wanted if key in known), "")

    def _words(self, name: str, said: str) -> str:
        found = [v for v in self._column(name, said) if math.isfinite(v)]
        return elide(name, 9.5, 300) + (f": {found[-1]:.4g}" if found else "")

    def _column(self, name: str, column: str) -> list[float]:
        return [float(row.get(column, math.nan)) for row in self.rows[name]]

    def _panel(self, column: str, area: Box) -> Iterator[Item]:
        epochs = max(len(each) for each in self.rows.values())
        if self.measured:
            ends = [0.0, *(x for each in self.places.values() for x in each)]
            across = Axis.of(ends, area.left, area.right)
            ticks = [(tick, across.words(tick)) for tick in across.ticks()]
        else:
            across = Axis(0.5, epochs + 0.5, area.left, area.right)
            ticks = epoch_ticks(epochs, area)
        known = [
            v for name in self.rows for v in self._column(name, column) if math.isfinite(v)
        ]  # fmt: skip
        up = height(known, area) if known else None
        title = elide(_named(column), 11, area.width, bold=True)
        yield from panel(area, title, across, ticks, self.unit, up)
        if up is None:
            return
        for i, name in enumerate(self.rows):
            shown = [k for k, row in enumerate(self.rows[name]) if column in row]
            if shown:
                yield self._curve(i, name, column, shown, across, up)

    def _curve(
        self, i: int, name: str, column: str, shown: Sequence[int], across: Axis, up: Axis
    ) -> Group:
        values, at = self._column(name, column), self.places[name]
        drawn: list[Item] = [*line(at, smoothed(values, self.window), shown, across, up, f"run{i}")]
        if len(shown) <= _MARKED and self.window == 1:
            for k in shown:
                if math.isfinite(values[k]):
                    x, y = across.place(at[k]), up.place(values[k])
                    drawn.append(Rect(Box(x - 2, y - 2, x + 2, y + 2), f"mark_run{i}", 2))
        numbers = (f"{values[k]:.4g}" if math.isfinite(values[k]) else "–" for k in shown[:200])
        label = f"{_named(column)}, {name}"
        return Group(tuple(drawn), "legend", "", f"{label}: {', '.join(numbers)}", title=label)

    def _data(self) -> dict[str, Any]:
        def plain(values: Iterable[float]) -> list[float | None]:
            return [v if math.isfinite(v) else None for v in values]

        return {
            "runs": {
                name: {column: plain(self._column(name, column)) for column in self.drawn}
                for name in self.rows
            },
            "at": {name: [*map(float, at)] for name, at in self.places.items()},
            "unit": self.unit,
        }


def _named(column: str) -> str:
    """`val_top_5` in words."""
    name = column.removeprefix(VALIDATION).replace("_", " ")
    return f"validation {name}" if column.startswith(VALIDATION) else name
