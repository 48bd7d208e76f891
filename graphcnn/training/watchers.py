"""Who watches a run, and in which order."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphcnn.errors import DataError
from graphcnn.language.arguments import check_function
from graphcnn.training.keeping import Best, Checkpoint, CheckpointAgain
from graphcnn.training.run import Run, Watcher
from graphcnn.training.stopping import EarlyStopping

Callback = Callable[[int, Mapping[str, float]], object]


def in_order(
    checkpoint: Checkpoint | None,
    display: Watcher,
    stopping: EarlyStopping | None,
    callbacks: Sequence[Watcher],
) -> tuple[Watcher, ...]:
    """All of them in the order in which they are told, of every batch, every epoch and the end."""
    best = Best() if stopping is None else Best(stopping.min_delta, in_memory=stopping.restore_best)
    kept = () if checkpoint is None else (checkpoint,)
    again = () if checkpoint is None else (CheckpointAgain(checkpoint),)
    return (
        best,  # first: a checkpoint tells which epoch was the best
        *kept,  # before all that may fail or take long: what is shown and called back is on disk
        display,  # before the functions of users, which may print, too
        *(() if stopping is None else (stopping,)),  # at the end, users see the weights restored
        *callbacks,
        *again,  # last: callbacks may write into the model
    )


@dataclass
class Called(Watcher):
    """A function of (epoch, row), called after every epoch."""

    function: Callback

    def epoch(self, run: Run, row: Mapping[str, float]) -> None:
        self.function(run.position.epoch, row)


def callback_watchers(callbacks: Any) -> tuple[Watcher, ...]:
    """Callbacks as watchers, what is none found out before the first epoch and not after it."""
    several = callbacks if isinstance(callbacks, list | tuple) else (callbacks,)
    return tuple(map(_watcher, several))


def _watcher(callback: Any) -> Watcher:
    if isinstance(callback, EarlyStopping):
        raise DataError(f"give {callback} as early_stopping, not as one of the callbacks")
    if isinstance(callback, Watcher):
        return callback
    expected = "callbacks must be functions of (epoch, row), or Watchers"
    check_function(callback, expected, DataError)
    return Called(callback)
