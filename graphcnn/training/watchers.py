"""Who watches a run, and in which order."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphcnn.errors import DataError
from graphcnn.language.arguments import check_function
from graphcnn.training.averages import Averages
from graphcnn.training.keeping import Best, Checkpoint
from graphcnn.training.run import Run, Watcher
from graphcnn.training.stopping import EarlyStopping

Callback = Callable[[int, Mapping[str, float]], object]


def in_order(
    checkpoint: Checkpoint | None,
    display: Watcher,
    stopping: EarlyStopping | None,
    callbacks: Sequence[Watcher],
    rehearsed: int = 0,
) -> tuple[Watcher, ...]:
    """All of them in the order in which they are told, at every moment, of a run or of so many
    steps that are `rehearsed`."""
    best = Best()
    if stopping is not None:
        best = Best(stopping.monitored, stopping.min_delta, stopping.restore_best)
    return (
        *(() if checkpoint is None else (checkpoint,)),  # at the end, before any writes a state
        best,  # before early stopping, which asks which epoch was the best
        display,  # before the functions of users, which may print, too
        Averages(rehearsed),  # at the end, before those of the best epoch are restored
        *(() if stopping is None else (stopping,)),  # at the end, users see the weights restored
        *callbacks,
    )


class Function(Watcher):
    """A function of (epoch, row), called after every epoch: what `callbacks` makes of one."""

    def __init__(self, function: Callback) -> None:
        check_function(function, "a callback must be a function of (epoch, row)", DataError)
        self.function = function
        self.__name__ = getattr(function, "__qualname__", type(function).__qualname__)

    def epoch(self, run: Run, row: Mapping[str, float]) -> None:
        self.function(run.position.epoch, row)


def callback_watchers(
    callbacks: Any, stopping: EarlyStopping | None
) -> tuple[tuple[Watcher, ...], EarlyStopping | None]:
    """Callbacks as watchers, and early stopping, which may be one of them. What is none is found
    out before the first epoch and not after it."""
    several = callbacks if isinstance(callbacks, list | tuple) else (callbacks,)
    watchers = tuple(map(_watcher, several))
    early = [each for each in (stopping, *watchers) if isinstance(each, EarlyStopping)]
    if len(early) > 1:
        raise DataError(f"a run has one EarlyStopping, found {', '.join(map(repr, early))}")
    others = tuple(each for each in watchers if not isinstance(each, EarlyStopping))
    return others, early[0] if early else None


def _watcher(callback: Any) -> Watcher:
    if isinstance(callback, Watcher):
        return callback
    if isinstance(callback, type) and issubclass(callback, Watcher):
        raise DataError(f"callbacks: give an object, {callback.__name__}(), and not the class")
    expected = "callbacks must be functions of (epoch, row), or Watchers"
    check_function(callback, expected, DataError)
    return Function(callback)
