"""Samples of upsampling and of zeros put between pixels."""

from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.resample import Upsample2d, Upsample2dGrad, ZeroInsert2d
from samples import ErrorSample, Sample

_UPSAMPLES = [
    (Upsample2d(), (2, 2, 3, 4)),
    (Upsample2d((1, 1)), (1, 2, 3, 2)),
    (Upsample2d((3, 2)), (2, 1, 2, 3)),
    (Upsample2d((1, 4)), (1, 3, 2, 2)),
    (Upsample2d((2, 2), "bilinear"), (2, 2, 3, 4)),
    (Upsample2d((3, 1), "bilinear"), (1, 2, 4, 3)),
    (Upsample2d((4, 3), "bilinear"), (1, 1, 2, 2)),
    (Upsample2d((2, 3), "bilinear"), (2, 1, 1, 5)),
    (Upsample2d((2, 2), "bilinear", True), (2, 2, 3, 4)),
    (Upsample2d((3, 2), "bilinear", True), (1, 2, 2, 5)),
    (Upsample2d((1, 4), "bilinear", True), (1, 1, 3, 2)),
    (Upsample2d((2, 2), "bilinear", True), (1, 2, 1, 1)),
]

SAMPLES = [Sample(op, image) for op, image in _UPSAMPLES]
SAMPLES += [
    Sample(Upsample2dGrad(**op.attributes), (n, c, h * op.scale[0], w * op.scale[1]))
    for op, (n, c, h, w) in _UPSAMPLES
]
SAMPLES += [
    Sample(ZeroInsert2d(), (2, 2, 3, 3)),
    Sample(ZeroInsert2d((2, 2), (1, 1, 1, 1)), (1, 2, 3, 3)),
    Sample(ZeroInsert2d((1, 1)), (1, 2, 2, 3)),
    Sample(ZeroInsert2d((1, 1), (0, 2, 1, 0)), (1, 1, 2, 3)),
    Sample(ZeroInsert2d((3, 2), (2, 0, 1, 3)), (2, 1, 2, 4)),
    Sample(ZeroInsert2d((2, 4), (0, 1, 0, 0)), (1, 2, 1, 2)),
]

_IMAGE = (1, 1, 2, 2)
ERRORS = [
    ErrorSample(Upsample2d((0, 2)), _IMAGE, match=r"scale must be at least 1, found \(0, 2\)"),
    ErrorSample(Upsample2d((2, 2), "cubic"), _IMAGE, match="unknown mode 'cubic'; known are near"),
    ErrorSample(Upsample2d((2, 2), "nearest", True), _IMAGE, match='for mode "bilinear" only'),
    ErrorSample(Upsample2d(), (1, 2, 2), match=r"x must be \(N, C, H, W\), found rank 3"),
    ErrorSample(Upsample2d(), TensorType(_IMAGE, DType.UINT8), match="must be of a float type"),
    ErrorSample(Upsample2dGrad((2, 3)), (1, 1, 4, 4), match=r"must be multiples of \(2, 3\)"),
    ErrorSample(Upsample2dGrad((2, 0)), (1, 1, 4, 4), match="scale must be at least 1"),
    ErrorSample(ZeroInsert2d((0, 1)), _IMAGE, match="stride must be at least 1"),
    ErrorSample(ZeroInsert2d((2, 2), (0, 0, -1, 0)), _IMAGE, match="border must not be negative"),
    ErrorSample(ZeroInsert2d(), (2, 2), match="found rank 2"),
    ErrorSample(ZeroInsert2d(), TensorType(_IMAGE, DType.INT64), match="must be of a float type"),
]
