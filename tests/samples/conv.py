"""Samples of the three convolution operators."""

from typing import Any

from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.conv import Conv2d, Conv2dWeightGrad, ConvTranspose2d
from samples import ErrorSample, Sample

# Attributes of a convolution, with the input (C, H, W), the filters and the kernel they suit.
_CASES = [
    (dict(), (1, 5, 5), 1, (3, 3)),
    (dict(), (3, 6, 5), 4, (1, 1)),
    (dict(padding=(1, 1, 1, 1)), (2, 5, 4), 3, (3, 3)),
    (dict(padding=(2, 0, 1, 3)), (2, 4, 4), 3, (3, 2)),
    (dict(stride=(2, 2)), (2, 7, 7), 3, (3, 3)),
    (dict(stride=(3, 3)), (1, 7, 7), 2, (3, 3)),
    (dict(stride=(2, 3), padding=(1, 0, 0, 2)), (3, 8, 9), 2, (3, 4)),
    (dict(stride=(3, 2)), (2, 10, 8), 3, (2, 3)),  # other rows and columns are left over
    (dict(dilation=(2, 2)), (2, 7, 8), 2, (3, 3)),
    (dict(dilation=(1, 3), stride=(2, 1), padding=(1, 1, 2, 2)), (2, 6, 7), 3, (2, 3)),
    (dict(groups=2), (4, 5, 5), 6, (3, 3)),
    (dict(groups=3, padding=(1, 1, 1, 1)), (3, 5, 4), 3, (3, 3)),
    (dict(groups=2, stride=(2, 2), dilation=(2, 1)), (4, 7, 6), 2, (2, 3)),
    (dict(flip_kernel=True), (2, 5, 5), 2, (3, 2)),
    (dict(flip_kernel=True, groups=2, stride=(2, 1)), (2, 6, 5), 4, (3, 3)),
    (dict(), (2, 1, 1), 3, (1, 1)),
    (dict(), (2, 4, 4), 3, (4, 4)),
    (dict(stride=(4, 4)), (1, 9, 9), 1, (2, 2)),
    (dict(padding=(3, 3, 3, 3)), (1, 2, 2), 1, (5, 5)),
]
_BOTH = dict(mask="B", mask_groups=2)
_MASKED = [
    (dict(mask="A", padding=(1, 1, 1, 1)), (1, 5, 5), 3, (3, 3)),
    (dict(mask="B", padding=(1, 1, 2, 2)), (4, 5, 6), 6, (3, 5)),
    (dict(mask="B", padding=(0, 0, 0, 0)), (2, 4, 5), 3, (1, 3)),
    (dict(mask="A", mask_groups=3, padding=(1, 1, 1, 1)), (3, 4, 5), 6, (3, 3)),
    (dict(mask="B", mask_groups=3), (6, 4, 4), 3, (1, 1)),
    (dict(**_BOTH, groups=2, padding=(2, 2, 2, 2), dilation=(2, 2)), (4, 6, 5), 8, (3, 3)),
    (dict(mask="A", groups=4, padding=(1, 1, 1, 1)), (4, 5, 4), 4, (3, 3)),
]


