"""Determinants and inverses of small matrices, written out: Det, and ONNX Runtime's Inverse."""

from collections.abc import Sequence
from functools import reduce
from itertools import permutations

from graphcnn.ir.node import Value
from graphcnn.onnx.importing.context import Call, UnsupportedError, imports, reshaped
from graphcnn.onnx.importing.rules.microsoft.operators import own
from graphcnn.onnx.importing.rules.parts import cut
from graphcnn.onnx.importing.rules.scatter import size_of
from graphcnn.ops.elementwise import Mul
from graphcnn.ops.shape import Concat

#: The numbers of a matrix by row and column, each (..., 1, 1).
Cells = list[list[Value]]


@imports("Det")
def det(call: Call) -> Value:
    """Of matrices (..., n, n) of at most 4 by 4."""
    x = call.value(0)
    cells = _cells(x, "determinant")
    every = range(len(cells))
    return reshaped(_determinant(cells, every, every), x.shape[:-2])


@own("Inverse")
def inverse(call: Call) -> Value:
    """The matrix of minors, turned, over the determinant; for at most 4 by 4."""
    x = call.value(0)
    cells = _cells(x, "inverse")
    every = range(len(cells))
    whole = _determinant(cells, every, every)
    if len(cells) == 1:
        return 1.0 / whole
    rows = []
    for i in every:
        row = []
        for j in every:  # the cofactor of place (j, i)
            others = [r for r in every if r != j], [c for c in every if c != i]
            part = _determinant(cells, *others) / whole
            row.append(-part if (i + j) % 2 else part)
        rows.append(Concat(x.type.rank - 1)(*row))
    return Concat(x.type.rank - 2)(*rows)


def _cells(x: Value, what: str) -> Cells:
    """Raises `UnsupportedError` unless the matrices are square, of at most 4 by 4."""
    rank = x.type.rank
    size = size_of(x, rank - 1) if rank >= 2 else 0
    if not 1 <= size <= 4 or x.shape[-2] != size:
        raise UnsupportedError(f"the {what} of {x.type}: expected at most 4 by 4")
    return [[cut(cut(x, rank - 2, i, 1), rank - 1, j, 1) for j in range(size)] for i in range(size)]


def _determinant(cells: Cells, rows: Sequence[int], columns: Sequence[int]) -> Value:
    """Of some rows and as many columns: the sum over all orders of the columns."""
    total: Value | None = None
    for order in permutations(columns):
        term = reduce(Mul(), [cells[i][j] for i, j in zip(rows, order, strict=True)])
        swaps = sum(a > b for k, a in enumerate(order) for b in order[k + 1 :])
        term = -term if swaps % 2 else term
        total = term if total is None else total + term
    assert total is not None
    return total
