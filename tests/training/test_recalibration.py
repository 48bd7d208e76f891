"""Batch normalisation: statistics estimated anew, kept, or moved while its parameters rest."""

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.errors import DataError, GraphError, WeightsError
from graphcnn.ir.node import Array


def branching() -> cnn.Model:
    """Two normalisations side by side, and one that waits for both."""
    image = cnn.input("image", (1, 8, 8))
    x = cnn.conv2d(image, 4, 3, name="stem")
    a = cnn.batch_norm(cnn.conv2d(x, 3, 1, name="c1"), momentum=1.0, name="a", activation="relu")
    b = cnn.batch_norm(cnn.conv2d(x, 3, 3, padding=1, name="c2"), momentum=1.0, name="b")
    y = cnn.dropout(cnn.conv2d(cnn.add(a, b), 5, 3, name="c3"), 0.0)
    y = cnn.batch_norm(cnn.flatten(y, name="flat"), momentum=1.0, name="c", activation="relu")
    return cnn.Model(image, cnn.dense(y, 3, name="logits"), name="branching").initialize(4)


def data(n: int = 50) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    return rng.random((n, 1, 8, 8), np.float32), rng.integers(0, 3, n)


def running(model: cnn.Model) -> dict[str, Array]:
    return {k: np.array(a) for k, a in model.states.items() if k[2:] in ("mean", "variance")}


def test_each_has_the_statistics_of_what_it_sees() -> None:
    """In inference, where those before have theirs; in any pieces, with any threads."""
    images, labels = data()
    found: dict[int, dict[str, Array]] = {}
    for size, threads in ((7, 1), (50, 1), (50, 2)):
        model = branching()
        assert model.recalibrate(images, batch_size=size, threads=threads) == ["a", "b", "c"]
        seen = model.activations(images)
        for name, source in (("a", "c1"), ("b", "c2"), ("c", "flat")):
            x = np.moveaxis(seen[source].astype(np.float64), 1, 0).reshape(
                seen[source].shape[1], -1
            )
            states = model.states
            np.testing.assert_allclose(states[f"{name}.mean"], x.mean(1), rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(states[f"{name}.variance"], x.var(1, ddof=1), rtol=1e-5)
        found[size + threads] = running(model)
    assert all(np.array_equal(found[51][key], found[52][key]) for key in found[51])
    wanted = found[51]
    trained = branching()  # the first ones are those of a step on all items, with momentum 1
    cnn.Session(trained, "cross_entropy", cnn.SGD(1e-30)).step(images, labels)
    for key in ("a.mean", "a.variance", "b.mean", "b.variance"):
        np.testing.assert_allclose(wanted[key], trained.states[key], rtol=2e-6, atol=1e-7)
    again = branching()
    again.recalibrate((images, labels), batch_size=50)
    assert all(np.array_equal(running(again)[key], found[51][key]) for key in wanted)
    again.recalibrate(cnn.data.arrays(images, labels), batch_size=50)
    assert all(np.array_equal(running(again)[key], found[51][key]) for key in wanted)


def test_some_layers_only() -> None:
    model, (images, _) = branching(), data()
    before = running(model)
    model.recalibrate(images, "[ab]")
    after = running(model)
    changed = [key for key in before if not np.array_equal(before[key], after[key])]
    assert changed == ["a.mean", "a.variance", "b.mean", "b.variance"]


def test_several_inputs() -> None:
    a, b = cnn.input("a", (4,)), cnn.input("b", (4,))
    model = cnn.Model([a, b], cnn.batch_norm(a * b, name="norm")).initialize(0)
    x, y = (np.random.default_rng(i).random((9, 4), np.float32) for i in (0, 1))
    for given in ({"a": x, "b": y}, (x, y), ({"a": x, "b": y}, np.zeros(9))):
        model.initialize(0).recalibrate(given)
        np.testing.assert_allclose(model.states["norm.mean"], (x * y).mean(0), rtol=1e-6)


def test_what_no_statistics_are_made_of_is_refused() -> None:
    model, (images, _) = branching(), data()
    with pytest.raises(GraphError, match=r"no batch normalisation of 'branching' matches 'd'"):
        model.recalibrate(images, "d")
    with pytest.raises(DataError, match=r"batch_norm 'c' .* sees 1 number per channel"):
        model.recalibrate(images[:1])
    model.set_parameters({"stem.weight": np.full((4, 1, 3, 3), 1e38, np.float32)})
    with np.errstate(all="ignore"), pytest.raises(DataError, match=r"batch_norm 'a' .* not finite"):
        model.recalibrate(images)


def steps(model: cnn.Model) -> tuple[dict[str, Array], dict[str, Array]]:
    """Running statistics, and the parameters of "a", after two steps."""
    images, labels = data()
    with cnn.Session(model, "cross_entropy", cnn.SGD(0.1)) as session:
        for _ in range(2):
            session.step(images, labels)
    return running(model), {k: np.array(a) for k, a in model.parameters.items() if k[:2] == "a."}


def test_statistics_rest_while_parameters_are_trained_and_the_other_way_round() -> None:
    before, parameters = running(branching()), dict(branching().parameters)

    kept = branching()
    assert kept.freeze("[abc].*", statistics="kept") == [*before]
    found, trained = steps(kept)
    assert all(np.array_equal(found[key], before[key]) for key in before)
    assert not any(np.array_equal(trained[key], parameters[key]) for key in trained)

    moving = branching()
    assert moving.freeze("a.*", statistics="moving") == ["a.gamma", "a.beta"]
    found, trained = steps(moving)
    assert not np.array_equal(found["a.mean"], before["a.mean"])
    assert all(np.array_equal(trained[key], parameters[key]) for key in trained)

    resting = branching()
    resting.freeze("a.*")
    found, _ = steps(resting)
    assert np.array_equal(found["a.mean"], before["a.mean"])

    for model in (kept, moving, resting):
        model.unfreeze()
        assert str(model.training_graph()) == str(branching().training_graph())


def test_kept_statistics_are_saved_and_estimated_anew_like_others(tmp_path) -> None:
    model, (images, _) = branching(), data()
    model.freeze(statistics="kept")
    loaded = cnn.load(model.save(tmp_path / "kept.safetensors"))
    other = branching()
    for each in (loaded, other):
        each.recalibrate(images)
    assert all(np.array_equal(loaded.states[key], other.states[key]) for key in other.states)
    before = running(loaded)
    assert all(np.array_equal(before[key], a) for key, a in steps(loaded)[0].items())
    with pytest.raises(GraphError, match="unknown statistics 'frozen'; known are kept, moving"):
        model.freeze(statistics="frozen")
    with pytest.raises(GraphError, match=r"no running statistic matches 'c1\.\*'"):
        model.freeze("c1.*", statistics="kept")
    assert other.load(tmp_path / "kept.safetensors") is other
    with pytest.raises(WeightsError):
        cnn.models.digits_cnn().load(tmp_path / "kept.safetensors")


def test_data_that_come_in_batches_are_data_and_an_error_changes_nothing() -> None:
    images, labels = data()
    model, same = branching(), branching()
    batches = [(images[at : at + 16], labels[at : at + 16]) for at in range(0, 50, 16)]
    model.recalibrate(cnn.data.stream(lambda: iter(batches)))
    same.recalibrate(images, batch_size=16)
    before = running(model)
    assert all(np.array_equal(before[key], a) for key, a in running(same).items())
    with pytest.raises(DataError, match="gives its batches once"):
        model.recalibrate((images[:9] + 1, labels[:9]) for _ in range(2))
    assert all(np.array_equal(before[key], a) for key, a in running(model).items())
