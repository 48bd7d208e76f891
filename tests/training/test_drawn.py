"""What a network draws as it learns."""

from pathlib import Path

import numpy as np
import pytest

import graphcnn as cnn

RNG = np.random.default_rng(0)
IMAGES = (RNG.random((32, 1, 4, 4)) < 0.3).astype(np.float32)


def network() -> cnn.Model:
    image = cnn.input("image", (1, 4, 4))
    logits = cnn.conv2d(image, 1, 3, padding=1, mask="A", name="c")
    model = cnn.Model(image, {"logits": logits}, name="small").initialize(0)
    model.sampler = cnn.samplers.Pixels()
    return model


def fit(model: cnn.Model, path: Path, epochs: int = 4, **options) -> None:
    model.fit(
        IMAGES, IMAGES, loss="binary_cross_entropy", optimizer=cnn.Adam(0.1), epochs=epochs,
        callbacks=[cnn.callbacks.Drawn(path, n=4)], progress=False, **options,
    )  # fmt: skip


def test_a_frame_for_every_epoch_the_same_after_a_stop(tmp_path):
    whole, parts = tmp_path / "whole.svg", tmp_path / "parts.svg"
    fit(network(), whole)
    text = whole.read_text()
    assert all(f"epoch {n}" in text for n in (1, 2, 3, 4))
    model = network()
    fit(model, parts, 2, checkpoint=tmp_path / "run")
    assert "epoch 3" not in parts.read_text()
    fit(network(), parts, 4, resume=tmp_path / "run")
    assert parts.read_text() == text


def test_drawing_changes_nothing_of_the_training(tmp_path):
    model, plain = network(), network()
    fit(model, tmp_path / "a.svg")
    plain.fit(
        IMAGES, IMAGES, loss="binary_cross_entropy", optimizer=cnn.Adam(0.1), epochs=4,
        progress=False,
    )  # fmt: skip
    for key, value in model.states.items():
        assert np.array_equal(value, plain.states[key])


def test_a_network_that_does_not_draw_is_told(tmp_path):
    image = cnn.input("image", (1, 4, 4))
    model = cnn.Model(image, cnn.dense(cnn.flatten(image), 2))
    with pytest.raises(cnn.DataError, match="has no sampler"):
        model.fit(
            IMAGES, np.zeros(32, int), epochs=1, progress=False,
            callbacks=[cnn.callbacks.Drawn(tmp_path / "a.svg")],
        )  # fmt: skip
    with pytest.raises(cnn.OutputError, match="unknown file type"):
        cnn.callbacks.Drawn(tmp_path / "a.bmp")
