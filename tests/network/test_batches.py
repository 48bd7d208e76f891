"""Batches of any size: what was called before, and how they are cut, changes nothing."""

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.analysis.batch_axis import batch_axes
from graphcnn.compile.runner import Runner
from graphcnn.errors import GraphError
from graphcnn.ir.node import Array
from graphcnn.runtime.execution import Execution
from graphcnn.text.parse import parse_graph

RUNTIMES = pytest.mark.parametrize("runtime", ["native", "reference"])
X = np.array([[0, 0, 0], [3, 3, 3], [6, 6, 9], [1, 7, 2], [5, 0, 4]], np.float32)


def model(text: str, name: str = "g") -> cnn.Model:
    """A model from the lines of a graph: its inputs, then what it computes."""
    head, *lines = text.splitlines()
    graph = parse_graph("\n".join([f'graph "{name}" ({head}) {{', *lines, "}"]))
    return cnn.Model(graph.inputs, graph.outputs, name)


def softmax(x: Array) -> Array:
    e: Array = np.exp(x - x.max(0))
    return e / e.sum(0)


#: Graphs in which items meet: their lines, what they compute, and the node that mixes.
MIXING = {
    "mean": (
        "x: f32[N,3]\n m = mean(x; axes=(0,), keepdims=True)\n y = sub(x, m)\n return y = y",
        lambda x: x - x.mean(0),
        'mean "m" takes the mean over the batch',
    ),
    "softmax": (
        "x: f32[N,3]\n y = softmax(x; axis=0)\n return y = y",
        softmax,
        r'softmax "y" works across axis 0, the items of the batch',
    ),
    "argmax": (
        "x: f32[N,3]\n y = argmax(x; axis=0)\n return y = y",
        lambda x: x.argmax(0),
        'argmax "y" finds the largest among the items',
    ),
    "products": (
        "x: f32[N,3]\n y = matmul(x, x; transpose_b=True)\n return y = y",
        lambda x: x @ x.T,
        'matmul "y" multiplies items with one another',
    ),
    "scalar": (
        "x: f32[N,3]\n y = mean(x; axes=(0, 1))\n return y = y",
        lambda x: x.mean(),
        'mean "y" takes the mean over the batch',
    ),
    "one of two": (
        "x: f32[N,3]\n s = max(x; axes=(0,))\n y = neg(x)\n return s = s\n return y = y",
        lambda x: {"s": x.max(0), "y": -x},
        'max "s" reduces over the items',
    ),
}


def same(found: object, wanted: object) -> None:
    if isinstance(wanted, dict):
        assert isinstance(found, dict) and found.keys() == wanted.keys()
        for key, array in wanted.items():
            same(found[key], array)
        return
    assert isinstance(found, np.ndarray) and found.shape == np.shape(wanted)
    np.testing.assert_allclose(found, wanted, 1e-5, 1e-6)


@RUNTIMES
@pytest.mark.parametrize("kind", MIXING)
def test_items_that_meet_run_together(kind: str, runtime: str) -> None:
    text, formula, words = MIXING[kind]
    fresh = model(text)
    for size in (4, 8, 5):  # so that a larger batch is compiled
        fresh.predict(np.zeros((size, 3), np.float32), runtime=runtime)
    for n in (3, 1, 5):
        same(fresh.predict(X[:n], runtime=runtime), formula(X[:n]))
    many = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)
    same(fresh.predict(many, runtime=runtime), formula(many))
    same(fresh.predict(X, batch_size=5, runtime=runtime), formula(X))
    with pytest.raises(cnn.DataError, match=f"g cannot predict 5 items 2 at a time, .*: {words}"):
        fresh.predict(X, batch_size=2, runtime=runtime)


@RUNTIMES
def test_items_apart_are_filled_up_and_cut(runtime: str) -> None:
    apart = model("x: f32[N,3]\n y = softmax(x; axis=1)\n return y = y")
    whole = apart.predict(X, runtime=runtime)
    assert np.array_equal(apart.predict(X[:3], runtime=runtime), whole[:3])
    assert np.array_equal(apart.predict(X, batch_size=2, runtime=runtime), whole)


