"""Distributions of the numbers of an image, as a network tells them: for networks that draw number
after number, and for their loss.

The numbers of an image lie in [0, 1]: of L levels, level k is k / (L - 1).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Final

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.node import Value, constant_of
from graphcnn.ir.tensor_type import DType
from graphcnn.language.activations import log_softmax, sigmoid, softmax, softplus, tanh
from graphcnn.language.arguments import choose, is_int
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.comparison import Less, LessEqual, masked
from graphcnn.ops.conv import Conv2d
from graphcnn.ops.elementwise import Cast, Exp, Log, Maximum, Round
from graphcnn.ops.loss import indicators
from graphcnn.ops.reduce import Max
from graphcnn.ops.shape import Concat, Reshape, Slice, StopGradient


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


@dataclass(frozen=True)
class LogisticMixture(Distribution):
    """A number is one of `levels`, near levels being alike: a mixture of rounded logistic numbers.

    With levels at the middles of intervals of width 2h = 2 / (levels - 1) of [-1, 1],

        p(x) = Σₖ πₖ (σ((x + h - μₖ) / sₖ) - σ((x - h - μₖ) / sₖ))

    where the first and the last interval are open to the outside. Of a number a network gives first
    the logits of all πₖ, then all μₖ, then ln sₖ of all, which count from -7 on. Other than
    `Categorical` it knows of the order of levels from the beginning, with fewer outputs.

    T. Salimans et al., "PixelCNN++", arXiv:1701.05517, section 2.1; here the logarithm of the
    difference is σ(a) - σ(b) = σ(a) σ(-b) (1 - e^(b - a)), which is exact for narrow ones, too.
    """

    levels: int = 256
    components: int = 5

    name: ClassVar[str] = "logistic_mixture"

    def __post_init__(self) -> None:
        if not is_int(self.levels) or self.levels < 2:
            raise GraphError(f"levels must be an int of at least 2, found {self.levels!r}")
        if not is_int(self.components) or self.components < 1:
            raise GraphError(f"components must be an int of at least 1, found {self.components!r}")

    @property
    def per_channel(self) -> int:
        return 3 * self.components

    def nats(self, logits: Value, image: Value) -> Value:
        half, dtype = 1.0 / (self.levels - 1), logits.dtype
        each_channel = []
        for c, (scores, means, sharp) in enumerate(self._by_channel(logits)):
            x = _channels(image, c, 1)
            above, below = (Cast(dtype)(found) for found in (x < 1 - half / 2, x > half / 2))
            centred = x * 2.0 - 1.0 - means
            a, b = (centred + half) * sharp, (centred - half) * sharp
            narrow = tanh(sharp * half)  # 1 - e^(b - a) = 2 t / (1 + t), t = tanh((a - b) / 2)
            between = Log()(narrow * 2.0 / (narrow + 1.0))
            each = above * below * between - above * softplus(-a) - below * softplus(b)
            of_all = log_softmax(scores, 1) + each
            largest = StopGradient()(Max((1,), keepdims=True)(of_all))
            sums = largest + Log()(Sum((1,), keepdims=True)(Exp()(of_all - largest)))
            each_channel.append(Sum((1, 2, 3))(sums))
        return -sum(each_channel[1:], each_channel[0])

    def draw(self, logits: Value, uniform: Value, temperature: Value) -> Value:
        # Between level j and the next one lies the place (2 j + 1) / (levels - 1) - 1. Below a
        # temperature of 1 scales are smaller, and what is likely is more so.
        dtype, top = logits.dtype, self.levels - 1
        places = ((2 * np.arange(top) + 1) / top - 1).reshape(1, top, 1, 1)
        edges = constant_of(places.astype(dtype.numpy), dtype)
        drawn = []
        for c, (scores, means, sharp) in enumerate(self._by_channel(logits)):
            shares, parts = softmax(scores / temperature, 1), []
            for k in range(self.components):
                share, mean, by = (_channels(v, k, 1) for v in (shares, means, sharp))
                parts.append(share * sigmoid((edges - mean) * (by / temperature)))
            below = sum(parts[1:], parts[0])
            passed = Cast(uniform.dtype)(LessEqual()(below, _channels(uniform, c, 1)))
            drawn.append(Sum((1,), keepdims=True)(passed) / float(top))
        return Concat(1)(*drawn) if len(drawn) > 1 else drawn[0]

    def _by_channel(self, logits: Value) -> list[tuple[Value, Value, Value]]:
        """Logits of the shares, means and 1 / s, (N, components, H, W) each, of each channel."""
        k, found = self.components, []
        for first in range(0, int(logits.shape[1]), 3 * k):  # type: ignore[arg-type]
            scores, means, scales = (_channels(logits, first + i * k, k) for i in range(3))
            least = constant_of(_LEAST_LOG_SCALE, logits.dtype)
            found.append((scores, means, Exp()(-Maximum()(scales, least))))
        return found


#: Of a logistic number: an interval of 2 / 255 has 97 % of it then.
_LEAST_LOG_SCALE: Final = -7.0


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
    kind.name: kind for kind in (Bernoulli, Categorical, LogisticMixture)
}


def of_levels(levels: int, components: int = 0) -> Distribution:
    """How a number of so many levels is distributed: `Bernoulli` for 2, `Categorical` for more, or
    a `LogisticMixture` where it is to have components."""
    if components:
        return LogisticMixture(levels, components)
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
