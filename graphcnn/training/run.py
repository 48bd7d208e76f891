"""One training run: its epochs, where it stands, and who watches it."""

import math
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graphcnn.compile.runner import Runner
from graphcnn.data.dataset import Dataset, items_of
from graphcnn.errors import DataError
from graphcnn.ir.node import Array
from graphcnn.network.evaluation import measure
from graphcnn.network.network import Network
from graphcnn.training.checkpoint import Position
from graphcnn.training.history import History
from graphcnn.training.session import Session
from graphcnn.training.sums import Sums


class Watcher:
    """Who is told of a run as it goes on: override what is to be done at each moment.

    The writer of checkpoints, the bar and early stopping are watchers, and so are those that users
    write and give to `fit` as `callbacks`. Of the `run` they are told of, they may read `model`,
    `data`, `epochs` and `position`, which says how far it got: `epoch` and `batch`, both finished,
    and `rows`, the history. What they write into the model is what the next step begins with, and
    what checkpoints hold; what they remember themselves is not in a checkpoint.
    """

    def start(self, run: "Run") -> str | None:
        """Before the first batch, also where a run goes on. A reason ends the run at once."""
        return None

    def batch(self, run: "Run", items: int, row: Mapping[str, float]) -> None:
        """After every batch of so many items: its loss and metrics, taken before its update."""

    def epoch(self, run: "Run", row: Mapping[str, float]) -> str | None:
        """After every epoch, its row of the history. A reason ends the run: `History.ended`."""
        return None

    def end(self, run: "Run") -> None:
        """At the end of everyone who was started, however it came: `run.ended` is the reason, ""
        after an error. The model has its states back."""


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Ctrl-C sets a flag that the loop asks for; a second one raises as usual."""
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield pressed.is_set
        return
    before = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: Any) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, before)


@dataclass
class Run:
    """One training run: what it works on, and how far it got.

    Attributes:
        epochs: after so many it is finished.
        folder: of its checkpoints.
        sums: how the outputs of the steps add up, and become numbers.
        best_states: those after the best epoch, where anybody wants them.
        ended: why it ended, "" as long as it has not.
    """

    model: Network
    data: Dataset
    held_out: Dataset | None
    session: Session
    runner: Runner
    epochs: int
    batch_size: int
    seed: int
    shuffle: bool
    drop_last: bool
    validation_batch_size: int
    folder: Path | None
    sums: Sums
    position: Position = field(default_factory=Position)
    best_states: dict[str, Array] = field(default_factory=dict)
    ended: str = ""

    @property
    def batches(self) -> int:
        """Steps of one epoch."""
        return steps_of_epoch(len(self.data), self.batch_size, self.drop_last)

    @property
    def done(self) -> int:
        """Steps taken so far, of a resumed run from its beginning."""
        return self.position.epoch * self.batches + self.position.batch

    def train(self, watchers: Sequence[Watcher], interrupted: Callable[[], bool]) -> History:
        """Train up to `epochs`; the history tells how it ended.

        Whatever happens, the model ends with the states after the last step, and whoever was
        started is told of the end. All are told in their order, every time.
        """
        started: list[Watcher] = []
        reasons: list[str | None] = []
        self.session.hold()
        with ExitStack() as ends:  # each of them, whatever happens before
            try:
                for each in watchers:
                    reasons.append(each.start(self))
                    started.append(each)
                self.ended = self._train(watchers, _first(reasons), interrupted)
            finally:
                for each in reversed(started):
                    ends.callback(each.end, self)
                self.session.sync()
        advice = self._advice() if self.ended == "interrupted" else ""
        at = self.position
        unknown = [math.nan] * (len(at.rows) - len(at.rates))  # a checkpoint of old tells none
        return History(at.rows, self.ended, advice, [*unknown, *at.rates], at.resumed)

    def _train(
        self, watchers: Sequence[Watcher], reason: str | None, interrupted: Callable[[], bool]
    ) -> str:
        """Why it ended."""
        at = self.position
        while at.epoch < self.epochs and reason is None:
            if not self._epoch(watchers, interrupted):
                return "interrupted"
            reason = _first([each.epoch(self, at.rows[-1]) for each in watchers])
        return reason if reason is not None and at.epoch < self.epochs else "finished"

    def _epoch(self, watchers: Sequence[Watcher], interrupted: Callable[[], bool]) -> bool:
        """The rest of one epoch. False if it was interrupted."""
        at, n = self.position, self.batch_size
        options = {"shuffle": self.shuffle, "drop_last": self.drop_last}
        for batch in self.data.epoch(self.seed, at.epoch, n, at.batch, **options):
            outputs, items = self.session.step_outputs(*batch), items_of(batch)
            at.batch += 1
            self.sums.add(at.totals, outputs, items)
            result = self.sums.of_batch(outputs, self.model.classes)
            for each in watchers:
                each.batch(self, items, result)
            if interrupted():
                return False
        count = len(self.data) - (len(self.data) % n if self.drop_last else 0)
        row = self.sums.row(at.totals, count, self.model.classes)
        if self.held_out is not None:
            measured = measure(
                self.model,
                self.runner,
                self.held_out,
                self.validation_batch_size,
                self.sums.measures,
            )
            row.update({f"val_{key}": value for key, value in measured.items()})
        at.rows.append(row)
        at.rates.append(self.session.rate_at(self.session.steps))
        at.epoch, at.batch, at.totals = at.epoch + 1, 0, {}
        return True

    def _advice(self) -> str:
        at = self.position
        if self.folder is None:
            how = "the model keeps its weights; give checkpoint=FOLDER to be able to resume"
        else:
            how = f"go on with resume={str(self.folder)!r}"
        return f"interrupted in epoch {at.epoch + 1} after batch {at.batch}: {how}"


def steps_of_epoch(items: int, batch_size: int, drop_last: bool) -> int:
    """How many batches so many items are."""
    whole, rest = divmod(items, batch_size)
    return whole if drop_last or not rest else whole + 1


def _first(reasons: Sequence[str | None]) -> str | None:
    """The first reason for stopping that anyone gave. Raises `DataError` where it is no text."""
    for each in reasons:
        if each is not None:
            if not isinstance(each, str):
                raise DataError(
                    f"a Watcher must return the reason why training ends, or None, found {each!r}"
                )
            return each
    return None
