"""First and second derivatives of every operator that has some, on every sample."""

import numpy as np
import pytest
from samples import Sample, all_samples
from support.cases import each
from support.evaluate import run

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import constant_of
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, N, TensorType
from graphcnn.ops.activation import Elu, HardSigmoid, HardSwish, LeakyRelu, Relu, Tanh
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.reduce import Max, Mean
from graphcnn.ops.softmax import Softmax
from graphcnn.passes.training.backward import vjp
from graphcnn.testing.gradients import check_gradient, check_second_derivative, is_differentiable

CASES = [s for s in all_samples() if is_differentiable(s)]


def test_there_are_many_cases() -> None:
    assert len(CASES) >= 300


@each(CASES)
def test_gradient(sample: Sample) -> None:
    check_gradient(sample)


@each(CASES)
def test_second_derivative(sample: Sample) -> None:
    check_second_derivative(sample)


class _WrongTanh(Tanh):
    """Its derivative forgets the square."""

    def gradient(self, node, dy):  # type: ignore[no-untyped-def]
        return [dy * (1.0 - node.output)]


def test_a_wrong_gradient_is_seen() -> None:
    sample = Sample(_WrongTanh(), (2, 3))
    with pytest.raises(AssertionError, match="gradient of x along a random direction"):
        check_gradient(sample)


@pytest.mark.parametrize(
    ("op", "slopes"),
    [
        (Relu(), [0, 0, 0, 0, 1, 1, 1]),
        (LeakyRelu(0.25), [0.25, 0.25, 0.25, 0.25, 1, 1, 1]),
        (Elu(2.0), [2 * np.exp(-4), 2 * np.exp(-3), 2 * np.exp(-1.5), 2, 1, 1, 1]),
        (HardSigmoid(1 / 6), [0, 0, 1 / 6, 1 / 6, 1 / 6, 0, 0]),
        (HardSigmoid(0.25, 0.75), [0, 0, 0.25, 0.25, 0, 0, 0]),
        (HardSwish(), [0, 0, 0, 0.5, 1, 1, 1]),
    ],
    ids=repr,
)
def test_slopes_on_every_piece(op, slopes: list[float]) -> None:  # type: ignore[no-untyped-def]
    """Of activations in pieces: also where they are level, and at the ends of the pieces."""
    x = Input("x", TensorType((7,), DType.FLOAT64))()
    (dx,) = vjp([op(x)], [constant_of(np.ones(7), x.dtype)], [x])
    assert dx is not None
    (found,) = run([dx], {x: np.array([-4.0, -3.0, -1.5, 0.0, 1.5, 3.0, 4.0])})
    np.testing.assert_allclose(found, slopes, rtol=1e-15, atol=1e-15)


def test_powers_with_constant_exponents() -> None:
    """d x^b = b·x^(b-1), which for b = 0 is 0, at x = 0 as well."""
    powers = np.array([0.0, 0.0, 1.0, 2.0, 3.0, 0.5, -1.0, -2.0])
    at = np.array([0.0, 2.0, 0.0, 3.0, 2.0, 4.0, 2.0, 2.0])
    x = Input("x", TensorType((8,), DType.FLOAT64))()
    (dx,) = vjp([x ** constant_of(powers, x.dtype)], [constant_of(np.ones(8), x.dtype)], [x])
    assert dx is not None
    (found,) = run([dx], {x: at})
    np.testing.assert_allclose(found, [0, 0, 1, 6, 12, 0.25, -0.25, -0.25], rtol=1e-15)


def test_samples_are_drawn_alike_each_time() -> None:
    sample = CASES[0]
    for a, b in zip(sample.arrays(), sample.arrays(), strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: Mean((0, 2))(x),
        lambda x: Sum((0,), True)(x),
        lambda x: Max((0, 1))(x),
        lambda x: Softmax(1)(x * constant_of(np.arange(4.0)) + 1.0),
        lambda x: x / Sum((1, 2), True)(x * x) - Mean((0,))(x),
    ],
    ids=["mean", "sum", "max", "softmax", "broadcasts"],
)
def test_gradient_before_the_batch_size_is_known(function) -> None:  # type: ignore[no-untyped-def]
    """Generated with N and then bound, it is the gradient generated for that size."""
    array = np.random.default_rng(0).normal(size=(5, 3, 4))
    found = []
    for n in (N, 5):
        x = Input("x", TensorType((n, 3, 4), DType.FLOAT64))()
        y = function(x)
        loss = Sum(tuple(range(y.type.rank)))(y * y)
        (dx,) = vjp([loss], [constant_of(1.0, x.dtype)], [x])
        assert dx is not None and dx.type == x.type
        graph = Graph.of([x], {"dx": dx}).bind(5)
        found += run([graph.outputs["dx"]], {graph.inputs[0]: array})
    np.testing.assert_array_equal(found[0], found[1])
