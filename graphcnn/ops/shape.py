"""Operators that move elements and compute nothing: new shapes, parts, joins, indicator vectors.

`slice` and `embed` are each other's gradient, and so are `concat` and a row of slices.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from graphcnn.errors import DataError, GraphError
from graphcnn.ir.batch import COUNT, FIXED, Batches, Rule, Types, linear, mixed, per_item
from graphcnn.ir.batch_moves import embedded, joined, rearranged, sliced
from graphcnn.ir.node import Array, Node, Op, Value
from graphcnn.ir.tensor_type import (
    Dim,
    DType,
    Shape,
    TensorType,
    element_count,
    format_shape,
    is_open,
    known_size,
    merged_size,
    open_axes,
    size_words,
)
from graphcnn.ops.parts.places import check_places, places


@dataclass(frozen=True)
class Reshape(Op):
    """The same elements in row-major order under another shape.

    The sizes have the same product for every N: (N, 8, 6) is (4·N, 12) and (2, 2·N, 12), too.
    """

    shape: Shape = ()

    operands: ClassVar = ("x",)
    view: ClassVar[bool] = True
    family: ClassVar = "shape"
    rounds: ClassVar[bool] = False

    def infer(self, x: TensorType) -> TensorType:
        _check_sizes(self.shape, "shape")
        if element_count(x.shape) != element_count(self.shape):
            raise GraphError(
                f"cannot reshape {x} to {format_shape(self.shape)}: "
                f"{_product(x.shape)} elements, {_product(self.shape)}"
            )
        return x.with_shape(self.shape)

    def evaluate(self, x: Array) -> Array:
        return x.reshape(self.shape)

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        return [Reshape(node.inputs[0].shape)(dy)]

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return rearranged(inputs[0], types[0].shape, results[0].shape)


@dataclass(frozen=True)
class Flatten(Op):
    """(N, C, H, W) -> (N, C·H·W), or any other number of axes after the first."""

    operands: ClassVar = ("x",)
    view: ClassVar[bool] = True
    family: ClassVar = "shape"
    rounds: ClassVar[bool] = False

    def infer(self, x: TensorType) -> TensorType:
        if x.rank < 1:
            raise GraphError(f"x must be (N, ...), found {x}")
        return x.with_shape((x.shape[0], merged_size(x.shape[1:])))

    def evaluate(self, x: Array) -> Array:
        return x.reshape(x.shape[0], prod(x.shape[1:]))

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        return [Reshape(node.inputs[0].shape)(dy)]

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return rearranged(inputs[0], types[0].shape, results[0].shape)


@dataclass(frozen=True)
class StopGradient(Op):
    """y = x, with the derivative 0: what lies before it is a constant to a gradient."""

    operands: ClassVar = ("x",)
    elementwise: ClassVar[bool] = True
    piecewise_constant: ClassVar[bool] = True
    family: ClassVar = "shape"
    idempotent: ClassVar[bool] = True
    involution: ClassVar[bool] = True
    monotone: ClassVar = (1,)
    rounds: ClassVar[bool] = False

    def infer(self, x: TensorType) -> TensorType:
        return x

    def evaluate(self, x: Array) -> Array:
        return x


@dataclass(frozen=True)
class Transpose(Op):
    """Axis i of y is axis `perm[i]` of x."""

    perm: tuple[int, ...] = ()

    operands: ClassVar = ("x",)
    family: ClassVar = "shape"
    rounds: ClassVar[bool] = False

    def infer(self, x: TensorType) -> TensorType:
        if sorted(self.perm) != list(range(x.rank)):
            raise GraphError(
                f"perm must order the axes 0 to {x.rank - 1} of {x}, found {self.perm}"
            )
        return x.with_shape(tuple(x.shape[axis] for axis in self.perm))

    def evaluate(self, x: Array) -> Array:
        return x.transpose(self.perm)

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        inverse = tuple(self.perm.index(axis) for axis in range(len(self.perm)))
        return [Transpose(inverse)(dy)]

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        (x,) = inputs
        return x.at(self.perm.index(x.axis)) if x.is_items else x


@dataclass(frozen=True)
class Concat(Op):
    """The inputs one after the other along `axis`; all other sizes and the types are equal.

    Sizes along `axis` are all numbers, or all multiples of N: 2·N and N are 3·N.
    """

    axis: int = 1

    operands: ClassVar = ("*xs",)
    family: ClassVar = "arithmetic"
    rounds: ClassVar[bool] = False

    def infer(self, *xs: TensorType) -> TensorType:
        if not xs:
            raise GraphError("needs at least one input, found none")
        first = xs[0]
        if not 0 <= self.axis < first.rank:
            raise GraphError(f"axis {self.axis} does not exist in {first}")
        for i, x in enumerate(xs):
            if x.dtype != first.dtype or x.rank != first.rank or _but(x, self) != _but(first, self):
                raise GraphError(
                    f"inputs may differ in axis {self.axis} only, found x0 {first} and x{i} {x}"
                )
        sizes = tuple(x.shape[self.axis] for x in xs)
        if is_open(sizes) and len(open_axes(sizes)) < len(sizes):
            raise GraphError(
                f"cannot join the sizes {format_shape(sizes)} along axis {self.axis}: "
                f"{' + '.join(map(str, sizes))} is no multiple of N for every N"
            )
        total = sum(sizes[1:], sizes[0])
        return first.with_shape((*first.shape[: self.axis], total, *first.shape[self.axis + 1 :]))

    def evaluate(self, *xs: Array) -> Array:
        return np.concatenate(xs, axis=self.axis)

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        parts: list[Value] = []
        start: Dim = 0
        for x in node.inputs:
            starts = tuple([start if a == self.axis else 0 for a in range(x.type.rank)])
            parts.append(Slice(starts, x.shape, (1,) * x.type.rank)(dy))
            start = start + x.shape[self.axis]
        return parts

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return linear(inputs) or joined(inputs, self.axis)


def _but(x: TensorType, concat: Concat) -> Shape:
    """The sizes of all axes but the one that is joined."""
    return x.shape[: concat.axis] + x.shape[concat.axis + 1 :]


@dataclass(frozen=True)
class Slice(Op):
    """y[i, j, ...] = x[start + step·i, start + step·j, ...]: `sizes` elements of every axis.

    All three attributes have one entry per axis; steps are at least 1. Starts and sizes may be
    multiples of N, where all places lie in x for every N >= 1.
    """

    starts: Shape = ()
    sizes: Shape = ()
    steps: tuple[int, ...] = ()

    operands: ClassVar = ("x",)
    family: ClassVar = "shape"
    rounds: ClassVar[bool] = False

    def infer(self, x: TensorType) -> TensorType:
        check_places(x.shape, self.starts, self.sizes, self.steps, f"x {x}")
        return x.with_shape(self.sizes)

    def evaluate(self, x: Array) -> Array:
        return x[places(self.starts, self.sizes, self.steps)]

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        return [Embed(node.inputs[0].shape, self.starts, self.steps)(dy)]

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return sliced(inputs[0], types[0].shape, self.starts, self.sizes, self.steps)


@dataclass(frozen=True)
class Embed(Op):
    """Zeros of `shape` with x at the places start + step·i of every axis: `slice` transposed."""

    shape: Shape = ()
    starts: Shape = ()
    steps: tuple[int, ...] = ()

    operands: ClassVar = ("x",)
    family: ClassVar = "shape"
    rounds: ClassVar[bool] = False

    def infer(self, x: TensorType) -> TensorType:
        _check_sizes(self.shape, "shape")
        check_places(self.shape, self.starts, x.shape, self.steps, format_shape(self.shape))
        return x.with_shape(self.shape)

    def evaluate(self, x: Array) -> Array:
        y: Array = np.zeros(self.shape, x.dtype)
        y[places(self.starts, x.shape, self.steps)] = x
        return y

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        return [Slice(self.starts, node.inputs[0].shape, self.steps)(dy)]

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return embedded(inputs[0], types[0].shape, self.starts, self.shape, self.steps)


@dataclass(frozen=True)
class ElementCount(Op):
    """The product of the sizes in `shape`: a number that is known once N is."""

    shape: Shape = ()
    dtype: DType = DType.FLOAT32

    piecewise_constant: ClassVar[bool] = True
    family: ClassVar = "shape"
    rounds: ClassVar[bool] = False

    def infer(self) -> TensorType:
        _check_sizes(self.shape, "shape")
        return TensorType((), self.dtype)

    def evaluate(self) -> Array:
        return np.asarray(known_size(self.shape), self.dtype.numpy)

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        batches = len(open_axes(self.shape))
        return (FIXED, COUNT)[batches] if batches < 2 else mixed("counts pairs of items")


@dataclass(frozen=True)
class Positions(Op):
    """0, 1, 2, ... in row-major order, i64 of `shape`: the number of each place."""

    shape: Shape = ()

    piecewise_constant: ClassVar[bool] = True
    family: ClassVar = "shape"
    rounds: ClassVar[bool] = False

    def infer(self) -> TensorType:
        _check_sizes(self.shape, "shape")
        return TensorType(self.shape, DType.INT64)

    def evaluate(self) -> Array:
        return np.arange(known_size(self.shape), dtype=np.int64).reshape(self.shape)

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return mixed("numbers the items by their place in the batch")


@dataclass(frozen=True)
class OneHot(Op):
    """y[..., k] = 1 where k is the label, else 0. Labels i64 (...), y (..., depth).

    Evaluation raises `DataError` for a label outside 0 to depth - 1.
    """

    depth: int = 1
    dtype: DType = DType.FLOAT32

    operands: ClassVar = ("labels",)
    piecewise_constant: ClassVar[bool] = True
    family: ClassVar = "shape"
    rounds: ClassVar[bool] = False

    def infer(self, labels: TensorType) -> TensorType:
        check_index_type(labels)
        _check_sizes((self.depth,), "depth")
        return TensorType((*labels.shape, self.depth), self.dtype)

    def limits(self, *types: TensorType) -> Mapping[int, tuple[int, int]]:
        return {0: (0, self.depth - 1)}

    def evaluate(self, labels: Array) -> Array:
        check_labels(labels, self.depth)
        y: Array = labels[..., None] == np.arange(self.depth)
        return y.astype(self.dtype.numpy)

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return per_item(inputs, (0,), range(types[0].rank))


def check_index_type(labels: TensorType) -> None:
    """Raise `GraphError` unless labels are class indices, i64."""
    if labels.dtype is not DType.INT64:
        raise GraphError(
            f"labels must be class indices of type i64, found {labels}: "
            "one number per item, not one-hot vectors or probabilities"
        )


def check_labels(labels: Array, classes: int) -> None:
    """Raise `DataError` naming the first label that is not one of `classes`."""
    wrong = np.argwhere((labels < 0) | (labels >= classes))
    if len(wrong):
        place = tuple(int(i) for i in wrong[0])
        where = f"row {place[0]}" if place else "the label"
        where += f", position {place[1:]}" if len(place) > 1 else ""
        raise DataError(
            f"label out of range in {where}: found {int(labels[place])}, "
            f"allowed are 0 to {classes - 1} ({classes} classes)"
        )


def _check_sizes(shape: Shape, name: str) -> None:
    if any(isinstance(d, int) and d < 1 for d in shape):
        raise GraphError(f"{name} must have sizes of at least 1, found {format_shape(shape)}")


def _product(shape: Shape) -> str:
    """The product of the sizes, and what it is."""
    number, power = element_count(shape)
    factors = size_words(shape)
    powers = {0: "", 1: "·N"}.get(power, f"·N^{power}")
    return f"{'·'.join(factors) or '1'} = {number}{powers}"
