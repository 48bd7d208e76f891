"""The taps of a masked kernel that code reads."""

from graphcnn.errors import GraphError
from graphcnn.ir.geometry import Pair
from graphcnn.ops.conv import Conv2d, Conv2dWeightGrad, ConvTranspose2d


def read_taps(op: Conv2d | ConvTranspose2d | Conv2dWeightGrad, kernel: Pair) -> int:
    """How many taps, row by row, code reads. Raises `GraphError` for a mask of single weights,
    which is to be written into the graph before (`WriteMasks`)."""
    if not op.whole_taps:
        raise GraphError(f"there is no code for the single weights of mask {op.mask} in {op.name}")
    return op.read_taps(kernel)
