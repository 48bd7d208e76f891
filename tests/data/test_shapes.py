"""Drawn discs, squares and triangles: pure functions of their number, labelled by pixels."""

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.errors import DataError


def test_shapes_are_drawn_by_seed_and_index_alone() -> None:
    few, many = cnn.data.shapes(5, seed=3), cnn.data.shapes(300, seed=3)
    assert np.array_equal(few.images, many.images[:5])
    assert np.array_equal(few.labels, many.labels[:5])
    assert not np.array_equal(few.images, cnn.data.shapes(5, seed=4).images)
    train, test = cnn.data.load("shapes:n=10,size=16")
    assert train.images.shape == (10, 1, 16, 16) and len(test) == 2
    assert not np.array_equal(train.images[:2], test.images)


def test_labels_say_what_the_pixels_show() -> None:
    data = cnn.data.shapes(200)
    assert data.classes == ("background", "disc", "square", "triangle")
    assert set(np.unique(data.labels)) == {0, 1, 2, 3}
    shown, ground = data.labels > 0, data.images[:, 0]
    assert ground[shown].mean() > 0.65 and ground[~shown].mean() < 0.3
    # Of discs, squares and triangles of one radius r: π·r², (1.7·r)², 1.87·r².
    sizes = [np.count_nonzero(data.labels == k) for k in (1, 2, 3)]
    assert sizes[2] < min(sizes[:2])


@pytest.mark.parametrize("text", ["shapes:n=0", "shapes:size=11", "shapes:m=3", "shapes:n=9999999"])
def test_what_cannot_be_drawn(text: str) -> None:
    with pytest.raises(DataError, match="shapes"):
        cnn.data.load(text)
