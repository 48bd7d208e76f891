"""Options of a run: `Run` has those that become arguments of `fit`, checked against each other."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from graphcnn.errors import GraphError
from graphcnn.learning.objective import LOSS
from graphcnn.training.callbacks import CSV, JSONL, EarlyStopping, TensorBoard
from graphcnn.training.callbacks.log_file import LogFile
from graphcnn.training.monitor import MODES, Monitor
from graphcnn.training.resuming import CHANGES

F = TypeVar("F", bound=Callable[..., Any])

#: The batch size where none is given.
BATCH_SIZE = 64
_TENSORBOARD = "tensorboard:"
_LOG_FORMS = f"FILE.csv, FILE.jsonl or {_TENSORBOARD}DIR"


@dataclass(frozen=True)
class Run:
    """The options of the command that become those of `fit`."""

    epochs: int
    batch_size: int | None
    shards: int
    seed: int
    validation_fraction: float
    early_stopping: int | None
    monitor: Monitor | None
    checkpoint: Path | None
    checkpoint_every: int | None
    resume: Path | None
    changing: tuple[str, ...]
    logs: tuple[LogFile, ...]
    no_progress: bool

    def __post_init__(self) -> None:
        """Combinations that mean nothing are wrong use."""
        if self.resume and self.checkpoint and self.resume != self.checkpoint:
            raise click.UsageError("--resume DIR goes on writing to DIR; leave out --checkpoint")
        if self.changing and not self.resume:
            raise click.UsageError("--changing needs --resume")
        if self.checkpoint_every and not (self.checkpoint or self.resume):
            raise click.UsageError("--checkpoint-every needs --checkpoint or --resume")
        if self.monitor and not self.early_stopping:
            raise click.UsageError("--monitor says what --early-stopping watches: give both")

    @property
    def stopping(self) -> EarlyStopping | None:
        if self.early_stopping is None:
            return None
        watched = self.monitor or Monitor()
        return EarlyStopping(self.early_stopping, monitor=watched.what, mode=watched.mode)

    def check_monitored(self, measured: Iterable[str]) -> None:
        """Learn before training, not after an epoch, that there is no such number to watch."""
        names = [LOSS, *measured]
        names += [f"val_{name}" for name in names]
        if self.monitor is not None and self.monitor.name not in names:
            raise click.UsageError(
                f"there is no {self.monitor.name!r} for --monitor; this run has "
                f"{', '.join(names)}, and --metric measures more"
            )


def _monitor(context: Any, parameter: Any, text: str | None) -> Monitor | None:
    """NAME, or NAME:min and NAME:max where the name does not tell which is better."""
    if text is None:
        return None
    name, _, mode = text.partition(":")
    if mode not in ("", *MODES[1:]):
        raise click.BadParameter(f"{text!r} must be spelled NAME, NAME:min or NAME:max")
    try:
        return Monitor(name, mode or "auto")
    except GraphError:
        raise click.BadParameter(
            f"whether more or less of {name} is better is not known: say {name}:min or {name}:max"
        ) from None


def _logs(context: Any, parameter: Any, texts: tuple[str, ...]) -> tuple[LogFile, ...]:
    found: dict[Path, LogFile] = {}
    for text in texts:
        log = _log(text)
        if log.path in found:
            raise click.BadParameter(f"{text!r} is given twice")
        found[log.path] = log
    return tuple(found.values())


def _log(text: str) -> LogFile:
    folder = text.removeprefix(_TENSORBOARD)
    if folder != text and folder:
        return TensorBoard(folder)
    kinds: dict[str, type[LogFile]] = {".csv": CSV, ".jsonl": JSONL}
    kind = kinds.get(Path(text).suffix.lower())
    if kind is None or folder != text:
        raise click.BadParameter(f"{text!r} must be spelled {_LOG_FORMS}")
    return kind(text)


def run_options(function: F) -> F:
    """The options of `Run`, as one argument `run`."""
    options = (
        click.option(
            "--epochs", type=click.IntRange(min=1), metavar="N", default=1, show_default=True,
            help="Passes over the training images, counted from the start of a resumed run.",
        ),
        click.option(
            "--batch-size", type=click.IntRange(min=1), metavar="N",
            help=f"Images in one step. Default: {BATCH_SIZE}, or all where there are fewer.",
        ),
        click.option(
            "--shards", type=click.IntRange(min=1), metavar="N", default=1, show_default=True,
            help="Cut every batch into N parts and add up their gradients: batches larger than "
            "memory.",
        ),
        click.option(
            "--seed", type=click.IntRange(min=0), metavar="N", default=0, show_default=True,
            help="Of the first weights, the order of the images, augmentation and dropout. The "
            "same seed gives the same weights, bit for bit.",
        ),
        click.option(
            "--validation-fraction", type=click.FloatRange(0, 1, max_open=True), metavar="X",
            default=0.0, show_default=True,
            help="Part of the training images set aside, to be measured after every epoch. Images "
            "that DATA itself sets aside (a folder val) are measured without it.",
        ),
        click.option(
            "--early-stopping", type=click.IntRange(min=1), metavar="N",
            help="Stop after N epochs without a lower validation loss, and keep the best "
            "weights. Needs images for validation.",
        ),
        click.option(
            "--monitor", metavar="NAME", callback=_monitor,
            help="What --early-stopping watches in place of the validation loss, as in "
            "val_accuracy or val_f1; NAME:min or NAME:max where the name does not tell which is "
            "better. best.safetensors is the best by it.",
        ),
        click.option(
            "--checkpoint", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
            help="Folder for last.safetensors, written after every epoch and at Ctrl-C, and "
            "best.safetensors, a saved model.",
        ),
        click.option(
            "--checkpoint-every", type=click.IntRange(min=1), metavar="N",
            help="Write last.safetensors after every N steps too.",
        ),
        click.option(
            "--resume", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
            help="Go on with the run whose checkpoint is in DIR, to the same weights as if it "
            "had never stopped; without one there, begin a run that writes there.",
        ),
        click.option(
            "--changing", type=click.Choice(tuple(CHANGES)), metavar="WHAT", multiple=True,
            help="What is other than in the run of --resume on purpose: one of "
            f"{', '.join(CHANGES)}. May be repeated.",
        ),
        click.option(
            "--log", "logs", metavar="WHERE", multiple=True, callback=_logs,
            help="Write a line after every epoch to a table FILE.csv, to FILE.jsonl, or to "
            f"{_TENSORBOARD}DIR, as TensorBoard reads it. A run that goes on has none twice. May "
            "be repeated.",
        ),
        click.option("--no-progress", is_flag=True, help="No bar, and no line per epoch."),
    )  # fmt: skip

    @wraps(function)
    def gathered(**arguments: Any) -> Any:
        run = Run(**{field.name: arguments.pop(field.name) for field in fields(Run)})
        return function(run=run, **arguments)

    result: Any = gathered
    for option in reversed(options):
        result = option(result)
    return result  # type: ignore[no-any-return]
