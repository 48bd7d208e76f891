"""Metrics of probabilities: how much was given to what came true."""

from dataclasses import dataclass, field

import numpy as np

from graphcnn.ir.node import Array, Value
from graphcnn.ir.tensor_type import DType
from graphcnn.language.activations import log_softmax
from graphcnn.language.elementwise import abs as magnitude
from graphcnn.language.elementwise import exp, log, maximum
from graphcnn.learning.metrics.base import Finished, Measure, Seen
from graphcnn.learning.metrics.reading import Classes, along, either, weights_along
from graphcnn.ops.activation import Sigmoid
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.comparison import masked
from graphcnn.ops.elementwise import Cast
from graphcnn.ops.loss import indicators
from graphcnn.ops.shape import Concat, Reshape
from graphcnn.ops.softmax import Softmax

_WIDE = Cast(DType.FLOAT64)


class _OfProbabilities(Measure):
    """The mean of a number that each item (or pixel, or label) has, in float64."""

    item_weights: bool = False

    def of_batch(self, seen: Seen) -> Value:
        found = either(seen, self.name, "is of probabilities")
        z = _WIDE(found.scores)
        weights = weights_along(seen, z) if self.item_weights else None
        if isinstance(found, Classes):
            hit = indicators(found.known, found.count, DType.FLOAT64)
            each = self.of_classes(z, hit)
            counts = None if found.counts is None else along(found.counts)
        else:
            each, counts = self.of_labels(z, _WIDE(found.truth)), None
        one = each * 0.0 + 1.0 if weights is None else (each * 0.0 + 1.0) * weights
        sums = []
        for x in (each * one, one):
            kept = x if counts is None else masked(counts, x)
            sums.append(Reshape((1,))(Sum(tuple(range(kept.type.rank)))(kept)))
        return Concat(0)(*sums)

    def of_classes(self, z: Value, hit: Value) -> Value:
        """(N, 1, ...), of scores and one-hot labels (N, K, ...)."""
        raise NotImplementedError

    def of_labels(self, z: Value, t: Value) -> Value:
        """(N, K, ...), of what stands before a sigmoid and targets."""
        raise NotImplementedError

    def finish(self, total: Array) -> Finished:
        return float(total[0] / total[1]) if total[1] else float(np.nan)


@dataclass(frozen=True)
class LogLoss(_OfProbabilities):
    """The mean of - log p of what is true, of the scores in float64. Of labels that do not exclude
    each other the mean over them, too."""

    item_weights: bool = False
    name: str = field(default="log_loss", init=False, repr=False)

    def of_classes(self, z: Value, hit: Value) -> Value:
        return -Sum((1,), keepdims=True)(masked(hit > 0.5, log_softmax(z, 1)))

    def of_labels(self, z: Value, t: Value) -> Value:
        return maximum(z, 0.0) - z * t + log(exp(-magnitude(z)) + 1.0)


@dataclass(frozen=True)
class Brier(_OfProbabilities):
    """The mean of (p - t)² (Brier 1950): of classes the sum over them, of one sigmoid p alone, as
    scikit-learn has it."""

    item_weights: bool = False
    name: str = field(default="brier", init=False, repr=False)

    def of_classes(self, z: Value, hit: Value) -> Value:
        off = Softmax(1)(z) - hit
        return Sum((1,), keepdims=True)(off * off)

    def of_labels(self, z: Value, t: Value) -> Value:
        off = Sigmoid()(z) - t
        return off * off
