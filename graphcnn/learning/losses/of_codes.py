"""Losses of models that make images of codes."""

from dataclasses import dataclass
from typing import Any, ClassVar

from graphcnn.errors import GraphError
from graphcnn.ir.node import Array, Value
from graphcnn.ir.tensor_type import TensorType
from graphcnn.language.activations import softplus
from graphcnn.language.arguments import scoped
from graphcnn.language.errors import located
from graphcnn.language.loss import refuse_squashed
from graphcnn.language.weighting import mean_loss
from graphcnn.learning.losses.base import Loss, Parts
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.elementwise import Exp
from graphcnn.ops.loss import MeanSquaredError


@located
def elbo(
    logits: Value,
    mean: Value,
    log_variance: Value,
    target: Value,
    *,
    weights: Any = None,
    name: str = "",
) -> Value:
    """The mean of -log p(x | z) + KL(q(z | x), p(z)), in nats: the negative evidence lower bound.

    D. Kingma and M. Welling, "Auto-encoding variational Bayes", arXiv:1312.6114. An image x has
    independent bits of the probabilities sigmoid(l), l decoded from one code z that was drawn from
    q, normal with mean μ and variance s²; p(z) is normal with mean 0 and variance 1:

        Σ [softplus(l) - x · l] + ½ Σ [μ² + s² - 1 - log s²]

    Args:
        logits: l, (N, ...).
        mean, log_variance: μ and log s², of one shape, (N, ...).
        target: x, from 0 to 1, of the shape of logits.
        weights: of the items, (N,).

    Raises:
        GraphError: logits come out of a sigmoid, or shapes differ.
    """
    lost = _reconstruction(logits, target) + _divergence(mean, log_variance)
    return mean_loss(lost, weights, name=scoped(name, "elbo"))


def _reconstruction(logits: Value, target: Value) -> Value:
    """-log p(x | z) of each item."""
    refuse_squashed(logits, "elbo takes logits and applies sigmoid itself")
    MeanSquaredError().infer(logits.type, target.type)
    return _of_each(softplus(logits) - target * logits)


def _divergence(mean: Value, log_variance: Value) -> Value:
    """KL(q(z | x), p(z)) of each item."""
    if mean.type != log_variance.type:
        raise GraphError(
            f"mean and log_variance must be of one type, found {mean.type} and {log_variance.type}"
        )
    return _of_each(mean * mean + Exp()(log_variance) - 1.0 - log_variance) * 0.5


def _of_each(x: Value) -> Value:
    if x.type.rank < 2:
        raise GraphError(f"elbo takes numbers of each item, (N, ...), found rank 1: {x.type}")
    return Sum(tuple(range(1, x.type.rank)))(x)


@dataclass(frozen=True)
class Elbo(Loss):
    """The negative evidence lower bound of a variational autoencoder: `elbo`.

    It takes the outputs logits, mean and log_variance; the target is the image. Beside the loss it
    reports its parts, `reconstruction` and `divergence`.
    """

    name: ClassVar = "elbo"
    function: ClassVar = staticmethod(elbo)
    predictions: ClassVar = 3

    def target(self, prediction: TensorType, targets: Array | None = None) -> TensorType:
        return prediction

    def parts(self, *values: Value, weights: Any = None) -> Parts:
        logits, mean, log_variance, target = values
        reconstruction = mean_loss(_reconstruction(logits, target), weights)
        divergence = mean_loss(_divergence(mean, log_variance), weights)
        beside = {"reconstruction": reconstruction, "divergence": divergence}
        return reconstruction + divergence, beside
