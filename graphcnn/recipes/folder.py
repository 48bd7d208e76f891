"""The folder of a run: its recipe, log, curves, checkpoints, model, and `run.json`.

    run/recipe.toml          what the run was told, defaults included
        run.json             versions, seed, hashes, times, results; the command that repeats it
        log.csv              a line for each epoch
        last.safetensors     the checkpoint, best.safetensors the best epoch
        curves.svg, model.safetensors    at the end

It appears whole, by one rename, and each file in it is replaced whole. Killed at any moment it is a
run that `--resume` goes on with. Two processes never write into one.
"""

import shlex
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Self

from graphcnn.base.files import atomic_write
from graphcnn.base.folders import atomic_folder, locked_folder
from graphcnn.base.regular_files import is_folder, is_regular
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
from graphcnn.training.run import Run, Watcher

RECIPE, LOG, CURVES, MODEL = "recipe.toml", "log.csv", "curves.svg", "model.safetensors"


#: What is said of a folder that has a run.
_TAKEN = (
    "{} has a run already: graphcnn train --resume {} goes on with it; another run has a folder of "
    "its own"
)


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
        raise RecipeError(_TAKEN.format(folder, where))
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


class RunFolder(Watcher):
    """The folder of a run that is under way, for this process alone while it is entered. It notes
    after every epoch how long the run took, so that a kill loses no more than one."""

    writes: ClassVar = True
    _started = False

    def __init__(self, folder: str, told: Recipe, record: Record, *, resumed: bool) -> None:
        self.folder, self.told, self.record, self.resumed = Path(folder), told, record, resumed
        self._begun, self._before, self._held = time.monotonic(), 0, ExitStack()

    def __enter__(self) -> Self:
        """Raises `RecipeError` where another process trains there, or began a run meanwhile."""
        with ExitStack() as held:
            if not is_folder(self.folder):
                make_folder(self.folder.parent)
                atomic_folder(self.folder, self._files(), new=True)
                held.callback(self._remove)  # unless it begins
                self._lock(held)
            else:
                self._lock(held)
                self._follow()
            self._held = held.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def start(self, run: Run) -> None:
        """What is there of a former run stays until this one is known to go on with it."""
        self._started = True
        atomic_folder(self.folder, self._files())

    def _files(self) -> dict[str, bytes]:
        return {RECIPE: str(self.told).encode(), RECORD: self.record.text().encode()}

    def _remove(self) -> None:
        """Leave no folder of a run that was refused, in the way of the next."""
        if not self._started:
            for name in (RECORD, RECIPE):
                (self.folder / name).unlink(missing_ok=True)
            with suppress(OSError):  # somebody has put something there
                self.folder.rmdir()

    def _lock(self, held: ExitStack) -> None:
        try:
            held.enter_context(locked_folder(self.folder))
        except BlockingIOError:
            raise RecipeError(
                f"another process trains in {self.folder}: wait for its end, or take a folder of "
                "its own for this run"
            ) from None

    def _follow(self) -> None:
        """Begin where the run that is in the folder ended."""
        former, record = self.folder / RECORD, self.record
        if not is_regular(former):
            return
        if not self.resumed:
            raise RecipeError(_TAKEN.format(self.folder, shlex.quote(str(self.folder))))
        before = Record.read(former)
        tell_differences(before, record, f"the run in {self.folder} began")
        record.started, record.seconds = before.started, before.seconds
        record.resumed = before.resumed + 1
        self._before = record.seconds

    def epoch(self, run: Run, row: Mapping[str, float]) -> None:
        self._note(epochs=run.position.epoch)

    def _note(self, **more: Any) -> None:
        seconds = self._before + round(time.monotonic() - self._begun)
        self.record = replace(self.record, seconds=seconds, **more)
        atomic_write(self.folder / RECORD, self.record.text())

    def finish(
        self,
        history: History,
        results: dict[str, float],
        reached: dict[str, bool],
        path: Path | None,
    ) -> None:
        """Note how it ended, after all other files."""
        self._note(
            state=history.ended,
            epochs=len(history),
            results=results,
            reached=reached,
            model="" if path is None else hash_of(path.read_bytes()),
        )


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
