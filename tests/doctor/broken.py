"""Set-ups that are broken on purpose, each in one way, and what a diagnosis has to find."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import graphcnn as cnn
from graphcnn.ir.node import Array


@dataclass(frozen=True)
class Broken:
    """A set-up: what `diagnose` is given, and a part of what it has to say."""

    check: str
    grade: str
    says: str
    model: Callable[[], cnn.Model]
    data: Callable[[], Any]
    options: dict[str, Any] = field(default_factory=dict)


def pictures(n: int = 240, seed: int = 0, classes: int = 3) -> tuple[Array, Array]:
    """Bars of three directions with noise, uint8: easy, and no two alike."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    images = rng.integers(0, 60, (n, 1, 8, 8))
    for i, label in enumerate(labels):
        at = rng.integers(2, 5)
        if label == 0:
            images[i, 0, at : at + 2] += 150
        elif label == 1:
            images[i, 0, :, at : at + 2] += 150
        else:
            images[i, 0, np.arange(8), np.arange(8)] += 150
    return images.astype(np.uint8), labels


def digits() -> cnn.data.Dataset:
    return cnn.data.load("digits").train


def arrays(**changed: Any) -> Callable[[], cnn.data.Dataset]:
    """The pictures as a data set, parts of it changed by functions of (images, labels)."""

    def made() -> cnn.data.Dataset:
        images, labels = pictures()
        x, y = changed.get("images", lambda x, y: x), changed.get("labels", lambda x, y: y)
        images, labels = x(images, labels), y(images, labels)
        normalisation = changed.get("normalisation", cnn.Normalisation.of)
        return cnn.data.Dataset(
            images, labels, ("across", "down", "aslant")[: changed.get("classes", 3)],
            normalisation(images) if normalisation else None, "pictures",
        )  # fmt: skip

    return made


def network(
    act: Callable[..., cnn.Value] = cnn.relu,
    end: Callable[[cnn.Value], cnn.Value] = lambda x: x,
    classes: int = 3,
    depth: int = 2,
    norm: bool = False,
    between: Callable[[cnn.Value], cnn.Value] = lambda x: x,
    **options: Any,
) -> Callable[[], cnn.Model]:
    def made() -> cnn.Model:
        x = image = cnn.input("image", (1, 8, 8))
        for i in range(depth):
            x = cnn.conv2d(x, 8, 3, padding=1, name=f"conv{i + 1}", **options)
            x = act(cnn.batch_norm(x) if norm else x)
        x = between(cnn.flatten(cnn.max_pool2d(x, 2)))
        return cnn.Model(image, end(cnn.dense(x, classes, name="scores")), name="network")

    return made


def spoiled(change: Callable[[dict[str, Array]], dict[str, Array]]) -> Callable[[], cnn.Model]:
    """A network whose first weights are changed."""

    def made() -> cnn.Model:
        model = network()().initialize(0)
        model.set_parameters(change(dict(model.parameters)))
        return model

    return made


def frozen(pattern: str) -> Callable[[], cnn.Model]:
    def made() -> cnn.Model:
        model = network()()
        model.freeze(pattern)
        return model

    return made


def stopped() -> cnn.Model:
    """Nothing passes from the loss to the first layer."""
    image = cnn.input("image", (1, 8, 8))
    x = cnn.stop_gradient(cnn.conv2d(image, 8, 3, activation="relu", name="conv1"))
    return cnn.Model(image, cnn.dense(cnn.flatten(x), 3, name="scores"), name="stopped")


def two_outputs() -> cnn.Model:
    image = cnn.input("image", (1, 8, 8))
    x = cnn.flatten(cnn.conv2d(image, 8, 3, activation="relu", name="conv1"))
    outputs = {"scores": cnn.dense(x, 3, name="scores"), "size": cnn.dense(x, 1, name="size")}
    return cnn.Model(image, outputs, name="two")


def numbers(low: float, high: float) -> Callable[[], tuple[Array, Array]]:
    """Numbers to predict: the brightness, from low to high."""

    def made() -> tuple[Array, Array]:
        images, _ = pictures()
        bright = images.mean((1, 2, 3))
        share = (bright - bright.min()) / (bright.max() - bright.min())
        return images, (low + (high - low) * share)[:, None].astype(np.float32)

    return made


