"""The first test to read and to run: one small network, from its definition to its picture."""

from pathlib import Path

import numpy as np

import graphcnn as cnn


def test_a_network_from_its_definition_to_its_picture(tmp_path: Path) -> None:
    # Define: images of 8×8 in two classes, brighter on the left or on the right.
    image = cnn.input("image", (1, 8, 8))
    x = cnn.conv2d(image, 4, 3, padding=1, activation="relu", name="C1")
    x = cnn.flatten(cnn.max_pool2d(x, 2, name="S2"))
    model = cnn.Model(image, cnn.dense(x, 2, name="logits"), name="tiny")

    # Train: the step is compiled to machine code, forward, backward and update in one.
    rng = np.random.default_rng(0)
    labels = np.arange(64) % 2
    images = rng.random((64, 1, 8, 8), np.float32) / 2
    images[labels == 0, :, :, :4] += 0.25
    images[labels == 1, :, :, 4:] += 0.25
    model.fit((images, labels), epochs=10, optimizer="adam", seed=0, progress=False)
    assert model.evaluate((images, labels))["accuracy"] > 0.9

    # Predict: machine code gives what the definitions in NumPy give.
    native = model.predict(images)
    assert np.allclose(native, model.predict(images, runtime="reference"), atol=1e-5)

    # Save and load: to the bit.
    model.save(tmp_path / "tiny.safetensors")
    assert np.array_equal(cnn.load(tmp_path / "tiny.safetensors").predict(images), native)

    # Draw: every layer is in the picture.
    drawn = model.draw(tmp_path / "tiny.svg").read_text(encoding="utf-8")
    assert all(name in drawn for name in ("C1", "S2", "logits"))
