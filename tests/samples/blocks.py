"""Samples of what exchanges channels and blocks of pixels."""

from graphcnn.ir.tensor_type import N, TensorType
from graphcnn.ops.blocks import DepthToSpace, SpaceToDepth
from samples import Draw, ErrorSample, Sample

SAMPLES = [
    Sample(DepthToSpace(), (2, 8, 2, 3)),
    Sample(DepthToSpace(3, "CRD"), (1, 18, 1, 2)),
    Sample(DepthToSpace(2, "CRD"), Draw((2, 4, 3, 1), 0, 9, "int64")),
    Sample(DepthToSpace(1), (1, 2, 2, 2)),
    Sample(SpaceToDepth(), (2, 3, 4, 2)),
    Sample(SpaceToDepth(3, "CRD"), (1, 2, 3, 6)),
    Sample(SpaceToDepth(2), Draw((1, 2, 2, 4), 0, 2, "bool")),
]

_X = (2, 8, 4, 6)
ERRORS = [
    ErrorSample(DepthToSpace(3), _X, match="block = 3 squared must divide the 8 channels of f32"),
    ErrorSample(DepthToSpace(0), _X, match="block must be at least 1, found 0"),
    ErrorSample(DepthToSpace(2, "RCD"), _X, match='mode must be "DCR" or "CRD", found \'RCD\''),
    ErrorSample(DepthToSpace(), (2, 8, 4), match=r"x must be \(N, C, H, W\), found rank 3"),
    ErrorSample(SpaceToDepth(4), _X, match="block = 4 must divide the height and width of f32"),
    ErrorSample(SpaceToDepth(), TensorType((2, 8, N, 6)), match=r"of known sizes, found f32"),
]
