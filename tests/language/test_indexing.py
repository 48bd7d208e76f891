"""Parts of tensors by the indices of NumPy."""

import numpy as np
import pytest
from support.evaluate import run

import graphcnn as cnn
from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph
from graphcnn.runtime.reference import Reference

X = np.random.default_rng(0).normal(size=(2, 4, 5, 6)).astype(np.float32)
INDICES = [
    np.s_[:, 3], np.s_[..., 2:5], np.s_[:, ::2], np.s_[:, -1, ..., -2], np.s_[:, None, 1, :, None],
    np.s_[:, 3:0:-2, ::-1, 1:100], np.s_[:, 1, 2, 3], None, np.s_[:, np.int64(2)], np.s_[:, -3:-1],
    np.s_[:, -9:2], np.s_[:, 2:1:-1, ::-5],
]  # fmt: skip


def test_indices_are_those_of_numpy() -> None:
    x = cnn.input("x", (4, 5, 6))
    parts = [x[index] for index in INDICES]
    for index, found in zip(INDICES, run(parts, {x: X}, 2), strict=True):
        np.testing.assert_array_equal(found, X[index], err_msg=str(index))
    assert x[:] is x and x[...] is x
    assert x[:, 1:3].node.op.name == "slice" and x[:, 1:3].node.inputs == (x,)  # no more than it


def test_the_gradient_goes_back_to_the_places() -> None:
    x = cnn.input("x", (4, 5, 6))
    (dx,) = cnn.gradients(cnn.sum(x[:, ::-2, 1] * 2.0), [x])
    expected = np.zeros_like(X)
    expected[:, ::-2, 1] = 2
    np.testing.assert_array_equal(run([dx], {x: X}, 2)[0], expected)


def test_parts_of_tensors_without_a_batch() -> None:
    table = cnn.constant(X)
    graph = Graph.of([], {"y": table[1, ::-1, 2], "z": table[1:]})
    found, _ = Reference(graph).run({}, {})
    np.testing.assert_array_equal(found["y"], X[1, ::-1, 2])
    np.testing.assert_array_equal(found["z"], X[1:])


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (0, r"axis 0 of f32\[N,4,5,6\] is the batch, of which an index takes all, `:`, found 0"),
        (np.s_[1:], "takes all, `:`, found 1:; slice"),
        (np.s_[:, 4], "index 4 is outside axis 1 .* which has 4 places: -4 to 3"),
        (np.s_[:, -5], "index -5 is outside axis 1"),
        (np.s_[:, 2:2], "2:2 takes nothing of axis 1"),
        (np.s_[:, ::0], "::0 along axis 1 .*: slice step cannot be zero"),
        (np.s_[:, 1.5], "made of ints, slices, `...` and None, found 1.5; gather"),
        (np.s_[:, True], "found True"),
        (np.s_[:, [1, 2]], "found a list"),
        (np.s_[:, np.array([1])], "found a ndarray"),
        (np.s_[:, X > 0], "found a ndarray"),
        (np.s_[:, cnn.constant([1])], "found a Value"),
        ("C3", "found 'C3'"),
        (np.s_[:, :, :, :, 0], "has 5 entries for 4 axes"),
        (np.s_[..., ...], "has `...` twice"),
    ],
)
def test_other_indices_are_refused_on_the_users_line(index, message) -> None:  # type: ignore[no-untyped-def]
    x = cnn.input("x", (4, 5, 6))
    with pytest.raises(GraphError, match=r"^index \(test_indexing.py:\d+\): .*" + message):
        x[index]
    with pytest.raises(TypeError, match="not iterable"):
        iter(x)
