"""Samples of reading and writing at computed places, and of the k best."""

import numpy as np

from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.gather import REDUCTIONS, Gather, Scatter, TopK
from samples import Draw, ErrorSample, Sample

_I64 = DType.INT64
_ROWS = np.array([[2, 0], [1, 2], [0, 0]], np.int64)
_APART = np.array([2, 0], np.int64)
_TWICE = np.array([[1, 3, 1], [0, 2, 2]], np.int64)
_ITEMS = np.array([[3, 0, 2], [1, 3, 0]], np.int64)
_INT = Draw((4, 3), -9, 9, "int64")


def _far(*shape: int) -> Draw:
    """Elements that no finite difference brings to another order."""
    return Draw(shape, distinct=True)


def _changes(low: float, high: float, shape: tuple[int, ...]) -> Draw:
    return Draw(shape, low, high, distinct=True)


SAMPLES = [
    Sample(Gather(), (4, 3), _ROWS, label="gather-rows"),
    Sample(Gather(), (5,), np.array(3), label="gather-one"),
    Sample(Gather(), (5,), _ROWS, label="gather-elements"),
    Sample(Gather(1), (2, 4), _ITEMS, label="gather-of-each-item"),
    Sample(Gather(1), (2, 4, 2, 3), _TWICE, label="gather-images"),
    Sample(Gather(2), (3, 2, 6), _ROWS[..., None] + np.arange(2), label="gather-two-axes"),
    Sample(Gather(1), (3, 5, 2), np.array([4, 0, 2]), label="gather-one-of-each"),
    Sample(Gather(), _INT, _APART, label="gather-int64"),
    Sample(Gather(), Draw((4, 3), dtype="bool"), _APART, label="gather-bool"),
    Sample(Scatter(), (4, 3), _APART, (2, 3), label="scatter-rows"),
    Sample(Scatter(1), (2, 4), _ITEMS, (2, 3), label="scatter-of-each-item"),
    Sample(Scatter(), _INT, _APART, Draw((2, 3), -9, 9, "int64"), label="scatter-int64"),
    Sample(Scatter(), Draw((4,), dtype="bool"), _APART, Draw((2,), dtype="bool"),
           label="scatter-bool"),
    Sample(Scatter(0, "add"), (4, 17), _ROWS, (3, 2, 17), label="scatter-add-rows"),
    Sample(Scatter(1, "add"), (2, 4), _TWICE, (2, 3), label="scatter-add-twice"),
    Sample(Scatter(2, "add"), (3, 2, 3), _ROWS, (3, 2), label="scatter-add-one-of-each"),
    Sample(Scatter(1, "mul"), (2, 4, 2), _TWICE, Draw((2, 3, 2), 0.5, 2.0), label="scatter-mul"),
    Sample(Scatter(1, "max"), _far(2, 4), _TWICE, _changes(-1.97, 2.03, (2, 3)),
           label="scatter-max"),
    Sample(Scatter(0, "min"), _far(4, 3), _APART, _changes(-1.97, 2.03, (2, 3)),
           label="scatter-min"),
    *(
        Sample(Scatter(0, how), _INT, _APART, Draw((2, 3), -9, 9, "int64"),
               label=f"scatter-{how}-int64")
        for how in REDUCTIONS
    ),
    Sample(TopK(2), _far(3, 5)),
    Sample(TopK(3, largest=False), _far(2, 2, 4)),
    Sample(TopK(4), _far(4)),
    Sample(TopK(1), _far(3, 1)),
    Sample(TopK(3), np.array([[1, 5, 5, 2, 5, 1]]), label="top_k-ties"),
    Sample(TopK(4, largest=False), np.array([[1, 5, 5, 2, 5, 1]]), label="top_k-smallest-ties"),
]  # fmt: skip

_X = (2, 4, 3)

ERRORS = [
    ErrorSample(Gather(), _X, (2,), match="indices must be of type i64, found f32"),
    ErrorSample(Gather(3), _X, TensorType((2,), _I64), match="batch must be from 0 to 1 .*found 3"),
    ErrorSample(Gather(1), _X, TensorType((3, 2), _I64), match="must agree in 1 axes"),
    ErrorSample(
        Scatter(),
        _X,
        TensorType((3,), _I64),
        (3, 4),
        match=r"updates must be f32 of shape \(3, 4, 3",
    ),
    ErrorSample(
        Scatter(1, "sum"), _X, TensorType((2, 3), _I64), (2, 3, 3), match="none, add, mul, max, min"
    ),
    ErrorSample(TopK(5), (2, 4), match="k must be from 1 to 4"),
    ErrorSample(TopK(), (), match="x must have a last axis of known size"),
    ErrorSample(TopK(), TensorType((3,), DType.BOOL), match="x must be of a number type"),
]
