"""Batch normalisation, in inference, in training and backwards.

S. Ioffe, C. Szegedy, arXiv:1502.03167. Each channel is shifted and scaled to mean 0 and variance 1,
then to the learned mean beta and standard deviation gamma. Over the batch and the pixels of one
channel, M numbers in all,

    mean = sum of x / M      variance = sum of (x - mean)² / M      r = 1 / sqrt(variance + epsilon)
    x^   = (x - mean) · r    y = gamma · x^ + beta

The variance is the population's (divided by M, not M - 1). Training keeps running statistics,
running += momentum · (batch - running), where the batch variance is taken as M / (M - 1) times
the one above; that is written out by the pass that makes the training graph.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.batch import MEAN, SUM, Batches, Rule, Types, mixed, per_item
from graphcnn.ir.node import Array, Node, Op, Value
from graphcnn.ir.tensor_type import TensorType
from graphcnn.ops.broadcast import BroadcastTo, Sum
from graphcnn.ops.elementwise import Sqrt
from graphcnn.ops.norm.channels import channel_shape, item_count, per_channel, reduced_axes
from graphcnn.ops.parts.checks import check_same_dtype, check_shape
from graphcnn.ops.parts.reduction import averaged, summed


@dataclass(frozen=True)
class BatchNorm(Op):
    """y = gamma · (x - mean) / sqrt(variance + epsilon) + beta: the form of inference.

    Shapes: x (N, C) or (N, C, H, W), the others (C); y as x. Any one float dtype. `momentum` is
    the weight of a new batch in the running statistics; it acts in training only.
    """

    epsilon: float = 1e-5
    momentum: float = 0.1

    operands: ClassVar = ("x", "gamma", "beta", "mean", "variance")
    family: ClassVar = "norm"

    def infer(
        self,
        x: TensorType,
        gamma: TensorType,
        beta: TensorType,
        mean: TensorType,
        variance: TensorType,
    ) -> TensorType:
        _check(self.epsilon, x, gamma=gamma, beta=beta, mean=mean, variance=variance)
        if not 0 <= self.momentum <= 1:
            raise GraphError(f"momentum must be in 0 to 1, found {self.momentum}")
        return x

    def evaluate(self, x: Array, gamma: Array, beta: Array, mean: Array, variance: Array) -> Array:
        shape = channel_shape(x.shape)
        scale = gamma / np.sqrt(variance + x.dtype.type(self.epsilon))
        y: Array = (x - mean.reshape(shape)) * scale.reshape(shape) + beta.reshape(shape)
        return y

    def expand(
        self, x: Value, gamma: Value, beta: Value, mean: Value, variance: Value
    ) -> tuple[Value, ...]:
        scale = gamma / Sqrt()(variance + self.epsilon)
        return ((x - per_channel(mean, x)) * per_channel(scale, x) + per_channel(beta, x),)

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return per_item(inputs, (0,), reduced_axes(types[0].shape))


@dataclass(frozen=True)
class BatchNormTrain(Op):
    """(y, mean, variance) with the statistics of the batch itself: the form of training.

    Shapes: x (N, C) or (N, C, H, W), gamma and beta (C); y as x, mean and variance (C). The
    gradient runs through the statistics; see `BatchNormGrad`.
    """

    epsilon: float = 1e-5

    operands: ClassVar = ("x", "gamma", "beta")
    results: ClassVar = ("y", "mean", "variance")
    family: ClassVar = "norm"

    def infer(
        self, x: TensorType, gamma: TensorType, beta: TensorType
    ) -> tuple[TensorType, TensorType, TensorType]:
        _check(self.epsilon, x, gamma=gamma, beta=beta)
        return x, gamma, gamma

    def evaluate(self, x: Array, gamma: Array, beta: Array) -> tuple[Array, Array, Array]:
        shape, axes = channel_shape(x.shape), reduced_axes(x.shape)
        mean = averaged(x, axes)
        centred = x - mean.reshape(shape)
        variance = averaged(centred * centred, axes)
        scale = gamma / np.sqrt(variance + x.dtype.type(self.epsilon))
        return centred * scale.reshape(shape) + beta.reshape(shape), mean, variance

    def gradient(
        self, node: Node, dy: Value | None, dmean: Value | None, dvariance: Value | None
    ) -> Sequence[Value | None]:
        x, gamma, _ = node.inputs
        _, mean, variance = node.outputs
        dx: Value | None = None
        dgamma: Value | None = None
        dbeta: Value | None = None
        if dy is not None:
            grad = BatchNormGrad(self.epsilon)(x, gamma, mean, variance, dy)
            dx, dgamma, dbeta = grad.node.outputs
        # The statistics are used themselves: mean' = 1 / M and variance' = 2 (x - mean) / M.
        if dmean is not None:
            part = BroadcastTo(x.shape)(per_channel(dmean / item_count(x), x))
            dx = part if dx is None else dx + part
        if dvariance is not None:
            slope = per_channel(dvariance * 2.0 / item_count(x), x)
            part = (x - per_channel(mean, x)) * slope
            dx = part if dx is None else dx + part
        return [dx, dgamma, dbeta]

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        if inputs[0].is_items and inputs[0].axis in reduced_axes(types[0].shape):
            if all(x.is_fixed for x in inputs[1:]):
                together = mixed("normalises by the statistics of the batch")
                return together, MEAN, together
        return mixed("normalises by statistics that are not of the items alone")


@dataclass(frozen=True)
class BatchNormGrad(Op):
    """Gradients of `BatchNormTrain`'s y, with x^, r and M as above and sums over each channel:

        dbeta  = sum of dy
        dgamma = sum of dy · x^
        dx     = gamma · r / M · (M · dy - dbeta - x^ · dgamma)

    mean and variance are those of x. Shapes: x, dy and dx alike, the others (C).
    """

    epsilon: float = 1e-5

    operands: ClassVar = ("x", "gamma", "mean", "variance", "dy")
    results: ClassVar = ("dx", "dgamma", "dbeta")
    family: ClassVar = "norm"

    def infer(
        self,
        x: TensorType,
        gamma: TensorType,
        mean: TensorType,
        variance: TensorType,
        dy: TensorType,
    ) -> tuple[TensorType, TensorType, TensorType]:
        _check(self.epsilon, x, gamma=gamma, mean=mean, variance=variance)
        check_same_dtype(x=x, dy=dy)
        check_shape(dy, x.shape, "dy")
        return x, gamma, gamma

    def evaluate(
        self, x: Array, gamma: Array, mean: Array, variance: Array, dy: Array
    ) -> tuple[Array, Array, Array]:
        shape, axes = channel_shape(x.shape), reduced_axes(x.shape)
        r = 1 / np.sqrt(variance + x.dtype.type(self.epsilon))
        normal = (x - mean.reshape(shape)) * r.reshape(shape)
        dbeta, dgamma = summed(dy, axes), summed(dy * normal, axes)
        count = x.dtype.type(x.size // x.shape[1])
        mean_part = (dbeta / count).reshape(shape) + normal * (dgamma / count).reshape(shape)
        return (gamma * r).reshape(shape) * (dy - mean_part), dgamma, dbeta

    def expand(
        self, x: Value, gamma: Value, mean: Value, variance: Value, dy: Value
    ) -> tuple[Value, ...]:
        axes, count = reduced_axes(x.shape), item_count(x)
        r = 1.0 / Sqrt()(variance + self.epsilon)
        normal = (x - per_channel(mean, x)) * per_channel(r, x)
        dbeta, dgamma = Sum(axes)(dy), Sum(axes)(dy * normal)
        mean_part = per_channel(dbeta / count, x) + normal * per_channel(dgamma / count, x)
        return per_channel(gamma * r, x) * (dy - mean_part), dgamma, dbeta

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        found = per_item(inputs, (0, 4), reduced_axes(types[0].shape))
        if not found.is_items:
            return found
        return mixed("follows the statistics of the batch back"), SUM, SUM


def _check(epsilon: float, x: TensorType, **channels: TensorType) -> None:
    if x.rank not in (2, 4) or not isinstance(x.shape[1], int):
        raise GraphError(f"x must be (N, C) or (N, C, H, W), found rank {x.rank}: {x}")
    check_same_dtype(x=x, **channels)
    for name, t in channels.items():
        check_shape(t, (x.shape[1],), name)
    if not epsilon > 0:
        raise GraphError(f"epsilon must be greater than 0, found {epsilon}")
