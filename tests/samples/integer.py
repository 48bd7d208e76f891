"""Samples of quantisation and of exact sums of products of integers."""

from typing import Any

import numpy as np

from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.integer import ConvInteger, Dequantize, MatMulInteger, Quantize
from samples import Draw, ErrorSample, Sample

I4, I8, U8, I16, U16, I32, F32 = (
    DType.INT4, DType.INT8, DType.UINT8, DType.INT16, DType.UINT16, DType.INT32, DType.FLOAT32
)  # fmt: skip


def _ints(dtype: DType, *shape: int) -> Draw:
    low, high = {I8: (-128, 128), U8: (0, 256), I16: (-3000, 3000), U16: (0, 6000)}.get(
        dtype, (-90000, 90000)
    )
    return Draw(shape, low, high, dtype.numpy.name)


def _scale(*shape: int) -> Draw:
    return Draw(shape, 0.01, 0.03)


_WIDE = Draw((2, 3, 4, 5), -4.0, 4.0)
_FAR = np.array([np.inf, -np.inf, 0.5, 1.5, -0.5, 6e4])

SAMPLES = [
    Sample(Quantize(I8), _WIDE, _scale()),
    Sample(Quantize(U8), _WIDE, _scale(), _ints(U8)),
    Sample(Quantize(I8), _WIDE, _scale(3, 1, 1), _ints(I8, 3, 1, 1)),
    Sample(Quantize(I8), _WIDE, _scale(), _ints(I8, 3, 1, 1)),
    Sample(Quantize(U8), _WIDE, _scale(5)),
    Sample(Quantize(I8), _WIDE, _scale(4, 5), _ints(I8, 4, 5)),
    Sample(Quantize(I8), _FAR, np.array(1.0), label="quantize-inf-halves"),
    Sample(Dequantize(), _ints(I8, 2, 3, 4, 5), _scale()),
    Sample(Dequantize(), _ints(U8, 2, 3, 4, 5), _scale(), _ints(U8)),
    Sample(Dequantize(), _ints(U8, 2, 3, 4, 5), _scale(3, 1, 1), _ints(U8, 3, 1, 1)),
    Sample(Dequantize(), _ints(I8, 2, 3, 4, 5), _scale(3, 1, 5), _ints(I8, 4, 1)),
    Sample(Dequantize(), _ints(I32, 2, 3, 4), _scale(3, 1)),
]

