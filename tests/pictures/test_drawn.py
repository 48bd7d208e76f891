"""Sheets of drawn images, and films of them."""

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.pictures.results.drawn import drawn_film, drawn_picture, sheet_pixels

IMAGES = np.linspace(0, 1, 5 * 3 * 4 * 4).reshape(5, 3, 4, 4)


def test_every_image_has_its_place():
    sheet = sheet_pixels(IMAGES)
    assert sheet.shape == (2 * 4 + 2, 3 * 4 + 2 * 2, 3)
    assert np.array_equal(sheet[6:, 6:10], np.rint(IMAGES[4].transpose(1, 2, 0) * 255))
    assert (sheet[6:, 12:] == sheet[4, 0]).all()  # no sixth image
    assert sheet_pixels(IMAGES, columns=5).shape == (4, 5 * 4 + 4 * 2, 3)
    grey = sheet_pixels(IMAGES[:, :1])
    assert np.array_equal(grey[:4, :4, 0], grey[:4, :4, 2])


def test_what_was_given_is_blue():
    known = np.zeros((1, 4, 4), bool)
    known[:, :2] = True
    sheet = sheet_pixels(np.ones((1, 1, 4, 4)), known)
    assert (sheet[2:] == 255).all()
    assert (sheet[:2, :, 2] > sheet[:2, :, 0]).all()


def test_a_film_moves_and_a_sheet_does_not():
    film = drawn_film([IMAGES, IMAGES * 0.5], ["epoch 1", "epoch 2"], "m")
    assert "@keyframes" in film.svg() and "epoch 2" in film.text()
    still = drawn_picture(IMAGES, "m", "5 images", ["seed 3"])
    assert "@keyframes" not in still.svg() and "seed 3" in still.text()
    assert len(film.strip().scene.items) > len(film.frame(0).scene.items) - 1
    with pytest.raises(cnn.DataError, match="one size and number"):
        drawn_film([IMAGES, IMAGES[:2]], ["a", "b"], "m")
    with pytest.raises(cnn.DataError, match=r"\(n, C, H, W\), found \(4, 4\)"):
        sheet_pixels(np.zeros((4, 4)))
