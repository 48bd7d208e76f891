"""`fit`: epochs of shuffled batches, validation, checkpoints, exact resume.

The order of the images is a pure function of seed and epoch, random numbers inside the step of
seed and step; so a run that was stopped at any batch and resumed ends with the same bits as one
that was not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from graphcnn.compile.runner import Runner
from graphcnn.data.dataset import Dataset
from graphcnn.errors import CheckpointWarning, DataError
from graphcnn.ir.origin import warn
from graphcnn.learning.aim import Losses, aim_of
from graphcnn.learning.metrics import Metrics
from graphcnn.learning.objective import losses_of, measures_of, predictions_of, with_loss
from graphcnn.learning.optimizers import Optimizer
from graphcnn.learning.optimizers import optimizer as make_optimizer
from graphcnn.learning.schedules import Schedule
from graphcnn.learning.targets import Targets, fed_types
from graphcnn.network.feeding import Data, as_dataset, at_least_one
from graphcnn.network.network import Network
from graphcnn.training.checkpoint import LAST, classes_of_run, make_folder
from graphcnn.training.history import History
from graphcnn.training.interrupt import interruptible
from graphcnn.training.keeping import Checkpoint
from graphcnn.training.one_item import one_pixel_message
from graphcnn.training.progress import display
from graphcnn.training.resuming import Told, wanted_changes
from graphcnn.training.run import Run, Watcher
from graphcnn.training.session import Session, checked_seed
from graphcnn.training.step_history import StepHistory
from graphcnn.training.stopping import EarlyStopping, MaxSteps, Timer
from graphcnn.training.sums import Sums
from graphcnn.training.watchers import Callback, callback_watchers, in_order

#: The batch size where none is given, or as many items as there are.
BATCH_SIZE = 32


def fit(
    model: Network,
    train: Data,
    targets: Any = None,
    *,
    epochs: int | None = None,
    batch_size: int | None = None,
    loss: Losses = "cross_entropy",
    loss_weights: Mapping[Any, float] | Sequence[float] | None = None,
    penalties: Mapping[str, Any] | None = None,
    optimizer: str | Optimizer = "sgd",
    learning_rate: float | Schedule | None = None,
    validation: Data | float | None = None,
    weights: Any = None,
    class_weights: str | Mapping[Any, float] | None = None,
    validation_batch_size: int | None = None,
    validation_every: int = 1,
    validate_at_steps: int | None = None,
    metrics: Metrics = None,
    seed: int = 0,
    shuffle: bool = True,
    drop_last: bool = False,
    shards: int = 1,
    steps_per_epoch: int | None = None,
    max_steps: int | None = None,
    max_time: float | str | timedelta | None = None,
    early_stopping: EarlyStopping | int | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int | None = None,
    resume: str | Path | None = None,
    changing: str | Sequence[str] = (),
    progress: bool | None = None,
    step_history: bool = False,
    runtime: str | None = None,
    threads: int | None = None,
    precision: str | None = None,
    tune: bool | None = None,
    callbacks: Sequence[Callback | Watcher] = (),
) -> History:
    """Train a model.

    Args:
        train: a `Dataset`, or a pair (inputs, targets), where inputs are an array, or a dict or
            tuple of arrays for a model of several. Targets are class numbers, one per item or one
            per pixel, or floats of the shape of the prediction; a loss of your own takes what the
            data hold, whole numbers as i64.
        targets: those of `train`, where they do not come with it.
        batch_size: items of a step, 32 by default, or all where there are less.
        epochs: passes over the data, counted from the beginning of the run (also when resumed);
            1 by default, with `max_steps` as many as these need.
        loss: a name of `cnn.losses.LOSSES` ("cross_entropy", "mse", "focal", ...), a loss with its
            settings, `cnn.losses.CrossEntropy(label_smoothing=0.1)`, or a function of
            (prediction, target, *, weights=None) that returns a scalar tensor; `weights` are only
            needed where items have some. Of a model that is proven to end in softmax (or sigmoid),
            losses that apply it are computed of what stands before it. Several outputs have a dict
            from their names to losses, or a list in their order, and targets likewise; a tuple of
            names is the key of a loss that compares several. What is reported is `loss`, their sum,
            and `NAME_loss`, `NAME_accuracy`.
        loss_weights: what the losses of several outputs are multiplied by in the sum.
        penalties: what is added to the loss, `{"conv*.weight": cnn.penalties.L2(1e-4)}`, by names
            of parameters or layers, and reported as `penalty`.
        optimizer: "sgd", "adam", "adamw", "rmsprop", "adagrad", "adadelta", "lion", "lamb", "muon",
            or an optimiser with its settings (`cnn.optimizers`). Its schedules count steps,
            `cnn.schedules.epochs(10)`, or the whole run: `steps=None`. Of one that averages
            (`cnn.EMA`, `cnn.SWA`) the averaged weights are measured and kept as the best, and are
            the model's at the end; after `SWA` its batch normalisations are calibrated anew. The
            checkpoint holds both, for a run that goes on.
        learning_rate: in place of that of the optimiser: a number, or one of `cnn.schedules`.
        validation: measured after every epoch, in inference form: data, or the fraction of `train`
            that is set aside for it, as `train.split(0.1, seed)` does (each class in proportion).
        weights: how much each item counts in the loss, (n,) or of the shape of the targets.
        class_weights: "balanced", or a dict from names or numbers of classes to how much their
            items count; both as in `Dataset.weighted`. Validation is measured without either.
        validation_batch_size: items measured at a time; by default the batch size.
        validation_every: measure after every so many epochs only, and after the last.
        validate_at_steps: measure after every so many steps, too; `Watcher.validation` is told,
            and `step_history` has it.
        metrics: names ("accuracy", "top_3_accuracy", "f1", ...), metrics with their settings
            (`cnn.metrics.F1(average=None)`) or functions of (prediction, target), reported besides
            the loss; by default what suits the loss. All are exact over the epoch. What ranks all
            items at once ("auc") is reported of the validation data only, and so is what a function
            gives that is neither a mean nor a sum over the items.
        seed: of the initial weights (unless the model has some), the order and the dropout.
        shards: cut the batch of every step into so many parts, which are computed one after the
            other in the memory of a single one; gradients, batch statistics, loss and metrics are
            those of the whole, up to rounding, but that a batch norm normalises each part by its
            own statistics. The numbers depend on `shards`, which is why a run keeps it. A loss that
            takes the items of a batch together is refused.
        drop_last: leave out a last batch that is short; shuffling leaves out others every epoch.
        steps_per_epoch: an epoch of the run is so many steps, which go through the data again and
            again, and no longer one pass over them.
        max_steps: end after so many steps of the whole run.
        max_time: end after so much time of this call, before `epochs` are done: seconds, a
            timedelta, or "1h30m".
        early_stopping: an `EarlyStopping`, or its patience in epochs.
        checkpoint: folder for `last.safetensors` after every epoch and `best.safetensors`.
        checkpoint_every: also write `last` after every so many batches.
        resume: folder of a run to go on with, to the same bits as if it had not stopped. A
            folder without a checkpoint begins a run that writes there. A run that was told
            something else (data, network, loss, metrics, optimiser, learning rate, batch size,
            seed: compared by value or by hash) is refused. Not compared are callbacks, early
            stopping, runtime and precision.
        changing: what is other than in that run on purpose: "learning_rate", "optimizer" (its
            slots begin anew), "loss", "metrics", "network" (other layers frozen), "data",
            "validation", "batch_size", "seed", "shuffle", "shards". Where that changes what the
            epoch under way still has to see, the epoch begins anew. Schedules count all steps of
            the run.
        runtime: "native" or "reference"; None is the default one (GRAPHCNN_RUNTIME).
        threads: of the native runtime; the result is the same for any number.
        precision: of the native runtime: "fast", or "strict" without Winograd's algorithm, which
            rounds more than a plain sum; None is GRAPHCNN_PRECISION, else "fast".
        tune: of the native runtime: time the algorithms and layouts on this machine, in place of
            estimates, and remember what is fastest; None is GRAPHCNN_TUNE, else False.
        progress: a bar on a terminal, elsewhere (in a notebook) a line after every epoch; False is
            silence.
        step_history: whether `History.steps` has a row for every step.
        callbacks: those of `cnn.callbacks`, functions, called as f(epoch, row) after every epoch,
            and `Watcher`s of one's own, who are told of the start, every batch, every epoch and
            the end, and may stop the run:

                class Enough(cnn.Watcher):
                    def epoch(self, run, row):
                        return "accurate enough" if row["val_accuracy"] > 0.95 else None

                history = model.fit(train, epochs=50, validation=held_out, callbacks=[Enough()])
                print(history.ended, "after", len(history), "epochs")

    Returns:
        One row per epoch, also of those before a resume.

    Raises:
        DataError: data that do not fit the model, batches larger than the data set, bad labels.
        TrainingError: the loss is not finite; names the first node that made it so.
        WeightsError: a checkpoint of another model or with other settings.
    """
    model.refuse_in_training("fit cannot begin")
    changes = wanted_changes(changing, resume is not None)
    loss = aim_of(loss, loss_weights, penalties)
    known = model.classes or (() if resume is None else classes_of_run(resume))
    data = as_dataset(train, model, known, loss=loss, targets=targets)
    seed = checked_seed(seed)
    held_out = None
    if weights is not None:
        data = data.weighted(weights)
    if isinstance(validation, float):
        data, held_out = data.split(validation, seed)
        held_out = replace(held_out, weights=None)  # weights are for learning
    elif validation is not None:
        held_out = as_dataset(validation, model, known or data.classes, loss=loss)
    if class_weights is not None:
        data = data.weighted(class_weights)
    if steps_per_epoch is not None and data.known_count is None:
        raise DataError("steps_per_epoch of a stream is said by cnn.data.stream(..., batches=)")
    batch_size = _batch_size(batch_size, data)
    counts = {
        "checkpoint_every": checkpoint_every,
        "validation_batch_size": validation_batch_size,
        "validation_every": validation_every,
        "validate_at_steps": validate_at_steps,
        "steps_per_epoch": steps_per_epoch,
        "max_steps": max_steps,
        "epochs": epochs,
    }
    for name, count in counts.items():
        if count is not None:
            at_least_one(count, name)
    if epochs is max_steps is None and max_time is not None:
        raise DataError("max_time is for a run of several epochs: say epochs, too, the most it has")
    limits = _limits(max_steps, max_time)
    if early_stopping is not None and not isinstance(early_stopping, EarlyStopping):
        early_stopping = EarlyStopping(early_stopping)
    called, early_stopping = callback_watchers(callbacks, early_stopping)
    steps = steps_per_epoch or data.steps(batch_size, drop_last)
    epochs = epochs or (1 if max_steps is None else -(-max_steps // (steps or 1)))
    optimizer = make_optimizer(optimizer)
    if learning_rate is not None:
        optimizer = optimizer.at_rate(learning_rate)
    optimizer = optimizer.over(steps, epochs)
    graph, measured_on = model.graph, data if held_out is None else held_out
    types = fed_types(loss, graph, data.target_sample, measured_on.weights)
    evaluation = with_loss(graph, loss, metrics, types)
    scores, measures = predictions_of(graph, loss), measures_of(loss, graph, metrics)
    sums = Sums.of(evaluation, scores, losses_of(loss, graph), measures, held_out is not None)
    if held_out is not None:
        Targets.of(evaluation, model.graph.outputs).check(held_out.labels)
    session = Session(
        model,
        loss,
        optimizer,
        metrics,
        seed=seed,
        data=data,
        shards=shards,
        runtime=runtime,
        threads=threads,
        precision=precision,
        tune=tune,
    )
    _check_last_batch(session, data, batch_size, drop_last)
    folder = resume if resume is not None else checkpoint
    others = {
        "model": model.name,
        "batch_size": batch_size,
        "drop_last": drop_last,
        "steps_per_epoch": steps_per_epoch,
        "seed": seed,
        "shuffle": shuffle,
        "shards": session.shards,
        "classes": list(model.classes),
    }
    told = Told(
        model.graph,
        evaluation,
        session.graph,
        loss,
        sums.measures,
        optimizer,
        data,
        held_out,
        others,
    )
    folder = None if folder is None else make_folder(folder)
    run = Run(
        model,
        data,
        held_out,
        session,
        Runner(evaluation, session.execution),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        shuffle=shuffle,
        drop_last=drop_last,
        validation_batch_size=validation_batch_size or batch_size,
        folder=folder,
        sums=sums,
        steps_per_epoch=steps_per_epoch,
        validation_every=validation_every,
        validate_at_steps=validate_at_steps if held_out is not None else None,
    )
    kept = None if folder is None else Checkpoint(folder, told, checkpoint_every)
    noted = [StepHistory()] if step_history else []
    watchers = in_order(kept, display(progress), early_stopping, (*noted, *called, *limits))
    if kept is not None and resume is not None and (kept.folder / LAST).exists():
        kept.resume(run, changes)
        _tell_forgotten(run.remind(watchers))
    with interruptible() as interrupted:
        history = run.train(watchers, interrupted)
    history.steps = [row for each in noted for row in each.rows]
    return history


def _limits(max_steps: int | None, max_time: float | str | timedelta | None) -> tuple[Watcher, ...]:
    steps = () if max_steps is None else (MaxSteps(max_steps),)
    return steps if max_time is None else (*steps, Timer(max_time))


def _tell_forgotten(names: list[str]) -> None:
    if names:
        warn(
            f"the run that goes on had {', '.join(names)} among its callbacks, which this call has "
            "not: what they remembered is lost with the next checkpoint",
            CheckpointWarning,
        )


def _batch_size(given: Any, data: Dataset) -> int:
    if given is None:
        return min(BATCH_SIZE, data.known_count or BATCH_SIZE)
    data.check_batch_size(given)
    return int(given)


def _check_last_batch(session: Session, data: Dataset, batch_size: int, drop_last: bool) -> None:
    """Refuse now what would fail in the last batch of the first epoch."""
    if data.known_count is None:
        return
    last = batch_size if drop_last else len(data) % batch_size or batch_size
    few = f"{len(data)} items in batches of {batch_size} leave a last batch of"
    if last < session.shards:
        raise DataError(
            f"{few} {last}, which cannot be cut into {session.shards} shards; drop_last=True "
            "leaves it out"
        )
    node = session.needs_several
    if node is not None and last // session.shards == 1:
        count = "one" if session.shards == 1 else f"{last}, some shards of which are one item"
        raise DataError(f"{few} {count}: {one_pixel_message(node)}")
