"""Moving elements: the language's spellings, and what each refuses."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from support.evaluate import run
from support.tiny import check_gradients, leaf

from graphcnn.errors import DataError, GraphError
from graphcnn.ir.node import Value
from graphcnn.ir.tensor_type import DType, N
from graphcnn.language.shape import concat, flatten, one_hot, reshape, slice, split, transpose
from graphcnn.ops.shape import Concat, ElementCount, Embed, OneHot, Reshape, Slice

X = np.arange(2 * 3 * 4 * 5, dtype=np.float64).reshape(2, 3, 4, 5)


def image() -> Value:
    return leaf("x", (N, 3, 4, 5))


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (flatten, X.reshape(2, 60)),
        (lambda x: reshape(x, (12, 5)), X.reshape(2, 12, 5)),
        (lambda x: reshape(x, [6, -1]), X.reshape(2, 6, 10)),
        (lambda x: reshape(x, (-1,)), X.reshape(2, 60)),
        (lambda x: transpose(x, (0, 2, 3, 1)), X.transpose(0, 2, 3, 1)),
        (lambda x: transpose(x, (0, -1, 1, 2)), X.transpose(0, 3, 1, 2)),
        (lambda x: concat([x, x]), np.concatenate([X, X], 1)),
        (lambda x: concat([x, x], axis=-1), np.concatenate([X, X], 3)),
        (lambda x: slice(x, 1, 1, 3), X[:, 1:3]),
        (lambda x: slice(x, 1, -2), X[:, -2:]),
        (lambda x: slice(x, -1, 0, -1), X[..., :-1]),
        (lambda x: slice(x, 3, 1, None, 2), X[..., 1::2]),
        (lambda x: slice(x, 2, -4, -1, 2), X[:, :, -4:-1:2]),
        (lambda x: slice(x, 0, 0, 1), X[:1]),
        (lambda x: concat([x, x], 0), np.concatenate([X, X])),
        (lambda x: slice(concat([x, x, -x], 0), 0, N, 3 * N), np.concatenate([X, -X])),
        (lambda x: slice(reshape(x, (-1, 3 * N)), 1, 1, None, 3), X.reshape(-1, 6)[:, 1::3]),
        (lambda x: split(concat([x, -x], 0), 2, 0)[1], -X),
        (lambda x: split(reshape(x, (3 * N, 20)), (N, 2 * N), 0)[1], X.reshape(6, 20)[2:]),
        (lambda x: reshape(reshape(x, (-1, 3 * N)), (3 * N, -1)), X.reshape(6, 20)),
    ],
)
def test_language_equals_numpy(build: Callable[[Value], Value], expected: np.ndarray) -> None:
    x = image()
    y = build(x)
    np.testing.assert_array_equal(run([y], {x: X}, 2)[0], expected)
    check_gradients([y], {x: X}, 2)


def test_split_undoes_concat() -> None:
    x = image()
    for sections, axis, cuts in ((3, 1, [1, 2]), ([1, 2], 1, [1]), ((4, 1), -1, [4])):
        parts = split(x, sections, axis)
        assert all(isinstance(p.node.op, Slice) for p in parts)
        for found, part in zip(run(parts, {x: X}, 2), np.split(X, cuts, axis), strict=True):
            np.testing.assert_array_equal(found, part)
        np.testing.assert_array_equal(run([concat(parts, axis)], {x: X}, 2)[0], X)


def test_reshape_of_a_tensor_without_batch_takes_all_sizes() -> None:
    w = leaf("w", (6, 4))
    assert reshape(w, (2, 3, -1)).shape == (2, 3, 4)


def test_one_hot() -> None:
    labels = leaf("labels", (N,), "int64")
    assert one_hot(labels, 3).dtype is DType.FLOAT32
    found = run([one_hot(labels, 3)], {labels: [2, 0]}, 2)[0]
    np.testing.assert_array_equal(found, [[0, 0, 1], [1, 0, 0]])
    small = leaf("small", (N,), "uint8")
    np.testing.assert_array_equal(run([one_hot(small, 3)], {small: [2, 0]}, 2)[0], found)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 3], r"label out of range in row 1: found 3, allowed are 0 to 2 \(3 classes\)"),
        ([-1, 3], "row 0: found -1"),
        ([[0, 1], [2, 9]], r"row 1, position \(1,\): found 9"),
        (5, "in the label: found 5"),
    ],
)
def test_labels_out_of_range(labels: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        OneHot(3).evaluate(np.array(labels))


def test_slice_and_embed_are_transposes() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(3, 7)), rng.normal(size=(2, 3))
    cut = Slice((1, 0), (2, 3), (1, 3)).evaluate(x)
    np.testing.assert_array_equal(cut, x[1:3, 0:7:3])
    put = Embed((3, 7), (1, 0), (1, 3)).evaluate(y)
    assert np.sum(cut * y) == pytest.approx(np.sum(x * put))
    np.testing.assert_array_equal(Slice((1, 0), (2, 3), (1, 3)).evaluate(put), y)


def test_element_count_knows_the_batch_once_bound() -> None:
    count = ElementCount((N, 4, 5))
    assert str(count.infer()) == "f32[]"
    assert count.bind(3).evaluate() == 60


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda x: reshape(x, (7, 9)), r"N·3·4·5 = 60·N elements, N·7·9 = 63·N"),
        (lambda x: reshape(x, (7, -1)), "60 elements are not divisible by 7"),
        (lambda x: reshape(x, (-1, -1)), "shape may hold -1 once"),
        (lambda x: reshape(x, (0, -1)), "60 elements are not divisible by 0"),
        (lambda x: reshape(x, 60), "shape must hold ints, found 60"),
        (lambda x: reshape(x, (30.0, 2)), "shape must hold ints"),
        (lambda x: transpose(x, (0, 1)), "perm must order the axes 0 to 3"),
        (lambda x: concat([]), "xs must be a list of at least one tensor"),
        (lambda x: concat(x), "xs must be a list of at least one tensor"),
        (lambda x: concat([x, x], axis=4), "axis must be an int from -4 to 3"),
        (lambda x: concat([x, slice(x, 0, 0, 1)], axis=0), r"N \+ 1 is no multiple of N for every"),
        (lambda x: slice(x, 0, 1), "N - 1 is no multiple of N for every N"),
        (lambda x: slice(x, 0, 0, 2), r"= 1 lies outside the size N for some N"),
        (lambda x: slice(x, 0, 0, -1), "the end of a batch axis is unknown"),
        (lambda x: slice(x, 0, N, 3), "3 - N is no size for every N"),
        (lambda x: slice(x, 0, 0, None, 2), "N cannot be divided by 2 for every N"),
        (lambda x: slice(x, 1, 2, 2), r"range \[2, 2\) of axis 1"),
        (lambda x: slice(x, 1, 0, 4), r"must not be empty and lie in \[0, 3\)"),
        (lambda x: slice(x, 1, -4), r"range \[-1, 3\)"),
        (lambda x: slice(x, 1, 0, 3, 0), "step must be an int of at least 1"),
        (lambda x: slice(x, 1, 0.5), "start must hold ints"),
        (lambda x: split(x, 2), "does not split into 2 equal parts"),
        (lambda x: split(x, [1, 1]), "sum to 3, .* their sum is 2"),
        (lambda x: split(x, [4, -1]), "must be at least 1 and sum to 3"),
        (lambda x: split(x, []), "must be at least 1 and sum to 3"),
        (lambda x: split(x, 2, 0), "axis 0 of .* does not split into 2 equal parts"),
        (lambda x: one_hot(x, 3), "labels must be class indices of type i64"),
    ],
)
def test_errors(build: Callable[[Value], object], message: str) -> None:
    with pytest.raises(GraphError, match=message) as caught:
        build(image())
    assert re.search(r"\(test_shape\.py:\d+\)", str(caught.value))


def test_bound_operators_are_equal_to_static_ones() -> None:
    assert Reshape((N, 6)).bind(2) == Reshape((2, 6))
    assert Slice((0, 1), (N, 1), (1, 1)).bind(4) == Slice((0, 1), (4, 1), (1, 1))
    assert Concat(1).bind(3) == Concat(1)
