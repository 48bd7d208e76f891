"""Samples of the losses."""

from graphcnn.ir.tensor_type import DType, N, TensorType
from graphcnn.ops.loss import (
    BinaryCrossEntropy,
    CrossEntropy,
    MeanAbsoluteError,
    MeanSquaredError,
    Probabilities,
)
from samples import Draw, ErrorSample, Sample


def _labels(shape: tuple[int, ...], classes: int) -> Draw:
    return Draw(shape, 0, classes, "int64")


SAMPLES = [
    Sample(CrossEntropy(), (4, 3), _labels((4,), 3)),
    Sample(CrossEntropy(), (1, 10), _labels((1,), 10)),
    Sample(CrossEntropy(), Draw((3, 5), -50, 50), _labels((3,), 5)),
    Sample(CrossEntropy(0.1), (4, 3), _labels((4,), 3)),
    Sample(CrossEntropy(0.5), (2, 6), _labels((2,), 6)),
    Sample(CrossEntropy(), (2, 3, 2, 4), _labels((2, 2, 4), 3)),
    Sample(CrossEntropy(0.2), (2, 4, 3), _labels((2, 3), 4)),
    Sample(BinaryCrossEntropy(), (4,), Draw((4,), 0, 1)),
    Sample(BinaryCrossEntropy(), (3, 2), Draw((3, 2), 0, 1)),
    Sample(BinaryCrossEntropy(), Draw((2, 1, 3, 3), -40, 40), Draw((2, 1, 3, 3), 0, 1)),
    Sample(MeanSquaredError(), (3,), (3,)),
    Sample(MeanSquaredError(), (2, 3, 2, 2), (2, 3, 2, 2)),
    Sample(MeanAbsoluteError(), Draw((4,), -1, 0), Draw((4,), 0, 1)),
    Sample(MeanAbsoluteError(), Draw((2, 3, 2), 0, 1), Draw((2, 3, 2), 2, 3)),
    Sample(Probabilities(), Draw((4, 3), 0, 1)),
    Sample(Probabilities(1), Draw((4, 3), 0, 1)),
]

_F64, _I64 = DType.FLOAT64, DType.INT64
_LABELS = TensorType((4,), _I64)
ERRORS = [
    ErrorSample(CrossEntropy(), (4, 3), (4,), match="class indices of type i64, found f32"),
    ErrorSample(
        CrossEntropy(), (4,), _LABELS, match=r"logits must be \(N, classes\), found rank 1"
    ),
    ErrorSample(CrossEntropy(), (5, 3), _LABELS, match=r"labels must have shape \(5,\), one class"),
    ErrorSample(CrossEntropy(), (N, 3), _LABELS, match=r"labels must have shape \(N,\)"),
    ErrorSample(CrossEntropy(1.0), (4, 3), _LABELS, match="label_smoothing must be at least 0"),
    ErrorSample(CrossEntropy(-0.1), (4, 3), _LABELS, match="label_smoothing must be at least 0"),
    ErrorSample(
        CrossEntropy(), TensorType((4, 3), _I64), _LABELS, match="logits must be of a float type"
    ),
    ErrorSample(BinaryCrossEntropy(), (4, 1), (4,), match="logits and targets must have one shape"),
    ErrorSample(BinaryCrossEntropy(), (4,), _LABELS, match="targets must be of a float type"),
    ErrorSample(MeanSquaredError(), (4, 1), (4,), match="prediction and target must have one shap"),
    ErrorSample(MeanSquaredError(), (4,), TensorType((4,), _F64), match="one element type"),
    ErrorSample(Probabilities(-2), (4, 3), match="axis must be at least -1"),
    ErrorSample(MeanAbsoluteError(), (1,), (4,), match="prediction and target must have one shape"),
]
