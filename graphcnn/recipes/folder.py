"""The folder of a run: its recipe, log, curves, checkpoints, model, and `run.json`.

    run/recipe.toml          what the run was told, defaults included
        run.json             versions, seed, hashes, times, results; the command that repeats it
        log.csv              a line for each epoch
        last.safetensors     the checkpoint, best.safetensors the best epoch
        curves.svg, model.safetensors    at the end

It appears whole, by one rename, and each file in it is replaced whole. Killed at any moment it is a
run that `--resume` goes on with.
"""

import shlex
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from graphcnn.base.files import atomic_write
from graphcnn.base.folders import atomic_folder
from graphcnn.base.regular_files import is_regular
from graphcnn.data.parts import Parts
from graphcnn.errors import RecipeError, TrainingWarning
from graphcnn.ir.origin import warn
from graphcnn.model import Model
from graphcnn.recipes.kinds import as_texts
from graphcnn.recipes.recipe import Recipe
from graphcnn.recipes.record import (
    RECORD,
    Record,
    data_told,
    graph_hash,
    hash_of,
    machine,
    processor,
    versions,
)
from graphcnn.runtime.execution import Execution
from graphcnn.training.checkpoint import make_folder
from graphcnn.training.history import History

RECIPE, LOG, CURVES, MODEL = "recipe.toml", "log.csv", "curves.svg", "model.safetensors"


def placed_in_folder(recipe: Recipe) -> Recipe:
    """The recipe with what its run writes in the folder of the run, if it has one.

    Raises `RecipeError` where that folder has another run.
    """
    folder, resumed = recipe.output.run, recipe.run.resume
    if folder is None:
        if resumed is None or not is_regular(Path(resumed) / RECORD):
            return recipe
        folder = resumed  # a run folder goes on as one
    elif resumed is not None and resumed != folder:
        raise RecipeError("--resume DIR goes on writing to DIR; leave out --run")
    elif resumed is None and is_regular(Path(folder) / RECORD):
        where = shlex.quote(folder)
        raise RecipeError(
            f"{folder} has a run already: graphcnn train --resume {where} goes on with it; "
            "another run has a folder of its own"
        )
    home, said = Path(folder), recipe.output
    settings = {
        "output.run": folder,
        "output.logs": [str(home / LOG), *as_texts(said.logs)],
        "output.curves": said.curves or str(home / CURVES),
        "output.model": said.model or str(home / MODEL),
    }
    if resumed is None:
        settings["run.checkpoint"] = folder
    return recipe.with_(settings)


def record_of(recipe: Recipe, told: Recipe, model: Model, parts: Parts) -> Record:
    """What is known of a run before it begins; `told` is its effective recipe."""
    said = recipe.machine
    execution = Execution.of(said.runtime, said.threads, said.precision, said.tune)
    where = Path(recipe.output.run or ".") / RECIPE
    return Record(
        command=f"graphcnn train {shlex.quote(str(where))}",
        recipe=hash_of(str(told).encode()),
        network=model.name,
        seed=recipe.run.seed,
        data=data_told(parts),
        graph=graph_hash(model),
        parameters=sum(p.type.size for p in model.graph.parameters),
        versions=versions(),
        processor=processor(execution),
        machine=machine(execution),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        states=dict(recipe.states),
    )


class RunFolder:
    """The folder of a run that is under way."""

    def __init__(self, folder: str, told: Recipe, record: Record) -> None:
        self.folder, self.record, self._begun = Path(folder), record, time.monotonic()
        former = self.folder / RECORD
        if is_regular(former):
            before = Record.read(former)
            tell_differences(before, record, f"the run in {folder} began")
            record.started, record.seconds = before.started, before.seconds
            record.resumed = before.resumed + 1
        self._before = record.seconds
        files = {RECIPE: str(told).encode(), RECORD: record.text().encode()}
        make_folder(self.folder.parent)
        atomic_folder(self.folder, files)

    def end(
        self,
        history: History,
        results: dict[str, float],
        reached: dict[str, bool],
        path: Path | None,
    ) -> None:
        """Note how it ended, after all other files."""
        self.record = replace(
            self.record,
            state=history.ended,
            epochs=len(history),
            seconds=self._before + round(time.monotonic() - self._begun),
            results=results,
            reached=reached,
            model="" if path is None else hash_of(path.read_bytes()),
        )
        atomic_write(self.folder / RECORD, self.record.text())


def repeated(recipe: Recipe) -> Record | None:
    """The run of which a recipe is the effective one: its record lies beside it."""
    source = Path(recipe.places.source)
    record = source.parent / RECORD
    if source.name != RECIPE or not is_regular(record):
        return None
    return Record.read(record)


def tell_differences(before: Record, now: Record, what: str) -> None:
    """Warn of all that decides the bits of a run and is not the same."""
    found = [*before.differences(now)]
    if found:
        listed = "\n  ".join(found)
        warn(f"{what} with other settings, and the bits may differ:\n  {listed}", TrainingWarning)
