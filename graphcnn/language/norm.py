"""Normalisation by batch, by group of channels or along axes, and dropout."""

from graphcnn.errors import GraphError
from graphcnn.ir.node import Value
from graphcnn.ir.sources import Role
from graphcnn.ir.tensor_type import known_size
from graphcnn.language.activations import activate
from graphcnn.language.arguments import Activation, number, positive, scoped
from graphcnn.language.axes import many_axes
from graphcnn.language.errors import located
from graphcnn.language.sources import learned, state
from graphcnn.ops.norm import BatchNorm, GroupNorm, LayerNorm
from graphcnn.ops.random import Dropout


@located
def batch_norm(
    x: Value,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.1,
    scale: bool = True,
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
        scale: False leaves gamma at 1, frozen: what follows scales anyway.
        trainable: False freezes gamma and beta.
        activation: a name such as "relu", or a function of a tensor.
    """
    if x.type.rank < 2 or not isinstance(x.shape[1], int):
        raise GraphError(f"x must be (N, C) or (N, C, H, W), found rank {x.type.rank}: {x.type}")
    op = BatchNorm(number(epsilon, "epsilon"), number(momentum, "momentum"))
    shape = (x.shape[1],)
    gamma = learned(shape, "ones", x.dtype, trainable and scale)
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

    Mean and variance (of the population) are those of a group of channels that follow each other,
    and of its pixels, in one item: nothing depends on the batch, and training and inference are the
    same. One group normalises whole items, as many groups as channels normalise every channel
    (instance norm).

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
    return activate(_by_channel(op, x, trainable, scoped(name, op.name)), activation)


@located
def instance_norm(
    x: Value,
    *,
    epsilon: float = 1e-5,
    trainable: bool = True,
    activation: Activation = None,
    name: str = "",
) -> Value:
    """Shift and scale every channel after normalising it in every item (arXiv:1607.08022).

    It is `group_norm` with as many groups as channels, and has its formula and arguments: mean and
    variance are those of the pixels of one channel of one item. So x must have pixels.

    Raises:
        GraphError: x has no pixels, or no channels of a known number.
    """
    if x.type.rank < 3 or not isinstance(x.shape[1], int):
        raise GraphError(f"x must be (N, C, ...) with pixels, of known sizes, found {x.type}")
    op = GroupNorm(x.shape[1], number(epsilon, "epsilon"))
    return activate(_by_channel(op, x, trainable, scoped(name, "instance_norm")), activation)


def _by_channel(op: GroupNorm, x: Value, trainable: bool, name: str) -> Value:
    """With a learned gamma and beta, one number each per channel."""
    shape = (known_size(x.shape[1:2]),)
    gamma = learned(shape, "ones", x.dtype, trainable)
    beta = learned(shape, "zeros", x.dtype, trainable)
    return op(x, gamma, beta, name=name)


@located
def layer_norm(
    x: Value,
    axes: int | tuple[int, ...] = 1,
    *,
    epsilon: float = 1e-5,
    trainable: bool = True,
    activation: Activation = None,
    name: str = "",
) -> Value:
    """Shift and scale numbers after normalising every item along axes (arXiv:1607.06450).

    y = gamma · (x - mean) / sqrt(variance + epsilon) + beta

    Mean and variance (of the population) are taken along the axes together, at every place of the
    others by itself; gamma and beta have the sizes of x along them. Of images (N, C, H, W):

        axes=1             the channels of every pixel, as in ConvNeXt: gamma (C)
        axes=(1, 2, 3)     the whole item, with a gamma (C, H, W) for every place
        axes=-1            every row; what ONNX and PyTorch normalise are the last axes

    One gamma per channel after normalising whole items is `group_norm(x, 1)`.

    Args:
        x: a batch of any rank from 2 on.
        axes: one or more, but not the batch; negative ones count from the last.
        epsilon: keeps the root away from 0.
        trainable: False freezes gamma and beta.
        activation: a name such as "relu", or a function of a tensor.

    Raises:
        GraphError: the axes are not those of x, or the batch is among them, or no size is known.
    """
    found = many_axes(x, axes)
    if 0 in found or not found:
        raise GraphError(f"axes must be some of x but the batch, axis 0, found {axes!r}")
    op = LayerNorm(found, number(epsilon, "epsilon"))
    shape = tuple(d for d in (x.shape[a] for a in found) if isinstance(d, int))
    several = len(shape) > 1  # of one axis no parameter decays
    gamma = learned(shape, "ones", x.dtype, trainable, not several)
    beta = learned(shape, "zeros", x.dtype, trainable, not several)
    return activate(op(x, gamma, beta, name=scoped(name, op.name)), activation)


@located
def dropout(x: Value, rate: float = 0.5, *, name: str = "") -> Value:
    """In training, drop each number with probability `rate` and scale the others by 1 / (1 - rate).

    Inference leaves x alone. What is dropped follows from the seed and the step of the training
    run alone (N. Srivastava et al., JMLR 15, 2014).
    """
    op = Dropout(number(rate, "rate"))
    return op(x, name=scoped(name, op.name))
