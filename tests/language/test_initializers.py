"""First values of parameters: what each name promises of them."""

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.errors import GraphError
from graphcnn.ir.initializers import fans, initializer
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.text.parse import parse_graph


def drawn(spec: object, *shape: int) -> np.ndarray:
    return initializer(spec)(TensorType(shape, DType.FLOAT64), 0, "key")


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_identity_passes_channels_on(size: int) -> None:
    image = cnn.input("image", (3, 7, 6))
    x = cnn.conv2d(image, 8, size, padding="same", bias=False, init="identity")
    net, images = cnn.Model(image, x).initialize(0), np.random.default_rng(0).random((2, 3, 7, 6))
    seen = net.predict(images.astype(np.float32))
    np.testing.assert_array_equal(seen[:, :3], images.astype(np.float32))
    rest = net.parameters["conv2d_1.weight"][3:]
    assert 0 < np.abs(rest).max() <= (3 * size * size) ** -0.5  # as PyTorch draws them
    np.testing.assert_array_equal(drawn("identity", 3, 5), np.eye(3, 5))


def test_orthogonal_rows_or_columns() -> None:
    for shape in ((4, 3, 2, 2), (30, 2, 3, 3), (5, 5)):
        matrix = drawn(cnn.Orthogonal(gain=2.0), *shape).reshape(shape[0], -1)
        matrix = matrix if len(matrix) <= matrix.shape[1] else matrix.T
        np.testing.assert_allclose(matrix @ matrix.T, 4 * np.eye(len(matrix)), atol=1e-12)
        assert abs(matrix.sum()) > 1e-3  # not the unit matrix


def test_spread() -> None:
    shape = (64, 32, 3, 3)
    fan_in = fans(shape)[0]
    for spec, variance in (
        ("lecun", 1 / fan_in), ("lecun_normal", 1 / fan_in), (cnn.Normal(0.5), 0.25),
        ("he", 2 / fan_in), (cnn.Identity(spread=2.0), 2 / fan_in),
    ):  # fmt: skip
        x = drawn(spec, *shape)[32:]
        assert x.var() == pytest.approx(variance, rel=0.03) and abs(x.mean()) < 0.01
    assert not np.array_equal(drawn("lecun", 4, 4), initializer("lecun")(
        TensorType((4, 4), DType.FLOAT64), 1, "key"))  # fmt: skip


def test_the_text_of_a_graph_has_them() -> None:
    image = cnn.input("image", (3, 8, 8))
    x = cnn.conv2d(image, 4, 3, init=cnn.Identity(spread=0.5), bias=False)
    x = cnn.conv2d(x, 4, 3, init=cnn.Orthogonal(), bias=False)
    graph = cnn.Model(image, cnn.dense(cnn.flatten(x), 2, init=cnn.Normal(0.1))).graph
    again = parse_graph(str(graph))
    assert str(again) == str(graph) and "identity(spread=0.5)" in str(graph)
    same = cnn.Model(again.inputs[0], *again.outputs.values()).initialize(3).parameters
    for key, array in cnn.Model(image, *graph.outputs.values()).initialize(3).parameters.items():
        np.testing.assert_array_equal(array, same[key])


def test_what_makes_no_sense_is_told() -> None:
    with pytest.raises(GraphError, match=r"Identity is of kernels and matrices, found the shape"):
        drawn("identity", 3)
    with pytest.raises(GraphError, match="unknown initializer 'lecum'; known are"):
        drawn("lecum", 3, 3)
