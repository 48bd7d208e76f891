"""A training session: the compiled step of one model, its states, and one step at a time.

`fit` is written on top of it, and so may be anyone's own loop:

    session = Session(model, "cross_entropy", cnn.SGD(0.1))
    for images, labels in train.batches(64):
        print(session.step(images, labels)["loss"])
    session.sync()

From its first step until `sync` the states of the model are those of the session: whoever reads
the model reads the values after the last step, and what is written into the model (clipped weights,
a moving average) is what the next step begins with.
"""

import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from graphcnn.cells import Loan
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
        values = model.states.snapshot()
        states: dict[str, Array] = {}
        for value in self.graph.states:
            state = state_of(value)
            known = values.get(state.key)
            states[state.key] = (
                state.initial(value.type, seed, state.key) if known is None else known
            )
        if SEED in states:  # a graph without random numbers has none
            states[SEED] = np.array(seed, np.int64)
        self._engine = make_engine(self.graph, states, runtime, threads, precision, tune)
        self._loan = self._made_loan(values)
        self._definition = model.graph
        weakref.finalize(self, self._loan.abandon).atexit = False

    def _made_loan(self, values: Mapping[str, Array]) -> Loan:
        """The states that the steps update are held, the others (frozen ones) only read."""
        wanted = {state_of(v).key for v in self.graph.states}
        updated = {state_of(v).key for v in self.graph.updates}
        found = {s.key: s.cell for s in map(state_of, self.model.graph.states) if s.key in wanted}
        loan = Loan(
            self._engine,
            {cell: key for key, cell in found.items() if key in updated},
            {cell: key for key, cell in found.items() if key not in updated},
        )
        loan.given({cell: values[key] for key, cell in found.items()})
        return loan

    @property
    def steps(self) -> int:
        """Steps taken."""
        return int(self._engine.state(STEP))

    @property
    def states(self) -> dict[str, Array]:
        """The values of all states by name, the optimiser's included, after the last step."""
        with self._loan.still():
            own = self.model.states.snapshot()
            keys = [state_of(v).key for v in self.graph.states]
            return {k: own[k] if k in own else self._engine.state(k) for k in keys}

    def load(self, states: Mapping[str, Array]) -> None:
        """Replace the values of states, as when a run is resumed."""
        with self._loan.stepping():
            self._engine.load(states)

    def step(self, images: Any, targets: Any) -> dict[str, float]:
        """Train on one batch; returns its loss and metrics, taken before the update.

        Raises `TrainingError` naming the first node whose result is not finite where the loss is
        not; the states are then those before the step.
        """
        feeds = {
            self.graph.inputs[0].node.name: self.model.prepare(images),
            TARGET: targets_for(self.model, self._target, targets),
        }
        if self.model.graph is not self._definition:
            raise TrainingError(
                "what is trained of the model has changed since this session began (freeze, "
                "unfreeze); go on with a new Session"
            )
        with self._loan.stepping(), np.errstate(all="ignore"):  # NumPy's warnings: see below
            rate = np.array(self._schedule.at(self.steps + 1), np.float32)
            outputs = self._engine.step(feeds, {LEARNING_RATE: rate}, _is_finite)
            if not _is_finite(outputs):
                raise TrainingError(self._explain(feeds, float(outputs["loss"])))
        return {name: float(value) for name, value in outputs.items()}

    def sync(self) -> None:
        """Give the values of the states back to the model, and let others train it.

        A further step takes them again, with the values that they have by then.
        """
        self._loan.end()

    def share(self) -> None:
        """Take the states of the model now, and not with the first step."""
        with self._loan.stepping():
            pass

    def hold(self) -> None:
        """Take the states, and let no other session train them until `sync`.

        Raises `TrainingError` where another has done so.
        """
        self._loan.hold_alone()

    def _explain(self, feeds: Mapping[str, Array], loss: float) -> str:
        """Run the step again, watching, to find where the numbers went wrong."""
        found: list[Node] = []

        def watch(node: Node, results: tuple[Array, ...]) -> None:
            bad = any(a.dtype.kind == "f" and not np.isfinite(a).all() for a in results)
            if bad and not found:
                found.append(node)

        with np.errstate(all="ignore"):
            n = batch_size(feeds)
            Reference(self.graph.bind(N=n)).run(feeds, self._engine.states(), watch)
        rate = float(self._engine.state(LEARNING_RATE))
        text = f"the loss is {loss} at step {self.steps + 1}"
        if not found:
            return text
        node = found[0]
        origin = node.origin
        label = node.name or (f"gradient of {origin.forward}" if origin.forward else "")
        where = f" ({origin.location})" if origin.location else ""
        return (
            f'{text}; the first value that is not finite is made by {node.op.name} "{label}"'
            f"{where}. The learning rate was {rate:g}: try a smaller "
            "one, or clip_norm. The weights are those before this step."
        )


def _is_finite(outputs: Arrays) -> bool:
    return bool(np.isfinite(outputs["loss"]))