def test_a_batch_is_filled_up_only_where_that_is_proven() -> None:
    for text, filled in (
        ("x: f32[N,3]\n y = neg(x)\n return y = y", True),
        ("x: f32[N,3]\n y = softmax(x; axis=0)\n return y = y", False),
    ):
        runner = Runner(model(text).graph, Execution("native"))
        runner.run({"x": X}, {})
        runner.run({"x": X[:3]}, {})
        assert sorted(runner._prepared) == ([5] if filled else [3, 5])


@RUNTIMES
def test_items_behind_the_first_axis(runtime: str) -> None:
    """Outputs are joined along the axis where their type has N."""
    weight = np.arange(6, dtype=np.float32).reshape(3, 2)
    x = parse_graph('graph "t" (x: f32[4,N,3]) {\n y = neg(x)\n return y = y\n}').inputs[0]
    y = cnn.matmul(x, cnn.constant(weight))
    time_major = cnn.Model(x, {"y": y, "items first": cnn.transpose(y, (1, 0, 2))})
    given = np.random.default_rng(1).normal(size=(4, 7, 3)).astype(np.float32)
    wanted = {"y": given @ weight, "items first": (given @ weight).transpose(1, 0, 2)}
    for batch_size in (None, 1, 2, 3, 7):
        same(time_major.predict(given, batch_size=batch_size, runtime=runtime), wanted)
    with pytest.raises(cnn.DataError, match=r"takes f32 \(4, n, 3\), found \(7, 4, 3\)"):
        time_major.predict(given.transpose(1, 0, 2))


@RUNTIMES
def test_outputs_without_items_come_once(runtime: str) -> None:
    anchors = np.arange(24, dtype=np.float32).reshape(6, 4)
    x = cnn.input("x", (3,))
    both = cnn.Model(x, {"scores": x * 2.0, "anchors": cnn.constant(anchors) * 1.0})
    for batch_size in (None, 1, 2):
        found = both.predict(X, batch_size=batch_size, runtime=runtime)
        same(found, {"scores": 2 * X, "anchors": anchors})


@RUNTIMES
def test_inputs_without_items_are_given_whole(runtime: str) -> None:
    scaled = model(
        "x: f32[N,3], scale: f32[], shift: f32[3]\n a = mul(x, scale)\n y = add(a, shift)\n"
        " return y = y"
    )
    for batch_size in (None, 2):
        given = {"x": X, "scale": 3.0, "shift": [1.0, 2.0, 3.0]}
        found = scaled.predict(given, batch_size=batch_size, runtime=runtime)
        same(found, X * 3 + np.array([1, 2, 3]))
    with pytest.raises(cnn.DataError, match=r"takes f32 \(3,\), found \(5, 3\)"):
        scaled.predict({"x": X, "scale": 3.0, "shift": X})
    first = model("scale: f32[], x: f32[N,3]\n y = mul(x, scale)\n return y = y")
    same(first.predict({"scale": 2.0, "x": X}, batch_size=2, runtime=runtime), 2 * X)


@RUNTIMES
def test_nothing_has_a_batch_axis(runtime: str) -> None:
    scalar = model("x: f32[]\n y = neg(x)\n return y = y")
    same(scalar.predict(2.0, runtime=runtime), np.float32(-2))
    same(scalar.predict(np.float32(2), runtime=runtime), np.float32(-2))
    vector = model("x: f32[3]\n y = neg(x)\n return y = y")
    same(vector.predict(X[1], runtime=runtime), -X[1])
    same(vector.predict(X[1], batch_size=1, runtime=runtime), -X[1])
    with pytest.raises(cnn.DataError, match=r"takes f32 \(3,\), found \(\)"):
        vector.predict(1.0)
    same(scalar.activations(2.0), {"x": np.float32(2), "y": np.float32(-2)})


