"""Samples of pooling and unpooling."""

from collections.abc import Callable
from typing import Any

import numpy as np

from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.pool import (
    AvgPool2d,
    AvgPool2dGrad,
    GlobalAvgPool2d,
    MaxPool2d,
    MaxPool2dGrad,
    MaxPool2dPick,
)
from graphcnn.ops.unpool import MaxUnpool2d, MaxUnpool2dGrad
from samples import Draw, ErrorSample, Sample

# Kernel and other attributes of a window, with the image (C, H, W) they suit.
_CASES: list[tuple[Any, dict[str, Any], tuple[int, int, int]]] = [
    ((2, 2), dict(), (2, 4, 6)),
    ((2, 2), dict(), (1, 5, 7)),  # a row and a column unread
    ((1, 1), dict(stride=(1, 1)), (2, 3, 2)),
    ((1, 1), dict(stride=(2, 3)), (1, 4, 7)),  # stride > kernel
    ((3, 3), dict(stride=(1, 1)), (2, 5, 4)),  # stride < kernel: windows overlap
    ((3, 3), dict(stride=(2, 2), padding=(1, 1, 1, 1)), (2, 7, 6)),
    ((3, 2), dict(stride=(1, 2), padding=(2, 0, 0, 1)), (1, 5, 6)),
    ((2, 4), dict(stride=(3, 1), padding=(1, 1, 3, 2)), (2, 6, 4)),
    ((2, 2), dict(stride=(1, 1), dilation=(2, 2)), (2, 5, 5)),
    ((3, 2), dict(stride=(2, 1), dilation=(1, 3), padding=(1, 2, 1, 0)), (2, 6, 5)),
    ((2, 2), dict(ceil_mode=True), (2, 5, 7)),
    ((3, 3), dict(stride=(2, 2), ceil_mode=True), (1, 6, 8)),
    ((3, 3), dict(stride=(2, 2), padding=(1, 1, 1, 1), ceil_mode=True), (2, 6, 5)),
    ((3, 2), dict(stride=(3, 2), padding=(0, 2, 1, 1), ceil_mode=True), (2, 7, 5)),
    ((2, 3), dict(stride=(3, 2), dilation=(2, 2), padding=(1, 1, 2, 0), ceil_mode=True), (1, 8, 9)),
    ((4, 4), dict(stride=(4, 4)), (2, 4, 4)),  # one window: the whole image
]


def _distinct(shape: tuple[int, ...]) -> Draw:
    return Draw(shape, distinct=True)


def _output(op: Any, image: tuple[int, ...]) -> tuple[int, ...]:
    return (*image[:2], *op.pooled(image[2:]))


def _each(make: Callable[[Any, tuple[int, ...]], list[Sample]], kind: Any) -> list[Sample]:
    """`make(op, image)` for every case."""
    cases = ((kind(k, **{"stride": k, **rest}), (2, *image)) for k, rest, image in _CASES)
    return [sample for op, image in cases for sample in make(op, image)]


def _average_grad(op: AvgPool2d, image: tuple[int, ...]) -> Sample:
    return Sample(AvgPool2dGrad(**op.attributes, size=image[2:]), _output(op, image))


SAMPLES = [
    *_each(lambda op, image: [Sample(op, _distinct(image))], MaxPool2d),
    *_each(lambda op, image: [Sample(op, _distinct(image), _output(op, image))], MaxPool2dGrad),
    *_each(lambda op, image: [Sample(op, _distinct(image), image)], MaxPool2dPick),
    *_each(lambda op, image: [Sample(op, image), _average_grad(op, image)], AvgPool2d),
]
SAMPLES += [
    Sample(MaxPool2d((2, 2), (2, 2), indices=True), _distinct((2, 2, 4, 6))),
    Sample(MaxPool2d((3, 3), (2, 2), (1, 1, 1, 1), indices=True), _distinct((2, 1, 7, 6))),
    Sample(MaxPool2d((3, 2), (1, 2), (0, 2, 1, 0), indices=True), _distinct((1, 2, 5, 5))),
    Sample(MaxPool2d((2, 2), (1, 1), dilation=(2, 1), indices=True), _distinct((1, 2, 5, 4))),
    Sample(MaxPool2d((2, 2), (2, 2), ceil_mode=True, indices=True), _distinct((2, 2, 5, 3))),
]
for _op in (
    AvgPool2d((2, 2), (2, 2), count_include_pad=True),
    AvgPool2d((3, 3), (1, 1), (1, 1, 1, 1), count_include_pad=True),
    AvgPool2d((3, 3), (2, 2), (1, 1, 1, 1), ceil_mode=True, count_include_pad=True),
    AvgPool2d((3, 2), (3, 2), (0, 2, 1, 1), ceil_mode=True, count_include_pad=True),
    AvgPool2d((2, 3), (1, 2), (1, 0, 2, 2), (2, 2), count_include_pad=True),
):
    SAMPLES += [Sample(_op, (2, 2, 6, 7)), _average_grad(_op, (2, 2, 6, 7))]
