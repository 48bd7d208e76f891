"""The language's elementwise functions, activations and reductions, and their errors."""

import numpy as np
import pytest
from support.evaluate import run

from graphcnn.errors import GraphError
from graphcnn.ir.node import Value
from graphcnn.ir.tensor_type import DType, N
from graphcnn.language import activations, elementwise, reduce
from graphcnn.language.activations import ACTIVATIONS, activate
from graphcnn.language.arguments import scope
from graphcnn.language.sources import constant, input
from graphcnn.passes.training.backward import vjp

X = np.array([[1.0, -2.0, 3.0], [0.5, 2.0, -1.0]])


def value(y: Value) -> np.ndarray:
    return run([y], {})[0]


def gradient(y: Value, x: Value) -> np.ndarray:
    (dx,) = vjp([y], [constant(np.ones(y.shape))], [x])
    assert dx is not None
    return value(dx)


@pytest.fixture
def x() -> Value:
    return constant(X)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("add", 2 + X), ("sub", 2 - X), ("mul", 2 * X), ("div", 2 / X), ("pow", 2**X),
        ("maximum", np.maximum(2, X)), ("minimum", np.minimum(2, X)), ("equal", X == 2),
        ("not_equal", X != 2), ("less", 2 < X), ("less_equal", 2 <= X), ("greater", 2 > X),
        ("greater_equal", 2 >= X),
    ],
)  # fmt: skip
def test_numbers_on_either_side(name: str, expected: np.ndarray, x: Value) -> None:
    function = getattr(elementwise, name)
    left = function(2, x, name="here")
    assert (left.node.name, left.shape) == ("here", (2, 3))
    assert value(left).dtype == expected.dtype
    np.testing.assert_allclose(value(left), expected)
    both = function(constant(np.array(2.0)), x)
    np.testing.assert_allclose(value(both), expected)
    assert function(x, np.float32(2)).dtype == left.dtype


@pytest.mark.parametrize(
    "name",
    ["neg", "exp", "abs", "sign", "sqrt", "log", "sin", "cos", "atan", "floor", "ceil", "round"],
)
def test_functions_of_one_operand(name: str) -> None:
    x = np.abs(X)
    theirs = {"neg": "negative", "atan": "arctan"}.get(name, name)
    np.testing.assert_allclose(
        value(getattr(elementwise, name)(constant(x))), getattr(np, theirs)(x)
    )


def test_divisions_with_a_rest(x: Value) -> None:
    whole = elementwise.cast(x * 10.0, "int64")
    np.testing.assert_array_equal(value(elementwise.quotient(whole, 7)), np.trunc(X * 10 / 7))
    np.testing.assert_array_equal(value(elementwise.remainder(whole, 7)), np.mod(X * 10, 7))
    rest = elementwise.remainder(x, -0.7, truncated=True)
    np.testing.assert_allclose(value(rest), np.fmod(X, -0.7))
    np.testing.assert_array_equal(value(whole**2), (X * 10) ** 2)


def test_operators_of_python(x: Value) -> None:
    w = np.array([[1.0], [2.0], [3.0]])
    for y, expected in (
        (2 - x, 2 - X), (x / 2 + 1, X / 2 + 1), (-x, -X), (abs(x), abs(X)), (x**2, X**2),
        (2**x, 2**X), (x @ w, X @ w), (w.T @ w @ constant(w.T), w.T @ w @ w.T),
        ((x > 0) & (x <= 2), (X > 0) & (X <= 2)), ((x < 0) | (x >= 2), (X < 0) | (X >= 2)),
        (~(x > 0), X <= 0),
    ):  # fmt: skip
        np.testing.assert_allclose(value(y), expected)
    with pytest.raises(GraphError, match=r"and \(test_elementwise.py:\d+\): .*bool"):
        x & x
    with pytest.raises(GraphError, match=r"matmul \(test_elementwise.py:\d+\)"):
        x @ x


def test_where_logic_and_cast(x: Value) -> None:
    both = elementwise.logical_and(x > 0, x < 2)
    np.testing.assert_array_equal(value(elementwise.where(both, x, 0)), np.where(value(both), X, 0))
    either = elementwise.logical_or(elementwise.logical_not(both), both)
    assert value(either).all()
    assert elementwise.where(both, 1, 0.5).dtype is DType.FLOAT32
    assert elementwise.where(both, 1, 0).dtype is DType.INT64
    np.testing.assert_array_equal(value(elementwise.cast(x, "int64")), X.astype(np.int64))


