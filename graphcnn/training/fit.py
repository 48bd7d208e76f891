"""`fit`: epochs of shuffled batches, validation, checkpoints, exact resume.

The order of the images is a pure function of seed and epoch, random numbers inside the step of
seed and step; so a run that was stopped at any batch and resumed ends with the same bits as one
that was not.
"""

import copy
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from graphcnn.base.interrupt import interruptible
from graphcnn.compile.runner import Runner
from graphcnn.data.dataset import Dataset
from graphcnn.data.streams import Stream
from graphcnn.errors import CheckpointWarning, DataError
from graphcnn.ir.origin import warn
from graphcnn.learning.aim import Losses, aim_of
from graphcnn.learning.goals import Goals
from graphcnn.learning.metrics import Metrics
from graphcnn.learning.objective import losses_of, measures_of, predictions_of, with_loss
from graphcnn.learning.optimizers import Optimizer
from graphcnn.learning.optimizers import optimizer as make_optimizer
from graphcnn.learning.schedules import Schedule
from graphcnn.learning.targets import Targets, fed_types
from graphcnn.network.feeding import Data, as_dataset, at_least_one
from graphcnn.network.network import Network
from graphcnn.network.usual_loss import usual_loss
from graphcnn.training.checkpoint import LAST, classes_of_run, make_folder
from graphcnn.training.history import History
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
    loss: Losses | None = None,
    loss_weights: Mapping[Any, float] | Sequence[float] | None = None,
    penalties: Mapping[str, Any] | None = None,
    optimizer: str | Optimizer | Mapping[str, str | Optimizer] = "sgd",
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
    fast_dev_run: bool | int = False,
    runtime: str | None = None,
    threads: int | None = None,
    precision: str | None = None,
    tune: bool | None = None,
    callbacks: Sequence[Callback | Watcher] = (),
) -> History:
    """Train a model. See `Model.fit`."""
    model.refuse_in_training("fit cannot begin")
    changes = wanted_changes(changing, resume is not None)
    rehearsed = _steps_rehearsed(fast_dev_run)
    original = model
    if rehearsed:
        model, checkpoint, resume = copy.deepcopy(model), None, None
    loss = aim_of(usual_loss(model, loss), loss_weights, penalties)
    known = model.classes or (() if resume is None else classes_of_run(resume))
    data = as_dataset(train, model, known, loss=loss, targets=targets)
    seed = checked_seed(seed)
    held_out = None
    if weights is not None:
        data = data.weighted(weights)
    if isinstance(validation, float | np.floating):
        data, held_out = data.split(validation, seed)
        held_out = replace(held_out, weights=None)  # weights are for learning
    elif validation is not None:
        held_out = as_dataset(validation, model, known or data.classes, loss=loss)
    if class_weights is not None:
        if not isinstance(class_weights, str | Mapping):
            raise DataError(
                "class_weights must be 'balanced' or a dict such as {0: 1, 1: 5}; weights= has one "
                f"for each item; found {class_weights!r:.80}"
            )
        data = data.weighted(class_weights)
    if steps_per_epoch is not None and data.known_count is None:
        raise DataError("steps_per_epoch of a stream is said by cnn.data.stream(..., batches=)")
    batch_size = chosen_batch_size(batch_size, data)
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
    left_out = [each for each in called if rehearsed and each.writes]
    size = validation_batch_size or batch_size
    steps = steps_per_epoch or data.steps(batch_size, drop_last)
    epochs = epochs or (1 if max_steps is None else -(-max_steps // (steps or 1)))
    optimizer = make_optimizer(optimizer)
    if learning_rate is not None:
        optimizer = optimizer.at_rate(learning_rate)
    optimizer = optimizer.over(steps, epochs)
    if rehearsed:  # schedules are those of the whole run
        data, held_out, steps_per_epoch = _cut_short(data, held_out, steps, rehearsed, size)
        epochs, called = 1, tuple(_as_told(each) for each in called if not each.writes)
    graph, measured_on = model.graph, data if held_out is None else held_out
    types = fed_types(loss, graph, data.target_sample, measured_on.weights)
    evaluation = with_loss(graph, loss, metrics, types)
    scores, measures = predictions_of(graph, loss), measures_of(loss, graph, metrics)
    partial = loss.partial(evaluation.outputs) if isinstance(loss, Goals) else ()
    sums = Sums.of(
        evaluation, scores, losses_of(loss, graph), measures, held_out is not None, partial
    )
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
        validation_batch_size=size,
        folder=folder,
        sums=sums,
        steps_per_epoch=steps_per_epoch,
        validation_every=validation_every,
        validate_at_steps=validate_at_steps if held_out is not None and not rehearsed else None,
    )
    kept = None if folder is None else Checkpoint(folder, told, checkpoint_every)
    noted = [StepHistory()] if step_history else []
    callers = (*noted, *called, *limits)
    watchers = in_order(kept, display(progress), early_stopping, callers, rehearsed)
    if kept is not None and resume is not None and (kept.folder / LAST).exists():
        kept.resume(run, changes)
        _tell_forgotten(run.remind(watchers))
    with interruptible() as interrupted:
        history = run.train(watchers, interrupted)
    history.steps = [row for each in noted for row in each.rows]
    if rehearsed:
        history.ended = _end_of_rehearsal(original, session, held_out is not None, left_out)
        if progress is not False:
            print(history.ended, file=sys.stderr)
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


def chosen_batch_size(given: Any, data: Dataset) -> int:
    """The batch size that is given, or the default one. Raises `DataError` where it does not fit
    the data."""
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


# A rehearsal: `fast_dev_run`


def _steps_rehearsed(given: Any) -> int:
    """How many steps `fast_dev_run` takes; 0 is a run that is meant."""
    if isinstance(given, bool | np.bool_):
        return int(given)
    return at_least_one(given, "fast_dev_run: True, or a number of steps that")


def _cut_short(
    data: Dataset, held_out: Dataset | None, steps: int | None, most: int, size: int
) -> tuple[Dataset, Dataset | None, int | None]:
    """The data of the first batches of a run, and how many steps that are."""
    if isinstance(data, Stream):
        data, steps = replace(data, count=min(most, data.count or most)), None
    else:
        steps = min(most, steps or most)
    if isinstance(held_out, Stream):
        held_out = replace(held_out, count=min(most, held_out.count or most))
    elif held_out is not None:
        held_out = held_out[: most * size]
    return data, held_out, steps


def _as_told(watcher: Watcher) -> Watcher:
    """Who is told of a rehearsal: of ours a copy, so that what it remembers of one is not in the
    way of the run; those of users are told themselves, who may look at what they saw."""
    ours = type(watcher).__module__.startswith("graphcnn.")
    return copy.copy(watcher) if ours else watcher


def _end_of_rehearsal(
    model: Network, session: Session, validated: bool, left_out: Sequence[Watcher]
) -> str:
    """What was done and what not; the model learns nothing but the name of its loss, by which the
    lines behind `fit` measure and predict."""
    model.loss, model.objective = session.model.loss, session.model.objective
    others = ", ".join(dict.fromkeys(type(each).__name__ for each in left_out))
    return (
        f"fast_dev_run: {session.steps} step{'s' * (session.steps != 1)}"
        f"{' and a validation' if validated else ''}; {model.name} is as it was, and nothing was "
        f"written{f', without {others}' if others else ''}"
    )
