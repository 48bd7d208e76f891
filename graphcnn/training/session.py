"""A training session: the compiled step of one model, its states, and one step at a time.

`fit` is written on top of it, and so may be anyone's own loop. Both leave the same model behind, to
the bit where they take the same batches in the same order:

    with cnn.Session(model, "cross_entropy", cnn.SGD(0.1), data=train) as session:
        for images, labels in train.epoch(0, 0, 64):  # seed, epoch, items of a batch
            print(session.step(images, labels)["loss"])

From its first step until `sync`, which the end of `with` calls, the states of the model are those
of the session: whoever reads the model reads the values after the last step, and what is written
into the model (clipped weights, a moving average) is what the next step begins with.

`session.learning_rate = 0.01` sets the rate of the steps from then on, as a search for the largest
that works does.

`data` has its targets checked before the first step. A session without it takes over normalisation
and classes from the data set that the first images are a batch of.
"""

import math
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Never, Self

import numpy as np

from graphcnn.compile.engine import Arrays, Engine, make_engine
from graphcnn.compile.pipelines import training_graph
from graphcnn.data.batch_parts import source_of
from graphcnn.data.dataset import Dataset
from graphcnn.data.normalisation import as_numbers
from graphcnn.errors import DataError, TrainingError
from graphcnn.ir.cells import Loan
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.node import Array, Node
from graphcnn.ir.plan import same_gradients
from graphcnn.ir.tensor_type import TensorType
from graphcnn.language.arguments import is_int
from graphcnn.learning.losses import known_loss, target_type
from graphcnn.learning.metrics import Metrics, Objective
from graphcnn.learning.metrics.base import numbers
from graphcnn.learning.objective import measures_of
from graphcnn.learning.optimizers import Optimizer
from graphcnn.learning.optimizers import optimizer as make_optimizer
from graphcnn.learning.optimizers.base import AVERAGE, AVERAGED
from graphcnn.learning.probabilities import tell
from graphcnn.learning.schedules import schedule
from graphcnn.learning.target_rule import TARGET, WEIGHTS, TargetRule
from graphcnn.network.feeding import (
    Data,
    as_dataset,
    at_least_one,
    item_feeds,
    items_along,
    own_labels,
    prediction_type,
)
from graphcnn.network.network import Network
from graphcnn.ops.norm import BatchNormTrain
from graphcnn.passes.training.apply_optimizer import (
    LEARNING_RATE,
    setting_key,
    settings_at,
    slot_key,
)
from graphcnn.passes.training.training_mode import SEED, STEP
from graphcnn.runtime.execution import Execution
from graphcnn.runtime.reference import Ready
from graphcnn.training.adoption import adopt_data, adopt_run
from graphcnn.training.lending import first_not_finite, made_loan


