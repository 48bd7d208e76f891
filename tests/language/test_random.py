"""Random numbers, gradients that stop, and clipping, as users write them."""

import math

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.compile.runner import Runner
from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ir.philox import uniform
from graphcnn.runtime.execution import Execution
from graphcnn.runtime.reference import Reference


def noisy(**options: int) -> cnn.Model:
    x = cnn.input("x", (3,))
    drawn = cnn.random_normal((cnn.N, 3), 1.0, 2.0, **options)
    return cnn.Model(x, {"y": x + drawn, "u": cnn.random_uniform((4,), -1.0, 3.0, stream=1)})


def test_numbers_follow_from_seed_and_stream_alone() -> None:
    x = np.zeros((5, 3), np.float32)
    model = noisy(seed=7)
    assert not model.graph.states  # nothing is left to be kept
    first = model.predict(x)
    for threads in (1, 2):
        again = noisy(seed=7).predict(x, threads=threads)
        assert all(np.array_equal(first[key], again[key]) for key in first)
    u, v = uniform(7, 0, 1 << 31, 30).reshape(2, 5, 3)
    expected = 1 + 2 * np.sqrt(-2 * np.log(1 - u)) * np.cos(2 * math.pi * v)
    np.testing.assert_allclose(first["y"], expected, rtol=0, atol=1e-5)
    spread = -1 + 4 * uniform(0, 0, (1 << 31) + 1, 4)
    np.testing.assert_allclose(first["u"], spread, rtol=0, atol=1e-6)
    for other in (noisy(seed=8), noisy(seed=7, stream=2)):
        assert not np.any(other.predict(x)["y"] == first["y"])


def test_each_step_of_a_minimisation_draws_anew() -> None:
    canvas = cnn.parameter((2,), "zeros", name="canvas")
    noise = cnn.random_uniform((2,), stream=3)
    loss = cnn.sum((canvas - noise) * (canvas - noise))

    def course(seed: int, threads: int) -> np.ndarray:
        found = cnn.minimise(
            loss, canvas, cnn.SGD(0.1), steps=4, seed=seed, watch={"noise": noise}, threads=threads
        )
        return found.history["noise"]

    drawn = course(0, 1)
    assert len(np.unique(drawn)) == drawn.size == 8
    np.testing.assert_array_equal(drawn, course(0, 2))
    assert not np.any(drawn == course(1, 1))


def test_a_gradient_stops() -> None:
    """y = x · stop(x) has the derivative x; nothing of it is left in the graph that runs."""
    x = cnn.input("x", (3,))
    y = x * cnn.stop_gradient(x)
    (dx,) = cnn.gradients(cnn.sum(y), [x])
    values = np.array([[1.0, -2.0, 3.0]], np.float32)
    found = Reference(Graph.of([x], {"dx": dx}).bind(N=1)).run({"x": values}, {})[0]
    np.testing.assert_array_equal(found["dx"], values)
    model = cnn.Model(x, y)
    np.testing.assert_array_equal(model.predict(values), values * values)
    with pytest.raises(cnn.GradientError, match="no gradient: stop_gradient has the derivative"):
        cnn.gradients(cnn.sum(cnn.stop_gradient(x)), [x])


def test_clipping_has_a_gradient_inside_only() -> None:
    x = cnn.input("x", (5,))
    y = cnn.clip(x, -1.0, 2)
    (dx,) = cnn.gradients(cnn.sum(y * 3.0), [x])
    graph = Graph.of([x], {"y": y, "dx": dx, "below": cnn.clip(x, high=0.0)}).bind(N=1)
    found, _ = Reference(graph).run({"x": np.array([[-3, -1, 0.5, 2, 4]], np.float32)}, {})
    np.testing.assert_array_equal(found["y"], [[-1, -1, 0.5, 2, 2]])
    np.testing.assert_array_equal(found["dx"], [[0, 3, 3, 3, 0]])
    np.testing.assert_array_equal(found["below"], [[-3, -1, 0, 0, 0]])
    far = np.array([[np.nan, np.inf, -np.inf, 0, -0.0]], np.float32)
    for runtime in ("native", "reference"):
        found, _ = Runner(graph, Execution.of(runtime)).run({"x": far}, {})
        np.testing.assert_array_equal(found["y"], [[np.nan, 2, -1, 0, 0]])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda x: cnn.clip(x, 2.0, 1.0), r"clip.*low must be at most high, found 2.0 and 1.0"),
        (lambda x: cnn.clip(x, "0"), "low must be a number, found '0'"),
        (lambda x: cnn.random_uniform((2,), stream=-1), "stream must be an int, 0 to 2"),
        (lambda x: cnn.random_uniform((2,), seed=0.5), "seed must be an int.*found 0.5"),
        (lambda x: cnn.random_uniform((2,), seed=2**63), "seed must be an int of 64 bits, found 9"),
        (lambda x: cnn.random_uniform((2, 0)), "sizes must be at least 1, found"),
        (lambda x: cnn.random_uniform((2,), high=math.inf), "high must be finite, found inf"),
        (lambda x: cnn.clip(x, np.zeros(3)), "low must be a number, found array"),
        (lambda x: cnn.random_normal((2,), dtype="int64"), "dtype must be a float type, found i64"),
        (lambda x: cnn.random_normal((2,), x), "must be a number, found <input"),
        (lambda x: cnn.stop_gradient(3), "x must be a tensor of the graph, found int"),
    ],
)
def test_what_cannot_be_meant(wrong, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(GraphError, match=message):
        wrong(cnn.input("x", (3,)))
