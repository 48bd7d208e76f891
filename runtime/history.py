"""What training reported, epoch by epoch."""

import json
from dataclasses import dataclass, field
from typing import overload


@dataclass
class History:
    """One row of numbers per finished epoch: `loss`, metrics, and with `val_` those of validation.

    history.column("val_loss")     # [0.31, 0.22, ...]
    history[-1]["accuracy"]        # of the last epoch
    """

    rows: list[dict[str, float]] = field(default_factory=list)
    #: Why training ended: "finished", "stopped early" or "interrupted".
    ended: str = "finished"
    #: How to go on with a run that was interrupted.
    advice: str = ""

    @property
    def columns(self) -> list[str]:
        """Names of all numbers, in order of appearance."""
        return list(dict.fromkeys(key for row in self.rows for key in row))

    def column(self, name: str) -> list[float]:
        """One number over the epochs; NaN where an epoch has none."""
        return [row.get(name, float("nan")) for row in self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> dict[str, float]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, float]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, float] | list[dict[str, float]]:
        return self.rows[index]

    def __str__(self) -> str:
        lines = ["  ".join(("epoch", *(f"{name:>12}" for name in self.columns)))]
        for epoch, row in enumerate(self.rows, start=1):
            cells = (f"{row.get(name, float('nan')):>12.6g}" for name in self.columns)
            lines.append("  ".join((f"{epoch:>5}", *cells)))
        return "\n".join(lines)

    def to_json(self) -> str:
        return json.dumps({"rows": self.rows, "ended": self.ended}, indent=1)
