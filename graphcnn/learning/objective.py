"""How losses and metrics are attached to the graph of a model."""

from collections.abc import Iterable, Mapping

from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Value
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import TensorType
from graphcnn.learning.aim import Aim, Losses, Term, metrics_of, terms_of
from graphcnn.learning.metrics.base import Measure
from graphcnn.learning.metrics.choosing import Metrics
from graphcnn.learning.penalties import penalty_of
from graphcnn.learning.probabilities import scored, source_of, tell
from graphcnn.learning.refusals import refuse_broadcasts, refuse_squashed_twice
from graphcnn.learning.seeing import seen_of
from graphcnn.learning.target_rule import WEIGHTS
from graphcnn.learning.targets import Fed, fed_types

#: What is reported of all losses together, and of the penalties that are in it.
LOSS, PENALTY = "loss", "penalty"


def measures_of(loss: Losses, graph: Graph, metrics: Metrics = None) -> dict[str, Measure]:
    """The metrics by the names of their results: what makes numbers of the outputs of `with_loss`,
    all but the losses and the penalty."""
    terms = terms_of(loss, graph)
    chosen = metrics_of(metrics, terms)
    return {term.result(name): each for term in terms for name, each in chosen[term.name].items()}


def numbers_of(loss: Losses, graph: Graph, metrics: Metrics = None) -> tuple[str, ...]:
    """What is reported of a run: losses, metrics, and what stands beside losses."""
    return tuple(with_loss(graph, loss, metrics).outputs)


def losses_of(loss: Losses, graph: Graph) -> frozenset[str]:
    """The names of the results that are losses, or penalties."""
    return frozenset((LOSS, PENALTY, *(term.result(LOSS) for term in terms_of(loss, graph))))


def predictions_of(graph: Graph, loss: Losses) -> list[Value]:
    """What losses are computed of, which has the items of a batch along its axis N."""
    terms = terms_of(loss, graph)
    return [source_of(graph.outputs[n], term.loss.readable) for term in terms for n in term.outputs]


def tell_losses(graph: Graph, loss: Losses) -> None:
    """Warn where predictions come out of softmax or sigmoid; see `tell`."""
    for term in terms_of(loss, graph):
        for name in term.outputs:
            tell(graph.name, graph.outputs[name], term.loss)


def with_loss(
    graph: Graph,
    loss: Losses,
    metrics: Metrics = None,
    target: TensorType | Fed | None = None,
) -> Graph:
    """The graph with an input `target` whose outputs are `loss` and the metrics.

    The first output of `graph` is the prediction. Where that is proven to be the probabilities that
    a loss with a name makes itself, the loss is computed of what stands before them, and so are
    metrics with a name; functions take the prediction. `metrics` default to what suits the loss;
    those with a name leave out the labels that the loss leaves out. An output of a metric is what
    adds up over batches: `measures_of` has what makes a number of the total.

    Losses of several outputs have inputs `target.NAME`; `loss` is their sum, each times its weight,
    and the penalties, and beside it stand NAME_loss and NAME_metric of each; goals have one input
    `target` together. Where `target` has a
    type for them, an input `weights` says how much each item counts in all losses.
    """
    terms = terms_of(loss, graph)
    types = _types(loss, graph, terms, target)
    inputs = {name: Input(name, kind)(name=name) for name, kind in types.items()}
    taken = {v.node.name for v in graph.inputs}.intersection(inputs)
    if taken:
        raise GraphError(
            f"the input {taken.pop()!r} of {graph.name} has the name of what a loss is fed"
        )
    chosen, losses = metrics_of(metrics, terms), losses_of(loss, graph)
    total: Value | None = None
    results: dict[str, Value] = {}
    for term in terms:
        goal = inputs[term.target] if term.loss.targeted else None
        weights = inputs.get(WEIGHTS)
        scalar, beside = _loss(graph, term, goal, weights)
        if term.name:
            results[term.result(LOSS)] = scalar
        for name, value in beside.items():
            if term.result(name) in (*losses, *results):
                raise GraphError(f"two numbers of the losses are called {term.result(name)!r}")
            results[term.result(name)] = value
        part = scalar if term.weight == 1 else scalar * term.weight
        total = part if total is None else total + part
        for name, value in _measured(graph, term, goal, weights, scalar, chosen[term.name]).items():
            if name in losses:
                raise GraphError(f"a metric cannot be called {name!r}, which is the name of a loss")
            results[name] = value
    assert total is not None
    penalty = penalty_of(graph, loss.penalties) if isinstance(loss, Aim) else None
    if penalty is not None:
        results = {PENALTY: penalty, **results}
        total = total + penalty
    fed = tuple(inputs.values())
    whole = Graph.of((*graph.inputs, *fed), {LOSS: total, **results}, graph.updates, graph.name)
    refuse_broadcasts(whole, graph, [v for name, v in inputs.items() if name != WEIGHTS])
    refuse_squashed_twice(whole, graph)
    return whole


def _types(
    loss: Losses, graph: Graph, terms: Iterable[Term], given: TensorType | Fed | None
) -> dict[str, TensorType]:
    """The types of all that is fed to the losses, by the names of the inputs."""
    wanted = [*dict.fromkeys(term.target for term in terms if term.loss.targeted)]
    if isinstance(given, TensorType):
        if len(wanted) != 1:
            raise GraphError(f"there are targets for {len(wanted)} losses: give a type for each")
        return {wanted[0]: given}
    types = {**fed_types(loss, graph)} if given is None else dict(given)
    if {*wanted} != types.keys() - {WEIGHTS}:
        raise GraphError(
            f"the losses take {', '.join(wanted) or 'no targets'}, found types of "
            f"{', '.join(types) or 'none'}"
        )
    return types


def _loss(
    graph: Graph, term: Term, goal: Value | None, weights: Value | None
) -> tuple[Value, Mapping[str, Value]]:
    """One loss, a float scalar, and what it reports beside."""
    loss = term.loss
    inputs = {v.node.name: v for v in graph.inputs}
    values = [scored(graph.outputs[name], loss.readable) for name in term.outputs]
    values += [inputs[name] for name in term.inputs]
    if goal is not None:
        values.append(goal)
    which = f"the loss of {term.name!r}" if term.name else "a loss"
    if weights is not None and not loss.takes_weights:
        raise GraphError(
            f"items have weights, but {which} takes none: a function of (prediction, target, *, "
            "weights=None) does, which takes the mean of w · l, such as those of cnn.losses"
        )
    scalar, beside = loss.parts(*values, weights=weights)
    if not isinstance(scalar, Value) or scalar.shape != () or not scalar.dtype.is_float:
        found = scalar.type if isinstance(scalar, Value) else type(scalar).__name__
        raise GraphError(f"{which} must be a float scalar, found {found}; take its mean")
    return scalar, beside


def _measured(
    graph: Graph,
    term: Term,
    goal: Value | None,
    weights: Value | None,
    loss: Value,
    chosen: Mapping[str, Measure],
) -> dict[str, Value]:
    """The metrics of one loss, by the names of their results."""
    if not chosen:
        return {}
    if goal is None or len(term.outputs) > 1:
        raise GraphError(
            f"metrics compare one prediction and its target, and the loss of {term.name!r} has "
            f"{len(term.outputs)} predictions and {'no' if goal is None else 'one'} target"
        )
    prediction = graph.outputs[term.outputs[0]]
    seen = seen_of(graph, prediction, goal, loss, term.loss.readable, weights)
    return {term.result(name): measure.of_batch(seen) for name, measure in chosen.items()}
