"""The largest or smallest elements of each row, in order, and where they stand."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.batch import Batches, Rule, Types, per_item
from graphcnn.ir.node import Array, Node, Op, Value
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.gather import Scatter, filled
from graphcnn.ops.parts.checks import check_number


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