def test_reductions(x: Value) -> None:
    assert value(reduce.sum(x)) == X.sum()
    np.testing.assert_allclose(value(reduce.mean(x, -1)), X.mean(1))
    np.testing.assert_allclose(value(reduce.prod(x, 0)), X.prod(0))
    np.testing.assert_allclose(value(reduce.max(x, (0, -1), keepdims=True)), X.max(keepdims=True))
    np.testing.assert_array_equal(value(reduce.argmax(x)), X.argmax(1))
    np.testing.assert_array_equal(value(reduce.argmax(x, 0)), X.argmax(0))
    image = input("image", (3, 8, 8))
    assert reduce.mean(image, (2, 3)).shape == (N, 3)
    assert reduce.sum(image, [0]).shape == (3, 8, 8)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_by_name(name: str) -> None:
    layer = input("image", (4,))
    assert activate(layer, name).node.name == f"image.{name}"
    assert activate(layer, getattr(activations, name)).node.op == activate(layer, name).node.op
    with scope("block"):
        assert activate(layer, name).node.name == f"image.{name}"
    unnamed = elementwise.neg(layer)
    assert activate(unnamed, name).node.name == ""
    assert activate(unnamed, None) is unnamed


def test_activation_by_function() -> None:
    layer = input("image", (4,))
    y = activate(layer, lambda v: activations.relu(v * 2.0, name="mine"))
    assert y.node.name == "mine"
    y = activate(layer, lambda v: activations.leaky_relu(v, 0.2))
    assert y.node.op.attributes == {"alpha": 0.2}


def test_gradients_at_kinks_and_ties() -> None:
    zero = constant(np.zeros(1))
    assert gradient(activations.relu(zero), zero) == 0
    assert gradient(elementwise.abs(zero), zero) == 0
    a, b = constant(np.ones(1)), constant(np.ones(1))
    for function in (elementwise.maximum, elementwise.minimum):
        assert gradient(function(a, b), a) == 1 and gradient(function(a, b), b) == 0
    tied = constant(np.array([2.0, 1.0, 2.0]))
    np.testing.assert_array_equal(gradient(reduce.max(tied), tied), [0.5, 0.0, 0.5])


def test_gradients_pass_casts_between_floats_only() -> None:
    x = constant(np.array([0.5, 1.5], np.float32))
    wide = elementwise.cast(x, "float64")
    assert gradient(wide, x).dtype == np.float32
    whole = elementwise.cast(elementwise.cast(x, "int64"), "float64")
    np.testing.assert_array_equal(gradient(wide * 3.0 + whole, x), [3.0, 3.0])


@pytest.mark.filterwarnings("error")
def test_gradients_of_powers() -> None:
    x = constant(np.array([-2.0, 0.0, 3.0]))
    np.testing.assert_allclose(gradient(x**2, x), [-4.0, 0.0, 6.0])
    np.testing.assert_allclose(gradient(x**1, x), [1.0, 1.0, 1.0])
    np.testing.assert_allclose(gradient(x**0, x), [0.0, 0.0, 0.0])
    zero_exponent = elementwise.mul(x, 0.0)
    y = elementwise.pow(x, zero_exponent)
    np.testing.assert_allclose(gradient(y, x), [0.0, 0.0, np.log(3.0) * 0.0])


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda x: activate(x, "rleu"), "unknown activation 'rleu'; did you mean 'relu'"),
        (lambda x: activate(x, 3), "must be a name, a function of a tensor or None, found 3"),
        (lambda x: activate(x, lambda v: 1), "must return a tensor, found int"),
        (lambda x: elementwise.add(1, 2), "at least one operand must be a tensor"),
        (lambda x: elementwise.add(x, "2"), "must be tensors, arrays or numbers, found '2'"),
        (lambda x: elementwise.add(elementwise.cast(x, "int64"), 0.5), "0.5 cannot be stored in"),
        (lambda x: elementwise.mul(elementwise.cast(x, "uint8"), -1), "-1 cannot be stored in u8"),
        (lambda x: elementwise.add(x, elementwise.cast(x, "int32")), "one element type"),
        (lambda x: elementwise.add(x, np.ones(4)), r"test_elementwise.py:\d+.*broadcast"),
        (lambda x: elementwise.exp(X), "x must be a tensor of the graph, found ndarray"),
        (lambda x: elementwise.cast(x, "float33"), "unknown element type 'float33'"),
        (lambda x: reduce.sum(x, 2), r"^sum \(.*axis must be an int from -2 to 1 .* found 2"),
        (lambda x: reduce.sum(x, (1, -1)), "name one axis twice"),
        (lambda x: reduce.argmax(x, 0.5), "found 0.5"),
        (lambda x: reduce.mean(X), "x must be a tensor of the graph"),
        (lambda x: activations.softmax(x, 2, name="p"), r'^softmax "p" \(.*axis must be an int'),
        (lambda x: activations.gelu(x, "fast"), "approximate must be"),
    ],
)  # fmt: skip
def test_errors(call, match: str, x: Value) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(GraphError, match=match):
        call(x)
