"""Matrix products: the dense layer and the general form. Closed under differentiation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.batch import SUM, Batch, Batches, Rule, Types, mixed, per_item
from graphcnn.ir.node import Array, Node, Op, Value
from graphcnn.ir.tensor_type import Shape, TensorType, known_size
from graphcnn.ops.broadcast import Sum, broadcast_shape, unbroadcast
from graphcnn.ops.parts.checks import check_bias, check_rank, check_same_dtype


@dataclass(frozen=True)
class Dense(Op):
    """y[n,u] = b[u] + sum over f of x[n,f] · w[u,f].

    Shapes: x (N, F), weight (U, F), bias (U); y (N, U). Any one float dtype. Gradients, as
    matrices: dx = dy · w, dw = dyᵀ · x, db = the column sums of dy.
    """

    operands: ClassVar = ("x", "weight", "bias?")
    anchor: ClassVar[bool] = True
    family: ClassVar = "dense"
    integral: ClassVar[bool] = True

    def infer(
        self, x: TensorType, weight: TensorType, bias: TensorType | None = None
    ) -> TensorType:
        check_matrix(x)
        check_rank(weight, 2, "weight", "(units, features)")
        check_same_dtype(x=x, weight=weight)
        units, features = weight.shape
        if not isinstance(units, int) or features != x.shape[1]:
            raise GraphError(f"weight must be (units, {x.shape[1]}) to read x {x}, found {weight}")
        check_bias(bias, units, x.dtype)
        return x.with_shape((x.shape[0], units))

    def evaluate(self, x: Array, weight: Array, bias: Array | None = None) -> Array:
        y = x @ weight.T
        return y if bias is None else y + bias

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        x, weight, *bias = node.inputs
        dw = MatMul(transpose_a=True)(dy, x)
        return [MatMul()(dy, weight), dw, *(Sum(axes=(0,))(dy) for _ in bias)]

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return per_item(inputs, (0,))


@dataclass(frozen=True)
class MatMul(Op):
    """y[..., i, j] = sum over k of A[..., i, k] · B[..., k, j], with A = a or aᵀ, B = b or bᵀ.

    The last two axes are the matrices; axes before them broadcast. Any one float dtype.
    """

    transpose_a: bool = False
    transpose_b: bool = False

    name: ClassVar = "matmul"
    operands: ClassVar = ("a", "b")
    anchor: ClassVar[bool] = True
    family: ClassVar = "dense"
    integral: ClassVar[bool] = True

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        for name, t in (("a", a), ("b", b)):
            if t.rank < 2:
                raise GraphError(f"{name} must be (..., rows, columns), found rank {t.rank}: {t}")
        check_same_dtype(a=a, b=b)
        i, k = _matrix(a.shape, self.transpose_a)
        rows, j = _matrix(b.shape, self.transpose_b)
        if k != rows:
            raise GraphError(
                f"a {a}{'ᵀ' * self.transpose_a} has {k} columns, but "
                f"b {b}{'ᵀ' * self.transpose_b} has {rows} rows"
            )
        batch = broadcast_shape(a=a.shape[:-2], b=b.shape[:-2])
        return a.with_shape((*batch, i, j))

    def evaluate(self, a: Array, b: Array) -> Array:
        left = np.swapaxes(a, -1, -2) if self.transpose_a else a
        right = np.swapaxes(b, -1, -2) if self.transpose_b else b
        y: Array = np.matmul(left, right)
        return y

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        a, b = node.inputs
        ta, tb = self.transpose_a, self.transpose_b
        # y = A B: dA = dy Bᵀ and dB = Aᵀ dy; where an operand is transposed, so is its gradient.
        da = MatMul(tb, True)(b, dy) if ta else MatMul(False, not tb)(dy, b)
        db = MatMul(True, ta)(dy, a) if tb else MatMul(not ta, False)(a, dy)
        return [unbroadcast(da, a.shape), unbroadcast(db, b.shape)]

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        a, b = (_place(x, t.rank) for x, t in zip(inputs, types, strict=True))
        rows, k = (-1, -2) if self.transpose_a else (-2, -1)
        inner, columns = (-1, -2) if self.transpose_b else (-2, -1)
        rank = results[0].rank
        if not all(x.is_items or x.is_fixed for x in inputs):
            return mixed("multiplies by a total over the batch")
        found, *others = {x.at(0) for x in inputs if x.is_items}
        if others:
            return mixed("multiplies items that lie in different ways")
        if (a, b) == (k, inner):
            return SUM
        if (a, b) == (rows, None):
            return found.at(rank - 2)
        if (a, b) == (None, columns):
            return found.at(rank - 1)
        return _stacked(found, a, b, types, rank)


def _place(x: Batch, rank: int) -> int | None:
    """The axis of the items, counted from the last, -1."""
    return x.axis - rank if x.is_items else None


def _stacked(found: Batch, a: int | None, b: int | None, types: Types, rank: int) -> Batch:
    """The product where the batch is among the axes that broadcast: of every item apart."""
    axis = b if a is None else a
    if axis is None or axis >= -2 or (None not in (a, b) and a != b):
        return mixed("multiplies items with one another")
    for own, t in zip((a, b), types, strict=True):
        if own is None and t.rank >= -axis and t.shape[axis] != 1:
            return mixed("multiplies each place in the batch by another matrix")
    return found.at(rank + axis)


def check_matrix(x: TensorType) -> None:
    """Raise `GraphError` unless x is (N, features); an image is told to flatten itself."""
    if x.rank == 2 and isinstance(x.shape[1], int):
        return
    hint = ""
    if x.rank > 2:
        size = known_size(x.shape[1:])
        sizes = "·".join(map(str, x.shape[1:]))
        hint = f"; flatten(x) makes it ({x.shape[0]}, {size}), {sizes} = {size}"
    raise GraphError(f"x must be (N, features), found rank {x.rank}: {x}{hint}")


def _matrix(shape: Shape, transposed: bool) -> Shape:
    return shape[:-3:-1] if transposed else shape[-2:]
