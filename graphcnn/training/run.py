"""One training run: its epochs, what is kept of them, and where it stands."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from graphcnn.compile.runner import Runner
from graphcnn.data.dataset import Dataset
from graphcnn.errors import GraphError
from graphcnn.ir.cells import writes
from graphcnn.ir.graph import state_of
from graphcnn.ir.node import Array
from graphcnn.language.arguments import is_int
from graphcnn.network.evaluation import measure
from graphcnn.network.network import Network
from graphcnn.network.weights import check_states, read_tensors
from graphcnn.passes.training.training_mode import SEED
from graphcnn.training.checkpoint import BEST, Position, load_checkpoint, save_checkpoint
from graphcnn.training.history import History
from graphcnn.training.progress import Display
from graphcnn.training.resuming import WITHIN_EPOCH, Told, check_told
from graphcnn.training.session import Session

Callback = Callable[[int, Mapping[str, float]], None]


@dataclass(frozen=True)
class EarlyStopping:
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
    """One training run: what it works on, and how far it got."""

    model: Network
    data: Dataset
    held_out: Dataset | None
    session: Session
    runner: Runner
    batch_size: int
    seed: int
    shuffle: bool
    drop_last: bool
    validation_batch_size: int
    told: Told
    stopping: EarlyStopping | None
    folder: Path | None
    every: int | None
    callbacks: tuple[Callback, ...]
    #: Metrics that are no means over the items: of the batches of training there is no value.
    of_the_whole: frozenset[str] = frozenset()
    position: Position = field(default_factory=Position)
    best_states: dict[str, Array] = field(default_factory=dict)
    _hashing: threading.Thread | None = None
    _config: dict[str, Any] | None = None

    def resume(self, folder: Path, changing: frozenset[str]) -> None:
        """Take up states and position of the checkpoint in `folder`."""
        states, position = load_checkpoint(folder)
        check_told(position.config, self.told, folder, changing)
        self.session.load(self._fitting(states, folder, changing))
        self.position = position
        if changing & WITHIN_EPOCH:
            position.batch, position.totals = 0, {}  # the epoch under way begins anew
        if changing & {"loss", "validation"}:
            position.best, position.best_epoch = None, position.epoch  # no measure for the new one
        elif (folder / BEST).exists():
            self.best_states = read_tensors(folder / BEST)[0]

    def _fitting(
        self, states: dict[str, Array], folder: Path, changing: frozenset[str]
    ) -> dict[str, Array]:
        """The states that are taken up; those of an optimiser that is another begin anew."""
        wanted = self.session.graph.states
        if changing & {"optimizer", "network"}:
            model = {state_of(s).key for s in self.model.graph.states}
            needed = [s for s in wanted if state_of(s).key in model]
            check_states({k: a for k, a in states.items() if k in model}, needed, folder)
            types = {state_of(s).key: (s.shape, s.dtype.numpy) for s in wanted}
            states = {k: a for k, a in states.items() if types.get(k) == (a.shape, a.dtype)}
        else:
            check_states(states, wanted, folder)
        if "seed" in changing and SEED in states:
            states = {**states, SEED: np.array(self.seed, np.int64)}
        return states

    def train(self, epochs: int, shown: Display, interrupted: Callable[[], bool]) -> History:
        """Train up to `epochs`; the history tells how it ended.

        Whatever happens, the model ends with the states after the last step.
        """
        self.session.hold()
        try:
            history = self._train(epochs, shown, interrupted)
        finally:
            self.session.sync()
        restore = self.stopping is not None and self.stopping.restore_best
        if restore and self.best_states and history.ended != "interrupted":
            self.model.update_states(self.best_states)
        return history

    def _train(self, epochs: int, shown: Display, interrupted: Callable[[], bool]) -> History:
        at = self.position
        while at.epoch < epochs and not self._exhausted():
            if not self._epoch(shown, interrupted):
                self._save()
                return History(at.rows, "interrupted", self._advice())
            shown.epoch(at.epoch, at.rows[-1])
            before = writes()
            for callback in self.callbacks:
                callback(at.epoch, at.rows[-1])
            if writes() != before:
                self._save()  # the run goes on with what a callback wrote, a resumed one too
        return History(at.rows, "stopped early" if at.epoch < epochs else "finished")

    def _epoch(self, shown: Display, interrupted: Callable[[], bool]) -> bool:
        """The rest of one epoch. False if it was interrupted."""
        at, n = self.position, self.batch_size
        order = self.data.shuffled_order(self.seed, at.epoch) if self.shuffle else None
        options = {"drop_last": True} if self.drop_last else {}
        for images, targets in self.data.batches(n, order, at.batch, **options):
            result = self.session.step(images, targets)
            at.batch += 1
            for key, value in result.items():
                if key in self.of_the_whole:
                    continue
                at.totals[key] = at.totals.get(key, 0.0) + value * len(targets)
            shown.batch(len(targets), result["loss"])
            if interrupted():
                return False
            if self.every and at.batch % self.every == 0:
                self._save()
        count = len(self.data) - (len(self.data) % n if self.drop_last else 0)
        row = {key: total / count for key, total in at.totals.items()}
        if self.held_out is not None:
            measured = measure(self.model, self.runner, self.held_out, self.validation_batch_size)
            row.update({f"val_{key}": value for key, value in measured.items()})
        at.rows.append(row)
        at.epoch, at.batch, at.totals = at.epoch + 1, 0, {}
        self._keep_best(row.get("val_loss", row["loss"]))
        self._save()
        return True

    def _keep_best(self, monitored: float) -> None:
        at = self.position
        delta = self.stopping.min_delta if self.stopping else 0.0
        if at.best is not None and not monitored < at.best - delta:
            return
        at.best, at.best_epoch = monitored, at.epoch
        if self.stopping is not None:
            self.best_states = {key: array.copy() for key, array in self.model.states.items()}
        if self.folder is not None:
            self.model.save(self.folder / BEST)

    def _exhausted(self) -> bool:
        at = self.position
        return self.stopping is not None and at.epoch - at.best_epoch >= self.stopping.patience

    def hash_data(self) -> None:
        """Begin to hash the data beside the first steps: the first checkpoint needs it."""
        sets = [each for each in (self.data, self.held_out) if each is not None]
        self._hashing = threading.Thread(target=lambda: [s.digest for s in sets], daemon=True)
        self._hashing.start()

    def _save(self) -> None:
        if self.folder is None:
            return
        if self._config is None:
            if self._hashing is not None:
                self._hashing.join()
            self._config = self.told.config()
        self.position.config = self._config
        save_checkpoint(self.folder, self.session.states, self.position)

    def _advice(self) -> str:
        at = self.position
        if self.folder is None:
            how = "the model keeps its weights; give checkpoint=FOLDER to be able to resume"
        else:
            how = f"go on with resume={str(self.folder)!r}"
        return f"interrupted in epoch {at.epoch + 1} after batch {at.batch}: {how}"
