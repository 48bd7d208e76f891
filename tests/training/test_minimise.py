"""Formulas made small over some of their parameters, without data."""

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.errors import DataError, GradientError, GraphError, TrainingError


def judged() -> cnn.Model:
    """A small network with what learns in training: statistics of batches, and what is dropped."""
    image = cnn.input("image", (1, 6, 6))
    x = cnn.batch_norm(cnn.conv2d(image, 3, 3, name="C1"), activation="relu", name="B1")
    x = cnn.dropout(cnn.flatten(x), 0.5)
    return cnn.Model(image, cnn.dense(x, 4, name="F2")).initialize(1)


def canvas(count: int = 2) -> cnn.Value:
    return cnn.parameter((count, 1, 6, 6), "xavier_normal", name="canvas")


@pytest.mark.parametrize("runtime", ["native", "reference"])
def test_the_steps_are_those_of_the_formula(runtime: str) -> None:
    goal = np.array([3.0, -1.0, 0.5])
    p = cnn.parameter((3,), "ones", name="p")
    loss, optimizer = cnn.sum((p - goal) ** 2.0), cnn.SGD(0.1, momentum=0.5)
    found = cnn.minimise(loss, p, optimizer, steps=20, runtime=runtime)
    x, v, losses = np.ones(3), np.zeros(3), []
    for _ in range(20):
        losses.append(((x - goal) ** 2).sum())
        v = 0.5 * v + 2 * (x - goal)
        x = x - 0.1 * v
    np.testing.assert_allclose(found.values[0], x, rtol=1e-5)
    np.testing.assert_allclose(found.loss, losses, rtol=1e-5, atol=1e-9)


def test_models_in_the_loss_are_read_in_their_form_of_inference() -> None:
    model, x = judged(), canvas()
    before = {key: np.array(a) for key, a in model.states.items()}
    score = cnn.sum(cnn.slice(model(x), 1, 2, 3))
    found = cnn.minimise(-score, [x], cnn.Adam(0.1), steps=30, watch={"all": model(x)}, snapshots=1)
    assert all(np.array_equal(before[key], a) for key, a in model.states.items())
    assert found.loss[-1] < found.loss[0] - 1
    for step in (0, 20):  # watched before the step that follows
        expected = model.predict(found.snapshots[step][0], raw=True)
        np.testing.assert_allclose(found.history["all"][step], expected, rtol=1e-5, atol=1e-6)


def test_same_seed_same_bits_on_any_number_of_threads_and_in_two_pieces() -> None:
    model, runs = judged(), []
    for threads, pieces in ((1, (9,)), (2, (9,)), (2, (4, 5))):
        x, states = canvas(), None
        loss = cnn.mean(model(x) ** 2.0) + cnn.mean(x * x)
        optimizer = cnn.Adam(cnn.schedules.Step(0.1, 0.5, every=3))
        for steps in pieces:
            found = cnn.minimise(
                loss, x, optimizer, steps=steps, seed=3, states=states, threads=threads, snapshots=2
            )
            states = found.states
        runs.append(found)
    assert runs[0].values[0].tobytes() == runs[1].values[0].tobytes() == runs[2].values[0].tobytes()
    assert list(runs[0].snapshots) == [0, 2, 4, 6, 8, 9] and list(runs[2].snapshots) == [4, 6, 8, 9]
    assert np.array_equal(runs[0].snapshots[8][0], runs[2].snapshots[8][0])
    assert np.array_equal(runs[0].snapshots[9][0], runs[0].values[0])
    assert int(runs[2].states["training.step"]) == 9


def test_inputs_are_fed_and_parameters_of_models_may_be_what_changes() -> None:
    image = cnn.input("image", (3,))
    model = cnn.Model(image, cnn.dense(image, 2, name="F1")).initialize(0)
    goal = cnn.input("goal", (2,))
    loss = cnn.mse(model.value("F1"), goal)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((8, 3), np.float32)
    y = x @ np.array([[1, 2, 3], [0, 1, 0]], np.float32).T
    weight, bias = (model.value(f"F1.{name}") for name in ("weight", "bias"))
    found = cnn.minimise(
        loss, [weight, bias], cnn.Adam(0.1), steps=400, feeds={"image": x, "goal": y}
    )
    assert found.loss[-1] < 1e-4
    assert np.array_equal(model.parameters["F1.weight"], found.values[0])
    np.testing.assert_allclose(model.predict(x), y, atol=0.05)


def test_what_cannot_be_minimised_is_told() -> None:
    model, x, other = judged(), canvas(), cnn.parameter((2,), "ones", name="other")
    with pytest.raises(GradientError, match="scalar can be minimised, found f32\\[2,4\\]"):
        cnn.minimise(model(x), x)
    with pytest.raises(GradientError, match="does not depend on parameter 'other'"):
        cnn.minimise(cnn.mean(model(x)), [x, other])
    with pytest.raises(GradientError, match='"canvas" has no gradient: sign'):
        cnn.minimise(cnn.mean(model(cnn.sign(x))), [x])
    with pytest.raises(GraphError, match="takes parameters of a float type"):
        cnn.minimise(cnn.mean(model(x)), model(x))
    image = cnn.input("image", (1, 6, 6))
    with pytest.raises(DataError, match="reads 'image': feeds= has \\[\\]"):
        cnn.minimise(cnn.mean(x * x) + cnn.mean(image), x)
    with pytest.raises(TrainingError, match='not finite is made by log "far"'):
        cnn.minimise(cnn.sum(cnn.log(other - 1.0 - 0.5, name="far")), other, steps=3)
    with pytest.raises(TrainingError, match="last step made 'other' infinite or not a number"):
        cnn.minimise(cnn.sum(cnn.sqrt(other - 1.0)), other, cnn.SGD(1.0), steps=1)
    with pytest.raises(DataError, match="steps must be an int of at least 0"):
        cnn.minimise(cnn.sum(other), other, steps=-1)


def test_what_is_passed_in_another_form_is_told() -> None:
    p, x = cnn.parameter((2,), "ones", name="p"), cnn.input("x", (2,))
    loss = cnn.sum(p * x)
    for over in (None, judged(), {"p": p}):
        with pytest.raises(GraphError, match="over= takes parameters of a float type, found"):
            cnn.minimise(loss, over)  # type: ignore[arg-type]
    with pytest.raises(GraphError, match="cannot call a value 'loss'"):
        cnn.minimise(loss, p, watch={"loss": p})
    for watch in ([p], {"p": 3}):
        with pytest.raises(GraphError, match="watch= has values by name, found"):
            cnn.minimise(loss, p, watch=watch)  # type: ignore[arg-type]
    for feeds in (np.ones((1, 2)), {"x": "abc"}):
        with pytest.raises(DataError, match=r"found ndarray|input 'x' is f32\[N,2\]"):
            cnn.minimise(loss, p, feeds=feeds)  # type: ignore[arg-type]
    states = cnn.minimise(loss, p, steps=1, feeds={"x": [[1, 2]]}).states
    before = cnn.minimise(cnn.sum(p), p, steps=0).values[0]
    for wrong in ({}, "p", {**states, "p": "a"}, {**states, "p": np.ones(3, np.float32)}):
        with pytest.raises(DataError, match=r"^states"):
            cnn.minimise(loss, p, steps=1, feeds={"x": [[1, 2]]}, states=wrong)  # type: ignore[arg-type]
    assert np.array_equal(cnn.minimise(cnn.sum(p), p, steps=0).values[0], before)
    assert cnn.minimise(loss, p, steps=0, feeds={"x": [[1, 2]]}).loss.dtype == np.float32
