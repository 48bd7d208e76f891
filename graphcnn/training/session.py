"""A training session: the compiled step of one model, its states, and one step at a time.

`fit` is written on top of it, and so may be anyone's own loop:

    session = Session(model, "cross_entropy", cnn.SGD(0.1))
    for images, labels in train.batches(64):
        print(session.step(images, labels)["loss"])
    session.sync()
"""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from graphcnn.compile import training_graph
from graphcnn.errors import TrainingError
from graphcnn.feeding import targets_for
from graphcnn.graph import Graph, state_of
from graphcnn.ir import Array, Node
from graphcnn.objective import TARGET, Metrics, Objective
from graphcnn.optimizers import Optimizer
from graphcnn.optimizers import optimizer as make_optimizer
from graphcnn.passes.apply_optimizer import LEARNING_RATE
from graphcnn.passes.training_mode import SEED, STEP
from graphcnn.runner import batch_size
from graphcnn.runtime.reference import Reference
from graphcnn.schedules import schedule
from graphcnn.tensor_type import TensorType
from graphcnn.training.engine import Arrays, make_engine

if TYPE_CHECKING:
    from graphcnn.model import Model


class Session:
    """One model in training.

    Attributes:
        graph: the whole training step: forward, loss, backward and update.

    Args:
        seed: of the random numbers inside the step (dropout).
        target: type of the targets, where the loss does not tell.
        runtime: "native" or "reference"; None is the default one.
        threads, precision, tune: of the native runtime; see `fit`.
    """

    def __init__(
        self,
        model: "Model",
        loss: str | Objective = "cross_entropy",
        optimizer: str | Optimizer = "sgd",
        metrics: Metrics = None,
        *,
        seed: int = 0,
        target: TensorType | None = None,
        runtime: str | None = None,
        threads: int | None = None,
        precision: str | None = None,
        tune: bool | None = None,
    ) -> None:
        self.model = model
        self.optimizer = make_optimizer(optimizer)
        self.graph: Graph = training_graph(model.graph, loss, self.optimizer, metrics, target)
        self._schedule = schedule(self.optimizer.learning_rate)
        self._target = next(v.type for v in self.graph.inputs if v.node.name == TARGET)
        states: dict[str, Array] = {}
        for value in self.graph.states:
            state = state_of(value)
            known = model.states.get(state.key)
            states[state.key] = (
                state.initial(value.type, seed, state.key) if known is None else known
            )
        if SEED in states:  # a graph without random numbers has none
            states[SEED] = np.array(seed, np.int64)
        self._engine = make_engine(self.graph, states, runtime, threads, precision, tune)
        self._keys = [key for key in model.states if key in states]
        self._shares = False
        model.states.drop()

    @property
    def steps(self) -> int:
        """Steps taken."""
        return int(self._engine.state(STEP))

    @property
    def states(self) -> dict[str, Array]:
        """The values of all states by name, the optimiser's included, after the last step."""
        return self._engine.states()

    def load(self, states: Mapping[str, Array]) -> None:
        """Replace the values of states, as when a run is resumed."""
        self._engine.load(states)
        self._forget()

    def step(self, images: Any, targets: Any) -> dict[str, float]:
        """Train on one batch; returns its loss and metrics, taken before the update.

        Raises `TrainingError` naming the first node whose result is not finite where the loss is
        not; the states are then those before the step.
        """
        feeds = {
            self.graph.inputs[0].node.name: self.model.prepare(images),
            TARGET: targets_for(self.model, self._target, targets),
        }
        rate = np.array(self._schedule.at(self.steps + 1), np.float32)
        self._forget()
        with np.errstate(all="ignore"):  # what NumPy would warn of is explained below
            outputs = self._engine.step(feeds, {LEARNING_RATE: rate}, _is_finite)
        if not _is_finite(outputs):
            raise TrainingError(self._explain(feeds, float(outputs["loss"])))
        return {name: float(value) for name, value in outputs.items()}

    def sync(self) -> None:
        """Give the model the current values of its states."""
        self.model.update_states({key: self._engine.state(key) for key in self._keys})
        self._shares = False

    def share(self) -> None:
        """Let the model read its states here from now on, so that they are in memory only once.

        It then has the current values, whatever steps follow; `sync` gives it values of its own.
        """
        for key in self._keys:
            self.model.states.put_later(key, partial(self._engine.state, key))
        self._shares = True

    def _forget(self) -> None:
        """The states are about to change: what the model read here is out of date."""
        if self._shares:
            self.model.states.drop()

    def _explain(self, feeds: Mapping[str, Array], loss: float) -> str:
        """Run the step again, watching, to find where the numbers went wrong."""
        found: list[Node] = []

        def watch(node: Node, results: tuple[Array, ...]) -> None:
            bad = any(a.dtype.kind == "f" and not np.isfinite(a).all() for a in results)
            if bad and not found:
                found.append(node)

        with np.errstate(all="ignore"):
            n = batch_size(feeds)
            Reference(self.graph.bind(N=n)).run(feeds, self.states, watch)
        text = f"the loss is {loss} at step {self.steps + 1}"
        if not found:
            return text
        node = found[0]
        origin = node.origin
        label = node.name or (f"gradient of {origin.forward}" if origin.forward else "")
        where = f" ({origin.location})" if origin.location else ""
        return (
            f'{text}; the first value that is not finite is made by {node.op.name} "{label}"'
            f"{where}. The learning rate was {float(self.states[LEARNING_RATE]):g}: try a smaller "
            "one, or clip_norm. The weights are those before this step."
        )


def _is_finite(outputs: Arrays) -> bool:
    return bool(np.isfinite(outputs["loss"]))
