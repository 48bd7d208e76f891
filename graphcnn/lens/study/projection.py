"""Many numbers as two: principal components, t-SNE, and places on a grid."""

import math
from typing import Any

import numpy as np

from graphcnn.errors import LensError, MissingExtraError
from graphcnn.ir.node import Array


def principal_components(x: Array, what: str) -> tuple[Array, Array]:
    """The first two principal components of items (n, d), (n, 2), and the shares of the variance
    that all have, the largest first.

    With the singular value decomposition of the centred items, U S Vᵀ, they are the first columns
    of U S. Each axis points to where the largest of its loadings (a row of Vᵀ; the first of equal
    ones) is positive, for the decomposition leaves the sign open. Raises `LensError` where all
    items are the same.
    """
    centred = x.astype(np.float64) - x.mean(0, dtype=np.float64)
    if np.abs(centred).max() <= 1e-9 * np.abs(x).max(initial=0):
        raise LensError(f"{what} answers the same to all images: there is nothing to tell apart")
    u, s, v = np.linalg.svd(centred, full_matrices=False)
    largest = np.abs(v).argmax(1)
    signs = np.where(v[np.arange(len(v)), largest] < 0, -1.0, 1.0)
    return (u * s * signs)[:, :2], np.square(s) / np.square(s).sum()


def neighbour_embedding(x: Array, start: Array, perplexity: float) -> Array:
    """t-SNE of items (n, d), (n, 2): neighbours stay neighbours, distances mean little.

    L. van der Maaten, G. Hinton, "Visualizing Data using t-SNE", JMLR 9, 2008. Without the
    approximation of forces, from the principal components: nothing in it is random. Raises
    `MissingExtraError` without scikit-learn.
    """
    try:
        from sklearn.manifold import TSNE
    except ImportError:
        raise MissingExtraError("t-SNE", "scikit-learn", "digits") from None
    init = (start / start[:, 0].std() * 1e-4).astype(np.float32)
    made = TSNE(2, perplexity=perplexity, method="exact", init=init, random_state=0)
    return np.asarray(made.fit_transform(x.astype(np.float32)), np.float64)


def on_grid(points: Array) -> tuple[Array, str]:
    """Rows and columns (n, 2) of a grid, each cell taken once, and how they were found.

    With SciPy so that the sum of squared distances from the points, stretched over the grid, is
    the least; else the points are cut into columns from left to right, and each of these is
    ordered from top to bottom. The second of the two numbers of a point grows upwards.
    """
    count = len(points)
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    span = np.ptp(points, 0)
    unit = (points - points.min(0)) / np.where(span > 0, span, 1)
    places = np.stack([(1 - unit[:, 1]) * (rows - 1), unit[:, 0] * (columns - 1)], 1)
    cells = np.stack(np.divmod(np.arange(rows * columns), columns), 1)
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError:
        return _by_columns(places, rows), "in columns by the first axis, each by the second"
    distances = np.square(places[:, None] - cells[None]).sum(2)
    chosen: Any = linear_sum_assignment(distances)[1]
    return np.asarray(cells[chosen]), "by assignment, the least sum of squared distances"


def _by_columns(places: Array, rows: int) -> Array:
    found = np.empty((len(places), 2), np.int64)
    order = np.lexsort((places[:, 0], places[:, 1]))
    for column, start in enumerate(range(0, len(order), rows)):
        own = order[start : start + rows]
        down = own[np.argsort(places[own, 0], kind="stable")]
        found[down] = [(row, column) for row in range(len(down))]
    return found
