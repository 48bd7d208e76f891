"""What is diagnosed: a copy of a model with data, loss and optimiser, as `fit` would have them."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from graphcnn.compile.runner import Runner
from graphcnn.data.dataset import Dataset
from graphcnn.data.given import each_of
from graphcnn.data.streams import Stream
from graphcnn.doctor.constants import Constants
from graphcnn.doctor.overfit import Overfit
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.node import Array, Node, Value
from graphcnn.learning.aim import Losses, Term, terms_of
from graphcnn.learning.objective import with_loss
from graphcnn.learning.optimizers import Optimizer
from graphcnn.learning.schedules import schedule
from graphcnn.learning.targets import Targets, fed_types
from graphcnn.network.feeding import item_feeds, own_labels
from graphcnn.network.network import Network
from graphcnn.passes.driver.base import Pipeline
from graphcnn.passes.training.training_mode import TrainingMode
from graphcnn.runtime.execution import Execution
from graphcnn.training.lr_find import RateSweep
from graphcnn.training.session import Session

#: Items that are looked at, of larger data, evenly spaced.
LOOKED_AT: Final = 1000
#: Steps of one epoch whose rates are compared with those that were found.
_RATES: Final = 1000


@dataclass(eq=False)
class Evidence:
    """What checks measured, for others and for the pictures. None and {} are not measured.

    Attributes:
        start, constants: the loss before the first step, and those it is compared with.
        signals: what layers give before the first step.
        gradients: their norms for the first batch, by the names of parameters.
        updates, step_gradients: of the first steps, by kernels: |change| / |weights|, and norms.
        losses: of these steps.
        sweep, overfit: of learning rates, and of one batch; the second time with the rate found.
    """

    start: float | None = None
    constants: Constants | None = None
    signals: "tuple[Signal, ...]" = ()
    gradients: dict[str, float] | None = None
    updates: dict[str, list[float]] = field(default_factory=dict)
    step_gradients: dict[str, list[float]] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)
    sweep: RateSweep | None = None
    overfit: Overfit | None = None
    overfit_again: Overfit | None = None


@dataclass(frozen=True, eq=False)
class Signal:
    """What a layer gives before the first step.

    Attributes:
        op: the operator.
        units, dead: channels, or units of a dense layer, and how many of them are 0 for all items.
        zero: share of numbers that are 0.
        saturated: share of numbers that lie at the ends of an activation with two, where its slope
            is nearly 0; None where it has none.
        values: some of the numbers, in order of their places.
    """

    name: str
    op: str
    mean: float
    std: float
    units: int
    dead: int
    zero: float
    saturated: float | None
    images: int
    values: Array


@dataclass(eq=False)
class Case:
    """What all checks look at. Nothing in it is the user's: the model is a copy.

    Attributes:
        trained: whether the weights are others than those that are drawn at first.
        session: takes no step; tells what one would find.
        steps: of the longest trials.
    """

    model: Network
    data: Dataset
    test: Dataset | None
    loss: Losses
    optimizer: Optimizer
    batch_size: int
    seed: int
    shuffle: bool
    steps: int
    execution: Execution
    trained: bool
    session: Session
    evidence: "Evidence" = field(default_factory=lambda: Evidence())

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        return terms_of(self.loss, self.model.graph)

    @cached_property
    def targets(self) -> Targets:
        """The checks of targets, of all losses."""
        graph = self.model.graph
        types = fed_types(self.loss, graph, self.data.target_sample, self.data.weights)
        return Targets.of(with_loss(graph, self.loss, {}, types), graph.outputs)

    @cached_property
    def sample(self) -> tuple[Any, Any]:
        """Items as they were read, and their labels, of up to `LOOKED_AT`, evenly spaced."""
        return sample_of(self.data, LOOKED_AT, self.batch_size)

    @cached_property
    def images(self) -> Array:
        """Those of the sample; the first input where there are several."""
        items = self.sample[0]
        first = next(iter(items.values())) if isinstance(items, Mapping) else items
        return np.asarray(first)

    @cached_property
    def known_targets(self) -> dict[str, Array]:
        """All targets by the names of their losses, as they are fed; of a stream, the sample's."""
        stream = isinstance(self.data, Stream)
        labels = self.sample[1] if stream else self.data.labels
        return self.targets.check(own_labels(labels, self.model))

    @cached_property
    def sampled_targets(self) -> dict[str, Array]:
        """Those of the sample."""
        return self.targets.check(own_labels(self.sample[1], self.model))

    @cached_property
    def batch(self) -> tuple[Any, ...]:
        """The first batch of `fit`."""
        return next(iter(self.batches()))

    def batches(self) -> Iterator[tuple[Any, ...]]:
        """Those of the first epoch."""
        return self.data.epoch(self.seed, 0, self.batch_size, shuffle=self.shuffle)

    @cached_property
    def rate(self) -> float:
        """The largest learning rate of the first epoch."""
        steps = min(self.data.steps(self.batch_size, False) or 1, _RATES)
        found = schedule(self.optimizer.learning_rate)
        return max(found.at(step) for step in range(1, steps + 1))

    def fresh(self) -> Network:
        """Another copy, to train on."""
        return copy.deepcopy(self.model)

    @property
    def machine(self) -> dict[str, Any]:
        """The options of `fit` that say how it is run."""
        how = self.execution
        return {
            "runtime": how.runtime,
            "threads": how.threads,
            "precision": how.precision,
            "tune": how.tune,
        }

    # Looking into the network

    def runner(self, outputs: Mapping[str, Value]) -> Runner:
        """What computes these values of the network in training form: with the statistics of the
        batch, and with the dropout of the first step."""
        graph = Pipeline((TrainingMode(),)).run(self.model.graph.with_outputs(outputs))
        return Runner(graph.with_outputs(graph.outputs, {}), self.execution)

    def loss_of(self, joint: Graph, inputs: Any, targets: Mapping[str, Array]) -> float:
        """The loss of some items in training form, of a graph with a loss."""
        graph = Pipeline((TrainingMode(),)).run(joint)
        runner = Runner(graph.with_outputs({"loss": graph.outputs["loss"]}, {}), self.execution)
        with np.errstate(all="ignore"):
            return float(self.run(runner, inputs, targets)["loss"])

    def run(
        self, runner: Runner, inputs: Any, more: Mapping[str, Array] = MappingProxyType({})
    ) -> Mapping[str, Array]:
        """Its outputs for some items, with what else it is fed."""
        states = {**self.session.states}
        for value in runner.graph.states:
            state = state_of(value)
            if state.key not in states:
                states[state.key] = state.initial(value.type, self.seed, state.key)
        return runner.run({**item_feeds(self.model, inputs, learning=True), **more}, states)[0]


