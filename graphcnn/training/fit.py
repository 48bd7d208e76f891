"""`fit`: epochs of shuffled batches, validation, checkpoints, exact resume.

The order of the images is a pure function of seed and epoch, random numbers inside the step of
seed and step; so a run that was stopped at any batch and resumed ends with the same bits as one
that was not.
"""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphcnn.errors import DataError, GraphError
from graphcnn.evaluation import measure
from graphcnn.feeding import Data, as_dataset, at_least_one, targets_for
from graphcnn.ir import Array
from graphcnn.language.arguments import is_int
from graphcnn.objective import Metrics, Objective, target_type, with_loss
from graphcnn.optimizers import Optimizer
from graphcnn.optimizers import optimizer as make_optimizer
from graphcnn.runner import Runner
from graphcnn.runtime.checkpoint import (
    BEST,
    Position,
    check_config,
    classes_of_run,
    load_checkpoint,
    make_folder,
    save_checkpoint,
)
from graphcnn.runtime.data.dataset import Dataset
from graphcnn.runtime.history import History
from graphcnn.runtime.progress import Display, display
from graphcnn.training.session import Session
from graphcnn.weights import check_states, read_tensors

if TYPE_CHECKING:
    from graphcnn.model import Model

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


def fit(
    model: "Model",
    train: Data,
    *,
    epochs: int = 1,
    batch_size: int = 32,
    loss: str | Objective = "cross_entropy",
    optimizer: str | Optimizer = "sgd",
    validation: Data | None = None,
    metrics: Metrics = None,
    seed: int = 0,
    shuffle: bool = True,
    early_stopping: EarlyStopping | int | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int | None = None,
    resume: str | Path | None = None,
    progress: bool | None = None,
    runtime: str | None = None,
    threads: int | None = None,
    precision: str | None = None,
    tune: bool | None = None,
    callbacks: Sequence[Callback] = (),
) -> History:
    """Train a model.

    Args:
        train: a `Dataset`, or a pair (images, targets): class numbers, one per image or one per
            pixel, or floats of the shape of the prediction.
        epochs: passes over the data, counted from the beginning of the run (also when resumed).
        loss: "cross_entropy", "binary_cross_entropy", "mse", "l1", or a function of
            (prediction, target) that returns a scalar tensor.
        optimizer: "sgd", "rmsprop", "adam", "adamw", or an optimiser with its settings.
        validation: measured after every epoch, in inference form.
        metrics: names ("accuracy", "top_5_accuracy", "binary_accuracy") or functions of
            (prediction, target), reported besides the loss; by default what suits the loss.
        seed: of the initial weights (unless the model has some), the order and the dropout.
        early_stopping: an `EarlyStopping`, or its patience in epochs.
        checkpoint: folder for `last.safetensors` after every epoch and `best.safetensors`.
        checkpoint_every: also write `last` after every so many batches.
        resume: folder of a run to go on with, to the same bits as if it had not stopped. A
            folder without a checkpoint begins a run that writes there.
        runtime: "native" or "reference"; None is the default one (GRAPHCNN_RUNTIME).
        threads: of the native runtime; the result is the same for any number.
        precision: of the native runtime: "fast", or "strict" without Winograd's algorithm, which
            rounds more than a plain sum; None is GRAPHCNN_PRECISION, else "fast".
        tune: of the native runtime: time the algorithms and layouts on this machine, in place of
            estimates, and remember what is fastest; None is GRAPHCNN_TUNE, else False.
        progress: True, False, or None for a bar where there is a terminal.
        callbacks: called as f(epoch, row) after every epoch.

    Returns:
        One row per epoch, also of those before a resume.

    Raises:
        DataError: data that do not fit the model, batches larger than the data set, bad labels.
        TrainingError: the loss is not finite; names the first node that made it so.
        WeightsError: a checkpoint of another model or with other settings.
    """
    model.refuse_in_training("fit cannot begin")
    known = model.classes or (() if resume is None else classes_of_run(resume))
    data = as_dataset(train, model, known)
    data.check_batch_size(batch_size)
    batch_size, epochs = int(batch_size), at_least_one(epochs, "epochs")
    if checkpoint_every is not None:
        checkpoint_every = at_least_one(checkpoint_every, "checkpoint_every")
    if not is_int(seed):
        raise DataError(f"seed must be an int, found {seed!r}")
    seed = int(seed)
    if early_stopping is not None and not isinstance(early_stopping, EarlyStopping):
        early_stopping = EarlyStopping(early_stopping)
    held_out = None if validation is None else as_dataset(validation, model, known or data.classes)
    evaluation = with_loss(model.graph, loss, metrics)
    optimizer = make_optimizer(optimizer)
    _check_targets(model, loss, data, held_out)
    _adopt(model, data, loss, seed)
    folder = resume if resume is not None else checkpoint
    run = _Run(
        model,
        data,
        held_out,
        Session(
            model,
            loss,
            optimizer,
            metrics,
            seed=seed,
            runtime=runtime,
            threads=threads,
            precision=precision,
            tune=tune,
        ),
        Runner(evaluation, runtime, threads, precision, tune),
        batch_size,
        seed,
        shuffle,
        early_stopping,
        folder=None if folder is None else make_folder(folder),
        every=checkpoint_every,
        callbacks=tuple(callbacks),
    )
    run.position.config = {
        "model": model.name,
        "data": f"{data.name}, {len(data)} items",
        "batch_size": batch_size,
        "loss": _loss_name(loss),
        "optimizer": repr(optimizer),
        "seed": seed,
        "shuffle": shuffle,
        "classes": list(model.classes),
    }
    if resume is not None and (Path(resume) / "last.safetensors").exists():
        run.resume(Path(resume))
    batches = -(-len(data) // batch_size)
    done = run.position.epoch * batches + run.position.batch
    with display(progress, epochs, batches, done) as shown, interruptible() as interrupted:
        return run.train(epochs, shown, interrupted)


def _loss_name(loss: str | Objective) -> str:
    return loss if isinstance(loss, str) else getattr(loss, "__name__", "custom")


def _adopt(model: "Model", data: Dataset, loss: str | Objective, seed: int) -> None:
    """What the model takes over from its first training: weights, normalisation, classes."""
    model.initialize_missing(seed)
    if model.normalisation is None:
        model.normalisation = data.normalisation
    if data.classes and not model.classes:
        model.classes = data.classes
    model.loss = loss if isinstance(loss, str) else None
    model.seed = seed


def _check_targets(
    model: "Model", loss: str | Objective, data: Dataset, held_out: Dataset | None
) -> None:
    """Look at all labels before the first step, not at step 900."""
    prediction = next(iter(model.graph.outputs.values())).type
    for each in filter(None, (data, held_out)):
        targets_for(model, target_type(loss, prediction), each.labels)


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
class _Run:
    """One training run: what it works on, and how far it got."""

    model: "Model"
    data: Dataset
    held_out: Dataset | None
    session: Session
    runner: Runner
    batch_size: int
    seed: int
    shuffle: bool
    stopping: EarlyStopping | None
    folder: Path | None
    every: int | None
    callbacks: tuple[Callback, ...]
    position: Position = field(default_factory=Position)
    best_states: dict[str, Array] = field(default_factory=dict)

    def resume(self, folder: Path) -> None:
        """Take up states and position of the checkpoint in `folder`."""
        states, position = load_checkpoint(folder)
        check_config(position.config, self.position.config, folder)
        check_states(states, self.session.graph.states, folder)
        self.session.load(states)
        self.position = position
        if (folder / BEST).exists():
            self.best_states = read_tensors(folder / BEST)[0]

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
            for callback in self.callbacks:
                callback(at.epoch, at.rows[-1])
        return History(at.rows, "stopped early" if at.epoch < epochs else "finished")

    def _epoch(self, shown: Display, interrupted: Callable[[], bool]) -> bool:
        """The rest of one epoch. False if it was interrupted."""
        at, n = self.position, self.batch_size
        order = self.data.shuffled_order(self.seed, at.epoch) if self.shuffle else None
        for images, targets in self.data.batches(n, order, at.batch):
            result = self.session.step(images, targets)
            at.batch += 1
            for key, value in result.items():
                at.totals[key] = at.totals.get(key, 0.0) + value * len(images)
            shown.batch(len(images), result["loss"])
            if interrupted():
                return False
            if self.every and at.batch % self.every == 0:
                self._save()
        row = {key: total / len(self.data) for key, total in at.totals.items()}
        if self.held_out is not None:
            measured = measure(self.model, self.runner, self.held_out, 256)
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

    def _save(self) -> None:
        if self.folder is not None:
            save_checkpoint(self.folder, self.session.states, self.position)

    def _advice(self) -> str:
        at = self.position
        if self.folder is None:
            how = "the model keeps its weights; give checkpoint=FOLDER to be able to resume"
        else:
            how = f"go on with resume={str(self.folder)!r}"
        return f"interrupted in epoch {at.epoch + 1} after batch {at.batch}: {how}"
