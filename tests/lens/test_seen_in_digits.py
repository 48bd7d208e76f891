"""What networks that were trained on handwritten digits have learned to see, as facts."""

import numpy as np
import pytest
from support.data_files import real

import graphcnn as cnn


@pytest.fixture(scope="module")
def digits() -> tuple[cnn.Model, cnn.Model, np.ndarray]:
    """A LeNet-5 and another network, each trained on digits of its own, and 16 that neither saw."""
    train, test = cnn.data.mnist(real("mnist"))
    networks = cnn.models.lenet5(), cnn.models.mnist_cnn()
    for i, network in enumerate(networks):
        part = train[2500 * i : 2500 * (i + 1)]
        network.fit(part, epochs=2, seed=i, optimizer=cnn.Adam(0.002), progress=False)
    return *networks, test[:16].images


def test_maximised_classes_are_read_by_a_network_trained_apart(digits) -> None:
    lenet, other, _ = digits
    found = other.lens().maximise("logits", steps=128)
    read = lenet.predict(found["images"]).argmax(1)
    assert (read == np.arange(10)).sum() >= 7, read


def test_layers_give_less_and_less_of_the_pixels_back_and_keep_the_class(digits) -> None:
    lenet, _, x = digits
    found = lenet.lens().reconstruct(x, steps=256, rate=0.1)
    correlation = found["correlation"].mean(1)
    assert correlation[0] > 0.99 and 0.9 < correlation[2] and correlation[-1] < 0.3
    assert (np.diff(correlation) < 0.005).all(), correlation
    assert (found["class_kept"].sum(1) >= 15).all()
