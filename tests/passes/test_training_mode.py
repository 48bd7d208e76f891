"""Batch normalisation in training: statistics that are kept, and those that the graph computes."""

from collections.abc import Callable

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.compile.pipelines import training_graph
from graphcnn.ir.plan import GRADIENT
from graphcnn.ops.norm import BatchNorm
from graphcnn.runtime.reference import Reference

RNG = np.random.default_rng(0)
X = RNG.normal(1.0, 2.0, (12, 3, 4, 4)).astype(np.float32)
Y = (X.mean((1, 2, 3)) > 1.0).astype(np.int64)
Statistics = Callable[[cnn.Value], tuple[cnn.Value, cnn.Value]]


def of_the_batch(x: cnn.Value) -> tuple[cnn.Value, cnn.Value]:
    mean = cnn.mean(x, (0, 2, 3))
    return mean, cnn.mean((x - cnn.reshape(mean, (1, 3, 1, 1))) ** 2.0, (0, 2, 3))


def fixed(x: cnn.Value) -> tuple[cnn.Value, cnn.Value]:
    return cnn.constant([0.5, 1.0, 1.5], x.dtype), cnn.constant([1.0, 4.0, 2.0], x.dtype)


def learned(x: cnn.Value) -> tuple[cnn.Value, cnn.Value]:
    mean = cnn.parameter((3,), "zeros", dtype=x.dtype, name="mu")
    return mean, cnn.parameter((3,), "ones", dtype=x.dtype, name="sigma")


def one_kept(x: cnn.Value) -> tuple[cnn.Value, cnn.Value]:
    """The mean of a normalisation with statistics of its own, the variance computed."""
    node = cnn.batch_norm(x, name="other").node
    return node.inputs[3], of_the_batch(x)[1]


def network(statistics: Statistics, written_out: bool = False, dtype: str = "float32") -> cnn.Model:
    image = cnn.input("image", (3, 4, 4), dtype)
    x = cnn.conv2d(image, 3, 3, padding=1, bias=False, name="conv")
    gamma = cnn.parameter((3,), "ones", dtype=dtype, name="gamma")
    beta = cnn.parameter((3,), "zeros", dtype=dtype, name="beta")
    mean, variance = statistics(x)
    if written_out:
        wide = lambda v: cnn.reshape(v, (1, 3, 1, 1))  # noqa: E731
        y = (x - wide(mean)) * wide(gamma / cnn.sqrt(variance + 1e-5)) + wide(beta)
    else:
        y = BatchNorm()(x, gamma, beta, mean, variance, name="bn")
    return cnn.Model(image, cnn.dense(cnn.flatten(cnn.relu(y)), 2, name="logits"))


@pytest.mark.parametrize("runtime", ["native", "reference"])
@pytest.mark.parametrize("statistics", [of_the_batch, fixed, learned, one_kept])
def test_statistics_that_the_graph_computes_are_trained_through(
    statistics: Statistics, runtime: str
) -> None:
    options = dict(
        epochs=4,
        batch_size=4,
        optimizer=cnn.SGD(0.05, momentum=0.9),
        seed=2,
        progress=False,
        runtime=runtime,
    )
    model, written_out = network(statistics), network(statistics, written_out=True)
    history = model.fit((X, Y), **options)
    expected = written_out.fit((X, Y), **options)
    assert history[-1]["loss"] < history[0]["loss"]
    assert history["loss"] == pytest.approx(expected["loss"], rel=1e-3)
    for key in written_out.parameters:
        np.testing.assert_allclose(model.states[key], written_out.states[key], atol=1e-4)


@pytest.mark.parametrize("statistics", [of_the_batch, fixed, learned])
def test_their_gradients_are_those_of_finite_differences(statistics: Statistics) -> None:
    model = network(statistics, dtype="float64").initialize(3)
    graph = training_graph(model.graph, "cross_entropy", None).bind(N=len(X))
    reference = Reference(graph)
    states = dict(model.states)
    feeds = {"image": X.astype(np.float64), "target": Y}
    extra = {"training.step": np.array(0, np.int64), "training.seed": np.array(0, np.int64)}

    def loss(moved: dict[str, np.ndarray]) -> float:
        return float(reference.run(feeds, moved | extra)[0]["loss"])

    outputs, _ = reference.run(feeds, states | extra)
    for key in model.parameters:
        direction = RNG.normal(size=states[key].shape)
        rise = loss(states | {key: states[key] + 1e-6 * direction})
        fall = loss(states | {key: states[key] - 1e-6 * direction})
        found = float((outputs[GRADIENT + key] * direction).sum())
        assert found == pytest.approx((rise - fall) / 2e-6, rel=1e-4, abs=1e-7), key


def test_kept_statistics_move() -> None:
    image = cnn.input("image", (3, 4, 4))
    x = cnn.relu(cnn.batch_norm(image, name="bn", momentum=1.0))
    model = cnn.Model(image, cnn.dense(cnn.flatten(x), 2))
    model.fit((X, Y), batch_size=12, shuffle=False, progress=False)
    np.testing.assert_allclose(model.states["bn.mean"], X.mean((0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(model.states["bn.variance"], X.var((0, 2, 3), ddof=1), rtol=1e-4)
