"""Goals with a name: networks that draw, and critics that learn to tell what they draw.

    model.fit(images, loss="gan", optimizer=cnn.Adam(2e-4, beta1=0.5))
    model.fit(images, loss=cnn.goals.GAN(smoothing=0.1), optimizer=cnn.Adam(2e-4, beta1=0.5))

They take outputs of a model by name, and train the parameters that patterns name.
"""

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Final, TypeVar

from graphcnn.errors import GraphError
from graphcnn.ir.node import Value
from graphcnn.language.activations import sigmoid, softplus
from graphcnn.language.arguments import number
from graphcnn.language.reduce import mean
from graphcnn.learning.goals import Goal, Goals

Numbers = tuple[Value, dict[str, Value]]


@dataclass(frozen=True)
class NamedGoals(Goals):
    """Goals that a name and settings tell, so that recipes and saved models can hold them.

    Args:
        critic, generator: patterns of the names of the parameters of each.
    """

    name: ClassVar[str] = ""
    goals: tuple[tuple[str, Goal], ...] = field(init=False, repr=False, compare=False)
    critic: str = "D.*"
    generator: str = "G.*"

    def __post_init__(self) -> None:
        object.__setattr__(self, "goals", tuple(self._made().items()))
        super().__post_init__()

    def _made(self) -> dict[str, Goal]:
        raise NotImplementedError

    @property
    def options(self) -> dict[str, Any]:
        """The settings by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.init}

    @property
    def changed(self) -> dict[str, Any]:
        """The settings that are not the usual ones."""
        usual = type(self)().options
        return {key: value for key, value in self.options.items() if value != usual[key]}

    def __str__(self) -> str:
        said = ", ".join(f"{key}={value!r}" for key, value in self.changed.items())
        return f"{self.name}({said})" if said else self.name


#: What `loss=` accepts as a name of goals, each with its usual settings; see `named`.
GOALS: Final[dict[str, NamedGoals]] = {}

G = TypeVar("G", bound=NamedGoals)


def named(kind: type[G]) -> type[G]:
    """Register goals by their name."""
    GOALS[kind.name] = kind()
    return kind


@named
@dataclass(frozen=True)
class GAN(NamedGoals):
    """A generator whose images a critic is to take for real ones: I. Goodfellow et al.,
    arXiv:1406.2661, with the loss of the generator that does not saturate (section 3).

        d = mean softplus(-real) + mean softplus(fake)        the critic, first
        g = mean softplus(-fake)                              the generator, seeing the new critic

    The model has the outputs `real` and `fake`: the critic's logits of images and of drawn ones.
    Beside the losses stand `d_real` and `d_fake`, the probabilities that the critic gives them on
    the mean.

    Args:
        smoothing: the critic's target of images is 1 - smoothing (T. Salimans et al.,
            arXiv:1606.03498, section 3.4).
        every: steps of the critic for one of the generator.

    Raises:
        GraphError: smoothing is not in [0, 1), or no number of steps.
    """

    name: ClassVar[str] = "gan"
    smoothing: float = 0.0
    every: int = 1

    def __post_init__(self) -> None:
        found = number(self.smoothing, "smoothing")
        if not 0 <= found < 1:
            raise GraphError(f"smoothing must be in [0, 1), found {found:g}")
        super().__post_init__()

    def _made(self) -> dict[str, Goal]:
        def of_critic(real: Value, fake: Value) -> Numbers:
            # With a target t: t · softplus(-x) + (1 - t) · softplus(x) = softplus(-x) + (1 - t) · x
            of_real = softplus(-real) + real * self.smoothing if self.smoothing else softplus(-real)
            beside = {"real": mean(sigmoid(real)), "fake": mean(sigmoid(fake))}
            return mean(of_real) + mean(softplus(fake)), beside

        def of_generator(fake: Value) -> Value:
            return mean(softplus(-fake))

        return {
            "d": Goal(of_critic, trains=self.critic),
            "g": Goal(of_generator, trains=self.generator, after="d", every=self.every),
        }
