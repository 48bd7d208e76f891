"""Stopping a run that has become no better for a while."""

from collections.abc import Mapping
from dataclasses import dataclass

from graphcnn.errors import GraphError
from graphcnn.language.arguments import is_int
from graphcnn.training.run import Run, Watcher


@dataclass(frozen=True)
class EarlyStopping(Watcher):
    """Stop when the monitored loss has not improved for `patience` epochs.

    The loss is that of validation where there is one. `restore_best` gives the model the weights
    of its best epoch at the end.
    """

    patience: int = 5
    min_delta: float = 0.0
    restore_best: bool = True

    def __post_init__(self) -> None:
        if not is_int(self.patience) or self.patience < 1:
            raise GraphError(f"patience must be at least 1, found {self.patience!r}")

    def start(self, run: Run) -> str | None:
        """A run that goes on may have been patient enough."""
        at = run.position
        return "stopped early" if at.epoch - at.best_epoch >= self.patience else None

    def epoch(self, run: Run, row: Mapping[str, float]) -> str | None:
        return self.start(run)

    def end(self, run: Run) -> None:
        if self.restore_best and run.best_states and run.ended not in ("", "interrupted"):
            run.model.update_states(run.best_states)
