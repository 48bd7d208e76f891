"""Training curves: loss, metrics and learning rate over the epochs."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from graphcnn.errors import DataError
from graphcnn.pictures.parts.legend import line_entry
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.results.axes import Axis
from graphcnn.pictures.results.panel import (
    SMALL,
    epoch_ticks,
    height,
    line,
    near,
    panel,
    pieces,
    smoothed,
)
from graphcnn.pictures.results.panels import boxes, sheet
from graphcnn.pictures.scene.fonts import elide, text_width
from graphcnn.pictures.scene.scene import Box, Group, Item, Path, Rect, Scene, Text
from graphcnn.pictures.scene.units import counted, joined

#: How the keys of validation values begin: "val_loss" belongs to "loss".
VALIDATION: Final = "val_"
#: Measures that are always drawn, also of single outputs (`digit_loss`); others are where
#: validation measured them too, but for those of single classes, such as `f1[cat]`.
USUAL: Final = ("loss", "accuracy")
RATE: Final = "learning rate"
#: Runs of more epochs are smoothed over a tenth of them; shorter ones are drawn with marks.
_FEW: Final = 12
_MARKED: Final = 30

Curves = dict[str, dict[str, list[float]]]


def curves_picture(
    history: Iterable[Mapping[str, float]],
    *,
    rates: Sequence[float] = (),
    resumed: Sequence[float] = (),
    title: str = "",
    smooth: int | None = None,
) -> Picture:
    """Loss and metrics of every epoch, of training and validation, and the learning rate. Numbers
    of single classes, such as `f1[cat]`, are not drawn.

    A line is the mean of `smooth` epochs around each one, with a band from the least to the
    largest of them. The best epoch, of the least loss (of validation, where there is one), is
    marked in every panel, and so are the places where a run was resumed. A scale is logarithmic
    where its largest number is more than 100 times the least.

    Args:
        history: one mapping per epoch, such as {"loss": 0.3, "accuracy": 0.9, "val_loss": 0.4}.
            Values that are not finite leave a gap, and are said below; epochs in which a number was
            not measured are passed over.
        rates: learning rate of each epoch; () draws none.
        resumed: how many epochs, perhaps with a fraction, were done when the run was resumed.
        title: what stands above.
        smooth: an odd number of epochs; 1 leaves the values as they are. By default a tenth of
            all, and 1 for at most 12.

    Raises:
        DataError: no epoch, nothing to draw in any, or a `smooth` that is even or negative.
    """
    history = [*history]
    found = series(history)
    epochs = max(len(values) for curves in found.values() for values in curves.values())
    window = (1 if epochs <= _FEW else max(3, epochs // 10 | 1)) if smooth is None else smooth
    if window < 1 or window % 2 == 0:
        raise DataError(f"smooth must be an odd number of epochs, found {smooth}")
    if any(map(math.isfinite, rates)):
        found[RATE] = {"train": [float(rate) for rate in rates]}
    single = {key.partition("[")[0] for row in history for key in row if key.endswith("]")}
    apart = sorted(key for key in single if not key.startswith(VALIDATION))
    keys = {key for row in history for key in row}
    measured = {key: {i for i, row in enumerate(history) if key in row} for key in keys}
    return Picture(_Chart(found, epochs, window, tuple(resumed), title, apart, measured).scene())


def series(history: Iterable[Mapping[str, float]]) -> Curves:
    """`{"loss": {"train": [...], "validation": [...]}}` from one mapping per epoch.

    Raises:
        DataError: no epoch, or nothing to draw in any.
    """
    epochs = list(history)
    if not epochs:
        raise DataError("the training history has no epochs: nothing to draw")
    keys = dict.fromkeys(key for epoch in epochs for key in epoch)
    validated = [
        key.removeprefix(VALIDATION)
        for key in keys
        if key.startswith(VALIDATION) and not key.endswith("]")
    ]
    outputs = [
        key.removesuffix("_loss")
        for key in keys
        if key.endswith("_loss") and not key.startswith(VALIDATION)
    ]
    each = [f"{output}_{measure}" for output in outputs for measure in USUAL]
    found: Curves = {}
    for measure in dict.fromkeys((*USUAL, *validated, *each)):
        for curve, key in (("train", measure), ("validation", VALIDATION + measure)):
            if key in keys:
                values = [float(epoch.get(key, math.nan)) for epoch in epochs]
                found.setdefault(measure, {})[curve] = values
    if not found:
        raise DataError(
            f"the training history has no loss and no accuracy, only: {', '.join(keys)}"
        )
    return found


def best_epoch(curves: Curves) -> tuple[int, str, float] | None:
    """The epoch of the least loss, from 1 on, what was compared, and its value; None where no
    loss is finite."""
    losses = curves.get("loss", {})
    curve = "validation" if "validation" in losses else "train"
    known = [(v, i) for i, v in enumerate(losses.get(curve, ()), start=1) if math.isfinite(v)]
    if not known:
        return None
    value, epoch = min(known)
    return epoch, "validation loss" if curve == "validation" else "loss", value


@dataclass
class _Chart:
    found: Curves
    epochs: int
    window: int
    resumed: tuple[float, ...]
    title: str
    apart: Sequence[str] = ()
    #: The epochs, from 0 on, that have a number of that name.
    measured: Mapping[str, set[int]] = field(default_factory=dict)
    best: tuple[int, str, float] | None = field(init=False)

    def __post_init__(self) -> None:
        self.best = best_epoch(self.found)

    def scene(self) -> Scene:
        areas = boxes(len(self.found))
        items: list[Item] = []
        for (measure, curves), area in zip(self.found.items(), areas, strict=True):
            items += self._panel(measure, curves, area)
        subtitle = self._subtitle()
        description = f"Training curves over {counted(self.epochs, 'epoch')}. {subtitle}."
        return sheet(
            areas, items, self._entries(), self._footer(), self.title or "training", subtitle,
            description, self._data(),
        )  # fmt: skip

    def _subtitle(self) -> str:
        best = ""
        if self.best is not None:
            epoch, what, value = self.best
            best = f"best in epoch {epoch}: {what} {value:.4g}"
        last = [
            f"{'validation ' * (curve != 'train')}{measure.replace('_', ' ')} "
            f"{curves[curve][-1]:.4g}"
            for measure, curves in self.found.items()
            for curve in [list(curves)[-1]]
            if measure != RATE and math.isfinite(curves[curve][-1])
        ]
        end = f"at the end {', '.join(last)}" if last else ""
        return joined((counted(self.epochs, "epoch"), best, end))

    def _entries(self) -> list[tuple[str, str, float, str]]:
        names = dict.fromkeys(name for curves in self.found.values() for name in curves)
        entries = [line_entry(f"curve_{name}", name) for name in names]
        if self.best is not None:
            entries.append(line_entry("bound", "best epoch"))
        if self.resumed:
            entries.append(line_entry("tie", "resumed"))
        return entries

    def _footer(self) -> list[str]:
        lines = []
        if self.window > 1:
            lines.append(
                f"lines are means of {self.window} epochs · bands go from the least to the largest "
                "of them"
            )
        if self.resumed:
            after = ", ".join(f"{epoch:.4g}" for epoch in self.resumed)
            lines.append(f"resumed after {after} epochs")
        for measure, curves in self.found.items():
            for name, values in curves.items():
                epochs = self._measured(measure, name, values)
                gaps = [i + 1 for i in epochs if not math.isfinite(values[i])]
                if gaps and measure != RATE:
                    some = ", ".join(map(str, gaps[:8])) + ", …" * (len(gaps) > 8)
                    plural = "s" * (len(gaps) > 1)
                    lines.append(f"{measure} of {name}: no finite value in epoch{plural} {some}")
                if len(epochs) < len(values):
                    count = f"{len(epochs)} of {counted(len(values), 'epoch')}"
                    lines.append(f"{measure.replace('_', ' ')} of {name} was measured in {count}")
        if self.apart:
            lines.append(f"not drawn, of each class: {', '.join(self.apart)}")
        return lines

    def _data(self) -> dict[str, Any]:
        def plain(values: Iterable[float]) -> list[float | None]:
            return [v if math.isfinite(v) else None for v in values]

        return {
            "curves": {m: {n: plain(v) for n, v in c.items()} for m, c in self.found.items()},
            "smooth": self.window,
            "best_epoch": self.best[0] if self.best else None,
            "resumed": list(self.resumed),
        }

    # One panel

    def _panel(self, measure: str, curves: Mapping[str, list[float]], area: Box) -> Iterator[Item]:
        across = Axis(0.5, self.epochs + 0.5, area.left, area.right)
        known = [v for values in curves.values() for v in values if math.isfinite(v)]
        words = elide(measure.replace("_", " "), 11, area.width, bold=True)
        up = height(known, area) if known else None
        yield from panel(area, words, across, epoch_ticks(self.epochs, area), "epoch", up)
        if up is None:
            return
        yield from self._lines_of_epochs(across, area, text_width(words, 11, bold=True) + 8)
        if measure != RATE:
            for name, values in curves.items():
                epochs = self._measured(measure, name, values)
                if len(epochs) == len(values):
                    yield from _band(values, self.window, across, up, f"band_{name}")
        for name, values in curves.items():
            epochs = self._measured(measure, name, values)
            window = 1 if measure == RATE or len(epochs) < len(values) else self.window
            marked = len(epochs) <= _MARKED and window == 1
            each = range(1, len(values) + 1)
            path = line(each, smoothed(values, window), epochs, across, up, f"curve_{name}")
            marks = _marks(values, across, up, name) if marked else ()
            said = ", ".join(f"{v:.4g}" if math.isfinite(v) else "–" for v in values[:200])
            label = f"{measure.replace('_', ' ')}, {name}: {said}"
            yield Group((*path, *marks), "legend", "", label, title=f"{measure}, {name}")

    def _measured(self, measure: str, curve: str, values: Sequence[float]) -> list[int]:
        """The epochs of a curve, from 0 on, but for those that were passed over."""
        key = VALIDATION + measure if curve == "validation" else measure
        known = self.measured.get(key, range(len(values)))
        return [i for i in range(len(values)) if i in known]

    def _lines_of_epochs(self, across: Axis, area: Box, taken: float) -> Iterator[Item]:
        for done in self.resumed:
            x = across.place(done + 0.5)
            yield Path((("M", x, area.top), ("L", x, area.bottom)), "tie")
        if self.best is not None:
            x = across.place(self.best[0])
            words = f"best {self.best[0]}"
            yield Path((("M", x, area.top - 3), ("L", x, area.bottom)), "bound")
            half = text_width(words, SMALL) / 2
            yield Text(
                min(max(x, area.left + taken + half), area.right - half), area.top - 6, words,
                SMALL, "saved_text", "middle",
            )  # fmt: skip


def _band(
    values: Sequence[float], window: int, across: Axis, up: Axis, paint: str
) -> Iterator[Path]:
    """From the least to the largest of the epochs around each."""
    if window == 1:
        return
    for piece in pieces(values, range(len(values))):
        around = [near(values, i, window) for i in piece]
        top = [(across.place(i + 1), up.place(max(n))) for i, n in zip(piece, around, strict=True)]
        low = [(across.place(i + 1), up.place(min(n))) for i, n in zip(piece, around, strict=True)]
        steps = [("M", *top[0]), *(("L", *p) for p in (*top[1:], *low[::-1]))]
        yield Path((*steps, ("Z",)), paint)


def _marks(values: Sequence[float], across: Axis, up: Axis, name: str) -> Iterator[Rect]:
    """Round ones for training, square ones for validation."""
    for i, value in enumerate(values):
        if math.isfinite(value):
            x, y = across.place(i + 1), up.place(value)
            box = Box(x - 2.5, y - 2.5, x + 2.5, y + 2.5)
            yield Rect(box, f"mark_{name}", 2.5 if name == "train" else 0)
