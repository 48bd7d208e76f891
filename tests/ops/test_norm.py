"""Normalisation: statistics, first and second derivatives; dropout and random numbers."""

from typing import Any

import numpy as np
import pytest
from support.evaluate import run
from support.tiny import check_gradients, leaf

import graphcnn as cnn
from graphcnn.errors import GraphError
from graphcnn.ir.graph import state_of
from graphcnn.ir.node import Value
from graphcnn.ir.philox import uniform
from graphcnn.ir.sources import Role
from graphcnn.ir.tensor_type import DType, N
from graphcnn.language.norm import batch_norm, dropout, group_norm, instance_norm, layer_norm
from graphcnn.language.sources import input
from graphcnn.ops.norm import BatchNorm, BatchNormTrain, GroupNorm, LayerNorm
from graphcnn.ops.random import RandomUniform
from graphcnn.passes.training.backward import vjp

SHAPES = [(N, 3), (N, 3, 2, 4)]


def train_form(shape: tuple[Any, ...]) -> tuple[list[Value], tuple[Value, ...], dict[Value, Any]]:
    """Inputs, the three outputs, and arrays for N = 5."""
    rng = np.random.default_rng(3)
    xs = [leaf("x", shape), leaf("gamma", (3,)), leaf("beta", (3,))]
    outputs = BatchNormTrain(1e-3)(*xs).node.outputs
    return xs, outputs, {v: rng.normal(size=v.type.bind(5).shape) for v in xs}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_training_form_normalises_each_channel(shape: tuple[Any, ...]) -> None:
    (x, gamma, beta), outputs, feeds = train_form(shape)
    y, mean, variance = run(outputs, feeds, 5)
    axes = (0, *range(2, len(shape)))
    np.testing.assert_allclose(mean, feeds[x].mean(axis=axes))
    np.testing.assert_allclose(variance, feeds[x].var(axis=axes))
    np.testing.assert_allclose(y.mean(axis=axes), feeds[beta], atol=1e-12)
    spread = np.abs(feeds[gamma]) * np.sqrt(variance / (variance + 1e-3))
    np.testing.assert_allclose(y.std(axis=axes), spread)
    same = BatchNorm(1e-3).evaluate(feeds[x], feeds[gamma], feeds[beta], mean, variance)
    np.testing.assert_allclose(y, same)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("used", [(0,), (1,), (2,), (0, 1), (0, 1, 2), (1, 2)], ids=str)
def test_gradient_through_any_of_the_outputs(shape: tuple[Any, ...], used: tuple[int, ...]) -> None:
    _, outputs, feeds = train_form(shape)
    check_gradients([outputs[i] for i in used], feeds, 5)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_second_derivative_of_the_training_form(shape: tuple[Any, ...]) -> None:
    xs, (y, mean, variance), feeds = train_form(shape)
    rng = np.random.default_rng(4)
    c, cm, cv = leaf("c", shape), leaf("cm", (3,)), leaf("cv", (3,))
    feeds.update({v: rng.normal(size=v.type.bind(5).shape) for v in (c, cm, cv)})
    of_y = vjp([y], [c], xs)
    check_gradients([g for g in of_y if g is not None], {**feeds}, 5)
    of_all = vjp([y, mean, variance], [c, cm, cv], xs)
    assert None not in of_all
    check_gradients([g for g in of_all if g is not None], feeds, 5)


def test_third_derivative() -> None:
    xs, (y, _, _), feeds = train_form((N, 3))
    rng = np.random.default_rng(5)
    c1, c2 = leaf("c1", (N, 3)), leaf("c2", (N, 3))
    feeds.update({c: rng.normal(size=(5, 3)) for c in (c1, c2)})
    (first,) = vjp([y * y], [c1], xs[:1])
    assert first is not None
    (second,) = vjp([first], [c2], xs[:1])
    assert second is not None
    check_gradients([second], feeds, 5)


