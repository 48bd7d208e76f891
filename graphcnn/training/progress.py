"""What a person sees while training: a progress bar on a terminal, plain lines elsewhere.

Both go to the stream of errors, as the notes of other programs do: what a program of one's own
prints is its own.
"""

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TextIO

from graphcnn.learning.goals import Goals
from graphcnn.network.feeding import at_least_one
from graphcnn.training.run import Run, Watcher

if TYPE_CHECKING:
    from rich.progress import Progress


#: Columns of a line.
_WIDTH: Final = 100


class _Rate:
    """Images per second of an epoch."""

    def __init__(self) -> None:
        self._images, self._start = 0, time.perf_counter()

    def add(self, images: int) -> float:
        """The rate with these, too."""
        self._images += images
        return self._images / max(1e-9, time.perf_counter() - self._start)


class Lines(Watcher):
    """A line after every epoch, or after every so many: for notebooks, files and pipes.

    Args:
        every: epochs from one line to the next; the last epoch has one in any case.
        file: where they go; None is the stream of errors.
    """

    def __init__(self, every: int = 1, file: TextIO | None = None) -> None:
        self.every, self.file = at_least_one(every, "every"), file

    def start(self, run: Run) -> None:
        self._rate = _Rate()

    def batch(self, run: Run, items: int, row: Mapping[str, float]) -> None:
        self._rate.add(items)

    def epoch(self, run: Run, row: Mapping[str, float]) -> None:
        epoch = run.position.epoch
        if epoch % self.every == 0 or epoch == run.epochs:
            lines = epoch_lines(epoch, run.epochs, row, self._rate.add(0))
            print(lines, file=self.file or sys.stderr, flush=True)
        self._rate = _Rate()


class Bar(Watcher):
    """A bar over all batches with throughput, time left and the loss; a line per epoch above."""

    def start(self, run: Run) -> None:
        self._progress = _progress()
        self._progress.start()
        self._task = self._progress.add_task(
            "training", total=run.total, completed=run.done, rate="", loss=""
        )
        self._rate = _Rate()
        loss = run.session.loss
        #: Of goals the last loss of each, since not every step has all.
        self._shown = loss.losses if isinstance(loss, Goals) else ("loss",)
        self._losses: dict[str, float] = {}

    def batch(self, run: Run, items: int, row: Mapping[str, float]) -> None:
        rate = self._rate.add(items)
        self._losses.update({key: row[key] for key in self._shown if key in row})
        told = "  ".join(f"{key} {loss:.4f}" for key, loss in self._losses.items())
        self._progress.update(self._task, advance=1, rate=f"{rate:,.0f} images/s", loss=told)

    def epoch(self, run: Run, row: Mapping[str, float]) -> None:
        console = self._progress.console
        lines = epoch_lines(
            run.position.epoch, run.epochs, row, self._rate.add(0), min(console.width, _WIDTH)
        )
        console.print(lines, highlight=False, markup=False)
        self._rate = _Rate()

    def end(self, run: Run) -> None:
        self._progress.stop()


def epoch_lines(
    number: int, epochs: int, row: Mapping[str, float], rate: float, width: int = _WIDTH
) -> str:
    """`epoch 2/5  loss 0.1312  accuracy 0.9604  8,120 images/s`

    Where that is too long for a line, more follow, and validation begins one.
    """
    head = f"epoch {number}/{epochs}"
    told = [f"{key} {value:.4f}" for key, value in row.items()]
    told.append(f"{rate:,.0f} images/s")
    line = "  ".join((head, *told))
    if len(line) <= width:
        return line
    lines, measured = [head], False
    for words in told:
        begins = words.startswith("val_") and not measured
        measured = measured or begins
        if begins or len(lines[-1]) + 2 + len(words) > width:
            lines.append(" " * len(head))
        lines[-1] += f"  {words}"
    return "\n".join(lines)


def display(show: bool | None) -> Watcher:
    """A bar on a terminal, lines elsewhere, nothing for `show=False`."""
    if show is False:
        return Watcher()
    return Bar() if sys.stderr.isatty() else Lines()


def _progress() -> "Progress":
    # Imported here: only training on a terminal needs rich, which takes a tenth of our import time.
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[loss]}"),
    )
    return Progress(*columns, console=Console(stderr=True))
