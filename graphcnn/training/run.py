"""One training run: its epochs, where it stands, and who watches it."""

import math
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from graphcnn.compile.runner import Runner
from graphcnn.data.batch_parts import items_of
from graphcnn.data.dataset import Dataset
from graphcnn.data.prefetching import drawn
from graphcnn.errors import DataError, GraphError
from graphcnn.ir.node import Array
from graphcnn.learning.schedules.base import is_number
from graphcnn.network.evaluation import measure
from graphcnn.network.network import Network
from graphcnn.training.checkpoint import Position
from graphcnn.training.history import History
from graphcnn.training.session import Session
from graphcnn.training.sums import Sums

INTERRUPTED, FINISHED = "interrupted", "finished"


class Watcher:
    """Who is told of a run as it goes on: override what is to be done at each moment.

    The writer of checkpoints, the bar and early stopping are watchers, and so are those of
    `cnn.callbacks` and those that users write and give to `fit` as `callbacks`. The moments, in
    their order:

        start       once, before the first batch
        batch       after each step
        validation  after each measuring of the validation data
        epoch       after each epoch, which was measured before
        end         once

    At each moment all are told, one after another: who keeps the best epoch, the bar, early
    stopping, then `callbacks` in their order. When the last has been told, the checkpoint is
    written: what a watcher did to the run is in it.

    Of the `run` they may read `model`, `data`, `epochs`, `done` (steps so far) and `position`,
    which says how far it got: `epoch` and `batch`, both finished, and `rows`, the history. They may
    read and set `run.learning_rate`, end it by `run.stop(reason)`, put numbers into the history by
    `run.log(name, value)`, and write the model to a file by `run.save(path)`. What they write into
    the model is what the next step begins with, and what checkpoints hold.

    What they remember themselves is in a checkpoint if `state` returns it: then a run that goes on
    gives it back to `restore`, and the watcher goes on as if the run had not stopped. Where a
    checkpoint is older than the last moment, what happened since happens again.

    An error of a watcher ends the run, with a note that names watcher and moment. The model has the
    states after the last step, and with `checkpoint` they are on disk: a run that goes on tells all
    watchers of the epoch again.

    Attributes:
        writes: whether it writes files: `fit(fast_dev_run=True)` leaves it out.
    """

    writes: ClassVar[bool] = False

    def start(self, run: "Run") -> str | None:
        """Before the first batch, also where a run goes on. A reason ends the run at once."""
        return None

    def batch(self, run: "Run", items: int, row: Mapping[str, float]) -> None:
        """After every batch of so many items: its loss and metrics, taken before its update."""

    def validation(self, run: "Run", row: Mapping[str, float]) -> None:
        """After the validation data were measured: `val_loss` and so on. Within an epoch, too,
        where `fit` was told `validate_at_steps`."""

    def epoch(self, run: "Run", row: Mapping[str, float]) -> str | None:
        """After every epoch, its row of the history. A reason ends the run: `History.ended`."""
        return None

    def end(self, run: "Run") -> None:
        """At the end of everyone who was started, however it came: `run.ended` is the reason, ""
        after an error. The model has its states back."""

    def state(self) -> Any:
        """What is to be remembered: texts, numbers, lists, dicts, arrays. None is nothing."""
        return None

    def restore(self, state: Any) -> None:
        """Go on from what `state` returned; told before `start`."""


class Keeper(Watcher):
    """Who writes down where a run stands."""

    def settled(self, run: "Run") -> None:
        """After a batch or an epoch, when everybody has been told all of it."""


