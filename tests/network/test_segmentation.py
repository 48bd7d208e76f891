"""One class per pixel: networks whose prediction is an image of logits (N, K, H, W)."""

from pathlib import Path

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.models.unet import unet

RNG = np.random.default_rng(0)
IMAGES = RNG.random((40, 1, 8, 8)).astype(np.float32)
CLASSES = (IMAGES[:, 0] > 0.4).astype(np.int64) + (IMAGES[:, 0] > 0.8)


@pytest.mark.parametrize("runtime", ["native", "reference"])
def test_training_with_a_label_for_every_pixel(runtime: str) -> None:
    model = unet(classes=3, size=8, channels=(4, 8))
    history = model.fit(
        (IMAGES, CLASSES),
        epochs=25,
        batch_size=8,
        optimizer=cnn.Adam(0.02),
        validation=(IMAGES, CLASSES),
        runtime=runtime,
        progress=False,
    )
    assert history[-1]["val_accuracy"] > 0.9
    probabilities = model.predict(IMAGES[:3], runtime=runtime)
    assert probabilities.shape == (3, 3, 8, 8)
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert model.evaluate((IMAGES, CLASSES), runtime=runtime)["accuracy"] == pytest.approx(
        float((probabilities.argmax(axis=1) == CLASSES[:3]).mean()), abs=0.1
    )


def test_masks_of_one_class_are_floats_of_the_shape_of_the_prediction() -> None:
    model = unet(size=8, channels=(4, 8))
    masks = (CLASSES > 0)[:, None].astype(np.float32)
    options = dict(batch_size=8, loss="binary_cross_entropy", progress=False)
    assert model.fit((IMAGES, masks), **options)[-1]["accuracy"] > 0.3
    with pytest.raises(cnn.DataError, match=r"the shape \(n, 1, 8, 8\), found \(40, 8, 8\)"):
        model.fit((IMAGES, masks[:, 0]), **options)
    with pytest.raises(cnn.DataError, match=r"floats \(n, 1, 8, 8\), found integers \(40, 8, 8\)"):
        model.fit((IMAGES, CLASSES), **options)


def test_labels_that_do_not_fit() -> None:
    model = unet(classes=3, size=8, channels=(4, 8))
    fit = lambda y: model.fit((IMAGES, y), batch_size=8, progress=False)  # noqa: E731
    with pytest.raises(cnn.DataError, match=r"shape \(n, 8, 8\), found \(40,\)"):
        fit(CLASSES[:, 0, 0])
    with pytest.raises(cnn.DataError, match=r"shape \(n, 8, 8\), found \(40, 8, 7\)"):
        fit(CLASSES[:, :, :7])
    wrong = CLASSES.copy()
    wrong[5, 2, 3] = 7
    with pytest.raises(cnn.DataError, match=r"label 7 in row 5 at \(2, 3\) is out of range"):
        fit(wrong)


def test_a_file_of_images_and_labels(tmp_path: Path) -> None:
    np.savez(tmp_path / "cells.npz", x=IMAGES, y=CLASSES)
    train, test = cnn.data.npz(tmp_path / "cells.npz")
    assert train.labels.shape == (32, 8, 8) and test.labels.shape == (8, 8, 8)
    assert train.classes == ("0", "1", "2")
