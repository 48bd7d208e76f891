"""What watchers can do to a run, and what of it a run that goes on still knows."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.small_training import same_bits, small, stripes

import graphcnn as cnn
from graphcnn.learning.metrics.choosing import NAMES
from graphcnn.training.run import Run

#: Three batches of eight items an epoch.
QUIET: dict[str, Any] = dict(batch_size=8, seed=3, progress=False, optimizer=cnn.SGD(0.1))


def fit(model: cnn.Model, *callbacks: Any, **options: Any) -> Any:
    return model.fit(stripes(24), callbacks=list(callbacks), **QUIET | options)


class Slower(cnn.Watcher):
    """Lowers the rate in a way that depends on all it saw; counts in every moment."""

    def __init__(self, stop_at: int = 0) -> None:
        self.stop_at, self.seen, self.moments = stop_at, np.zeros(2), []

    def batch(self, run: Run, items: int, row: Mapping[str, float]) -> None:
        self.seen += (1, row["loss"])
        run.log("seen", self.seen[1])
        if self.seen[0] % 4 == 0:
            run.learning_rate *= 0.5
        if run.done == self.stop_at:
            os.kill(os.getpid(), signal.SIGINT)

    def validation(self, run: Run, row: Mapping[str, float]) -> None:
        assert set(row) == {"val_loss", "val_accuracy"}
        self.moments.append(("validation", run.position.epoch, run.done))

    def epoch(self, run: Run, row: Mapping[str, float]) -> None:
        assert row is run.position.rows[-1]
        self.moments.append(("epoch", run.position.epoch, run.done))
        run.log("epochs", run.position.epoch)

    def state(self) -> Any:
        return {"seen": self.seen, "moments": self.moments}

    def restore(self, state: Any) -> None:
        self.seen = state["seen"]
        self.moments = [tuple(each) for each in state["moments"]]


def test_what_watchers_set_log_and_remember_survives_a_resume(tmp_path: Path) -> None:
    """Stopped after every step in turn: bits, rows, rates and every step are those of the whole."""
    told: dict[str, Any] = dict(
        epochs=3, validation=0.25, validation_every=2, validate_at_steps=2, step_history=True
    )
    whole, watcher = small(), Slower()
    history = fit(whole, watcher, **told)
    assert watcher.moments == [
        ("validation", 0, 2), ("epoch", 1, 3),
        ("validation", 1, 4), ("validation", 1, 6), ("epoch", 2, 6),
        ("validation", 2, 8), ("validation", 2, 9), ("epoch", 3, 9),
    ]  # fmt: skip
    assert history.rates == [0.1, 0.05, 0.025] and history["epochs"] == [1, 2, 3]
    assert [set(row) >= {"val_loss"} for row in history] == [False, True, True]
    assert [row["step"] for row in history.steps] == list(range(1, 10))
    assert [row["learning_rate"] for row in history.steps] == 4 * [0.1] + 4 * [0.05] + [0.025]
    assert [s["step"] for s in history.steps if "val_loss" in s] == [2, 4, 6, 8, 9]
    for at in range(1, 10):
        folder, resumed, again = tmp_path / str(at), small(), Slower()
        first = fit(resumed, Slower(at), checkpoint=folder, **told)
        assert first.ended == "interrupted"
        second = fit(resumed, again, resume=folder, **told)
        assert same_bits(whole, resumed)
        assert (second.rows, second.rates, second.steps) == (
            history.rows, history.rates, history.steps
        )  # fmt: skip
        assert again.moments == watcher.moments


class Failing(cnn.Watcher):
    def __init__(self, moment: str) -> None:
        setattr(self, moment, self.fail)

    def fail(self, run: Run, *about: Any) -> None:
        if run.done == 6:
            raise KeyError("mine")


@pytest.mark.parametrize("moment", ["validation", "epoch"])
def test_an_error_of_a_watcher_is_named_and_loses_nothing(tmp_path: Path, moment: str) -> None:
    """The steps of the epoch are not taken again; all are told of it again, as if never before."""
    told: dict[str, Any] = dict(epochs=3, validation=0.25)
    whole, watcher = small(), Slower()
    history = fit(whole, watcher, **told)
    resumed, before, steps = small(), Slower(), []
    with pytest.raises(KeyError, match="mine") as error:
        fit(resumed, before, Failing(moment), checkpoint=tmp_path, **told)
    (note,) = error.value.__notes__
    number = {"validation": 2, "epoch": 2}[moment]
    assert note == (
        f"raised by the callback Failing in its {moment}(), in epoch {number} after 6 steps"
    )

    class Steps(cnn.Watcher):
        def batch(self, run: Run, items: int, row: Mapping[str, float]) -> None:
            steps.append(run.done)

    again = Slower()
    second = fit(resumed, again, Steps(), resume=tmp_path, **told)
    assert steps == [7, 8, 9]
    assert same_bits(whole, resumed) and second.rows == history.rows
    assert again.moments == watcher.moments


def test_stopping_within_an_epoch(tmp_path: Path) -> None:
    class Enough(cnn.Watcher):
        def batch(self, run: Run, items: int, row: Mapping[str, float]) -> None:
            if run.done >= at:
                run.stop("enough")
                run.stop("too late to be the reason")

    whole = small()
    fit(whole, epochs=2)
    for at, rows in ((2, 0), (3, 1), (5, 1)):
        model, folder = small(), tmp_path / str(at)
        history = fit(model, Enough(), epochs=2, checkpoint=folder)
        assert (history.ended, len(history), bool(history.unfinished)) == ("enough", rows, at != 3)
        assert fit(model, epochs=2, resume=folder).ended == "finished"
        assert same_bits(whole, model)
    at = 6
    assert fit(small(), Enough(), epochs=2).ended == "finished"


def test_limits_and_epochs_of_so_many_steps(tmp_path: Path) -> None:
    assert fit(small(), max_time=1e-9, epochs=3).ended == "the time was up: 1e-09 s"
    history = fit(small(), max_steps=7)
    assert (history.ended, len(history)) == ("7 steps were taken", 2)
    three, five = small(), small()
    fit(three, epochs=5)  # 15 steps in both, through the same batches
    history = fit(five, epochs=3, steps_per_epoch=5)
    assert len(history) == 3 and same_bits(three, five)
    resumed = small()
    for steps in (2, 7, 15):
        fit(resumed, epochs=3, steps_per_epoch=5, max_steps=steps, resume=tmp_path)
    assert same_bits(three, resumed)
    for wrong in (0, -1, "soon", "5", "1x"):
        with pytest.raises(cnn.DataError, match="a time must be seconds greater than 0"):
            fit(small(), max_time=wrong, epochs=2)
    with pytest.raises(cnn.DataError, match="say epochs, too"):
        fit(small(), max_time=1)
    with pytest.raises(cnn.WeightsError, match="steps_per_epoch: the run had 5, this call has 4"):
        fit(small(), epochs=4, steps_per_epoch=4, resume=tmp_path)


def test_early_stopping_on_any_number_with_a_mode() -> None:
    class Scripted(cnn.Watcher):
        def validation(self, run: Run, row: Mapping[str, float]) -> None:
            run.log("score", [1, 3, 2, 2, 9][run.position.epoch])

    model = small()
    first = small()
    told: dict[str, Any] = dict(epochs=5, validation=0.25, batch_size=6)
    score = dict(patience=2, monitor=lambda row: row["score"])
    history = fit(model, Scripted(), cnn.EarlyStopping(mode="max", **score), **told)
    assert (history.ended, len(history)) == ("stopped early", 4)
    fit(first, **told | dict(epochs=2))
    assert same_bits(model, first)  # whose weights were the best
    assert len(fit(small(), Scripted(), cnn.EarlyStopping(mode="min", **score), **told)) == 3
    assert cnn.EarlyStopping(monitor="val_accuracy").monitored.more
    assert not cnn.EarlyStopping(monitor="val_loss").monitored.more
    less = {n for n in NAMES if not cnn.EarlyStopping(monitor=f"val_{n}").monitored.more}
    assert less == {"hamming_loss", "log_loss", "brier", "mae", "mse", "rmse", "mape"}
    with pytest.raises(cnn.GraphError, match="whether more or less of 'score' is better"):
        cnn.EarlyStopping(monitor="score")
    with pytest.raises(cnn.DataError, match=r"no 'val_acuracy' to monitor; .* have loss, accuracy"):
        fit(small(), cnn.EarlyStopping(monitor="val_acuracy", mode="max"), **told)


def test_a_fraction_is_set_aside_as_by_hand() -> None:
    one, two, data = small(), small(), stripes(24)
    train, held_out = data.split(0.25, 3)
    a = fit(one, validation=0.25)
    b = two.fit(train, validation=held_out, **QUIET)
    assert a.rows == b.rows and same_bits(one, two)


def test_other_spellings_are_answered_with_ours() -> None:
    for name, words in (
        ("class_weight", "class_weights="), ("validation_split", "validation=0.1"),
        ("epoch", "did you mean 'epochs'"), ("verbose", "progress=False"),
    ):  # fmt: skip
        with pytest.raises(TypeError, match=rf"no argument '{name}': .*{words}"):
            fit(small(), **{name: 1})


def test_a_line_per_epoch_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    fit(small(), epochs=2, progress=None)
    out, lines = capsys.readouterr().out, capsys.readouterr
    assert out == ""
    fit(small(), epochs=2, progress=None)
    shown = lines().err.splitlines()
    assert [line.split("  ")[0] for line in shown] == ["epoch 1/2", "epoch 2/2"]
    fit(small(), epochs=2, progress=False)
    assert lines().err == ""
