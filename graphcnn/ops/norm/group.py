"""Group normalisation. Y. Wu, K. He, arXiv:1803.08494.

Mean and variance are those of every item by itself, over a group of channels and their pixels, so
that it is the same in training and in inference.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.batch import Batches, Rule, Types, per_item
from graphcnn.ir.node import Array, Node, Op, Value
from graphcnn.ir.tensor_type import Shape, TensorType, is_open, known_size
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.elementwise import Sqrt
from graphcnn.ops.norm.channels import channel_shape, per_channel
from graphcnn.ops.parts.checks import check_same_dtype, check_shape
from graphcnn.ops.parts.reduction import averaged, summed
from graphcnn.ops.reduce import Mean
from graphcnn.ops.shape import Reshape


@dataclass(frozen=True)
class GroupNorm(Op):
    """y = gamma · (x - mean) / sqrt(variance + epsilon) + beta, for every item and group.

    The C channels are `groups` groups of C / groups that follow each other; mean and variance (of
    the population) are over the channels and pixels of a group, in one item. Shapes: x (N, C, ...)
    of known sizes but N, gamma and beta (C); y as x. Any one float dtype.
    """

    groups: int = 1
    epsilon: float = 1e-5

    operands: ClassVar = ("x", "gamma", "beta")
    family: ClassVar = "norm"

    def infer(self, x: TensorType, gamma: TensorType, beta: TensorType) -> TensorType:
        _check_groups(self.groups, self.epsilon, x, gamma=gamma, beta=beta)
        return x

    def evaluate(self, x: Array, gamma: Array, beta: Array) -> Array:
        centred, root = _centred(x, self.groups, self.epsilon)
        shape, normal = channel_shape(x.shape), (centred / root).reshape(x.shape)
        y: Array = normal * gamma.reshape(shape) + beta.reshape(shape)
        return y

    def expand(self, x: Value, gamma: Value, beta: Value) -> tuple[Value, ...]:
        centred, root = _centred_nodes(x, self.groups, self.epsilon)
        normal = Reshape(x.shape)(centred / root)
        return (normal * per_channel(gamma, x) + per_channel(beta, x),)

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        x, gamma, _ = node.inputs
        grad = GroupNormGrad(self.groups, self.epsilon)(x, gamma, dy)
        dx, dgamma, dbeta = grad.node.outputs
        return [dx, Sum((0,))(dgamma), Sum((0,))(dbeta)]

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return per_item(inputs, (0,))


@dataclass(frozen=True)
class GroupNormGrad(Op):
    """Gradients of `GroupNorm`'s y, item by item. With x^ = (x - mean) · r, r = 1 / sqrt(variance +
    epsilon), and means over the groups,

        dbeta  = sum of dy over the pixels
        dgamma = sum of dy · x^ over the pixels
        dx     = r · (gamma · dy - mean of gamma · dy - x^ · mean of gamma · dy · x^)

    Shapes: x, dy and dx (N, C, ...), gamma (C), dgamma and dbeta (N, C).
    """

    groups: int = 1
    epsilon: float = 1e-5

    family: ClassVar = "norm"
    operands: ClassVar = ("x", "gamma", "dy")
    results: ClassVar = ("dx", "dgamma", "dbeta")

    def infer(
        self, x: TensorType, gamma: TensorType, dy: TensorType
    ) -> tuple[TensorType, TensorType, TensorType]:
        _check_groups(self.groups, self.epsilon, x, gamma=gamma)
        check_same_dtype(x=x, dy=dy)
        check_shape(dy, x.shape, "dy")
        of_item = x.with_shape(x.shape[:2])
        return x, of_item, of_item

    def evaluate(self, x: Array, gamma: Array, dy: Array) -> tuple[Array, Array, Array]:
        pixels = tuple(range(2, x.ndim))
        centred, root = _centred(x, self.groups, self.epsilon)
        normal = centred / root
        dgamma = summed(dy * normal.reshape(x.shape), pixels)
        up = (dy * gamma.reshape(channel_shape(x.shape))).reshape(normal.shape)
        slope = averaged(up * normal, (2,), True)
        dx = (up - averaged(up, (2,), True) - normal * slope) / root
        return dx.reshape(x.shape), dgamma, summed(dy, pixels)

    def expand(self, x: Value, gamma: Value, dy: Value) -> tuple[Value, ...]:
        pixels = tuple(range(2, x.type.rank))
        centred, root = _centred_nodes(x, self.groups, self.epsilon)
        normal = centred / root
        dgamma = Sum(pixels)(dy * Reshape(x.shape)(normal))
        up = Reshape(normal.shape)(dy * per_channel(gamma, x))
        slope = Mean((2,), True)(up * normal)
        dx = (up - Mean((2,), True)(up) - normal * slope) / root
        return Reshape(x.shape)(dx), dgamma, Sum(pixels)(dy)

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return per_item(inputs, (0, 2))


def grouped_shape(shape: Shape, groups: int) -> Shape:
    """(N, groups, elements of a group of one item)."""
    return shape[0], groups, known_size(shape[1:]) // groups


def _centred(x: Array, groups: int, epsilon: float) -> tuple[Array, Array]:
    """x less the mean of its group, as (N, groups, elements), and sqrt(variance + epsilon)."""
    grouped = x.reshape(grouped_shape(x.shape, groups))  # type: ignore[arg-type]
    centred = grouped - averaged(grouped, (2,), True)
    return centred, np.sqrt(averaged(centred * centred, (2,), True) + x.dtype.type(epsilon))


def _centred_nodes(x: Value, groups: int, epsilon: float) -> tuple[Value, Value]:
    """The same as nodes."""
    grouped = Reshape(grouped_shape(x.shape, groups))(x)
    centred = grouped - Mean((2,), True)(grouped)
    return centred, Sqrt()(Mean((2,), True)(centred * centred) + epsilon)


def _check_groups(groups: int, epsilon: float, x: TensorType, **channels: TensorType) -> None:
    if x.rank < 2 or is_open(x.shape[1:]):
        raise GraphError(f"x must be (N, C, ...) of known sizes, found {x}")
    check_same_dtype(x=x, **channels)
    count = known_size(x.shape[1:2])
    if groups < 1 or count % groups:
        raise GraphError(f"groups = {groups} must divide the {count} channels of {x}")
    for name, t in channels.items():
        check_shape(t, (count,), name)
    if not epsilon > 0:
        raise GraphError(f"epsilon must be greater than 0, found {epsilon}")
