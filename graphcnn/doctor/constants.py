"""The loss of predictions that do not look at the items: what a network has to be better than.

For cross-entropy and K classes in equal parts that is log K: the scores are the same for all, and
so the probabilities 1/K. For squared errors it is the variance of the targets.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphcnn.compile.runner import Runner
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Value, constant_of
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, N, Shape, TensorType, is_open
from graphcnn.learning.aim import Aim, Losses, Term, terms_of
from graphcnn.learning.losses.base import Loss
from graphcnn.learning.losses.of_classes import CrossEntropy
from graphcnn.learning.objective import with_loss
from graphcnn.learning.targets import Targets
from graphcnn.ops.activation import Sigmoid
from graphcnn.ops.elementwise import Cast
from graphcnn.ops.shape import Reshape
from graphcnn.ops.softmax import Softmax
from graphcnn.runtime.execution import Execution

#: Probabilities are at least so far from 0 and 1.
_LEAST = 1e-6


@dataclass(frozen=True)
class Constants:
    """Losses of predictions that are the same for every item.

    Attributes:
        zero: of a prediction of zeros: equal scores.
        best: the least of zeros, of what suits the shares of the classes (log p), and of the means
            and the medians of targets that are numbers.
        least: what a perfect prediction would have, as far as that is known: 0, but of smoothed
            labels and of shares their entropy.
    """

    zero: float
    best: float
    least: float


def constants_of(
    graph: Graph, loss: Losses, targets: Any, types: Any, count: int, execution: Execution
) -> Constants:
    """Those of a network's graph for targets of so many items, as they are fed."""
    terms = [term for term in terms_of(loss, graph) if term.loss.targeted]
    losses = []
    for guess in _guesses(graph, terms, targets):
        constant = _constant_graph(graph, guess)
        whole = with_loss(constant, loss, {}, types)
        feeds: dict[str, Array] = {"items": np.zeros(count, np.float32)}
        rules = Targets.of(whole, graph.outputs)
        feeds.update(
            rules.feeds(
                {term.name: targets[term.name] for term in terms}
                if terms and terms[0].name
                else targets.get("")
            )
        )
        with np.errstate(all="ignore"):
            losses.append(float(Runner(whole, execution).run(feeds, {})[0]["loss"]))
    known = [x for x in losses if np.isfinite(x)]
    least = sum(
        term.weight * _least(term.loss, targets[term.name], graph.outputs[term.outputs[0]].shape)
        for term in terms
    )
    return Constants(losses[0], min(known, default=float("nan")), float(least))


def _constant_graph(graph: Graph, guess: Mapping[str, Array]) -> Graph:
    """The same outputs, each its constant for every item; the items are so many zeros."""
    items = Input("items", TensorType((N,), DType.FLOAT32))(name="items")
    outputs: dict[str, Value] = {}
    for name, value in graph.outputs.items():
        kind = value.type
        zero = Cast(kind.dtype)(items) if kind.dtype != items.dtype else items
        ones = tuple(d if is_open((d,)) else 1 for d in kind.shape)
        constant = constant_of(guess[name].astype(kind.dtype.numpy), kind.dtype)
        outputs[name] = Reshape(ones)(zero) + constant
    return Graph.of((items,), outputs, name="constant")


def _guesses(
    graph: Graph, terms: list[Term], targets: Mapping[str, Array]
) -> Iterator[dict[str, Array]]:
    """Constants for all outputs: zeros, then what suits the targets in the mean, and the median."""
    zeros = {name: _item(v.type) for name, v in graph.outputs.items()}
    yield zeros
    for middle in (np.mean, np.median):
        guess = dict(zeros)
        for term in terms:
            name = term.outputs[0]
            found = _suited(term.loss, graph.outputs[name].type, targets[term.name], middle)
            if found is not None:
                guess[name] = np.broadcast_to(found, zeros[name].shape)
        yield guess


def _item(kind: TensorType) -> Array:
    return np.zeros((1, *(d for d in kind.shape[1:] if isinstance(d, int))))


def _suited(loss: Loss, kind: TensorType, targets: Array, middle: Any) -> Array | None:
    """The constant of one output that suits its targets."""
    channels = kind.shape[1] if kind.rank > 1 else 1
    if targets.dtype.kind in "iu":
        if not isinstance(channels, int) or channels < 2:
            p = np.clip(np.mean(targets == 1), _LEAST, 1 - _LEAST)
            return np.asarray(np.log(p / (1 - p))) if isinstance(loss.readable, Sigmoid) else None
        found = targets[(targets >= 0) & (targets < channels)]
        p = np.bincount(found.ravel(), minlength=channels) / max(found.size, 1)
        return _along(np.log(np.maximum(p, _LEAST)), kind)
    if targets.shape[1:] != tuple(d for d in kind.shape[1:] if isinstance(d, int)):
        return None
    axes = (0,) if targets.ndim < 4 else (0, *range(2, targets.ndim))
    if isinstance(loss.readable, Softmax):
        return _along(np.log(np.maximum(targets.mean(axes, dtype=np.float64), _LEAST)), kind)
    if isinstance(loss.readable, Sigmoid):
        p = np.clip(targets.mean(axes, dtype=np.float64), _LEAST, 1 - _LEAST)
        return _along(np.log(p / (1 - p)), kind)
    return _along(middle(targets.astype(np.float64), axis=axes), kind)


def _along(numbers: Array, kind: TensorType) -> Array:
    """A number for each channel; other axes as they are."""
    if numbers.ndim == 1 and kind.rank > 2:
        return numbers.reshape(1, -1, *(1 for _ in kind.shape[2:]))
    return numbers[None]


def _least(loss: Loss, targets: Array, shape: Shape) -> float:
    """The loss of a perfect prediction, where that is not 0: the entropy of shares."""
    if not isinstance(loss, CrossEntropy) or not isinstance(shape[1], int):
        return 0.0
    smoothing, classes = loss.label_smoothing, shape[1]
    if targets.dtype.kind == "f":
        shares = targets.astype(np.float64)
    else:
        shares = np.eye(1, classes)
    q = shares * (1 - smoothing) + smoothing / classes
    return float(-(q * np.log(np.maximum(q, 1e-300))).sum() / (q.size / classes))


def without_penalties(loss: Losses) -> Losses:
    """The losses of the outputs alone: a penalty is of weights, and never 0."""
    if isinstance(loss, Aim) and loss.penalties:
        return Aim(loss.loss, loss.weights, {})
    return loss
