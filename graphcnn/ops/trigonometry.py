"""Functions of angles in radians."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from graphcnn.ir.node import Array, Node, Value
from graphcnn.ops.elementwise import _Unary


@dataclass(frozen=True)
class Sin(_Unary):
    """The sine of x in radians."""

    def evaluate(self, x: Array) -> Array:
        return np.sin(x)

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        return [dy * Cos()(node.inputs[0])]


@dataclass(frozen=True)
class Cos(_Unary):
    """The cosine of x in radians."""

    def evaluate(self, x: Array) -> Array:
        return np.cos(x)

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        return [-(dy * Sin()(node.inputs[0]))]


@dataclass(frozen=True)
class Atan(_Unary):
    """The angle from -π/2 to π/2 whose tangent is x."""

    monotone: ClassVar = (1,)

    def evaluate(self, x: Array) -> Array:
        return np.arctan(x)

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        x = node.inputs[0]
        return [dy / (x * x + 1.0)]