SAMPLES += [
    Sample(GlobalAvgPool2d(), (2, 3, 4, 5)),
    Sample(GlobalAvgPool2d(), (1, 1, 1, 1)),
    Sample(GlobalAvgPool2d(), (3, 2, 1, 6)),
]

_PLACES = np.array([[[[0, 5], [7, 11]], [[1, 2], [6, 9]]]])
_SHARED = np.array([[[[4, 4, 0], [4, 8, 8]]]])  # places named more than once
SAMPLES += [
    Sample(MaxUnpool2d((3, 4)), (1, 2, 2, 2), _PLACES),
    Sample(MaxUnpool2d((4, 5)), (1, 2, 2, 2), _PLACES, label="max_unpool2d-larger"),
    Sample(MaxUnpool2d((3, 3)), (1, 1, 2, 3), _SHARED),
    Sample(MaxUnpool2dGrad(), (1, 2, 3, 4), _PLACES),
    Sample(MaxUnpool2dGrad(), (1, 1, 3, 3), _SHARED),
    Sample(MaxUnpool2d((3, 4)), (2, 2, 2, 2), np.repeat(_PLACES, 2, 0)),
    Sample(MaxUnpool2dGrad(), (2, 2, 3, 4), np.repeat(_PLACES, 2, 0)),
]

_I64 = DType.INT64
_IMAGE = (1, 1, 4, 4)
ERRORS = [
    ErrorSample(kind(**{"kernel": (2, 2), "stride": (2, 2), **attributes}), _IMAGE, match=match)
    for kind in (MaxPool2d, AvgPool2d)
    for attributes, match in (
        (dict(kernel=(0, 2)), "kernel must be at least 1"),
        (dict(stride=(2, 0)), "stride must be at least 1"),
        (dict(dilation=(0, 1)), "dilation must be at least 1"),
        (dict(padding=(-1, 0, 0, 0)), "padding must not be negative"),
        (dict(kernel=(5, 2)), r"height \(4 .* = 0 < 1: a kernel of 5 does not fit"),
        (dict(padding=(2, 0, 0, 0)), r"height padding 2 \+ 0 must be smaller than the span"),
        (dict(padding=(0, 0, 0, 2)), r"width padding 0 \+ 2 must be .* 1·\(2 - 1\) \+ 1 = 2"),
        (dict(dilation=(5, 1), padding=(5, 5, 0, 0)), "height 4 is smaller than the dilation 5"),
    )
]
ERRORS += [
    ErrorSample(
        MaxPool2d((2, 2), (2, 2)), (1, 4, 4), match=r"x must be \(N, C, H, W\), found rank 3"
    ),
    ErrorSample(
        MaxPool2d((2, 2), (2, 2)), TensorType(_IMAGE, _I64), match="x must be of a float type"
    ),
    ErrorSample(
        AvgPool2d((2, 2), (2, 2)), TensorType(_IMAGE, _I64), match="x must be of a float type"
    ),
    ErrorSample(GlobalAvgPool2d(), TensorType(_IMAGE, _I64), match="x must be of a float type"),
    ErrorSample(GlobalAvgPool2d(), (1, 4), match="found rank 2"),
    ErrorSample(
        MaxPool2dGrad((2, 2), (2, 2)),
        _IMAGE,
        (1, 1, 2, 3),
        match=r"dy must have shape \(1, 1, 2, 2\)",
    ),
    ErrorSample(
        MaxPool2dGrad((2, 2), (2, 2)),
        _IMAGE,
        TensorType((1, 1, 2, 2), DType.FLOAT64),
        match="one element type",
    ),
    ErrorSample(
        MaxPool2dPick((2, 2), (2, 2)),
        _IMAGE,
        (1, 1, 2, 2),
        match=r"g must have shape \(1, 1, 4, 4\)",
    ),
    ErrorSample(
        AvgPool2dGrad((2, 2), (2, 2), size=(4, 4)),
        (1, 1, 2, 3),
        match=r"dy must have shape \(1, 1, 2, 2",
    ),
    ErrorSample(MaxUnpool2d((4, 4)), (1, 1, 2, 2), (1, 1, 2, 2), match="indices must be of type i"),
    ErrorSample(
        MaxUnpool2d((4, 4)), (1, 1, 2, 2), TensorType((1, 1, 2, 1), _I64), match="one shape"
    ),
    ErrorSample(
        MaxUnpool2d((0, 4)), (1, 1, 2, 2), TensorType((1, 1, 2, 2), _I64), match="found .0, 4."
    ),
    ErrorSample(MaxUnpool2d(), (2, 2), TensorType((2, 2), _I64), match="found rank 2"),
    ErrorSample(MaxUnpool2dGrad(), _IMAGE, _IMAGE, match="indices must be of type i64"),
    ErrorSample(
        MaxUnpool2dGrad(), _IMAGE, TensorType((1, 2, 2, 2), _I64), match="must agree in N and C"
    ),
]
