"""Losses with a name: one object holds all that is known of each."""

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from support.command_line import run

import graphcnn as cnn
from graphcnn.errors import GraphError, TrainingWarning
from graphcnn.learning.losses import LOSSES, Loss
from graphcnn.learning.losses.base import class_numbers
from graphcnn.learning.losses.known import known_loss
from graphcnn.learning.metrics import Accuracy
from graphcnn.ops.activation import Sigmoid

RNG = np.random.default_rng(0)
IMAGES = RNG.random((32, 1, 4, 4)).astype(np.float32)
SIDES = (IMAGES[:, :1, 0, 0] > 0.5).astype(np.float32)


def careful(logits: cnn.Value, targets: cnn.Value) -> cnn.Value:
    """Of one sigmoid: items that are well classified count less."""
    p = cnn.sigmoid(logits)
    right = targets * p + (1.0 - targets) * (1.0 - p)
    return -cnn.mean((1.0 - right) ** 2.0 * cnn.log(right))


@dataclass(frozen=True)
class Careful(Loss):
    name: ClassVar = "careful"
    function: ClassVar = staticmethod(careful)
    readable: ClassVar = Sigmoid()
    metrics: ClassVar = {"accuracy": Accuracy()}

    def target(self, prediction: cnn.TensorType, targets: Any = None) -> cnn.TensorType:
        return prediction


def scorer(tail: bool = False) -> cnn.Model:
    image = cnn.input("image", (1, 4, 4))
    logit = cnn.dense(cnn.flatten(image), 1, name="logit")
    return cnn.Model(image, cnn.sigmoid(logit) if tail else logit, name="scorer")


