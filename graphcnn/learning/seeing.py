"""What metrics are given of a prediction, its target and the loss between them."""

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Op, Value
from graphcnn.learning.metrics.base import Seen
from graphcnn.learning.probabilities import scored
from graphcnn.learning.target_rule import TargetRule
from graphcnn.ops.activation import Sigmoid
from graphcnn.ops.loss import BinaryCrossEntropy, CrossEntropy
from graphcnn.ops.softmax import Softmax


def seen_of(
    graph: Graph,
    prediction: Value,
    goal: Value,
    loss: Value,
    readable: Op | None,
    weights: Value | None = None,
) -> Seen:
    """A prediction of `graph` and its target.

    Args:
        loss: the loss of both, a scalar: which labels it leaves out is read off its formula, and
            what it makes of the prediction where that is no loss with a name.
        readable: what a loss with a name makes of the prediction.
        weights: of the items, where there are any.
    """
    fed = (goal,) if weights is None else (goal, weights)
    joint = Graph.of((*graph.inputs, *fed), {"loss": loss})
    applied = readable or _applied(joint, prediction)
    logits, odds = (scored(prediction, each) for each in (Softmax(1), Sigmoid()))
    ignored = TargetRule.of(joint, goal.node.name).ignored
    return Seen(prediction, goal, logits, odds, applied, ignored, weights)


def _applied(graph: Graph, prediction: Value) -> Op | None:
    """What a loss of a user's own makes of the prediction, where it is one of ours inside."""
    for node in graph.nodes:
        if isinstance(node.op, CrossEntropy | BinaryCrossEntropy) and node.inputs[0] is prediction:
            return Softmax(1) if isinstance(node.op, CrossEntropy) else Sigmoid()
    return None
