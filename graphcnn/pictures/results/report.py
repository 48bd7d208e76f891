"""A report as a table: a row for each class or output, with a bar for each share."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from graphcnn.errors import DataError
from graphcnn.pictures.parts.legend import heading, notes
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.scene.fonts import elide, text_width
from graphcnn.pictures.scene.scene import Box, Group, Item, Path, Rect, Scene, Text

_WIDTH: Final = 830.0
_NAMES: Final = 180.0
_TALL: Final = 20.0
_GAP: Final = 14.0


@dataclass(frozen=True)
class Section:
    """One table.

    Attributes:
        title: what stands above it; "" where there is one.
        what: a row is, and `names` of the rows.
        columns: by title a number for each row. NaN is a dash.
        averages: rows of their own below: numbers of some of the columns.
        counts: columns of whole numbers, and `shares` those between 0 and 1, which have bars.
        remarks: lines below.
    """

    title: str
    what: str
    names: Sequence[str]
    columns: Mapping[str, Sequence[float]]
    averages: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    counts: Sequence[str] = ()
    shares: Sequence[str] = ()
    remarks: Sequence[str] = ()


def report_picture(
    sections: Sequence[Section], *, title: str = "report", subtitle: str = ""
) -> Picture:
    """The tables, one below the other. Bars are as long as a share; of counts, as the count beside
    the largest of its column.

    Raises:
        DataError: no table, or a column of another length than its rows.
    """
    for each in sections:
        wrong = [k for k, v in each.columns.items() if len(v) != len(each.names)]
        if wrong or not each.names:
            raise DataError(
                f"a table of {len(each.names)} rows has as many numbers in each column, and at "
                f"least one: {', '.join(wrong) or 'no row'}"
            )
    if not sections:
        raise DataError("a report without a table: nothing to draw")
    items: list[Item] = []
    top = 62.0
    for number, section in enumerate(sections):
        made, top = _Drawn(section, number, top).items()
        items += made
    ground = Rect(Box(0, 0, _WIDTH, top), "ground")
    everything = (ground, *heading(title, subtitle, _WIDTH), *items)
    data = {"tables": [_plain(each) for each in sections]}
    description = f"{title}. {subtitle}."
    remarks = tuple(remark for each in sections for remark in each.remarks)
    return Picture(Scene(_WIDTH, top, everything, title, description, remarks, data))


def _plain(section: Section) -> dict[str, Any]:
    def known(x: float) -> float | None:
        return x if math.isfinite(x) else None

    return {
        "title": section.title,
        "names": [*section.names],
        "columns": {k: [known(float(x)) for x in v] for k, v in section.columns.items()},
        "averages": {
            name: {k: known(float(x)) for k, x in row.items()}
            for name, row in section.averages.items()
        },
    }


def _columns(rows: Mapping[str, Mapping[str, float]]) -> Iterator[tuple[str, list[float]]]:
    """The numbers of rows, by column."""
    for row in rows.values():
        yield from ((key, [value]) for key, value in row.items())


class _Drawn:
    """One table from `top` on."""

    def __init__(self, section: Section, number: int, top: float) -> None:
        self.section, self.number, self.top = section, number, top
        names = [elide(n, 9.5, _NAMES, bold=True) for n in (*section.names, *section.averages)]
        self.left = 14 + max(text_width(n, 9.5, bold=True) for n in (*names, section.what)) + 16
        room = _WIDTH - 14 - self.left
        self.wide = (room + _GAP) / max(len(section.columns), 1)
        cells: dict[str, list[str]] = {key: [] for key in section.columns}
        for row in (*section.columns.items(), *_columns(section.averages)):
            cells.setdefault(row[0], []).extend(self._words(row[0], x) for x in row[1])
        self.numbers = {
            k: max(46.0, *(text_width(words, 9.5, bold=True) for words in found)) + 6
            for k, found in cells.items()
        }
        most = {k: [abs(x) for x in v if math.isfinite(x)] for k, v in section.columns.items()}
        self.most = {
            k: 1.0 if k in section.shares else max(v, default=0.0) or 1.0 for k, v in most.items()
        }

    def items(self) -> tuple[list[Item], float]:
        """The table, and where it ends."""
        section, found, y = self.section, list[Item](), self.top
        if section.title:
            y += 10 * (self.number > 0)
            found.append(Text(14, y + 4, elide(section.title, 12, 500, bold=True), 12, bold=True))
            y += 22
        found.append(Text(14, y + 4, section.what, 9.5, "muted"))
        for i, key in enumerate(section.columns):
            found.append(Text(self._right(i), y + 4, key, 9.5, "text", "end", bold=True))
        y += 12
        for i, name in enumerate(section.names):
            row = {k: v[i] for k, v in section.columns.items()}
            found.append(self._row(f"row{self.number}_{i}", name, row, y))
            y += _TALL
        if section.averages:
            found.append(Path((("M", 14, y + 4), ("L", _WIDTH - 14, y + 4)), "leader"))
            y += 8
        for i, (name, numbers) in enumerate(section.averages.items()):
            found.append(self._row(f"average{self.number}_{i}", name, numbers, y, bold=True))
            y += _TALL
        lines, y = notes(section.remarks, _WIDTH, y + 10)
        return [*found, *lines], y + 10

    def _right(self, column: int) -> float:
        return self.left + (column + 1) * self.wide - _GAP

    def _row(
        self, key: str, name: str, numbers: Mapping[str, float], y: float, *, bold: bool = False
    ) -> Group:
        items: list[Item] = [
            Text(14, y + 13.5, elide(name, 9.5, _NAMES, bold=bold), 9.5, "text", bold=bold)
        ]
        said = []
        for i, column in enumerate(self.section.columns):
            if column in numbers:
                words = self._words(column, numbers[column])
                items += self._cell(i, column, numbers[column], words, y, bold)
                said.append(f"{column} {words}")
        label = f"{name}: {', '.join(said)}"
        return Group(tuple(items), "card", key, label, label, Box(14, y, _WIDTH - 14, y + _TALL))

    def _cell(
        self, i: int, column: str, value: float, words: str, y: float, bold: bool
    ) -> Iterator[Item]:
        """A number, and before it the bar of a share, or of a count."""
        right = self._right(i)
        room = self.wide - _GAP - self.numbers[column]
        barred = column in self.section.shares or (column in self.section.counts and not bold)
        if math.isfinite(value) and room > 14 and barred:
            start = right - self.numbers[column] - room
            yield Rect(Box(start, y + 5, start + room, y + 15), "body")
            share = min(max(value, 0.0) / self.most[column], 1.0)
            if share > 0:
                yield Rect(Box(start, y + 5, start + max(share * room, 0.5), y + 15), "dense")
        yield Text(right, y + 13.5, words, 9.5, "text", "end", bold=bold)

    def _words(self, column: str, value: float) -> str:
        if not math.isfinite(value):
            return "–"
        if column in self.section.counts:
            return f"{value:,.0f}"
        share = column in self.section.shares and abs(value) < 10
        text = f"{value:.4f}" if share else f"{value:.4g}"
        return text.replace("-", "−", 1) if value < 0 else text