@dataclass
class Run:
    """One training run: what it works on, and how far it got.

    Attributes:
        epochs: after so many it is finished.
        folder: of its checkpoints.
        sums: how the outputs of the steps add up, and become numbers.
        steps_per_epoch: where an epoch of the run is not one of the data.
        validation_every: epochs from one measuring of the validation data to the next.
        validate_at_steps: measure them after every so many steps, too.
        best_states: those after the best epoch, where anybody wants them.
        ended: why it ended, "" as long as it has not.
        untold: what the watchers remembered before an epoch of which not all have been told.
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
    steps_per_epoch: int | None = None
    validation_every: int = 1
    validate_at_steps: int | None = None
    position: Position = field(default_factory=Position)
    best_states: dict[str, Array] = field(default_factory=dict)
    ended: str = ""
    untold: dict[str, Any] | None = None
    _reason: str | None = None
    _watchers: tuple[Watcher, ...] = ()

    @property
    def batches(self) -> int:
        """Steps of one epoch; of a stream that does not tell, those of the last one, and in the
        first epoch more than any has."""
        return self.steps_per_epoch or self._steps or self.position.batches or sys.maxsize

    @property
    def _steps(self) -> int | None:
        return self.data.steps(self.batch_size, self.drop_last)

    @property
    def total(self) -> int | None:
        """Steps of the whole run, or None as long as that is not known."""
        return None if self.batches == sys.maxsize else self.epochs * self.batches

    @property
    def done(self) -> int:
        """Steps taken so far, of a resumed run from its beginning."""
        if self.steps_per_epoch is None and self._steps is None:
            return self.session.steps
        return self.position.epoch * self.batches + self.position.batch

    def _left(self) -> int | None:
        known = self.steps_per_epoch or self._steps
        return None if known is None else known - self.position.batch

    def _more(self) -> bool:
        """Whether the epoch may have further batches."""
        known = self.steps_per_epoch or self._steps
        return known is None or self.position.batch < known

    # What watchers do

    @property
    def learning_rate(self) -> float:
        """The rate of the next step. Setting it holds from then on, in place of a schedule; a run
        that goes on from a checkpoint has it, too."""
        return self.session.learning_rate

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        if not is_number(rate):
            raise GraphError(f"run.learning_rate must be set to a number, found {rate!r}")
        self.session.learning_rate = rate
        self.position.learning_rate = float(rate)

    def stop(self, reason: str) -> None:
        """End the run after this batch, or after this epoch: `History.ended` is the reason. The
        first reason counts; after the last epoch there is nothing to stop."""
        if not isinstance(reason, str) or not reason:
            raise DataError(
                f"a Watcher must return the reason why training ends, or None, found {reason!r}"
            )
        if self._reason is None:
            self._reason = reason

    def log(self, name: str, value: float) -> None:
        """Put a number into the row of the epoch under way, or of that which watchers are being
        told of; of several by one name the last."""
        if not is_number(value) and not (isinstance(value, float) and math.isnan(value)):
            raise DataError(f"run.log: {name} must be a number, found {value!r}")
        into = self.position.rows[-1] if self.position.pending else self.position.logged
        into[str(name)] = float(value)

    def save(self, path: str | Path) -> Path:
        """Write the model as it is measured to a file."""
        return self.model.save_with(self.measured_states(), path)

    def measured_states(self) -> Mapping[str, Array]:
        """Those of the model, with the averaged weights where the optimiser keeps some."""
        states, averaged = self.model.states.snapshot(), self.session.averaged()
        return states if averaged is None else {**states, **averaged}

    # The run

    def train(self, watchers: Sequence[Watcher], interrupted: Callable[[], bool]) -> History:
        """Train up to `epochs`; the history tells how it ended.

        Whatever happens, the model ends with the states after the last step, and whoever was
        started is told of the end. All are told in their order, every time.
        """
        started: list[Watcher] = []
        self._watchers, self._reason = tuple(watchers), None
        self.session.hold()
        with ExitStack() as ends:  # each of them, whatever happens before
            try:
                for each in watchers:
                    self._ask(each, "start")
                    started.append(each)
                self.ended = self._train(interrupted)
            finally:
                for each in reversed(started):
                    ends.callback(self._ask, each, "end")
                self.session.sync()
        advice = self._advice() if self.ended == INTERRUPTED else ""
        at = self.position
        unknown = [math.nan] * (len(at.rows) - len(at.rates))  # a checkpoint of old tells none
        rates = [*unknown, *at.rates]
        return History(at.rows, self.ended, advice, rates, at.resumed, unfinished=self._means())

    def _train(self, interrupted: Callable[[], bool]) -> str:
        """Why it ended."""
        at = self.position
        if at.pending:
            self._tell_of_epoch()
        while at.epoch < self.epochs and self._reason is None:
            self._epoch(interrupted)
        return FINISHED if self._reason is None or at.epoch >= self.epochs else self._reason

    def _epoch(self, interrupted: Callable[[], bool]) -> None:
        """The rest of one epoch, unless there is a reason to end within."""
        at, session = self.position, self.session
        listening = [each for each in self._watchers if type(each).batch is not Watcher.batch]
        keepers = [each for each in self._watchers if isinstance(each, Keeper)]
        with drawn(self._batches(), self.data.costly) as batches:
            for batch in islice(batches, self._left()):
                outputs, items = session.step_outputs(*batch), items_of(batch)
                at.rate = session.last_rate
                at.batch += 1
                at.items += items
                self.sums.add(at.totals, outputs, items)
                if listening:
                    result = self.sums.of_batch(outputs, self.model.classes)
                    for each in listening:
                        self._ask(each, "batch", items, result)
                if self.validate_at_steps and self._more():
                    if self.done % self.validate_at_steps == 0:
                        self._validate()
                for keeper in keepers:
                    self._ask(keeper, "settled")
                if interrupted():
                    self.stop(INTERRUPTED)
                if self._reason is not None and (self._more() or interrupted()):
                    return
        row = self._means()
        if self.held_out is not None and self._due():
            row |= self._validate()
        at.rows.append(row | at.logged)
        at.rates.append(at.rate if at.rate is not None else session.rate_at(session.steps))
        at.batches = at.batch
        at.epoch, at.batch, at.items, at.totals, at.logged = at.epoch + 1, 0, 0, {}, {}
        at.pending = True
        self._tell_of_epoch()

    def _batches(self) -> Generator[Any, None, None]:
        """The batches that come next, those of one epoch at least."""
        n, options = self.batch_size, {"shuffle": self.shuffle, "drop_last": self.drop_last}
        if self.steps_per_epoch is None:
            yield from self.data.epoch(
                self.seed, self.position.epoch, n, self.position.batch, **options
            )
            return
        epoch, batch = divmod(self.done, self._steps or sys.maxsize)
        while True:
            yield from self.data.epoch(self.seed, epoch, n, batch, **options)
            epoch, batch = epoch + 1, 0

    def _means(self) -> dict[str, float]:
        """Those of the epoch so far."""
        at = self.position
        return self.sums.row(at.totals, at.items, self.model.classes)

    def _due(self) -> bool:
        number = self.position.epoch + 1
        return number % self.validation_every == 0 or number == self.epochs

    def _validate(self) -> dict[str, float]:
        """Measure the validation data, and tell of it."""
        assert self.held_out is not None
        size, measures = self.validation_batch_size, self.sums.measures
        states = self.measured_states()
        measured = measure(self.model, self.runner, self.held_out, size, measures, states)
        row = {f"val_{key}": value for key, value in measured.items()}
        self._note_untold()
        for each in self._watchers:
            self._ask(each, "validation", row)
        self.untold = None
        return row

    def _tell_of_epoch(self) -> None:
        at = self.position
        self._note_untold()
        for each in self._watchers:
            self._ask(each, "epoch", at.rows[-1])
        self.untold, at.pending = None, False
        for each in self._watchers:
            if isinstance(each, Keeper):
                self._ask(each, "settled")

    def _ask(self, watcher: Watcher, moment: str, *about: Any) -> None:
        """Tell a watcher of a moment, and take its reason to end, if it has one."""
        try:
            reason = getattr(watcher, moment)(self, *about)
        except Exception as error:
            at = self.position
            error.add_note(
                f"raised by the callback {called(watcher)} in its {moment}(), in epoch "
                f"{at.epoch + (not at.pending)} after {self.done} steps"
            )
            raise
        if reason is not None and moment in ("start", "epoch"):
            self.stop(reason)

    # What watchers remember

    def _note_untold(self) -> None:
        if self.folder is not None:
            self.untold = deepcopy(self.remembered())

    def remembered(self) -> dict[str, Any]:
        """What each watcher has to remember, by its name."""
        found = {name: each.state() for name, each in _named(self._watchers)}
        return {name: state for name, state in found.items() if state is not None}

    def remind(self, watchers: Sequence[Watcher]) -> list[str]:
        """Give each what it remembered; returns for whom nobody is there."""
        left = dict(self.position.watchers)
        for name, each in _named(watchers):
            if name in left:
                each.restore(left.pop(name))
        return list(left)

    def _advice(self) -> str:
        at = self.position
        if self.folder is None:
            how = "the model keeps its weights; give checkpoint=FOLDER to be able to resume"
        else:
            how = f"go on with resume={str(self.folder)!r}"
        return f"interrupted in epoch {at.epoch + 1} after batch {at.batch}: {how}"


def called(watcher: Watcher) -> str:
    """What a watcher is called: a function by its own name."""
    return str(getattr(watcher, "__name__", type(watcher).__qualname__))


def _named(watchers: Sequence[Watcher]) -> Iterator[tuple[str, Watcher]]:
    """Each with a name of its own: that of its class, numbered from the second on."""
    seen: dict[str, int] = {}
    for each in watchers:
        name = type(each).__qualname__
        seen[name] = seen.get(name, 0) + 1
        yield name if seen[name] == 1 else f"{name} {seen[name]}", each
