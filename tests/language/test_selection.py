"""Elements by their places, as users write it."""

import numpy as np
import pytest
from support.evaluate import run

from graphcnn.errors import GraphError
from graphcnn.ir.tensor_type import N
from graphcnn.language.selection import gather, scatter, top_k
from graphcnn.language.sources import constant, input

X = np.array([[[3.0, 1.0], [2.0, 5.0], [4.0, 0.0]]], np.float32)


def test_the_best_along_any_axis():
    x = input("x", (3, 2))
    for axis in (1, -2):
        values, places = top_k(x, 2, axis)
        assert values.shape == places.shape == (N, 2, 2)
        found = run([values, places], {x: X}, 1)
        np.testing.assert_array_equal(found[0], [[[4, 5], [3, 1]]])
        np.testing.assert_array_equal(found[1], [[[2, 1], [0, 0]]])
    values, places = top_k(x, 1, largest=False)
    np.testing.assert_array_equal(run([values], {x: X}, 1)[0], [[[1], [2], [0]]])


def test_rows_are_read_and_written():
    x = input("x", (3, 2))
    indices = input("i", (2,), dtype="int64")
    read = gather(x, indices, batch=1)
    feeds = {x: X, indices: np.array([[2, 0]])}
    np.testing.assert_array_equal(run([read], feeds, 1)[0], X[:, [2, 0]])
    added = run([scatter(x, indices, read, "add", batch=1)], feeds, 1)[0]
    np.testing.assert_array_equal(added, X * np.array([[[2], [1], [2]]]))
    table = constant(np.arange(8.0, dtype=np.float32).reshape(4, 2))
    assert gather(table, indices).shape == (N, 2, 2)
    assert gather(x, indices, batch=1, name="rows").node.name == "rows"


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        (lambda x: top_k(x, 4, 1), "k must be from 1 to 3"),
        (lambda x: top_k(x, 1.5), "k must be an int, found 1.5"),
        (lambda x: top_k(x, 1, 3), "axis must be an int from -3 to 2"),
        (lambda x: gather(x, x), "indices must be of type i64"),
        (lambda x: gather(x, x, batch=-1), "batch must be a number of axes, found -1"),
        (lambda x: scatter(x, constant(np.array([0])), x, "sum", batch=0), "size must be known"),
    ],
)
def test_errors(wrong, match):
    with pytest.raises(GraphError, match=match):
        wrong(input("x", (3, 2)))
