"""Relayouts and placed operators, plain here: what they compute does not depend on layouts."""

from graphcnn.ir.tensor_type import TensorType
from graphcnn.ops.activation import Relu
from graphcnn.ops.layout import Placed, Relayout
from graphcnn.ops.pool import MaxPool2d
from samples import Draw, ErrorSample, Sample

_POOL = MaxPool2d((2, 2), (2, 2), indices=True)

SAMPLES = [
    Sample(Relayout(), (2, 3, 4, 5)),
    Sample(Placed(Relu(), ("plain",), ("plain",), "loop"), (2, 3)),
    Sample(
        Placed(_POOL, ("plain",), ("plain", "plain")), Draw((2, 3, 4, 4), distinct=True)
    ),
]  # fmt: skip

ERRORS = [
    ErrorSample(Relayout("c17"), (2, 3, 4, 5), match="unknown layout 'c17'; known are plain, c16"),
    ErrorSample(Relayout("c16"), (2, 3), match=r"layout c16 is for rank 4, found f32\[2,3\]"),
    ErrorSample(Relayout("v16"), (2, 3), match="for rank 1"),
    ErrorSample(Relayout("o16i16x1"), (3,), match="for rank 2 or 4"),
    ErrorSample(Relayout("o16o16x1"), (2, 3), match="must name both o and i"),
    ErrorSample(Relayout("c16+0,0,0,0"), (2, 3, 4, 5), match="is written c16"),
    ErrorSample(
        Placed(Relu(), ("c16",), ("c16",)), (2, 3, 4, 5), match=r"reads \(c16\), found \(plain\)"
    ),
    ErrorSample(
        Placed(Relu(), ("plain",), ("plain", "plain")), (2, 3),
        match=r"1 results cannot be written as \(plain, plain\)",
    ),
    ErrorSample(Placed(Relu(), ("plain",) * 2, ("plain",)), (2, 3), (2, 3), match="takes the inp"),
    ErrorSample(
        Placed(Relu(), ("c16",), ("c8",)), TensorType((2, 3), layout="c16"), match="c8 is for rank"
    ),
]  # fmt: skip
