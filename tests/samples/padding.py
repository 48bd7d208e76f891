"""Samples of padding."""

from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.padding import Pad2d, Pad2dGrad
from samples import ErrorSample, Sample

SAMPLES = [
    Sample(Pad2d((1, 2, 0, 3)), (2, 2, 3, 4)),
    Sample(Pad2d((1, 1, 1, 1), value=-1.5), (1, 3, 2, 2)),
    Sample(Pad2d((2, 1, 1, 3), "reflect"), (1, 2, 4, 4)),
    Sample(Pad2d((2, 1, 0, 3), "edge"), (2, 1, 2, 3)),
    Sample(Pad2dGrad((1, 2, 0, 3)), (2, 2, 6, 7)),
    Sample(Pad2dGrad((2, 1, 1, 3), "reflect"), (1, 2, 7, 8)),
    Sample(Pad2dGrad((2, 1, 0, 3), "edge"), (2, 1, 5, 6)),
]

ERRORS = [
    ErrorSample(Pad2d((0, -1, 0, 0)), (1, 1, 2, 2), match="must not be negative"),
    ErrorSample(Pad2d((2, 0, 0, 0), "reflect"), (1, 1, 2, 2), match="found 2 for a size of 2"),
    ErrorSample(Pad2d(mode="wrap"), (1, 1, 2, 2), match="unknown padding mode 'wrap'"),
    ErrorSample(Pad2d(), (1, 2, 2), match="found rank 3"),
    ErrorSample(Pad2dGrad((2, 2, 0, 0)), (1, 1, 3, 3), match="larger than dy"),
    ErrorSample(
        Pad2d((1, 1, 1, 1), value=0.5),
        TensorType((1, 1, 2, 2), DType.INT64),
        match="cannot be stored",
    ),
]
