"""Distributions of the numbers of an image, as a network tells them: for networks that draw number
after number, and for their loss.

The numbers of an image lie in [0, 1]: of L levels, level k is k / (L - 1).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.node import Value, constant_of
from graphcnn.ir.tensor_type import DType
from graphcnn.language.activations import log_softmax, sigmoid, softmax, softplus
from graphcnn.language.arguments import choose, is_int
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.comparison import Less, LessEqual, masked
from graphcnn.ops.conv import Conv2d
from graphcnn.ops.elementwise import Cast, Round
from graphcnn.ops.loss import indicators
from graphcnn.ops.shape import Concat, Reshape, Slice


class Distribution(ABC):
    """How each number of an image is distributed, by what a network gives for it.

    Attributes:
        name: in files.
        levels: how many values a number has.
        per_channel: how many outputs a network gives for a number: an image (N, C, H, W) has
            logits (N, C · per_channel, H, W), those of a channel one behind the other.
    """

    name: ClassVar[str]
    levels: int

    @property
    @abstractmethod
    def per_channel(self) -> int: ...

    @abstractmethod
    def nats(self, logits: Value, image: Value) -> Value:
        """- ln p of each image, (N,): the sum over its numbers."""

    @abstractmethod
    def draw(self, logits: Value, uniform: Value, temperature: Value) -> Value:
        """Numbers as `uniform` (N, C, H, W), drawn by inversion of the distribution: of each
        the level at which the sum of probabilities exceeds its uniform number in [0, 1)."""

    def to_json(self) -> dict[str, Any]:
        """As plain data, which `distribution_of` reads."""
        return {"name": self.name, **asdict(self)}  # type: ignore[call-overload]


@dataclass(frozen=True)
class Bernoulli(Distribution):
    """Black and white: a number is 1 with the probability sigmoid(logit), else 0."""

    name: ClassVar[str] = "bernoulli"
    levels: ClassVar[int] = 2  # type: ignore[misc]

    @property
    def per_channel(self) -> int:
        return 1

    def nats(self, logits: Value, image: Value) -> Value:
        return Sum((1, 2, 3))(softplus(logits) - image * logits)

    def draw(self, logits: Value, uniform: Value, temperature: Value) -> Value:
        return Cast(uniform.dtype)(Less()(uniform, sigmoid(logits / temperature)))


@dataclass(frozen=True)
class Categorical(Distribution):
    """A number is one of `levels` with the probability softmax(logits), whatever lies between.

    A. van den Oord et al., "Pixel recurrent neural networks", arXiv:1601.06759, section 3.4.
    """

    levels: int = 256

    name: ClassVar[str] = "categorical"

    def __post_init__(self) -> None:
        if not is_int(self.levels) or self.levels < 2:
            raise GraphError(f"levels must be an int of at least 2, found {self.levels!r}")

    @property
    def per_channel(self) -> int:
        return self.levels

    def nats(self, logits: Value, image: Value) -> Value:
        top = self.levels - 1
        total: Value | None = None
        for c, scores in enumerate(self._by_channel(logits)):
            level = Cast(DType.INT64)(Round()(_channels(image, c, 1) * float(top)))
            hit = indicators(_without_channel(level), self.levels, logits.dtype)
            known = Sum((1, 2, 3))(masked(hit > 0.5, log_softmax(scores, 1)))
            total = known if total is None else total + known
        assert total is not None
        return -total

    def draw(self, logits: Value, uniform: Value, temperature: Value) -> Value:
        # Row k of the matrix adds up the probabilities of the levels 0 to k. The last sum is 1 but
        # for rounding, and exceeds every number below 1: it is left out.
        dtype, top = logits.dtype, self.levels - 1
        sums = constant_of(np.tri(top, self.levels, dtype=dtype.numpy)[:, :, None, None], dtype)
        drawn = []
        for c, scores in enumerate(self._by_channel(logits)):
            below = Conv2d()(softmax(scores / temperature, 1), sums)
            passed = Cast(uniform.dtype)(LessEqual()(below, _channels(uniform, c, 1)))
            drawn.append(Sum((1,), keepdims=True)(passed) / float(top))
        return Concat(1)(*drawn) if len(drawn) > 1 else drawn[0]

    def _by_channel(self, logits: Value) -> list[Value]:
        count = int(logits.shape[1]) // self.levels  # type: ignore[arg-type]
        return [_channels(logits, c * self.levels, self.levels) for c in range(count)]


def _channels(x: Value, first: int, count: int) -> Value:
    """Some of the channels; all are the tensor itself."""
    if x.shape[1] == count:
        return x
    sizes = (x.shape[0], count, *x.shape[2:])
    return Slice((0, first, 0, 0), sizes, (1, 1, 1, 1))(x)


def _without_channel(x: Value) -> Value:
    n, _, height, width = x.shape
    return Reshape((n, height, width))(x)


#: By their names.
DISTRIBUTIONS: dict[str, type[Distribution]] = {
    kind.name: kind for kind in (Bernoulli, Categorical)
}


def of_levels(levels: int) -> Distribution:
    """How a number of so many levels is distributed: `Bernoulli` for 2, `Categorical` for more."""
    return Bernoulli() if levels == 2 else Categorical(levels)


def distribution_of(told: Any) -> Distribution:
    """What `to_json` told. Raises `GraphError` for other data."""
    if not isinstance(told, Mapping) or "name" not in told:
        raise GraphError(f"a distribution is told by its name and settings, found {told!r}")
    settings = {key: value for key, value in told.items() if key != "name"}
    kind = choose(DISTRIBUTIONS, told["name"], "distribution")
    try:
        return kind(**settings)
    except TypeError:
        raise GraphError(f"a {kind.name} distribution has no {', '.join(settings)}") from None
