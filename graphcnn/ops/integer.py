"""Numbers as integers of few bits, and sums of products of such integers, which are exact.

An integer q stands for the number (q - zero) · scale. Zero points and scales are one number, or
have axes and then broadcast: one for each channel, say. (B. Jacob et al., "Quantization and
Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018.)

Native code has no kernels of its own for them: it computes what they `expand` to.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.batch import Batches, Rule, Types, mixed, per_item
from graphcnn.ir.casting import converted, range_of
from graphcnn.ir.geometry import Pair, Sides, Window
from graphcnn.ir.node import Array, Op, Value, constant_of
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.broadcast import broadcast_shape
from graphcnn.ops.conv import Conv2d
from graphcnn.ops.dense import MatMul
from graphcnn.ops.elementwise import Maximum, Minimum, Round, as_type
from graphcnn.ops.parts.checks import check_same_dtype
from graphcnn.ops.parts.integer_sums import Factor, summed

#: What a number can be quantised to; float32 holds all of these exactly.
QUANTISED = (
    DType.INT8, DType.UINT8, DType.INT16, DType.UINT16,
    DType.INT4, DType.UINT4, DType.INT2, DType.UINT2,
)  # fmt: skip
#: What is multiplied and summed exactly.
BYTES = (DType.INT8, DType.UINT8)


def _check_spread(x: TensorType, x_name: str, **operands: TensorType | None) -> None:
    """Raise `GraphError` unless the operands broadcast to the shape of x."""
    for name, t in operands.items():
        if t is not None and broadcast_shape(**{x_name: x.shape, name: t.shape}) != x.shape:
            raise GraphError(
                f"{name} {t} must broadcast to the shape of {x_name} {x}: one number, or sizes "
                "that are 1 or those of its last axes"
            )


@dataclass(frozen=True)
class Quantize(Op):
    """y = min(max(round(x / scale) + zero, least), most): the nearest integers of `dtype`.

    Halves go to the even neighbour. `least` and `most` are those of `dtype`, an integer type of at
    most 16 bits; zero is of that type, x and scale are of one float type. NaN gives 0; ONNX leaves
    it open. Shapes: scale and zero broadcast to x; y has the shape of x.
    """

    dtype: DType = DType.INT8

    operands: ClassVar = ("x", "scale", "zero?")
    elementwise: ClassVar[bool] = True
    piecewise_constant: ClassVar[bool] = True
    family: ClassVar = "arithmetic"
    monotone: ClassVar = (1, 0, 1)
    annihilators: ClassVar = ((0, 2),)

    def infer(self, x: TensorType, scale: TensorType, zero: TensorType | None = None) -> TensorType:
        if self.dtype not in QUANTISED:
            raise GraphError(f"dtype {self.dtype} must be one of {', '.join(QUANTISED)}")
        check_same_dtype(x=x, scale=scale)
        if zero is not None and zero.dtype is not self.dtype:
            raise GraphError(f"zero must be of the type of the result, {self.dtype}, found {zero}")
        _check_spread(x, "x", scale=scale, zero=zero)
        return x.with_dtype(self.dtype)

    def evaluate(self, x: Array, scale: Array, zero: Array | None = None) -> Array:
        y = np.rint(x / scale).astype(np.float32)
        if zero is not None:
            y = y + zero.astype(np.float32)
        least, most = range_of(self.dtype)
        return converted(np.minimum(np.maximum(y, np.float32(least)), np.float32(most)), self.dtype)

    def expand(self, x: Value, scale: Value, zero: Value | None = None) -> tuple[Value, ...]:
        y = as_type(Round()(x / scale), DType.FLOAT32)
        if zero is not None:
            y = y + as_type(zero, DType.FLOAT32)
        low, high = (constant_of(float(b), DType.FLOAT32) for b in range_of(self.dtype))
        return (as_type(Minimum()(Maximum()(y, low), high), self.dtype),)


@dataclass(frozen=True)
class Dequantize(Op):
    """y = (x - zero) · scale: the numbers that integers stand for.

    x and zero are of one integer type, scale of a float type, which is that of y. It is computed in
    float32, or in float64 where the scale is. Shapes: zero and scale broadcast to x; y has the
    shape of x.
    """

    operands: ClassVar = ("x", "scale", "zero?")
    elementwise: ClassVar[bool] = True
    family: ClassVar = "arithmetic"
    monotone: ClassVar = (1, 0, -1)
    annihilators: ClassVar = ((0, 2),)
    integral: ClassVar[bool] = True

    def infer(self, x: TensorType, scale: TensorType, zero: TensorType | None = None) -> TensorType:
        if x.dtype.is_float or x.dtype is DType.BOOL:
            raise GraphError(f"x must be of an integer type, found {x}")
        check_same_dtype(scale=scale)
        if zero is not None and zero.dtype is not x.dtype:
            raise GraphError(f"zero must be of the type of x, {x.dtype}, found {zero}")
        _check_spread(x, "x", scale=scale, zero=zero)
        return x.with_dtype(scale.dtype)

    def evaluate(self, x: Array, scale: Array, zero: Array | None = None) -> Array:
        y = x.astype(scale.dtype)
        if zero is not None:
            y = y - zero.astype(scale.dtype)
        found: Array = y * scale
        return found

    def expand(self, x: Value, scale: Value, zero: Value | None = None) -> tuple[Value, ...]:
        work = DType.FLOAT64 if scale.dtype is DType.FLOAT64 else DType.FLOAT32
        y = as_type(x, work)
        if zero is not None:
            y = y - as_type(zero, work)
        return (as_type(y * as_type(scale, work), scale.dtype),)


@dataclass(frozen=True)
class _Sums(Op):
    """Two factors and the zero points of both."""

    piecewise_constant: ClassVar[bool] = True

    def check(self, *factors: TensorType | None) -> None:
        a, b, *zeros = factors
        names = [self.operand_name(i) for i in range(4)]
        for name, t in ((names[0], a), (names[1], b)):
            assert t is not None
            if t.dtype not in BYTES:
                raise GraphError(f"{name} must be of i8 or u8, found {t}")
        for i, t in enumerate(zeros):
            x = factors[i]
            assert x is not None
            if t is not None and t.dtype is not x.dtype:
                raise GraphError(f"{names[i + 2]} must be of the type of {names[i]}, found {t}")
            _check_spread(x, names[i], **{names[i + 2]: t})


def _centred(x: Array, zero: Array | None) -> Array:
    """x - zero as float64, whose sums of products are exact."""
    y = x.astype(np.float64)
    return y if zero is None else y - zero


def _lowest_bits(y: Array) -> Array:
    """Whole numbers modulo 2^32, from -2^31 on."""
    return y.astype(np.int64).astype(np.int32)


@dataclass(frozen=True)
class ConvInteger(_Sums):
    """y[n,o,i,j] = sum over c,u,v of (x[n, c, s·i + d·u - p, s·j + d·v - p] - x_zero) · w'[o,c,u,v]
    with w' = weight - weight_zero, exactly, in i32 (modulo 2^32).

    Pixels in the padding count as x_zero and so add nothing. Shapes: x (N, C, H, W), weight
    (O, C/groups, KH, KW), both of i8 or u8; x_zero one number; weight_zero broadcasts to the
    weight: one number, or (O, 1, 1, 1); y (N, O, OH, OW) as of conv2d.
    """

    stride: Pair = (1, 1)
    padding: Sides = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    operands: ClassVar = ("x", "weight", "x_zero?", "weight_zero?")
    family: ClassVar = "conv"

    @property
    def _conv(self) -> Conv2d:
        return Conv2d(**self.attributes, exact=True)

    def infer(
        self,
        x: TensorType,
        weight: TensorType,
        x_zero: TensorType | None = None,
        weight_zero: TensorType | None = None,
    ) -> TensorType:
        self.check(x, weight, x_zero, weight_zero)
        if x_zero is not None and x_zero.rank:
            raise GraphError(f"x_zero must be one number, of rank 0, found {x_zero}")
        if weight_zero is not None and any(d != 1 for d in weight_zero.shape[-3:]):
            raise GraphError(
                f"weight_zero must be one number or one for each filter, found {weight_zero}"
            )
        floats = (t.with_dtype(DType.FLOAT32) for t in (x, weight))
        return self._conv.infer(*floats).with_dtype(DType.INT32)

    def evaluate(
        self,
        x: Array,
        weight: Array,
        x_zero: Array | None = None,
        weight_zero: Array | None = None,
    ) -> Array:
        y = self._conv.evaluate(_centred(x, x_zero), _centred(weight, weight_zero))
        return _lowest_bits(y)

    def expand(
        self,
        x: Value,
        weight: Value,
        x_zero: Value | None = None,
        weight_zero: Value | None = None,
    ) -> tuple[Value, ...]:
        a, b = Factor(x, x_zero), Factor(weight, weight_zero)
        whole = self.groups == 1
        return (summed(a, b, (-3, -3), (-1, -2), self._conv, groups=whole),)

    def sliding(self, *types: TensorType) -> tuple[Window, Window]:
        return self._conv.sliding(*types)

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return per_item(inputs, (0,))


@dataclass(frozen=True)
class MatMulInteger(_Sums):
    """y[..., i, j] = sum over k of (a[..., i, k] - a_zero) · (b[..., k, j] - b_zero), exactly, in
    i32 (modulo 2^32).

    The last two axes are the matrices; axes before them broadcast. a and b are of i8 or u8. Zero
    points broadcast to their matrix: one number, or (I, 1) for the rows of a and (J) for the
    columns of b.
    """

    name: ClassVar = "matmul_integer"
    operands: ClassVar = ("a", "b", "a_zero?", "b_zero?")
    family: ClassVar = "dense"

    def infer(
        self,
        a: TensorType,
        b: TensorType,
        a_zero: TensorType | None = None,
        b_zero: TensorType | None = None,
    ) -> TensorType:
        self.check(a, b, a_zero, b_zero)
        for name, zero, axis in (("a_zero", a_zero, -1), ("b_zero", b_zero, -2)):
            if zero is not None and zero.rank >= -axis and zero.shape[axis] != 1:
                raise GraphError(f"{name} must be one number along the axis of k, found {zero}")
        floats = (t.with_dtype(DType.FLOAT32) for t in (a, b))
        return MatMul().infer(*floats).with_dtype(DType.INT32)

    def evaluate(
        self, a: Array, b: Array, a_zero: Array | None = None, b_zero: Array | None = None
    ) -> Array:
        return _lowest_bits(np.matmul(_centred(a, a_zero), _centred(b, b_zero)))

    def expand(
        self, a: Value, b: Value, a_zero: Value | None = None, b_zero: Value | None = None
    ) -> tuple[Value, ...]:
        left, right = Factor(a, a_zero), Factor(b, b_zero)
        return (summed(left, right, (-1, -2), (), MatMul()),)

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        if any(not zero.is_fixed for zero in inputs[2:]):
            return mixed("has zero points that depend on the items")
        return MatMul().follow_batch(inputs[:2], types[:2], results)
