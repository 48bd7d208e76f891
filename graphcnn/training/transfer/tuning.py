"""Fine tuning: first the head on frozen layers, then everything at a smaller rate.

Two runs of `fit`, each with checkpoints of its own below the folder of both: a run that was stopped
in either goes on to the same bits as one that was not.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from graphcnn.data.dataset import Dataset
from graphcnn.errors import DataError, GraphError, WeightsError
from graphcnn.ir.graph import state_of
from graphcnn.ir.sources import Role
from graphcnn.language.arguments import choose, is_int
from graphcnn.learning.optimizers import Optimizer
from graphcnn.learning.optimizers import optimizer as make_optimizer
from graphcnn.learning.schedules import Schedule, schedule
from graphcnn.network.feeding import as_dataset
from graphcnn.network.freezing import STATISTICS, matching, running
from graphcnn.network.network import Network
from graphcnn.network.usual_loss import usual_loss
from graphcnn.training.checkpoint import LAST, load_checkpoint
from graphcnn.training.fit import fit
from graphcnn.training.history import History
from graphcnn.training.run import INTERRUPTED
from graphcnn.training.session import checked_seed
from graphcnn.training.transfer.heads import head_states

#: The phases, and their folders of checkpoints.
HEAD, ALL = "head", "all"
#: Between the seeds of the phases, so that their epochs are not alike.
_APART = 1 << 32

Rate = float | Schedule | None
Patterns = str | Sequence[str]


@dataclass
class TunedHistory(History):
    """The epochs of both phases, one after the other; `phases` has those of each.

    `phases` is (head,) where a run was interrupted in its first phase.
    """

    phases: tuple[History, ...] = field(default=())

    @classmethod
    def of(cls, *phases: History) -> "TunedHistory":
        """The phases joined: what counts epochs and steps counts on."""
        *before, last = phases
        epochs = sum(map(len, before))
        steps = sum(len(each.steps) for each in before)
        return cls(
            [row for each in phases for row in each.rows],
            last.ended,
            last.advice,
            [rate for each in phases for rate in each.rates],
            [*(at for each in before for at in each.resumed), *(epochs + x for x in last.resumed)],
            last.unfinished,
            [*(row for each in before for row in each.steps),
             *({**row, "step": row["step"] + steps} for row in last.steps)],
            tuple(phases),
        )  # fmt: skip


def fine_tune(
    model: Network,
    data: Any,
    targets: Any = None,
    *,
    epochs: tuple[int, int] = (2, 5),
    head: Patterns = (),
    factor: float = 0.1,
    statistics: str = "kept",
    frozen: Patterns = (),
    optimizer: str | Optimizer = "adam",
    learning_rate: Rate | tuple[Rate, Rate] = None,
    validation: Any = None,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    resume: str | Path | None = None,
    changing: str | Sequence[str] = (),
    **options: Any,
) -> TunedHistory:
    """Train the head of a model, then all of it. See `Model.fine_tune`."""
    first, second = _checked(epochs)
    choose(dict.fromkeys(STATISTICS), statistics, "statistics")
    seed = checked_seed(seed)
    own = _head(model, head)
    resting = [key for pattern in _several(frozen) for key in matching(model.graph, pattern)]
    rates = _rates(make_optimizer(optimizer), learning_rate, factor)
    if isinstance(validation, float | np.floating):
        data, validation = _parted(model, data, targets, float(validation), seed, options)
        targets = None
    common = {"optimizer": optimizer, "validation": validation, **options}

    folder = resume if resume is not None else checkpoint
    begun = resume is not None and (Path(resume) / ALL / LAST).exists()
    if begun:
        phases = [_finished(Path(str(resume)) / HEAD, first, "early_stopping" in options)]
    else:
        _train_only(model, own)
        words = _words(HEAD, checkpoint, resume, changing)
        phases = [
            fit(model, data, targets, epochs=first, learning_rate=rates[0], seed=seed, **words,
                **common)
        ]  # fmt: skip
        if phases[0].ended == INTERRUPTED:
            return _told(TunedHistory.of(*phases), "first", folder)
    _train_only(model, [k.key for k in map(state_of, model.graph.parameters)
                        if k.key not in resting])  # fmt: skip
    with _statistics(model, statistics):
        words = _words(ALL, checkpoint, resume, changing if begun else ())
        phases.append(
            fit(model, data, targets, epochs=second, learning_rate=rates[1], seed=seed ^ _APART,
                **words, **common)
        )  # fmt: skip
    return _told(TunedHistory.of(*phases), "second", folder)


def _checked(epochs: Any) -> tuple[int, int]:
    if not isinstance(epochs, tuple | list) or len(epochs) != 2:
        raise DataError(f"epochs must be those of both phases, such as (2, 5), found {epochs!r}")
    if not all(is_int(n) and n >= 1 for n in epochs):
        raise DataError(f"each phase has at least one epoch, found {epochs!r}")
    return int(epochs[0]), int(epochs[1])


def _parted(
    model: Network, data: Any, targets: Any, fraction: float, seed: int, options: dict[str, Any]
) -> tuple[Dataset, Dataset]:
    """Data without, and the fraction that is set aside, the same in both phases. Weights of items
    go with them."""
    if not isinstance(data, Dataset) or targets is not None:
        loss = usual_loss(model, options.get("loss"))
        data = as_dataset(data, model, loss=loss, targets=targets)
    weights = options.pop("weights", None)
    whole: Dataset = data if weights is None else data.weighted(weights)
    kept, held_out = whole.split(fraction, seed)
    return kept, replace(held_out, weights=None)  # which are for learning


def _several(patterns: Patterns) -> Sequence[str]:
    return (patterns,) if isinstance(patterns, str) else patterns


def _head(model: Network, patterns: Patterns) -> list[str]:
    """What the first phase trains: what is named; else what is not frozen, where anything is; else
    the last layer."""
    if patterns:
        return [key for pattern in _several(patterns) for key in matching(model.graph, pattern)]
    states = [*map(state_of, model.graph.parameters)]
    free = [s.key for s in states if s.trainable]
    if not free:
        raise GraphError(f"all parameters of {model.name!r} are frozen: name those of the head")
    return free if len(free) < len(states) else head_states(model.graph)


def _rates(optimizer: Optimizer, given: Any, factor: float) -> tuple[Schedule, Schedule]:
    """The learning rates of both phases."""
    if isinstance(given, tuple):
        head, rest = given
        return schedule(head), schedule(rest)
    rate = schedule(optimizer.learning_rate if given is None else given)
    return rate, rate * factor


def _words(
    phase: str, checkpoint: Any, resume: Any, changing: str | Sequence[str]
) -> dict[str, Any]:
    """Where a phase has its checkpoints."""
    if resume is not None:
        found = Path(resume) / phase
        return {"resume": found, "changing": changing if (found / LAST).exists() else ()}
    return {"checkpoint": None if checkpoint is None else Path(checkpoint) / phase}


def _train_only(model: Network, keys: Sequence[str]) -> None:
    model.mark([s.key for s in map(state_of, model.graph.parameters) if s.key not in keys], False)
    model.mark(keys, True)


@contextmanager
def _statistics(model: Network, statistics: str) -> Iterator[None]:
    """Running statistics that are kept, for as long as the phase takes."""
    moved = running(model.graph) if statistics == "kept" else []
    before = [s.key for s in map(state_of, model.graph.states)
              if s.key in moved and s.role is Role.STATISTIC and not s.trainable]  # fmt: skip
    model.mark(before, False, Role.SETTING)
    try:
        yield
    finally:
        model.mark(before, False, Role.STATISTIC)


def _finished(folder: Path, epochs: int, stopped: bool) -> History:
    """What is known of a first phase that the second has followed."""
    at = load_checkpoint(folder)[1]
    if at.epoch != epochs and not stopped:
        raise WeightsError(
            f"the second phase of the run in {folder.parent} follows {at.epoch} epochs of the "
            f"first: resume it with epochs=({at.epoch}, ...), found {epochs}"
        )
    return History(at.rows, "finished", "", at.rates, at.resumed)


def _told(history: TunedHistory, phase: str, folder: Any) -> TunedHistory:
    """With advice that is about both phases."""
    if history.advice and folder is not None:
        place = history.advice.partition(":")[0]
        history.advice = f"{place} of the {phase} phase: go on with resume={str(folder)!r}"
    return history