def test_batch_of_one_item_gives_beta() -> None:
    y, mean, variance = BatchNormTrain().evaluate(
        np.array([[3.0, 4.0]]), np.array([2.0, 2.0]), np.array([0.5, 1.0])
    )
    np.testing.assert_array_equal(y, [[0.5, 1.0]])
    np.testing.assert_array_equal(mean, [3, 4])
    np.testing.assert_array_equal(variance, [0, 0])


def test_language_makes_parameters_and_statistics() -> None:
    y = batch_norm(input("x", (6, 4, 4)), name="bn", momentum=0.2)
    assert y.node.name == "bn" and y.node.op == BatchNorm(1e-5, 0.2)
    states = [state_of(v) for v in y.node.inputs[1:]]
    assert [s.role for s in states] == [Role.PARAMETER] * 2 + [Role.STATISTIC] * 2
    assert [s.trainable for s in states] == [True, True, False, False]
    assert [float(s.initial(s.type, 0, "k")[0]) for s in states] == [1, 0, 0, 1]
    assert {s.key for s in states} == {""}
    frozen = batch_norm(input("x", (6,)), trainable=False, activation="relu")
    assert frozen.node.op.name == "relu"
    inner = frozen.node.inputs[0].node
    assert not any(state_of(v).trainable for v in inner.inputs[1:])
    with pytest.raises(GraphError, match=r"batch_norm .*x must be \(N, C\) or"):
        batch_norm(input("x", ()))
    with pytest.raises(GraphError, match="momentum must be in 0 to 1, found 2"):
        batch_norm(input("x", (3,)), momentum=2)


def test_groups_of_channels_have_mean_and_variance_of_their_item() -> None:
    """Here a group of two channels of two pixels, by hand."""
    x = np.array([[[1.0, 3.0], [5.0, 7.0], [0.0, 0.0], [2.0, 2.0]]])
    gamma, beta = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.0, 0.0, 0.0, 9.0])
    y = GroupNorm(2, 4.0).evaluate(x, gamma, beta)  # variances 5 and 1
    root = np.sqrt(5.0)
    wanted = [[-1, -1 / 3], [2 / 3, 2], [-3 / root, -3 / root], [9 + 4 / root, 9 + 4 / root]]
    np.testing.assert_allclose(y, [wanted])


def test_group_norm_of_the_language() -> None:
    y = group_norm(input("x", (6, 4, 4)), 3, name="gn", epsilon=0.1, trainable=False)
    assert (y.node.name, y.node.op) == ("gn", GroupNorm(3, 0.1))
    states = [state_of(v) for v in y.node.inputs[1:]]
    assert [(s.role, s.trainable) for s in states] == [(Role.PARAMETER, False)] * 2
    assert [float(s.initial(s.type, 0, "k")[0]) for s in states] == [1, 0]
    with pytest.raises(GraphError, match=r"groups = 4 must divide the 6 channels of f32\[N,6\]"):
        group_norm(input("x", (6,)), 4)
    with pytest.raises(GraphError, match=r"group_norm .*x must be \(N, C, ...\) of known sizes"):
        group_norm(input("x", ()), 1)


def test_dropout_is_the_identity_in_inference() -> None:
    x = input("x", (3,))
    y = dropout(x, 0.25, name="drop")
    assert y.node.name == "drop" and y.type == x.type
    np.testing.assert_array_equal(run([y], {x: np.ones((2, 3))}, 2)[0], np.ones((2, 3)))
    with pytest.raises(GraphError, match="rate must be at least 0 and less than 1"):
        dropout(x, 1)


def test_random_numbers_depend_on_seed_step_and_stream_alone() -> None:
    op = RandomUniform((N, 50), stream=2).bind(3)
    seed, step = np.array(5), np.array(9)
    u = op.evaluate(seed, step)
    assert u.shape == (3, 50) and u.dtype == np.float32
    assert 0 <= u.min() and u.max() < 1
    np.testing.assert_array_equal(u, op.evaluate(seed, step))
    np.testing.assert_array_equal(u.ravel(), uniform(5, 9, 2, 150))
    others = [
        op.evaluate(np.array(6), step),
        op.evaluate(seed, np.array(10)),
        RandomUniform((3, 50), stream=3).evaluate(seed, step),
    ]
    assert all(np.mean(other == u) < 0.05 for other in others)


