"""Updates with gradients made elsewhere: `Session.apply`."""

from typing import Any

import numpy as np
import pytest
from support.small_training import small, stripes

import graphcnn as cnn
from graphcnn.learning.schedules import Cosine

DATA = stripes(64)
STATISTICS = {"bn1.mean", "bn1.variance"}
OPTIMIZERS = [
    cnn.EMA(cnn.Adam(Cosine(0.05, 20), clip_norm=0.1), 0.9),
    cnn.Lookahead(cnn.SGD(0.1, 0.9, groups={"c1.*": {"learning_rate": 2}}), every=2),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda rule: type(rule).__name__)
def test_gradients_of_a_batch_make_the_step_of_that_batch(optimizer: Any) -> None:
    """To the bit, for any number of threads; only the batch norm has seen nothing."""
    ways: list[dict[str, Any]] = [{"threads": 1}, {"threads": 2, "shards": 2}]
    for way in (*ways, {"runtime": "reference"}):
        options = dict(optimizer=optimizer, data=DATA, **way)
        with cnn.Session(small(), **options) as whole, cnn.Session(small(), **options) as apart:
            for images, labels in DATA.epoch(0, 0, 16):
                found = apart.gradients(images, labels)
                whole.step(images, labels)
                apart.apply(found)
            for images, labels in DATA.epoch(0, 1, 16):  # one kind of step after the other
                assert apart.step(images, labels) == whole.step(images, labels)
            assert apart.steps == whole.steps == 8 and apart.last_rate == whole.last_rate
            first, second = whole.states, apart.states
        different = {key for key in first if not np.array_equal(first[key], second[key])}
        assert first.keys() == second.keys() and different == STATISTICS


def test_what_is_frozen_has_none_and_what_is_wrong_is_named() -> None:
    model = small()
    model.freeze("c1.*")
    images, labels = next(iter(DATA.epoch(0, 0, 8)))[:2]
    optimizer = cnn.SGD(0.1, groups={"c1.*": {"learning_rate": 2}})
    with cnn.Session(model, optimizer=optimizer) as session:
        good = session.gradients(images, labels)
        before = session.states
        wrong: list[tuple[Any, str]] = [
            ({k: good[k] for k in good if k != "logits.bias"}, "gradient of logits.bias is miss"),
            (good | {"c1.weight": 0}, "c1.weight is no parameter that is trained here"),
            (
                good | {"logits.bias": np.zeros(3)},
                r"logits.bias must be f32\[2\], found float64 \(3",
            ),
            (good | {"logits.bias": [0, np.nan]}, "gradient of logits.bias is not finite"),
            ([*good.values()], "by the names of the parameters.*found list"),
        ]
        for gradients, told in wrong:
            with pytest.raises(cnn.TrainingError, match=told):
                session.apply(gradients)
        after = session.states
        assert all(np.array_equal(before[key], after[key]) for key in before)
        session.apply({key: np.ones(array.shape) for key, array in good.items()})
        moved = before["logits.bias"] - np.float32(0.1)
        assert session.steps == 1 and np.array_equal(session.states["logits.bias"], moved)
    assert np.array_equal(model.states["logits.bias"], moved)
    model.unfreeze("c1.*")
    with pytest.raises(cnn.TrainingError, match="go on with a new Session"):
        session.apply(good)
