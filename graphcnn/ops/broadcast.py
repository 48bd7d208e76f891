"""Broadcasting, by the rule of NumPy: axes are matched from the last one, sizes agree or are 1.

Its transpose is a sum along axes: each of the two is the gradient of the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.batch import SUM, Batches, Rule, Types, source_batch
from graphcnn.ir.node import Array, Node, Op, Value
from graphcnn.ir.tensor_type import Dim, Shape, TensorType, format_shape
from graphcnn.ops.parts.reduction import _Reduction, summed
from graphcnn.ops.shape import Reshape


def broadcast_shape(**shapes: Shape) -> Shape:
    """The common shape of operands, given by name. Raises `GraphError` with the shapes aligned."""
    rank = max(len(s) for s in shapes.values())
    result: list[Dim] = []
    for axis in range(-rank, 0):
        sizes = [s[axis] for s in shapes.values() if len(s) >= -axis]
        wide = [d for d in sizes if d != 1]
        if any(d != wide[0] for d in wide):
            raise GraphError(_mismatch(shapes, rank, axis))
        result.append(wide[0] if wide else 1)
    return tuple(result)


def broadcast_type(**operands: TensorType) -> TensorType:
    """The type of an elementwise result: the operands' one element type, their common shape."""
    first, *rest = operands.values()
    if rest.count(first) == len(rest):
        return first  # with its layout
    if any(t.dtype != first.dtype for t in rest):
        found = ", ".join(f"{name} {t}" for name, t in operands.items())
        raise GraphError(f"operands must have one element type, found {found}; use cast")
    return first.with_shape(broadcast_shape(**{name: t.shape for name, t in operands.items()}))


def _mismatch(shapes: dict[str, Shape], rank: int, axis: int) -> str:
    """The shapes under each other, the axis where they differ marked."""
    rows = [[""] * (rank - len(s)) + [str(d) for d in s] for s in shapes.values()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    label = max(map(len, shapes))
    lines = [
        f"{name:>{label}} " + "  ".join(f"{d:>{w}}" for d, w in zip(row, widths, strict=True))
        for name, row in zip(shapes, rows, strict=True)
    ]
    before = label + 1 + sum(w + 2 for w in widths[:axis])
    marker = " " * before + "^" * widths[axis]
    found = " and ".join(f"{name} {format_shape(s)}" for name, s in shapes.items())
    table = "\n  ".join([*lines, marker])
    return (
        f"{found} do not broadcast: sizes must agree or be 1, counted from the last axis; "
        f"they differ at axis {axis}\n  {table}"
    )


def unbroadcast(dy: Value, shape: Shape) -> Value:
    """dy summed over the axes along which `shape` was repeated: the transpose of broadcasting."""
    # the two are each other's gradient

    if dy.shape == shape:
        return dy
    added = len(dy.shape) - len(shape)
    axes = [a for a, d in enumerate(dy.shape) if a < added or (shape[a - added] == 1 and d != 1)]
    summed = Sum(tuple(axes))(dy)
    return summed if summed.shape == shape else Reshape(shape)(summed)


@dataclass(frozen=True)
class BroadcastTo(Op):
    """x repeated along new leading axes and along axes of size 1 until it has `shape`."""

    shape: Shape = ()

    operands: ClassVar = ("x",)
    family: ClassVar = "shape"
    annihilators: ClassVar = ((0,),)
    rounds: ClassVar[bool] = False

    def infer(self, x: TensorType) -> TensorType:
        common = broadcast_shape(x=x.shape, shape=self.shape)
        if common != self.shape:
            raise GraphError(
                f"x {x} cannot become {format_shape(self.shape)}: it has sizes other than 1 where "
                "that has 1, or more axes"
            )
        return x.with_shape(self.shape)

    def evaluate(self, x: Array) -> Array:
        return np.broadcast_to(x, self.shape)  # type: ignore[arg-type]

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        return [unbroadcast(dy, node.inputs[0].shape)]

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        (x,) = inputs
        if x.is_items:
            return x.at(x.axis + len(self.shape) - types[0].rank)
        return source_batch(results[0]) if x.is_fixed else x


@dataclass(frozen=True)
class Sum(_Reduction):
    """y = sum of x over `axes`. Integers wrap around; floats are added up in float64."""

    over_items: ClassVar = SUM
    is_linear: ClassVar = True
    integral: ClassVar[bool] = True

    def evaluate(self, x: Array) -> Array:
        return summed(x, self.axes, self.keepdims)

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        shape = node.inputs[0].shape
        return [BroadcastTo(shape)(self.restored(dy, shape))]
