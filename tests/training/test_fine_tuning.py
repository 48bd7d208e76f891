"""Fine tuning: what each phase trains and at which rate, and runs that go on where they stopped."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.errors import DataError, GraphError, WeightsError
from graphcnn.ir.graph import state_of
from graphcnn.ir.node import Array
from graphcnn.training.run import Run


def base() -> cnn.Model:
    image = cnn.input("image", (1, 8, 8))
    x = cnn.conv2d(image, 4, 3, bias=False, name="conv")
    x = cnn.batch_norm(x, activation="relu", name="norm")
    x = cnn.dropout(cnn.flatten(cnn.max_pool2d(x, 2)), 0.2)
    return cnn.Model(image, cnn.dense(x, 5, name="logits"), name="base").initialize(1)


def started() -> cnn.Model:
    return cnn.replace_head(base(), classes=3)


def data(n: int = 48) -> cnn.data.Dataset:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, n)
    images = rng.random((n, 1, 8, 8), np.float32) + 0.3 * labels[:, None, None, None]
    return cnn.data.arrays(images.astype(np.float32), labels)


OPTIONS = {"epochs": (2, 3), "batch_size": 16, "progress": False, "optimizer": cnn.Adam(0.01)}


class Seen(cnn.Watcher):
    """What is trained, and the rate, in every step; and one who interrupts."""

    def __init__(self, stop_at: int = 0) -> None:
        self.steps: list[tuple[tuple[str, ...], float]] = []
        self.stop_at = stop_at

    def batch(self, run: Run, items: int, row: Mapping[str, float]) -> None:
        keys = tuple(state_of(p).key for p in run.model.graph.parameters if state_of(p).trainable)
        self.steps.append((keys, run.learning_rate))
        if len(self.steps) == self.stop_at:
            raise KeyboardInterrupt


HEAD = ("logits.weight", "logits.bias")
ALL = ("conv.weight", "norm.gamma", "norm.beta", *HEAD)


def test_the_head_first_and_then_all_at_a_tenth_of_the_rate() -> None:
    model, seen = started(), Seen()
    before = {key: np.array(array) for key, array in model.states.items()}
    history = model.fine_tune(data(), callbacks=[seen], **OPTIONS)
    assert [keys for keys, _ in seen.steps] == [HEAD] * 6 + [ALL] * 9
    np.testing.assert_allclose([rate for _, rate in seen.steps], [0.01] * 6 + [0.001] * 9)
    assert [len(each) for each in history.phases] == [2, 3] and len(history) == 5
    assert history["loss"] == [*history.phases[0]["loss"], *history.phases[1]["loss"]]
    assert history["loss"][-1] < history["loss"][0]
    np.testing.assert_allclose(history.rates, [0.01, 0.01, 0.001, 0.001, 0.001])
    changed = {key for key, array in before.items() if not np.array_equal(model.states[key], array)}
    assert changed == {*ALL}  # not the running statistics
    assert model.seed != 0  # but another: no epoch shuffles as one of the first phase did
    free = base().with_head(classes=3, freeze=False)
    operators = ([n.op for n in each.training_graph().nodes] for each in (model, free))
    assert next(operators) == next(operators)


def test_statistics_rates_and_layers_can_be_chosen() -> None:
    model, seen = base(), Seen()
    rates = (cnn.schedules.Cosine(0.02), 0.004)
    history = model.fine_tune(
        data(), callbacks=[seen], head="logits.*", frozen="conv.*", statistics="moving",
        learning_rate=rates, validation=0.25, weights=np.ones(48, np.float32), step_history=True,
        **OPTIONS,
    )  # fmt: skip
    assert [keys for keys, _ in seen.steps] == [HEAD] * 6 + [ALL[1:]] * 9
    assert 0.01 < seen.steps[0][1] < 0.02 and seen.steps[4][1] < 0.005  # of the step to come
    assert seen.steps[-1][1] == pytest.approx(0.004)
    assert not np.array_equal(model.states["norm.mean"], np.zeros(4, np.float32))
    assert [row["step"] for row in history.steps] == [*range(1, len(seen.steps) + 1)]
    assert "val_loss" in history.columns


def ended(model: cnn.Model) -> dict[str, Array]:
    return {key: np.array(array) for key, array in model.states.items()}


@pytest.mark.parametrize("stop_at", [2, 6, 7, 11])
def test_a_run_that_was_stopped_ends_with_the_same_bits(stop_at: int, tmp_path: Path) -> None:
    """In either phase, and at their border; by other numbers of threads, too."""
    train = data().augmented(cnn.augment.flip(), cnn.augment.crop(1))
    whole = started()
    wanted = whole.fine_tune(train, threads=2, **OPTIONS)
    first = started()
    with pytest.raises(KeyboardInterrupt):
        first.fine_tune(
            train, checkpoint=tmp_path, checkpoint_every=1, callbacks=[Seen(stop_at)], threads=1,
            **OPTIONS,
        )  # fmt: skip
    model = started()
    found = model.fine_tune(train, resume=tmp_path, threads=1, **OPTIONS)
    assert found.rows == wanted.rows
    assert [each.rows for each in found.phases] == [each.rows for each in wanted.phases]
    for key, array in ended(whole).items():
        np.testing.assert_array_equal(array, model.states[key])
    again = started()
    assert again.fine_tune(train, resume=tmp_path, **OPTIONS).rows == wanted.rows
    assert all(np.array_equal(ended(again)[key], array) for key, array in ended(whole).items())


def test_another_run_is_not_gone_on_with(tmp_path: Path) -> None:
    started().fine_tune(data(), checkpoint=tmp_path, **OPTIONS)
    with pytest.raises(WeightsError, match=r"follows 2 epochs of the first: .* epochs=\(2, ...\)"):
        started().fine_tune(data(), resume=tmp_path, **{**OPTIONS, "epochs": (3, 3)})
    with pytest.raises(WeightsError, match="learning_rate: the run had"):
        started().fine_tune(data(), resume=tmp_path, factor=0.5, **OPTIONS)
    longer = {**OPTIONS, "epochs": (2, 4)}
    wanted = started().fine_tune(data(), **longer)
    assert started().fine_tune(data(), resume=tmp_path, **longer).rows == wanted.rows


def test_what_is_no_fine_tuning_is_refused() -> None:
    model = started()
    with pytest.raises(DataError, match="epochs must be those of both phases"):
        model.fine_tune(data(), epochs=5)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="at least one epoch"):
        model.fine_tune(data(), epochs=(0, 2))
    with pytest.raises(GraphError, match="unknown statistics 'frozen'"):
        model.fine_tune(data(), statistics="frozen")
    with pytest.raises(GraphError, match=r"no parameter matches 'fc\.\*'"):
        model.fine_tune(data(), head="fc.*")
    model.freeze()
    with pytest.raises(GraphError, match="all parameters of 'base' are frozen"):
        model.fine_tune(data())
