"""Stopping a run that has become no better for a while, or has had its steps or its time."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from graphcnn.errors import DataError, GraphError
from graphcnn.language.arguments import is_int
from graphcnn.learning.schedules.base import is_number
from graphcnn.network.feeding import at_least_one
from graphcnn.training.monitor import Monitor, Monitored
from graphcnn.training.run import Run, Watcher


@dataclass(frozen=True)
class EarlyStopping(Watcher):
    """Stop when the monitored number has not improved for `patience` epochs.

    Args:
        patience: epochs without a better value, after which the run ends.
        min_delta: only what is better by more than that is better.
        restore_best: the model gets the weights of its best epoch at the end.
        monitor: the name of a number of the rows, such as "val_accuracy", or a function of a row;
            by default the loss, that of validation where there is one. `best.safetensors` is the
            best by it, too.
        mode: "min" or "max" is better; "auto" knows it by the name.
    """

    patience: int = 5
    min_delta: float = 0.0
    restore_best: bool = True
    monitor: Monitored = None
    mode: str = "auto"

    def __post_init__(self) -> None:
        if not is_int(self.patience) or self.patience < 1:
            hint = "; monitor= names the number to watch" if isinstance(self.patience, str) else ""
            raise GraphError(f"patience must be at least 1, found {self.patience!r}{hint}")
        _ = self.monitored

    @property
    def monitored(self) -> Monitor:
        return Monitor(self.monitor, self.mode)

    def start(self, run: Run) -> str | None:
        """A run that goes on may have been patient enough."""
        at = run.position
        return "stopped early" if at.epoch - at.best_epoch >= self.patience else None

    def epoch(self, run: Run, row: Mapping[str, float]) -> str | None:
        return self.start(run)

    def end(self, run: Run) -> None:
        if self.restore_best and run.best_states and run.ended not in ("", "interrupted"):
            run.model.update_states(run.best_states)


@dataclass(frozen=True)
class MaxSteps(Watcher):
    """End the run after so many steps, counted from its beginning, also where it goes on."""

    steps: int

    def __post_init__(self) -> None:
        at_least_one(self.steps, "MaxSteps: steps")

    def start(self, run: Run) -> str | None:
        return self.reason if run.done >= self.steps else None

    def batch(self, run: Run, items: int, row: Mapping[str, float]) -> None:
        if run.done >= self.steps:
            run.stop(self.reason)

    @property
    def reason(self) -> str:
        return f"{self.steps} steps were taken"


class Timer(Watcher):
    """End the run after some time, after the step under way; a run that goes on has it again.

    Time is nothing that a seed decides: it says how far the run gets, and changes no bit of what it
    computes till then. With `checkpoint` the rest is for a later call with `resume`.

        model.fit(train, epochs=1000, max_time="1h30m", checkpoint="run")

    Args:
        time: seconds, a `datetime.timedelta`, or a text such as "90s", "10m", "1h30m".

    Attributes:
        seconds: since the start of the run.
    """

    def __init__(self, time: float | str | timedelta) -> None:
        self.limit = seconds_of(time)
        self._began: float | None = None

    @property
    def seconds(self) -> float:
        return 0.0 if self._began is None else time.monotonic() - self._began

    def start(self, run: Run) -> None:
        self._began = time.monotonic()

    def batch(self, run: Run, items: int, row: Mapping[str, float]) -> None:
        if self.seconds >= self.limit:
            run.stop(f"the time was up: {self.limit:g} s")


_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}


def seconds_of(time: float | str | timedelta) -> float:
    """Seconds of what is told as a time. Raises `DataError` for what is none."""
    found = _seconds_of(time)
    if found is None or found <= 0:
        raise DataError(
            f"a time must be seconds greater than 0, a timedelta or a text such as '1h30m', "
            f"found {time!r}"
        )
    return found


def _seconds_of(time: float | str | timedelta) -> float | None:
    if isinstance(time, timedelta):
        return time.total_seconds()
    if not isinstance(time, str):
        return float(time) if is_number(time) else None
    parts = re.findall(r"(\d+(?:\.\d+)?)([dhms])", time.replace(" ", ""))
    if "".join(number + unit for number, unit in parts) != time.replace(" ", ""):
        return None
    return sum((float(number) * _UNITS[unit] for number, unit in parts), 0.0) or None
