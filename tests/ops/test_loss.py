"""Losses and metrics: known numbers, extremes, second derivatives, refusals."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.evaluate import run
from support.tiny import check_gradients, leaf

from graphcnn.errors import DataError, GraphError
from graphcnn.ir.node import Value
from graphcnn.ir.tensor_type import N
from graphcnn.language.activations import sigmoid, softmax
from graphcnn.language.loss import binary_cross_entropy, cross_entropy, l1, mse
from graphcnn.language.metrics import accuracy, top_k_accuracy
from graphcnn.language.reduce import mean
from graphcnn.language.shape import flatten
from graphcnn.language.sources import input
from graphcnn.ops.loss import BinaryCrossEntropy, CrossEntropy, MeanAbsoluteError
from graphcnn.passes.training.backward import vjp


def test_cross_entropy_known_numbers() -> None:
    even = np.zeros((2, 4))
    assert CrossEntropy().evaluate(even, np.array([0, 3])) == pytest.approx(np.log(4))
    z = np.log(np.array([[0.5, 0.25, 0.25]]))
    assert CrossEntropy().evaluate(z, np.array([1])) == pytest.approx(np.log(4))
    smooth = -(0.7 + 0.1) * np.log(0.5) - 0.2 * np.log(0.25)
    assert CrossEntropy(0.3).evaluate(z, np.array([0])) == pytest.approx(smooth)


def test_losses_survive_extreme_logits() -> None:
    for big in (1e4, 1e30):
        z = np.array([[big, -big]], np.float32)
        assert CrossEntropy().evaluate(z, np.array([0])) == 0
        assert CrossEntropy().evaluate(z, np.array([1])) == pytest.approx(2 * big)
        assert BinaryCrossEntropy().evaluate(z, np.array([[1, 0]], np.float32)) == 0
        wrong = BinaryCrossEntropy().evaluate(z, np.array([[0, 1]], np.float32))
        assert wrong == pytest.approx(big) and wrong.dtype == np.float32


def test_binary_cross_entropy_is_the_textbook_formula() -> None:
    rng = np.random.default_rng(0)
    z, t = rng.normal(size=(3, 4)), rng.random((3, 4))
    p = 1 / (1 + np.exp(-z))
    expected = np.mean(-t * np.log(p) - (1 - t) * np.log(1 - p))
    assert BinaryCrossEntropy().evaluate(z, t) == pytest.approx(expected)


def test_absolute_error_has_no_slope_at_zero() -> None:
    p, t = leaf("p", (2,)), leaf("t", (2,))
    (dp,) = vjp([MeanAbsoluteError()(p, t)], [leaf("c", ())], [p])
    assert dp is not None
    c = next(v for v in dp.node.inputs[1].node.inputs if v.node.name == "c")
    np.testing.assert_array_equal(run([dp], {p: [1, 3], t: [1, 1], c: 1.0})[0], [0, 0.5])


@pytest.mark.parametrize(
    ("build", "shapes"),
    [
        (cross_entropy, [(N, 4)]),
        (lambda z, y: cross_entropy(z, y, label_smoothing=0.2), [(N, 4)]),
        (cross_entropy, [(N, 4, 2, 3)]),
        (binary_cross_entropy, [(N, 4), (N, 4)]),
        (mse, [(N, 2, 2), (N, 2, 2)]),
    ],
)
def test_first_and_second_derivative_with_unknown_batch(
    build: Callable[..., Value], shapes: list[tuple[Any, ...]]
) -> None:
    rng = np.random.default_rng(7)
    floats = [leaf(f"x{i}", s) for i, s in enumerate(shapes)]
    feeds: dict[Value, Any] = {v: rng.random(v.type.bind(3).shape) for v in floats}
    operands = list(floats)
    if len(shapes) == 1:
        labels = leaf("labels", (N, *shapes[0][2:]), "int64")
        feeds[labels] = rng.integers(0, 4, labels.type.bind(3).shape)
        operands.append(labels)
    loss = build(*operands)
    assert loss.shape == ()
    check_gradients([loss], feeds, 3)
    c = leaf("c", ())
    feeds[c] = 1.7
    gradients = [g for g in vjp([loss], [c], floats) if g is not None]
    assert len(gradients) == len(floats)
    check_gradients(gradients, feeds, 3)


def test_gradient_of_cross_entropy_is_softmax_minus_target() -> None:
    z, labels, c = leaf("z", (N, 3)), leaf("labels", (N,), "int64"), leaf("c", ())
    (dz,) = vjp([cross_entropy(z, labels)], [c], [z])
    assert dz is not None
    found = run([dz], {z: np.zeros((2, 3)), labels: [0, 2], c: 1.0}, 2)[0]
    expected = (np.full((2, 3), 1 / 3) - np.array([[1, 0, 0], [0, 0, 1]])) / 2
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_labels_out_of_range_name_the_row() -> None:
    with pytest.raises(DataError, match=r"row 1: found 3, allowed are 0 to 2 \(3 classes\)"):
        CrossEntropy().evaluate(np.zeros((2, 3)), np.array([0, 3]))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda z, y: cross_entropy(softmax(z, name="p"), y),
            "cross_entropy takes logits and applies softmax itself; its input is the output of "
            r'softmax "p" \(test_loss.py:\d+\): leave that out',
        ),
        (
            lambda z, y: cross_entropy(flatten(softmax(z)), y),
            "cross_entropy takes logits and applies softmax itself",
        ),
        (
            lambda z, y: binary_cross_entropy(sigmoid(z), z),
            "binary_cross_entropy takes logits and applies sigmoid itself",
        ),
        (
            lambda z, y: cross_entropy(z, mean(z, 1)),
            "labels must be class indices of type i64, found f32",
        ),
        (lambda z, y: cross_entropy(z, z, ignore_index=1), "ignore_index is a class index"),
        (lambda z, y: cross_entropy(z, y, label_smoothing=1), "label_smoothing must be at least 0"),
        (lambda z, y: mse(z, y), "prediction and target must have one shape"),
        (lambda z, y: l1(z, y), "prediction and target must have one shape"),
        (lambda z, y: accuracy(z, z), "labels must be class indices"),
        (lambda z, y: accuracy(y, y), "logits must be"),
        (lambda z, y: top_k_accuracy(z, y, 4), "k must be at most the number of classes, 3, fou"),
        (lambda z, y: top_k_accuracy(z, y, 0), "k must be an int of at least 1"),
        (lambda z, y: top_k_accuracy(z, z, 2), "labels must be class indices"),
    ],
)
def test_errors(build: Callable[[Value, Value], Value], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        build(input("z", (3,)), input("labels", (), "int64"))


LOGITS = [[3, 2, 1], [1, 2, 3], [2, 3, 1], [1, 1, 1]]


def test_accuracy_counts_the_largest_logit() -> None:
    z, labels = leaf("z", (N, 3), "float32"), leaf("labels", (N,), "int32")
    for answer, expected in (([0, 2, 1, 0], 1.0), ([0, 2, 0, 1], 0.5), ([1, 1, 0, 2], 0.0)):
        found = run([accuracy(z, labels, name="acc")], {z: LOGITS, labels: answer}, 4)[0]
        assert found == expected and found.dtype == np.float32


def test_top_k_accuracy() -> None:
    z, labels = leaf("z", (N, 3), "float32"), leaf("labels", (N,), "int64")
    feeds = {z: LOGITS, labels: [1, 0, 1, 0]}
    values = [float(run([top_k_accuracy(z, labels, k)], feeds, 4)[0]) for k in (1, 2, 3)]
    assert values == [0.25, 0.5, 1.0]  # equal logits are in the first 3 only


def test_broken_logits_are_never_right() -> None:
    z, labels = leaf("z", (N, 3), "float32"), leaf("labels", (N,), "int64")
    feeds = {z: np.full((2, 3), np.nan), labels: [1, 1]}
    assert run([top_k_accuracy(z, labels, 2)], feeds, 2)[0] == 0
    feeds = {z: [[-np.inf, np.inf, 0]] * 2, labels: [1, 0]}
    assert run([top_k_accuracy(z, labels, 2)], feeds, 2)[0] == 0.5


def test_metrics_of_pixels() -> None:
    z, labels = leaf("z", (N, 2, 1, 2), "float32"), leaf("labels", (N, 1, 2), "int64")
    feeds = {z: [[[[1, 5]], [[2, 3]]]], labels: [[[1, 1]]]}
    found = run([accuracy(z, labels), top_k_accuracy(z, labels, 1)], feeds, 1)
    assert [float(f) for f in found] == [0.5, 0.5]
