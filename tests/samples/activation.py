"""Samples of activation functions."""

from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.activation import (
    Elu,
    Gelu,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
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

ERRORS = [
    ErrorSample(op, TensorType((2, 3), DType.INT64), match="x must be of a float type")
    for op in _OPS
]
ERRORS += [ErrorSample(Gelu("fast"), (2, 3), match='"none" or "tanh", found \'fast\'')]
