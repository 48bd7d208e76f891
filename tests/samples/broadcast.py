"""Samples of broadcasting."""

from graphcnn.ops.broadcast import BroadcastTo
from samples import ErrorSample, Sample

SAMPLES = [
    Sample(BroadcastTo(shape), x)
    for shape, x in [
        ((2, 3), (3,)), ((2, 3), (2, 1)), ((2, 3, 4), (3, 1)), ((2, 3), (2, 3)), ((2, 2), ()),
        ((4, 1, 3), (1, 1)), ((1, 1), ()),
    ]
]  # fmt: skip

ERRORS = [
    ErrorSample(BroadcastTo((2, 4)), (3,), match=r"x \(3,\) and shape \(2, 4\) do not broadcast"),
    ErrorSample(BroadcastTo((1, 3)), (2, 3), match=r"cannot become \(1, 3\)"),
    ErrorSample(BroadcastTo((3,)), (1, 3), match=r"cannot become \(3,\)"),
]
