"""Other ways back through a network than the derivative, against captum and by their equations."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.captum_numbers import EPSILON, arrays
from support.evaluate import run

import graphcnn as cnn
from graphcnn.compile.runner import Runner
from graphcnn.errors import GradientError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Value
from graphcnn.ops.activation import PRelu, Relu
from graphcnn.ops.conv import Conv2d
from graphcnn.ops.dense import Dense
from graphcnn.ops.norm import BatchNorm
from graphcnn.passes.training import backward_rules
from graphcnn.runtime.execution import Execution

CAPTUM = json.loads((Path(__file__).parent / "captum.json").read_text())
KNOWN = arrays()


def network(pool: str, dtype: str) -> tuple[Value, Value, Value]:
    """Image, baseline and the scores of the network that captum explained."""

    def weights(layer: str) -> list[Value]:
        return [cnn.constant(KNOWN[f"{layer}.{part}"], dtype) for part in ("weight", "bias")]

    image, baseline = cnn.input("image", (1, 6, 6), dtype), cnn.input("baseline", (1, 6, 6), dtype)
    x = Conv2d(padding=(1, 1, 1, 1))(image, *weights("C1"))
    x = {"max": cnn.max_pool2d, "avg": cnn.avg_pool2d}[pool](cnn.relu(x), 2)
    x = cnn.flatten(cnn.relu(Conv2d()(x, *weights("C2"))))
    return image, baseline, Dense()(x, *weights("F3"))


def attribution(pool: str, method: str, dtype: str) -> Graph:
    image, baseline, scores = network(pool, dtype)
    rules = {
        "lrp": backward_rules.lrp(EPSILON),
        "deeplift": backward_rules.deeplift({image: baseline}),
    }.get(method, method)
    (found,) = cnn.gradients(cnn.sum(scores * cnn.constant([0.0, 1.0, 0.0], dtype)), [image], rules)
    factor = {"lrp": image, "deeplift": image - baseline}.get(method)
    result = found if factor is None else found * factor
    return Graph.of([image, baseline], {"map": result})


CASES = [(pool, method) for pool, methods in CAPTUM.items() for method in methods]


@pytest.mark.parametrize(("pool", "method"), CASES)
def test_equal_to_captum(pool: str, method: str) -> None:
    expected = np.reshape(CAPTUM[pool][method], KNOWN["image"].shape)
    maps = {}
    for dtype, runtime, threads, accuracy in (
        ("float64", "reference", None, 1e-12),
        ("float32", "native", 1, 1e-6),
        ("float32", "native", 2, 1e-6),
    ):
        execution = Execution.of(runtime, threads, "strict")
        feeds = {key: KNOWN[key].astype(dtype) for key in ("image", "baseline")}
        found, _ = Runner(attribution(pool, method, dtype), execution).run(feeds, {})
        maps[dtype, threads] = found["map"]
        bound = accuracy * np.abs(expected).max()
        np.testing.assert_allclose(found["map"], expected, rtol=0, atol=bound)
    np.testing.assert_array_equal(maps["float32", 1], maps["float32", 2])


IMAGE = np.random.default_rng(3).normal(size=(3, 2, 6, 6))


def drawn(*shape: int) -> Value:
    return cnn.constant(np.random.default_rng(sum(shape)).normal(size=shape), "float64")


def values(*wanted: Value, image: Value) -> list[np.ndarray]:
    """The values for three images, in float64."""
    return run(wanted, {image: IMAGE}, 3)


def image64() -> Value:
    return cnn.input("image", (2, 6, 6), "float64")


def conv(x: Value, channels: int, padding: int = 1) -> Value:
    return Conv2d(padding=(padding,) * 4)(x, drawn(channels, x.shape[1], 3, 3))


def test_a_set_is_seen_in_the_graph() -> None:
    """Guided backpropagation has a relu more for every rectifier, deconv no mask less for one."""
    image = image64()
    x = cnn.relu(conv(image, 3))
    x = cnn.minimum(cnn.maximum(conv(x, 3), 0.0), 6.0)  # as relu6 is written
    x = cnn.silu(conv(x, 3))
    loss = cnn.sum(x * x)
    found, graphs = {}, {}
    for name in ("plain", "guided", "deconv"):
        fired = Counter[str]()
        (found[name],) = cnn.gradients(loss, [image], name, fired)
        graphs[name] = Graph.of([image], {"map": found[name]})
        expected = {} if name == "plain" else {"relu": 1, "maximum": 1, "silu": 1}
        assert fired == expected
    kinds = {k: Counter(n.op.name for n in g.operations) for k, g in graphs.items()}
    assert kinds["guided"] - kinds["plain"] == {"relu": 3} and not kinds["plain"] - kinds["guided"]
    assert sum("guided" in n.origin.passes for n in graphs["guided"].nodes) >= 3
    plain, guided, deconv = values(*found.values(), image=image)
    assert np.abs(guided - plain).max() > 0.1 and np.abs(deconv - guided).max() > 0.1


def test_the_way_back_through_max_pooling_is_unpooling_by_its_switches() -> None:
    image = image64()
    pooled, switches = cnn.max_pool2d(image, 2, return_indices=True)
    back = drawn(2, 3, 3)
    (found,) = cnn.gradients(cnn.sum(pooled * back), [image])
    signal = pooled * 0.0 + back
    unpooled = cnn.max_unpool2d(signal, switches, 6)
    np.testing.assert_array_equal(*values(found, unpooled, image=image))


def branching(image: Value, bend: Any) -> Value:
    """A score of every item by a network with a residual, a joint, a gate and pools."""
    norm = BatchNorm()
    x = bend(conv(image, 4))
    ones = [cnn.constant(np.full(4, v), "float64") for v in (1.5, 0.0, 0.0, 0.7)]
    x = cnn.relu(norm(x, *ones) + bend(conv(x, 4)))
    x = cnn.concat([cnn.max_pool2d(x, 3, stride=1), cnn.avg_pool2d(x, 3, stride=1)])
    gate = cnn.sigmoid(conv(x, 8))
    x = bend(x * gate)
    x = cnn.global_avg_pool2d(x) - cnn.mean(x, axes=(2, 3), keepdims=True) * 0.25
    return cnn.sum(cnn.matmul(cnn.flatten(x), drawn(8, 1)), axes=1)


def relu6(x: Value) -> Value:
    """As files have it, with bounds that are reached."""
    return cnn.clip(cnn.minimum(cnn.maximum(x, 0.0), 0.9), high=0.8)


def leaky(x: Value) -> Value:
    return PRelu()(x, cnn.constant(np.full(x.shape[1:2], 0.3), "float64"))


BENDS = pytest.mark.parametrize("bend", [cnn.relu, relu6, cnn.silu, cnn.tanh, cnn.mish, leaky])


def test_a_slope_that_is_learned_is_no_way_back() -> None:
    """For the deconvolutional network; guided backpropagation has the derivative of what passes."""
    y = cnn.prelu(cnn.input("image", (2, 6, 6)))
    passed, slope = backward_rules.deconv.table["prelu"](y.node, y)
    assert slope is None and passed.node.op == Relu()
    assert backward_rules.guided.table["prelu"](y.node, y)[1].shape == (2,)


@BENDS
def test_relevance_is_conserved(bend: Any) -> None:
    """Without biases and with a small epsilon the relevances of an image add up to its score."""
    image = image64()
    score = branching(image, bend)
    fired = Counter[str]()
    (found,) = cnn.gradients(cnn.sum(score), [image], backward_rules.lrp(1e-12), fired)
    assert {"conv2d", "batch_norm", "add", "sub", "mul", "matmul"} <= set(fired)
    scores, relevance = values(score, image * found, image=image)
    np.testing.assert_allclose(relevance.sum((1, 2, 3)), scores, rtol=1e-8)


def test_epsilon_absorbs_relevance_and_a_bias_keeps_its_share() -> None:
    x = cnn.input("x", (2,), "float64")
    z = Dense()(x, cnn.constant([[3.0, -1.0]], "float64"), cnn.constant([0.5], "float64"))
    (found,) = cnn.gradients(cnn.sum(z), [x], backward_rules.lrp(1.0))
    (relevance,) = run([x * found], {x: np.array([[1.0, 2.0], [0.0, 2.0]])}, 2)
    # z is 1.5 and -1.5, moved to 2.5 and -2.5.
    expected = np.array([[3.0, -2.0], [0.0, -2.0]]) * np.array([[1.5 / 2.5], [1.5 / 2.5]])
    np.testing.assert_allclose(relevance, expected, rtol=1e-15)


@BENDS
def test_contributions_add_up_to_the_difference_of_scores(bend: Any) -> None:
    image = image64()
    score = branching(image, bend)
    start = np.random.default_rng(9).normal(size=(2, 6, 6)) * 0.3
    rules = backward_rules.deeplift({image: start})
    (found,) = cnn.gradients(cnn.sum(score), [image], rules)
    scores, found_map = values(score, (image - cnn.constant(start, "float64")) * found, image=image)
    (first,) = run([score], {image: start[None]})
    np.testing.assert_allclose(found_map.sum((1, 2, 3)), scores - first, rtol=1e-9)


def test_redirected_where_an_item_is_blocked_as_a_whole() -> None:
    x = cnn.input("x", (2, 2), "float64")
    weights = np.array([[1.0, -2.0], [3.0, 4.0]])
    loss = cnn.sum(cnn.relu(x) * cnn.constant(weights, "float64"))
    (found,) = cnn.gradients(loss, [x], "redirected")
    items = np.array([[[-1.0, -1.0], [-1.0, -1.0]], [[-1.0, -1.0], [-1.0, 0.5]]])
    (slopes,) = run([found], {x: items}, 2)
    np.testing.assert_array_equal(slopes, [weights, [[0, 0], [0, 4]]])


def test_rules_of_ones_own_also_inside_operators_that_are_written_out() -> None:
    image = image64()
    parts = [cnn.constant(np.full(2, v), "float64") for v in (1.5, 0.1, 0.2, 0.7)]
    loss = cnn.sum(cnn.relu(BatchNorm()(image, *parts)))
    fired = Counter[str]()
    twice = {"mul": lambda node, dy: [d * 2.0 for d in node.op.gradient(node, dy)]}
    plain, doubled, left = (
        cnn.gradients(loss, [image], rules, fired)[0]
        for rules in ("plain", twice, {"mul": twice["mul"], "relu": lambda node, dy: [dy]})
    )
    assert fired == {"mul": 2, "relu": 1}
    plain, doubled, left = values(plain, doubled, left, image=image)
    np.testing.assert_array_equal(doubled, 2 * plain)
    np.testing.assert_array_equal(left, np.full_like(left, doubled.max()))


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("guide", "no backward rules are called 'guide': did you mean 'guided'"),
        ("deeplift", "compares with a baseline: rules=backward_rules.deeplift"),
        ("guided", "the rules 'guided' change nothing: .*there are conv2d, tanh, sum"),
        ({"rellu": None}, "a rule is for 'rellu', which is no operator: did you mean 'relu'"),
        ({"tanh": backward_rules.own_derivative, "relu": None}, "rules for relu change nothing"),
        ({"tanh": lambda node, dy: dy}, r"one value or None for each of the inputs \(f64"),
        ({"tanh": lambda node, dy: [cnn.sum(dy)]}, r"values of the types \(f64.*found <sum"),
    ],
)
def test_rules_that_cannot_be_meant(rules: Any, message: str) -> None:
    image = image64()
    loss = cnn.sum(cnn.tanh(conv(image, 1)))
    with pytest.raises(GradientError, match=message):
        cnn.gradients(loss, [image], rules)
    with pytest.raises(GradientError, match="epsilon must be at least 0"):
        backward_rules.lrp(-1.0)
    with pytest.raises(GradientError, match=r"the baseline of .* has another type: f64"):
        backward_rules.deeplift({image: loss})


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (None, "rules are a name or a table from names of operators to functions, found None"),
        ({"relu": 3}, "the rule for relu must be a function, found 3"),
        ({cnn.relu: lambda node, dy: [dy]}, "which is no operator"),
        ({"relu": lambda node, dy: [None]}, '"x" has no gradient: a rule lets nothing through'),
    ],
)
def test_tables_that_are_none_are_refused(rules, message) -> None:  # type: ignore[no-untyped-def]
    x = cnn.input("x", (4,))
    with pytest.raises(cnn.GradientError, match=message):
        cnn.gradients(cnn.sum(cnn.relu(x)), [x], rules=rules)
