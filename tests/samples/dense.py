"""Samples of the matrix products."""

from graphcnn.ir.tensor_type import DType, N, TensorType
from graphcnn.ops.dense import Dense, MatMul
from samples import ErrorSample, Sample

SAMPLES = [
    Sample(Dense(), (2, 3), (4, 3)),
    Sample(Dense(), (2, 3), (4, 3), (4,)),
    Sample(Dense(), (1, 1), (1, 1), (1,)),
    Sample(Dense(), (5, 7), (1, 7), (1,)),
    Sample(Dense(), (3, 16), (10, 16), (10,)),
    Sample(MatMul(), (2, 3), (3, 4)),
    Sample(MatMul(transpose_a=True), (3, 2), (3, 4)),
    Sample(MatMul(transpose_b=True), (2, 3), (4, 3)),
    Sample(MatMul(True, True), (3, 2), (4, 3)),
    Sample(MatMul(), (2, 5, 3, 4), (2, 5, 4, 2)),
    Sample(MatMul(), (2, 3, 4), (4, 5)),
    Sample(MatMul(True, False), (4, 3), (2, 4, 5)),
    Sample(MatMul(False, True), (2, 1, 3, 4), (5, 2, 4)),
    Sample(MatMul(True, True), (1, 2, 4, 3), (3, 1, 2, 4)),
]

_F64, _I64 = DType.FLOAT64, DType.INT64
ERRORS = [
    ErrorSample(Dense(), (N, 16, 5, 5), (10, 400), match=r"flatten\(x\) makes it \(N, 400\)"),
    ErrorSample(Dense(), (3,), (2, 3), match=r"x must be \(N, features\), found rank 1"),
    ErrorSample(Dense(), (2, 3), (3,), match=r"weight must be \(units, features\), found rank 1"),
    ErrorSample(Dense(), (2, 3), (4, 2), match=r"weight must be \(units, 3\) to read x"),
    ErrorSample(Dense(), (2, 3), (4, 3), (3,), match=r"bias must be f32\[4\]"),
    ErrorSample(Dense(), (2, 3), TensorType((4, 3), _F64), match="must have one element type"),
    ErrorSample(MatMul(), (3,), (3, 4), match=r"a must be \(\.\.\., rows, columns\), found rank 1"),
    ErrorSample(MatMul(), (2, 3), (2, 3), match=r"a f32\[2,3\] has 3 columns, but b .* has 2 rows"),
    ErrorSample(MatMul(True), (2, 3), (3, 3), match=r"a f32\[2,3\]ᵀ has 2 columns"),
    ErrorSample(MatMul(), (2, 3, 4), (5, 4, 3), match="do not broadcast"),
    ErrorSample(MatMul(), TensorType((2, 3), _I64), TensorType((3, 2), _I64), match="float type"),
]
