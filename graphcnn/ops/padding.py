"""Padding of images, and its gradient."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.batch import Batches, Rule, Types, per_item
from graphcnn.ir.geometry import Sides
from graphcnn.ir.node import Array, Node, Op, Value
from graphcnn.ir.tensor_type import TensorType
from graphcnn.ops.parts.checks import channels, check_float, image_sizes

#: Our mode names and NumPy's.
MODES = {"constant": "constant", "reflect": "reflect", "edge": "edge"}


@dataclass(frozen=True)
class _Padding(Op):
    padding: Sides = (0, 0, 0, 0)
    mode: str = "constant"

    family: ClassVar = "shape"

    def check(self, sizes: tuple[int, int]) -> None:
        if self.mode not in MODES:
            raise GraphError(f"unknown padding mode {self.mode!r}; known are {', '.join(MODES)}")
        if min(self.padding) < 0:
            raise GraphError(
                f"padding must not be negative, found {self.padding} (top, bottom, left, right); "
                "use slice to cut pixels off"
            )
        if self.mode == "reflect":
            for side, pad, size in zip(
                ("top", "bottom", "left", "right"), self.padding, np.repeat(sizes, 2), strict=True
            ):
                if pad >= size:
                    raise GraphError(
                        f"reflect padding at the {side} must be smaller than the image, "
                        f"found {pad} for a size of {size}"
                    )

    def source(self, sizes: tuple[int, int]) -> tuple[Array, Array]:
        """Row and column that each padded row and column copies (modes reflect and edge)."""
        top, bottom, left, right = self.padding
        return (
            np.pad(np.arange(sizes[0]), (top, bottom), mode=MODES[self.mode]),  # type: ignore[call-overload]
            np.pad(np.arange(sizes[1]), (left, right), mode=MODES[self.mode]),  # type: ignore[call-overload]
        )

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return per_item(inputs, range(len(inputs)), (0, 1))


@dataclass(frozen=True)
class Pad2d(_Padding):
    """x (N, C, H, W) with rows and columns added: (N, C, H + top + bottom, W + left + right).

    `mode`: "constant" fills with `value`, "reflect" mirrors without repeating the border pixel,
    "edge" repeats it.
    """

    value: float = 0.0

    operands: ClassVar = ("x",)
    rounds: ClassVar[bool] = False

    def infer(self, x: TensorType) -> TensorType:
        h, w = image_sizes(x)
        self.check((h, w))
        if not x.dtype.is_float and self.value != int(self.value):
            raise GraphError(f"value {self.value} cannot be stored in {x.dtype}")
        top, bottom, left, right = self.padding
        return x.with_shape((x.shape[0], channels(x, "x"), h + top + bottom, w + left + right))

    def evaluate(self, x: Array) -> Array:
        top, bottom, left, right = self.padding
        if self.mode != "constant":
            rows, columns = self.source(x.shape[2:])
            return x[:, :, rows][:, :, :, columns]
        sides = ((0, 0), (0, 0), (top, bottom), (left, right))
        return np.pad(x, sides, constant_values=self.value)

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        return [Pad2dGrad(self.padding, self.mode)(dy)]


@dataclass(frozen=True)
class Pad2dGrad(_Padding):
    """dx[h, w] = sum of dy over the padded pixels that copy (h, w): cropping, plus the mirrored
    or repeated border where the mode copies pixels. Shapes: those of `Pad2d`, exchanged."""

    operands: ClassVar = ("dy",)
    results: ClassVar = ("dx",)
    integral: ClassVar[bool] = True

    def infer(self, dy: TensorType) -> TensorType:
        check_float(dy=dy)
        top, bottom, left, right = self.padding
        h, w = image_sizes(dy)
        sizes = (h - top - bottom, w - left - right)
        if min(sizes) < 1:
            raise GraphError(f"padding {self.padding} is larger than dy {dy}")
        self.check(sizes)
        return dy.with_shape((*dy.shape[:2], *sizes))

    def evaluate(self, dy: Array) -> Array:
        top, bottom, left, right = self.padding
        h, w = dy.shape[2] - top - bottom, dy.shape[3] - left - right
        if self.mode == "constant":
            return dy[:, :, top : top + h, left : left + w]
        rows, columns = self.source((h, w))
        dx = np.zeros((*dy.shape[:2], h, w), dy.dtype)
        index: Any = (slice(None), slice(None), rows[:, None], columns)
        np.add.at(dx, index, dy)
        return dx

    def gradient(self, node: Node, dx: Value) -> Sequence[Value | None]:
        return [Pad2d(self.padding, self.mode)(dx)]
