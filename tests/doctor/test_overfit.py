"""One batch learned by heart, and the losses it is compared with."""

import math
from typing import Any

import numpy as np
import pytest
from pictures.checks import check_picture
from support.small_training import same_bits, small, stripes

import graphcnn as cnn
from graphcnn.doctor.constants import constants_of
from graphcnn.learning.targets import Targets, fed_types
from graphcnn.runtime.execution import Execution


def scores(outputs: int = 3) -> cnn.Model:
    image = cnn.input("image", (1, 4, 4))
    return cnn.Model(image, cnn.dense(cnn.flatten(image), outputs, name="scores"), name="scores")


def found(model: cnn.Model, loss: Any, targets: Any) -> Any:
    types = fed_types(loss, model.graph, targets)
    from graphcnn.learning.objective import with_loss

    fed = Targets.of(with_loss(model.graph, loss, {}, types), model.graph.outputs).check(targets)
    count = len(next(iter(fed.values())))
    return constants_of(model.graph, loss, fed, types, count, Execution.of())


def test_constant_predictions_have_the_losses_of_their_formulas() -> None:
    labels = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 2])
    p = np.bincount(labels) / 10
    entropy = -(p * np.log(p)).sum()
    of = found(scores(), "cross_entropy", labels)
    assert of.zero == pytest.approx(math.log(3)) and of.best == pytest.approx(entropy)
    smooth = found(scores(), cnn.losses.CrossEntropy(label_smoothing=0.3), labels)
    q = np.array([0.8, 0.1, 0.1])
    assert smooth.least == pytest.approx(-(q * np.log(q)).sum())
    numbers = np.random.default_rng(0).normal(50, 3, (20, 3)).astype(np.float32)
    mse = found(scores(), "mse", numbers)
    assert mse.best == pytest.approx(numbers.var(0).mean(), rel=1e-4) and mse.least == 0
    assert mse.zero == pytest.approx((numbers**2).mean(), rel=1e-4)
    l1 = found(scores(), "l1", numbers)
    assert l1.best == pytest.approx(np.abs(numbers - np.median(numbers, 0)).mean(), rel=1e-4)
    labels_of_each = (np.arange(30).reshape(10, 3) % 5 == 0).astype(np.float32)
    share = labels_of_each.mean(0)
    entropies = -(share * np.log(share) + (1 - share) * np.log(1 - share))
    several = found(scores(), "binary_cross_entropy", labels_of_each)
    assert several.best == pytest.approx(entropies.mean(), rel=1e-4)
    image = cnn.input("image", (1, 4, 4))
    maps = cnn.Model(image, cnn.conv2d(image, 3, 3, padding=1))
    each = found(maps, "cross_entropy", np.tile(labels[:, None, None], (1, 4, 4)))
    assert each.best == pytest.approx(entropy)


def test_a_sound_network_learns_its_batch_and_is_left_as_it_was() -> None:
    model = small()
    one = model.overfit_one_batch(stripes(), learning_rate=0.01, seed=3, threads=1)
    two = model.overfit_one_batch(stripes(), learning_rate=0.01, seed=3, threads=2)
    assert one.success and one.losses == two.losses and one.history.rows == two.history.rows
    assert one.losses[-1] <= one.to < one.losses[-2]
    assert one.to == pytest.approx(0.05 * one.constants.best)
    assert "learned in" in str(one) and len(one.dropout) == 1
    assert not model.is_initialized and model.normalisation is None
    check_picture(one.picture())
    model.initialize(1)
    before = small().initialize(1)
    model.overfit_one_batch(stripes(), steps=2)
    assert same_bits(before, model)


def test_what_cannot_learn_says_so() -> None:
    slow = small().overfit_one_batch(stripes(), optimizer="sgd", learning_rate=1e-6, steps=20)
    assert not slow.success and "not learned in 20 steps" in str(slow)
    data, labels = np.zeros((8, 1, 4, 4), np.float32), np.arange(8) % 2
    same = scores(2).overfit_one_batch(data, labels, learning_rate=0.1)
    assert not same.success and min(same.losses) == pytest.approx(math.log(2), abs=1e-3)
    wild = scores(1).overfit_one_batch(
        data + 1, labels[:, None].astype(np.float32), loss="mse", optimizer="sgd",
        learning_rate=1e6,
    )  # fmt: skip
    assert not wild.success and "not finite" in wild.ended
    check_picture(wild.picture())
    with pytest.raises(TypeError, match="no argument 'lr': write learning_rate"):
        small().overfit_one_batch(stripes(), lr=0.1)