class Session:
    """One model in training.

    Args:
        loss, optimizer, metrics: as in `fit`.
        seed: of weights not drawn yet, and of the random numbers inside the step (dropout).
        data: what is trained on, to check its targets and to take over normalisation and classes.
        target: type of the targets, where loss and data do not tell. A loss of your own then takes
            what the first step brings.
        shards: into how many parts the batch of a step is cut, as in `fit`.
        teach: whether the model learns with what it was trained: normalisation, classes, loss and
            seed.
        runtime: "native" or "reference"; None is the default one.
        threads, precision, tune: of the native runtime; see `fit`.
    """

    def __init__(
        self,
        model: Network,
        loss: str | Objective = "cross_entropy",
        optimizer: str | Optimizer = "sgd",
        metrics: Metrics = None,
        *,
        seed: int = 0,
        data: Data | None = None,
        target: TensorType | None = None,
        shards: int = 1,
        teach: bool = True,
        runtime: str | None = None,
        threads: int | None = None,
        precision: str | None = None,
        tune: bool | None = None,
    ) -> None:
        known = known_loss(loss)
        self.model, self.loss, self.seed = model, known.spec, checked_seed(seed)
        self.optimizer = make_optimizer(optimizer)
        self._metrics, self._kind, self.shards = metrics, target, at_least_one(shards, "shards")
        self.measures = measures_of(loss, metrics)
        self.execution = Execution.of(runtime, threads, precision, tune)
        self.learning_rate = self.optimizer.learning_rate
        #: The rate of the last step of this session.
        self.last_rate: float | None = None
        self._built: _Built | None = None
        self._to_teach_run = self._to_teach_data = teach
        self._definition = model.graph
        tell(model.name, next(iter(model.graph.outputs.values())), known)
        model.initialize_missing(self.seed)
        if data is not None:
            own = as_dataset(data, model, loss=self.loss)
            built = self._build(own.target_sample)
            built.rule.check(own.labels)  # all of them now, not at step 900
            self._take_over(built, own)
        elif target is not None or known.target is not None:
            self._build(None)

    def __reduce__(self) -> Never:
        raise TrainingError("a session is not copied or pickled; its model is")

    def _build(self, targets: Array | None) -> "_Built":
        """Make the step, for targets like these."""
        kind = self._kind or target_type(self.loss, prediction_type(self.model), targets)

        told = self.model.graph, self.loss, self.optimizer, self._metrics, kind
        graph = training_graph(*told, shards=self.shards)

        @cache
        def keeping() -> Graph:
            return training_graph(*told, keep_gradients=True, shards=self.shards)

        values = self.model.states.snapshot()
        states: dict[str, Array] = {}
        for value in graph.states:
            state = state_of(value)
            known = values.get(state.key)
            states[state.key] = (
                state.initial(value.type, self.seed, state.key) if known is None else known
            )
        if SEED in states:  # a graph without random numbers has none
            states[SEED] = np.array(self.seed, np.int64)
        engine = make_engine(graph, states, self.execution, keeping)
        loan = made_loan(self.model.graph, graph, engine, values)
        weakref.finalize(self, loan.abandon).atexit = False
        self._built = _Built(
            graph, engine, loan, TargetRule.of(graph), _of_one_pixel(graph), keeping
        )
        return self._built

    @property
    def _step(self) -> "_Built":
        """The step, made now if nothing told so far what the targets are."""
        return self._built or self._build(None)

    @property
    def _engine(self) -> Engine:
        return self._step.engine

    @property
    def _loan(self) -> Loan:
        return self._step.loan

    @property
    def graph(self) -> Graph:
        """The whole training step: forward, loss, backward and update."""
        return self._step.graph

    @property
    def needs_several(self) -> Node | None:
        """A batch normalisation that has no spread to divide by in a batch of one item."""
        return self._step.of_one_pixel

    def _take_over(self, built: "_Built", data: Dataset | None) -> None:
        if self._to_teach_run:
            adopt_run(self.model, self.loss, self.seed)
            self._to_teach_run = False
        if self._to_teach_data and data is not None:
            adopt_data(self.model, data, built.rule)
            self._to_teach_data = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sync()

    @property
    def steps(self) -> int:
        """Steps taken."""
        return int(self._engine.state(STEP))

    @property
    def learning_rate(self) -> float:
        """The rate of the next step. Setting it, also to a schedule, replaces that so far."""
        return self._schedule.at(self.steps + 1 if self._built else 1)

    @learning_rate.setter
    def learning_rate(self, rate: Any) -> None:
        found = schedule(rate)
        found.check_resolved()
        self._schedule = found

    def rate_at(self, step: int) -> float:
        """The rate of a step, counted from 1, by the schedule that holds now."""
        return self._schedule.at(step)

    @property
    def states(self) -> dict[str, Array]:
        """The values of all states by name, the optimiser's included, after the last step."""
        with self._loan.still():
            own = self.model.states.snapshot()
            keys = [state_of(v).key for v in self.graph.states]
            return {k: own[k] if k in own else self._engine.state(k) for k in keys}

    def averaged(self) -> dict[str, Array] | None:
        """The running means of the trained parameters by name, where the optimiser keeps some
        (`EMA`, `SWA`), else None. Before anything is averaged they are the parameters."""
        if not self.optimizer.averages:
            return None
        states = self.states
        begun = bool(states[setting_key(AVERAGED)])
        trained = [state_of(p).key for p in self.model.graph.parameters]
        return {key: states[slot_key(key, AVERAGE) if begun else key] for key in trained
                if slot_key(key, AVERAGE) in states}  # fmt: skip

    def load(self, states: Mapping[str, Array]) -> None:
        """Replace the values of states, as when a run is resumed."""
        with self._loan.stepping():
            self._engine.load(states)

    def step(
        self, images: Any, targets: Any, weights: Any = None, *, ready: Ready | None = None
    ) -> dict[str, float]:
        """Train on one batch; returns its loss and metrics, taken before the update: `step_outputs`
        as numbers.

        `ready(gradients)` is called between the backward pass and the update with the gradients by
        the names of their parameters, and may change the arrays in place: the optimiser, its
        clipping too, takes what it leaves. An error that it raises leaves the states as they were.
        """
        outputs = self.step_outputs(images, targets, weights, ready)
        return numbers(self.measures, outputs, self.model.classes)

    def step_outputs(
        self, images: Any, targets: Any, weights: Any = None, ready: Ready | None = None
    ) -> dict[str, Array]:
        """Train on one batch; returns its loss, and of its metrics what adds up over batches.

        `images` are what `predict` takes: an array, or for several inputs a dict or a tuple.
        `targets` are an array, or for several outputs a dict; `weights` say how much each item
        counts in the loss.
        Labels of a batch of a data set are found by the names of their classes.
        Raises `TrainingError` naming the first node whose result is not finite where the loss is
        not, or a batch normalisation that would see a single number; the states are then those
        before the step.
        """
        built, feeds = self._fed(images, targets, weights)
        with built.loan.stepping(), np.errstate(all="ignore"):  # NumPy's warnings: see below
            step = self.steps + 1
            self.last_rate = rate = self._schedule.at(step)
            settings = settings_at(self.optimizer, step, rate)
            outputs = built.engine.step(feeds, settings, _is_finite, ready)
            if not _is_finite(outputs):
                raise TrainingError(self._explain(feeds, float(outputs["loss"])))
        return outputs

    def gradients(self, images: Any, targets: Any, weights: Any = None) -> dict[str, Array]:
        """The gradients of the loss of one batch, by the names of the parameters; no step is taken.

        They are those that the next step would give its optimiser for these arguments, before any
        clipping: of the training form, with the statistics of the batch and that step's dropout,
        of all shards. The states stay as they are, averages and counters too. Parameters that are
        frozen have none. Compiled at the first call; the errors are those of `step`.
        """
        built, feeds = self._fed(images, targets, weights)
        found: dict[str, Array] = {}

        def look(gradients: Mapping[str, Array]) -> None:
            found.update({name: array.copy() for name, array in gradients.items()})
            for name, first in same_gradients(built.keeping()).items():
                found[name] = gradients[first].copy()  # one array in the step

        with built.loan.stepping(), np.errstate(all="ignore"):
            outputs = built.engine.step(feeds, {}, lambda _: False, look)
            if not _is_finite(outputs):
                raise TrainingError(self._explain(feeds, float(outputs["loss"])))
        return found

    def _fed(self, images: Any, targets: Any, weights: Any) -> "tuple[_Built, dict[str, Array]]":
        """The step, and what it is fed for a batch."""
        built = self._built or self._build(as_numbers(targets))
        if self._to_teach_run or self._to_teach_data:
            self._take_over(built, source_of(images))
        targets = own_labels(targets, self.model)
        feeds = item_feeds(self.model, images, learning=True)
        checked = built.rule.check(targets)
        feeds[TARGET] = items_along(checked, built.rule.kind.shape)
        if weights is not None:
            feeds[WEIGHTS] = np.asarray(weights, np.float32)
        if built.of_one_pixel is not None and len(checked) // self.shards == 1:
            raise TrainingError(one_pixel_message(built.of_one_pixel))
        if self.model.graph is not self._definition:
            raise TrainingError(
                "what is trained of the model has changed since this session began (freeze, "
                "unfreeze); go on with a new Session"
            )
        return built, feeds

    def sync(self) -> None:
        """Give the values of the states back to the model, and let others train it.

        A further step takes them again, with the values that they have by then.
        """
        if self._built is not None:
            self._built.loan.end()

    def share(self) -> None:
        """Take the states of the model now, and not with the first step."""
        with self._loan.stepping():
            pass

    def hold(self) -> None:
        """Take the states, and let no other session train them until `sync`.

        Raises `TrainingError` where another has done so.
        """
        self._loan.hold_alone()
        self._take_over(self._step, None)

    def _explain(self, feeds: Mapping[str, Array], loss: float) -> str:
        """Run the step again, watching, to find where the numbers went wrong."""
        found = first_not_finite(self.graph, feeds, self._engine.states())
        rate = float(self._engine.state(LEARNING_RATE))
        text = f"the loss is {loss} at step {self.steps + 1}"
        if found is None:
            return text
        return (
            f"{text}; {found}. The learning rate was {rate:g}: try a smaller one, or clip_norm. "
            "The weights are those before this step."
        )


