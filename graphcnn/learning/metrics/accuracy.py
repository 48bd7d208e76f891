"""How many are right."""

from dataclasses import dataclass, field

from graphcnn.ir.node import Value
from graphcnn.ir.tensor_type import DType
from graphcnn.language.arguments import positive
from graphcnn.language.metrics import accuracy, among_largest, right, top_k_accuracy
from graphcnn.learning.metrics.base import Seen, Share
from graphcnn.learning.metrics.reading import (
    Classes,
    along,
    either,
    indicated,
    only_classes,
    only_sides,
    weights_along,
)
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.comparison import And, Equal, Not
from graphcnn.ops.elementwise import Cast
from graphcnn.ops.reduce import Mean
from graphcnn.ops.shape import Concat, Reshape


def _shares(hits: Value, counts: Value | None, weights: Value | None) -> Value:
    """The sum of the hits (N, K, ...) that count and of all that count, (2,): whole numbers, or in
    float64 where they have weights."""
    sums = []
    for each in (hits, Not()(hits)):
        found = each if counts is None else And()(each, counts)
        sums.append(Reshape((1,))(total_of(found, weights, every=True)))
    return Concat(0)(sums[0], sums[0] + sums[1])


def total_of(found: Value, weights: Value | None, *, every: bool = False) -> Value:
    """How many of (N, K, ...) hold, over the items and what follows the classes: (K,), or of
    `every` class together, (). Whole numbers of an item are exact up to 2^24."""
    inner = tuple(range(1 if every else 2, found.type.rank))
    if weights is not None:
        weighed = Cast(DType.FLOAT64)(found) * weights
        return Sum((0, *inner))(weighed)
    each = Sum(inner)(Cast(DType.FLOAT32)(found)) if inner else found
    return Sum((0,))(Cast(DType.INT64)(each))


@dataclass(frozen=True)
class Accuracy(Share):
    """The share of the items, or pixels, whose predicted class is right.

    The class with the largest score is predicted, the first of equal ones. Where labels do not
    exclude each other, and of a single sigmoid, each label counts for itself: it is predicted where
    its probability is above a half.

    Args:
        item_weights: count each item as often as its weight says, as scikit-learn does with
            `sample_weight`; otherwise weights are of the loss alone.
    """

    item_weights: bool = False
    name: str = field(default="accuracy", init=False, repr=False)

    def of_batch(self, seen: Seen) -> Value:
        found = either(seen, self.name, "compares classes")
        weighted = self.item_weights and seen.weights is not None
        if isinstance(found, Classes):
            if found.counts is None and not weighted:
                return accuracy(found.scores, found.labels, name=self.name)
            hits = along(right(found.scores, found.labels))
            counts = None if found.counts is None else along(found.counts)
            return _shares(hits, counts, weights_along(seen, hits) if weighted else None)
        predicted, true, _ = indicated(found)
        hits = Equal()(predicted, true)
        if not weighted:
            return _mean(hits)
        return _shares(hits, None, weights_along(seen, hits))


@dataclass(frozen=True)
class TopK(Share):
    """The share of the items, or pixels, whose label has one of the `k` largest scores.

    A class with the same score as the label's counts as larger: a network that gives all classes
    one number scores 0, where scikit-learn goes by their order.
    """

    k: int = 5
    item_weights: bool = False

    def __post_init__(self) -> None:
        positive(self.k, "k")

    @property
    def name(self) -> str:
        return f"top_{self.k}_accuracy"

    def of_batch(self, seen: Seen) -> Value:
        found = only_classes(seen, self.name, "ranks classes")
        weighted = self.item_weights and seen.weights is not None
        if found.counts is None and not weighted:
            return top_k_accuracy(found.scores, found.labels, self.k, name=self.name)
        hits = along(among_largest(found.scores, found.known, self.k))
        counts = None if found.counts is None else along(found.counts)
        return _shares(hits, counts, weights_along(seen, hits) if weighted else None)


@dataclass(frozen=True)
class ExactMatch(Share):
    """The share of the items all of whose labels are predicted right (of scikit-learn
    `accuracy_score` of several labels)."""

    name: str = field(default="exact_match", init=False, repr=False)

    def of_batch(self, seen: Seen) -> Value:
        predicted, true, _ = indicated(only_sides(seen, self.name, "compares labels"))
        wrong = Cast(DType.FLOAT32)(Not()(Equal()(predicted, true)))
        return _mean(Equal()(Sum((1,))(wrong), Sum((1,))(wrong * 0.0)))


@dataclass(frozen=True)
class HammingLoss(Share):
    """The share of all labels that are predicted wrong."""

    name: str = field(default="hamming_loss", init=False, repr=False)

    def of_batch(self, seen: Seen) -> Value:
        predicted, true, _ = indicated(only_sides(seen, self.name, "compares labels"))
        return _mean(Not()(Equal()(predicted, true)))


def _mean(hits: Value) -> Value:
    return Mean(tuple(range(hits.type.rank)))(Cast(DType.FLOAT32)(hits))
