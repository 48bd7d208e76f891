"""Samples of reductions."""

from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.reduce import AllReduce, ArgMax, Max, Mean, Prod
from samples import Draw, ErrorSample, Sample

_CASES = [
    ((2, 3, 4), (1,), False),
    ((2, 3, 4), (1,), True),
    ((2, 3, 4), (0, 2), False),
    ((2, 3, 2, 2), (0, 2, 3), True),
    ((3, 4), (0, 1), False),
    ((3, 4), (0, 1), True),
    ((3, 4), (), False),
    ((3, 1), (1,), False),
    ((5,), (0,), False),
    ((), (), False),
]

SAMPLES = [
    Sample(
        op(axes, keepdims),
        Draw(shape, distinct=True),
        label=f"{op.__name__}-{shape}-{axes}-{keepdims}",
    )
    for op in (Sum, Mean, Max, Prod)
    for shape, axes, keepdims in _CASES
]
SAMPLES += [
    Sample(ArgMax(axis, keepdims), Draw(shape, distinct=True))
    for shape, axis, keepdims in [((3, 4), 1, False), ((3, 4), 0, True), ((2, 3, 2, 2), 1, False)]
]
_INT = Draw((3, 4), -9, 9, "int32")
SAMPLES += [Sample(op((1,)), _INT, label=f"{op.__name__}-int32") for op in (Sum, Max, Prod)] + [
    Sample(ArgMax(1), _INT, label="argmax-int32")
]
SAMPLES += [Sample(AllReduce(shards), (2, 3)) for shards in (2, 7)]
SAMPLES += [Sample(AllReduce(3), _INT, label="all_reduce-int32")]

ERRORS = [
    ErrorSample(AllReduce(1), (2, 3), match="shards must be at least 2, found 1"),
    ErrorSample(AllReduce(2), TensorType((2,), DType.BOOL), match="of a number type"),
    ErrorSample(Sum((2,)), (2, 3), match=r"axes \(2,\) must be distinct axes of f32\[2,3\]"),
    ErrorSample(Mean((-1,)), (2, 3), match="must be distinct axes"),
    ErrorSample(Max((1, 0)), (2, 3), match="in order"),
    ErrorSample(Sum((0, 0)), (2, 3), match="distinct"),
    ErrorSample(ArgMax(2), (2, 3), match="axis 2 must be an axis"),
    ErrorSample(Mean((0,)), TensorType((2, 3), DType.INT64), match="of a float type"),
    ErrorSample(Sum((0,)), TensorType((2, 3), DType.BOOL), match="of a number type"),
]
