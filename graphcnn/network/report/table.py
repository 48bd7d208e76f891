"""A table of numbers with a row for each class or output, as text and for notebooks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final

#: Of a table of more rows only so many are shown.
MOST: Final = 60
SHOWN: Final = 25
#: How numbers stand in HTML, below the names of their columns.
_RIGHT: Final = "text-align:right;padding:1px 8px"


@dataclass(frozen=True)
class Table:
    """Rows with a number in each column.

    Attributes:
        what: a row is: "class", "label", "output".
        names: of the rows, and `columns`: title, and a number for each row.
        averages: rows of their own below, by name: numbers of some of the columns.
        counts: columns of whole numbers, and `shares`: those between 0 and 1.
        worst: the column in which the least is the worst: of many rows these are shown. "" shows
            the first.
    """

    what: str
    names: Sequence[str]
    columns: Mapping[str, Sequence[float]]
    averages: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    counts: tuple[str, ...] = ()
    shares: tuple[str, ...] = ()
    worst: str = ""

    @property
    def shown(self) -> list[int]:
        """The rows that are shown: all, or the worst ones, the worst first."""
        rows = range(len(self.names))
        if len(rows) <= MOST:
            return [*rows]
        values = self.columns.get(self.worst, [0.0] * len(rows))
        return sorted(rows, key=lambda i: (math.isnan(values[i]), values[i]))[:SHOWN]

    @property
    def left_out(self) -> str:
        """What is said of the others."""
        shown = len(self.shown)
        if shown == len(self.names):
            return ""
        by = f"with the least {self.worst}" if self.worst else "the first"
        return f"{shown} of {len(self.names):,} rows, {by}"

    def text(self, column: str, value: float | None) -> str:
        """A number as it is written."""
        if value is None:
            return ""
        if math.isnan(value):
            return "–"
        if column in self.counts:
            return f"{value:,.0f}"
        return f"{value:.4f}" if column in self.shares and abs(value) < 10 else f"{value:.5g}"

    def lines(self) -> list[str]:
        """The table as lines of text."""
        body = [(self.names[i], {k: v[i] for k, v in self.columns.items()}) for i in self.shown]
        rows = [*body, *self.averages.items()]
        wide = max(len(self.what), *(min(len(name), 40) for name, _ in rows))
        cells = {
            k: [self.text(k, row.get(k)) for _, row in rows]
            for k in self.columns
        }  # fmt: skip
        sizes = {k: max(len(k), *map(len, found)) for k, found in cells.items()}
        heads = (f"{k:>{sizes[k]}}" for k in self.columns)
        found = ["  ".join((f"{self.what:<{wide}}", *heads)).rstrip()]
        for i, (name, _) in enumerate(rows):
            if i == len(body):
                found.append("")
            shown = name if len(name) <= 40 else name[:39] + "…"
            numbers = (f"{cells[k][i]:>{sizes[k]}}" for k in self.columns)
            found.append("  ".join((f"{shown:<{wide}}", *numbers)).rstrip())
        return [*found, *([f"({self.left_out})"] if self.left_out else [])]

    def html(self) -> str:
        """The table as HTML, with a bar behind each share."""
        head = "".join(f"<th style='{_RIGHT}'>{escape(k)}</th>" for k in self.columns)
        rows = [f"<tr><th style='text-align:left'>{escape(self.what)}</th>{head}</tr>"]
        for i in self.shown:
            rows.append(self._row(self.names[i], {k: v[i] for k, v in self.columns.items()}, True))
        rows += [self._row(name, row, False) for name, row in self.averages.items()]
        note = f"<p><small>{escape(self.left_out)}</small></p>" if self.left_out else ""
        return f"<table>{''.join(rows)}</table>{note}"

    def _row(self, name: str, row: Mapping[str, float], plain: bool) -> str:
        cells = []
        for key in self.columns:
            value, style = row.get(key), _RIGHT
            if key in self.shares and value is not None and not math.isnan(value):
                end = f"{100 * min(max(value, 0.0), 1.0):.1f}%"
                color = "rgba(107,70,168,0.22)"
                style += f";background:linear-gradient(90deg,{color} {end},transparent {end})"
            cells.append(f"<td style='{style}'>{escape(self.text(key, value))}</td>")
        weight = "normal" if plain else "bold"
        first = f"<th style='text-align:left;font-weight:{weight}'>{escape(name)}</th>"
        return f"<tr>{first}{''.join(cells)}</tr>"
