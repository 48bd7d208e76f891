"""What training reported, epoch by epoch."""

import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from graphcnn.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from graphcnn.pictures.picture import Picture


@dataclass
class History:
    """One row of numbers per finished epoch: `loss`, metrics, and with `val_` those of validation.

    history["val_loss"]            # [0.31, 0.22, ...]
    history[-1]["accuracy"]        # of the last epoch
    for row in history: ...        # epoch after epoch
    history.draw("curves.svg")     # loss, metrics and learning rate
    history.to_pandas()            # a DataFrame, where pandas is installed

    Several histories are drawn in one picture by `graphcnn.pictures.runs_picture`.
    """

    rows: list[dict[str, float]] = field(default_factory=list)
    #: Why training ended: "finished", "interrupted", or the reason that a `Watcher` gave, which of
    #: `EarlyStopping` is "stopped early".
    ended: str = "finished"
    #: How to go on with a run that was interrupted.
    advice: str = ""
    #: Learning rate of the last step of each epoch; NaN where nobody knows it.
    rates: list[float] = field(default_factory=list)
    #: How many epochs, perhaps with a part of one, were done each time that the run was resumed.
    resumed: list[float] = field(default_factory=list)
    #: Loss and metrics so far of an epoch that was not finished; empty where there is none.
    unfinished: dict[str, float] = field(default_factory=dict)
    #: One row per step, where `fit` was told `step_history=True`: `step`, counted from 1,
    #: `learning_rate`, `loss`, metrics, and where they were measured those of validation.
    steps: list[dict[str, float]] = field(default_factory=list)

    @property
    def columns(self) -> list[str]:
        """Names of all numbers, in order of appearance."""
        return list(dict.fromkeys(key for row in self.rows for key in row))

    def keys(self) -> list[str]:
        """The columns, as of a dict of lists."""
        return self.columns

    def column(self, name: str) -> list[float]:
        """One number over the epochs; NaN where an epoch has none."""
        return [row.get(name, float("nan")) for row in self.rows]

    def __iter__(self) -> Iterator[dict[str, float]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> dict[str, float]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, float]]: ...
    @overload
    def __getitem__(self, index: str) -> list[float]: ...
    def __getitem__(
        self, index: int | slice | str
    ) -> dict[str, float] | list[dict[str, float]] | list[float]:
        """The row of an epoch, the rows of several, or the column of that name.

        Raises `DataError` for a name that is no column.
        """
        if not isinstance(index, str):
            return self.rows[index]
        if index not in self.columns:
            raise DataError(
                f"the history has no column {index!r}; it has {', '.join(self.columns) or 'none'}"
            )
        return self.column(index)

    def __str__(self) -> str:
        wide = {name: max(12, len(name)) for name in self.columns}
        lines = ["  ".join(("epoch", *(f"{name:>{w}}" for name, w in wide.items())))]
        for epoch, row in enumerate(self.rows, start=1):
            cells = (f"{row.get(name, float('nan')):>{w}.6g}" for name, w in wide.items())
            lines.append("  ".join((f"{epoch:>5}", *cells)))
        return "\n".join(lines)

    def picture(self, title: str = "", *, smooth: int | None = None) -> "Picture":
        """Loss, metrics and learning rate over the epochs, as `graphcnn.pictures.curves_picture`
        draws them. Raises `DataError` where no epoch was finished."""
        from graphcnn.pictures.results.curves import curves_picture

        return curves_picture(
            self.rows, rates=self.rates, resumed=self.resumed, title=title, smooth=smooth
        )

    def draw(
        self, path: str | os.PathLike[str], title: str = "", *, smooth: int | None = None
    ) -> Path:
        """Write `picture(...)` in the format of the file's suffix."""
        return self.picture(title, smooth=smooth).save(path)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """What a notebook shows: the curves, and the numbers where drawings are not shown."""
        if not self.rows:
            return {"text/plain": str(self)}
        try:
            return {"image/svg+xml": self.picture().svg(), "text/plain": str(self)}
        except DataError:  # neither a loss nor an accuracy
            return {"text/plain": str(self)}

    def to_pandas(self, *, steps: bool = False) -> Any:
        """A `pandas.DataFrame` with a row for each epoch, counted from 1, and a column for each
        number, the learning rate among them where it is known. NaN is what an epoch does not have.

        With `steps` it has a row for each step that `fit(step_history=True)` noted, and none
        without that. Raises `MissingExtraError` where pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise MissingExtraError("a DataFrame", "pandas", "pandas") from None
        if steps:
            index = pandas.Index([int(row["step"]) for row in self.steps], name="step")
            rows = [{k: v for k, v in row.items() if k != "step"} for row in self.steps]
            return pandas.DataFrame(rows, index=index, dtype=float)
        columns = {name: self.column(name) for name in self.columns}
        if "learning_rate" not in columns and not all(map(math.isnan, self.rates)):
            columns["learning_rate"] = self.rates
        index = pandas.RangeIndex(1, len(self.rows) + 1, name="epoch")
        return pandas.DataFrame(columns, index=index, dtype=float)

    def to_json(self) -> str:
        return json.dumps({"rows": self.rows, "ended": self.ended}, indent=1)