@pytest.mark.parametrize("dtype", [DType.FLOAT16, DType.FLOAT32, DType.FLOAT64])
def test_random_numbers_never_reach_one(dtype: DType) -> None:
    u = RandomUniform((40_000,), dtype=dtype).evaluate(np.array(1), np.array(1))
    assert u.dtype == dtype.numpy and u.min() >= 0 and u.max() < 1
    assert abs(float(u.mean(dtype=np.float64)) - 0.5) < 0.01


def test_layer_norm_along_channels_and_whole_items() -> None:
    x = np.random.default_rng(0).normal(3.0, 2.0, (2, 5, 4, 3))
    ones, zeros = np.ones(5), np.zeros(5)
    y = LayerNorm((1,), 1e-12).evaluate(x, ones, zeros)
    np.testing.assert_allclose(y.mean(1), 0.0, atol=1e-12)
    np.testing.assert_allclose(y.std(1), 1.0)  # of the population
    gamma, beta = np.random.default_rng(1).normal(size=(2, 5, 4, 3))
    whole = LayerNorm((1, 2, 3), 0.25).evaluate(x, gamma, beta)
    flat = x.reshape(2, -1)
    normal = (flat - flat.mean(1, keepdims=True)) / np.sqrt(flat.var(1, keepdims=True) + 0.25)
    np.testing.assert_allclose(whole, normal.reshape(x.shape) * gamma + beta, rtol=1e-12)


def test_layer_and_instance_norm_of_the_language() -> None:
    image = input("x", (6, 4, 5))
    y = layer_norm(image, name="ln", epsilon=0.1)
    assert (y.node.name, y.node.op) == ("ln", LayerNorm((1,), 0.1))
    assert [v.shape for v in layer_norm(image, (-1, 1)).node.inputs[1:]] == [(6, 5), (6, 5)]
    assert layer_norm(image, -1, activation="relu").node.inputs[0].node.op == LayerNorm((3,))
    assert instance_norm(image, name="in").node.op == GroupNorm(6)
    for wrong in (0, (), (0, 1)):
        with pytest.raises(GraphError, match=r"layer_norm .*axes must be some of x but the batch"):
            layer_norm(image, wrong)
    with pytest.raises(GraphError, match=r"instance_norm .*x must be \(N, C, ...\) with pixels"):
        instance_norm(input("x", (6,)))


def of_items() -> cnn.Model:
    """A network of all that normalises items, and of what has a learned slope."""
    image = cnn.input("image", (2, 9, 9))
    x = cnn.layer_norm(cnn.conv2d(image, 8, 3), 1, activation="mish")
    x = cnn.instance_norm(cnn.conv2d(x, 8, 3, padding=1), activation="prelu")
    x = cnn.layer_norm(cnn.group_norm(x, 2), (1, 2, 3))
    return cnn.Model(image, cnn.dense(cnn.flatten(cnn.layer_norm(x, -1)), 3)).initialize(0)


def test_what_normalises_items_trains_to_the_same_bits_with_any_threads() -> None:
    rng = np.random.default_rng(0)
    data = rng.random((24, 2, 9, 9), np.float32), np.arange(24) % 3
    found = {}
    for name, options in {
        "one": {"threads": 1}, "two": {"threads": 2}, "reference": {"runtime": "reference"},
    }.items():  # fmt: skip
        model = of_items()
        model.fit(data, epochs=2, batch_size=8, seed=0, progress=False, **options)
        found[name] = model.states.snapshot()
    assert any(key.endswith(".slope") for key in found["one"])
    for key, array in found["one"].items():
        assert np.array_equal(array, found["two"][key]), key
        np.testing.assert_allclose(array, found["reference"][key], rtol=1e-3, atol=1e-4)
