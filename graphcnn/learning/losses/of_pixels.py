"""The loss of models that give each number of an image its distribution."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from graphcnn.errors import GraphError
from graphcnn.ir.node import Array, Value
from graphcnn.ir.tensor_type import TensorType, known_size
from graphcnn.language.arguments import scoped
from graphcnn.language.errors import located
from graphcnn.language.loss import refuse_squashed
from graphcnn.language.weighting import mean_loss
from graphcnn.learning.distributions import Distribution, LogisticMixture, of_levels
from graphcnn.learning.losses.base import Loss, Parts


@located
def pixel_nll(
    logits: Value,
    target: Value,
    *,
    levels: int = 2,
    components: int = 0,
    weights: Any = None,
    name: str = "",
) -> Value:
    """The mean of - ln p(x) over the images: nats, of all numbers of an image together.

    p(x) = Π p(xᵢ | x₁ … xᵢ₋₁), where a network tells how each number is distributed given those
    before it (A. van den Oord et al., arXiv:1601.06759).

    Args:
        logits: (N, C, H, W) of two levels, where p(xᵢ = 1) = sigmoid(lᵢ); else
            (N, C · levels, H, W), a softmax over the levels for each number; with `components`
            (N, C · 3 · components, H, W), those of a `cnn.distributions.LogisticMixture`.
        target: x, (N, C, H, W), in [0, 1]: of L levels, level k is k / (L - 1).
        levels: how many values a number has.
        components: of a mixture, or 0.
        weights: of the images, (N,).

    Raises:
        GraphError: shapes that do not fit, or logits that come out of a sigmoid.
    """
    lost = _of_each(logits, target, of_levels(levels, components))
    return mean_loss(lost, weights, name=scoped(name, "pixel_nll"))


def _of_each(logits: Value, target: Value, kind: Distribution) -> Value:
    """- ln p of each image."""
    refuse_squashed(logits, "pixel_nll takes logits and applies sigmoid or softmax itself")
    expected = _images(logits.type, kind)
    if target.type != expected:
        raise GraphError(
            f"pixel_nll of logits {logits.type} compares images {expected}, found {target.type}"
        )
    return kind.nats(logits, target)


def _images(logits: TensorType, kind: Distribution) -> TensorType:
    """The type of the images that logits are for."""
    per = kind.per_channel
    channels = logits.shape[1] if logits.rank == 4 else None
    if not isinstance(channels, int) or channels % per or not logits.dtype.is_float:
        raise GraphError(
            f"logits of pixels must be floats (N, C · {per}, H, W) for {kind.levels} levels"
            f"{_mixed(kind)}, found {logits}"
        )
    return logits.with_shape((logits.shape[0], channels // per, *logits.shape[2:]))


def _mixed(kind: Distribution) -> str:
    return f" and {kind.components} components" if isinstance(kind, LogisticMixture) else ""


@dataclass(frozen=True)
class PixelNLL(Loss):
    """What an image costs a model that tells how each number is distributed: `pixel_nll`.

    The target is the image. Beside the loss, which is in nats per image, it reports
    `bits_per_dim`: nats / (C · H · W · ln 2).

    Attributes:
        levels: how many values a number has, 2 for black and white.
        components: of a `cnn.distributions.LogisticMixture`, in place of a softmax over the
            levels, where it is not 0.
    """

    levels: int = 2
    components: int = 0

    name: ClassVar = "pixel_nll"
    function: ClassVar = staticmethod(pixel_nll)

    def __post_init__(self) -> None:
        of_levels(self.levels, self.components)

    def target(self, prediction: TensorType, targets: Array | None = None) -> TensorType:
        return _images(prediction, of_levels(self.levels, self.components))

    def parts(self, *values: Value, weights: Any = None) -> Parts:
        logits, target = values
        kind = of_levels(self.levels, self.components)
        loss = mean_loss(_of_each(logits, target, kind), weights)
        count = known_size(target.shape[1:])
        return loss, {"bits_per_dim": loss / (float(count or 1) * math.log(2))}
