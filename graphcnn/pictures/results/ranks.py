"""How well scores rank the items: ROC and precision-recall curves, a line for each class."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from graphcnn.analysis.ranking import average_precision, roc_area, steps
from graphcnn.errors import DataError
from graphcnn.ir.node import Array
from graphcnn.pictures.parts.legend import heading, legend, line_entry, notes
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.results.axes import Axis
from graphcnn.pictures.scene.fonts import elide
from graphcnn.pictures.scene.scene import Box, Group, Item, Path, Rect, Scene, Text

_WIDTH: Final = 830.0
_SIDE: Final = 330.0
_SMALL: Final = 8.5
#: The lines of the classes that are ranked worst; others are grey.
_PAINTS: Final = ("curve_train", "curve_validation", "fused_link", "bound")
#: How much of the corner is shown: so much that the worst class is seen to bend.
_CORNERS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_POINTS: Final = 331
_Range = tuple[float, float]


@dataclass(frozen=True, eq=False)
class _Curve:
    """The curves of one class.

    Attributes:
        wrong, right: shares of the others, and of the class, that have at least some score.
        precision: of those, the share that is of the class.
    """

    name: str
    wrong: Array
    right: Array
    precision: Array
    area: float
    average: float

    @classmethod
    def of(cls, name: str, scores: Array, truth: Array) -> "_Curve":
        hits, others, _ = steps(scores, truth)
        return cls(
            name,
            others / others[-1],
            hits / hits[-1],
            hits[1:] / (hits[1:] + others[1:]),
            roc_area(scores, truth),
            average_precision(scores, truth),
        )


def ranks_picture(
    scores: Any,
    truth: Any,
    names: Sequence[str] = (),
    *,
    title: str = "how well the scores rank",
    facts: Sequence[str] = (),
) -> Picture:
    """Left ROC curves: of a threshold, the share of the class above it by that of all others; right
    precision by recall. Each class has a line; the worst ones have a colour, each.

    Where all are so good that their lines would lie in a corner, that corner is shown.

    Args:
        scores: (n, K) or (n,); truth: of the same shape, whether an item is of the class.
        names: of the classes; numbers by default.
        title: what stands above, and `facts` what stands below.

    Raises:
        DataError: other shapes, scores that are not finite, or no class that some items are of and
            others not.
    """
    scores, truth = np.asarray(scores, np.float64), np.asarray(truth, bool)
    if scores.ndim == 1:
        scores, truth = scores[:, None], truth.reshape(-1, 1)
    if scores.ndim != 2 or scores.shape != truth.shape or not scores.size:
        raise DataError(
            f"scores (n, K) are ranked with truth of that shape, found {scores.shape} and "
            f"{truth.shape}"
        )
    if not np.isfinite(scores).all():
        raise DataError("scores that are ranked must be finite")
    called = [*names] if len(names) else [str(i) for i in range(scores.shape[1])]
    if len(called) != scores.shape[1]:
        raise DataError(f"{scores.shape[1]} classes but {len(called)} names")
    some = truth.any(0) & ~truth.all(0)
    if not some.any():
        raise DataError("no class that some items are of and others not: nothing is ranked")
    curves = [_Curve.of(called[i], scores[:, i], truth[:, i]) for i in np.flatnonzero(some)]
    curves.sort(key=lambda c: c.area)
    left_out = [called[i] for i in np.flatnonzero(~some)]
    return Picture(_scene(curves, left_out, len(scores), title, facts))


def _scene(
    curves: Sequence[_Curve], left_out: Sequence[str], count: int, title: str, facts: Sequence[str]
) -> Scene:
    area = float(np.mean([c.area for c in curves]))
    average = float(np.mean([c.average for c in curves]))
    top = 84.0
    left = Box(62, top, 62 + _SIDE, top + _SIDE)
    right = left.moved(_SIDE + 76, 0)
    roc = _corner(1 - curves[0].area)
    precise = _corner(1 - min(c.average for c in curves))
    items = [
        *_axes(left, "ROC", "share of the others above the threshold",
               "share of the class", (0.0, roc), (1 - roc, 1.0)),
        *_axes(right, "precision and recall", "recall", "precision",
               (1 - precise, 1.0), (1 - precise, 1.0)),
    ]  # fmt: skip
    if roc == 1.0:
        ends = (("M", left.left, left.bottom), ("L", left.right, left.top))
        items.append(Path(ends, "leader"))
    for i, curve in reversed([*enumerate(curves)]):
        paint = _PAINTS[i] if i < len(_PAINTS) else "axis"
        items.append(_lines(curve, paint, left, right, roc, precise))
    several = len(curves) > 1
    entries = [
        line_entry(paint, f"{elide(c.name, 9.5, 110)}: AUC {c.area:.4f}, AP {c.average:.4f}")
        for paint, c in zip(_PAINTS, curves, strict=False)
    ]
    if len(curves) > len(_PAINTS):
        entries.append(line_entry("axis", f"{len(curves) - len(_PAINTS)} others"))
    key, bottom = legend(entries, _WIDTH, left.bottom + 46)
    footer = [*_said(curves, left_out, roc, precise), *facts]
    lines, bottom = notes(footer, _WIDTH, bottom + 2)
    mean = "mean " if several else ""
    subtitle = f"{count:,} items · {mean}AUC {area:.4f} · {mean}average precision {average:.4f}"
    data = {
        "classes": [c.name for c in curves],
        "auc": [c.area for c in curves],
        "average_precision": [c.average for c in curves],
    }
    ground = Rect(Box(0, 0, _WIDTH, bottom + 6), "ground")
    everything = (ground, *heading(title, subtitle, _WIDTH), *items, key, *lines)
    description = f"ROC and precision-recall curves. {subtitle}."
    return Scene(_WIDTH, bottom + 6, everything, title, description, tuple(footer), data)


def _corner(missing: float) -> float:
    return next((size for size in _CORNERS if missing <= size / 6), 1.0)


def _said(
    curves: Sequence[_Curve], left_out: Sequence[str], roc: float, precise: float
) -> Iterator[str]:
    if len(curves) > len(_PAINTS):
        yield "in colour the classes with the least AUC"
    if roc < 1 or precise < 1:
        parts = [
            f"{name} shows the corner of {size:.0%}"
            for name, size in (("ROC", roc), ("precision and recall", precise))
            if size < 1
        ]
        yield " · ".join(parts)
    if left_out:
        names = ", ".join(left_out[:8]) + ", …" * (len(left_out) > 8)
        yield f"not ranked, because no item is of the class, or every one: {names}"


def _axes(area: Box, title: str, x: str, y: str, across: _Range, up: _Range) -> Iterator[Item]:
    yield Text(area.left, area.top - 12, title, 11, "text", bold=True)
    yield Rect(area, "body")
    horizontal = Axis(*across, area.left, area.right)
    vertical = Axis(*up, area.bottom, area.top)
    for value in horizontal.ticks():
        place = horizontal.place(value)
        yield Path((("M", place, area.bottom), ("L", place, area.bottom + 4)), "leader")
        yield Text(place, area.bottom + 15, horizontal.words(value), _SMALL, "muted", "middle")
    for value in vertical.ticks():
        place = vertical.place(value)
        if area.top < place < area.bottom:
            yield Path((("M", area.left, place), ("L", area.right, place)), "leader")
        yield Text(area.left - 6, place + 3, vertical.words(value), _SMALL, "muted", "end")
    yield Text(area.left, area.bottom + 29, f"{x} →", _SMALL, "muted")
    yield Text(area.right, area.top - 12, f"{y} ↑", _SMALL, "muted", "end")


def _lines(curve: _Curve, paint: str, left: Box, right: Box, roc: float, precise: float) -> Group:
    """Both lines of one class."""
    wrong = np.linspace(0.0, roc, _POINTS)
    share = np.interp(wrong, curve.wrong, curve.right)
    recall = np.linspace(1 - precise, 1.0, _POINTS)
    first = np.searchsorted(curve.right[1:], recall - 1e-12)
    precision = curve.precision[np.minimum(first, len(curve.precision) - 1)]
    label = f"{curve.name}: AUC {curve.area:.4f}, average precision {curve.average:.4f}"
    return Group(
        (
            *_line(wrong, share, (0.0, roc), (1 - roc, 1.0), left, paint),
            *_line(recall, precision, (1 - precise, 1.0), (1 - precise, 1.0), right, paint),
        ),
        "legend",
        "",
        label,
        title=label,
    )


def _line(
    xs: Array,
    ys: Array,
    across: tuple[float, float],
    up: tuple[float, float],
    area: Box,
    paint: str,
) -> Iterator[Path]:
    """The part of a line that lies in the area, without points on a straight piece."""
    horizontal, vertical = Axis(*across, area.left, area.right), Axis(*up, area.bottom, area.top)
    inside = np.flatnonzero((ys >= up[0]) & (ys <= up[1]))
    pieces = np.split(inside, np.flatnonzero(np.diff(inside) > 1) + 1)
    for piece in pieces:
        if not len(piece):
            continue
        ends = range(max(piece[0] - 1, 0), min(piece[-1] + 2, len(xs)))
        points = [
            (horizontal.place(float(xs[i])), vertical.place(float(np.clip(ys[i], *up))))
            for i in ends
        ]
        kept = [points[0]]
        for before, here, after in zip(points, points[1:], points[2:], strict=False):
            if not math.isclose(here[1] - before[1], after[1] - here[1], abs_tol=1e-9):
                kept.append(here)
        kept.append(points[-1])
        yield Path((("M", *kept[0]), *(("L", *p) for p in kept[1:])), paint)
