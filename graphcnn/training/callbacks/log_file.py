"""A file to which a run adds records: whole ones only, none twice and none left out.

A record is written in one piece. A checkpoint knows how long the file was, and a run that goes on
cuts it there: what was written after the checkpoint is written again. Where the file is gone or too
short, or the checkpoint knows nothing of it, it is made anew from the history.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from graphcnn.base.files import atomic_write, reason
from graphcnn.errors import OutputError
from graphcnn.language.arguments import is_int
from graphcnn.network.feeding import at_least_one
from graphcnn.training.checkpoint import make_folder
from graphcnn.training.run import Run, Watcher

Row = Mapping[str, float]


class LogFile(Watcher):
    """Adds a record after every epoch, and after every so many steps if `every_steps` is given.

    A run from the beginning replaces the file.
    """

    writes: ClassVar = True

    def __init__(self, path: str | os.PathLike[str], every_steps: int | None = None) -> None:
        self.path = Path(path)
        self.every_steps = None if every_steps is None else at_least_one(every_steps, "every_steps")
        self._bytes: int | None = None

    def head(self, run: Run) -> bytes:
        """What the file begins with."""
        return b""

    def of_epoch(self, number: int, rate: float, row: Row, run: Run) -> bytes:
        """The record of an epoch."""
        raise NotImplementedError

    def of_step(self, step: int, rate: float, row: Row) -> bytes:
        """The record of a step."""
        return b""

    def start(self, run: Run) -> None:
        known, self._bytes = self._bytes, None
        make_folder(self.path.parent)
        if known is not None and self.path.is_file() and self.path.stat().st_size >= known:
            os.truncate(self.path, known)
        else:
            self._make_anew(run)

    def _make_anew(self, run: Run) -> None:
        """The file as it is when watchers have been told of all epochs that are done."""
        at, told = run.position, told_rows(run)
        rates = [float("nan")] * (len(at.rows) - len(at.rates)) + at.rates
        records = (
            self.of_epoch(number, rate, row, run)
            for number, (row, rate) in enumerate(zip(told, rates, strict=False), 1)
        )
        atomic_write(self.path, self.head(run) + b"".join(records))

    def batch(self, run: Run, items: int, row: Row) -> None:
        if self.every_steps and run.done % self.every_steps == 0:
            self._add(self.of_step(run.done, run.position.rate or float("nan"), row))

    def epoch(self, run: Run, row: Row) -> None:
        at = run.position
        self._add(self.of_epoch(at.epoch, at.rates[-1], row, run))

    def _add(self, record: bytes) -> None:
        try:
            with self.path.open("ab", buffering=0) as file:
                file.write(record)
        except OSError as error:
            raise OutputError(f"cannot write {self.path}: {reason(error, self.path)}") from error

    def state(self) -> Any:
        """How long the file is; nothing where the history is all that it holds."""
        if not self.every_steps:
            return None
        return self.path.stat().st_size if self.path.is_file() else None

    def restore(self, state: Any) -> None:
        self._bytes = state if is_int(state) else None


def told_rows(run: Run) -> list[dict[str, float]]:
    """The history, without an epoch of which watchers have yet to be told."""
    at = run.position
    return at.rows[:-1] if at.pending else at.rows
