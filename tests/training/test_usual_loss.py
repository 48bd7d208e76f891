"""Where no loss is given it is the one that a network was made for, or last trained with."""

import numpy as np
import pytest
from support.command_line import done

import graphcnn as cnn

X = np.random.default_rng(0).integers(0, 2, (12, 1, 6, 6)).astype(np.float32)


def drawing() -> cnn.Model:
    return cnn.models.pixelcnn(size=6, features=4, layers=2).initialize(0)


def regression() -> cnn.Model:
    x = cnn.input("x", (1, 6, 6))
    return cnn.Model(x, cnn.dense(cnn.flatten(x), 2), "regression").initialize(0)


def test_of_a_network_that_was_made_for_one():
    one, other = drawing(), drawing()
    options = {"epochs": 2, "progress": False, "threads": 1, "optimizer": "adam"}
    found = one.fit(X, X, **options), other.fit(X, X, loss=other.objective, **options)
    assert found[0].columns == found[1].columns == ["loss", "bits_per_dim"]
    for key, value in one.parameters.items():
        np.testing.assert_array_equal(value, other.parameters[key])
    with cnn.Session(drawing(), data=(X, X), threads=1) as session:
        assert "bits_per_dim" in session.step(X, X)
    assert "bits_per_dim" in drawing().training_graph().outputs
    rates = [cnn.lr_find(drawing(), X, X, steps=4, loss=loss) for loss in (None, other.objective)]
    assert rates[0].losses == rates[1].losses
    tried = [drawing().overfit_one_batch(X, X, steps=3, loss=loss) for loss in (None, "pixel_nll")]
    assert tried[0].losses == tried[1].losses


def test_of_a_network_that_was_trained():
    rng = np.random.default_rng(1)
    y = rng.normal(size=(12, 2)).astype(np.float32)
    model = regression()
    with pytest.raises(cnn.GraphCnnError, match=r"targets must lie in \[0, 1\]"):
        model.fit(X, y, progress=False)
    model.fit(X, y, loss="l1", progress=False, threads=1)
    first = model.evaluate((X, y))["loss"]
    history = model.fit(X, y, progress=False, threads=1, learning_rate=1e-9)
    assert history[-1]["loss"] == pytest.approx(first, rel=1e-5)
    assert model.loss == "l1"


def test_of_the_commands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    drawing().save("draws.safetensors")
    text = done("passes", "draws.safetensors", "--training", "--graph")
    assert "return bits_per_dim" in text
