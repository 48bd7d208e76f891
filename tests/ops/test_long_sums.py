"""Sums of many numbers keep the digits of float32, along whichever axis."""

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.compile.native import Prepared
from graphcnn.ir.node import Value
from graphcnn.ops.norm import BatchNormTrain
from graphcnn.runtime.execution import Execution
from graphcnn.runtime.reference import Reference

MANY = np.full((50_000, 3), np.float32(0.1))


def results(x: Value, y: Value) -> list[np.ndarray]:
    graph = cnn.Model(x, y).graph.bind(N=len(MANY))
    native = Prepared(graph, Execution(threads=1))
    native.bind_states({})
    feeds = {"x": MANY}
    return [
        next(iter(found[0].values())) for found in (Reference(graph).run(feeds), native.run(feeds))
    ]


@pytest.mark.parametrize("axes", [0, (0, 1)])
def test_sums_and_means(axes: object) -> None:
    x = cnn.input("x", (3,))
    sums, means = (f(x, axes) for f in (cnn.sum, cnn.mean))  # type: ignore[operator]
    expected = MANY.astype(np.float64).sum(axes)  # type: ignore[arg-type]
    for found in results(x, sums):
        np.testing.assert_allclose(found, expected, 2e-6)
    for found in results(x, means):
        np.testing.assert_allclose(found, np.float32(0.1), 2e-6)


def test_statistics_of_a_batch() -> None:
    one, zero = np.ones(3, np.float32), np.zeros(3, np.float32)
    _, mean, variance = BatchNormTrain().evaluate(MANY, one, zero)
    np.testing.assert_allclose(mean, np.float32(0.1), 1e-6)
    assert variance.max() < 1e-12
