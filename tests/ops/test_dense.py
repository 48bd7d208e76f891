"""The dense layer and the matrix product."""

import numpy as np
import pytest
from support.evaluate import run
from support.tiny import check_gradients, leaf

import graphcnn as cnn
from graphcnn.errors import GraphError
from graphcnn.ir.sources import State
from graphcnn.ir.tensor_type import DType, N, TensorType
from graphcnn.language.dense import dense, matmul
from graphcnn.language.sources import input, parameter
from graphcnn.ops.conv import Conv2d
from graphcnn.ops.dense import Dense, MatMul
from graphcnn.passes.training.backward import vjp
from graphcnn.runtime.reference import Reference


def test_dense_worked_example() -> None:
    x, w, b = np.array([[1.0, 2.0]]), np.array([[3.0, 4.0], [5.0, 6.0], [0.0, -1.0]]), [10, 20, 30]
    np.testing.assert_array_equal(Dense().evaluate(x, w, np.array(b)), [[21, 37, 28]])


def test_dense_is_a_convolution_of_single_pixels() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(3, 5)), rng.normal(size=(4, 5))
    y = Conv2d().evaluate(x[:, :, None, None], w[:, :, None, None])
    np.testing.assert_allclose(Dense().evaluate(x, w), y[:, :, 0, 0], rtol=1e-12)


def test_the_order_of_memory_changes_no_bit() -> None:
    model = cnn.Model(x := cnn.input("x", (48,)), cnn.dense(x, 192, name="d")).initialize(0)
    feeds = {"x": np.random.default_rng(0).normal(size=(1, 48)).astype(np.float32)}
    reference = Reference(model.graph.bind(N=1))
    ((expected, _), (found, _)) = (
        reference.run(
            {k: np.asarray(v, order=order) for k, v in feeds.items()},
            {k: np.asarray(v, order=order) for k, v in model.states.items()},
        )
        for order in ("C", "F")
    )
    np.testing.assert_array_equal([*found.values()], [*expected.values()])


@pytest.mark.parametrize("ta", [False, True])
@pytest.mark.parametrize("tb", [False, True])
def test_matmul_first_and_second_derivative(ta: bool, tb: bool) -> None:
    rng = np.random.default_rng(0)
    a = leaf("a", (N, 1, 4, 3) if ta else (N, 1, 3, 4))
    b = leaf("b", (5, 2, 4) if tb else (5, 4, 2))
    c = leaf("c", (N, 5, 3, 2))
    y = MatMul(ta, tb)(a, b)
    assert y.shape == (N, 5, 3, 2)
    feeds = {v: rng.normal(size=v.type.bind(2).shape) for v in (a, b, c)}
    check_gradients([y], {a: feeds[a], b: feeds[b]}, 2)
    da, db = vjp([y], [c], [a, b])
    assert da is not None and db is not None
    check_gradients([da, db], feeds, 2)


def test_dense_second_derivative() -> None:
    rng = np.random.default_rng(1)
    x, w, b, c = leaf("x", (N, 3)), leaf("w", (4, 3)), leaf("b", (4,)), leaf("c", (N, 4))
    gradients = vjp([Dense()(x, w, b)], [c], [x, w, b])
    feeds = {v: rng.normal(size=v.type.bind(5).shape) for v in (x, w, b, c)}
    check_gradients([g for g in gradients if g is not None], feeds, 5)


def test_shared_weight_has_the_sum_of_both_gradients() -> None:
    rng = np.random.default_rng(2)
    x, w = leaf("x", (2, 3)), leaf("w", (3, 3))
    y = dense(dense(x, 3, weight=w, bias=False), 3, weight=w, bias=False)
    check_gradients([y], {x: rng.normal(size=(2, 3)), w: rng.normal(size=(3, 3))})


def test_language_builds_the_parameters() -> None:
    x = input("x", (7,))
    y = dense(x, 4, name="F6")
    assert y.shape == (N, 4) and y.node.name == "F6"
    weight, bias = (v.node.op for v in y.node.inputs[1:])
    assert isinstance(weight, State) and isinstance(bias, State)
    assert weight.key == bias.key == ""
    assert weight.type.shape == (4, 7) and bias.type.shape == (4,)
    assert len(dense(x, 4, bias=False).node.inputs) == 2
    shared = parameter((4, 7))
    assert dense(x, 4, weight=shared).node.inputs[1] is shared
    assert dense(x, 4, activation="relu").node.op.name == "relu"
    assert matmul(x, shared, transpose_b=True).shape == (N, 4)


def test_dense_of_an_image_suggests_flatten() -> None:
    image = input("image", (16, 5, 5))
    expected = (
        r'dense "F5" \(test_dense.py:\d+\): x must be \(N, features\), found rank 4: '
        r"f32\[N,16,5,5\]; flatten\(x\) makes it \(N, 400\), 16·5·5 = 400"
    )
    with pytest.raises(GraphError, match=expected):
        dense(image, 120, name="F5")
    with pytest.raises(GraphError, match="units must be an int of at least 1, found 0"):
        dense(input("x", (3,)), 0)
    with pytest.raises(GraphError, match="to read x"):
        dense(input("x", (3,)), 2, weight=parameter((2, 4)))
    with pytest.raises(GraphError, match="columns, but"):
        matmul(input("x", (3,)), parameter((2, 3)))


def test_float32_stays_float32() -> None:
    x = input("x", (3,))
    y = dense(x, 2)
    feeds = {x: np.ones((2, 3)), **{v: np.ones(v.shape) for v in y.node.inputs[1:]}}
    assert run([y], feeds, 2)[0].dtype == np.float32


@pytest.mark.parametrize("bias", [DType.FLOAT64, DType.FLOAT16, DType.INT32, DType.BFLOAT16])
def test_a_bias_has_the_type_of_the_layer(bias: DType) -> None:
    x, w = TensorType((2, 3)), TensorType((5, 3))
    assert Dense().infer(x, w, TensorType((5,))).shape == (2, 5)
    with pytest.raises(GraphError, match="bias"):
        Dense().infer(x, w, TensorType((5,), bias))
