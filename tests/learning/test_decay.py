"""What optimisers do with weights of every kind: scales of several axes, and zeros."""

import copy
from typing import Any

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.learning.optimizers import EMA, LAMB, SGD, AdamW, Muon


@pytest.mark.parametrize("made", [SGD, AdamW, LAMB, Muon, lambda *a, **k: EMA(SGD(*a, **k))])
def test_norms_along_several_axes_are_no_weights(made: Any, tmp_path: Any) -> None:
    image = cnn.input("image", (2, 4, 4))
    x = cnn.layer_norm(image, (1, 2, 3), name="norm")
    x = x * cnn.parameter((2, 1, 1), 1.0, decays=False, name="scale")
    x = x + cnn.parameter((2, 1, 1), 1.0, name="other")
    model = cnn.Model(image, cnn.dense(cnn.flatten(x), 3, name="head")).initialize(0)
    model.save(tmp_path / "model.safetensors")
    model = cnn.load(tmp_path / "model.safetensors")
    rng = np.random.default_rng(0)
    images, labels = rng.random((8, 2, 4, 4), np.float32), np.arange(8) % 3
    found = []
    for decay in (0.0, 0.5):
        rule = made(0.05, weight_decay=decay)
        with cnn.Session(copy.deepcopy(model), "cross_entropy", rule) as session:
            session.step(images, labels)
        found.append(session.model.parameters)
        slots = {tuple(k.rpartition(".")[::2]) for k in session.states}
        gamma, bias = ({s for k, s in slots if k == key} for key in ("norm.gamma", "head.bias"))
        assert gamma == bias
    kept = {key for key in found[0] if (found[0][key] == found[1][key]).all()}
    assert kept == {"norm.gamma", "norm.beta", "scale", "head.bias"}
    told = made(0.05, weight_decay=0.5).describe(model.parameters).splitlines()
    assert {line.split()[0] for line in told if line.endswith("no decay")} == kept


def test_a_matrix_of_zeros_has_no_length_to_keep() -> None:
    image = cnn.input("image", (6,))
    model = cnn.Model(image, cnn.dense(image, 3, weight=cnn.parameter((3, 6), 0.0, name="w")))
    model.initialize(0)
    images = np.random.default_rng(0).random((9, 6), np.float32)
    with cnn.Session(model, "cross_entropy", Muon(0.02, normalised=True)) as session:
        for _ in range(2):
            session.step(images, np.arange(9) % 3)
    assert np.isfinite(model.states["w"]).all() and model.states["w"].any()
