"""What `evaluate(..., report=True)` gives: the numbers, and a table for each output."""

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphcnn.errors import DataError
from graphcnn.ir.node import Array
from graphcnn.network.report.parts import ClassPart, LabelPart, Part

if TYPE_CHECKING:
    from graphcnn.pictures.picture import Picture


@dataclass(frozen=True, eq=False)
class Report(Mapping[str, float]):
    """What a model makes of a data set. It is also the numbers that `evaluate` gives, by name:

        report = model.evaluate(test, report=True)
        print(report)  # the table, and the worst confusions in words
        report["loss"], report.confusion
        report.draw("report.svg"), report.draw_curves("roc.svg")

    Attributes:
        model, data: their names, and `count`, how many items there are.
        numbers: loss and metrics.
        parts: the tables, by output; "" where there is one.
    """

    model: str
    data: str
    count: int
    numbers: Mapping[str, float]
    parts: Mapping[str, Part]

    def __getitem__(self, name: str) -> float:
        return self.numbers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def confusion(self) -> Array:
        """Items of class i that are taken for class j, int64 (K, K), of the first output that has
        classes. Raises `DataError` where none has."""
        for part in self.parts.values():
            if isinstance(part, ClassPart):
                return part.confusion
        raise DataError(f"{self.model} has no confusion of classes: it predicts none of several")

    @property
    def title(self) -> str:
        return f"{self.model} on {self.data}"

    @property
    def measured(self) -> str:
        """Loss and metrics in one line."""
        found = (f"{key} {value:.4f}" for key, value in self.numbers.items())
        return " · ".join((f"{self.count:,} items", *found))

    def __str__(self) -> str:
        lines = [self.title, self.measured]
        for name, part in self.parts.items():
            lines += ["", *([f"{name}"] if name else []), *part.table.lines()]
            if part.remarks:
                lines += ["", *(f"  {remark}" for remark in part.remarks)]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        parts = [f"<b>{escape(self.title)}</b><br>{escape(self.measured)}"]
        for name, part in self.parts.items():
            parts.append(f"<p><b>{escape(name)}</b></p>" if name else "")
            parts.append(part.table.html())
            remarks = "".join(f"<li>{escape(remark)}</li>" for remark in part.remarks)
            parts.append(f"<ul>{remarks}</ul>" if remarks else "")
        return "".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """All numbers, as JSON has them."""
        return {
            "model": self.model,
            "data": self.data,
            "items": self.count,
            "numbers": dict(self.numbers),
            "outputs": {name: part.to_dict() for name, part in self.parts.items()},
        }

    def to_json(self) -> str:
        """All numbers; what is not a number is null."""
        return json.dumps(_plain(self.to_dict()), indent=1)

    def picture(self) -> "Picture":
        """The tables, with a bar for each share; see `report_picture`."""
        from graphcnn.pictures.results.report import Section, report_picture

        sections = [
            Section(
                name,
                part.table.what,
                [part.table.names[i] for i in part.table.shown],
                {k: [v[i] for i in part.table.shown] for k, v in part.table.columns.items()},
                part.table.averages,
                part.table.counts,
                part.table.shares,
                [*part.remarks, *filter(None, [part.table.left_out])],
            )
            for name, part in self.parts.items()
        ]
        return report_picture(sections, title=self.title, subtitle=self.measured)

    def draw(self, path: str | os.PathLike[str]) -> Path:
        """Write `picture()` in the format of the file's suffix."""
        return self.picture().save(path)

    def curves(self) -> "Picture":
        """The ROC and the precision-recall curves of all classes or labels; see `ranks_picture`.

        Raises `DataError` where no output ranks classes or labels.
        """
        from graphcnn.pictures.results.ranks import ranks_picture

        for name, part in self.parts.items():
            if isinstance(part, ClassPart | LabelPart) and part.scores is not None:
                assert part.truth is not None
                where = f"{self.title}: {name}" if name else self.title
                return ranks_picture(part.scores, part.truth, part.names, title=where)
        raise DataError(
            f"{self.model} ranks no classes that could be drawn as curves: it predicts numbers, or "
            "classes of pixels, or nobody knew before how many items there are"
        )

    def draw_curves(self, path: str | os.PathLike[str]) -> Path:
        """Write `curves()` in the format of the file's suffix."""
        return self.curves().save(path)


def _plain(value: Any) -> Any:
    """The same without NaN, which JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value