def sample_of(data: Dataset, most: int, batch_size: int) -> tuple[Any, Any]:
    """Items and labels of up to `most`, evenly spaced; of a stream the first."""
    if isinstance(data, Stream):
        parts: list[tuple[Any, ...]] = []
        count = 0
        for batch in data.epoch(None, 0, batch_size):
            parts.append(batch)
            count += len(
                next(iter(batch[1].values())) if isinstance(batch[1], Mapping) else batch[1]
            )
            if count >= most:
                break
        return _joined([p[0] for p in parts]), _joined([p[1] for p in parts])
    count = len(data)
    places = np.arange(count) if count <= most else np.arange(most) * count // most
    items, labels = data.batch(places)[:2]
    return each_of(items, np.asarray), labels


def _joined(parts: list[Any]) -> Any:
    if isinstance(parts[0], Mapping):
        return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    return np.concatenate([np.asarray(part) for part in parts])


def place(node: Node) -> str:
    """A node in words: `relu "conv1.relu" (net.py:12)`."""
    where = f" ({node.origin.location})" if node.origin.location else ""
    return f'{node.op.name} "{node.name}"{where}' if node.name else f"{node.op.name}{where}"


def norm(array: Array) -> float:
    """The Euclidean norm, added up in float64, in one order."""
    return float(np.sqrt(np.sum(np.square(array, dtype=np.float64))))