def copied(other: bool) -> Callable[[], tuple[Array, Array]]:
    def made() -> tuple[Array, Array]:
        images, labels = pictures()
        images[120:180] = images[:60]
        labels[120:180] = (labels[:60] + 1) % 3 if other else labels[:60]
        return images, labels

    return made


def shifted(x: Array, y: Array) -> Array:
    return np.roll(y, 1)


def shuffled(x: Array, y: Array) -> Array:
    return np.random.default_rng(5).permutation(y)


_plain = network()
MSE: dict[str, Any] = {"loss": "mse", "optimizer": "adam", "learning_rate": 0.01}
ADAM: dict[str, Any] = {"optimizer": "adam", "learning_rate": 0.01}

BROKEN: dict[str, Broken] = {
    "pixels to 255": Broken(
        "pixels", "wrong", "about -3 to 3 is expected", _plain,
        arrays(images=lambda x, y: x.astype(np.float32), normalisation=None), ADAM),
    "divided by 255 twice": Broken(
        "pixels", "wrong", "a std of about 1 is expected", _plain,
        arrays(images=lambda x, y: (x / 255**2).astype(np.float32), normalisation=None), ADAM),
    "normalised twice": Broken(
        "pixels", "wrong", "is for pixels from 0 to 1", _plain,
        arrays(images=lambda x, y: ((x / 255 - 0.4) / 0.2).astype(np.float32),
               normalisation=lambda x: cnn.Normalisation((0.4,), (0.2,))), ADAM),
    "nothing in the pictures": Broken(
        "pixels", "wrong", "all pixels of 240 images have the one value 7", _plain,
        arrays(images=lambda x, y: np.full_like(x, 7)), ADAM),
    "empty pictures": Broken(
        "pixels", "look", "20 of 240 (8.33 %) images are of one colour", _plain,
        arrays(images=lambda x, y: np.where(np.arange(240)[:, None, None, None] < 20, 0, x)
               .astype(np.uint8)), ADAM),
    "NaN": Broken(
        "set-up", "wrong", "image 3 holds NaN", _plain,
        lambda: (np.where(np.arange(240)[:, None, None, None] == 3, np.nan, 0.5)
                 * np.ones((240, 1, 8, 8)), pictures()[1]), ADAM),
    "test in other units": Broken(
        "pixels", "wrong", "test images float32 of mean", _plain, arrays(),
        {**ADAM, "test": arrays(images=lambda x, y: x.astype(np.float32))}),
    "label out of range": Broken(
        "set-up", "wrong", "out of range", _plain,
        lambda: (pictures()[0], pictures()[1] + 1), ADAM),
    "classes missing": Broken(
        "labels", "look", "2 of 5 classes do not occur: 3, 4", network(classes=5),
        lambda: pictures(), ADAM),
    "one class": Broken(
        "labels", "wrong", "have the one label 1", _plain,
        arrays(labels=lambda x, y: np.ones_like(y)), ADAM),
    "imbalance": Broken(
        "labels", "look", "times as many", _plain,
        arrays(labels=lambda x, y: np.where(np.arange(240) < 225, 0, y)), ADAM),
    "in order": Broken(
        "labels", "wrong", "labels lie in order", _plain,
        lambda: tuple(a[np.argsort(pictures()[1], kind="stable")] for a in pictures()),
        {**ADAM, "shuffle": False}),
    "shuffled labels": Broken(
        "neighbours", "look", "by chance", _plain, arrays(labels=shuffled), ADAM),
    "labels out of step": Broken(
        "neighbours", "wrong", "if labels are moved by", _plain, arrays(labels=shifted), ADAM),
    "copies": Broken(
        "copies", "look", "60 of 240 (25 %) items are exact", _plain, copied(False), ADAM),
    "copies with other labels": Broken(
        "copies", "wrong", "60 of 240 (25 %) items are copies", _plain, copied(True), ADAM),
    "leak": Broken(
        "copies", "wrong", "100 of 100 (100 %) test items", _plain, arrays(),
        {**ADAM, "test": lambda: arrays()()[:100]}),
    "softmax before the loss": Broken(
        "output", "wrong", "squashed twice",
        network(end=lambda x: cnn.softmax(x, 1) * 1.0), arrays(), ADAM),
    "softmax of softmax": Broken(
        "output", "wrong", "squashed twice",
        network(end=lambda x: cnn.softmax(cnn.softmax(x, 1) * 1.0, 1)), arrays(), ADAM),
    "softmax and a loss of one's own": Broken(
        "set-up", "wrong", "takes logits and applies softmax itself",
        network(end=lambda x: cnn.softmax(x, 1)), arrays(),
        {**ADAM, "loss": lambda p, t: cnn.cross_entropy(p, t)}),
    "relu at the end": Broken(
        "output", "look", "cuts the scores below 0", network(end=cnn.relu), arrays(), ADAM),
    "targets below relu": Broken(
        "output", "wrong", "gives no number below 0", network(classes=1, end=cnn.relu),
        numbers(-2, 1), MSE),
    "targets above sigmoid": Broken(
        "output", "wrong", "gives numbers from 0 to 1", network(classes=1, end=cnn.sigmoid),
        numbers(0, 9), MSE),
    "batch norm of two": Broken(
        "batch norm", "look", "mean and variance of 2 items", network(norm=True), arrays(),
        {**ADAM, "batch_size": 2}),
    "large first weights": Broken(
        "start", "wrong", "times log 3 = 1.1", network(end=lambda x: x * 100.0), arrays(), ADAM),
    "trained on something else": Broken(
        "start", "look", "although the weights are trained",
        spoiled(lambda p: {"scores.weight": p["scores.weight"] * 100}), arrays(), ADAM),
    "targets far off": Broken(
        "start", "look", "that of the best constant", network(classes=1), numbers(100, 103), MSE),
    "large targets": Broken(
        "labels", "look", "about 1 is expected of a std", network(classes=1),
        numbers(100, 103), MSE),
    "dead units": Broken(
        "units", "wrong", "8 of 8 units of relu",
        spoiled(lambda p: {"conv2.bias": p["conv2.bias"] - 100}), arrays(), ADAM),
    "saturated": Broken(
        "saturation", "wrong", "lie at its ends",
        network(act=cnn.tanh, init=cnn.He(gain=40.0)) if False else network(
            act=lambda x: cnn.tanh(x * 60.0)), arrays(), ADAM),
    "vanishing gradients": Broken(
        "gradients", "wrong", "times smaller, over", network(act=cnn.sigmoid, depth=9), arrays(),
        ADAM),
    "exploding gradients": Broken(
        "gradients", "wrong", "the largest is",
        network(act=lambda x: cnn.relu(x * 12.0), depth=7), arrays(), ADAM),
    "all frozen": Broken(
        "set-up", "wrong", "every parameter is frozen", frozen("*"), arrays(), ADAM),
    "a layer frozen": Broken(
        "layers", "look", "2 of 6 parameters are frozen: conv1.weight", frozen("conv1.*"), arrays(),
        ADAM),
    "cut off": Broken("set-up", "wrong", "has no gradient", stopped, arrays(), ADAM),
    "an output without a loss": Broken(
        "layers", "wrong", "no loss depends on 2 of 6 parameters: size.weight", two_outputs,
        lambda: (pictures()[0], {"scores": pictures()[1]}),
        {**ADAM, "loss": {"scores": "cross_entropy"}}),
    "rate too large": Broken(
        "rate", "wrong", "in the sweep the loss fell fastest at", _plain, arrays(),
        {"optimizer": "sgd", "learning_rate": 30.0}),
    "rate too small": Broken(
        "rate", "look", "the learning rate is 1e-07", _plain, arrays(),
        {"optimizer": "sgd", "learning_rate": 1e-7}),
    "rate too small, a batch": Broken(
        "one batch", "wrong", "is not learned in 60 steps", _plain, arrays(),
        {"optimizer": "sgd", "learning_rate": 1e-7}),
    "rate too small, updates": Broken(
        "steps", "wrong", "about 1e-3 is usual", _plain, arrays(),
        {"optimizer": "sgd", "learning_rate": 1e-7}),
}  # fmt: skip
