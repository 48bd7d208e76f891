"""What a person sees while training: a progress bar on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress


class Display(Protocol):
    """Told about every batch and every epoch."""

    def batch(self, images: int, loss: float) -> None: ...
    def epoch(self, number: int, row: Mapping[str, float]) -> None: ...


class Silent:
    """Shows nothing."""

    def batch(self, images: int, loss: float) -> None:
        pass

    def epoch(self, number: int, row: Mapping[str, float]) -> None:
        pass


class Lines:
    """One line per epoch, for files and pipes."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self._images, self._start = 0, time.perf_counter()

    def batch(self, images: int, loss: float) -> None:
        self._images += images

    def epoch(self, number: int, row: Mapping[str, float]) -> None:
        rate = self._images / max(1e-9, time.perf_counter() - self._start)
        print(epoch_line(number, self.epochs, row, rate), flush=True)
        self._images, self._start = 0, time.perf_counter()


class Bar:
    """A bar over all batches with throughput, time left and the loss; a line per epoch above."""

    def __init__(self, progress: "Progress", epochs: int, batches: int, done: int) -> None:
        self.epochs = epochs
        self._progress = progress
        self._task = progress.add_task(
            "training", total=epochs * batches, completed=done, rate="", loss=""
        )
        self._images, self._start = 0, time.perf_counter()

    def batch(self, images: int, loss: float) -> None:
        self._images += images
        rate = self._images / max(1e-9, time.perf_counter() - self._start)
        self._progress.update(
            self._task, advance=1, rate=f"{rate:,.0f} images/s", loss=f"loss {loss:.4f}"
        )

    def epoch(self, number: int, row: Mapping[str, float]) -> None:
        rate = self._images / max(1e-9, time.perf_counter() - self._start)
        self._progress.console.print(
            epoch_line(number, self.epochs, row, rate), highlight=False, markup=False
        )
        self._images, self._start = 0, time.perf_counter()


def epoch_line(number: int, epochs: int, row: Mapping[str, float], rate: float) -> str:
    """`epoch 2/5  loss 0.1312  accuracy 0.9604  8,120 images/s`"""
    numbers = "  ".join(f"{key} {value:.4f}" for key, value in row.items())
    return f"epoch {number}/{epochs}  {numbers}  {rate:,.0f} images/s"


@contextmanager
def display(show: bool | None, epochs: int, batches: int, done: int = 0) -> Iterator[Display]:
    """A bar on a terminal, lines elsewhere, nothing for `show=False`; None shows on a terminal."""
    terminal = sys.stderr.isatty()
    if show is False or (show is None and not terminal):
        yield Silent()
    elif not terminal:
        yield Lines(epochs)
    else:
        with _progress() as progress:
            yield Bar(progress, epochs, batches, done)


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