def _forward(cases: Any = _CASES) -> list[Sample]:
    samples = []
    for i, (attributes, (c, h, w), filters, kernel) in enumerate(cases):
        weight = (filters, c // attributes.get("groups", 1), *kernel)
        bias = [(filters,)] if i % 2 else []
        samples.append(Sample(Conv2d(**attributes), (2, c, h, w), weight, *bias))
    return samples


def _output(sample: Sample) -> tuple[int, ...]:
    return sample.op.infer(*sample.types()).shape


def _shared(sample: Sample) -> dict[str, Any]:
    """The attributes that the other two operators have, too."""
    return {k: v for k, v in sample.op.attributes.items() if k != "exact"}


SAMPLES = _forward()
SAMPLES += [
    Sample(Conv2dWeightGrad(**_shared(s), kernel=s.inputs[1][2:]), s.inputs[0], _output(s))
    for s in SAMPLES[:18]
]
SAMPLES += [Sample(ConvTranspose2d(**_shared(s)), _output(s), *s.inputs[1:2]) for s in SAMPLES[:18]]
SAMPLES += [
    Sample(Conv2d(padding=(1, 1, 1, 1), exact=True), (1, 16, 6, 6), (16, 16, 3, 3)),
    Sample(ConvTranspose2d((2, 2), output_padding=(1, 0)), (2, 3, 3, 4), (3, 2, 3, 3), (2,)),
    Sample(
        ConvTranspose2d((1, 2), (1, 1, 0, 3), (3, 3), output_padding=(2, 2)),
        (2, 2, 3, 4),
        (2, 3, 2, 2),
        (3,),
    ),
    Sample(
        ConvTranspose2d((2, 3), (1, 1, 1, 1), output_padding=(1, 2)), (1, 2, 3, 3), (2, 1, 3, 3)
    ),
    Sample(ConvTranspose2d((3, 3), groups=2), (1, 4, 2, 2), (4, 1, 2, 2), (2,)),
]

_OF_MASKS = _forward(_MASKED)
SAMPLES += _OF_MASKS
SAMPLES += [
    Sample(Conv2dWeightGrad(**_shared(s), kernel=s.inputs[1][2:]), s.inputs[0], _output(s))
    for s in _OF_MASKS
]
SAMPLES += [Sample(ConvTranspose2d(**_shared(s)), _output(s), *s.inputs[1:2]) for s in _OF_MASKS]

_F64 = DType.FLOAT64
ERRORS = [
    ErrorSample(Conv2d(mask="C"), (1, 1, 4, 4), (2, 1, 3, 3), match='mask must be "A" or "B"'),
    ErrorSample(Conv2d(mask="A"), (1, 1, 4, 4), (2, 1, 2, 3), match="sizes are odd, found 2×3"),
    ErrorSample(Conv2d((2, 2), mask="A"), (1, 1, 4, 4), (2, 1, 3, 3), match="has stride 1"),
    ErrorSample(
        Conv2d(mask="B", flip_kernel=True), (1, 1, 4, 4), (2, 1, 3, 3), match="is not rotated"
    ),
    ErrorSample(Conv2d(mask="A"), (1, 1, 4, 4), (2, 1, 1, 1), match="leaves nothing"),
    ErrorSample(Conv2d(mask_groups=2), (1, 2, 4, 4), (2, 2, 3, 3), match="1 without a mask"),
    ErrorSample(
        Conv2d(mask="A", mask_groups=3), (1, 3, 4, 4), (4, 3, 3, 3), match="must divide the 3 input"
    ),
    ErrorSample(Conv2d(), (1, 1, 4, 4), (6, 1, 5, 5), match=r"= 0 < 1: a kernel of 5 does not fit"),
    ErrorSample(Conv2d(groups=2), (1, 3, 4, 4), (2, 1, 3, 3), match="groups = 2 must divide"),
    ErrorSample(Conv2d(stride=(0, 1)), (1, 1, 4, 4), (1, 1, 3, 3), match="stride must be at least"),
    ErrorSample(Conv2d(dilation=(1, 0)), (1, 1, 4, 4), (1, 1, 3, 3), match="dilation must be"),
    ErrorSample(
        Conv2d(padding=(0, -1, 0, 0)), (1, 1, 4, 4), (1, 1, 3, 3), match="must not be negative"
    ),
    ErrorSample(Conv2d(), (1, 4, 4), (1, 1, 3, 3), match=r"x must be \(N, C, H, W\), found rank 3"),
    ErrorSample(Conv2d(), (1, 1, 4, 4), (1, 3, 3), match=r"weight must be \(O, C/groups, KH, KW\)"),
    ErrorSample(Conv2d(), (1, 2, 4, 4), (1, 3, 3, 3), match="reads 3 channels × 1 groups = 3"),
    ErrorSample(Conv2d(), (1, 1, 4, 4), (2, 1, 3, 3), (3,), match=r"bias must be f32\[2\]"),
    ErrorSample(Conv2d(), (1, 1, 4, 4), TensorType((1, 1, 3, 3), _F64), match="one element type"),
    ErrorSample(ConvTranspose2d(), (1, 3, 4, 4), (2, 1, 3, 3), match="as many rows as x"),
    ErrorSample(
        ConvTranspose2d(padding=(2, 2, 0, 0)),
        (1, 1, 2, 2),
        (1, 1, 3, 3),
        match="cuts off the",
    ),
    ErrorSample(
        ConvTranspose2d(output_padding=(1, 0)),
        (1, 1, 2, 2),
        (1, 1, 3, 3),
        match="smaller than",
    ),
    ErrorSample(
        Conv2dWeightGrad(kernel=(3, 3)), (1, 1, 5, 5), (1, 1, 4, 4), match="must have the output's"
    ),
]
