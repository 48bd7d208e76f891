"""Models of several epochs, kept as files: the last, every so many, or the best by a number."""

import os
from pathlib import Path
from typing import Any, ClassVar

from graphcnn.errors import GraphError
from graphcnn.network.feeding import at_least_one
from graphcnn.training.callbacks.log_file import Row
from graphcnn.training.checkpoint import make_folder
from graphcnn.training.monitor import Monitor, Monitored
from graphcnn.training.run import Run, Watcher


class Checkpoints(Watcher):
    """Saves the model after epochs as `FOLDER/epoch-0003.safetensors`, for `cnn.load`.

        Checkpoints("models")                                 # after every epoch
        Checkpoints("models", every=10, keep=3)               # after every tenth, the last three
        Checkpoints("models", monitor="val_accuracy")         # the best by it
        Checkpoints("models", monitor="val_loss", keep=5)     # the five best
        Checkpoints("models", monitor=lambda row: row["val_f1"] - row["val_loss"], mode="max")

    Several of them go together, each with a name of its own. What is kept and is no longer among
    the last or the best is removed. To go on with a run is another thing: `fit(checkpoint=)`.

    Args:
        every: epochs from one to the next.
        keep: how many there are at most; all by default, with `monitor` one.
        monitor: name of a number of the rows, or a function of a row.
        mode: "min" or "max" is better; "auto" knows it by the name.
        name: of the files, with `{epoch}` and the numbers of the row:
            "{epoch:03}-{val_loss:.4f}".

    Attributes:
        kept: the files, the best first, or else the last one first.
    """

    writes: ClassVar = True

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        every: int = 1,
        keep: int | None = None,
        monitor: Monitored = None,
        mode: str = "auto",
        name: str = "epoch-{epoch:04}",
    ) -> None:
        self.folder, self.every, self.name = Path(folder), at_least_one(every, "every"), name
        self._monitor = None if monitor is None else Monitor(monitor, mode)
        self.keep = 1 if keep is None and monitor is not None else keep
        if self.keep is not None:
            at_least_one(self.keep, "keep")
        #: Value and file name of each, in the order of the epochs.
        self._found: list[tuple[float, str]] = []

    @property
    def kept(self) -> list[Path]:
        return [self.folder / self._found[i][1] for i in self._order()]

    def _order(self) -> list[int]:
        if self._monitor is None:
            return [*range(len(self._found))][::-1]
        return self._monitor.order(value for value, _ in self._found)

    def start(self, run: Run) -> None:
        make_folder(self.folder)

    def epoch(self, run: Run, row: Row) -> None:
        number = run.position.epoch
        if number % self.every:
            return
        measured = run.held_out is not None
        value = 0.0 if self._monitor is None else self._monitor.of(row, measured)
        if value is None:
            return
        file = self._file(number, row)
        self._found.append((value, file))
        order = self._order()
        gone = [] if self.keep is None else [self._found[i][1] for i in order[self.keep :]]
        if file not in gone:
            run.save(self.folder / file)
        self._found = [each for each in self._found if each[1] not in gone]
        for old in gone:
            (self.folder / old).unlink(missing_ok=True)

    def _file(self, number: int, row: Row) -> str:
        try:
            return self.name.format(epoch=number, **row) + ".safetensors"
        except (KeyError, IndexError, ValueError) as error:
            raise GraphError(
                f"the name {self.name!r} cannot be filled in ({error}); known are epoch, "
                f"{', '.join(row)}"
            ) from None

    def state(self) -> Any:
        return [list(each) for each in self._found]

    def restore(self, state: Any) -> None:
        self._found = [(value, file) for value, file in state]
