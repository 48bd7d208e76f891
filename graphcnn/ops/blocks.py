"""Blocks of pixels as channels, and back: no element is computed, all change their places.

W. Shi et al., arXiv:1609.05158. With blocks of b · b pixels and K channels of the larger image,
element (i, j) of a block of channel k is channel

    (i·b + j)·K + k    "DCR", depth, column, row: ONNX's order
    k·b² + i·b + j     "CRD", column, row, depth: the pixel shuffle of PyTorch
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.batch import Batches, Rule, Types, per_item
from graphcnn.ir.node import Array, Node, Op, Value
from graphcnn.ir.tensor_type import Dim, TensorType, is_open
from graphcnn.ops.parts.checks import check_rank
from graphcnn.ops.shape import Reshape, Transpose

#: The axes of (N, i, j, K, H, W) and of (N, K, i, j, H, W) as (N, K, H, i, W, j).
_ORDERS = {"DCR": (0, 3, 4, 1, 5, 2), "CRD": (0, 1, 4, 2, 5, 3)}


@dataclass(frozen=True)
class _Blocks(Op):
    block: int = 2
    mode: str = "DCR"

    operands: ClassVar = ("x",)
    family: ClassVar = "shape"
    rounds: ClassVar[bool] = False

    def _image(self, x: TensorType) -> tuple[Dim, int, int, int]:
        """The sizes of an image, the attributes checked."""
        if self.mode not in _ORDERS:
            raise GraphError(f'mode must be "DCR" or "CRD", found {self.mode!r}')
        if self.block < 1:
            raise GraphError(f"block must be at least 1, found {self.block}")
        check_rank(x, 4, "x", "(N, C, H, W)")
        n, c, h, w = x.shape
        if is_open((c, h, w)):
            raise GraphError(f"x must be (N, C, H, W) of known sizes, found {x}")
        return n, int(c), int(h), int(w)  # type: ignore[arg-type]

    def _split(self, k: int) -> tuple[int, ...]:
        """The channels of k blocks in their axes."""
        b = self.block
        return (b, b, k) if self.mode == "DCR" else (k, b, b)

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return per_item(inputs, (0,))


@dataclass(frozen=True)
class DepthToSpace(_Blocks):
    """Blocks of `block` · `block` channels become blocks of pixels.

    Shapes: x (N, C, H, W), y (N, C / block², H · block, W · block), any type.
    """

    def infer(self, x: TensorType) -> TensorType:
        n, c, h, w = self._image(x)
        b = self.block
        if c % (b * b):
            raise GraphError(f"block = {b} squared must divide the {c} channels of {x}")
        return x.with_shape((n, c // (b * b), h * b, w * b))

    def evaluate(self, x: Array) -> Array:
        (n, c, h, w), b = x.shape, self.block
        k = c // (b * b)
        split = x.reshape(n, *self._split(k), h, w).transpose(_ORDERS[self.mode])
        return split.reshape(n, k, h * b, w * b)

    def expand(self, x: Value) -> tuple[Value, ...]:
        (n, c, h, w), b = self._image(x.type), self.block
        k = c // (b * b)
        split = Transpose(_ORDERS[self.mode])(Reshape((n, *self._split(k), h, w))(x))
        return (Reshape((n, k, h * b, w * b))(split),)

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        return [SpaceToDepth(self.block, self.mode)(dy)]


@dataclass(frozen=True)
class SpaceToDepth(_Blocks):
    """Blocks of `block` · `block` pixels become channels: the inverse of `DepthToSpace`.

    Shapes: x (N, C, H, W), y (N, C · block², H / block, W / block), any type.
    """

    def infer(self, x: TensorType) -> TensorType:
        n, c, h, w = self._image(x)
        b = self.block
        if h % b or w % b:
            raise GraphError(f"block = {b} must divide the height and width of {x}")
        return x.with_shape((n, c * b * b, h // b, w // b))

    def evaluate(self, x: Array) -> Array:
        (n, c, h, w), b = x.shape, self.block
        split = x.reshape(n, c, h // b, b, w // b, b).transpose(np.argsort(_ORDERS[self.mode]))
        return split.reshape(n, c * b * b, h // b, w // b)

    def expand(self, x: Value) -> tuple[Value, ...]:
        (n, c, h, w), b = self._image(x.type), self.block
        back = tuple(map(_ORDERS[self.mode].index, range(6)))
        split = Transpose(back)(Reshape((n, c, h // b, b, w // b, b))(x))
        return (Reshape((n, c * b * b, h // b, w // b))(split),)

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        return [DepthToSpace(self.block, self.mode)(dy)]
