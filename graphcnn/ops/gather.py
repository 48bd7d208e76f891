"""Reading and writing at places that are computed: `gather` and `scatter`; and `top_k`, which
computes places.

With `batch` leading axes in common, and indices of any further axes K:

    gather    y[b, k, r] = x[b, indices[b, k], r]
    scatter   y = x, and then at y[b, indices[b, k], r] what updates[b, k, r] does to it

A gather and a scatter that adds are each other's gradient. Whatever else ONNX gathers or scatters
by (elements, tuples of indices, any axis) becomes these by transposing and by arithmetic on
indices.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import numpy as np

from graphcnn.errors import DataError, GraphError
from graphcnn.ir.batch import Batches, Rule, Types, mixed, per_item
from graphcnn.ir.node import Array, Node, Op, Value, constant_of
from graphcnn.ir.tensor_type import DType, Shape, TensorType, format_shape
from graphcnn.ops.broadcast import BroadcastTo
from graphcnn.ops.comparison import Equal, Where
from graphcnn.ops.parts.checks import check_number


@dataclass(frozen=True)
class Gather(Op):
    """y[b, k, r] = x[b, indices[b, k], r] with `batch` axes b in common.

    Shapes: x (B..., M, R...), indices i64 (B..., K...); y (B..., K..., R...). Evaluation raises
    `DataError` for an index outside 0 to M - 1, -1 too; native code, which cannot stop, reads NaN
    there, or 0 where the type has none.
    """

    batch: int = 0

    operands: ClassVar = ("x", "indices")
    family: ClassVar = "shape"
    rounds: ClassVar[bool] = False

    def infer(self, x: TensorType, indices: TensorType) -> TensorType:
        check_places(x, indices, self.batch)
        return x.with_shape((*indices.shape, *x.shape[self.batch + 1 :]))

    def evaluate(self, x: Array, indices: Array) -> Array:
        rows, places = flat_places(x, indices, self.batch)
        return rows[places].reshape((*indices.shape, *x.shape[self.batch + 1 :]))

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        x, indices = node.inputs
        return [Scatter(self.batch, "add")(filled(x.shape, 0.0, x.dtype), indices, dy), None]

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        x, indices = inputs
        if not x.is_items and not x.is_fixed and indices.is_fixed:
            return x  # a part of a total, or more of it
        if x.is_items and x == indices and x.axis < self.batch:
            return x
        if x.is_items and indices.is_fixed and x.axis > self.batch:
            return x.at(x.axis + types[1].rank - self.batch - 1)
        if x.is_fixed and indices.is_items and indices.axis >= self.batch:
            return indices
        return mixed("reads items of the batch at places that are computed")


#: What `scatter` does at a place, in the order of the updates.
REDUCTIONS: dict[str, Callable[..., Any]] = {
    "add": np.add.at, "mul": np.multiply.at, "max": np.maximum.at, "min": np.minimum.at,
}  # fmt: skip


@dataclass(frozen=True)
class Scatter(Op):
    """x, changed at the rows that indices name: y[b, indices[b, k], r] by updates[b, k, r].

    `reduction` says how: "none" replaces (the last update of a place counts), "add", "mul", "max"
    and "min" combine. Shapes: x (B..., M, R...) with `batch` axes B, indices i64 (B..., K...),
    updates (B..., K..., R...) of x's element type; y as x. Evaluation raises `DataError` for an
    index outside 0 to M - 1, -1 too; native code, which cannot stop, leaves its update out.

    Gradients of "none" hold where no place is named twice; those of "mul" where no update is 0;
    equal maxima or minima get the whole gradient each.
    """

    batch: int = 0
    reduction: str = "none"

    operands: ClassVar = ("x", "indices", "updates")
    family: ClassVar = "shape"
    integral: ClassVar[bool] = True

    def infer(self, x: TensorType, indices: TensorType, updates: TensorType) -> TensorType:
        check_places(x, indices, self.batch)
        if self.reduction not in ("none", *REDUCTIONS):
            known = ", ".join(("none", *REDUCTIONS))
            raise GraphError(f"reduction must be one of {known}, found {self.reduction!r}")
        if self.reduction != "none":
            check_number(x=x)
        expected = (*indices.shape, *x.shape[self.batch + 1 :])
        if updates.shape != expected or updates.dtype != x.dtype:
            raise GraphError(
                f"updates must be {x.dtype} of shape {format_shape(expected)} for x {x} at "
                f"indices {indices}, found {updates}"
            )
        return x.with_shape(x.shape)

    def evaluate(self, x: Array, indices: Array, updates: Array) -> Array:
        y: Array = np.array(x, order="C")
        rows, places = flat_places(y, indices, self.batch)
        new = updates.reshape(places.size, -1)
        if self.reduction == "none":
            rows[places] = new
        else:
            REDUCTIONS[self.reduction](rows, places, new)
        return y

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        x, indices, updates = node.inputs
        read, zero = Gather(self.batch), constant_of(0.0, x.dtype)
        if self.reduction == "none":
            none = filled(updates.shape, 0.0, x.dtype)
            return [Scatter(self.batch)(dy, indices, none), None, read(dy, indices)]
        if self.reduction == "add":
            return [dy, None, read(dy, indices)]
        if self.reduction == "mul":
            factor = Scatter(self.batch, "mul")(filled(x.shape, 1.0, x.dtype), indices, updates)
            return [dy * factor, None, read(dy * node.output, indices) / updates]
        mine = Equal()(updates, read(node.output, indices))
        return [
            Where()(Equal()(x, node.output), dy, zero),
            None,
            Where()(mine, read(dy, indices), zero),
        ]

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        x, indices, updates = inputs
        if x.is_items and x.axis < self.batch and x == indices == updates:
            return x
        behind = x.at(x.axis + types[1].rank - self.batch - 1)
        if x.is_items and x.axis > self.batch and indices.is_fixed and updates == behind:
            return x
        return mixed("writes to items of the batch at places that are computed")


def filled(shape: Shape, number: float, dtype: DType) -> Value:
    """A tensor of equal numbers; N may stand in its shape."""
    value = constant_of(number, dtype)
    return BroadcastTo(shape)(value) if shape else value


def check_places(x: TensorType, indices: TensorType, batch: int) -> None:
    """Raise `GraphError` unless indices can name rows of x behind `batch` common axes."""
    if indices.dtype is not DType.INT64:
        raise GraphError(f"indices must be of type i64, found {indices}")
    if not 0 <= batch < x.rank or batch > indices.rank:
        raise GraphError(
            f"batch must be from 0 to {min(x.rank - 1, indices.rank)} for x {x} and indices "
            f"{indices}, found {batch}"
        )
    if x.shape[:batch] != indices.shape[:batch]:
        raise GraphError(f"x and indices must agree in {batch} axes, found {x} and {indices}")
    if not isinstance(x.shape[batch], int):
        raise GraphError(f"axis {batch} of x {x} is read at indices: its size must be known")


def flat_places(x: Array, indices: Array, batch: int) -> tuple[Array, Array]:
    """x as a view of rows, and the rows that the indices name, in order. Raises `DataError`."""
    size = x.shape[batch]
    wrong = np.argwhere((indices < 0) | (indices >= size))
    if len(wrong):
        at = tuple(int(i) for i in wrong[0])
        raise DataError(
            f"the index at {at} is {int(indices[at])}, allowed are 0 to {size - 1} "
            f"(axis {batch} of x has {size} elements)"
        )
    items, width = prod(x.shape[:batch]), prod(x.shape[batch + 1 :])
    first = np.arange(items)[:, None] * size
    return x.reshape(items * size, width), (first + indices.reshape(items, -1)).reshape(-1)


@dataclass(frozen=True)
class TopK(Op):
    """The `k` largest (or smallest) elements along the last axis, best first, and their places.

    Shapes: x (..., M); y and indices (i64) (..., k). Of equal elements the first counts first; NaN
    counts as larger than any number.
    """

    k: int = 1
    largest: bool = True

    operands: ClassVar = ("x",)
    results: ClassVar = ("y", "indices")
    family: ClassVar = "arithmetic"
    rounds: ClassVar[bool] = False
    places: ClassVar[int | None] = 1

    def infer(self, x: TensorType) -> tuple[TensorType, TensorType]:
        check_number(x=x)
        size = x.shape[-1] if x.shape else None
        if not isinstance(size, int):
            raise GraphError(f"x must have a last axis of known size, found {x}")
        if not 1 <= self.k <= size:
            raise GraphError(f"k must be from 1 to {size}, the last axis of x {x}, found {self.k}")
        y = x.with_shape((*x.shape[:-1], self.k))
        return y, y.with_dtype(DType.INT64)

    def evaluate(self, x: Array) -> tuple[Array, Array]:
        if self.largest:  # from behind, so that the first of equal elements comes last
            order = x.shape[-1] - 1 - np.argsort(x[..., ::-1], axis=-1, kind="stable")[..., ::-1]
        else:
            order = np.argsort(x, axis=-1, kind="stable")
        places = np.ascontiguousarray(order[..., : self.k]).astype(np.int64)
        return np.take_along_axis(x, places, axis=-1), places

    def gradient(
        self, node: Node, dy: Value | None, dindices: Value | None = None
    ) -> Sequence[Value | None]:
        if dy is None:
            return [None]
        x = node.inputs[0]
        zeros = filled(x.shape, 0.0, x.dtype)
        return [Scatter(x.type.rank - 1, "add")(zeros, node.outputs[1], dy)]

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return per_item(inputs, (0,), range(types[0].rank - 1))
