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
from graphcnn.training.resuming import WITHIN_EPOCH, Told, check_told
from graphcnn.training.run import Run, Watcher


@dataclass
class Checkpoint(Watcher):
    """Writes `last.safetensors` after every epoch, after every so many batches, and where the run
    is interrupted; goes on from there, too."""

    folder: Path
    told: Told
    every: int | None = None
    _hashing: threading.Thread | None = None
    _config: dict[str, Any] | None = None
    #: Where the run stood at the last checkpoint, and how often states had been written by then.
    _saved: tuple[int, int, int] | None = None

    def start(self, run: Run) -> None:
        """Begin to hash the data beside the first steps: the first checkpoint needs it."""
        sets = [each for each in (self.told.data, self.told.validation) if each is not None]
        self._hashing = threading.Thread(target=lambda: [s.digest for s in sets], daemon=True)
        self._hashing.start()

    def batch(self, run: Run, items: int, row: Mapping[str, float]) -> None:
        if self.every and run.position.batch % self.every == 0:
            self._save(run)

    def epoch(self, run: Run, row: Mapping[str, float]) -> None:
        self._save(run)

    def end(self, run: Run) -> None:
        if run.ended == "interrupted":
            self._save(run)

    def _save(self, run: Run) -> None:
        """Write a checkpoint, unless the last one holds the same."""
        at = run.position
        now = at.epoch, at.batch, writes()
        if now == self._saved:
            return
        if self._config is None:
            if self._hashing is not None:
                self._hashing.join()
            self._config = self.told.config()
        at.config = self._config
        save_checkpoint(self.folder, run.session.states, at)
        self._saved = now

    def resume(self, run: Run, changing: frozenset[str]) -> None:
        """Take up states and position of the checkpoint in the folder."""
        states, position = load_checkpoint(self.folder)
        check_told(position.config, self.told, self.folder, changing)
        run.session.load(self._fitting(run, states, changing))
        run.position = position
        if changing & WITHIN_EPOCH:
            position.batch, position.totals = 0, {}  # the epoch under way begins anew
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
        if changing & {"optimizer", "network"}:
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


@dataclass
class CheckpointAgain(Watcher):
    """Writes the checkpoint of the same moment anew where states were written since: the run goes
    on with them, and a resumed one has to, too."""

    first: Checkpoint

    def batch(self, run: Run, items: int, row: Mapping[str, float]) -> None:
        self.first.batch(run, items, row)

    def epoch(self, run: Run, row: Mapping[str, float]) -> None:
        self.first.epoch(run, row)


@dataclass
class Best(Watcher):
    """Notes which epoch was the best, and keeps its model in `best.safetensors` and in memory.

    It is the one of the least loss, of validation where there is one; less by `min_delta` at least.
    """

    min_delta: float = 0.0
    in_memory: bool = False

    def epoch(self, run: Run, row: Mapping[str, float]) -> None:
        at, monitored = run.position, row.get("val_loss", row["loss"])
        if at.best is not None and not monitored < at.best - self.min_delta:
            return
        at.best, at.best_epoch = monitored, at.epoch
        if self.in_memory:
            run.best_states = {key: array.copy() for key, array in run.model.states.items()}
        if run.folder is not None:
            run.model.save(run.folder / BEST)
