"""While a run trains a model, reading and writing the model's states means those of the run."""

import gc

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.network.weights import read_tensors

RNG = np.random.default_rng(1)
IMAGES = RNG.random((48, 1, 6, 6), dtype=np.float32)
LABELS = np.arange(48) % 3
TRAIN = cnn.data.arrays(IMAGES + LABELS[:, None, None, None] / 4, LABELS)
HELD_OUT = cnn.data.arrays(RNG.random((20, 1, 6, 6), dtype=np.float32), np.arange(20) % 3)
RUNTIMES = pytest.mark.parametrize("runtime", ["native", "reference"])


def net() -> cnn.Model:
    image = cnn.input("image", (1, 6, 6))
    x = cnn.relu(cnn.batch_norm(cnn.conv2d(image, 5, 3, name="C1"), name="norm"))
    return cnn.Model(image, cnn.dense(cnn.flatten(x), 3, name="logits"), name="net")


def fit(model: cnn.Model, *callbacks: object, **options: object) -> cnn.training.history.History:
    settings = {"epochs": 4, "batch_size": 8, "optimizer": cnn.Adam(0.01), "threads": 1}
    settings |= {"progress": False, "validation": HELD_OUT, "callbacks": callbacks, "seed": 3}
    return model.fit(TRAIN, **{**settings, **options})


def by_hand(runtime: str, change, epochs: int = 4) -> tuple[cnn.Session, list[float]]:
    """The loop that `fit` is, with the states changed in the session itself."""
    model = net().initialize(3)
    session = cnn.Session(
        model, "cross_entropy", cnn.Adam(0.01), seed=3, runtime=runtime, threads=1
    )
    losses = []
    for epoch in range(epochs):
        for images, labels in TRAIN.batches(8, TRAIN.shuffled_order(3, epoch)):
            session.step(images, labels)
        other = net()
        other.replace_states({k: session.states[k].copy() for k in other.states})
        losses.append(other.evaluate(HELD_OUT, batch_size=8, runtime=runtime, threads=1)["loss"])
        session.load(change({k: session.states[k] for k in model.states}))
    return session, losses


