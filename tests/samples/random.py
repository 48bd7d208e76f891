"""Samples of the random operators."""

import numpy as np

from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.random import Dropout, InTraining, RandomUniform
from samples import ErrorSample, Sample

_SEED, _STEP = np.array(7), np.array(3)

SAMPLES = [
    Sample(RandomUniform((2, 3)), _SEED, _STEP),
    Sample(RandomUniform((2, 3), 5, DType.FLOAT64), _SEED, _STEP),
    Sample(RandomUniform((), 1), np.array(-1), np.array(2**40)),
    Sample(RandomUniform((3, 1, 2, 5), 2**32 - 1, DType.FLOAT16), _SEED, _STEP),
    Sample(RandomUniform((3, 5)), _SEED, _STEP, np.array(2), label="random_uniform-from-row-2"),
    Sample(RandomUniform((7, 3, 50), 3), _SEED, _STEP, np.array(11), label="random_uniform-row-11"),
    Sample(InTraining(), (2, 3), (2, 3)),
    Sample(Dropout(), (2, 3)),
    Sample(Dropout(0.0), (2, 3, 4, 4)),
    Sample(Dropout(0.25), (5,)),
]

_I64 = TensorType((), DType.INT64)
ERRORS = [
    ErrorSample(RandomUniform((2,)), (), _I64, match=r"seed must be i64\[\], found f32"),
    ErrorSample(
        RandomUniform((2,)), _I64, TensorType((1,), DType.INT64), match=r"step must be i64\[\]"
    ),
    ErrorSample(RandomUniform(()), _I64, _I64, _I64, match="has no rows"),
    ErrorSample(RandomUniform((2,), -1), _I64, _I64, match="stream must be in 0 to"),
    ErrorSample(RandomUniform((2,), 0, DType.INT64), _I64, _I64, match="must be of a float type"),
    ErrorSample(InTraining(), (2, 3), (3, 2), match="must be of one type"),
    ErrorSample(Dropout(1.0), (2, 3), match="rate must be at least 0 and less than 1"),
    ErrorSample(Dropout(-0.1), (2, 3), match="rate must be at least 0 and less than 1"),
    ErrorSample(Dropout(), TensorType((2,), DType.INT64), match="must be of a float type"),
]
