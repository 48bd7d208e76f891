"""The least value of a formula over some of its parameters, by gradient: no data, no model.

    canvas = cnn.parameter((1, 1, 28, 28), "zeros", name="canvas")
    score = cnn.mean(model(canvas)[:, 7])
    found = cnn.minimise(-score, over=[canvas], optimizer=cnn.Adam(0.05), steps=512)
    image = found.values[0]

The whole step (the loss, its generated gradient, the update) is one graph and one piece of machine
code. `Minimisation` makes that once for any number of runs.
"""

import math
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graphcnn.compile.engine import Arrays, Asked, make_engine
from graphcnn.compile.pipelines import minimising_graph
from graphcnn.errors import DataError, GradientError, GraphError, TrainingError
from graphcnn.ir.cells import Cell
from graphcnn.ir.graph import Graph, state_of, topological_order
from graphcnn.ir.node import Array, Node, Value, build
from graphcnn.ir.sources import Input, Role, State
from graphcnn.language.arguments import is_int
from graphcnn.learning.optimizers import Optimizer
from graphcnn.learning.optimizers import optimizer as make_optimizer
from graphcnn.learning.optimizers.base import AVERAGE
from graphcnn.learning.schedules import schedule
from graphcnn.network.network import Network
from graphcnn.ops.random import Dropout
from graphcnn.passes.training.apply_optimizer import settings_at, slot_key
from graphcnn.passes.training.backward import Rules
from graphcnn.passes.training.training_mode import SEED, STEP
from graphcnn.runtime.execution import Execution
from graphcnn.training.built import first_not_finite, made_loan
from graphcnn.training.session import checked_seed

LOSS = "loss"


@dataclass(frozen=True, eq=False)
class Minimum:
    """What `minimise` found.

    Attributes:
        values: of the parameters, in the order in which they were given.
        history: `loss`, and what was watched, before each step: (steps, ...).
        snapshots: of `values` by the number of steps taken, where some were asked for.
        states: with those of the optimiser and the number of steps, to go on from.
        averaged: the running means of `values`, where the optimiser keeps some (`EMA`, `SWA`).
    """

    values: tuple[Array, ...]
    history: Mapping[str, Array]
    snapshots: Mapping[int, tuple[Array, ...]]
    states: Mapping[str, Array]
    averaged: tuple[Array, ...] | None = None

    @property
    def loss(self) -> Array:
        """The loss before each step."""
        return self.history[LOSS]

    def __repr__(self) -> str:
        loss = self.loss
        course = f", loss {loss[0]:.4g} to {loss[-1]:.4g}" if len(loss) else ""
        return f"<Minimum of {len(self.values)} parameters after {self.states[STEP]} steps{course}>"


