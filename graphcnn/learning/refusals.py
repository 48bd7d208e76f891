"""Formulas that can be computed and mean something else: losses that are refused."""

from collections.abc import Iterable

from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Value
from graphcnn.ir.tensor_type import format_shape, open_axes
from graphcnn.learning.probabilities import behind_views
from graphcnn.ops.activation import Sigmoid
from graphcnn.ops.softmax import LogSoftmax, Softmax


def refuse_broadcasts(whole: Graph, model: Graph, goals: Iterable[Value]) -> None:
    """Refuse predictions and targets of different shapes in one formula.

    By the rule of broadcasting (N, 1) and (N,) make (N, N), every item with every other, and
    (N, 1) beside (N, 10) is taken ten times. Whoever means that says it: what was given other axes
    by an operator (a reshape, a sum, one_hot) may broadcast, as long as items do not meet.
    """
    goals = list(goals)
    of_target: set[Value] = set(goals)
    as_fed, as_predicted = set(goals), set(model.outputs.values())
    own = set(model.nodes)
    for node in whole.nodes:
        if node in own:
            continue
        if node.op.elementwise:
            _refuse_items(node, of_target)
            _refuse_sizes(node, as_fed, as_predicted)
            for group in (as_fed, as_predicted):
                if any(v in group and v.shape == node.output.shape for v in node.inputs):
                    group.update(node.outputs)
        if not of_target.isdisjoint(node.inputs):
            of_target.update(node.outputs)


def _refuse_items(node: Node, of_target: set[Value]) -> None:
    items = [v for v in node.inputs if len(open_axes(v.shape)) == 1]
    if (
        not of_target.isdisjoint(node.inputs)
        and len(open_axes(node.outputs[0].shape)) > 1
        and len({v.type.rank for v in items}) > 1
        and not of_target.issuperset(items)
    ):
        shapes = " and ".join(format_shape(v.shape) for v in items)
        raise GraphError(
            f"{node.op.name}{_where(node)} of {shapes} gives {format_shape(node.outputs[0].shape)}:"
            " every item of the batch with every other. Prediction and target need the same "
            "axes: targets.reshape(-1, 1) of the data, or reshape in the function"
        )


def _refuse_sizes(node: Node, as_fed: set[Value], as_predicted: set[Value]) -> None:
    target = next((v for v in node.inputs if v in as_fed and v not in as_predicted), None)
    prediction = next((v for v in node.inputs if v in as_predicted and v not in as_fed), None)
    if target is not None and prediction is not None and target.shape != prediction.shape:
        raise GraphError(
            f"{node.op.name}{_where(node)} of the prediction {format_shape(prediction.shape)} and "
            f"the target {format_shape(target.shape)} would repeat one of them. Give targets of "
            "the shape of the prediction, or say in the function what is meant: "
            "cnn.reshape(target, ...)"
        )


def refuse_squashed_twice(whole: Graph, model: Graph) -> None:
    """Refuse softmax or sigmoid, in a loss, of what the model's softmax or sigmoid gives."""
    own = set(model.nodes)
    for node in whole.nodes:
        if node in own or not isinstance(node.op, Softmax | LogSoftmax | Sigmoid):
            continue
        source = behind_views(node.inputs[0])[1].node
        if source in own and isinstance(source.op, Softmax | Sigmoid):
            label = f' "{source.name}"' if source.name else ""
            raise GraphError(
                f"{node.op.name}{_where(node)} of what {source.op.name}{label}{_where(source)} "
                "gives: probabilities are squashed twice. Take their logarithm in the loss, or "
                "let the model end before (outputs=[...] of import_onnx names what it ends with)"
            )


def _where(node: Node) -> str:
    return f" ({node.origin.location})" if node.origin.location else ""
