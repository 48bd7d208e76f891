"""Samples of comparisons, logic and choice."""

import numpy as np

from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.comparison import (
    And,
    Clip,
    Equal,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    Not,
    NotEqual,
    Or,
    Where,
)
from samples import Draw, ErrorSample, Sample

_COMPARISONS = [Equal(), NotEqual(), Less(), LessEqual(), Greater(), GreaterEqual()]
_A = Draw((3, 4), 0, 3, "int64")

SAMPLES = [Sample(op, (2, 3, 4), (3, 1)) for op in _COMPARISONS]
SAMPLES += [
    Sample(op, _A, Draw((4,), 0, 3, "int64"), label=f"{op.name}-int64") for op in _COMPARISONS
]
_NAN = np.array([np.nan, 1.0, np.inf, -np.inf])
SAMPLES += [Sample(op, _NAN, _NAN[:, None], label=f"{op.name}-nan-and-inf") for op in _COMPARISONS]


def _bool(*shape: int) -> Draw:
    return Draw(shape, dtype="bool")


SAMPLES += [
    Sample(Equal(), _bool(2, 3), _bool(3), label="equal-bool"),
    Sample(NotEqual(), _bool(2, 3), _bool(3), label="not_equal-bool"),
    Sample(And(), _bool(2, 3), _bool(3), label="and"),
    Sample(Or(), _bool(2, 3), _bool(3), label="or"),
    Sample(Not(), _bool(2, 3), label="not"),
    Sample(Where(), _bool(2, 3), (2, 3), (2, 3), label="where"),
    Sample(Where(), _bool(2, 1), (3,), (2, 3), label="where-condition-and-a-broadcast"),
    Sample(Where(), _bool(2, 1, 3), (), (4, 1), label="where-all-broadcast"),
    Sample(Where(), _bool(2), (2,), (), label="where-scalar"),
    Sample(Clip(-0.5, 1.25), (2, 3, 4), label="clip"),
    Sample(Clip(low=0.0), (2, 3), label="clip-from-below"),
    Sample(Clip(high=0.5), (2, 3), label="clip-from-above"),
    Sample(Where(), _bool(3, 4), _A, Draw((), 0, 9, "int64"), label="where-int64"),
]

_BOOL = TensorType((2, 3), DType.BOOL)
ERRORS = [
    ErrorSample(Clip(0.0, 1.0), TensorType((2,), DType.INT64), match="must be of a float type"),
    ErrorSample(Clip(2.0, 1.0), (2,), match="low must be at most high, found 2.0 and 1.0"),
    ErrorSample(Less(), (2, 3), (4,), match=r"a \(2, 3\) and b \(4,\) do not broadcast"),
    ErrorSample(Less(), _BOOL, _BOOL, match="a must be of a number type"),
    ErrorSample(Equal(), (2, 3), _BOOL, match="one element type"),
    ErrorSample(And(), (2, 3), _BOOL, match="a must be bool, found f32"),
    ErrorSample(Not(), (2, 3), match="x must be bool, found f32"),
    ErrorSample(Where(), (2, 3), (2, 3), (2, 3), match="condition must be bool"),
    ErrorSample(
        Where(), _BOOL, (2, 3), TensorType((2, 3), DType.FLOAT64), match="one element type"
    ),
    ErrorSample(Where(), _BOOL, (4, 3), (4, 3), match=r"condition 2  3\n +a 4  3\n"),
]
