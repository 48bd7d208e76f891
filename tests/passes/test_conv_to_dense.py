"""A convolution equals a dense layer with shared weights."""

import numpy as np
import pytest
from rewrites import arrays_for, expression, graph_of
from support.evaluate import all_values, evaluate

from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Value
from graphcnn.ir.tensor_type import DType, N, TensorType
from graphcnn.ops.activation import Relu
from graphcnn.ops.conv import Conv2d
from graphcnn.passes.driver.base import PassLog
from graphcnn.passes.simplify.conv_to_dense import ConvToDense, dense_equivalent

CASES = [
    (Conv2d(), (2, 1, 4, 4), (1, 1, 3, 3)),
    (Conv2d(stride=(2, 1), padding=(1, 0, 2, 1)), (2, 3, 5, 6), (4, 3, 3, 2)),
    (Conv2d(dilation=(2, 2), flip_kernel=True), (1, 2, 6, 7), (3, 2, 2, 3)),
    (Conv2d(groups=2, padding=(1, 1, 1, 1)), (2, 4, 4, 3), (6, 2, 3, 3)),
]


def convolution(op: Conv2d, x: tuple[int, ...], w: tuple[int, ...], biased: bool) -> Graph:
    if biased:
        return graph_of(lambda x, w, b: op(x, w, b, name="C1"), x=x, w=w, b=(w[0],))
    return graph_of(lambda x, w: op(x, w, name="C1"), x=x, w=w)


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("op, x, w", CASES)
def test_equality_and_counts(op: Conv2d, x: tuple, w: tuple, biased: bool) -> None:
    graph, log = convolution(op, x, w, biased), PassLog()
    after = ConvToDense()(graph, log)
    assert log.fired == {"conv_to_dense": 1}
    arrays = arrays_for(graph)
    expected = evaluate(graph, arrays, arrays)["result"]
    np.testing.assert_allclose(
        evaluate(after, arrays, arrays)["result"], expected, rtol=0, atol=1e-12
    )
    (dense,) = (n for n in after.nodes if n.op.name == "dense")
    matrix = all_values(after, arrays, arrays)[dense.inputs[1]]
    counts = dense_equivalent(graph.outputs["result"].node)
    assert counts.parameters == np.prod(w)
    assert counts.weights == matrix.size
    assert counts.nonzero == np.count_nonzero(matrix)  # no weight drawn is 0


def test_counts_by_hand() -> None:
    # 3x3 image, 2x2 kernel: 4 outputs of 9 inputs, each reads 4 of them; every tap is used 4 times.
    node = convolution(Conv2d(), (1, 1, 3, 3), (1, 1, 2, 2), False).outputs["result"].node
    counts = dense_equivalent(node)
    assert (counts.parameters, counts.weights, counts.nonzero) == (4, 36, 16)


def test_the_matrix_by_hand() -> None:
    # One row of three pixels, kernel (a, b): [[a, b, 0], [0, a, b]].
    graph = convolution(Conv2d(), (1, 1, 1, 3), (1, 1, 1, 2), False)
    after = ConvToDense()(graph)
    w = np.array([[[[2.0, 3.0]]]])
    x = np.zeros((1, 1, 1, 3))
    (dense,) = (n for n in after.nodes if n.op.name == "dense")
    matrix = all_values(after, {"x": x}, {"w": w})[dense.inputs[1]]
    assert matrix.tolist() == [[2.0, 3.0, 0.0], [0.0, 2.0, 3.0]]


def test_taps_that_only_meet_padding_are_not_counted() -> None:
    # A 1x1 image padded to 3x3 under a 3x3 kernel: only the middle tap ever meets the pixel.
    op = Conv2d(padding=(1, 1, 1, 1))
    node = convolution(op, (1, 1, 1, 1), (1, 1, 3, 3), False).outputs["result"].node
    counts = dense_equivalent(node)
    assert (counts.parameters, counts.weights, counts.nonzero) == (9, 1, 1)


def test_works_for_any_batch_size_and_keeps_the_name() -> None:
    t = TensorType((N, 1, 3, 3), DType.FLOAT64)
    graph = graph_of(lambda x, w: Conv2d()(x, w, name="C1"), x=t, w=(1, 1, 2, 2))
    after = ConvToDense()(graph)
    assert expression(after.outputs["result"]) == (
        "reshape(dense(flatten(x), transpose(flatten(conv2d(const[9, 1, 3, 3], w)); "
        "perm=(1, 0))); shape=(N, 1, 2, 2))"
    )
    assert [n.name for n in after.nodes if n.op.name == "dense"] == ["C1"]


def test_is_idempotent_and_leaves_the_structure_matrix_alone() -> None:
    after = ConvToDense()(convolution(*CASES[0], True))
    log = PassLog()
    assert ConvToDense()(after, log) is after
    assert not log.fired and not log.refused


def test_refuses_matrices_that_are_too_large() -> None:
    graph, log = convolution(*CASES[0], False), PassLog()
    assert ConvToDense(max_elements=255)(graph, log) is graph
    assert "16 inputs × 16 = 256 elements, more than max_elements = 255" in str(log.refused[0])
    assert ConvToDense(max_elements=256)(graph) is not graph


def test_only_convolutions_have_an_equivalent() -> None:
    def build(x: Value) -> Value:
        return Relu()(x)

    with pytest.raises(GraphError, match="relu has no dense equivalent"):
        dense_equivalent(graph_of(build, x=(1, 2)).outputs["result"].node)
