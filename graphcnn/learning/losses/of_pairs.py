"""Losses of embeddings: which of several predictions are to be near each other."""

from dataclasses import dataclass
from typing import Any, ClassVar

from graphcnn.errors import GraphError
from graphcnn.ir.node import Array, Value, constant_of
from graphcnn.ir.tensor_type import TensorType
from graphcnn.language.arguments import number, scoped
from graphcnn.language.errors import located
from graphcnn.language.weighting import mean_loss
from graphcnn.learning.losses.base import Loss
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.elementwise import Maximum, Sqrt
from graphcnn.ops.loss import MeanSquaredError, Probabilities

#: Is added to differences, as in PyTorch, so that a distance of 0 has a derivative.
_APART = 1e-6


@located
def triplet(
    anchor: Value,
    positive: Value,
    negative: Value,
    *,
    margin: float = 1.0,
    weights: Any = None,
    name: str = "",
) -> Value:
    """The mean of max(0, |a - p| - |a - n| + margin): the positive is to be nearer than the
    negative.

    |·| is the Euclidean length of the difference and 1e-6, along all axes but that of the batch.
    F. Schroff et al., "FaceNet", arXiv:1503.03832; PyTorch's TripletMarginLoss.

    Args:
        anchor, positive, negative: a, p, n, of one shape (N, ...).
        margin: by how much.
        weights: of the items, (N,).
    """
    apart = _distance(anchor, positive) - _distance(anchor, negative)
    over = Maximum()(apart + number(margin, "margin"), constant_of(0.0, anchor.dtype))
    return mean_loss(over, weights, name=scoped(name, "triplet"))


@dataclass(frozen=True)
class Triplet(Loss):
    """Anchor, positive and negative, three outputs: `triplet`. It takes no target.

    model.fit(images, loss={("anchor", "positive", "negative"): cnn.losses.Triplet(margin=0.2)})
    """

    margin: float = 1.0

    name: ClassVar = "triplet"
    function: ClassVar = staticmethod(triplet)
    predictions: ClassVar[int | None] = 3
    targeted: ClassVar[bool] = False


@located
def contrastive(
    first: Value,
    second: Value,
    same: Value,
    *,
    margin: float = 1.0,
    weights: Any = None,
    name: str = "",
) -> Value:
    """The mean of ½ t · d² + ½ (1 - t) · max(0, margin - d)², d = |first - second|.

    t is 1 for two of a kind and 0 for others; |·| is as in `triplet`. R. Hadsell et al.,
    "Dimensionality reduction by learning an invariant mapping" (2006), where t is 0 for two of a
    kind.

    Args:
        first, second: of one shape (N, ...).
        same: t, (N,).
        margin: how far apart others are to be.
        weights: of the items, (N,).
    """
    d = _distance(first, second)
    if same.type != d.type:
        raise GraphError(f"the target says whether two are of a kind, {d.type}, found {same.type}")
    t = Probabilities()(same)
    short = Maximum()(number(margin, "margin") - d, constant_of(0.0, d.dtype))
    each = (t * d * d + (1.0 - t) * short * short) * 0.5
    return mean_loss(each, weights, name=scoped(name, "contrastive"))


@dataclass(frozen=True)
class Contrastive(Loss):
    """Two outputs, near each other where they are of a kind: `contrastive`."""

    margin: float = 1.0

    name: ClassVar = "contrastive"
    function: ClassVar = staticmethod(contrastive)
    predictions: ClassVar[int | None] = 2

    def target(self, prediction: TensorType, targets: Array | None = None) -> TensorType:
        return prediction.with_shape(prediction.shape[:1])


def _distance(a: Value, b: Value) -> Value:
    """(N,), the Euclidean length of a - b + 1e-6."""
    MeanSquaredError().infer(a.type, b.type)
    if a.type.rank < 2:
        raise GraphError(f"an embedding must be (N, ...), found rank {a.type.rank}: {a.type}")
    d = a - b + _APART
    return Sqrt()(Sum(tuple(range(1, a.type.rank)))(d * d))
