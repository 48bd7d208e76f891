"""Which points lie near others, and which images. The products are those of the compiled operator,
which are the same bits for any number of threads."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from graphcnn.compile.runner import Runner
from graphcnn.data.dataset import Dataset
from graphcnn.data.normalisation import Normalisation
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, N, TensorType
from graphcnn.ops.dense import Dense
from graphcnn.runtime.execution import Execution

#: Images that are read at a time, and rows of distances.
_AT_ONCE: Final = 1000
_ROWS: Final = 250


def numbers_of(data: Dataset, rows: Array) -> Array:
    """Images of a data set, float32 with numbers in [0, 1]."""
    found: Array = Normalisation().numbers(np.asarray(data.batch(rows)[0]))
    return found.astype(np.float32, copy=False)


def among(points: Array, others: Array, k: int, execution: Execution) -> float:
    """The share of points that lie in the ball of one of the others."""
    radii = np.empty(len(others), np.float32)
    for rows, far in _squares(others, others, execution):
        # The first is a point itself.
        radii[rows] = np.partition(far, k, axis=1)[:, k]
    inside = 0
    for _, far in _squares(points, others, execution):
        inside += int((far <= radii).any(1).sum())
    return inside / len(points)


def nearest(images: Array, training: Dataset, execution: Execution) -> tuple[Array, Array]:
    """The number of the training image that is nearest to each, and how far it is."""
    flat = images.reshape(len(images), -1)
    best = np.full(len(images), np.inf, np.float32)
    found = np.zeros(len(images), np.int64)
    size = min(_AT_ONCE, len(training))
    for first in (*range(0, len(training) - size, size), len(training) - size):
        some = numbers_of(training, np.arange(first, first + size)).reshape(size, -1)
        for rows, far in _squares(flat, some, execution):
            least = far.argmin(1)
            distance = far[np.arange(len(least)), least]
            nearer = distance < best[rows]
            best[rows] = np.where(nearer, distance, best[rows])
            found[rows] = np.where(nearer, first + least, found[rows])
    there = numbers_of(training, found).reshape(len(flat), -1).astype(np.float64)
    return found, np.sqrt(((flat - there) ** 2).sum(1))


def _squares(points: Array, others: Array, execution: Execution) -> Iterator[tuple[slice, Array]]:
    """Squared distances (rows, M) to all the others, some rows at a time: |x|² + |y|² - 2 x·y."""
    kind = TensorType((N, points.shape[1]), DType.FLOAT32)
    x, y = Input("x", kind)(name="x"), Input("y", kind.with_shape(others.shape))(name="y")
    runner = Runner(Graph.of((x, y), {"products": Dense()(x, y)}, name="distances"), execution)
    own, of_others = (np.square(each).sum(1) for each in (points, others))
    for first in range(0, len(points), _ROWS):
        rows = slice(first, min(first + _ROWS, len(points)))
        products = runner.run({"x": points[rows], "y": others}, {})[0]["products"]
        yield rows, np.maximum(own[rows, None] + of_others - 2 * products, 0)
