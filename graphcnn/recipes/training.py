"""A recipe carried out: data, network, training, the test at the end, and what is kept of it."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphcnn.base.regular_files import is_folder
from graphcnn.data.parts import Parts
from graphcnn.errors import DataError, GraphCnnError, GraphError, OutputError, RecipeError
from graphcnn.learning.aim import Losses
from graphcnn.learning.objective import measures_of, numbers_of
from graphcnn.model import Model
from graphcnn.network.feeding import as_dataset
from graphcnn.network.views import viewed
from graphcnn.network.weights import check_suffix
from graphcnn.pictures.picture import check_target
from graphcnn.recipes.aims import (
    class_weights_of,
    drawn_of,
    logs_of,
    loss_of,
    monitor_of,
    stopping_of,
    time_of,
)
from graphcnn.recipes.effective import effective
from graphcnn.recipes.folder import (
    RunFolder,
    placed_in_folder,
    record_of,
    repeated,
    tell_differences,
)
from graphcnn.recipes.inputs import augmented, network_named, network_of, parts_of, transforms_of
from graphcnn.recipes.kinds import as_texts
from graphcnn.recipes.optimizing import optimizer_of
from graphcnn.recipes.places import KeyPath
from graphcnn.recipes.recipe import Recipe
from graphcnn.recipes.record import Record
from graphcnn.recipes.trees import by_patterns
from graphcnn.training.fit import fit
from graphcnn.training.history import History
from graphcnn.training.monitor import Monitor

#: The batch size where none is given.
BATCH_SIZE = 64


@dataclass(frozen=True)
class Trained:
    """What came out of a recipe.

    Attributes:
        results: loss and metrics on the test images; empty where the run was interrupted.
        path: the saved model, if it is to be saved.
        former: the run that this one repeats, by a recipe that is the same.
    """

    recipe: Recipe
    model: Model
    history: History
    parts: Parts
    results: Mapping[str, float]
    path: Path | None = None
    former: Record | None = None

    @property
    def reached(self) -> dict[str, bool]:
        """Whether each result is as the recipe states it."""
        return {name: self._reached(name) for name in self.recipe.states}

    def verdicts(self) -> list[str]:
        """Each result that the recipe states, and whether it was reached, and whether a run was
        repeated, in words."""
        found = [
            f"{'reached' if fine else 'NOT reached'}: {name} {self.results[name]:.4f}, the recipe "
            f"states {self.recipe.states[name]:g}"
            for name, fine in self.reached.items()
        ]
        if self.former is not None:
            same = self.former.results == self.results
            words = "repeated: the results are" if same else "NOT repeated: the results are not"
            found.append(f"{words} those of {Path(self.recipe.places.source).parent}")
        return found

    def _reached(self, name: str) -> bool:
        found, stated = self.results[name], self.recipe.states[name]
        return found >= stated if Monitor(name).more else found <= stated


def check(recipe: Recipe) -> None:
    """Raise `RecipeError` for what has no meaning, as far as it is known without data and model."""
    run, places = recipe.run, recipe.places
    if run.resume and run.checkpoint and run.resume != run.checkpoint:
        raise RecipeError("--resume DIR goes on writing to DIR; leave out --checkpoint")
    if run.changing and not run.resume:
        places.refuse_name("run.changing", "needs --resume")
    if run.checkpoint_every and not (run.checkpoint or run.resume or recipe.output.run):
        places.refuse_name("run.checkpoint_every", "needs --checkpoint or --resume")
    if run.monitor and not run.early_stopping:
        raise RecipeError(
            f"{places.name('run.monitor')} says what --early-stopping watches: give both"
        )
    for made in (
        optimizer_of,
        transforms_of,
        class_weights_of,
        monitor_of,
        logs_of,
        loss_of,
        time_of,
    ):
        made(recipe)


def train_recipe(recipe: Recipe, data: Any = None, *, save: bool = False) -> Trained:
    """Carry a recipe out: what `graphcnn train` does.

    Args:
        data: in place of the data that the recipe names: a pair of data sets for training and test,
            or `cnn.data.load(...)`.
        save: write the model to a file also where the recipe does not say one.

    Raises:
        RecipeError: what the recipe says has no meaning.
        GraphCnnError: the data, the network or the training fail, as `fit` tells it.
    """
    recipe = placed_in_folder(recipe)
    check(recipe)
    named = network_named(recipe)
    parts = parts_of(recipe, data)
    model = network_of(recipe, named, parts.train)
    parts = augmented(recipe, parts)
    metrics = as_texts(recipe.measuring.metrics) or None
    loss = loss_of(recipe, model)
    try:
        measures_of(loss, model.graph, metrics)
    except GraphCnnError as error:
        recipe.places.refuse("measuring.metrics", error)
    with _placed(recipe):
        measured = numbers_of(loss, model.graph, metrics)
    _check_monitored(recipe, measured)
    for name in recipe.states:
        if name not in measured:
            recipe.places.refuse_name(
                f"states.{name}", f"is not measured; measured are {', '.join(measured)}"
            )
        try:
            Monitor(name)
        except GraphError:
            recipe.places.refuse_name(
                f"states.{name}", "cannot be stated: nobody knows whether more or less is better"
            )
    _check_views(recipe, model, loss)
    path, curves = recipe.output.model, recipe.output.curves
    target = Path(path or f"{model.name}.safetensors") if path or save else None
    _check_outputs(recipe, target, None if curves is None else Path(curves))
    as_dataset(parts.test, model, parts.train.classes)  # what does not fit is found now
    batch_size = recipe.run.batch_size or min(BATCH_SIZE, len(parts.train))
    if recipe.run.fast_dev_run:
        history = _fit(recipe, model, parts, loss, metrics, batch_size)
        return Trained(recipe, model, history, parts, {})
    folder, former = _kept(recipe, effective(recipe, batch_size, loss), model, parts)
    with folder or nullcontext():
        history = _fit(recipe, model, parts, loss, metrics, batch_size, folder)
        if history.ended == "interrupted":
            if folder is not None:
                folder.finish(history, {}, {}, None)
            return Trained(recipe, model, history, parts, {}, target)
        if target is not None:
            model.save(target)
        if curves is not None and len(history):
            history.draw(curves, model.name)
        tta = recipe.measuring.tta
        row = model.evaluate(parts.test, metrics=metrics, tta=tta, **_machine(recipe))
        trained = Trained(recipe, model, history, parts, row, target, former)
        if folder is not None:
            folder.finish(history, row, trained.reached, target)
    return trained


def _kept(
    recipe: Recipe, told: Recipe, model: Model, parts: Parts
) -> tuple[RunFolder | None, Record | None]:
    """The folder of the run, and the run that it repeats, where there are such."""
    former = None if recipe.run.resume else repeated(recipe)
    if former is None and recipe.output.run is None:
        return None, None
    record = record_of(recipe, told, model, parts)
    if former is not None:
        tell_differences(former, record, f"{recipe.places.source} was trained")
        former = former if former.recipe == record.recipe and former.results else None
    if recipe.output.run is None:
        return None, former
    resumed = recipe.run.resume is not None
    return RunFolder(recipe.output.run, told, record, resumed=resumed), former


def _check_outputs(recipe: Recipe, target: Path | None, curves: Path | None) -> None:
    """Learn before training, not after, that what comes of it has no place to go."""
    made_by_run = None if recipe.output.run is None else Path(recipe.output.run)
    if target is not None:
        check_suffix(target)
    if curves is not None:
        check_target(curves)
    for path in filter(None, (target, curves)):
        if path.parent != made_by_run:
            check_writable(path)


def _fit(
    recipe: Recipe,
    model: Model,
    parts: Parts,
    loss: Losses,
    metrics: tuple[str, ...] | None,
    batch_size: int,
    folder: RunFolder | None = None,
) -> History:
    run = recipe.run
    with _placed(recipe):
        return fit(
            model,
            parts.train,
            epochs=run.epochs or (None if run.max_steps else 1),
            batch_size=batch_size,
            loss=loss,
            metrics=metrics,
            optimizer=optimizer_of(recipe),
            validation=parts.validation,
            validation_every=run.validation_every,
            shards=run.shards,
            class_weights=class_weights_of(recipe),
            seed=run.seed,
            shuffle=run.shuffle,
            drop_last=run.drop_last,
            steps_per_epoch=run.steps_per_epoch,
            max_steps=run.max_steps,
            max_time=run.max_time,
            early_stopping=stopping_of(recipe),
            checkpoint=run.checkpoint,
            checkpoint_every=run.checkpoint_every,
            resume=run.resume,
            changing=as_texts(run.changing),
            fast_dev_run=run.fast_dev_run or False,
            callbacks=(
                *logs_of(recipe),
                *drawn_of(recipe, model),
                *(() if folder is None else (folder,)),
            ),
            progress=recipe.output.progress,
            **_machine(recipe),
        )


@contextmanager
def _placed(recipe: Recipe) -> Iterator[None]:
    """Say of an error that begins with the name of a setting where in the recipe that was said."""
    try:
        yield
    except RecipeError:
        raise
    except GraphCnnError as error:
        if not recipe.places.source:  # options alone, which are right in themselves
            raise
        # In front stand an optimiser, a loss with its line, or the setting itself.
        found = re.match(r"(?:(\w+)(?: \(.*?\))?: )+", str(error))
        owner, problem = (found[1], str(error)[found.end() :]) if found else ("", str(error))
        for path, settings in _optimizers(recipe):
            if str(error).startswith(f"optimizer[{path[-1]!r}]"):
                recipe.places.refuse(path, error)
            for pattern in settings.get("groups", {}):
                if problem.startswith(f"groups[{pattern!r}]"):
                    recipe.places.refuse((*path, "groups", pattern), problem)
        both = re.search(r"would be changed by two optimisers, of '(.*?)' and", str(error))
        if both:
            recipe.places.refuse(("optimizer", both[1]), error)
        if re.match(r"(no )?goal\b", str(error)) and recipe.loss:
            recipe.places.refuse("loss", error)
        for word in (owner, re.split(r"\W", problem)[0]):
            for table in ("run", "loss", "optimizer", "machine"):
                if word in recipe.said.get(table, {}):
                    recipe.places.refuse(f"{table}.{word}", problem)
        raise


def _optimizers(recipe: Recipe) -> Iterator[tuple[KeyPath, Mapping[str, Any]]]:
    """Each table of an optimiser, and where it stands."""
    if not by_patterns(recipe.optimizer):
        yield ("optimizer",), recipe.optimizer
        return
    for pattern, table in recipe.optimizer.items():
        yield ("optimizer", pattern), table


def _machine(recipe: Recipe) -> dict[str, Any]:
    said = recipe.machine
    return {
        "runtime": said.runtime,
        "threads": said.threads,
        "precision": said.precision,
        "tune": said.tune,
    }


def _check_monitored(recipe: Recipe, measured: Sequence[str]) -> None:
    """Learn before training, not after an epoch, that there is no such number to watch."""
    names = [*measured]
    names += [f"val_{name}" for name in names]
    monitor = monitor_of(recipe)
    if monitor is not None and monitor.name not in names:
        raise RecipeError(
            f"there is no {monitor.name!r} for {recipe.places.name('run.monitor')}; this run has "
            f"{', '.join(names)}, and --metric measures more"
        )


def _check_views(recipe: Recipe, model: Model, loss: Losses) -> None:
    """Learn before training, not after, that views have no meaning for what the model gives."""
    tta = recipe.measuring.tta
    if tta is None:
        return
    try:
        viewed(model.graph, tta, loss if isinstance(loss, str) else getattr(loss, "name", None))
    except DataError as error:
        raise DataError(f"{recipe.places.name('measuring.tta')} {tta}: {error}") from None


def check_writable(target: Path) -> None:
    """Learn before training, not after, that a file has no place to go."""
    folder = target.parent
    if not is_folder(folder):
        raise OutputError(f"cannot write {target}: the folder {folder} does not exist")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"cannot write {target}: the folder {folder} is read-only")
