"""The engine of a page, in Node, beside the reference, the lens and `fit`'s own training step."""

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.built import network
from support.pages import about_of

import graphcnn as cnn
from graphcnn.compile.native import Prepared
from graphcnn.errors import GraphCnnError
from graphcnn.ir.graph import state_of
from graphcnn.ir.node import Array
from graphcnn.page.learning import small_network
from graphcnn.page.page import page
from graphcnn.page.programs import forward_graph
from graphcnn.page.shown import page_graph, shown_maps
from graphcnn.runtime.execution import Execution
from graphcnn.runtime.native.code.target import can_run, named
from graphcnn.runtime.reference import Reference

HERE = Path(__file__).parent
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="needs node")
#: Of float32, as a share of the largest number.
CLOSE = 2e-5


def text(array: Any) -> str:
    return base64.b64encode(np.ascontiguousarray(array, np.float32).tobytes()).decode()


def floats(found: str) -> Array:
    return np.frombuffer(base64.b64decode(found), np.float32)


def asked(file: Path, **question: Any) -> dict[str, Any]:
    """What the engine answers, in a process of its own."""
    done = subprocess.run(
        [str(NODE), str(HERE / "engine_run.mjs"), str(file)],
        input=json.dumps(question), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def near(found: Array, expected: Array) -> bool:
    expected = np.asarray(expected).ravel()
    return bool(np.abs(found - expected).max() <= CLOSE * max(1, np.abs(expected).max()))


def several_operators(factors: Array | None = None) -> cnn.Model:
    """Factors of the first map, norm, a branch that is added and put beside, groups, averages,
    probabilities at the end."""
    image = cnn.input("image", (3, 12, 10))
    x = cnn.conv2d(image, 8, 3, padding=1, activation=None, name="conv")
    x = cnn.leaky_relu(cnn.batch_norm(x, name="norm"), name="leaky")
    x = x if factors is None else x * factors.reshape(-1, 1, 1)
    y = cnn.conv2d(x, 8, 3, padding=1, groups=8, activation="relu", name="apart")
    x = cnn.relu(x + y, name="sum")
    x = cnn.avg_pool2d(cnn.concat([x, y], name="both"), 2, name="averages")
    x = cnn.dense(cnn.flatten(x), 5, name="scores")
    return cnn.Model(image, cnn.softmax(x), name="several").initialize(3)


@needs_node
@pytest.mark.parametrize("name", ["lenet5", "digits_cnn", "autoencoder", "several"])
def test_networks_agree_with_the_reference_and_the_lens(tmp_path, name: str) -> None:
    model = several_operators() if name == "several" else network(name)
    file = tmp_path / "page.html"
    page(model, file)
    told = about_of(file)
    channels, height, width = told["input"]["shape"]
    image = np.random.default_rng(0).normal(size=(channels, height, width)).astype(np.float32)
    layer = next(x for x in told["layers"] if x["kind"] == "conv2d")["name"]
    count = next(x for x in told["layers"] if x["name"] == layer)["shape"][0]
    factors = np.ones(count, np.float32)
    factors[0], factors[-1] = 0, 2
    found = asked(file, image=text(image), switches={layer: text(factors)}, unit=3 % count)
    assert found["check"]["good"] and found["check"]["worst"] < CLOSE
    assert set(found["counts"]) == {1}  # engines take 1000 arguments, and networks have more places
    plain = model.activations(image, runtime="reference")
    for each in shown_maps(page_graph(model))[1:]:
        assert near(floats(found["after"][each.name]), plain[each.value.node.name]), each.name
    switched = floats(found["maps"][layer]).reshape(count, -1)
    assert not switched[0].any() and np.array_equal(
        switched[-1], 2 * floats(found["after"][layer]).reshape(count, -1)[-1]
    )
    if len(told["layers"][-1]["shape"]) == 1:
        for rule in told["rules"]:
            expected = model.lens().gradient(image, target=3, rule=rule).array
            assert near(floats(found["gradients"][rule]["image"]), expected)


@needs_node
def test_gradients_are_without_what_is_switched_off(tmp_path) -> None:
    file = tmp_path / "page.html"
    page(several_operators(), file)
    image = np.random.default_rng(0).normal(size=(3, 12, 10)).astype(np.float32)
    factors = np.array([0, 1, 0, 1, 1, 2, 1, 0.5], np.float32)
    found = asked(file, image=text(image), switches={"conv": text(factors)}, unit=2)
    switched, whole = several_operators(factors).lens(), several_operators().lens()
    for rule in ("plain", "guided", "deconv"):
        expected = switched.gradient(image, target=2, rule=rule).array
        assert near(floats(found["without"][rule]["image"]), expected), rule
        assert near(
            floats(found["gradients"][rule]["image"]),
            whole.gradient(image, target=2, rule=rule).array,
        )
        assert not np.allclose(floats(found["gradients"][rule]["image"]), expected.ravel())


@needs_node
@pytest.mark.skipif(not can_run(named("sse2")), reason="needs SSE2")
@pytest.mark.parametrize("name", ["lenet5", "digits_cnn"])
def test_maps_have_the_bits_of_this_process_for_sse2(tmp_path, name: str) -> None:
    model = network(name)
    model.page(tmp_path / "page.html")
    graph = page_graph(model)
    forward = forward_graph(graph, shown_maps(graph))
    rng, feeds = np.random.default_rng(0), {}
    for value in forward.inputs:
        shape = tuple(int(d) for d in value.shape if isinstance(d, int))
        feeds[value.node.op.attributes["key"]] = np.ones(shape, np.float32)
    feeds["image"] = rng.normal(size=feeds["image"].shape).astype(np.float32)
    prepared = Prepared(forward, Execution("native", 1, "strict", False, named("sse2")))
    prepared.bind_states({state_of(v).key: np.asarray(model.states[state_of(v).key])
                          for v in forward.states})  # fmt: skip
    expected, _ = prepared.run(feeds)
    found = asked(tmp_path / "page.html", image=text(feeds["image"]), unit=0)["after"]
    for key, array in expected.items():
        assert floats(found[key]).tobytes() == np.ascontiguousarray(array).tobytes(), key


@needs_node
@pytest.mark.parametrize("end", ["none", "softmax", "sigmoid", "log_softmax"])
@pytest.mark.parametrize(
    "shape", [(5,), (5, 1), (1, 5), (5, 1, 1), (1, 5, 1), (1, 1, 5), (5, 1, 1, 1), (1, 1, 1)]
)
def test_scores_along_any_axis_are_read_as_predict_says(tmp_path, shape, end: str) -> None:
    image = cnn.input("image", (2, 8, 8))
    x = cnn.reshape(cnn.dense(cnn.flatten(image), int(np.prod(shape)), name="last"), shape)
    axis = 1 + int(np.argmax(shape))
    ends = {"softmax": cnn.softmax, "log_softmax": cnn.log_softmax}
    x = ends[end](x, axis=axis) if end in ends else cnn.sigmoid(x) if end == "sigmoid" else x
    model = cnn.Model(image, x, name="ends").initialize(1)
    page(model, tmp_path / "page.html")
    told = about_of(tmp_path / "page.html")
    assert told["classes"] == [str(i) for i in range(max(shape))]
    readable = {"log_softmax": "softmax"}.get(end, end)
    assert told["readable"] == (None if end == "none" else readable)
    pixels = np.random.default_rng(0).normal(size=(1, 2, 8, 8)).astype(np.float32)
    predicted = model.predict(pixels, runtime="reference").ravel()
    expected = np.exp(predicted) if end == "log_softmax" else predicted
    found = asked(tmp_path / "page.html", image=text(pixels), unit=0)["read"]
    assert np.abs(np.array(found) - expected).max() < 1e-5


@needs_node
def test_a_broken_byte_is_seen(tmp_path) -> None:
    file = tmp_path / "page.html"
    page(network("lenet5"), file)
    size = 4 * about_of(file)["parameters"]
    good, broken = asked(file)["check"], asked(file, flip=size - 5)["check"]  # an exponent
    assert good["good"] and not broken["good"] and broken["layer"]


@needs_node
def test_the_training_step_is_that_of_fit(tmp_path) -> None:
    """Twenty steps upon the same batch have the losses and weights of the reference."""
    file = tmp_path / "page.html"
    page(network("digits_cnn"), file)
    rng = np.random.default_rng(1)
    images, steps = rng.random((16, 1, 16, 16), np.float32), 20
    targets = rng.integers(0, 2, 16)
    found = asked(
        file, learn={"images": text(images), "targets": [targets.tolist()] * steps}
    )  # fmt: skip
    model = small_network()
    scores = cnn.Model(model.graph.inputs, {"scores": model.graph.outputs["scores"]}, "small")
    scores.replace_states(dict(model.states))
    graph = scores.training_graph("cross_entropy", cnn.SGD(0.05, momentum=0.9)).bind(N=16)
    states = {
        state_of(s).key: state_of(s).initial(s.type, 0, state_of(s).key) for s in graph.states
    }
    states |= {k: np.asarray(v) for k, v in model.states.items()}
    losses = []
    for _ in range(steps):
        outputs, new = Reference(graph).run({"image": images, "target": targets}, states)
        losses.append(float(outputs["loss"]))
        states |= new
    assert losses[-1] < losses[0] / 2
    assert np.allclose(found["losses"], losses, rtol=1e-4)
    for key, array in found["states"].items():
        assert np.allclose(floats(array), np.asarray(states[key]).ravel(), atol=1e-4), key


def test_what_is_no_network_of_one_image_is_refused(tmp_path) -> None:
    x, y = cnn.input("x", (1, 4, 4)), cnn.input("y", (1, 4, 4))
    for model, reason in (
        (cnn.Model((x, y), x + y), "a page shows a network of one image"),
        (cnn.Model(x, cnn.sin(x)), r'"sin_1" \(test_engine.py:\d+\).*wasm.* sin '),
    ):
        with pytest.raises(GraphCnnError, match=reason):
            model.initialize(0).page(tmp_path / "no.html")
    assert not (tmp_path / "no.html").exists()
