"""A training step that is built: its engine, the states that it is lent by who has them, and where
its numbers went wrong."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from graphcnn.compile.applying import Update
from graphcnn.compile.engine import Engine, Form, Forms, make_engine
from graphcnn.compile.pipelines import training_graph
from graphcnn.compile.runner import batch_size
from graphcnn.ir.cells import Loan
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.node import Array, Node, Value
from graphcnn.learning.aim import Losses
from graphcnn.learning.metrics import Metrics
from graphcnn.learning.objective import with_loss
from graphcnn.learning.optimizers import Optimizer
from graphcnn.learning.targets import Fed, Targets
from graphcnn.passes.training.apply_optimizer import LEARNING_RATE
from graphcnn.passes.training.training_mode import SEED, STEP
from graphcnn.runtime.execution import Execution
from graphcnn.runtime.reference import Reference
from graphcnn.training.one_item import of_one_pixel


@dataclass(frozen=True)
class Built:
    """The step of a session once the type of the targets is known."""

    graph: Graph
    engine: Engine
    loan: Loan
    targets: Targets
    of_one_pixel: Node | None
    #: Makes other forms of the step; once each.
    forms: Forms
    #: Makes what is left of the step where the gradients are given, but for the parameters that
    #: rest; once for each set of these.
    update: Callable[[frozenset[str]], Update]


def built_step(
    definition: Graph,
    values: Mapping[str, Array],
    loss: Losses,
    optimizer: Optimizer,
    metrics: Metrics,
    types: Fed,
    seed: int,
    shards: int,
    execution: Execution,
) -> Built:
    """The step for targets and weights of these types, on the values of the states of a model."""
    told = (definition, loss, optimizer, metrics, types)
    graph = training_graph(*told, shards=shards)

    @cache
    def forms(form: Form) -> Graph:  # the loan holds it, and would hold a session in it for ever
        keep, resting, left = form.keep, form.resting, form.left
        return training_graph(*told, keep_gradients=keep, shards=shards, resting=resting, left=left)

    states: dict[str, Array] = {}
    for value in graph.states:
        state = state_of(value)
        known = values.get(state.key)
        states[state.key] = state.initial(value.type, seed, state.key) if known is None else known
    if SEED in states:  # a graph without random numbers has none
        states[SEED] = np.array(seed, np.int64)
    engine = make_engine(graph, states, execution, forms)
    joint = with_loss(definition, loss, metrics, types)
    return Built(
        graph,
        engine,
        made_loan(definition, graph, engine, values),
        Targets.of(joint, definition.outputs),
        of_one_pixel(graph),
        forms,
        cache(partial(Update, definition, graph, optimizer, execution)),
    )


def made_loan(definition: Graph, step: Graph, engine: Engine, values: Mapping[str, Array]) -> Loan:
    """What lends an engine the states of a definition: those that the step updates are held, the
    others (frozen ones) only read. The engine was made with `values`."""
    wanted, updated = _keys(step.states), _keys(step.updates)
    found = {s.key: s.cell for s in map(state_of, definition.states) if s.key in wanted}
    loan = Loan(
        engine,
        {cell: key for key, cell in found.items() if key in updated},
        {cell: key for key, cell in found.items() if key not in updated},
    )
    loan.given({cell: values[key] for key, cell in found.items()})
    return loan


def _keys(states: Iterable[Value]) -> set[str]:
    return {state_of(s).key for s in states}


def first_not_finite(
    step: Graph, feeds: Mapping[str, Array], states: Mapping[str, Array]
) -> str | None:
    """What makes the first value of a step that is not finite; the step is run again for that."""
    found: list[Node] = []

    def watch(node: Node, results: tuple[Array, ...]) -> None:
        bad = any(a.dtype.kind == "f" and not np.isfinite(a).all() for a in results)
        if bad and not found:
            found.append(node)

    with np.errstate(all="ignore"):
        Reference(step.bind(N=batch_size(step, feeds))).run(feeds, states, watch)
    if not found:
        return None
    node, origin = found[0], found[0].origin
    label = node.name or (f"gradient of {origin.forward}" if origin.forward else "")
    where = f" ({origin.location})" if origin.location else ""
    return f'the first value that is not finite is made by {node.op.name} "{label}"{where}'


def loss_explained(
    loss: float, step: Graph, feeds: Mapping[str, Array], states: Mapping[str, Array]
) -> str:
    """Why the loss of the step after these states is not finite; the step is run again for that."""
    found = first_not_finite(step, feeds, states)
    text = f"the loss is {loss} at step {int(states[STEP]) + 1}"
    if found is None:
        return text
    rates = {key: f"{float(x):g}" for key, x in states.items() if key.startswith(LEARNING_RATE)}
    told = rates.pop(LEARNING_RATE)
    if rates:  # of several optimisers that is a factor on all of them
        told = ", ".join(f"{key.removeprefix(LEARNING_RATE)} {x}" for key, x in rates.items())
    return (
        f"{text}; {found}. The learning rate was {told}: try a smaller one, or clip_norm. "
        "The weights are those before this step."
    )
