"""Digits drawn by a pen: of the size and place of those of MNIST, and read as such."""

from pathlib import Path

import numpy as np

import graphcnn as cnn
from graphcnn.tools.drawn_digits import digits

NETWORK = Path(__file__).parents[2] / "docs" / "lens" / "lenet5.safetensors"


def test_a_network_that_learned_mnist_reads_them() -> None:
    drawn = digits(20)
    assert drawn.shape == (20, 1, 28, 28) and drawn.dtype == np.uint8
    assert cnn.load(NETWORK).predict(drawn).argmax(1).tolist() == [*range(10), *range(10)]


def test_they_lie_in_the_middle_and_leave_a_border() -> None:
    for picture in digits(20)[:, 0].astype(float):
        assert not (picture[0].any() or picture[-1].any() or picture[:, 0].any())
        places = np.argwhere(picture > 0) + 0.5
        middle = (places * picture[picture > 0][:, None]).sum(0) / picture.sum()
        assert np.abs(middle - 14).max() < 1
