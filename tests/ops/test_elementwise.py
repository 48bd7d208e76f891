"""Values of elementwise operators, softmax and reductions where they are delicate."""

import math

import numpy as np
import pytest
from samples import all_samples
from support.tiny import run

from graphcnn.ir.node import Value, constant_of
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import TensorType
from graphcnn.ops.activation import (
    Elu,
    Gelu,
    HardSwish,
    LeakyRelu,
    Mish,
    Relu,
    Sigmoid,
    Silu,
    Softplus,
)
from graphcnn.ops.elementwise import Div, Erf, Exp, Log, Maximum, Minimum, Pow, Sqrt
from graphcnn.ops.reduce import ArgMax, Max
from graphcnn.ops.softmax import LogSoftmax, Softmax

pytestmark = pytest.mark.filterwarnings("error")
HUGE = np.array([-1e4, -800.0, -40.0, -1.0, 0.0, 1.0, 40.0, 800.0, 1e4])


def test_erf_is_that_of_the_c_library() -> None:
    x = np.concatenate([np.linspace(-7.0, 7.0, 20001), [1e-300, 5e-324, 0.46875, 4.0, 6.0]])
    expected = np.array([math.erf(v) for v in x])
    np.testing.assert_allclose(Erf().evaluate(x), expected, rtol=1e-15, atol=0)
    special = Erf().evaluate(np.array([np.nan, np.inf, -np.inf, -0.0]))
    np.testing.assert_array_equal(special, [np.nan, 1.0, -1.0, -0.0])
    assert math.copysign(1.0, special[3]) == -1.0


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_activations_of_huge_numbers(dtype: type) -> None:
    x = HUGE.astype(dtype)
    positive, zero = np.maximum(x, 0), np.zeros_like(x)
    far = np.abs(x) >= 40
    np.testing.assert_allclose(Elu(2.0).evaluate(x)[far], np.where(x > 0, x, -2)[far])
    for op in (Softplus(), Silu(), Mish(), Gelu(), Gelu("tanh"), HardSwish(), Relu()):
        np.testing.assert_allclose(op.evaluate(x)[far], positive[far], rtol=1e-6, atol=1e-15)
    s = Sigmoid().evaluate(x)
    np.testing.assert_allclose(s[far], np.where(x > 0, 1, zero)[far], rtol=1e-6, atol=1e-17)
    np.testing.assert_allclose(s + Sigmoid().evaluate(-x), 1.0, rtol=1e-6)
    assert s[2] == pytest.approx(math.exp(-40.0), rel=1e-6)


def test_mish_of_one_exponential_is_that_of_three_functions() -> None:
    x = np.concatenate([np.linspace(-30.0, 30.0, 601), [1e30]])
    defined = x * np.tanh(np.logaddexp(0.0, x))
    np.testing.assert_allclose(Mish().evaluate(x), defined, rtol=1e-14)
    v = Input("x", TensorType((2,)))()
    (dx,) = Mish().gradient(Mish()(v).node, constant_of(np.ones(2, np.float32)))
    assert isinstance(dx, Value)
    found = run([dx], {v: np.float32([1e30, 0.0])})[0]
    np.testing.assert_allclose(found, [1.0, 0.6], rtol=1e-6)


def test_nan_is_never_hidden() -> None:
    nan = np.array([np.nan, 1.0])
    for sample in all_samples():
        if sample.op.family == "activation" and sample.op.elementwise:
            assert np.isnan(sample.op.evaluate(nan)[0]), sample
    for op in (Maximum(), Minimum()):
        assert np.isnan(op.evaluate(nan, np.array(5.0))[0])
    assert np.isnan(Max((0,)).evaluate(nan))
    assert ArgMax(0).evaluate(np.array([3.0, np.nan, 5.0])) == 1


def test_softmax_of_huge_numbers() -> None:
    x = np.array([[1e4, -1e4, 1e4], [0.0, -np.inf, 0.0]])
    np.testing.assert_array_equal(Softmax(1).evaluate(x), [[0.5, 0, 0.5], [0.5, 0, 0.5]])
    expected = np.array([[0, -2e4, 0], [0, -np.inf, 0]]) - math.log(2)
    np.testing.assert_allclose(LogSoftmax(1).evaluate(x), expected)


def test_infinities_are_quiet() -> None:
    zero, one = np.zeros(1), np.ones(1)
    assert Div().evaluate(one, zero) == np.inf and np.isnan(Div().evaluate(zero, zero))
    assert Log().evaluate(zero) == -np.inf and np.isnan(Log().evaluate(-one))
    assert np.isnan(Sqrt().evaluate(-one)) and Exp().evaluate(one * 1e4) == np.inf
    assert Pow().evaluate(zero, -one) == np.inf and np.isnan(Pow().evaluate(-one, one / 2))
    assert Exp().evaluate(np.float32([1e4])) == np.inf


def test_first_of_equal_maxima() -> None:
    assert ArgMax(0).evaluate(np.array([1, 4, 4])) == 1


def test_leaky_relu_with_a_large_slope() -> None:
    np.testing.assert_array_equal(LeakyRelu(2.0).evaluate(np.array([-1.0, 3.0])), [-2.0, 3.0])


def test_float32_is_close_to_float64() -> None:
    x = np.linspace(-6.0, 6.0, 1001)
    for sample in all_samples():
        if sample.op.family == "activation" and sample.op.elementwise:
            wide, narrow = sample.op.evaluate(x), sample.op.evaluate(x.astype(np.float32))
            np.testing.assert_allclose(narrow, wide, rtol=2e-6, atol=1e-6, err_msg=sample.label)
