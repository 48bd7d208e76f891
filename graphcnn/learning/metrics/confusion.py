"""How often each class is taken for each."""

from graphcnn.ir.node import Value
from graphcnn.ir.tensor_type import DType, known_size
from graphcnn.language.dense import matmul
from graphcnn.learning.metrics.reading import Classes
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.comparison import masked
from graphcnn.ops.elementwise import Cast
from graphcnn.ops.loss import indicators
from graphcnn.ops.shape import Reshape, Transpose


def confusion(found: Classes) -> Value:
    """Items, or pixels, of class i that are taken for class j: int64 (K, K), a sum over the items.

    Exact as long as one batch has, or of pixels one item, at most 2^24 of them.
    """
    true = indicators(found.known, found.count, DType.FLOAT32)
    taken = indicators(found.predicted, found.count, DType.FLOAT32)
    if found.counts is not None:
        counts = found.counts
        along = Reshape((*counts.shape[:1], 1, *counts.shape[1:]))(counts)
        true = masked(along, true)
    whole = Cast(DType.INT64)
    if true.type.rank == 2:
        return whole(matmul(Transpose((1, 0))(true), taken))
    flat = (*true.shape[:2], known_size(true.shape[2:]))
    true, taken = Reshape(flat)(true), Transpose((0, 2, 1))(Reshape(flat)(taken))
    return Sum((0,))(whole(matmul(true, taken)))
