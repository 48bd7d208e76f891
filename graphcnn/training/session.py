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

import weakref
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Never, Self

import numpy as np

from graphcnn.compile.engine import Arrays, Asked, Engine, Form
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
from graphcnn.learning.aim import Losses, aim_of
from graphcnn.learning.goals import Goals
from graphcnn.learning.metrics import Metrics
from graphcnn.learning.metrics.base import numbers
from graphcnn.learning.objective import measures_of, tell_losses
from graphcnn.learning.optimizers import Optimizer
from graphcnn.learning.optimizers import optimizer as make_optimizer
from graphcnn.learning.schedules import schedule
from graphcnn.learning.targets import fed_types, given_types, tells_targets
from graphcnn.network.feeding import Data, as_dataset, at_least_one, item_feeds, own_labels
from graphcnn.network.network import Network
from graphcnn.network.usual_loss import usual_loss
from graphcnn.passes.training.apply_optimizer import averages_among, settings_at
from graphcnn.passes.training.training_mode import STEP
from graphcnn.runtime.execution import Execution
from graphcnn.runtime.reference import Ready
from graphcnn.training.adoption import adopt_data, adopt_run
from graphcnn.training.built import Built, built_step, loss_explained
from graphcnn.training.one_item import refuse_one_item


class Session:
    """One model in training.

    Args:
        loss, optimizer, metrics, loss_weights, penalties: as in `fit`.
        seed: of weights not drawn yet, and of the random numbers inside the step (dropout).
        data: what is trained on, to check its targets and to take over normalisation and classes.
        target: type of the targets, where loss and data do not tell, or a dict of types by outputs.
            Without it a loss takes what the first step brings.
        shards: into how many parts the batch of a step is cut, as in `fit`.
        teach: whether the model learns with what it was trained: normalisation, classes, loss and
            seed.
        runtime: "native" or "reference"; None is the default one.
        threads, precision, tune: of the native runtime; see `fit`.
    """

    def __init__(
        self,
        model: Network,
        loss: Losses | None = None,
        optimizer: str | Optimizer | Mapping[str, str | Optimizer] = "sgd",
        metrics: Metrics = None,
        *,
        seed: int = 0,
        data: Data | None = None,
        target: TensorType | Mapping[Any, TensorType] | None = None,
        loss_weights: Mapping[Any, float] | Sequence[float] | None = None,
        penalties: Mapping[str, Any] | None = None,
        shards: int = 1,
        teach: bool = True,
        runtime: str | None = None,
        threads: int | None = None,
        precision: str | None = None,
        tune: bool | None = None,
    ) -> None:
        self.model, self.seed = model, checked_seed(seed)
        self.loss = aim_of(usual_loss(model, loss), loss_weights, penalties)
        self.optimizer = make_optimizer(optimizer)
        self._metrics, self.shards = metrics, at_least_one(shards, "shards")
        self._types = given_types(self.loss, model.graph, target)
        self.measures = measures_of(self.loss, model.graph, metrics)
        self.execution = Execution.of(runtime, threads, precision, tune)
        self.learning_rate = self.optimizer.learning_rate
        #: The rate of the last step of this session.
        self.last_rate: float | None = None
        self._built: Built | None = None
        self._to_teach_run = self._to_teach_data = teach
        self._definition = model.graph
        tell_losses(model.graph, self.loss)
        model.initialize_missing(self.seed)
        if data is not None:
            own = as_dataset(data, model, loss=self.loss)
            kinds = fed_types(self.loss, model.graph, own.target_sample, own.weights)
            self._types = self._types or kinds
            built = self._build()
            built.targets.check(own.labels)  # all of them now, not at step 900
            self._take_over(built, own)
        elif target is not None or tells_targets(self.loss, model.graph):
            self._build()

    def __reduce__(self) -> Never:
        raise TrainingError("a session is not copied or pickled; its model is")

    def _build(self) -> Built:
        """Make the step, for targets and weights of the types that are known."""
        definition, values = self.model.graph, self.model.states.snapshot()
        types = self._types or fed_types(self.loss, definition)
        built = self._built = built_step(
            definition, values, self.loss, self.optimizer, self._metrics, types, self.seed,
            self.shards, self.execution,
        )  # fmt: skip
        weakref.finalize(self, built.loan.abandon).atexit = False
        return built

    def _for(self, targets: Any, weights: Any) -> Built:
        """The step for targets and weights of a batch: other ones than were expected make another
        step, which goes on from the states of this one."""
        built = self._built
        later = built is not None and weights is not None and built.targets.weights is None
        if self._types is None or later:
            plain = targets is None or isinstance(targets, Mapping | tuple)
            given = targets if plain else as_numbers(targets)
            each = None if weights is None else np.asarray(weights)
            found = {**fed_types(self.loss, self._definition, given, each), **(self._types or {})}
            self._types = found
            if built is not None and found != built.targets.types:
                states = self.states
                built.loan.end()
                self._build()
                self.load(states)
        return self._built or self._build()

    @property
    def _step(self) -> Built:
        """The step, made now if nothing told so far what the targets are."""
        return self._built or self._build()

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

    def _take_over(self, built: Built, data: Dataset | None) -> None:
        if self._to_teach_run:
            adopt_run(self.model, self.loss, self.seed)
            self._to_teach_run = False
        if self._to_teach_data and data is not None:
            adopt_data(self.model, data, built.targets.first)
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
        trained = [state_of(p).key for p in self.model.graph.parameters]
        if not self.optimizer.averages:
            return None
        apart: dict[str, str] = {}
        if isinstance(self.loss, Goals):
            apart = self.loss.counted_apart(self.model.graph)
        return averages_among(self.states, trained, self.optimizer, apart)

    def load(self, states: Mapping[str, Array]) -> None:
        """Replace the values of states, as when a run is resumed."""
        with self._loan.stepping():
            self._engine.load(states)

    def step(
        self,
        images: Any,
        targets: Any = None,
        weights: Any = None,
        *,
        ready: Ready | None = None,
    ) -> dict[str, float]:
        """Train on one batch; returns its loss and metrics, taken before the update: `step_outputs`
        as numbers. `weights` say how much each item counts in the loss.

        `ready(gradients)` is called between the backward pass and the update with the gradients by
        the names of their parameters, and may change the arrays in place: the optimiser, its
        clipping too, takes what it leaves. An error that it raises leaves the states as they were.
        """
        outputs = self.step_outputs(images, targets, weights, ready)
        return numbers(self.measures, outputs, self.model.classes)

    def step_outputs(
        self, images: Any, targets: Any = None, weights: Any = None, ready: Ready | None = None
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
        if ready is not None and isinstance(self.loss, Goals):
            self.loss.refuse_in_turn("gradients are shown")
        built, feeds = self._fed(images, targets, weights)
        with built.loan.stepping(), np.errstate(all="ignore"):  # NumPy's warnings: see below
            step = self.steps + 1
            self.last_rate = rate = self._schedule.at(step)
            settings = settings_at(self.optimizer, step, rate)
            resting, left = self._resting(step), self._left(step)
            outputs = built.engine.step(Asked(feeds, settings, _is_finite, ready, resting, left))
            if not _is_finite(outputs):
                raise TrainingError(self._explained(feeds, outputs))
        return outputs

    def gradients(self, images: Any, targets: Any = None, weights: Any = None) -> dict[str, Array]:
        """The gradients of the loss of one batch, by the names of the parameters; no step is taken.

        They are those that the next step would give its optimiser for these arguments, before any
        clipping: of the training form, with the statistics of the batch and that step's dropout,
        of all shards. The states stay as they are, averages and counters too. Parameters that are
        frozen have none, nor have those of a group whose rate has fallen to 0 for good, nor those
        of a goal that is not due. Compiled at the first call; the errors are those of `step`, and
        one where a goal comes after another.
        """
        if isinstance(self.loss, Goals):
            self.loss.refuse_in_turn("gradients are shown")
        built, feeds = self._fed(images, targets, weights)
        found: dict[str, Array] = {}
        resting, left = self._resting(self.steps + 1), self._left(self.steps + 1)

        def look(gradients: Mapping[str, Array]) -> None:
            found.update({name: array.copy() for name, array in gradients.items()})
            for name, first in same_gradients(built.forms(Form(True, resting, left))).items():
                found[name] = gradients[first].copy()  # one array in the step

        with built.loan.stepping(), np.errstate(all="ignore"):
            outputs = built.engine.step(Asked(feeds, {}, lambda _: False, look, resting, left))
            if not _is_finite(outputs):
                raise TrainingError(self._explained(feeds, outputs))
        return found

    def apply(self, gradients: Mapping[str, Any]) -> None:
        """Make the update of one step with these gradients, by the names of all that are trained,
        as `gradients` gives them.

        All is as in `step` from there on: clipping, the schedule, the states of the optimiser and
        its averages, the count of steps. What comes of a batch alone, the statistics of batch
        norms, stays. Compiled at the first call. Raises `TrainingError` naming the first gradient
        that is missing, unknown, of another shape or not finite; the states then stay.
        """
        if isinstance(self.loss, Goals):
            self.loss.refuse_parts()
        built = self._step
        self._check_unchanged()
        self._take_over(built, None)
        update = built.update(self._resting(self.steps + 1))
        feeds = update.fed(gradients)
        with built.loan.stepping(), np.errstate(all="ignore"):
            step = self.steps + 1
            self.last_rate = rate = self._schedule.at(step)
            update.apply(feeds, settings_at(self.optimizer, step, rate), built.engine)

    def _resting(self, step: int) -> frozenset[str]:
        """The parameters that no step from this one on changes."""
        return frozenset(name for name, first in self._rests_from.items() if step >= first)

    def _left(self, step: int) -> frozenset[str]:
        """The goals that a step does not have."""
        return self.loss.left(step) if isinstance(self.loss, Goals) else frozenset()

    @cached_property
    def _rests_from(self) -> dict[str, int]:
        parameters = {state_of(p).key: p for p in self._definition.parameters}
        return self.optimizer.rests_from(parameters)

    def _check_unchanged(self) -> None:
        if self.model.graph is not self._definition:
            raise TrainingError(
                "what is trained of the model has changed since this session began (freeze, "
                "unfreeze); go on with a new Session"
            )

    def _fed(self, images: Any, targets: Any, weights: Any) -> tuple[Built, dict[str, Array]]:
        """The step, and what it is fed for a batch."""
        built = self._for(targets, weights)
        if self._to_teach_run or self._to_teach_data:
            self._take_over(built, source_of(images))
        targets = own_labels(targets, self.model)
        feeds = item_feeds(self.model, images, learning=True)
        feeds.update(built.targets.feeds(targets, weights))
        refuse_one_item(built.of_one_pixel, self.model.graph, feeds, self.shards)
        self._check_unchanged()
        return built, feeds

    def _explained(self, feeds: Arrays, outputs: Arrays) -> str:
        return loss_explained(float(outputs["loss"]), self.graph, feeds, self._engine.states())

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


def checked_seed(seed: Any) -> int:
    """A seed as a number of 64 bits, which is what the generator takes."""
    if not is_int(seed):
        raise DataError(f"seed must be an int, found {seed!r}")
    if not -(2**63) <= seed < 2**63:
        raise DataError(f"seed must be at least -2^63 and less than 2^63, found {seed}")
    return int(seed)


def _is_finite(outputs: Arrays) -> bool:
    return bool(np.isfinite(outputs["loss"]))
