"""A smaller learning rate where a run gets no better."""

import math
from typing import Any

from graphcnn.errors import GraphError
from graphcnn.language.arguments import is_int
from graphcnn.learning.schedules.base import is_number
from graphcnn.training.callbacks.log_file import Row
from graphcnn.training.monitor import Monitor, Monitored
from graphcnn.training.run import Run, Watcher


class ReduceOnPlateau(Watcher):
    """Multiply the learning rate by `factor` when a number has not improved for a while.

        cnn.callbacks.ReduceOnPlateau(factor=0.5, patience=3)

    Counts as `torch.optim.lr_scheduler.ReduceLROnPlateau` does: better is less than
    best·(1 - threshold), or more than best·(1 + threshold) in mode "max"; the rate falls after more
    than `patience` epochs that were not better, to no less than `min_rate`; for `cooldown` epochs
    after that nothing is counted. A schedule of the optimiser holds until the first reduction, and
    the reduced rate from then on. Epochs without validation do not count.

    Args:
        monitor: name of a number of the rows, or a function of a row; by default the loss, that of
            validation where there is one.
        mode: "min" or "max" is better; "auto" knows it by the name.
        threshold_mode: "rel", as above, or "abs": better by more than `threshold`.

    Attributes:
        reduced: how often it did.
    """

    def __init__(
        self,
        monitor: Monitored = None,
        *,
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_rate: float = 0.0,
        mode: str = "auto",
    ) -> None:
        self._monitor = Monitor(monitor, mode)
        if not is_number(factor) or not 0 < factor < 1:
            raise GraphError(f"factor must be between 0 and 1, found {factor!r}")
        for name, count in (("patience", patience), ("cooldown", cooldown)):
            if not is_int(count) or count < 0:
                raise GraphError(f"{name} must be at least 0, found {count!r}")
        if threshold_mode not in ("rel", "abs"):
            raise GraphError(f'threshold_mode must be "rel" or "abs", found {threshold_mode!r}')
        for name, number in (("threshold", threshold), ("min_rate", min_rate)):
            if not is_number(number) or number < 0:
                raise GraphError(f"{name} must be a number of at least 0, found {number!r}")
        self.factor, self.patience, self.cooldown = factor, patience, cooldown
        self.threshold, self.relative, self.min_rate = threshold, threshold_mode == "rel", min_rate
        self.reduced, self._bad, self._cooling = 0, 0, 0
        self._best = -math.inf if self._monitor.more else math.inf

    def epoch(self, run: Run, row: Row) -> None:
        value = self._monitor.of(row, run.held_out is not None)
        if value is None:
            return
        if self._better(value):
            self._best, self._bad = value, 0
        else:
            self._bad += 1
        if self._cooling:
            self._cooling, self._bad = self._cooling - 1, 0
        if self._bad > self.patience:
            self._cooling, self._bad = self.cooldown, 0
            rate = run.learning_rate
            new = max(rate * self.factor, self.min_rate)
            if rate - new > 1e-8:
                run.learning_rate = new
                self.reduced += 1

    def _better(self, value: float) -> bool:
        more, by = self._monitor.more, self.threshold
        if self.relative:
            by = self._best * (1 + by if more else 1 - by)
        else:
            by = self._best + (by if more else -by)
        return value > by if more else value < by

    def state(self) -> Any:
        return [self.reduced, self._bad, self._cooling, self._best]

    def restore(self, state: Any) -> None:
        self.reduced, self._bad, self._cooling, self._best = state
