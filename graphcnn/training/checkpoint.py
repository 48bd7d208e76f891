"""Checkpoints: everything a training run needs to go on exactly where it was.

A folder with `last.safetensors` (all states, the optimiser's included, and how far the run got)
and `best.safetensors` (a saved model). Each is written beside the target and renamed, so that a
kill or a full disk at any moment leaves the one before.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from graphcnn.errors import OutputError, WeightsError
from graphcnn.ir.node import Array
from graphcnn.network.weights import read_tensors, write_tensors

LAST, BEST = "last.safetensors", "best.safetensors"
#: Begins the names of arrays that are no states.
_ARRAY = "run/"


@dataclass
class Position:
    """How far a run got.

    Attributes:
        epoch: finished epochs.
        batch: finished batches of the epoch under way.
        totals: sums over the items of that epoch so far, by metric: numbers or arrays.
        rows: the history.
        rates: learning rate of the last step of each epoch, and `resumed`: how many epochs, perhaps
            with a part of one, were done each time that the run was resumed. Both are of the epochs
            since checkpoints hold them.
        best: best value of what is monitored, the epoch that reached it, and what that is.
        config: what must be the same for the run to go on.
        items: seen in the epoch under way.
        logged: what watchers put into its row so far.
        pending: the watchers have yet to be told of the last epoch.
        rate: learning rate of the last step.
        learning_rate: the one that a watcher set.
        watchers: what they remember, by their names.
    """

    epoch: int = 0
    batch: int = 0
    totals: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, float]] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    resumed: list[float] = field(default_factory=list)
    best: float | None = None
    best_epoch: int = 0
    monitor: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    items: int = 0
    batches: int = 0
    logged: dict[str, float] = field(default_factory=dict)
    pending: bool = False
    rate: float | None = None
    learning_rate: float | None = None
    watchers: dict[str, Any] = field(default_factory=dict)


def make_folder(folder: str | Path) -> Path:
    """The folder, made if need be. Raises `OutputError` if it cannot be written."""
    path = Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {path}: {error.strerror or error}") from None
    return path


def save_checkpoint(folder: Path, states: Mapping[str, Array], position: Position) -> None:
    """Write `last.safetensors`. Arrays in the position lie there as tensors, too."""
    arrays: dict[str, Array] = {}

    def put(found: Any) -> Any:
        if isinstance(found, np.generic):
            return found.item()
        if not isinstance(found, np.ndarray):
            raise TypeError(f"a {type(found).__name__} cannot be remembered in a checkpoint")
        name = f"{_ARRAY}{len(arrays)}"
        arrays[name] = found
        return {_ARRAY: name}

    told = {each.name: getattr(position, each.name) for each in fields(position)}
    text = json.dumps(told, default=put)
    write_tensors(folder / LAST, {**states, **arrays}, {"position": text})


def load_checkpoint(folder: str | Path) -> tuple[dict[str, Array], Position]:
    """States and position of `last.safetensors`. Raises `WeightsError` where there is none."""
    path = Path(folder) / LAST
    tensors, metadata = read_tensors(path)

    def take(found: dict[str, Any]) -> Any:
        return tensors.pop(found[_ARRAY]) if found.keys() == {_ARRAY} else found

    try:
        told = json.loads(metadata["position"], object_hook=take)
        if "items" not in told:  # a checkpoint of old
            told["items"] = told["batch"] * told["config"].get("batch_size", 0)
        return tensors, Position(**told)
    except (KeyError, TypeError, ValueError):
        raise WeightsError(f"{path} is no checkpoint of a training run") from None


def classes_of_run(folder: str | Path) -> tuple[str, ...]:
    """What the run whose checkpoint is in `folder` calls its classes; () where there is none."""
    if not (Path(folder) / LAST).exists():
        return ()
    return tuple(map(str, load_checkpoint(folder)[1].config.get("classes", ())))
