"""What is kept of a run while it goes on: its checkpoints, and its best epoch."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graphcnn.ir.cells import writes
from graphcnn.ir.graph import state_of
from graphcnn.ir.node import Array
from graphcnn.network.weights import check_states, read_tensors
from graphcnn.passes.training.training_mode import SEED
from graphcnn.training.checkpoint import BEST, load_checkpoint, save_checkpoint
from graphcnn.training.monitor import Monitor
from graphcnn.training.resuming import WITHIN_EPOCH, Told, check_told
from graphcnn.training.run import Keeper, Run, Watcher


@dataclass
class Checkpoint(Keeper):
    """Writes `last.safetensors` after every epoch, after every so many batches, and where the run
    ends within an epoch; goes on from there, too."""

    folder: Path
    told: Told
    every: int | None = None
    _hashing: threading.Thread | None = None
    _config: dict[str, Any] | None = None
    #: Where the run stood at the last checkpoint, and how often states had been written by then.
    _saved: tuple[int, int, bool, int] | None = None

    def start(self, run: Run) -> None:
        """Begin to hash the data beside the first steps: the first checkpoint needs it."""
        sets = [each for each in (self.told.data, self.told.validation) if each is not None]
        self._hashing = threading.Thread(target=lambda: [s.digest for s in sets], daemon=True)
        self._hashing.start()

    def settled(self, run: Run) -> None:
        at = run.position
        if at.batch == 0 or (self.every and at.batch % self.every == 0):
            self._save(run, run.remembered())

    def end(self, run: Run) -> None:
        """Told before the others, who may give the model other states than the last ones."""
        if run.untold is not None:
            self._save(run, run.untold)  # after an error of a watcher
        elif run.ended and run.position.batch:
            self._save(run, run.remembered())

    def _save(self, run: Run, remembered: dict[str, Any]) -> None:
        """Write a checkpoint, unless the last one holds the same."""
        at = run.position
        now = at.epoch, at.batch, at.pending, writes()
        if now == self._saved:
            return
        if self._config is None:
            if self._hashing is not None:
                self._hashing.join()
            self._config = self.told.config()
        at.config, at.watchers = self._config, remembered
        save_checkpoint(self.folder, run.session.states, at)
        self._saved = now

    def resume(self, run: Run, changing: frozenset[str]) -> None:
        """Take up states and position of the checkpoint in the folder."""
        states, position = load_checkpoint(self.folder)
        check_told(position.config, self.told, self.folder, changing)
        run.session.load(self._fitting(run, states, changing))
        run.position = position
        if changing & WITHIN_EPOCH:  # the epoch under way begins anew
            position.batch, position.items, position.totals, position.logged = 0, 0, {}, {}
        if position.learning_rate is not None and "learning_rate" not in changing:
            run.session.learning_rate = position.learning_rate
        elif "learning_rate" in changing:
            position.learning_rate = None
        position.resumed.append(position.epoch + position.batch / run.batches)
        if changing & {"loss", "validation"}:
            position.best, position.best_epoch = None, position.epoch  # no measure for the new one
        elif (self.folder / BEST).exists():
            run.best_states = read_tensors(self.folder / BEST)[0]

    def _fitting(
        self, run: Run, states: dict[str, Array], changing: frozenset[str]
    ) -> dict[str, Array]:
        """The states that are taken up; those of an optimiser that is another begin anew."""
        wanted = run.session.graph.states
        if changing & {"optimizer", "network", "shards"}:
            model = {state_of(s).key for s in run.model.graph.states}
            needed = [s for s in wanted if state_of(s).key in model]
            check_states({k: a for k, a in states.items() if k in model}, needed, self.folder)
            types = {state_of(s).key: (s.shape, s.dtype.numpy) for s in wanted}
            states = {k: a for k, a in states.items() if types.get(k) == (a.shape, a.dtype)}
        else:
            check_states(states, wanted, self.folder)
        if "seed" in changing and SEED in states:
            states = {**states, SEED: np.array(run.seed, np.int64)}
        return states


#: What is watched by default.
_LOSS = Monitor()


@dataclass
class Best(Watcher):
    """Notes which epoch was the best, and keeps its model in `best.safetensors` and in memory.

    It is the one of the least loss, of validation where there is one, or of the best value of what
    early stopping monitors; better by `min_delta` at least.
    """

    monitor: Monitor = _LOSS
    min_delta: float = 0.0
    in_memory: bool = False

    def start(self, run: Run) -> None:
        """The best by another measure is no best."""
        at, name = run.position, f"{self.monitor.name}, {self.monitor.mode}"
        if at.monitor != name and (at.monitor or self.monitor.what):
            at.best, at.best_epoch = None, at.epoch
        at.monitor = name

    def epoch(self, run: Run, row: Mapping[str, float]) -> None:
        at, value = run.position, self.monitor.of(row, run.held_out is not None)
        if value is None or not self.monitor.better(value, at.best, self.min_delta):
            return
        at.best, at.best_epoch = value, at.epoch
        if self.in_memory:
            run.best_states = {key: array.copy() for key, array in run.measured_states().items()}
        if run.folder is not None:
            run.save(run.folder / BEST)
