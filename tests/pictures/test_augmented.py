"""The sheet of images as training sees them."""

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.data import Dataset
from graphcnn.pictures import augmented_picture

A = cnn.augment


def test_images_epoch_by_epoch():
    x = np.arange(6 * 48, dtype=np.uint8).reshape(6, 3, 4, 4)
    data = Dataset(x, [0, 1, 0, 1, 0, 1], ("cat", "dog"), name="pets")
    train = data.augmented(A.crop(1), A.mixup(1.0))
    picture = A.preview(train, [1, 5], 2, seed=3)
    assert picture.svg() == augmented_picture(train, [1, 5], 2, seed=3).svg()
    text = picture.text()
    for words in ("as stored", "epoch 1", "epoch 2", "crop(pixels=1, mode='zero')", "pets"):
        assert words in text
    assert text.count("dog") >= 2 and "%" in text and "epoch 3" not in text
    assert A.preview(train, [1, 5], 2, seed=4).svg() != picture.svg()
    with pytest.raises(cnn.DataError, match="'pets' is not augmented"):
        augmented_picture(data)
    with pytest.raises(cnn.DataError, match=r"items must be indices from 0 to 5, found \[6\]"):
        augmented_picture(train, [6])


def test_masks_and_points_are_shown():
    x = np.random.default_rng(0).random((4, 1, 6, 6), np.float32)
    masks = Dataset(x, (x[:, 0] > 0.5).astype(int), ("a", "b"), ignored=(255,))
    assert "colour scale" in augmented_picture(masks.augmented(A.shift(1)), 2, 1).text()
    points = Dataset(x, np.ones((4, 3, 2), np.float32))
    marked = augmented_picture(points.augmented(A.flip(), targets="points"), 2, 1)
    plain = augmented_picture(points.augmented(A.flip(), targets="label"), 2, 1)
    assert len(marked.svg()) > len(plain.svg())
