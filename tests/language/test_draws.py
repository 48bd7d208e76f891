"""Draws from distributions: what they are, in a prediction too, and their gradients."""

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.analysis.randomness import random_nodes
from graphcnn.compile.pipelines import inference_pipeline, onnx_pipeline
from graphcnn.errors import GraphError
from graphcnn.ir.node import Value
from graphcnn.ops.random import RandomUniform
from graphcnn.passes.training.training_mode import TrainingMode

DRAWS = {
    "normal": lambda x, **o: cnn.normal(x, 0.5, **o),
    "bernoulli": lambda x, **o: cnn.bernoulli(cnn.sigmoid(x), **o),
    "categorical": lambda x, **o: cnn.categorical(x, **o),
}
X = np.linspace(-2, 2, 4000 * 5, dtype=np.float32).reshape(4000, 5)


def model_of(name: str, **options: object) -> cnn.Model:
    x = cnn.input("x", (5,))
    return cnn.Model(x, DRAWS[name](x, **options))


@pytest.mark.parametrize("name", DRAWS)
def test_a_prediction_is_the_mean_and_nothing_random_is_left(name: str) -> None:
    model = model_of(name)
    expected = {"normal": X, "bernoulli": 1 / (1 + np.exp(-X))}
    expected["categorical"] = np.exp(X) / np.exp(X).sum(1, keepdims=True)
    np.testing.assert_allclose(model.predict(X), expected[name], rtol=1e-5)
    assert not model.graph.states
    for graph in (inference_pipeline().run(model.graph), onnx_pipeline().run(model.graph)):
        assert not random_nodes(graph) and not graph.states
    trained = TrainingMode()(model.graph)
    assert any(isinstance(n.op, RandomUniform) for n in trained.nodes)


@pytest.mark.parametrize("name", DRAWS)
def test_a_draw_has_its_distribution_and_the_same_bits_everywhere(name: str) -> None:
    model = model_of(name, predict="draw", stream=3)
    drawn = model.predict(X)
    for options in ({"threads": 2}, {"runtime": "reference"}):
        again = model.predict(X, **options)
        if name == "normal":  # of logarithms and cosines each has its own last bit
            np.testing.assert_allclose(again, drawn, atol=2e-6)
        else:
            np.testing.assert_array_equal(again, drawn)
    np.testing.assert_array_equal(model.predict(X, threads=2), model.predict(X))
    mean = model_of(name).predict(X)
    if name == "normal":
        off = (drawn - mean).ravel() / 0.5
        assert abs(off.mean()) < 0.03 and abs(off.std() - 1) < 0.03
        return
    assert set(np.unique(drawn)) == {0.0, 1.0}
    for part in np.array_split(np.arange(4000), 8):  # the means change from part to part
        assert np.abs(drawn[part].mean(0) - mean[part].mean(0)).max() < 0.08
    if name == "categorical":
        np.testing.assert_array_equal(drawn.sum(1), 1)


def test_classes_along_any_axis() -> None:
    x = cnn.input("x", (3, 4, 5))
    model = cnn.Model(
        x, {str(a): cnn.categorical(x, a, predict="draw", stream=a) for a in (1, 2, 3)}
    )
    items = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(np.float32)
    for axis, y in model.predict(items).items():
        np.testing.assert_array_equal(y.sum(int(axis)), 1)


def gradient(y: Value, x: Value) -> np.ndarray:
    (dx,) = cnn.gradients(cnn.sum(y * y), [x])
    return cnn.Model(x, {"y": y, "dx": dx}).predict(X[:7])


def test_gradients_go_through_or_stop() -> None:
    x = cnn.input("x", (5,))
    found = gradient(cnn.normal(x, predict="draw"), x)
    np.testing.assert_allclose(found["dx"], 2 * found["y"], rtol=1e-6)
    p = cnn.input("x", (5,))
    found = gradient(cnn.bernoulli(p, predict="draw"), p)
    np.testing.assert_array_equal(found["dx"], 2 * found["y"])
    with pytest.raises(GraphError):
        gradient(cnn.bernoulli(p, predict="draw", gradient="none"), p)


def test_the_deviation_has_its_gradient() -> None:
    """dy/ds = ε = (y - mean) / s."""
    x, s = cnn.input("x", (5,)), cnn.input("s", (5,))
    y = cnn.normal(x, s, predict="draw")
    (ds,) = cnn.gradients(cnn.sum(y), [s])
    model = cnn.Model([x, s], {"y": y, "ds": ds})
    found = model.predict({"x": X[:9], "s": np.full((9, 5), 0.25, np.float32)})
    np.testing.assert_allclose(found["ds"], (found["y"] - X[:9]) / 0.25, atol=1e-5)


def test_steps_draw_anew_and_resume() -> None:
    """A step of training draws; its numbers follow from seed and step."""
    x = cnn.input("x", (2,))
    model = cnn.Model(x, cnn.dense(cnn.normal(cnn.dense(x, 3, name="m"), 1.0), 2, name="out"))
    rng = np.random.default_rng(0)
    data = rng.standard_normal((64, 2)).astype(np.float32), rng.integers(0, 2, 64)
    runs = []
    for threads in (1, 2):
        model.initialize(1)
        model.fit(data, epochs=2, batch_size=16, seed=5, threads=threads, progress=False)
        runs.append({key: value.copy() for key, value in model.states.items()})
    assert all(runs[0][key].tobytes() == runs[1][key].tobytes() for key in runs[0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x: cnn.normal(x, predict="mode"), "unknown predict 'mode'"),
        (lambda x: cnn.bernoulli(x, gradient="exact"), "unknown gradient 'exact'"),
        (lambda x: cnn.categorical(x, temperature=0), "temperature must be a number above 0"),
        (lambda x: cnn.normal(0.0), "mean must be a tensor"),
        (lambda x: cnn.normal(x, stream=-1), "stream must be an int"),
        (lambda x: cnn.normal(x, cnn.constant(np.ones((4, 1, 5), np.float32))), "shape of mean"),
    ],
)
def test_wrong_use_is_told(make, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        make(cnn.input("x", (5,)))


def test_in_a_loop_numbers_are_drawn_before() -> None:
    """As xs: other numbers at every step, whatever the threads."""
    x = cnn.input("x", (4, 3))
    noise = cnn.normal(x, predict="draw", stream=9)

    def step(c: Value, row: Value) -> tuple[Value, Value]:
        return c + row, row

    _, ys = cnn.scan(step, cnn.zeros((cnn.N, 3)), noise)
    model = cnn.Model(x, {"noise": noise, "ys": ys})
    one, two = (model.predict(X[:16, :3].reshape(4, 4, 3)[:, :, :], threads=t) for t in (1, 2))
    np.testing.assert_array_equal(one["ys"], one["noise"])
    np.testing.assert_array_equal(one["ys"], two["ys"])
    assert len(np.unique(one["ys"])) == one["ys"].size

    wrong = (
        lambda c, row: (c, cnn.normal(c)),
        lambda c, row: (c, cnn.normal(c, predict="draw")),
        lambda c, row: (c + cnn.random_normal((cnn.N, 3)), ()),
    )
    for body in wrong:
        with pytest.raises(GraphError, match="draw them for all steps before, and give them as xs"):
            cnn.scan(body, cnn.zeros((cnn.N, 3)), x)
    assert cnn.random_uniform((2,)).shape == (2,)  # behind the body one may draw again
