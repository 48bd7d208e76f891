"""Networks that end in softmax or sigmoid: the loss is that of what stands before."""

import json
import re
import warnings

import numpy as np
import pytest
from onnx import numpy_helper
from support.command_line import XO, run
from support.malformed_models import integers, model, node

import graphcnn as cnn
from graphcnn.errors import GraphError, TrainingWarning
from graphcnn.ir.node import Value
from graphcnn.learning.losses import LOSSES
from graphcnn.learning.probabilities import is_probability, scored
from graphcnn.model import import_onnx

OVER_CLASSES, OF_EACH = (LOSSES[n].readable for n in ("cross_entropy", "binary_cross_entropy"))

W = np.array([[0.5, -1.25, 2.0], [1.5, 0.25, -0.75]], np.float32)
X = np.array([[1, 2], [-3, 0.5], [40, -60]], np.float32)
LABELS = np.array([2, 1, 1])
TARGETS = np.array([[1, 0, 1], [0, 1, 0], [1, 0, 0]], np.float32)

#: The loss, and its gradient by W, of PyTorch in float64: of `cross_entropy(x @ W, labels)`, where
#: a probability is e^-190, and of `binary_cross_entropy_with_logits(x @ W, targets)`.
CROSS_ENTROPY = (
    64.35729151026779,
    [
        [0.3035599667933298, -13.319121654264947, 13.015561687471617],
        [0.6281542294634418, 20.007313200743887, -20.635467430207328],
    ],
)
BINARY = (
    21.811090387318362,
    [
        [-4.5546417925805756, 0.04242426231695372, 4.401928573774172],
        [6.677976243212176, 0.07016404721976496, -6.750470108487841],
    ],
)

#: Ways to end in probabilities of z (N, 3), from z to y.
SOFTMAX = {
    "softmax": [node("Softmax", "z", axis=-1)],
    "identity": [node("Softmax", "z", outputs=("p",), axis=1), node("Identity", "p")],
    "pixels": [node("Softmax", "z", outputs=("p",), axis=1), node("Reshape", "p", "s")],
    "before": [node("Reshape", "z", "s", outputs=("q",)), node("Softmax", "q", axis=1)],
    "last": [node("Reshape", "z", "h", outputs=("q",)),
             node("Softmax", "q", outputs=("p",), axis=3),
             node("Transpose", "p", perm=[0, 3, 1, 2])],
    "cast": [node("Softmax", "z", outputs=("p",), axis=1), node("Cast", "p", outputs=("d",), to=11),
             node("Cast", "d", to=1)],
    "opset 11": [node("Reshape", "z", "s", outputs=("q",)), node("Softmax", "q", axis=1)],
    "written out": [node("ReduceMax", "z", outputs=("m",), axes=[1]),
                    node("Sub", "z", "m", outputs=("d",)), node("Exp", "d", outputs=("e",)),
                    node("ReduceSum", "e", "one", outputs=("t",)), node("Div", "e", "t")],
    "log": [node("LogSoftmax", "z", axis=1)],
}  # fmt: skip


def network(tail, opset=17):
    stored = [
        numpy_helper.from_array(W, "w"),
        integers("s", 0, 3, 1, 1),
        integers("h", 0, 1, 1, 3),
        integers("one", 1),
    ]
    nodes = [node("MatMul", "x", "w", outputs=("z",)), *tail]
    return import_onnx(model(nodes, (None, 2), stored, opset=opset).SerializeToString())


def prediction(m) -> Value:
    return next(iter(m.graph.outputs.values()))


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


@pytest.fixture
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def labels_for(m):
    shape = prediction(m).shape
    return LABELS.reshape(3, *shape[2:])  # one pixel each


@pytest.mark.filterwarnings("ignore::graphcnn.errors.TrainingWarning")
@pytest.mark.parametrize("runtime", ["native", "reference"])
@pytest.mark.parametrize("name", SOFTMAX)
def test_cross_entropy_of_probabilities(name, runtime):
    m = network(SOFTMAX[name], 11 if name == "opset 11" else 17)
    data, (loss, gradient) = (X, labels_for(m)), CROSS_ENTROPY
    assert m.evaluate(data, runtime=runtime)["loss"] == pytest.approx(loss, rel=1e-6)
    assert m.evaluate(data, runtime=runtime)["accuracy"] == pytest.approx(1 / 3)
    m.fit(data, batch_size=3, optimizer=cnn.SGD(0.125), runtime=runtime, progress=False)
    expected = W - 0.125 * np.array(gradient)
    np.testing.assert_allclose(m.parameters["w"], expected, rtol=2e-6)
    y = m.predict(X, runtime=runtime).reshape(3, 3)
    np.testing.assert_allclose(y, softmax(X @ m.parameters["w"]), rtol=1e-4, atol=1e-7)


