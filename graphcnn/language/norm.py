"""Normalisation of channels by batch or by group, and dropout."""

from graphcnn.errors import GraphError
from graphcnn.ir.node import Value
from graphcnn.ir.sources import Role
from graphcnn.language.activations import activate
from graphcnn.language.arguments import Activation, number, positive, scoped
from graphcnn.language.errors import located
from graphcnn.language.sources import learned, state
from graphcnn.ops.norm import BatchNorm, GroupNorm
from graphcnn.ops.random import Dropout


@located
def batch_norm(
    x: Value,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.1,
    trainable: bool = True,
    activation: Activation = None,
    name: str = "",
) -> Value:
    """Shift and scale every channel to a learned mean and spread (arXiv:1502.03167).

    y = gamma · (x - mean) / sqrt(variance + epsilon) + beta

    Training takes mean and variance from the batch and keeps running ones, which inference uses:
    running += momentum · (batch - running), with the unbiased variance of the batch.

    Args:
        x: (N, C) or (N, C, H, W).
        epsilon: keeps the root away from 0.
        momentum: weight of a new batch in the running statistics, 0 to 1.
        trainable: False freezes gamma and beta.
        activation: a name such as "relu", or a function of a tensor.
    """
    if x.type.rank < 2 or not isinstance(x.shape[1], int):
        raise GraphError(f"x must be (N, C) or (N, C, H, W), found rank {x.type.rank}: {x.type}")
    op = BatchNorm(number(epsilon, "epsilon"), number(momentum, "momentum"))
    shape = (x.shape[1],)
    gamma = learned(shape, "ones", x.dtype, trainable)
    beta = learned(shape, "zeros", x.dtype, trainable)
    mean = state(shape, "zeros", Role.STATISTIC, False, x.dtype, "")
    variance = state(shape, "ones", Role.STATISTIC, False, x.dtype, "")
    y = op(x, gamma, beta, mean, variance, name=scoped(name, op.name))
    return activate(y, activation)


@located
def group_norm(
    x: Value,
    groups: int,
    *,
    epsilon: float = 1e-5,
    trainable: bool = True,
    activation: Activation = None,
    name: str = "",
) -> Value:
    """Shift and scale every channel after normalising groups of channels (arXiv:1803.08494).

    y = gamma · (x - mean) / sqrt(variance + epsilon) + beta

    Mean and variance are those of a group of channels that follow each other, and of its pixels,
    in one item: nothing depends on the batch, and training and inference are the same. One group
    normalises whole items, as many groups as channels normalise every channel (instance norm).

    Args:
        x: (N, C, ...), as (N, C, H, W).
        groups: a divisor of C.
        epsilon: keeps the root away from 0.
        trainable: False freezes gamma and beta, one number each per channel.
        activation: a name such as "relu", or a function of a tensor.

    Raises:
        GraphError: the groups do not divide the channels, or x has no channels of a known number.
    """
    if x.type.rank < 2 or not isinstance(x.shape[1], int):
        raise GraphError(f"x must be (N, C, ...) of known sizes, found {x.type}")
    op = GroupNorm(positive(groups, "groups"), number(epsilon, "epsilon"))
    gamma = learned((x.shape[1],), "ones", x.dtype, trainable)
    beta = learned((x.shape[1],), "zeros", x.dtype, trainable)
    return activate(op(x, gamma, beta, name=scoped(name, op.name)), activation)


@located
def dropout(x: Value, rate: float = 0.5, *, name: str = "") -> Value:
    """In training, drop each number with probability `rate` and scale the others by 1 / (1 - rate).

    Inference leaves x alone. What is dropped follows from the seed and the step of the training
    run alone (N. Srivastava et al., JMLR 15, 2014).
    """
    op = Dropout(number(rate, "rate"))
    return op(x, name=scoped(name, op.name))
