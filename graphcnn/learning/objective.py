"""How a loss and its metrics are attached to the graph of a model."""

from collections.abc import Mapping

from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Value
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import TensorType, format_shape, open_axes
from graphcnn.learning.losses import known_loss, target_type
from graphcnn.learning.metrics.base import Measure, Objective
from graphcnn.learning.metrics.choosing import Metrics, chosen_metrics
from graphcnn.learning.probabilities import scored
from graphcnn.learning.seeing import seen_of
from graphcnn.learning.target_rule import TARGET


def measures_of(loss: str | Objective, metrics: Metrics = None) -> Mapping[str, Measure]:
    """The metrics by the names of their results: what makes numbers of the outputs of `with_loss`,
    all but `loss`."""
    return chosen_metrics(metrics, known_loss(loss).metrics)


def with_loss(
    graph: Graph,
    loss: str | Objective,
    metrics: Metrics = None,
    target: TensorType | None = None,
) -> Graph:
    """The graph with an input `target` whose outputs are `loss` and the metrics.

    The first output of `graph` is the prediction. Where that is proven to be the probabilities that
    a loss with a name makes itself, the loss is computed of what stands before them, and so are
    metrics with a name; functions take the prediction. `metrics` default to what suits the loss;
    those with a name leave out the labels that the loss leaves out. An output of a metric is what
    adds up over batches: `measures_of` has what makes a number of the total.
    """
    known = known_loss(loss)
    prediction = next(iter(graph.outputs.values()))
    kind = target or target_type(loss, prediction.type)
    goal = Input(TARGET, kind)(name=TARGET)
    scores = scored(prediction, known.readable)
    scalar = known.function(scores, goal)
    if not isinstance(scalar, Value) or scalar.shape != () or not scalar.dtype.is_float:
        found = scalar.type if isinstance(scalar, Value) else type(scalar).__name__
        raise GraphError(f"a loss must be a float scalar, found {found}; take its mean")
    outputs = {"loss": scalar}
    chosen = measures_of(loss, metrics)
    if chosen:
        seen = seen_of(graph, prediction, goal, scalar, known.readable)
    for name, measure in chosen.items():
        if name in outputs:
            raise GraphError("a metric cannot be called 'loss', which is the name of the loss")
        outputs[name] = measure.of_batch(seen)
    whole = Graph.of((*graph.inputs, goal), outputs, graph.updates, graph.name)
    _refuse_pairs(whole, goal)
    return whole


def _refuse_pairs(graph: Graph, goal: Value) -> None:
    """Refuse predictions (N, 1) and targets (N,), or the other way round, in one formula.

    By the rule of broadcasting they make (N, N), every item with every other. Whoever means that
    writes the axes of both: only operands of different rank are taken for a mistake.
    """
    of_target = {goal}
    for node in graph.nodes:
        if of_target.isdisjoint(node.inputs):
            continue
        of_target.update(node.outputs)
        items = [v for v in node.inputs if len(open_axes(v.shape)) == 1]
        if (
            node.op.elementwise
            and len(open_axes(node.outputs[0].shape)) > 1
            and len({v.type.rank for v in items}) > 1
            and not of_target.issuperset(items)
        ):
            where = f" ({node.origin.location})" if node.origin.location else ""
            shapes = " and ".join(format_shape(v.shape) for v in items)
            raise GraphError(
                f"{node.op.name}{where} of {shapes} gives {format_shape(node.outputs[0].shape)}: "
                "every item of the batch with every other. Prediction and target need the same "
                "axes: targets.reshape(-1, 1) of the data, or reshape in the function"
            )
