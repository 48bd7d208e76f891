"""Layer normalisation: mean and variance of every item by itself, along axes that are given.

J. L. Ba, J. R. Kiros, G. E. Hinton, arXiv:1607.06450. Of images (N, C, H, W), the axes (1, 2, 3)
are an item as a whole, and axis 1 is the channels of every pixel by itself, as ConvNeXt has it
(Z. Liu et al., arXiv:2201.03545).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.batch import Batches, Rule, Types, per_item
from graphcnn.ir.node import Array, Node, Op, Value
from graphcnn.ir.tensor_type import (
    Dim,
    Shape,
    TensorType,
    is_open,
    known_size,
    merged_size,
    open_axes,
)
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.elementwise import Sqrt
from graphcnn.ops.norm.group import GroupNorm, GroupNormGrad
from graphcnn.ops.parts.checks import check_same_dtype, check_shape
from graphcnn.ops.parts.reduction import averaged
from graphcnn.ops.reduce import Mean
from graphcnn.ops.shape import Reshape


@dataclass(frozen=True)
class LayerNorm(Op):
    """y = gamma · (x - mean) / sqrt(variance + epsilon) + beta, with statistics along `axes`.

    Mean and variance (of the population) are taken along the axes together, at every place of the
    others by itself. Shapes: x any with known sizes along the axes, gamma and beta the sizes of x
    along the axes; y as x. Any one float dtype.
    """

    axes: tuple[int, ...] = (1,)
    epsilon: float = 1e-5

    operands: ClassVar = ("x", "gamma", "beta")
    family: ClassVar = "norm"

    def infer(self, x: TensorType, gamma: TensorType, beta: TensorType) -> TensorType:
        inside = bool(self.axes) and all(0 <= a < x.rank for a in self.axes)
        if not inside or list(self.axes) != sorted(set(self.axes)):
            raise GraphError(f"axes must be some of x in rising order, found {self.axes} of {x}")
        sizes = tuple(x.shape[a] for a in self.axes)
        if is_open(sizes):
            raise GraphError(f"x must have known sizes along the axes {self.axes}, found {x}")
        check_same_dtype(x=x, gamma=gamma, beta=beta)
        check_shape(gamma, sizes, "gamma")
        check_shape(beta, sizes, "beta")
        if not self.epsilon > 0:
            raise GraphError(f"epsilon must be greater than 0, found {self.epsilon}")
        return x

    def evaluate(self, x: Array, gamma: Array, beta: Array) -> Array:
        wide = self._beside(x.shape)
        centred = x - averaged(x, self.axes, True)
        variance = averaged(centred * centred, self.axes, True)
        normal = centred / np.sqrt(variance + x.dtype.type(self.epsilon))
        y: Array = normal * gamma.reshape(wide) + beta.reshape(wide)
        return y

    def expand(self, x: Value, gamma: Value, beta: Value) -> tuple[Value, ...]:
        """The last axes are one group of rows; along others the statistics are means."""
        rows = self._rows(x.shape)
        if rows is not None:
            flat = [Reshape(rows[1:])(v) for v in (gamma, beta)]
            return (Reshape(x.shape)(GroupNorm(1, self.epsilon)(Reshape(rows)(x), *flat)),)
        wide = Reshape(self._beside(x.shape))
        centred, root = self._centred(x)
        return (centred / root * wide(gamma) + wide(beta),)

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        """With x^ = (x - mean) · r and means along the axes, dx = r · (gamma · dy - mean of
        gamma · dy - x^ · mean of gamma · dy · x^)."""
        x, gamma, _ = node.inputs
        rows = self._rows(x.shape)
        if rows is not None:
            grad = GroupNormGrad(1, self.epsilon)
            made = grad(Reshape(rows)(x), Reshape(rows[1:])(gamma), Reshape(rows)(dy))
            dx, *numbers = made.node.outputs
            return [Reshape(x.shape)(dx), *(Reshape(gamma.shape)(Sum((0,))(v)) for v in numbers)]
        others = tuple(a for a in range(x.type.rank) if a not in self.axes)
        mean, total = Mean(self.axes, True), Sum(others)
        centred, root = self._centred(x)
        normal, up = centred / root, dy * Reshape(self._beside(x.shape))(gamma)
        dx = (up - mean(up) - normal * mean(up * normal)) / root
        return [dx, total(dy * normal), total(dy)]

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return per_item(inputs, (0,), [a for a in range(types[0].rank) if a not in self.axes])

    def _beside(self, shape: Shape) -> tuple[int, ...]:
        """The shape of gamma in which it broadcasts to x."""
        return tuple(known_size((d,)) if a in self.axes else 1 for a, d in enumerate(shape))

    def _rows(self, shape: Shape) -> tuple[Dim, int] | None:
        """(rows, elements of one), if the axes are the last ones."""
        first = len(shape) - len(self.axes)
        if self.axes[0] != first or len(open_axes(shape)) > 1:
            return None
        return merged_size(shape[:first]), known_size(shape[first:])

    def _centred(self, x: Value) -> tuple[Value, Value]:
        """x less its mean, and sqrt(variance + epsilon)."""
        mean = Mean(self.axes, True)
        centred = x - mean(x)
        return centred, Sqrt()(mean(centred * centred) + self.epsilon)