class Minimisation:
    """The step of a minimisation, made once; `run` takes steps.

    Args:
        watch: other values of the formula that are noted at every step, by name.
        seed: of the states that have no value yet.
        rules: ways back other than the derivative, as in `cnn.gradients`.
        others: as in `minimise`.
    """

    def __init__(
        self,
        loss: Value,
        over: Value | Sequence[Value],
        optimizer: str | Optimizer = "adam",
        *,
        watch: Mapping[str, Value] | None = None,
        seed: int = 0,
        rules: Rules = "plain",
        execution: Execution | None = None,
    ) -> None:
        self.optimizer = make_optimizer(optimizer)
        self.execution = execution or Execution.of()
        self.parameters = _parameters(over)
        if not isinstance(loss, Value) or loss.shape != () or not loss.dtype.is_float:
            found = loss.type if isinstance(loss, Value) else type(loss).__name__
            raise GradientError(f"only a float scalar can be minimised, found {found}; sum it up")
        outputs = {LOSS: loss, **_watched(watch)}
        cells = [state_of(p).cell for p in self.parameters]
        #: The definition: the loss with the parameters trainable and all else frozen.
        self._network = Network(_inputs(outputs), outputs, "minimise")
        self._network.graph = _fixed(self._network.graph, cells)
        keys = {state_of(s).cell: state_of(s).key for s in self._network.graph.states}
        for parameter, cell in zip(self.parameters, cells, strict=True):
            if cell not in keys:
                raise GradientError(
                    f"the loss does not depend on parameter {_label(parameter)} ({parameter.type})"
                )
        self.keys = [keys[cell] for cell in cells]
        #: The whole step: forward, backward and update.
        self.graph: Graph = minimising_graph(self._network.graph, self.optimizer, rules)
        schedule(self.optimizer.learning_rate).check_resolved()
        self._own = {state_of(s).key: s for s in self.graph.states if state_of(s).cell not in keys}
        self._network.initialize_missing(checked_seed(seed))
        values = self._network.states.snapshot()
        self._engine = make_engine(self.graph, {**values, **self._first(0)}, self.execution)
        self._loan = made_loan(self._network.graph, self.graph, self._engine, values)
        weakref.finalize(self, self._loan.abandon).atexit = False

    def _first(self, seed: int) -> dict[str, Array]:
        """The states of the optimiser, and the number of steps, as a run begins with them."""
        first = {k: state_of(s).initial(s.type, seed, k) for k, s in self._own.items()}
        return {**first, **({SEED: np.array(seed, np.int64)} if SEED in first else {})}

    def run(
        self,
        steps: int = 512,
        *,
        seed: int = 0,
        feeds: Mapping[str, Any] | None = None,
        snapshots: int | Sequence[int] = 0,
        states: Mapping[str, Array] | None = None,
        start: Sequence[Array] | None = None,
    ) -> Minimum:
        """Take steps from the present values of the parameters, or from `start`, one array for
        each. See `minimise`."""
        if not is_int(steps) or steps < 0:
            raise DataError(f"steps must be an int of at least 0, found {steps!r}")
        seed, fed = checked_seed(seed), self._checked({} if feeds is None else feeds)
        begin = self._first(seed) if states is None else self._again(states)
        if start is not None:
            begin.update(zip(self.keys, start, strict=True))
        history: dict[str, list[Array]] = {name: [] for name in self._network.graph.outputs}
        kept: dict[int, tuple[Array, ...]] = {}
        engine = self._engine
        try:
            with self._loan.stepping(), np.errstate(all="ignore"):
                engine.load(begin)
                taken = int(engine.state(STEP))
                wanted = _wanted(snapshots, taken, taken + steps)
                if taken in wanted:
                    kept[taken] = self._values()
                before: dict[str, Array] = {}
                for step in range(taken + 1, taken + steps + 1):
                    now = settings_at(self.optimizer, step, self.optimizer.rate(step))
                    new = {} if now == before else now
                    outputs, before = engine.step(Asked(fed, new, _is_finite)), now
                    for name, noted in history.items():
                        noted.append(outputs[name])
                    if not math.isfinite(outputs[LOSS]):
                        raise TrainingError(self._explain(fed, float(outputs[LOSS]), step))
                    if step in wanted:
                        kept[step] = self._values()
                values, after = self._values(), self._states()
        finally:
            self._loan.end()
        self._refuse_infinite(values)
        kinds = self._network.graph.outputs
        course = {k: np.array(arrays, kinds[k].dtype.numpy) for k, arrays in history.items()}
        slots = [slot_key(key, AVERAGE) for key in self.keys]
        averaged = tuple(after[s] for s in slots) if self.optimizer.averages and steps else None
        return Minimum(values, course, kept, after, averaged)

    def _again(self, states: Any) -> dict[str, Array]:
        """The states of another run, checked: wrong ones would stay in the parameters."""
        wanted = {state_of(s).key: s for s in self.graph.states}
        wanted = {key: wanted[key] for key in (*self._own, *self.keys)}
        if not isinstance(states, Mapping) or states.keys() != wanted.keys():
            raise DataError("states= takes the `states` that a run of the same formula gave")
        for key, state in wanted.items():
            array = np.asarray(states[key])
            if array.shape != state.shape or array.dtype != state.dtype.numpy:
                found = f"{array.dtype}{list(array.shape)}"
                raise DataError(f"states[{key!r}] must be {state.type}, found {found}")
        return {key: np.asarray(array) for key, array in states.items()}

    def _values(self) -> tuple[Array, ...]:
        return tuple(self._engine.state(key) for key in self.keys)

    def _states(self) -> dict[str, Array]:
        return {key: self._engine.state(key) for key in (*self.keys, *self._own)}

    def _checked(self, feeds: Mapping[str, Any]) -> dict[str, Array]:
        """What is fed, of the types of the inputs."""
        wanted = {v.node.name: v for v in self.graph.inputs}
        needs = ", ".join(map(repr, wanted)) or "nothing"
        if not isinstance(feeds, Mapping):
            raise DataError(
                f"the loss reads {needs}: feeds= has arrays by name, found {type(feeds).__name__}"
            )
        if feeds.keys() != wanted.keys():
            raise DataError(f"the loss reads {needs}: feeds= has {sorted(map(str, feeds))}")
        return {key: _array(feeds[key], v) for key, v in wanted.items()}

    def _explain(self, feeds: Arrays, loss: float, step: int) -> str:
        found = first_not_finite(self.graph, feeds, self._engine.states())
        where = f"; {found}" if found else ""
        return f"the loss is {loss} at step {step}{where}. The values are those before this step"

    def _refuse_infinite(self, values: Sequence[Array]) -> None:
        for key, value in zip(self.keys, values, strict=True):
            if value.dtype.kind == "f" and not np.isfinite(value).all():
                raise TrainingError(
                    f"the last step made {key!r} infinite or not a number: its gradient is; try a "
                    "smaller learning rate, or clip_norm"
                )


