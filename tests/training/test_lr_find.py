"""The search for a learning rate: what it suggests, and that it leaves everything as it was."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures.checks import check_picture
from support.small_training import same_bits, small, stripes

import graphcnn as cnn
from graphcnn.training.lr_find import RateSweep


def test_the_model_is_left_as_it_was_and_the_sweep_is_reproducible() -> None:
    trained, fresh = small(), small()
    trained.fit(stripes(), progress=False, seed=1)
    before = {k: a.copy() for k, a in trained.states.items()}
    about = trained.normalisation, trained.classes, trained.loss, trained.seed, trained.reach
    one = trained.lr_find(stripes(), batch_size=16, steps=30, seed=2, threads=1)
    two = cnn.lr_find(trained, stripes(), batch_size=16, steps=30, seed=2, threads=2)
    assert one == two and one != trained.lr_find(stripes(), batch_size=16, steps=30, seed=3)
    assert all(np.array_equal(before[k], trained.states[k]) for k in before)
    assert about == (
        trained.normalisation, trained.classes, trained.loss, trained.seed, trained.reach
    )  # fmt: skip
    fresh.lr_find(stripes(), batch_size=16, steps=5)
    assert not fresh.is_initialized and fresh.normalisation is None and not fresh.classes
    again = small().initialize(7)
    fresh.initialize(7)
    assert same_bits(fresh, again)


def test_its_steps_are_those_of_a_session_under_rising_rates() -> None:
    """Whole batches only: 120 items in batches of 50 are two of an epoch."""
    found = small().lr_find(stripes(), batch_size=50, low=1e-3, high=0.1, steps=5, seed=4)
    assert found.rates == pytest.approx([1e-3, 10**-2.5, 1e-2, 10**-1.5, 0.1], rel=1e-12)
    batches = [b for e in range(3) for b in stripes().epoch(4, e, 50, drop_last=True)][:5]
    losses = []
    with cnn.Session(small(), "cross_entropy", "sgd", data=stripes(), seed=4) as session:
        for rate, batch in zip(found.rates, batches, strict=True):
            session.learning_rate = rate
            losses.append(session.step(*batch)["loss"])
    assert list(found.losses) == losses and found.ended == "the rate reached 0.1"


def test_streams_and_several_outputs_are_swept_as_they_are_trained() -> None:
    data, options = stripes(), dict(low=1e-3, high=0.1, steps=4, seed=4)
    stream = cnn.data.stream(lambda epoch: data.epoch(4, epoch, 30))
    found = small().lr_find(stream, **options)
    assert found == small().lr_find(data, batch_size=30, **options)
    image = cnn.input("image", data.image_shape)
    x = cnn.flatten(image)
    two = cnn.Model(image, {"a": cnn.dense(x, 2), "b": cnn.dense(x, 2)})
    targets = {"a": data.labels, "b": data.labels}
    losses = {"a": "cross_entropy", "b": "cross_entropy"}
    assert len(two.lr_find(data.images, targets, loss=losses, **options).losses) == 4


def test_what_is_suggested_of_a_curve() -> None:
    """A loss that falls fastest at 0.01 and is least at 0.1, rate by rate a quarter decade."""
    rates = [10 ** (i / 4 - 5) for i in range(21)]
    losses = [2 - np.tanh(np.log10(r) + 2) + 4 * max(0.0, np.log10(r) + 1) for r in rates]
    found = RateSweep(tuple(rates), tuple(losses), 1, "done")
    assert found.steepest == found.suggestion == pytest.approx(0.01)
    assert found.tenth == pytest.approx(0.01)
    assert found.smoothed == found.losses
    three = RateSweep(tuple(rates), tuple(losses), 3, "done").smoothed
    assert three[4] == pytest.approx(sum(losses[3:6]) / 3)
    assert three[0] == pytest.approx(sum(losses[:2]) / 2)
    rising = RateSweep((0.1, 1.0, 10.0), (1.0, 2.0, 3.0), 1, "done")
    assert rising.steepest is None and rising.tenth is None
    with pytest.raises(cnn.DataError, match=r"no rate from 0\.1 to 10 made the loss smaller"):
        _ = rising.suggestion


def test_it_stops_where_the_loss_diverges() -> None:
    far = small().lr_find(stripes(), batch_size=16, high=1e30, steps=60)
    assert "times its least" in far.ended or "not finite" in far.ended
    assert len(far.rates) == len(far.losses) < 60
    assert far.suggestion in far.rates
    model, data = small(), stripes()
    with pytest.raises(cnn.DataError, match=r"0 < low < high, found 1, 0\.1"):
        model.lr_find(data, low=1, high=0.1)
    with pytest.raises(TypeError, match=r"lr_find\(\) has no argument 'step'"):
        model.lr_find(data, step=3)


def test_its_picture_is_sound(tmp_path: Path) -> None:
    found = small().lr_find(stripes(), batch_size=16, steps=40, optimizer=cnn.EMA(cnn.Adam()))
    picture: Any = found.picture("rates")
    check_picture(picture)
    assert f"{found.steepest:.2g}" in picture.text()
    assert found.draw(tmp_path / "rates.svg", "rates").read_text() == picture.svg()
