"""Checkpoints: everything a training run needs to go on exactly where it was.

A folder with `last.safetensors` (all states, the optimiser's included, and how far the run got)
and `best.safetensors` (a saved model). Each is written beside the target and renamed, so that a
kill or a full disk at any moment leaves the one before.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from graphcnn.errors import OutputError, WeightsError
from graphcnn.ir.node import Array
from graphcnn.network.weights import read_tensors, write_tensors

LAST, BEST = "last.safetensors", "best.safetensors"


@dataclass
class Position:
    """How far a run got.

    Attributes:
        epoch: finished epochs.
        batch: finished batches of the epoch under way.
        totals: sums over the items of that epoch so far, by metric: numbers, or arrays, which JSON
            holds as lists.
        rows: the history.
        rates: learning rate of the last step of each epoch, and `resumed`: how many epochs, perhaps
            with a part of one, were done each time that the run was resumed. Both are of the epochs
            since checkpoints hold them.
        best: best value of what is monitored, and the epoch that reached it.
        config: what must be the same for the run to go on.
    """

    epoch: int = 0
    batch: int = 0
    totals: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, float]] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    resumed: list[float] = field(default_factory=list)
    best: float | None = None
    best_epoch: int = 0
    config: dict[str, Any] = field(default_factory=dict)


def make_folder(folder: str | Path) -> Path:
    """The folder, made if need be. Raises `OutputError` if it cannot be written."""
    path = Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {path}: {error.strerror or error}") from None
    return path


def save_checkpoint(folder: Path, states: Mapping[str, Array], position: Position) -> None:
    """Write `last.safetensors`."""
    write_tensors(
        folder / LAST, states, {"position": json.dumps(asdict(position), default=np.ndarray.tolist)}
    )


def load_checkpoint(folder: str | Path) -> tuple[dict[str, Array], Position]:
    """States and position of `last.safetensors`. Raises `WeightsError` where there is none."""
    path = Path(folder) / LAST
    tensors, metadata = read_tensors(path)
    try:
        return tensors, Position(**json.loads(metadata["position"]))
    except (KeyError, TypeError, ValueError):
        raise WeightsError(f"{path} is no checkpoint of a training run") from None


def classes_of_run(folder: str | Path) -> tuple[str, ...]:
    """What the run whose checkpoint is in `folder` calls its classes; () where there is none."""
    if not (Path(folder) / LAST).exists():
        return ()
    return tuple(map(str, load_checkpoint(folder)[1].config.get("classes", ())))
