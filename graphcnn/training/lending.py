"""The states of a training step, lent by who has them; and where its numbers went wrong."""

from collections.abc import Iterable, Mapping

import numpy as np

from graphcnn.compile.engine import Engine
from graphcnn.compile.runner import batch_size
from graphcnn.ir.cells import Loan
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.node import Array, Node, Value
from graphcnn.passes.training.apply_optimizer import LEARNING_RATE
from graphcnn.passes.training.training_mode import STEP
from graphcnn.runtime.reference import Reference


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
    return (
        f"{text}; {found}. The learning rate was {float(states[LEARNING_RATE]):g}: try a smaller "
        "one, or clip_norm. The weights are those before this step."
    )
