"""Samples of the operators that move elements."""

import numpy as np

from graphcnn.ir.tensor_type import DType, N, TensorType
from graphcnn.ops.shape import (
    Concat,
    ElementCount,
    Embed,
    Flatten,
    OneHot,
    Positions,
    Reshape,
    Slice,
    StopGradient,
    Transpose,
)
from samples import Draw, ErrorSample, Sample

# starts, sizes, steps, and the shape they take a part of.
_PARTS = [
    ((0,), (3,), (1,), (5,)),
    ((1, 2), (2, 3), (1, 1), (3, 6)),
    ((0, 1), (2, 3), (1, 2), (2, 6)),
    ((0, 0, 1, 0), (2, 1, 2, 3), (1, 1, 2, 3), (2, 3, 5, 7)),
    ((0, 0, 0, 0), (2, 2, 3, 3), (1, 1, 1, 1), (2, 2, 3, 3)),
    ((0, 2, 0, 4), (1, 1, 1, 1), (1, 5, 1, 1), (1, 3, 2, 5)),
    ((2, 0), (4, 3), (1, 1), (8, 3)),
    ((1,), (4,), (2,), (8,)),
    ((4,), (2,), (2,), (8,)),
]

SAMPLES = [
    Sample(Reshape((6, 4)), (2, 3, 4)),
    Sample(Reshape((2, 2, 3, 1)), (2, 6)),
    Sample(Reshape((1, 1)), ()),
    Sample(Reshape((4, 2, 3)), (2, 3, 4)),
    Sample(Reshape((3, 4, 4)), (6, 2, 4)),
    Sample(Reshape(()), (1, 1, 1)),
    Sample(Reshape((2, 6)), Draw((3, 4), 0, 9, "int64")),
    Sample(Flatten(), (2, 3, 4, 5)),
    Sample(Flatten(), (2, 3)),
    Sample(Flatten(), (3,)),
    Sample(Transpose((1, 0)), (2, 3)),
    Sample(Transpose((0, 2, 3, 1)), (2, 3, 4, 5)),
    Sample(Transpose((2, 0, 1)), (2, 3, 4)),
    Sample(Transpose((0, 1, 2)), (2, 3, 1)),
    Sample(Concat(1), (2, 3, 4, 4), (2, 1, 4, 4)),
    Sample(Concat(1), (2, 3), (2, 1), (2, 4)),
    Sample(Concat(0), (2, 3), (1, 3)),
    Sample(Concat(0), (2, 3), (4, 3)),
    Sample(Concat(3), (1, 2, 3, 1), (1, 2, 3, 4)),
    Sample(Concat(1), (2, 3)),
    Sample(StopGradient(), (2, 3)),
    Sample(StopGradient(), Draw((3, 4), 0, 9, "int64")),
    Sample(Positions((3, 5))),
    Sample(Positions(())),
    Sample(ElementCount((2, 3, 4))),
    Sample(ElementCount((), DType.FLOAT64)),
    Sample(ElementCount((5, 1), DType.INT64)),
    Sample(OneHot(4), Draw((5,), 0, 4, "int64")),
    Sample(OneHot(3, DType.FLOAT64), Draw((2, 2, 3), 0, 3, "int64")),
    Sample(OneHot(2, DType.INT64), np.array(1)),
]
SAMPLES += [Sample(Slice(starts, sizes, steps), shape) for starts, sizes, steps, shape in _PARTS]
SAMPLES += [Sample(Embed(shape, starts, steps), sizes) for starts, sizes, steps, shape in _PARTS]

_LABELS = TensorType((2,), DType.INT64)
ERRORS = [
    ErrorSample(Positions((2, 0)), match="must have sizes of at least 1"),
    ErrorSample(Reshape((2, 5)), (2, 6), match=r"2·6 = 12 elements, 2·5 = 10"),
    ErrorSample(Reshape((-1, 6)), (2, 6), match="shape must have sizes of at least 1"),
    ErrorSample(Reshape((12,)), (N, 12), match=r"N·12 = 12·N elements, 12 = 12"),
    ErrorSample(Reshape((4 * N, 2)), (N, 12), match=r"N·12 = 12·N elements, 4·N·2 = 8·N"),
    ErrorSample(Reshape((N, 6, N)), (N, 6), match=r"N·6·N = 6·N\^2"),
    ErrorSample(Flatten(), (), match=r"x must be \(N, \.\.\.\)"),
    ErrorSample(Flatten(), (2, N, N), match=r"product of \(N, N\) has N to the power 2"),
    ErrorSample(Transpose((0, 0)), (2, 3), match="perm must order the axes 0 to 1"),
    ErrorSample(Transpose((1, 0)), (2, 3, 4), match="perm must order the axes 0 to 2"),
    ErrorSample(Concat(), match="needs at least one input"),
    ErrorSample(Concat(2), (2, 3), match="axis 2 does not exist"),
    ErrorSample(Concat(1), (2, 3, 4), (2, 3, 5), match="may differ in axis 1 only"),
    ErrorSample(Concat(1), (2, 3), (2, 3, 1), match="may differ in axis 1 only"),
    ErrorSample(Concat(1), (2, 3), TensorType((2, 3), DType.FLOAT64), match="may differ in axis 1"),
    ErrorSample(Concat(0), (N, 3), (1, 3), match=r"N \+ 1 is no multiple of N for every N"),
    ErrorSample(Slice((0,), (2, 3), (1, 1)), (2, 3), match="one entry for each of the 2 axes"),
    ErrorSample(Slice((0, 2), (2, 2), (1, 1)), (2, 3), match=r"2 \+ 1·\(2 - 1\) = 3 lies outside"),
    ErrorSample(Slice((0, -1), (2, 1), (1, 1)), (2, 3), match="start must be at least 0"),
    ErrorSample(Slice((0, 0), (2, 1), (1, 0)), (2, 3), match="size and step at least 1"),
    ErrorSample(Slice((0, 0), (2, 0), (1, 1)), (2, 3), match="size and step at least 1"),
    ErrorSample(Slice((0, 0), (2, 3), (1, 1)), (N, 3), match="= 1 lies outside the size N for"),
    ErrorSample(Slice((N,), (2 * N,), (1,)), (2 * N,), match=r"N \+ 1·\(2\*N - 1\) = 3\*N - 1"),
    ErrorSample(Slice((0,), (N,), (1,)), (5,), match="= N - 1 lies outside the size 5 for some N"),
    ErrorSample(Slice((2,), (N,), (2,)), (2 * N,), match=r"= 2\*N lies outside the size 2\*N"),
    ErrorSample(Embed((2, 3), (0, 1), (1, 2)), (2, 2), match=r"1 \+ 2·\(2 - 1\) = 3 lies outside"),
    ErrorSample(Embed((2, 0), (0, 0), (1, 1)), (2, 1), match="shape must have sizes of at least"),
    ErrorSample(Embed((2, 3), (0,), (1,)), (2, 3), match="one entry for each of the 2 axes"),
    ErrorSample(ElementCount((2, 0)), match="shape must have sizes of at least 1"),
    ErrorSample(OneHot(0), _LABELS, match="depth must have sizes of at least 1"),
    ErrorSample(OneHot(3), (2,), match="labels must be class indices of type i64"),
]
