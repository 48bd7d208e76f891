"""What must be the same for a run to go on where it was, and what may be changed on purpose.

A checkpoint holds, besides the states, what the run was told. What can be hashed is hashed: every
bit of the data, and the graphs of network, loss, metrics and optimiser, so that two functions that
build other graphs are told apart whatever their names. Functions that are no part of a graph
(callbacks, what a subclass of `Dataset` does, how a schedule computes its rates) are not looked at;
of a schedule of one's own the rates of many steps are compared.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from graphcnn.data.dataset import Dataset
from graphcnn.errors import CheckpointWarning, DataError, WeightsError
from graphcnn.ir.graph import Graph
from graphcnn.ir.initializers import Constant
from graphcnn.ir.node import Node, Value, build
from graphcnn.ir.origin import warn
from graphcnn.ir.sources import State
from graphcnn.learning.aim import Losses, loss_name
from graphcnn.learning.metrics import Measure, Metric
from graphcnn.learning.metrics.base import Share
from graphcnn.learning.optimizers import Optimizer
from graphcnn.learning.optimizers.base import told
from graphcnn.learning.optimizers.several import Optimizers
from graphcnn.learning.schedules import Schedule, schedule
from graphcnn.learning.target_rule import WEIGHTS
from graphcnn.text.write import fingerprint

#: What `changing` may name, and the entries of a configuration that belong to it.
CHANGES: dict[str, tuple[str, ...]] = {
    "learning_rate": ("learning_rate",),
    "optimizer": ("optimizer", "update"),
    "loss": ("loss", "loss graph"),
    "metrics": ("metrics",),
    "network": ("model", "network"),
    "data": ("data", "data content", "weights", "classes"),
    "validation": ("validation",),
    "batch_size": ("batch_size", "drop_last", "steps_per_epoch"),
    "seed": ("seed",),
    "shuffle": ("shuffle",),
    "shards": ("shards",),
}
#: What changes which items the epoch under way still has to see, or what is summed up over it.
WITHIN_EPOCH = {"loss", "metrics", "data", "batch_size", "seed", "shuffle"}
#: A difference in the first makes one in the others, which say nothing new.
_IMPLIED = {
    "network": ("loss graph", "metrics", "update"),
    "loss graph": ("metrics", "update"),
    "weights": ("update",),
    "optimizer": ("update",),
    "shards": ("update",),
}
#: What runs were told whose checkpoints do not say it, when there was no choice.
_BEFORE = {"shards": 1}
_VERSION = "version"
_STEPS = (*range(1, 101), *(round(1.3**k) for k in range(18, 60)))


@dataclass(frozen=True)
class Told:
    """What a run is told: `config` is kept in its checkpoints."""

    network: Graph
    measured: Graph  # with loss and metrics, in inference form
    step: Graph
    loss: Losses
    metrics: Mapping[str, Measure]
    optimizer: Optimizer
    data: Dataset
    validation: Dataset | None
    others: Mapping[str, Any]

    def config(self) -> dict[str, Any]:
        """Names, numbers and hashes."""
        outputs = dict(self.measured.outputs)
        only_loss = self.measured.with_outputs({"loss": outputs.pop("loss")}, {})
        held_out = self.validation
        return {
            _VERSION: 3,
            **self.others,
            "loss": loss_name(self.loss),
            "data": self.data.about,
            "data content": content(self.data),
            "weights": next(
                (str(v.type) for v in self.step.inputs if v.node.name == WEIGHTS), None
            ),
            "validation": None if held_out is None else content(held_out),
            "network": _graph_hash(self.network),
            "loss graph": _graph_hash(only_loss),
            "metrics": _hash(
                [*outputs, _graph_hash(self.measured), *_finishes(self.metrics)] if outputs else []
            ),
            "optimizer": _settings(self.optimizer),
            "update": _graph_hash(self.step.with_outputs({})),
            "learning_rate": _scheduled(self.optimizer),
        }

    def config_of_old(self) -> dict[str, Any]:
        """What the first version of checkpoints held."""
        return {
            **{key: value for key, value in self.others.items() if key != "drop_last"},
            "data": self.data.about,
            "loss": loss_name(self.loss),
            "optimizer": repr(self.optimizer),
        }


def wanted_changes(changing: str | Iterable[str], resumed: bool) -> frozenset[str]:
    """The names in `changing`. Raises `DataError` for one that is unknown."""
    names = (changing,) if isinstance(changing, str) else tuple(changing)
    for name in names:
        if name not in CHANGES:
            raise DataError(f"changing={name!r} is unknown; known are {', '.join(CHANGES)}")
    if names and not resumed:
        raise DataError("changing is for a run that goes on: give resume=FOLDER, too")
    return frozenset(names)


def check_told(
    found: Mapping[str, Any], told: Told, folder: object, changing: frozenset[str]
) -> None:
    """Refuse to resume a run that was told something else, naming each difference and the way.

    Warns where a checkpoint is so old that it does not tell, or tells in another way.
    """
    found, now = {**_BEFORE, **found}, told.config()
    if _VERSION not in found:
        unknown = [key for key in now if key not in found and key != _VERSION]
        now = {k: v for k, v in told.config_of_old().items() if k in found or k != "classes"}
        if "learning_rate" in changing:
            del now["optimizer"]  # there it held the rate, too
        warn(
            f"the checkpoint in {folder} was written before checkpoints told their "
            f"{', '.join(unknown)}: these are not compared",
            CheckpointWarning,
        )
    elif found[_VERSION] < 3 and found.get("metrics") != now["metrics"]:
        del now["metrics"]
        warn(
            f"the checkpoint in {folder} tells of its metrics in the way of an earlier version: "
            "they are not compared",
            CheckpointWarning,
        )
    owner = {entry: name for name, entries in CHANGES.items() for entry in entries}
    different = [key for key, value in now.items() if found.get(key) != value and key != _VERSION]
    implied = {each for key in different for each in _IMPLIED.get(key, ())}
    if "data content" in different and "data" in different:
        implied.add("data content")
    wrong = [k for k in different if owner.get(k) not in changing and k not in implied]
    if not wrong:
        return
    lines = [f"{key}: the run had {found.get(key)!r}, this call has {now[key]!r}" for key in wrong]
    names = sorted({owner[key] for key in wrong if key in owner}, key=list(CHANGES).index)
    way = ", ".join(map(repr, names)) + ("," if len(names) == 1 else "")
    command = f", on the command line by {' '.join(f'--changing {name}' for name in names)}"
    raise WeightsError(
        f"the run in {folder} cannot be resumed with other settings:\n  "
        + "\n  ".join(lines)
        + (f"\nwhat is meant to change is said by changing=({way}){command}" if names else "")
    )


def content(data: Dataset) -> str:
    """The hash of every bit of a data set, as it is shown."""
    return f"content {data.digest[:16]}"


def _finishes(metrics: Mapping[str, Measure]) -> list[str]:
    """How metrics make a number of what they add up, which is not in the graph: their settings.
    Those that are a share have none that the graph does not tell."""
    return [repr(each) for each in metrics.values() if not isinstance(each, Metric | Share)]


def _graph_hash(graph: Graph) -> str:
    """A hash of what a graph computes, whatever its states begin with, and what decays of them:
    that is in the graph of the update."""

    def plain(node: Node, inputs: Sequence[Value]) -> Sequence[Value] | None:
        if not isinstance(node.op, State):
            return None
        op = replace(node.op, initial=Constant(0), decays=True)
        return build(op, (), node.name, node.origin).outputs

    return _hash([fingerprint(graph.transform(plain))])


def _hash(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _settings(optimizer: Optimizer) -> str:
    """The settings without the learning rate and other schedules, which are an entry of their
    own."""
    if not is_dataclass(optimizer):
        return type(optimizer).__qualname__

    def said(value: Any) -> str:
        if isinstance(value, Schedule):
            return type(value).__qualname__
        if isinstance(optimizer, Optimizers):
            return ", ".join(f"{pattern}: {_settings(each)}" for pattern, each in value)
        return _settings(value) if isinstance(value, Optimizer) else repr(value)

    values = {name: said(x) for name, x in told(optimizer).items() if name != "learning_rate"}
    return f"{type(optimizer).__qualname__}({', '.join(f'{k}={v}' for k, v in values.items())})"


def _scheduled(optimizer: Optimizer) -> str:
    """The learning rate, and what else follows a schedule."""
    others = [f"{name} {_rates(follows)}" for name, follows in optimizer.settings.items()]
    return "; ".join((_rates(schedule(optimizer.learning_rate)), *others))


def _rates(rates: Schedule) -> str:
    """A schedule of ours as it is written, one of the user's own by its rates."""
    if _ours(rates):
        return repr(rates)
    sampled = [repr(float(rates.at(step))) for step in _STEPS]
    return f"{type(rates).__qualname__}, rates {_hash(sampled)}"


def _ours(rates: Any) -> bool:
    """Whether a schedule, and all of which it is made, are told by how they are written."""
    if isinstance(rates, tuple):
        return all(map(_ours, rates))
    if not isinstance(rates, Schedule):
        return not callable(rates)
    if not type(rates).__module__.startswith("graphcnn.learning.schedules."):
        return False
    return all(_ours(getattr(rates, f.name)) for f in fields(rates))
