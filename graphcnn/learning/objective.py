"""Losses and metrics by name, and how they are attached to the graph of a model."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Value
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import (
    BatchSize,
    DType,
    N,
    TensorType,
    format_shape,
    known_size,
    open_axes,
    times_n,
)
from graphcnn.language.arguments import check_function, choose
from graphcnn.language.elementwise import cast, equal
from graphcnn.language.loss import binary_cross_entropy, cross_entropy, l1, mse
from graphcnn.language.metrics import accuracy, top_k_accuracy
from graphcnn.language.reduce import mean
from graphcnn.learning.probabilities import scored
from graphcnn.learning.target_rule import TARGET, TargetRule

Objective = Callable[[Value, Value], Value]
#: Functions, or names of known ones: by the names of the results, in a list, or a single one; None
#: is what suits the loss.
Metrics = Mapping[str, str | Objective] | Sequence[str | Objective] | str | Objective | None

LOSSES: dict[str, Objective] = {
    "cross_entropy": cross_entropy,
    "binary_cross_entropy": binary_cross_entropy,
    "mse": mse,
    "l1": l1,
}


def binary_accuracy(logits: Value, targets: Value) -> Value:
    """Share of logits on the right side of 0."""
    agree = equal(cast(logits > 0.0, "float32"), cast(targets > 0.5, "float32"))
    return mean(cast(agree, "float32"))


METRICS: dict[str, Objective] = {
    "accuracy": accuracy,
    "top_5_accuracy": top_k_accuracy,
    "binary_accuracy": binary_accuracy,
}
#: Those that can leave labels out.
_OF_LABELS: dict[Objective, Callable[..., Value]] = {
    accuracy: accuracy,
    top_k_accuracy: top_k_accuracy,
}

_DEFAULT_METRICS: dict[str, dict[str, Objective]] = {
    "cross_entropy": {"accuracy": accuracy},
    "binary_cross_entropy": {"accuracy": binary_accuracy},
}


def known_loss(loss: str | Objective) -> str | Objective:
    """The name of a loss that has one, also where its function is given; else the function."""
    return next((name for name, known in LOSSES.items() if loss is known), loss)


def target_type(
    loss: str | Objective, prediction: TensorType, targets: Array | None = None
) -> TensorType:
    """Type of the targets of a loss.

    For cross-entropy these are class indices, one per item or, for a prediction (N, K, H, W), one
    per pixel; for the other losses with a name they are like the prediction. A function takes what
    the data hold: whole numbers are i64, and floats have the prediction's element type. Without
    `targets` a function's are like the prediction.
    """
    if any(times_n(d) > 1 for d in prediction.shape if isinstance(d, BatchSize)):
        raise GraphError(
            f"the prediction {prediction} must have one batch axis N: targets are compared item by "
            "item, so reshape it to (N, ...)"
        )
    loss = known_loss(loss)
    if loss == "cross_entropy":
        return TensorType((*prediction.shape[:1], *prediction.shape[2:]), DType.INT64)
    if isinstance(loss, str) or targets is None:
        return prediction
    item = targets.shape[1:]
    if targets.dtype.kind in "iu":
        return TensorType((N, *item), DType.INT64)
    if math.prod(item) == known_size(prediction.shape[1:]):
        return prediction  # the same numbers in another shape would broadcast to something else
    return TensorType((N, *item), prediction.dtype)


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
    those with a name leave out the labels that the loss leaves out.
    """
    loss = known_loss(loss)
    prediction = next(iter(graph.outputs.values()))
    kind = target or target_type(loss, prediction.type)
    goal = Input(TARGET, kind)(name=TARGET)
    function = choose(LOSSES, loss, "loss") if isinstance(loss, str) else loss
    names = ", ".join(LOSSES)
    check_function(function, f"loss must be a name ({names}) or a function of (prediction, target)")
    scores = scored(prediction, loss)
    scalar = function(scores, goal)
    if not isinstance(scalar, Value) or scalar.shape != () or not scalar.dtype.is_float:
        found = scalar.type if isinstance(scalar, Value) else type(scalar).__name__
        raise GraphError(f"a loss must be a float scalar, found {found}; take its mean")
    outputs = {"loss": scalar}
    chosen = _metrics(metrics, loss)
    ignored = TargetRule.of(Graph.of((*graph.inputs, goal), outputs)).ignored if chosen else ()
    for name, metric in chosen.items():
        if name in outputs:
            raise GraphError("a metric cannot be called 'loss', which is the name of the loss")
        check_function(metric, f"metric {name!r} must be a function of (prediction, target)")
        of = scores if metric in _OF_LABELS else prediction
        if metric is binary_accuracy:
            of = scored(prediction, "binary_cross_entropy")
        if ignored and metric in _OF_LABELS:
            metric = partial(_OF_LABELS[metric], ignore_index=ignored)
        value = metric(of, goal)
        if not isinstance(value, Value) or value.shape != ():
            found = value.type if isinstance(value, Value) else type(value).__name__
            raise GraphError(f"metric {name!r} must be a scalar, found {found}; take its mean")
        outputs[name] = value
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


def _metrics(metrics: Metrics, loss: str | Objective) -> Mapping[str, Objective]:
    if metrics is None:
        return _DEFAULT_METRICS.get(loss, {}) if isinstance(loss, str) else {}
    if isinstance(metrics, Mapping):
        return {
            k: choose(METRICS, m, "metric") if isinstance(m, str) else m for k, m in metrics.items()
        }
    several = metrics if isinstance(metrics, tuple | list) else (metrics,)
    found: dict[str, Objective] = {}
    for each in several:
        if isinstance(each, str):
            found[each] = choose(METRICS, each, "metric")
        elif callable(each):
            found[_free(getattr(each, "__name__", "metric"), found)] = each
        else:
            raise GraphError(f"metrics must be names or functions, found {each!r}")
    return found


def _free(name: str, taken: Mapping[str, Any]) -> str:
    """`name`, or with a number where several functions are called so, as lambdas are."""
    numbered = (f"{name}_{i}" if i > 1 else name for i in itertools.count(1))
    return next(each for each in numbered if each not in taken)
