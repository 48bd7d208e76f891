"""The confusion matrix: what each class is taken for."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from graphcnn.errors import DataError
from graphcnn.ir.node import Array
from graphcnn.pictures.parts.legend import heading, notes, scale
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.scene.colors import HEAT
from graphcnn.pictures.scene.fonts import elide, text_width
from graphcnn.pictures.scene.scene import Box, Group, Item, Path, Rect, Scene, Text
from graphcnn.pictures.scene.units import counted, joined

ORDERS: Final = ("given", "error")
_NAMES: Final = 130.0
_LARGEST, _SMALLEST, _ROOM = 46.0, 30.0, 560.0
_BAR: Final = 70.0
#: Mistakes that are outlined.
_WORST: Final = 3


def confusion_picture(
    matrix: Any,
    classes: Sequence[str] = (),
    *,
    order: str = "given",
    most: int = 20,
    title: str = "confusion",
    facts: Sequence[str] = (),
) -> Picture:
    """Rows are what the items are, columns what they are taken for.

    Each square has the percent of its row and the count. The diagonal, which is right, is grey
    within a strong line; mistakes are the darker the larger their share of the row, and the three
    largest shares are outlined. Right of each row stands the share that is right (recall), below
    each column the share of those taken for it that are (precision).

    Args:
        matrix: whole numbers (K, K): items of class i taken for class j.
        classes: their names; numbers by default.
        order: "given", or "error": the rows with the largest share of mistakes first.
        most: of more classes only the `most` with the most mistakes are shown, the others as one.
        title: what stands above.
        facts: what stands below.

    Raises:
        DataError: no square matrix of counts, nothing counted, names that do not fit.
    """
    counts, names = _checked(matrix, classes)
    if order not in ORDERS:
        raise DataError(f"order must be one of {', '.join(ORDERS)}, found {order!r}")
    accuracy = np.trace(counts) / counts.sum()
    subtitle = joined(
        (
            f"{accuracy:.2%} of {counts.sum():,} right",
            counted(int(counts.sum() - np.trace(counts)), "mistake"),
            _most_often(counts, names),
        )
    )
    whole = counts
    counts, names, right = _arranged(counts, names, order, most)
    data = {"counts": counts.tolist(), "classes": names, "accuracy": float(accuracy)}
    has_others = len(counts) < len(whole)
    if has_others:
        facts = [
            f"the {most} of {len(whole)} classes with the most mistakes · the other "
            f"{len(whole) - most} are one row and column · their common square counts the "
            "mistakes among them, too",
            *facts,
        ]
    return Picture(_Table(counts, names, right, has_others, title, subtitle, facts).scene(data))


def _checked(matrix: Any, classes: Sequence[str]) -> tuple[Array, list[str]]:
    counts = np.asarray(matrix)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not counts.size:
        raise DataError(f"a confusion matrix is square (K, K), found shape {counts.shape}")
    if counts.dtype.kind not in "iu" or counts.min() < 0:
        raise DataError("a confusion matrix holds counts: whole numbers from 0 on")
    if not counts.sum():
        raise DataError("the confusion matrix counts no item: nothing to draw")
    if classes and len(classes) != len(counts):
        raise DataError(f"{len(counts)} classes but {len(classes)} names")
    return counts.astype(np.int64), [str(c) for c in classes or range(len(counts))]


def _most_often(counts: Array, names: Sequence[str]) -> str:
    wrong = counts - np.diag(np.diag(counts))
    if not wrong.any():
        return ""
    i, j = divmod(int(np.argmax(wrong)), len(wrong))
    return f"most often {names[i]} as {names[j]}: {wrong[i, j]:,}"


def _arranged(
    counts: Array, names: list[str], order: str, most: int
) -> tuple[Array, list[str], Array]:
    """The rows and columns that are shown, in their order, the rest summed up in the last ones;
    their names, and how many items of each are right."""
    wrong = counts.sum(1) - np.diag(counts)
    shown = np.arange(len(counts))
    if len(counts) > most:
        mistakes = wrong + counts.sum(0) - np.diag(counts)
        shown = np.sort(np.argsort(-mistakes, kind="stable")[:most])
    if order == "error":
        share = wrong / np.maximum(counts.sum(1), 1)
        shown = shown[np.argsort(-share[shown], kind="stable")]
    if len(shown) == len(counts):
        return counts[np.ix_(shown, shown)], [names[i] for i in shown], np.diag(counts)[shown]
    rest = np.setdiff1d(np.arange(len(counts)), shown)
    groups = [[i] for i in shown] + [list(rest)]
    summed = [[counts[np.ix_(a, b)].sum() for b in groups] for a in groups]
    right = np.array([np.diag(counts)[group].sum() for group in groups])
    return np.array(summed), [*(names[i] for i in shown), f"{len(rest)} others"], right


class _Table:
    def __init__(
        self,
        counts: Array,
        names: list[str],
        right: Array,
        has_others: bool,
        title: str,
        subtitle: str,
        facts: Sequence[str],
    ) -> None:
        self.counts, self.names, self.right = counts, names, right
        self.title, self.subtitle, self.facts = title, subtitle, facts
        count = len(counts)
        self.size = min(max(_ROOM // count, _SMALLEST), _LARGEST)
        # Columns are called by number where a name is wider than they are.
        self.numbered = any(text_width(name, 9) > self.size - 4 for name in names)
        rows = [self._row_name(i) for i in range(count)]
        widest = max(text_width(elide(n, 9.5, _NAMES), 9.5) for n in rows) * 1.06
        self.left = 22 + max(widest, text_width("precision", 9.5, bold=True))
        self.left = float(np.ceil(self.left))
        self.area = Box(self.left, 84, self.left + count * self.size, 84 + count * self.size)
        with np.errstate(invalid="ignore"):
            self.shares = counts / counts.sum(1, keepdims=True)
        self.wrong = np.where(np.eye(count, dtype=bool), 0.0, np.nan_to_num(self.shares))
        if has_others:  # which are no class: they would hide what classes do
            self.wrong[-1], self.wrong[:, -1] = 0.0, 0.0
        self.most_wrong = float(self.wrong.max())

    def _row_name(self, i: int) -> str:
        return f"{i + 1} · {self.names[i]}" if self.numbered else self.names[i]

    def scene(self, data: dict[str, Any]) -> Scene:
        width = max(self.area.right + 12 + _BAR + 14 + text_width("100.00 % of 9,999,999", 9), 560)
        items: list[Item] = [*self._heads(), *self._squares(), *self._rights(), *self._columns()]
        bottom = self.area.bottom + 36
        if self.most_wrong:
            bar, bottom = scale(
                "share of its row, of mistakes", 0.0, self.most_wrong, lambda x: f"{x:.1%}",
                width, bottom,
            )  # fmt: skip
            items.append(bar)
        footer = [
            "in each square: percent of the row, count · grey: right · recall: the share of a "
            "class that is right · precision: the share of those taken for it that are",
            *self.facts,
        ]
        lines, bottom = notes(footer, width, bottom + 2)
        ground = Rect(Box(0, 0, width, bottom + 6), "ground")
        items = [ground, *heading(self.title, self.subtitle, width), *items, *lines]
        description = (
            f"Confusion of {len(self.names)} classes: rows are what the items are, columns what "
            f"they are taken for. {self.subtitle}."
        )
        return Scene(width, bottom + 6, tuple(items), self.title, description, tuple(footer), data)

    def _heads(self) -> Iterator[Item]:
        area = self.area
        yield Text(area.left, area.top - 20, "taken for", 9.5, "text", bold=True)
        yield Text(area.left - 8, area.top - 5, "is", 9.5, "text", "end", bold=True)
        for j, name in enumerate(self.names):
            words = str(j + 1) if self.numbered else name
            x = area.left + (j + 0.5) * self.size
            yield Text(x, area.top - 5, words, 9, "muted", "middle")

    def _squares(self) -> Iterator[Item]:
        count, size, area = len(self.counts), self.size, self.area
        wrong = self.wrong.ravel()
        worst = [i for i in np.argsort(-wrong, kind="stable")[:_WORST] if wrong[i]]
        for i in range(count):
            y = area.top + i * size
            name = elide(self._row_name(i), 9.5, _NAMES)
            yield Text(area.left - 8, y + size / 2 + 3.5, name, 9.5, "text", "end")
            items: list[Item] = []
            for j in range(count):
                items += self._square(i, j, area.left + j * size, y)
            yield Group(tuple(items), "card", f"row{i}", self._words(i), self._words(i),
                        Box(area.left, y, area.right, y + size))  # fmt: skip
        for place in (*(i * count + i for i in range(count)), *worst):
            i, j = divmod(int(place), count)
            x, y = area.left + j * size, area.top + i * size
            corners = ((x + size, y), (x + size, y + size), (x, y + size))
            steps = (("M", x, y), *(("L", *c) for c in corners), ("Z",))
            yield Path(steps, "outline", 1.2 if i == j else None)

    def _square(self, i: int, j: int, x: float, y: float) -> Iterator[Item]:
        size, n = self.size, int(self.counts[i, j])
        share = float(np.nan_to_num(self.shares[i, j]))
        paint = "body"
        if i == j:
            paint = "kept"
        elif n:
            part = share / self.most_wrong if self.most_wrong else 1.0
            paint = f"heat{min(int(part * HEAT), HEAT - 1)}"
        yield Rect(Box(x, y, x + size, y + size), paint)
        if not n:
            return
        percent = _percent(share)
        middle = x + size / 2
        yield Text(middle, y + size / 2 - 1, percent, 9, "text", "middle", bold=i == j)
        text = f"{n:,}"
        digits = min(8.0, 8.0 * (size - 3) / text_width(text, 8))
        yield Text(middle, y + size / 2 + 10, text, digits, "text", "middle")

    def _words(self, i: int) -> str:
        """A row for those who do not see it."""
        row = self.counts[i]
        if not row.sum():
            return f"{self.names[i]}: no item"
        order = np.argsort(-row, kind="stable")
        taken = ", ".join(
            f"{row[j]:,} ({row[j] / row.sum():.1%}) for {self.names[j]}"
            for j in order
            if row[j] and j != i
        )
        right = f"{self.right[i]:,} of {row.sum():,} ({self.right[i] / row.sum():.1%}) right"
        return f"{self.names[i]}: {right}" + (f"; taken {taken}" if taken else "")

    def _rights(self) -> Iterator[Item]:
        """Right of each row a bar as long as the share that is right."""
        area, size = self.area, self.size
        x = area.right + 12
        yield Text(x, area.top - 5, "recall", 9.5, "text", bold=True)
        for i, row in enumerate(self.counts):
            y, total = area.top + (i + 0.5) * size, int(row.sum())
            if not total:
                yield Text(x, y + 3.5, "no item", 9, "muted")
                continue
            share = self.right[i] / total
            yield Rect(Box(x, y - 5, x + _BAR, y + 5), "body")
            yield Rect(Box(x, y - 5, x + max(share * _BAR, 0.5), y + 5), "dense")
            yield Text(x + _BAR + 7, y + 3.5, f"{share:.1%} of {total:,}", 9, "text")

    def _columns(self) -> Iterator[Item]:
        area, size = self.area, self.size
        y = area.bottom + 14
        yield Text(area.left - 8, y, "precision", 9.5, "text", "end", bold=True)
        for j, total in enumerate(self.counts.sum(0)):
            words = _percent(self.right[j] / total) if total else "–"
            yield Text(area.left + (j + 0.5) * size, y, words, 9, "text", "middle")


def _percent(share: float) -> str:
    """`97.2`, `0.4`, `<.1`, `>99.9`: percent without the sign; 0 and 100 only where it is so."""
    percent = 100 * float(share)
    if percent in (0, 100):
        return f"{percent:.0f}"
    if percent < 0.05:
        return "<.1"
    return ">99.9" if percent >= 99.95 else f"{percent:.1f}"
