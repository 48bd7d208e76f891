"""Losses of numbers: what is predicted and what is wanted are of one shape."""

from dataclasses import dataclass
from typing import Any, ClassVar

from graphcnn.errors import GraphError
from graphcnn.ir.node import Array, Value, constant_of
from graphcnn.ir.tensor_type import TensorType
from graphcnn.language.activations import log_softmax
from graphcnn.language.arguments import number, scoped
from graphcnn.language.errors import located
from graphcnn.language.loss import l1, mse, refuse_squashed
from graphcnn.language.weighting import mean_loss
from graphcnn.learning.losses.base import Loss
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.comparison import Clip
from graphcnn.ops.elementwise import Exp, Log, Maximum, Sqrt
from graphcnn.ops.loss import MeanSquaredError, Probabilities
from graphcnn.ops.softmax import Softmax


@dataclass(frozen=True)
class _OfNumbers(Loss):
    """A number for each that is predicted."""

    def target(self, prediction: TensorType, targets: Array | None = None) -> TensorType:
        return prediction


@dataclass(frozen=True)
class MSE(_OfNumbers):
    """The mean squared error: `mse`."""

    name: ClassVar = "mse"
    function: ClassVar = staticmethod(mse)


@dataclass(frozen=True)
class L1(_OfNumbers):
    """The mean absolute error: `l1`."""

    name: ClassVar = "l1"
    function: ClassVar = staticmethod(l1)


@located
def huber(
    prediction: Value, target: Value, *, delta: float = 1.0, weights: Any = None, name: str = ""
) -> Value:
    """The mean of ½ d² where |d| ≤ delta, else delta · (|d| - ½ delta), d = prediction - target.

    P. J. Huber, "Robust estimation of a location parameter" (1964). Divided by delta it is what
    PyTorch calls SmoothL1Loss with beta = delta.

    Args:
        prediction, target: of one shape, (N, ...).
        delta: greater than 0.
        weights: of the items, (N,), or of the rank of the prediction, with its sizes or 1.
    """
    d = _difference(prediction, target)
    delta = _positive(delta, "delta")
    near = Clip(-delta, delta)(d)
    return mean_loss(near * (d - near * 0.5), weights, name=scoped(name, "huber"))


@dataclass(frozen=True)
class Huber(_OfNumbers):
    """Squared near 0 and straight beyond: `huber`.

    Attributes:
        delta: where the one becomes the other.
    """

    delta: float = 1.0

    name: ClassVar = "huber"
    function: ClassVar = staticmethod(huber)


@located
def smooth_l1(
    prediction: Value, target: Value, *, beta: float = 1.0, weights: Any = None, name: str = ""
) -> Value:
    """The mean of ½ d² / beta where |d| ≤ beta, else |d| - ½ beta: `huber` divided by beta.

    R. Girshick, "Fast R-CNN", arXiv:1504.08083. Shapes and weights are as in `huber`.
    """
    d = _difference(prediction, target)
    beta = _positive(beta, "beta")
    near = Clip(-beta, beta)(d)
    return mean_loss(near * (d - near * 0.5) / beta, weights, name=scoped(name, "smooth_l1"))


@dataclass(frozen=True)
class SmoothL1(_OfNumbers):
    """Of slope 1 beyond `beta`, and squared nearer to 0: `smooth_l1`."""

    beta: float = 1.0

    name: ClassVar = "smooth_l1"
    function: ClassVar = staticmethod(smooth_l1)


@located
def poisson(log_rate: Value, count: Value, *, weights: Any = None, name: str = "") -> Value:
    """The mean of exp(z) - t · z: the negative logarithm of the probability of a count t that is
    distributed by Poisson with the rate exp(z), without the part that does not depend on z.

    Args:
        log_rate, count: z and t, of one shape, (N, ...).
        weights: of the items, (N,), or of the rank of z, with its sizes or 1.
    """
    MeanSquaredError().infer(log_rate.type, count.type)
    return mean_loss(Exp()(log_rate) - count * log_rate, weights, name=scoped(name, "poisson"))


@dataclass(frozen=True)
class Poisson(_OfNumbers):
    """Counts, of which the logarithm of the rate is predicted: `poisson`."""

    name: ClassVar = "poisson"
    function: ClassVar = staticmethod(poisson)


@located
def kl_divergence(logits: Value, target: Value, *, weights: Any = None, name: str = "") -> Value:
    """The mean over items of the sum over k of t[k] · (log t[k] - log softmax(logits)[k]).

    The divergence of the distribution that is predicted from the one that is wanted: S. Kullback
    and R. Leibler, "On information and sufficiency" (1951). It differs from `cross_entropy` of soft
    labels by what does not depend on the logits, and is 0 where both are equal. PyTorch's KLDivLoss
    of log_softmax with reduction="batchmean", for items without pixels.

    Args:
        logits: (N, K), or (N, K, H, W) for one distribution per pixel.
        target: t, of the shape of logits, at least 0 and with the sum 1 over the classes.
        weights: of the items, (N,) or (N, H, W).

    Raises:
        GraphError: logits come out of softmax or sigmoid, or shapes differ.
    """
    refuse_squashed(logits, "kl_divergence takes logits and applies softmax itself")
    MeanSquaredError().infer(logits.type, target.type)
    if logits.type.rank < 2:
        raise GraphError(f"logits must be (N, classes), found rank 1: {logits.type}")
    t = Probabilities(1)(target)
    log_t = Log()(Maximum()(t, constant_of(1e-30, t.dtype)))  # times 0 where t is
    each = Sum((1,))(t * (log_t - log_softmax(logits, 1)))
    return mean_loss(each, weights, name=scoped(name, "kl_divergence"))


@dataclass(frozen=True)
class KLDivergence(_OfNumbers):
    """How far a distribution over the classes is from the wanted one: `kl_divergence`."""

    name: ClassVar = "kl_divergence"
    function: ClassVar = staticmethod(kl_divergence)
    readable: ClassVar = Softmax(1)


@located
def cosine_similarity(
    prediction: Value, target: Value, *, weights: Any = None, name: str = ""
) -> Value:
    """The mean of 1 - cos of the angle between prediction and target, as vectors along axis 1.

    Vectors shorter than 1e-8 count as of that length. Shapes: (N, D), or (N, D, H, W) for a vector
    per pixel; weights (N,) or (N, H, W).
    """
    MeanSquaredError().infer(prediction.type, target.type)
    if prediction.type.rank < 2:
        raise GraphError(f"prediction must be (N, D), found rank 1: {prediction.type}")
    dot = Sum((1,))(prediction * target)
    each = 1.0 - dot / (_length(prediction) * _length(target))
    return mean_loss(each, weights, name=scoped(name, "cosine_similarity"))


@dataclass(frozen=True)
class CosineSimilarity(_OfNumbers):
    """The angle between vectors: `cosine_similarity`."""

    name: ClassVar = "cosine_similarity"
    function: ClassVar = staticmethod(cosine_similarity)


def _length(x: Value) -> Value:
    least = constant_of(1e-16, x.dtype)
    return Sqrt()(Maximum()(Sum((1,))(x * x), least))


def _difference(prediction: Value, target: Value) -> Value:
    """prediction - target, which are of one shape: broadcasting here would hide a mistake."""
    MeanSquaredError().infer(prediction.type, target.type)
    return prediction - target


def _positive(x: Any, name: str) -> float:
    found = number(x, name)
    if not found > 0:
        raise GraphError(f"{name} must be greater than 0, found {x!r}")
    return found