#: Attributes, the input (C, H, W), the filters and the kernel, whether there are zero points.
_CONVOLUTIONS: list[tuple[dict[str, Any], tuple[int, int, int], int, tuple[int, int], int]] = [
    ({}, (1, 5, 5), 1, (3, 3), 0),
    ({"padding": (1, 0, 2, 1)}, (3, 6, 5), 4, (3, 2), 1),
    ({"stride": (2, 1), "dilation": (1, 2), "padding": (1, 1, 1, 1)}, (2, 7, 8), 3, (3, 3), 2),
    ({"groups": 2}, (4, 5, 5), 6, (3, 3), 2),
    ({"groups": 3}, (3, 5, 4), 3, (1, 1), 0),
    ({}, (80, 3, 2), 5, (3, 2), 1),  # sums beyond 2^24
]
for _i, (_attributes, _image, _filters, _kernel, _zeros) in enumerate(_CONVOLUTIONS):
    for _a, _b in ((U8, I8), (I8, I8)) if _i < 2 else ((U8, U8),):
        _weight = (_filters, _image[0] // _attributes.get("groups", 1), *_kernel)
        _points = [_ints(_a), _ints(_b, *((_filters, 1, 1, 1) if _zeros > 1 else ()))]
        SAMPLES.append(
            Sample(
                ConvInteger(**_attributes),
                _ints(_a, 2, *_image),
                _ints(_b, *_weight),
                *(_points if _zeros else ()),
                label=f"conv_integer-{_i}-{_a}-{_b}",
            )
        )
SAMPLES += [
    Sample(
        MatMulInteger(),
        _ints(U8, 3, 2, 3),
        _ints(U8, 3, 3, 4),
        _ints(U8, 3, 2, 1),
        _ints(U8, 3, 1, 4),
    ),
    Sample(MatMulInteger(), _ints(U8, 2, 3), _ints(I8, 3, 4)),
    Sample(MatMulInteger(), _ints(I8, 2, 3), _ints(U8, 3, 4), _ints(I8)),
    Sample(MatMulInteger(), _ints(U8, 2, 3), _ints(U8, 3, 4), _ints(U8), _ints(U8)),
    Sample(MatMulInteger(), _ints(U8, 2, 3), _ints(I8, 3, 4), _ints(U8, 2, 1), _ints(I8, 4)),
    Sample(MatMulInteger(), _ints(U8, 5, 2, 3), _ints(I8, 3, 4), _ints(U8), _ints(I8, 4)),
    Sample(MatMulInteger(), _ints(I8, 2, 1, 3, 4), _ints(I8, 5, 4, 2)),
    Sample(MatMulInteger(), _ints(U8, 2, 700), _ints(U8, 700, 3), label="matmul_integer-long"),
]


def _t(dtype: DType, *shape: int) -> TensorType:
    return TensorType(shape, dtype)


ERRORS = [
    ErrorSample(
        MatMulInteger(), _t(I8, 2, 3), _t(I8, 3, 4), _t(I8, 3), match="along the axis of k"
    ),
    ErrorSample(
        ConvInteger(), _t(I8, 1, 2, 4, 4), _t(I8, 1, 2, 3, 3), _t(I8), _t(I8, 2, 1, 1),
        match="one for each filter",
    ),
    ErrorSample(Quantize(I32), (2, 3), (), match="dtype i32 must be one of i8, u8"),
    ErrorSample(Quantize(I8), (2, 3), (), _t(U8), match="zero must be of the type of the result"),
    ErrorSample(Quantize(I8), (2, 3), (2,), match="do not broadcast"),
    ErrorSample(Quantize(I8), (3,), (2, 3), match="scale .* must broadcast to the shape of x"),
    ErrorSample(Quantize(I8), _t(I8, 2), (), match="x must be of a float type"),
    ErrorSample(Dequantize(), (2, 3), (), match="x must be of an integer type, found f32"),
    ErrorSample(Dequantize(), _t(I8, 2), _t(I8), match="scale must be of a float type"),
    ErrorSample(Dequantize(), _t(I8, 2), (), _t(U8), match="zero must be of the type of x, i8"),
    ErrorSample(Dequantize(), _t(I8, 2), (3, 2), match="must broadcast to the shape of x"),
    ErrorSample(ConvInteger(), (1, 1, 4, 4), _t(I8, 1, 1, 3, 3), match="x must be of i8 or u8"),
    ErrorSample(
        ConvInteger(), _t(I8, 1, 1, 4, 4), _t(I32, 1, 1, 3, 3), match="weight must be of i8 or u8"
    ),
    ErrorSample(
        ConvInteger(), _t(I8, 1, 1, 4, 4), _t(I8, 1, 1, 3, 3), _t(U8), match="of the type of x"
    ),
    ErrorSample(
        ConvInteger(), _t(I8, 1, 2, 4, 4), _t(I8, 1, 2, 3, 3), _t(I8, 2, 1, 1),
        match="x_zero must be one number",
    ),
    ErrorSample(
        ConvInteger(), _t(I8, 1, 1, 4, 4), _t(I8, 1, 1, 3, 3), _t(I8), _t(I8, 2, 1, 1, 1),
        match="weight_zero .* must broadcast to the shape of weight",
    ),
    ErrorSample(
        ConvInteger(), _t(I8, 1, 3, 4, 4), _t(I8, 1, 2, 3, 3), match="reads 2 channels × 1 groups"
    ),
    ErrorSample(MatMulInteger(), _t(I8, 2, 3), (3, 4), match="b must be of i8 or u8, found f32"),
    ErrorSample(MatMulInteger(), _t(I8, 2, 3), _t(I8, 4, 3), match="has 3 columns, but b .* has 4"),
    ErrorSample(
        MatMulInteger(), _t(I8, 2, 3), _t(I8, 3, 4), _t(I8, 2), match="do not broadcast"
    ),
]  # fmt: skip
