"""Predictions that are probabilities already: networks that end in softmax or sigmoid.

A loss by name takes the numbers before them and applies them itself, which is exact where the
probabilities are 0 or 1 in float32. So where it is proven on the graph that a prediction is the
softmax of its classes, or the sigmoid, the loss is computed of what stands before.
"""

from graphcnn.errors import TrainingWarning
from graphcnn.ir.node import Node, Op, Value
from graphcnn.ir.origin import warn
from graphcnn.ir.sources import Constant
from graphcnn.ir.tensor_type import Shape, element_count
from graphcnn.learning.losses.base import Loss
from graphcnn.ops.activation import Sigmoid
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.elementwise import Cast, Div, Exp, Log
from graphcnn.ops.shape import Transpose
from graphcnn.ops.softmax import Softmax


def scored(prediction: Value, readable: Op | None) -> Value:
    """What a loss or a metric is computed of that applies `readable` itself: the numbers whose
    softmax (over its axis) or sigmoid the prediction is proven to be; else the prediction."""
    trail, found = _proven(prediction, readable)
    for node in reversed(trail):
        found = node.op(found)
    return found


def source_of(prediction: Value, readable: Op | None) -> Value:
    """What `scored` is made of: the input of the activation, or the prediction."""
    return _proven(prediction, readable)[1]


def _proven(prediction: Value, readable: Op | None) -> tuple[list[Node], Value]:
    """The input of the activation that is proven, and the nodes between it and the prediction, the
    last one first; no nodes and the prediction where nothing is."""
    trail, value = behind_views(prediction)
    op, scores = _activation(value)
    if readable is None or not isinstance(op, type(readable)):
        return [], prediction
    if isinstance(readable, Softmax) and _followed(op.axis, trail) != readable.axis:  # type: ignore[attr-defined]
        return [], prediction
    return trail, scores


def _activation(value: Value) -> tuple[Op | None, Value]:
    """The softmax or sigmoid that makes a value, and of what; softmax also as it is defined,
    e^x / sum of e^x, whatever was subtracted from x along the axis before."""
    node = value.node
    if isinstance(node.op, Softmax | Sigmoid):
        return node.op, node.inputs[0]
    if isinstance(node.op, Div):
        e, total = (v.node for v in node.inputs)
        whole = isinstance(total.op, Sum) and total.op.keepdims and total.inputs[0].node is e
        if isinstance(e.op, Exp) and whole and len(total.op.axes) == 1:  # type: ignore[attr-defined]
            return Softmax(*total.op.axes), e.inputs[0]  # type: ignore[attr-defined]
    return None, value


def is_probability(prediction: Value, readable: Op | None) -> bool:
    """Whether a prediction needs no softmax, or sigmoid, to be read as probabilities."""
    return source_of(prediction, readable) is not prediction


def behind_views(value: Value) -> tuple[list[Node], Value]:
    """The value behind what moves or rounds numbers, one by one, and the nodes that do, the last
    one first."""
    trail: list[Node] = []
    while True:
        node = value.node
        rounds = isinstance(node.op, Cast) and value.dtype.is_float
        if not (node.op.view or isinstance(node.op, Transpose) or rounds):
            return trail, value
        if not node.inputs[0].dtype.is_float:
            return trail, value
        trail.append(node)
        value = node.inputs[0]


def _followed(axis: int, trail: list[Node]) -> int | None:
    """Where an axis stands after these nodes, the first of them last; None where it is merged with
    another, or split."""
    found: int | None = axis
    for node in reversed(trail):
        if found is None:
            return None
        before, after = node.inputs[0].shape, node.output.shape
        if isinstance(node.op, Transpose):
            found = node.op.perm.index(found)
        elif node.op.view:
            found = _in_shape(before, found, after)
    return found


def _in_shape(before: Shape, axis: int, after: Shape) -> int | None:
    """The axis of `after` that is that of `before`, the elements being the same in their order:
    as long, with as many elements in front of it."""
    for place, size in enumerate(after):
        if size == before[axis] and (element_count(after[:place]) == element_count(before[:axis])):
            return place
    return None


def tell(name: str, prediction: Value, loss: Loss) -> None:
    """Warn where the prediction of the model `name` comes out of softmax or sigmoid: either that
    the loss is computed of what stands before, or that it is applied twice."""
    readable = loss.readable
    if readable is None:
        return
    if is_probability(prediction, readable):
        _, value = behind_views(prediction)
        warn(
            f"{name} ends in {_named(value.node, type(readable))}: {loss.name} is computed of what "
            "stands before it, and predictions stay probabilities",
            TrainingWarning,
        )
        return
    found = squashed(prediction)
    if found is not None:
        warn(
            f"the prediction of {name} is computed from probabilities, those of "
            f"{_named(*found)}, and {loss.name} applies {readable.name} to it: let the model "
            "end before them (outputs=[...] of import_onnx names what it ends with), or give a "
            "loss of your own",
            TrainingWarning,
        )


def _named(node: Node, activation: type[Op]) -> str:
    """An activation by its name, and that of the node that makes it."""
    place = f" ({node.origin.location})" if node.origin.location else ""
    return f'{activation.name} "{node.name}"{place}' if node.name else f"{activation.name}{place}"


def squashed(value: Value) -> tuple[Node, type[Op]] | None:
    """The softmax or sigmoid that a value is computed from, number by number and with constants
    alone. The logarithm of probabilities is what a loss takes."""
    while True:
        node, activation = value.node, _activation(value)[0]
        if activation is not None:
            return node, type(activation)
        if isinstance(node.op, Log) or not (
            node.op.elementwise or node.op.view or isinstance(node.op, Transpose)
        ):
            return None
        varying = [v for v in node.inputs if not isinstance(v.node.op, Constant)]
        if len(varying) != 1 or (varying[0].shape != node.output.shape and node.op.elementwise):
            return None
        value = varying[0]