@RUNTIMES
def test_no_input(runtime: str) -> None:
    c = cnn.constant(np.array([1.0, 2.0], np.float32))
    graph = cnn.Model([], {"y": c * 2.0}, name="fixed")
    for nothing in (None, {}):
        same(graph.predict(nothing, runtime=runtime), np.array([2, 4]))
    same(graph.predict(), np.array([2, 4]))
    with pytest.raises(cnn.DataError, match="fixed takes nothing, it has no inputs, found one arr"):
        graph.predict(X)
    with pytest.raises(cnn.DataError, match="fixed has no input"):
        graph.evaluate((X, X))
    rows = model(
        "\n c = constant({1.0}) : f32[]\n y = broadcast_to(c; shape=(N, 3))\n return y = y"
    )
    with pytest.raises(GraphError, match="no input that says how many items"):
        rows.predict(runtime=runtime)


@RUNTIMES
def test_an_output_that_is_an_input_is_an_array_of_its_own(runtime: str) -> None:
    x = cnn.input("x", (3,))
    given = X.copy()
    for batch_size in (None, 2):
        found = cnn.Model(x, x).predict(given, batch_size=batch_size, runtime=runtime)
        found += 1
        assert np.array_equal(given, X) and np.array_equal(found, X + 1)


def test_the_line_of_the_node_is_named() -> None:
    x = cnn.input("x", (3,))
    centred = x - cnn.mean(x, 0, keepdims=True)  # the line
    with pytest.raises(cnn.DataError, match=r"mean \S+ \(test_batches.py:\d+\) takes the mean"):
        cnn.Model(x, cnn.relu(centred)).predict(X, batch_size=1)


def test_what_is_known_of_each_value() -> None:
    x = cnn.input("x", (3,))
    total = cnn.sum(x, 0)
    m = cnn.Model(x, {"y": cnn.relu(x), "total": total, "ratio": total / (total + 1.0)})
    axes = batch_axes(m.graph)
    found = {name: str(kind.kind) for name, kind in axes.outputs.items()}
    assert found == {"y": "items", "total": "sum", "ratio": "mixed"}
    assert axes.mixing is m.graph.outputs["total"]
    assert axes.causes[m.graph.outputs["ratio"]] is m.graph.outputs["total"].node


def test_training_on_items_behind_the_first_axis() -> None:
    """A data set holds the items first; a graph may have them anywhere."""
    x = parse_graph('graph "t" (x: f32[4,N,3]) {\n y = neg(x)\n return y = y\n}').inputs[0]
    w = cnn.parameter((3, 2), name="w")
    m = cnn.Model(x, cnn.mean(cnn.matmul(x, w), 0)).initialize(0)
    rng = np.random.default_rng(0)
    items, labels = rng.normal(size=(21, 4, 3)).astype(np.float32), rng.integers(0, 2, 21)
    rows = m.fit((items, labels), epochs=2, batch_size=8, progress=False).rows
    assert rows[1]["loss"] < rows[0]["loss"]
    z = items.mean(1).astype(np.float64) @ m.states["w"]
    same(m.predict(items.transpose(1, 0, 2), raw=True, batch_size=4), z)
    wanted = (z.argmax(1) == labels).mean()
    assert m.evaluate((items, labels), batch_size=5)["accuracy"] == pytest.approx(wanted)


@RUNTIMES
def test_gradients_of_sums_belong_to_items(runtime: str) -> None:
    """The gradient of a sum of scores is item by item; of their mean it depends on their number."""
    x = cnn.input("x", (3,))
    score = cnn.sum(x**2.0, 1)
    apart = cnn.Model(x, cnn.gradients(cnn.sum(score), [x])[0])
    for batch_size in (None, 2):
        same(apart.predict(X, batch_size=batch_size, runtime=runtime), 2 * X)
    together = cnn.Model(x, cnn.gradients(cnn.mean(score), [x])[0])
    for n in (5, 3, 4):
        same(together.predict(X[:n], runtime=runtime), 2 * X[:n] / n)
    with pytest.raises(cnn.DataError, match="counts the items of the batch"):
        together.predict(X, batch_size=2, runtime=runtime)