def test_another_loss_is_one_object(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    added = Careful()
    monkeypatch.setitem(LOSSES, "careful", added)
    model, other = scorer(), scorer()
    history = model.fit((IMAGES, SIDES), loss="careful", epochs=2, progress=False)
    assert history.columns == ["loss", "accuracy"] and model.loss == "careful"
    other.fit((IMAGES, SIDES), loss=careful, epochs=2, progress=False)  # whose name it finds
    assert other.loss == "careful" and known_loss(careful) is added
    assert all(np.array_equal(model.states[k], other.states[k]) for k in model.states)
    assert model.evaluate((IMAGES, SIDES)) == other.evaluate((IMAGES, SIDES), loss=careful)
    # It is read as the probability of the second of two classes, also where it is loaded.
    model.classes = ("low", "high")
    loaded = cnn.load(model.save(tmp_path / "model.safetensors"))
    assert (loaded.loss, loaded.classes) == ("careful", ("low", "high"))
    logits = model.predict(IMAGES, raw=True)
    np.testing.assert_array_equal(loaded.predict(IMAGES), Sigmoid().evaluate(logits))
    # A model that ends in the sigmoid itself is trained on what stands before it.
    ended = scorer(tail=True)
    with pytest.warns(TrainingWarning, match="sigmoid .*: careful is computed of what"):
        ended.fit((IMAGES, SIDES), loss="careful", epochs=2, progress=False)
    assert [*map(bytes, ended.states.values())] == [*map(bytes, model.states.values())]
    np.save(tmp_path / "x.npy", IMAGES)
    text = run("predict", tmp_path / "model.safetensors", tmp_path / "x.npy").output
    assert "%" in text
    monkeypatch.delitem(LOSSES, "careful")
    with pytest.raises(cnn.WeightsError, match="'loss' of the metadata must be one of cross_entr"):
        cnn.load(tmp_path / "model.safetensors")


def test_what_is_no_loss_is_found_before_anything_is_trained() -> None:
    model = scorer()
    with pytest.raises(GraphError, match="unknown loss 'msr'; did you mean 'mse'"):
        cnn.Session(model, "msr")
    with pytest.raises(GraphError, match="categorical_crossentropy'; here it is 'cross_entropy'"):
        cnn.Session(model, "categorical_crossentropy")
    with pytest.raises(GraphError, match=r"not its class: write CrossEntropy\(\)"):
        cnn.Session(model, cnn.losses.CrossEntropy)  # type: ignore[arg-type]
    with pytest.raises(GraphError, match=r"loss must be a name \(cross_entropy, .*found 3"):
        cnn.Session(model, 3)  # type: ignore[arg-type]
    assert not model.is_initialized


def test_scores_are_counted_where_they_are_probabilities() -> None:
    def counted(name: str, channels: int) -> int | None:
        x = cnn.input("x", (channels, 2, 2))
        return LOSSES[name].scores(x.type)

    assert (counted("cross_entropy", 3), counted("cross_entropy", 1)) == (3, None)
    assert (counted("binary_cross_entropy", 3), counted("binary_cross_entropy", 1)) == (3, 2)
    assert counted("mse", 3) is None
    assert class_numbers(cnn.input("x", (3, 2, 2)).type).shape == (cnn.N, 2, 2)


def test_no_other_file_knows_losses_by_name() -> None:
    """But for the name of the default one. Operators have names of their own, and so have
    metrics; what a module offers (`__all__`) are names of its own things."""
    names, root = LOSSES.keys() - {"cross_entropy"}, Path(cnn.__file__).parent
    rooms = ("learning", "network", "training", "exchange", "compile", "data", "analysis")
    files = [root / "model.py", *(f for room in rooms for f in (root / room).rglob("*.py"))]
    knowing = {
        file.parent.name
        for file in files
        if file.parent.name != "metrics" and file.name != "monitor.py"
        for statement in ast.parse(file.read_text()).body
        if not ast.unparse(statement).startswith("__all__")
        for node in ast.walk(statement)
        if isinstance(node, ast.Constant) and node.value in names
    }
    assert knowing == {"losses"}


def coder(order: tuple[str, ...] = ("drawn", "log_variance", "logits", "mean")) -> cnn.Model:
    """A variational autoencoder of bits, its outputs in some order."""
    image = cnn.input("image", (6,))
    x = cnn.dense(image, 8, activation="relu", name="encoder")
    mean, log_variance = cnn.dense(x, 2, name="mean"), cnn.dense(x, 2, name="log_variance")
    code = cnn.normal(mean, cnn.exp(log_variance * 0.5), name="code")
    logits = cnn.dense(code, 6, name="logits")
    made = {"logits": logits, "mean": mean, "log_variance": log_variance}
    made["drawn"] = cnn.sigmoid(logits)
    return cnn.Model(image, {name: made[name] for name in order}, name="coder")


def test_a_loss_of_several_outputs_takes_them_by_its_arguments(tmp_path: Path) -> None:
    bits = (np.random.default_rng(1).random((64, 6)) < 0.3).astype(np.float32)
    model = coder()
    history = model.fit((bits, bits), loss="elbo", epochs=2, progress=False)
    assert history.columns == ["loss", "reconstruction", "divergence"] and model.loss == "elbo"
    found = model.evaluate((bits, bits))  # in a prediction the code is its mean
    out = model.predict(bits, raw=True)
    lost = np.logaddexp(0, out["logits"]) - bits * out["logits"]
    apart = out["mean"] ** 2 + np.exp(out["log_variance"]) - 1 - out["log_variance"]
    assert found["reconstruction"] == pytest.approx(lost.sum(1).mean(), rel=1e-5)
    assert found["divergence"] == pytest.approx(apart.sum(1).mean() / 2, rel=1e-5)
    assert found["loss"] == pytest.approx(found["reconstruction"] + found["divergence"], rel=1e-6)
    loaded = cnn.load(model.save(tmp_path / "coder.safetensors"))
    assert loaded.loss == "elbo" and loaded.evaluate((bits, bits)) == found
    in_turn = coder(("logits", "mean", "log_variance"))
    in_turn.fit((bits, bits), loss=cnn.losses.elbo, epochs=2, progress=False)
    assert in_turn.loss == "elbo"
    with pytest.raises(GraphError, match=r"elbo compares 3 predictions, .* name them logits, mean"):
        cnn.Session(scorer(), "elbo")
