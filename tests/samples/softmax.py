"""Samples of softmax and its logarithm."""

import numpy as np

from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.softmax import LogSoftmax, Softmax
from samples import Draw, ErrorSample, Sample

_BOTH = (Softmax, LogSoftmax)
SAMPLES = [
    Sample(op(axis), shape)
    for op in _BOTH
    for axis, shape in [(1, (3, 5)), (0, (4,)), (0, (3, 4)), (1, (2, 3, 2, 2)), (3, (1, 2, 2, 4))]
]
SAMPLES += [
    Sample(op(1), Draw((2, 3), -30.0, 30.0), label=f"{op(1).name}-confident") for op in _BOTH
]
SAMPLES += [
    Sample(op(1), np.array([[1e4, -1e4, 0.0]]), label=f"{op(1).name}-saturated") for op in _BOTH
]
SAMPLES += [Sample(op(1), (3, 1)) for op in _BOTH]

ERRORS = [ErrorSample(op(2), (2, 3), match="axis 2 must be an axis of f32") for op in _BOTH]
ERRORS += [ErrorSample(op(-1), (2, 3), match="axis -1 must be an axis of f32") for op in _BOTH]
ERRORS += [
    ErrorSample(op(1), TensorType((2, 3), DType.INT64), match="of a float type") for op in _BOTH
]