def minimise(
    loss: Value,
    over: Value | Sequence[Value],
    optimizer: str | Optimizer = "adam",
    *,
    steps: int = 512,
    seed: int = 0,
    feeds: Mapping[str, Any] | None = None,
    watch: Mapping[str, Value] | None = None,
    snapshots: int | Sequence[int] = 0,
    states: Mapping[str, Array] | None = None,
    runtime: str | None = None,
    threads: int | None = None,
    precision: str | None = None,
    tune: bool | None = None,
) -> Minimum:
    """Parameters p with a small loss: argmin over p of loss(p), by gradient from where they are.

        p ← update(p, ∂loss/∂p), `steps` times, with the rule of the optimiser

    All else that the loss is made of stays as it is: models in it are read and never changed, in
    their form of inference (batch normalisation with running statistics, dropout without effect).
    Random numbers of the formula are drawn anew at every step, from `seed` and the step's number.

    Args:
        loss: a float scalar made of the parameters.
        over: the parameters (`cnn.parameter`, or states of models), one or several. They begin with
            the values that they have, drawn by their initialisers where they have none, and keep
            the last ones.
        optimizer: as in `Model.fit`; schedules may say `steps=None` for all of these.
        seed: of the random numbers, and of parameters not drawn yet.
        feeds: arrays for the inputs that the loss reads, by name; the same at every step.
        watch: other values of the formula, by name, to be noted at every step.
        snapshots: keep the parameters after every so many steps, the first values and the last
            included, or after these numbers of steps; 0 keeps none.
        states: `Minimum.states` of another run of this formula, to go on where that ended: the
            same bits as in one run.
        runtime, threads, precision, tune: as in `Model.fit`.

    Returns:
        A `Minimum`: the `values` of the parameters, the `history` of the loss and of what was
        watched, (steps, ...), the `snapshots`, and the `states` to go on from.

    Raises:
        GradientError: the loss is no scalar, does not depend on a parameter, or not smoothly; the
            message names it.
        TrainingError: the loss is not finite; the message names the first node that is not.
        DataError: other feeds than the loss reads.
    """
    execution = Execution.of(runtime, threads, precision, tune)
    optimizer = make_optimizer(optimizer)
    if is_int(steps) and steps > 0:
        optimizer = optimizer.over(steps)
    step = Minimisation(loss, over, optimizer, watch=watch, seed=seed, execution=execution)
    return step.run(steps, seed=seed, feeds=feeds, snapshots=snapshots, states=states)


def _parameters(over: Any) -> tuple[Value, ...]:
    values = tuple(over) if isinstance(over, Iterable) else (over,)
    for v in values:
        if not isinstance(v, Value) or not isinstance(v.node.op, State) or not v.dtype.is_float:
            raise GraphError(f"over= takes parameters of a float type, found {v!r}")
    if not values or len({state_of(v).cell for v in values}) < len(values):
        raise GraphError(f"over= takes one or several parameters, each once, found {values}")
    return values


def _watched(watch: Any) -> dict[str, Value]:
    """What is noted at every step. Raises `GraphError` for what is no formula with a free name."""
    if watch is None:
        return {}
    if not isinstance(watch, Mapping):
        raise GraphError(f"watch= has values by name, found {type(watch).__name__}")
    for name, value in watch.items():
        if not isinstance(name, str) or not isinstance(value, Value):
            raise GraphError(f"watch= has values by name, found {name!r}: {value!r}")
        if name == LOSS:
            raise GraphError(f"watch= cannot call a value {LOSS!r}: the loss itself is noted so")
    return dict(watch)


def _array(fed: Any, wanted: Value) -> Array:
    """What is fed to an input, of its type."""
    try:
        return np.asarray(fed, wanted.dtype.numpy)
    except (TypeError, ValueError) as error:
        raise DataError(f"input {wanted.node.name!r} is {wanted.type}: {error}") from None


def _inputs(outputs: Mapping[str, Value]) -> list[Value]:
    """What the formulas are fed."""
    nodes = topological_order([v.node for v in outputs.values()])
    return [node.output for node in nodes if isinstance(node.op, Input)]


def _fixed(graph: Graph, cells: Sequence[Cell]) -> Graph:
    """The formula as it is minimised: only these states change, and nothing is dropped."""

    def fix(node: Node, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
        if isinstance(node.op, Dropout):
            return [inputs[0]]
        if not isinstance(node.op, State):
            return None
        wanted = node.op.cell in cells
        if node.op.trainable == wanted and (node.op.role is Role.PARAMETER or not wanted):
            return None
        role = Role.PARAMETER if wanted else node.op.role
        return build(replace(node.op, trainable=wanted, role=role), (), node.name).outputs

    return graph.transform(fix)


def _wanted(snapshots: int | Sequence[int], first: int, last: int) -> set[int]:
    """The numbers of steps after which the parameters are kept."""
    if isinstance(snapshots, int):
        if snapshots < 1:
            return set()
        return {*range(first - first % snapshots, last, snapshots), first, last}
    found = {*snapshots} if isinstance(snapshots, Sequence) else {None}
    if not all(is_int(step) and step >= 0 for step in found):
        raise DataError(
            f"snapshots are every so many steps, or numbers of steps, found {snapshots!r}"
        )
    return found


def _label(parameter: Value) -> str:
    return repr(parameter.node.name or "without a name")


def _is_finite(outputs: Arrays) -> bool:
    return math.isfinite(outputs[LOSS])
