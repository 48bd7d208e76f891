"""Networks and batches for runs of whole training steps."""

from collections.abc import Iterator

import numpy as np

import graphcnn as cnn
from graphcnn.models import MODELS

#: Built-in networks at sizes for tests, with their loss.
NETS = {
    "lenet5": ({}, "cross_entropy"),
    "mnist_cnn": ({}, "cross_entropy"),
    "vgg_cifar": ({}, "cross_entropy"),
    "digits_cnn": ({}, "cross_entropy"),
    "unet": ({"size": 16}, "binary_cross_entropy"),
    "autoencoder": ({}, "mse"),
    "resnet18": ({"size": 64, "classes": 10}, "cross_entropy"),
}


def mixed(dtype: str = "float32") -> cnn.Model:
    """A bit of everything: batch norm, dropout, a residual sum, odd channels, padding, pools."""
    image = cnn.input("image", (3, 13, 11), dtype=dtype)
    x = cnn.conv2d(image, 10, 3, padding="same", name="first", bias=False)
    x = cnn.relu(cnn.batch_norm(x, name="norm"))
    y = cnn.conv2d(x, 10, 3, padding="same", name="second")
    x = cnn.max_pool2d(cnn.silu(x + y), 2)
    x = cnn.dropout(cnn.avg_pool2d(cnn.conv2d(x, 17, 3, stride=2, padding=1, name="third"), 2), 0.3)
    return cnn.Model(image, cnn.dense(cnn.flatten(x), 5, name="logits"), name="mixed")


def network(name: str) -> tuple[cnn.Model, str]:
    """A fresh model with the same weights each time, and its loss."""
    settings, loss = NETS.get(name, ({}, "cross_entropy"))
    return (mixed() if name == "mixed" else MODELS[name](**settings)).initialize(3), loss


def batches(
    model: cnn.Model, loss: str, n: int, count: int, seed: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Random images with targets that suit the loss."""
    rng = np.random.default_rng(seed)
    shape = model.graph.inputs[0].shape[1:]
    output = next(iter(model.graph.outputs.values())).shape[1:]
    for _ in range(count):
        images = rng.standard_normal((n, *shape)).astype(np.float32)
        if loss == "cross_entropy":
            targets = rng.integers(0, output[0], n)
            images += targets[:, None, None, None] / 5  # something to learn
        else:
            targets = rng.random((n, *output)).round().astype(np.float32)
        yield images, targets


def trained(
    name: str, n: int = 3, steps: int = 3, optimizer: object = None, **options: object
) -> tuple[list[float], dict[str, np.ndarray]]:
    """The losses of some steps, and all states after them."""
    model, loss = network(name)
    optimizer = optimizer or cnn.SGD(0.01, momentum=0.9)
    session = cnn.Session(model, loss, optimizer, seed=1, **options)
    losses = [session.step(*batch)["loss"] for batch in batches(model, loss, n, steps)]
    return losses, session.states


def relative(expected: np.ndarray, found: np.ndarray, least: float = 1e-30) -> float:
    """Largest difference as a share of the largest magnitude."""
    largest = max(least, float(np.abs(expected).max(initial=0.0)))
    return float(np.abs(expected - found).max(initial=0.0)) / largest
