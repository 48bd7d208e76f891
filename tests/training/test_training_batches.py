"""Batches of `fit` and of loops of one's own: how large, which are left out, who looks at them."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.small_training import same_bits, small, stripes, train

import graphcnn as cnn
from graphcnn.compile.runner import Runner


def test_validation_runs_at_the_batch_size_of_training(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    run = Runner.run

    def noted(self: Runner, feeds: dict, states: dict) -> object:
        sizes.append(len(next(iter(feeds.values()))))
        return run(self, feeds, states)

    monkeypatch.setattr(Runner, "run", noted)
    for options, largest in (
        (dict(batch_size=4), 4),
        (dict(), 16),
        (dict(batch_size=4, validation_batch_size=10), 10),
    ):
        sizes.clear()
        train(small(), epochs=1, validation=stripes(60, 1), **options)
        assert max(sizes) == largest and sum(sizes) == 60
    with pytest.raises(cnn.DataError, match="validation_batch_size must be at least 1"):
        train(small(), validation=stripes(60, 1), validation_batch_size=0)


def of_one_pixel() -> cnn.Model:
    image = cnn.input("image", (1, 8, 8))
    x = cnn.batch_norm(cnn.dense(cnn.flatten(image), 8), name="bn")
    return cnn.Model(image, cnn.dense(cnn.relu(x), 2))


def test_batch_norm_of_a_single_number_is_refused() -> None:
    data = stripes(33)
    options = dict(batch_size=16, progress=False)
    message = r'batch_norm "bn" \(test_training_batches.py:\d+\) sees one number .*drop_last=True'
    with pytest.raises(cnn.DataError, match=f"33 items in batches of 16 leave .* one: {message}"):
        of_one_pixel().fit(data, **options)
    of_one_pixel().fit(data, drop_last=True, **options)
    of_one_pixel().fit(data[:32], **options)
    small().fit(data, **options)  # several pixels: a batch of one will do
    session = cnn.Session(of_one_pixel())
    before = {key: value.copy() for key, value in session.states.items()}
    with pytest.raises(cnn.TrainingError, match=message):
        session.step(data.images[:1], data.labels[:1])
    assert all(np.array_equal(before[key], value) for key, value in session.states.items())
    session.step(data.images[:2], data.labels[:2])


def test_a_short_last_batch_can_be_left_out(tmp_path: Path) -> None:
    data, seen = stripes(37), []

    class Noted(cnn.data.Dataset):
        def batches(self, *args, **kwargs):
            for batch in super().batches(*args, **kwargs):
                seen.append(len(batch[1]))
                yield batch

    noted = Noted(data.images, data.labels, data.classes)
    options = dict(batch_size=16, drop_last=True, progress=False, seed=1)
    whole, resumed = small(), small()
    history = whole.fit(noted, epochs=3, **options)
    assert seen == [16] * 6 and history[0]["loss"] < 2
    resumed.fit(data, epochs=1, checkpoint=tmp_path, **options)
    resumed.fit(data, epochs=3, resume=tmp_path, **options)
    assert same_bits(whole, resumed)


def normalised(n: int = 120) -> cnn.data.Dataset:
    data = stripes(n)
    norm = cnn.Normalisation((0.5,), (0.5,))
    return cnn.data.arrays(data.images, data.labels, classes=("flat", "steep"), normalisation=norm)


@pytest.mark.parametrize("given", ["data", "batches", "batch"])
@pytest.mark.parametrize("loss", ["cross_entropy", lambda z, t: cnn.cross_entropy(z, t)])
def test_a_loop_of_ones_own_leaves_the_model_that_fit_leaves(given: str, loss: object) -> None:
    data, options = normalised(), dict(optimizer=cnn.Adam(0.01), seed=7)
    by_fit, own = small(), small()
    history = by_fit.fit(data, epochs=2, batch_size=16, loss=loss, progress=False, **options)
    known = data if given == "data" else None
    with cnn.Session(own, loss, data=known, metrics="accuracy", **options) as session:
        for epoch in range(2):
            order, total = data.shuffled_order(7, epoch), 0.0
            for at in range(0, len(data), 16):
                if given == "batch":
                    images, labels = data.batch(order[at : at + 16])
                else:
                    images, labels = next(data.batches(16, order, at // 16))
                if given == "data":
                    images = np.array(images)  # of no data set any more
                total += session.step(images, labels)["loss"] * len(labels)
            assert history[epoch]["loss"] == pytest.approx(total / len(data))
            # The model has the current weights all the time.
            own.evaluate(data)
    assert same_bits(by_fit, own)
    for key in ("normalisation", "classes", "loss", "seed", "objective"):
        assert getattr(by_fit, key) == getattr(own, key), key
    assert np.array_equal(by_fit.predict(data.images), own.predict(data.images))
    assert by_fit.evaluate(data) == own.evaluate(data)


def test_the_loop_of_the_documentation() -> None:
    data = normalised()
    for shuffle in (True, False):
        model, by_fit = small(), small()
        session = cnn.Session(model, "cross_entropy", cnn.SGD(0.1))
        for images, labels in data.epoch(0, 0, 64) if shuffle else data.batches(64):
            session.step(images, labels)
        session.sync()
        by_fit.fit(data, batch_size=64, optimizer=cnn.SGD(0.1), shuffle=shuffle, progress=False)
        assert same_bits(model, by_fit) and model.metadata() == by_fit.metadata()


def test_all_batches_are_those_of_an_epoch(tmp_path: Path) -> None:
    """Nobody who trains or measures goes round `Dataset.epoch`."""
    asked: list[tuple[Any, ...]] = []
    inside: list[bool] = []

    class Noted(cnn.data.Dataset):
        def epoch(self, *args: Any, **options: Any) -> Any:
            asked.append((self.name, *args))
            inside.append(True)
            yield from super().epoch(*args, **options)
            inside.pop()

        def batches(self, *args: Any, **options: Any) -> Any:
            assert inside
            return super().batches(*args, **options)

    data = stripes(40)
    train, held_out = (Noted(data.images, data.labels, name=name) for name in ("train", "held"))
    model, options = small(), dict(batch_size=16, seed=3, progress=False)
    model.fit(train, validation=held_out, checkpoint=tmp_path, **options)
    model.fit(train, epochs=2, validation=held_out, resume=tmp_path, **options)
    model.evaluate(held_out, batch_size=20)
    assert asked == [
        ("train", 3, 0, 16, 0), ("held", None, 0, 16),
        ("train", 3, 1, 16, 0), ("held", None, 0, 16),
        ("held", None, 0, 20),
    ]  # fmt: skip


def test_a_session_checks_all_targets_of_its_data_at_once() -> None:
    data = stripes()
    wrong = cnn.data.arrays(data.images, np.where(np.arange(120) == 99, 2, data.labels))
    with pytest.raises(cnn.DataError, match="label 2 in row 99"):
        cnn.Session(small(), data=wrong)


def test_an_export_leaves_the_model_as_it_was(tmp_path: Path) -> None:
    model = small().initialize(1)
    before = model.metadata()
    model.export_onnx_training(tmp_path / "training", verify=False)
    assert model.metadata() == before and model.objective is None


def test_images_are_not_normalised_twice() -> None:
    data, model = normalised(), small()
    model.fit(data, progress=False)
    norm = data.normalisation
    assert norm is not None
    once = norm.apply(data.images)
    twice = [
        lambda: model.predict(once),
        lambda: model.predict(once[3:5]),
        lambda: model.evaluate((once, data.labels)),
        lambda: model.predict(data.batch([1, 2], normalised=True)[0]),
        lambda: norm.apply(once),
        lambda: cnn.data.arrays(once, data.labels, normalisation=norm),
        lambda: cnn.Session(small()).step(*next(data.batches(8, normalised=True))),
    ]
    for use in twice:
        with pytest.raises(cnn.DataError, match=r"normalised already, and .* once more"):
            use()
    # Taken back to what they were they are images again, as is what the user says is one.
    model.predict(once * np.float32(0.5) + np.float32(0.5))
    model.predict(np.asarray(once))
    # Without a normalisation of the model, normalised images are just its images.
    plain = small()
    plain.fit((once, data.labels), progress=False)
    assert plain.normalisation is None
    assert np.array_equal(plain.predict(once), plain.predict(np.asarray(once)))


@pytest.mark.parametrize("learned_from", ["floats", "uint8", "normalised"])
def test_floats_in_other_units_are_told_once(learned_from: str, tmp_path: Path) -> None:
    data, model = normalised() if learned_from == "normalised" else stripes(), small()
    pixels = np.clip(data.images * 255, 0, 255)
    if learned_from == "uint8":
        data = cnn.data.arrays(pixels.astype(np.uint8), data.labels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(data, progress=False)
        for _ in range(3):
            model.predict((pixels / 255)[:7])
            model.predict(pixels.astype(np.uint8))
    if learned_from == "normalised":
        model = cnn.load(model.save(tmp_path / "a.safetensors"))
    with pytest.warns(
        cnn.DataWarning, match=r"reach 255, where it learned from pixels up to 1"
    ) as w:
        for _ in range(3):
            model.predict(pixels)
    assert len(w) == 1 and w[0].filename == __file__


def test_floats_that_were_learned_in_other_units_are_right() -> None:
    data, model = stripes(), small()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit((data.images * 100, data.labels), progress=False)
        model.predict(data.images * 100)


def test_units_are_told_after_however_many_batches_of_training() -> None:
    """What the model learns from is not looked at: it is what the others are compared with."""
    data = stripes()
    wrong = data.images * 255
    for use in (
        lambda model: model.predict(wrong),
        lambda model: model.evaluate((wrong, data.labels)),
    ):
        model = small()
        model.fit((data.images, data.labels), batch_size=1, progress=False)
        with pytest.warns(cnn.DataWarning, match="reach 415.* learned from pixels up to 1.6"):
            use(model)
    with pytest.warns(cnn.DataWarning, match="reach .* learned from pixels up to 1.6"):
        small().fit(
            (data.images, data.labels), batch_size=1, progress=False,
            validation=(wrong, data.labels),
        )  # fmt: skip


def test_bytes_for_a_model_that_learned_from_large_floats_are_told() -> None:
    data, model = stripes(), small()
    images = np.clip(data.images * 255, 0, 255)
    model.fit((images, data.labels), batch_size=1, progress=False)
    with pytest.warns(cnn.DataWarning, match="uint8 .* divided by 255, where it .* up to 255: ima"):
        model.predict(images.astype(np.uint8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(images.astype(np.uint8).astype(np.float32))


@pytest.mark.parametrize("runtime", ["native", "reference"])
def test_the_learning_rate_of_a_session_is_set_between_steps(runtime: str) -> None:
    data = stripes()
    x, y = data.images[:16], data.labels[:16]
    at_once, later = small(), small()
    for model, first in ((at_once, 0.5), (later, 0.01)):
        with cnn.Session(model, "cross_entropy", cnn.SGD(first), runtime=runtime) as session:
            assert session.learning_rate == first
            session.learning_rate = 0.5
            session.step(x, y)
            session.learning_rate = cnn.schedules.Constant(0.25)
            assert session.learning_rate == 0.25
            session.step(x, y)
            with pytest.raises(cnn.GraphError, match="learning_rate must be a number greater"):
                session.learning_rate = -1
    assert same_bits(at_once, later)


def test_items_with_axes_in_another_order_get_advice() -> None:
    series = cnn.input("x", (2, 9))
    model = cnn.Model(series, cnn.dense(cnn.flatten(series), 2))
    labels = np.arange(4) % 2
    with pytest.raises(cnn.DataError, match=r"np.moveaxis\(x, -1, 1\)"):
        model.fit(np.zeros((4, 9, 2)), labels)
    volume = cnn.input("x", (1, 3, 3, 3))
    model = cnn.Model(volume, cnn.dense(cnn.flatten(volume), 2))
    with pytest.raises(cnn.DataError, match=r"x\[:, None\]"):
        model.fit(np.zeros((4, 3, 3, 3)), labels)