@pytest.mark.filterwarnings("ignore::graphcnn.errors.TrainingWarning")
@pytest.mark.parametrize("runtime", ["native", "reference"])
@pytest.mark.parametrize("reshaped", [False, True])
def test_binary_cross_entropy_of_probabilities(reshaped, runtime):
    tail = [node("Sigmoid", "z")]
    if reshaped:
        tail = [node("Sigmoid", "z", outputs=("p",)), node("Reshape", "p", "h")]
    m = network(tail)
    targets = TARGETS.reshape(3, *prediction(m).shape[1:])
    options = {"loss": "binary_cross_entropy", "runtime": runtime}
    row = m.evaluate((X, targets), **options)
    assert row["loss"] == pytest.approx(BINARY[0], rel=1e-6)
    z = X @ W
    assert row["accuracy"] == pytest.approx(np.mean((z > 0) == (TARGETS > 0.5)))
    m.fit((X, targets), batch_size=3, optimizer=cnn.SGD(0.125), progress=False, **options)
    np.testing.assert_allclose(m.parameters["w"], W - 0.125 * np.array(BINARY[1]), rtol=2e-6)
    y = m.predict(X, runtime=runtime).reshape(3, 3)
    z = (X @ m.parameters["w"]).astype(np.float64)
    np.testing.assert_allclose(y, 1 / (1 + np.exp(-z)), rtol=1e-5, atol=1e-7)


def own(activation):
    x = cnn.input("x", (2,))
    y = cnn.dense(x, 3, name="scores")
    return cnn.Model(x, activation(y) if activation else y, name="net").initialize(1)


