"""What every step reported, kept in checkpoints as arrays."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphcnn.training.run import Run, Watcher


class StepHistory(Watcher):
    """One row per step: `step`, `learning_rate`, loss, metrics, and those of validation where they
    were measured."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def batch(self, run: Run, items: int, row: Mapping[str, float]) -> None:
        rate = run.position.rate
        known = {} if rate is None else {"learning_rate": rate}
        self.rows.append({"step": run.done, **known, **row})

    def validation(self, run: Run, row: Mapping[str, float]) -> None:
        if self.rows:
            self.rows[-1] |= row

    def state(self) -> Any:
        """A column for each number, with NaN where a step has none."""
        columns = dict.fromkeys(key for row in self.rows for key in row)
        return {
            key: np.array([row.get(key, np.nan) for row in self.rows], np.float64)
            for key in columns
        }

    def restore(self, state: Any) -> None:
        steps = zip(*(column.tolist() for column in state.values()), strict=True)
        rows = (dict(zip(state, numbers, strict=True)) for numbers in steps)
        self.rows = [{k: x for k, x in row.items() if x == x or k in _ALWAYS} for row in rows]
        for row in self.rows:
            row["step"] = int(row["step"])


#: What every step has, be it a number or none.
_ALWAYS = {"step", "loss"}
