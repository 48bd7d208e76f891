"""Random draws from distributions: what they are in training, and in a prediction.

Numbers follow from seed, step, stream and place alone; see `random_uniform`.
"""

from dataclasses import replace
from typing import Any

from graphcnn.errors import GraphError
from graphcnn.ir.node import Value, constant_of
from graphcnn.language.arguments import choose, scoped
from graphcnn.language.axes import one_axis
from graphcnn.language.errors import located
from graphcnn.language.sources import draw_of
from graphcnn.ops.comparison import Less
from graphcnn.ops.elementwise import Cast, Log, Maximum, as_type
from graphcnn.ops.parts.checks import check_float
from graphcnn.ops.random import InTraining, normal_of_uniform, uniform_of_model
from graphcnn.ops.reduce import ArgMax
from graphcnn.ops.shape import OneHot, StopGradient, Transpose
from graphcnn.ops.softmax import Softmax

#: What stands for a draw in a prediction.
_PREDICTIONS = {"mean": True, "draw": False}
#: What a gradient takes for the derivative of a draw that jumps.
_GRADIENTS = {"straight-through": True, "none": False}


@located
def normal(
    mean: Value,
    deviation: Value | float = 1.0,
    *,
    predict: str = "mean",
    seed: int = 0,
    stream: int = 0,
    name: str = "",
) -> Value:
    """A draw from normal distributions: mean + deviation · ε, ε normal with mean 0 and variance 1.

    The gradient goes through the formula to mean and deviation, ε being a constant (the
    reparameterisation of D. Kingma, M. Welling, arXiv:1312.6114).

    Args:
        mean: a float tensor; each element has a draw of its own.
        deviation: of the shape of mean, or a number.
        predict: what stands here where the model predicts: "mean", that is `mean` itself, or
            "draw". A prediction draws the same numbers at every run; each step of training others.
        seed, stream: as for `random_uniform`: give each call a stream of its own.

    Returns:
        A tensor as mean.
    """
    _float_value(mean, "mean")
    both = uniform_of_model((2, *mean.shape), *draw_of(seed, stream), mean.dtype)
    noise = as_type(normal_of_uniform(both), mean.dtype)
    drawn = mean + noise * deviation
    if drawn.type != mean.type:
        raise GraphError(f"deviation must be of the shape of mean, {mean.type}, found {deviation}")
    return _either(mean, drawn, predict, scoped(name, "normal"))


@located
def bernoulli(
    probability: Value,
    *,
    predict: str = "mean",
    gradient: str = "straight-through",
    seed: int = 0,
    stream: int = 0,
    name: str = "",
) -> Value:
    """1 with a probability, else 0: u < probability, u uniform in [0, 1).

    Args:
        probability: a float tensor of numbers from 0 to 1; each element has a draw of its own.
        predict: "mean", that is `probability` itself, or "draw".
        gradient: "straight-through" takes the derivative 1 for that of the jump (Y. Bengio et al.,
            arXiv:1308.3432), which is biased; "none" leads no gradient through.
        seed, stream: as for `random_uniform`.

    Returns:
        0 and 1 in the type of probability, exactly.
    """
    _float_value(probability, "probability")
    u = uniform_of_model(probability.shape, *draw_of(seed, stream), probability.dtype)
    drawn = Cast(probability.dtype)(Less()(u, as_type(probability, u.dtype)))
    drawn = _through(drawn, probability, gradient)
    return _either(probability, drawn, predict, scoped(name, "bernoulli"))


@located
def categorical(
    logits: Value,
    axis: int = 1,
    *,
    predict: str = "mean",
    gradient: str = "straight-through",
    temperature: float = 1.0,
    seed: int = 0,
    stream: int = 0,
    name: str = "",
) -> Value:
    """One of the classes along an axis, with the probabilities softmax(logits), as 0 and one 1.

    The largest of logits + g, g = -log(-log u): the Gumbel-max method.

    Args:
        logits: a float tensor, classes along `axis`.
        predict: "mean", that is softmax(logits), or "draw".
        gradient: "straight-through" takes that of softmax(logits / temperature) for that of the
            choice (E. Jang et al., arXiv:1611.01144), which is biased; "none" leads none through.
        temperature: of this gradient; the draw does not depend on it.
        seed, stream: as for `random_uniform`.

    Returns:
        A tensor as logits, of 0 and 1; `argmax` of it is the class.
    """
    _float_value(logits, "logits")
    at = one_axis(logits, axis)
    classes = logits.shape[at]
    if not isinstance(classes, int):
        raise GraphError(f"the number of classes must be known, found {classes} in {logits.type}")
    if not isinstance(temperature, int | float) or not temperature > 0:
        raise GraphError(f"temperature must be a number above 0, found {temperature!r}")
    u = uniform_of_model(logits.shape, *draw_of(seed, stream), logits.dtype)
    # u is a multiple of 2^-24; where it is 0, less than that.
    least = constant_of(2.0**-26, u.dtype)
    noise = -Log()(-Log()(Maximum()(u, least)))
    best = ArgMax(at, False)(as_type(logits, u.dtype) + noise)
    drawn = OneHot(classes, logits.dtype)(best)
    order = [*range(logits.type.rank - 1)]
    order.insert(at, logits.type.rank - 1)
    if at < logits.type.rank - 1:
        drawn = Transpose(tuple(order))(drawn)
    soft = Softmax(at)(logits if temperature == 1 else logits * (1.0 / temperature))
    drawn = _through(drawn, soft, gradient)
    return _either(Softmax(at)(logits), drawn, predict, scoped(name, "categorical"))


def _float_value(x: Any, name: str) -> None:
    if not isinstance(x, Value):
        raise GraphError(f"{name} must be a tensor, found {x!r}")
    check_float(**{name: x.type})


def _either(mean: Value, drawn: Value, predict: str, name: str) -> Value:
    """What is drawn, in a prediction the mean if that is asked for; its last node has the name."""
    result = InTraining()(mean, drawn) if choose(_PREDICTIONS, predict, "predict") else drawn
    return replace(result.node, name=name).outputs[result.index]


def _through(drawn: Value, soft: Value, gradient: str) -> Value:
    """The draw, as it is, with the gradient of `soft`: soft - soft is exactly 0."""
    if not choose(_GRADIENTS, gradient, "gradient"):
        return drawn
    return drawn + (soft - StopGradient()(soft))
