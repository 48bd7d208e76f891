"""Samples of batch and group normalisation."""

from graphcnn.ir.tensor_type import DType, N, TensorType
from graphcnn.ops.norm import (
    BatchNorm,
    BatchNormGrad,
    BatchNormTrain,
    GroupNorm,
    GroupNormGrad,
    LayerNorm,
)
from samples import Draw, ErrorSample, Sample

_SHAPES = [(4, 3), (2, 3, 2, 4), (3, 1, 2, 2), (5, 2), (2, 4, 1, 3)]
_EPSILONS = [1e-5, 1e-5, 1e-3, 0.1, 1e-2]


def _variance(c: int) -> Draw:
    return Draw((c,), 0.5, 2.0)


SAMPLES = []
for _shape, _epsilon in zip(_SHAPES, _EPSILONS, strict=True):
    _c = _shape[1]
    SAMPLES += [
        Sample(BatchNorm(_epsilon), _shape, (_c,), (_c,), (_c,), _variance(_c)),
        Sample(BatchNormTrain(_epsilon), _shape, (_c,), (_c,)),
        Sample(BatchNormGrad(_epsilon), _shape, (_c,), (_c,), _variance(_c), _shape),
    ]

_GROUPS = [
    (1, 1e-5, (2, 3)), (2, 1e-5, (3, 4, 2, 3)), (3, 1e-2, (2, 3, 5)), (2, 0.1, (1, 6, 2, 2, 2)),
    (4, 1e-5, (2, 12, 3, 7)), (2, 0.1, (3, 44)),
]  # fmt: skip
SAMPLES += [Sample(GroupNorm(g, e), shape, shape[1:2], shape[1:2]) for g, e, shape in _GROUPS]
SAMPLES += [Sample(GroupNormGrad(g, e), shape, shape[1:2], shape) for g, e, shape in _GROUPS]

_AXES = [
    ((1,), 1e-5, (2, 5, 2, 3)), ((1, 2, 3), 0.1, (2, 3, 2, 4)), ((3,), 1e-5, (2, 1, 3, 9)),
    ((0, 2), 1e-2, (3, 2, 5)), ((0,), 1e-5, (7,)),
]  # fmt: skip
SAMPLES += [
    Sample(LayerNorm(axes, e), shape, *(tuple(shape[a] for a in axes),) * 2)
    for axes, e, shape in _AXES
]

_F64 = DType.FLOAT64
_X, _C = (2, 3, 4, 4), (3,)
ERRORS = [
    ErrorSample(BatchNorm(), (2, 3, 4), _C, _C, _C, _C, match=r"x must be \(N, C\) or \(N, C, H"),
    ErrorSample(BatchNorm(), _X, (4,), _C, _C, _C, match=r"gamma must have shape \(3,\), found"),
    ErrorSample(BatchNorm(), _X, _C, (4,), _C, _C, match=r"beta must have shape \(3,\), found"),
    ErrorSample(BatchNorm(), _X, _C, _C, (4,), _C, match=r"mean must have shape \(3,\), found"),
    ErrorSample(BatchNorm(), _X, _C, _C, _C, (4,), match=r"variance must have shape \(3,\), found"),
    ErrorSample(BatchNorm(0.0), _X, _C, _C, _C, _C, match="epsilon must be greater than 0"),
    ErrorSample(BatchNorm(momentum=1.5), _X, _C, _C, _C, _C, match="momentum must be in 0 to 1"),
    ErrorSample(BatchNorm(), _X, TensorType(_C, _F64), _C, _C, _C, match="one element type"),
    ErrorSample(BatchNormTrain(), (3,), _C, _C, match="found rank 1"),
    ErrorSample(BatchNormTrain(-1.0), _X, _C, _C, match="epsilon must be greater than 0"),
    ErrorSample(BatchNormTrain(), _X, _C, (2,), match=r"beta must have shape \(3,\), found"),
    ErrorSample(BatchNormGrad(), _X, _C, _C, _C, (2, 3, 4, 5), match="dy must have shape"),
    ErrorSample(BatchNormGrad(), _X, _C, (1,), _C, _X, match=r"mean must have shape \(3,\)"),
    ErrorSample(LayerNorm(()), _X, _C, _C, match=r"axes must be some of x in rising order, found"),
    ErrorSample(
        LayerNorm((4,)), _X, _C, _C, match=r"axes must be some of x in rising order, found"
    ),
    ErrorSample(LayerNorm((2, 1)), _X, (4, 3), (4, 3), match=r"rising order, found \(2, 1\) of"),
    ErrorSample(LayerNorm((0,)), TensorType((N, 3)), _C, _C, match=r"known sizes along the axes"),
    ErrorSample(LayerNorm((1, 3)), _X, _C, (3, 4), match=r"gamma must have shape \(3, 4\), found"),
    ErrorSample(LayerNorm(), _X, _C, (4,), match=r"beta must have shape \(3,\), found"),
    ErrorSample(
        LayerNorm((1,), 0.0), _X, _C, _C, match="epsilon must be greater than 0, found 0.0"
    ),
    ErrorSample(LayerNorm(), _X, _C, TensorType(_C, _F64), match="one element type"),
    ErrorSample(GroupNorm(2), _X, _C, _C, match="groups = 2 must divide the 3 channels of f32"),
    ErrorSample(GroupNorm(0), _X, _C, _C, match="groups = 0 must divide the 3 channels of f32"),
    ErrorSample(GroupNorm(), (3,), _C, _C, match=r"x must be \(N, C, ...\) of known sizes, found"),
    ErrorSample(GroupNorm(), _X, (4,), _C, match=r"gamma must have shape \(3,\), found"),
    ErrorSample(GroupNorm(3), _X, _C, (1,), match=r"beta must have shape \(3,\), found"),
    ErrorSample(GroupNorm(1, 0.0), _X, _C, _C, match="epsilon must be greater than 0, found 0.0"),
    ErrorSample(GroupNormGrad(), _X, _C, (2, 3, 4, 5), match=r"dy must have shape \(2, 3, 4, 4\)"),
    ErrorSample(GroupNormGrad(2), _X, _C, _X, match="groups = 2 must divide the 3 channels"),
    ErrorSample(GroupNorm(), _X, _C, TensorType(_C, _F64), match="one element type"),
    ErrorSample(
        BatchNormTrain(), TensorType((2, 3), DType.INT64), _C, _C, match="must be of a float type"
    ),
]
