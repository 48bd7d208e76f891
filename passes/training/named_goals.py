"""Goals with a name, as `loss=` takes them: several losses in a step, each with its parameters.

    model.fit(images, loss="wgan_gp", optimizer=cnn.Adam(1e-4, beta1=0.0, beta2=0.9))
    model.fit(images, loss=cnn.goals.WGANGP(every=3), optimizer=cnn.Adam(1e-4, beta1=0.5))

`cnn.Goal` makes such of functions of one's own. Here are those that hold a derivative.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

from graphcnn.errors import GraphError
from graphcnn.ir.graph import rebuilt, topological_order
from graphcnn.ir.node import Value
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import N
from graphcnn.language.arguments import number
from graphcnn.language.elementwise import sqrt
from graphcnn.language.reduce import mean, sum
from graphcnn.language.sources import random_uniform
from graphcnn.learning.goals import Goal
from graphcnn.learning.named_goals import GAN, GOALS, NamedGoals, Numbers, named
from graphcnn.ops.random import Dropout
from graphcnn.passes.training.backward import gradients

__all__ = ["GAN", "GOALS", "WGANGP", "NamedGoals"]

#: The stream of the draws between images.
_STREAM = 0x57474150
#: Below the square of any slope: a root has no derivative at 0.
_LEAST = 1e-12


@named
@dataclass(frozen=True)
class WGANGP(NamedGoals):
    """A generator that is to come near to images, as far as a critic of slope 1 sees it: I.
    Gulrajani et al., arXiv:1704.00028.

        d = mean(fake) - mean(real) + penalty · mean (slope - 1)²      the critic, in every step
        g = -mean(fake)                                                the generator, every so many

    The model has the outputs `real` and `fake`, what the critic says of its first input, which real
    depends on alone, and of the output `drawn`. `slope` is the length of the derivative of what the
    critic says by an image between these two, image · u + drawn · (1 - u) with a uniform u of each
    item: the critic is what makes `real` of the image.

    Beside the losses stand `d_distance`, mean(real) - mean(fake), an estimate of the distance of
    the two distributions, and `d_penalty`.

    Args:
        penalty: what the penalty counts, 10 in the paper.
        every: steps of the critic for one of the generator, 5 in the paper.

    Raises:
        GraphError: a negative penalty, or no number of steps.
    """

    name: ClassVar[str] = "wgan_gp"
    penalty: float = 10.0
    every: int = 5

    def __post_init__(self) -> None:
        found = number(self.penalty, "penalty")
        if not (math.isfinite(found) and found >= 0):
            raise GraphError(f"penalty must be finite and at least 0, found {found:g}")
        super().__post_init__()

    def _made(self) -> dict[str, Goal]:
        def of_critic(real: Value, fake: Value, drawn: Value) -> Numbers:
            distance = mean(real) - mean(fake)
            over = _slope(real, drawn) - 1.0
            penalty = mean(over * over)
            beside = {"distance": distance, "penalty": penalty}
            return penalty * self.penalty - distance, beside

        def of_generator(fake: Value) -> Value:
            return -mean(fake)

        return {
            "d": Goal(of_critic, trains=self.critic),
            "g": Goal(of_generator, trains=self.generator, after="d", every=self.every),
        }


def _slope(real: Value, drawn: Value) -> Value:
    """(N,): the length of the derivative of what a critic says by an image between a real and a
    drawn one.

    Raises `GraphError` where what it says does not depend on one image alone, or at random.
    """
    inputs = [n.outputs[0] for n in topological_order([real.node]) if isinstance(n.op, Input)]
    images = [v for v in inputs if v.type == drawn.type]
    if len(images) != 1 or len(inputs) != 1:
        found = ", ".join(f"{v.node.name} {v.type}" for v in inputs) or "none"
        raise GraphError(
            "wgan_gp takes the slope of what a critic says of one image: the output real must "
            f"depend on one input, of the type of drawn {drawn.type}, found {found}"
        )
    (image,) = images
    for node in topological_order([real.node]):
        # The derivative would be of another critic than the one that the step trains.
        if isinstance(node.op, Dropout) and node.op.rate > 0:
            raise GraphError(
                f"wgan_gp differentiates the critic by its image, and {node.op.name} "
                f"{node.name!r}, which drops others at each step, lies between: leave it out"
            )
    share = random_uniform((N,) + (1,) * (image.type.rank - 1), dtype=image.dtype, stream=_STREAM)
    between = image * share + drawn * (1.0 - share)
    (said,) = rebuilt([real], {image: between})
    (slopes,) = gradients(sum(said), [between])
    return sqrt(sum(slopes * slopes, axes=tuple(range(1, image.type.rank))) + _LEAST)
