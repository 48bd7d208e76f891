"""Operators that move elements and compute nothing: new shapes, parts, joins, indicator vectors.

`slice` and `embed` are each other's gradient, and so are `concat` and a row of slices.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from graphcnn.batch import COUNT, FIXED, Batch, Batches, Rule, Types, items, linear, mixed, per_item
from graphcnn.errors import DataError, GraphError
from graphcnn.ir import Array, Node, Op, Value
from graphcnn.tensor_type import (
    DType,
    N,
    Shape,
    TensorType,
    format_shape,
    known_size,
)


@dataclass(frozen=True)
class Reshape(Op):
    """The same elements in row-major order under another shape.

    `N` may stand in `shape` as often as it does in x; the numbers must have the same product.
    """

    shape: Shape = ()

    operands: ClassVar = ("x",)
    view: ClassVar[bool] = True

    def infer(self, x: TensorType) -> TensorType:
        _check_sizes(self.shape, "shape")
        if x.shape.count(N) != self.shape.count(N):
            raise GraphError(
                f"cannot reshape {x} to {format_shape(self.shape)}: the batch axis N must stay; "
                "only the sizes of one item can be rearranged"
            )
        before, after = known_size(x.shape), known_size(self.shape)
        if before != after:
            raise GraphError(
                f"cannot reshape {x} to {format_shape(self.shape)}: "
                f"{_product(x.shape)} = {before} elements, {_product(self.shape)} = {after}"
            )
        return x.with_shape(self.shape)

    def evaluate(self, x: Array) -> Array:
        return x.reshape(self.shape)

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        return [Reshape(node.inputs[0].shape)(dy)]

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return _rearranged(inputs[0], types[0].shape, results[0].shape)


@dataclass(frozen=True)
class Flatten(Op):
    """(N, C, H, W) -> (N, C·H·W), or any other number of axes after the first."""

    operands: ClassVar = ("x",)
    view: ClassVar[bool] = True

    def infer(self, x: TensorType) -> TensorType:
        if x.rank < 1 or N in x.shape[1:]:
            raise GraphError(f"x must be (N, ...) with known sizes after the first, found {x}")
        return x.with_shape((x.shape[0], known_size(x.shape[1:])))

    def evaluate(self, x: Array) -> Array:
        return x.reshape(x.shape[0], prod(x.shape[1:]))

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        return [Reshape(node.inputs[0].shape)(dy)]

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return _rearranged(inputs[0], types[0].shape, results[0].shape)


@dataclass(frozen=True)
class Transpose(Op):
    """Axis i of y is axis `perm[i]` of x."""

    perm: tuple[int, ...] = ()

    operands: ClassVar = ("x",)

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
        return items(self.perm.index(x.axis)) if x.is_items else x


@dataclass(frozen=True)
class Concat(Op):
    """The inputs one after the other along `axis`; all other sizes and the types are equal."""

    axis: int = 1

    operands: ClassVar = ("*xs",)

    def infer(self, *xs: TensorType) -> TensorType:
        if not xs:
            raise GraphError("needs at least one input, found none")
        first, total = xs[0], 0
        if not 0 <= self.axis < first.rank:
            raise GraphError(f"axis {self.axis} does not exist in {first}")
        for i, x in enumerate(xs):
            if x.dtype != first.dtype or x.rank != first.rank or _but(x, self) != _but(first, self):
                raise GraphError(
                    f"inputs may differ in axis {self.axis} only, found x0 {first} and x{i} {x}"
                )
            size = x.shape[self.axis]
            if not isinstance(size, int):
                raise GraphError(f"cannot join along the batch axis N of x{i} {x}")
            total += size
        return first.with_shape((*first.shape[: self.axis], total, *first.shape[self.axis + 1 :]))

    def evaluate(self, *xs: Array) -> Array:
        return np.concatenate(xs, axis=self.axis)

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        parts, start = [], 0
        for x in node.inputs:
            starts = tuple(start if a == self.axis else 0 for a in range(x.type.rank))
            parts.append(Slice(starts, x.shape, (1,) * x.type.rank)(dy))
            start += known_size(x.shape[self.axis : self.axis + 1])
        return parts

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        total = linear(inputs)
        if total is not None:
            return total
        if any(x != inputs[0] for x in inputs):
            return mixed("joins items with what is no item along the same axis")
        return inputs[0] if inputs[0].axis != self.axis else mixed("joins batches to a longer one")


def _but(x: TensorType, concat: Concat) -> Shape:
    """The sizes of all axes but the one that is joined."""
    return x.shape[: concat.axis] + x.shape[concat.axis + 1 :]


@dataclass(frozen=True)
class Slice(Op):
    """y[i, j, ...] = x[start + step·i, start + step·j, ...]: `sizes` elements of every axis.

    All three attributes have one entry per axis; steps are at least 1. The batch axis `N` is
    taken whole: start 0, size `N`, step 1.
    """

    starts: tuple[int, ...] = ()
    sizes: Shape = ()
    steps: tuple[int, ...] = ()

    operands: ClassVar = ("x",)

    def infer(self, x: TensorType) -> TensorType:
        _check_places(x.shape, self.starts, self.sizes, self.steps, f"x {x}")
        return x.with_shape(self.sizes)

    def evaluate(self, x: Array) -> Array:
        return x[_places(self.starts, self.sizes, self.steps)]

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        return [Embed(node.inputs[0].shape, self.starts, self.steps)(dy)]

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return _placed(inputs[0], types[0].shape, self.starts, self.sizes, self.steps)


@dataclass(frozen=True)
class Embed(Op):
    """Zeros of `shape` with x at the places start + step·i of every axis: `slice` transposed."""

    shape: Shape = ()
    starts: tuple[int, ...] = ()
    steps: tuple[int, ...] = ()

    operands: ClassVar = ("x",)

    def infer(self, x: TensorType) -> TensorType:
        _check_sizes(self.shape, "shape")
        _check_places(self.shape, self.starts, x.shape, self.steps, format_shape(self.shape))
        return x.with_shape(self.shape)

    def evaluate(self, x: Array) -> Array:
        y: Array = np.zeros(self.shape, x.dtype)
        y[_places(self.starts, x.shape, self.steps)] = x
        return y

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        return [Slice(self.starts, node.inputs[0].shape, self.steps)(dy)]

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return _placed(inputs[0], types[0].shape, self.starts, self.shape, self.steps)


@dataclass(frozen=True)
class ElementCount(Op):
    """The product of the sizes in `shape`: a number that is known once N is."""

    shape: Shape = ()
    dtype: DType = DType.FLOAT32

    piecewise_constant: ClassVar[bool] = True

    def infer(self) -> TensorType:
        _check_sizes(self.shape, "shape")
        return TensorType((), self.dtype)

    def evaluate(self) -> Array:
        return np.asarray(prod(d for d in self.shape if isinstance(d, int)), self.dtype.numpy)

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        batches = self.shape.count(N)
        return (FIXED, COUNT)[batches] if batches < 2 else mixed("counts pairs of items")


@dataclass(frozen=True)
class OneHot(Op):
    """y[..., k] = 1 where k is the label, else 0. Labels i64 (...), y (..., depth).

    Evaluation raises `DataError` for a label outside 0 to depth - 1.
    """

    depth: int = 1
    dtype: DType = DType.FLOAT32

    operands: ClassVar = ("labels",)
    piecewise_constant: ClassVar[bool] = True

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


def _rearranged(x: Batch, before: Shape, after: Shape) -> Batch:
    """The same elements in the same order: items stay items where as many elements as before
    stand between one and the next, and so in front of the axis."""
    if not x.is_items:
        return x
    front = before[: x.axis]
    for axis, size in enumerate(after):
        if size == before[x.axis] and known_size(after[:axis]) == known_size(front):
            return items(axis) if N not in after[:axis] else mixed("takes items apart")
    shapes = f"{format_shape(before)} to {format_shape(after)}"
    return mixed(f"rearranges {shapes} across axis {x.axis}, the items")


def _placed(
    x: Batch, before: Shape, starts: tuple[int, ...], sizes: Shape, steps: tuple[int, ...]
) -> Batch:
    """A part of x, or x as a part: items stay items where all are in it and nothing else is."""
    if not x.is_items:
        return x
    a = x.axis
    if (starts[a], sizes[a], steps[a]) == (0, before[a], 1):
        return x
    return mixed(f"does not treat all items along axis {a} alike")


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


def _check_places(
    whole: Shape, starts: tuple[int, ...], sizes: Shape, steps: tuple[int, ...], name: str
) -> None:
    """Raise `GraphError` unless all places start + step·i, 0 <= i < size, lie in `whole`."""
    if not len(whole) == len(starts) == len(sizes) == len(steps):
        raise GraphError(
            f"starts {starts}, sizes {format_shape(sizes)} and steps {steps} need one entry for "
            f"each of the {len(whole)} axes of {name}"
        )
    for axis, (d, start, size, step) in enumerate(zip(whole, starts, sizes, steps, strict=True)):
        if not isinstance(d, int) or not isinstance(size, int):
            if (d, start, size, step) != (N, 0, N, 1):
                raise GraphError(
                    f"axis {axis} of {name}: the batch axis N can only be taken whole (start 0, "
                    f"size N, step 1), found start {start}, size {size}, step {step}"
                )
        elif start < 0 or size < 1 or step < 1:
            raise GraphError(
                f"axis {axis} of {name}: start must be at least 0, size and step at least 1, "
                f"found start {start}, size {size}, step {step}"
            )
        elif start + step * (size - 1) >= d:
            raise GraphError(
                f"axis {axis} of {name}: the last place {start} + {step}·({size} - 1) = "
                f"{start + step * (size - 1)} lies outside the size {d}"
            )


def _places(
    starts: tuple[int, ...], sizes: Shape, steps: tuple[int, ...]
) -> tuple["slice[int, int, int]", ...]:
    return tuple(
        slice(start, start + step * (int(size) - 1) + 1, step)  # type: ignore[arg-type]
        for start, size, step in zip(starts, sizes, steps, strict=True)
    )


def _product(shape: Shape) -> str:
    return "·".join(str(d) for d in shape if isinstance(d, int)) or "1"