def clipped(states: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {key: np.clip(array, -0.05, 0.05) for key, array in states.items() if "weight" in key}


def same(a, b) -> bool:
    return a.keys() == b.keys() and all(a[k].tobytes() == b[k].tobytes() for k in a)


@RUNTIMES
def test_writing_what_was_read_changes_nothing(runtime: str, tmp_path) -> None:
    plain, written = net(), net()
    kept = fit(plain, runtime=runtime, checkpoint=tmp_path / "a", early_stopping=2)
    rows = fit(
        written,
        lambda epoch, row: written.set_parameters({k: v.copy() for k, v in written.states.items()}),
        runtime=runtime, checkpoint=tmp_path / "b", early_stopping=2,
    )  # fmt: skip
    assert rows.rows == kept.rows and same(dict(plain.states), dict(written.states))
    for name in ("last.safetensors", "best.safetensors"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@RUNTIMES
def test_clipping_in_a_callback_is_clipping_in_the_loop(runtime: str) -> None:
    model = net()
    history = fit(
        model, lambda epoch, row: model.set_parameters(clipped(dict(model.states))), runtime=runtime
    )
    session, losses = by_hand(runtime, clipped)
    assert [row["val_loss"] for row in history.rows] == losses
    assert same(dict(model.states), {k: session.states[k] for k in model.states})
    assert np.abs(model.states["logits.weight"]).max() <= np.float32(0.05)


@RUNTIMES
def test_a_moving_average_swapped_in_and_out(runtime: str) -> None:
    model, average, measured = net(), {}, []

    def swap(epoch: int, row: object) -> None:
        own = {k: v.copy() for k, v in model.states.items()}
        for key, array in own.items():
            average[key] = (0.5 * average.get(key, array) + 0.5 * array).astype(array.dtype)
        model.set_parameters(average)
        measured.append(model.evaluate(HELD_OUT, runtime=runtime, threads=1)["loss"])
        assert same(dict(model.states), average)
        model.set_parameters(own)

    history = fit(model, swap, runtime=runtime)
    session, losses = by_hand(runtime, lambda states: states)
    assert [row["val_loss"] for row in history.rows] == losses
    assert same(dict(model.states), {k: session.states[k] for k in model.states})
    other = net()
    other.replace_states(average)
    assert measured[-1] == other.evaluate(HELD_OUT, runtime=runtime, threads=1)["loss"]
    assert len(set(measured)) == 4 and measured != losses


@RUNTIMES
def test_a_resumed_run_goes_on_from_what_a_callback_wrote(runtime: str, tmp_path) -> None:
    def run(model: cnn.Model, **options: object) -> list[dict[str, float]]:
        clip = lambda epoch, row: model.set_parameters(clipped(dict(model.states)))  # noqa: E731
        return fit(model, clip, runtime=runtime, **options).rows

    whole, first, second = net(), net(), net()
    expected = run(whole)
    run(first, epochs=2, checkpoint=tmp_path)
    assert run(second, resume=tmp_path) == expected
    assert same(dict(second.states), dict(whole.states))


def test_a_callback_saves_what_it_wrote(tmp_path) -> None:
    model, seen = net(), []

    def keep(epoch: int, row: object) -> None:
        model.set_parameters(clipped(dict(model.states)))
        model.save(tmp_path / "now.safetensors")
        seen.append(cnn.load(tmp_path / "now.safetensors").states["logits.weight"])
        assert seen[-1].tobytes() == model.states["logits.weight"].tobytes()
        assert np.abs(seen[-1]).max() <= np.float32(0.05)

    fit(model, keep, epochs=3, checkpoint=tmp_path)
    last = read_tensors(tmp_path / "last.safetensors")[0]
    assert last["logits.weight"].tobytes() == seen[-1].tobytes()


@RUNTIMES
def test_loading_and_initialising_in_a_callback(runtime: str, tmp_path) -> None:
    start = net().initialize(9)
    start.save(tmp_path / "start.safetensors")
    model, losses = net(), []

    def back(epoch: int, row: dict[str, float]) -> None:
        losses.append(row["loss"])
        if epoch % 2:
            model.load(tmp_path / "start.safetensors")
        else:
            model.initialize(9)
        assert same(dict(model.states), dict(start.states))

    fit(model, back, runtime=runtime, optimizer=cnn.SGD(1e-30), shuffle=False)
    assert losses[1] == losses[2] == losses[3] != losses[0]
    assert same(dict(model.states), dict(start.states))


def test_what_a_callback_may_not_do() -> None:
    model = net()
    user = cnn.Model(model.graph.inputs, cnn.dense(model["logits"], 3, name="head"))
    free = net()
    refused = []

    def attempt(epoch: int, row: object) -> None:
        session = cnn.Session(user)
        for wrong in (
            lambda: model.freeze("C1.*"),
            lambda: user.unfreeze("*"),
            lambda: fit(model),
            lambda: user.fit(TRAIN, progress=False),
            lambda: session.step(IMAGES[:4], LABELS[:4]),
        ):
            with pytest.raises(cnn.TrainingError, match="fit") as found:
                wrong()
            refused.append(str(found.value))
        fit(free, epochs=1)
        model.predict(IMAGES[:3])

    plain = net()
    fit(plain)
    fit(model, attempt)
    assert len(refused) == 20 and same(dict(model.states), dict(plain.states))
    model.freeze("C1.*")
    fit(user, validation=None, epochs=1)


def test_after_an_error_in_a_callback_the_model_is_free() -> None:
    model = net()

    def fail(epoch: int, row: object) -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        fit(model, fail)
    model.freeze("C1.*")
    assert fit(model).ended == "finished"


@RUNTIMES
def test_a_session_steps_from_what_was_written(runtime: str) -> None:
    model, other = net().initialize(1), net().initialize(1)
    sessions = [cnn.Session(m, optimizer=cnn.Adam(0.01), runtime=runtime) for m in (model, other)]
    for i in range(4):
        batch = IMAGES[i * 8 : i * 8 + 8], LABELS[i * 8 : i * 8 + 8]
        for session in sessions:
            session.step(*batch)
        assert same(dict(model.states), dict(other.states))
        model.set_parameters(clipped(dict(model.states)))
        sessions[1].load(clipped({k: sessions[1].states[k] for k in model.states}))
    assert same(sessions[0].states, sessions[1].states)
    assert np.abs(model.states["C1.weight"]).max() <= np.float32(0.05)
    sessions[0].sync()
    assert same(dict(model.states), dict(other.states))


@RUNTIMES
def test_sessions_of_shared_states_take_turns(runtime: str) -> None:
    """Two heads on one trunk, a step of each in turn, is one network with the states handed on."""
    first = net().initialize(1)
    second = cnn.Model(first.graph.inputs, cnn.dense(cnn.relu(first["logits"]), 2, name="head"))
    second.initialize_missing(1)
    ours = [cnn.Session(m, optimizer=cnn.SGD(0.05), runtime=runtime) for m in (first, second)]
    apart = net().initialize(1)
    tail = cnn.Model(apart.graph.inputs, cnn.dense(cnn.relu(apart["logits"]), 2, name="head"))
    tail.initialize_missing(1)
    copies = {key: array.copy() for key, array in tail.states.items()}
    for i in range(4):
        images, labels = IMAGES[i * 8 : i * 8 + 8], LABELS[i * 8 : i * 8 + 8]
        for number, session in enumerate(ours):
            session.step(images, labels % (3 - number))
            alone = (apart, tail)[number]
            alone.replace_states({k: copies[k] for k in alone.states})
            single = cnn.Session(alone, optimizer=cnn.SGD(0.05), runtime=runtime)
            single.step(images, labels % (3 - number))
            single.sync()
            copies |= {k: v.copy() for k, v in alone.states.items()}
            assert same(dict(second.states), copies)
    for session in ours:
        session.sync()
    assert first.states["C1.weight"] is second.states["C1.weight"]
    assert same(dict(second.states), copies)


def test_frozen_states_are_read_as_they_are_by_now() -> None:
    model = net().initialize(1)
    model.freeze("C1.*")
    session = cnn.Session(model, optimizer=cnn.SGD(1e-30))
    first = session.step(IMAGES, LABELS)["loss"]
    old = model.states["C1.weight"].copy()
    model.set_parameters({"C1.weight": 2 * old})
    second = session.step(IMAGES, LABELS)["loss"]
    model.set_parameters({"C1.weight": old})
    assert session.step(IMAGES, LABELS)["loss"] == first != second


def test_a_session_that_is_gone_leaves_its_values() -> None:
    model = net().initialize(1)
    before = model.states["C1.weight"].copy()
    session = cnn.Session(model)
    session.step(IMAGES, LABELS)
    expected = session.states
    del session
    gc.collect()
    assert same(dict(model.states), {k: expected[k] for k in model.states})
    assert not np.array_equal(model.states["C1.weight"], before)


def test_a_session_ends_where_what_is_trained_changes() -> None:
    model = net()
    session = cnn.Session(model)
    session.step(IMAGES, LABELS)
    model.freeze("C1.*")
    with pytest.raises(cnn.TrainingError, match="go on with a new Session"):
        session.step(IMAGES, LABELS)
    cnn.Session(model).step(IMAGES, LABELS)