def test_models_of_ones_own_learn_the_same(tmp_path):
    """Bit for bit as without the softmax; what they predict stays, saved or not."""
    plain, ended = own(None), own(cnn.softmax)
    with pytest.warns(TrainingWarning, match=r'net ends in softmax ".*" \(test_prob.*\): cross_'):
        ended.fit((X, LABELS), epochs=3, batch_size=2, optimizer="adam", progress=False)
    plain.fit((X, LABELS), epochs=3, batch_size=2, optimizer="adam", progress=False)
    for key, array in plain.parameters.items():
        np.testing.assert_array_equal(ended.parameters[key], array)
    y = ended.predict(X)
    np.testing.assert_allclose(y, plain.predict(X), rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(ended.predict(X, raw=True), y)
    np.testing.assert_array_equal(cnn.load(ended.save(tmp_path / "m.safetensors")).predict(X), y)
    ended.export_onnx(tmp_path / "m.onnx", verify=False)
    back = import_onnx(tmp_path / "m.onnx")
    assert back.loss == "cross_entropy"
    np.testing.assert_array_equal(back.predict(X), y)


def test_functions_take_what_the_model_predicts(quiet):
    m = own(cnn.softmax)
    seen = []

    def largest(p, t):
        seen.append(p)
        return cnn.mean(cnn.max(p, 1))

    with pytest.warns(TrainingWarning):
        row = m.evaluate((X, LABELS), metrics={"largest": largest})
    assert seen == [prediction(m)]
    assert row["largest"] == pytest.approx(m.predict(X).max(1).mean(), rel=1e-5)
    m.evaluate((X, TARGETS), loss="mse")  # which is that of probabilities, without a word
    with pytest.raises(GraphError, match="leave that out"):
        m.evaluate((X, LABELS), loss=lambda p, t: cnn.cross_entropy(p, t, label_smoothing=0.1))


def test_metrics_are_means_over_items_as_without_softmax():
    """Of a network whose scores depend on the whole batch, too."""
    x = cnn.input("x", (2,))
    z = cnn.dense(x, 3)
    m = cnn.Model(x, cnn.softmax(z - cnn.mean(z)), name="net").initialize(0)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        m.fit((X, LABELS), batch_size=3, progress=False)
    assert ["ends in softmax" in str(w.message) for w in told] == [True]


def ended(tail, shape=(4, 3, 2)):
    x = cnn.input("x", shape)
    return cnn.Model(x, tail(x), name="net")


PROVEN = {
    "pixels": lambda x: cnn.softmax(x, 1),
    "transposed": lambda x: cnn.transpose(cnn.softmax(x, 3), (0, 3, 1, 2)),
    "flat pixels": lambda x: cnn.reshape(cnn.softmax(x, 1), (4, 6)),
    "both": lambda x: cnn.reshape(cnn.transpose(cnn.softmax(x, 2), (0, 2, 1, 3)), (3, 4, 2)),
}
UNPROVEN = {
    "rows": lambda x: cnn.softmax(x, 2),
    "merged": lambda x: cnn.reshape(cnn.softmax(x, 1), (12, 2)),
    "split": lambda x: cnn.reshape(cnn.softmax(x, 1), (2, 2, 3, 2)),
    "as long": lambda x: cnn.reshape(cnn.softmax(x, 2), (3, 8)),
}


@pytest.mark.parametrize("name", PROVEN)
def test_what_is_proven_is_the_softmax_of_its_scores(name):
    m = ended(PROVEN[name])
    y = prediction(m)
    z = scored(y, OVER_CLASSES)
    assert is_probability(y, OVER_CLASSES) and z.type == y.type
    assert not is_probability(y, OF_EACH) and scored(y, LOSSES["mse"].readable) is y
    x = np.random.default_rng(0).normal(size=(2, 4, 3, 2)).astype(np.float32)
    scores = cnn.Model(m.graph.inputs, z).predict(x)
    np.testing.assert_allclose(m.predict(x), softmax(scores), rtol=1e-5)


@pytest.mark.parametrize("name", UNPROVEN)
def test_a_softmax_over_other_axes_is_refused(name):
    m = ended(UNPROVEN[name])
    assert not is_probability(prediction(m), OVER_CLASSES)
    with pytest.raises(GraphError, match=r"softmax .*: leave that out \(outputs=\[\.\.\.\]"):
        m.training_graph("cross_entropy")


def test_an_axis_is_named_that_is_not_that_of_the_classes():
    with pytest.raises(GraphError, match="along axis 2, where classes are along axis 1: leave"):
        ended(UNPROVEN["rows"]).training_graph("cross_entropy")


def test_a_quotient_is_softmax_only_with_the_sum_of_the_same_numbers():
    def over(axes, keepdims=True, shift=0.0):
        def tail(x):
            e = cnn.exp(x)
            return e / cnn.sum(e + shift if shift else e, axes, keepdims=keepdims)

        return prediction(ended(tail, (4, 4, 4)))

    assert is_probability(over(1), OVER_CLASSES)
    for y in (over(2), over((1, 2)), over(1, shift=1.0)):
        assert not is_probability(y, OVER_CLASSES)


@pytest.mark.parametrize(
    ("tail", "loss", "words"),
    [
        (lambda z: cnn.softmax(z) / 0.5, "cross_entropy", "softmax .*applies softmax to it"),
        (lambda z: cnn.maximum(cnn.softmax(z), 1e-7), "cross_entropy", "outputs="),
        (lambda z: cnn.log(cnn.softmax(z)), "cross_entropy", ""),
        (lambda z: z * cnn.sigmoid(z), "cross_entropy", ""),
        (lambda z: z, "cross_entropy", ""),
        (cnn.log_softmax, "cross_entropy", ""),
    ],
)
def test_what_is_computed_from_probabilities_is_told(tail, loss, words):
    m = own(tail)
    targets = LABELS.reshape(3, *prediction(m).shape[2:])
    targets = targets if loss == "cross_entropy" else TARGETS
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        m.evaluate((X, targets), loss=loss)
    assert [w.category for w in told] == ([TrainingWarning] if words else [])
    assert all(re.search(words, str(w.message)) for w in told)


@pytest.mark.parametrize(
    ("tail", "loss", "words"),
    [
        (
            lambda z: cnn.transpose(cnn.softmax(cnn.reshape(z, (1, 3)), 1), (0, 2, 1)),
            "cross_entropy",
            "the output of softmax",
        ),
        (cnn.sigmoid, "cross_entropy", 'the output of sigmoid ".*" .*: leave that out'),
        (cnn.softmax, "binary_cross_entropy", 'the output of softmax ".*" .*: leave that out'),
        (lambda z: cnn.softmax(cnn.softmax(z)), "cross_entropy", "the output of softmax"),
        (
            cnn.softmax,
            lambda z, t: -cnn.mean(cnn.sum(t * cnn.log_softmax(z), 1)),
            "log_softmax .*of what softmax .*gives: .*twice",
        ),
        (cnn.sigmoid, lambda z, t: cnn.mse(cnn.sigmoid(z), t), "sigmoid .*gives: .*twice"),
    ],
)
def test_what_would_be_squashed_twice_is_refused(tail, loss, words):
    m = own(tail)
    targets = LABELS.reshape(3, *prediction(m).shape[2:]) if loss == "cross_entropy" else TARGETS
    with pytest.raises(GraphError, match=words):
        m.fit((X, targets), loss=loss, progress=False)
    with pytest.raises(GraphError, match=words):
        m.evaluate((X, targets), loss=loss)


def test_the_commands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image = cnn.input("image", (1, 12, 12))
    y = cnn.softmax(cnn.dense(cnn.flatten(image), 2))
    cnn.Model(image, y, name="ended").initialize(0).export_onnx("ended.onnx", verify=False)
    found = run("train", "ended.onnx", "--data", XO, "--epochs", 2, "-o", "t.safetensors")
    assert found.exit_code == 0
    notes = [line for line in found.stderr.splitlines() if "ends in softmax" in line]
    assert notes and notes[0].startswith("note: ended ends in softmax")
    np.save("x.npy", np.zeros((1, 1, 12, 12), np.float32))
    rows = json.loads(run("predict", "t.safetensors", "x.npy", "--json").stdout)[0]["classes"]
    assert sum(row["value"] for row in rows) == pytest.approx(1, abs=1e-5)
    assert "%" in run("predict", "ended.onnx", "x.npy").stdout