def checked_seed(seed: Any) -> int:
    """A seed as a number of 64 bits, which is what the generator takes."""
    if not is_int(seed):
        raise DataError(f"seed must be an int, found {seed!r}")
    if not -(2**63) <= seed < 2**63:
        raise DataError(f"seed must be at least -2^63 and less than 2^63, found {seed}")
    return int(seed)


@dataclass(frozen=True)
class _Built:
    """The step once the type of the targets is known."""

    graph: Graph
    engine: Engine
    loan: Loan
    rule: TargetRule
    of_one_pixel: Node | None
    #: Makes the form of the step that keeps its gradients.
    keeping: Callable[[], Graph]


def _of_one_pixel(graph: Graph) -> Node | None:
    """The first batch normalisation whose items have one pixel."""
    norms = (n for n in graph.nodes if isinstance(n.op, BatchNormTrain))
    return next((n for n in norms if math.prod(n.inputs[0].shape[2:]) == 1), None)


def one_pixel_message(node: Node) -> str:
    """Why a batch of one item cannot be trained on."""
    where = f" ({node.origin.location})" if node.origin.location else ""
    return (
        f'batch_norm "{node.name}"{where} sees one number per channel in a batch of one item: its '
        "variance is 0, and the result does not depend on the item. Take batches of two or more; "
        "drop_last=True leaves out a last batch that is too short"
    )


def _is_finite(outputs: Arrays) -> bool:
    return bool(np.isfinite(outputs["loss"]))
