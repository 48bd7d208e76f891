"""Samples of activation functions."""

from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.activation import (
    Elu,
    Gelu,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    Mish,
    PRelu,
    Relu,
    Sigmoid,
    Silu,
    Softplus,
    Tanh,
)
from samples import Draw, ErrorSample, Sample, format_attributes

_OPS = [
    Relu(),
    LeakyRelu(),
    LeakyRelu(0.3),
    Elu(),
    Elu(0.5),
    Sigmoid(),
    Tanh(),
    Softplus(),
    Silu(),
    Mish(),
    Gelu(),
    Gelu("tanh"),
    HardSwish(),
    HardSigmoid(),
    HardSigmoid(0.2, 0.4),
]

SAMPLES = [
    Sample(
        op,
        Draw(shape, -5.0, 5.2, distinct=True),
        label=f"{op.name}-{format_attributes(op)}-{shape}",
    )
    for op in _OPS
    for shape in ((3, 5), (2, 3, 2, 2), ())
]

SAMPLES += [
    Sample(PRelu(), Draw(shape, -5.0, 5.2, distinct=True), slope)
    for shape, slope in (
        ((2, 3, 2, 2), (3,)),
        ((2, 3, 2, 2), (1,)),
        ((2, 3, 2, 2), (1, 2)),
        ((3, 5), (5,)),
        ((2, 3), ()),
        ((2, 3), (2, 3)),
        ((5,), (1,)),
    )
]

ERRORS = [
    ErrorSample(op, TensorType((2, 3), DType.INT64), match="x must be of a float type")
    for op in _OPS
]
ERRORS += [ErrorSample(Gelu("fast"), (2, 3), match='"none" or "tanh", found \'fast\'')]
ERRORS += [
    ErrorSample(PRelu(), (2, 3), (4,), match="x .* and slope .* do not broadcast"),
    ErrorSample(PRelu(), (2, 1), (2, 3), match="slope must broadcast to x, found slope f32"),
    ErrorSample(PRelu(), (2,), TensorType((), DType.FLOAT64), match="must have one element type"),
]
