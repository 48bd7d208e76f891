"""How a run counts: what the display is told, when checkpoints are written, when it stops."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.small_training import small, stripes

import graphcnn as cnn
from graphcnn.training import fit as fit_module
from graphcnn.training import keeping
from graphcnn.training import run as run_module
from graphcnn.training.checkpoint import BEST
from graphcnn.training.history import History
from graphcnn.training.progress import epoch_lines
from graphcnn.training.run import Run


class Shown(cnn.Watcher):
    """Notes what a display is told; presses Ctrl-C after so many batches."""

    def __init__(self, stop_at: int = 0) -> None:
        self.stop_at, self.began, self.ended = stop_at, (), ""
        self.batches: list[tuple[int, float]] = []
        self.epochs: list[tuple[int, Mapping[str, float]]] = []

    def start(self, run: Run) -> None:
        self.began = (run.epochs, run.batches, run.done)

    def batch(self, run: Run, items: int, row: Mapping[str, float]) -> None:
        self.batches.append((items, row["loss"]))
        if len(self.batches) == self.stop_at:
            os.kill(os.getpid(), signal.SIGINT)

    def epoch(self, run: Run, row: Mapping[str, float]) -> None:
        self.epochs.append((run.position.epoch, dict(row)))

    def end(self, run: Run) -> None:
        self.ended = run.ended


def run(monkeypatch: pytest.MonkeyPatch, stop_at: int = 0, **options: Any) -> tuple[Shown, Any]:
    shown = Shown(stop_at)
    monkeypatch.setattr(fit_module, "display", lambda show: shown)
    settings: dict[str, Any] = dict(epochs=4, batch_size=16, seed=3)
    return shown, small().fit(stripes(), **settings | options)


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("stop_at", [3, 11, 16])
def test_a_resumed_run_is_shown_where_it_stands(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stop_at: int, drop_last: bool
) -> None:
    """120 items in batches of 16: 8 batches an epoch, the last of 8 items, or 7 whole ones."""
    each = 7 if drop_last else 8
    whole, history = run(monkeypatch, drop_last=drop_last)
    assert whole.began == (4, each, 0) and len(whole.batches) == 4 * each
    first, _ = run(monkeypatch, stop_at, drop_last=drop_last, checkpoint=tmp_path)
    second, resumed = run(monkeypatch, drop_last=drop_last, resume=tmp_path)
    assert second.began == (4, each, stop_at)
    assert first.batches + second.batches == whole.batches
    assert first.epochs + second.epochs == whole.epochs
    assert resumed.rows == history.rows
    assert resumed.ended == history.ended == second.ended == "finished"
    assert first.ended == "interrupted"


@pytest.mark.parametrize("drop_last", [False, True])
def test_a_row_is_the_mean_over_the_items_of_the_epoch(
    monkeypatch: pytest.MonkeyPatch, drop_last: bool
) -> None:
    shown, history = run(monkeypatch, epochs=2, drop_last=drop_last)
    assert [number for number, _ in shown.epochs] == [1, 2]
    assert [row for _, row in shown.epochs] == history.rows
    each = len(shown.batches) // 2
    for row, begin in zip(history.rows, (0, each), strict=True):
        batches = shown.batches[begin : begin + each]
        items = sum(n for n, _ in batches)
        assert items == (112 if drop_last else 120)
        assert row["loss"] == pytest.approx(sum(n * loss for n, loss in batches) / items, rel=1e-12)


def test_checkpoints_are_written_after_so_many_batches_and_after_every_epoch(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    written = []
    save = keeping.save_checkpoint

    def note(folder: Path, states: Any, position: Any) -> None:
        written.append((position.epoch, position.batch))
        save(folder, states, position)

    monkeypatch.setattr(keeping, "save_checkpoint", note)
    run(monkeypatch, epochs=2, checkpoint=tmp_path, checkpoint_every=3)
    assert written == [(0, 3), (0, 6), (1, 0), (1, 3), (1, 6), (2, 0)]


def scripted(
    monkeypatch: pytest.MonkeyPatch, losses: list[float], **options: Any
) -> tuple[cnn.Model, History, list[dict[str, np.ndarray]]]:
    """A run whose validation gives these losses: model, history, the states after each epoch."""
    given = iter(losses)
    monkeypatch.setattr(run_module, "measure", lambda *_: {"loss": next(given)})
    after: list[dict[str, np.ndarray]] = []
    model = small()
    history = model.fit(
        stripes(16), batch_size=8, epochs=len(losses), validation=stripes(8, 1), progress=False,
        optimizer=cnn.SGD(0.1), **options,
        callbacks=[lambda epoch, row: after.append({k: a.copy() for k, a in model.states.items()})],
    )  # fmt: skip
    return model, history, after


def same_as(model: cnn.Model, after: list[dict[str, np.ndarray]]) -> int:
    """The epoch after which the states were those of the model."""
    same = [all(np.array_equal(s[k], model.states[k]) for k in s) for s in after]
    assert sum(same) == 1
    return same.index(True) + 1


@pytest.mark.parametrize(
    ("losses", "options", "expected"),
    [
        ([3, 2, 2.5, 1, 1], dict(patience=1), ("stopped early", 3, 2)),
        ([3, 2, 2, 1, 1], dict(patience=1), ("stopped early", 3, 2)),  # equal is no better
        ([3, 2, 2.5, 1, 2], dict(patience=2), ("finished", 5, 4)),
        ([3, 2, 2.5, 2.1, 1], dict(patience=2), ("stopped early", 4, 2)),
        ([3, 2, 2.5, 2.1], dict(patience=2), ("finished", 4, 2)),  # there was nothing left to stop
        ([3, 2.5, 2, 1], dict(patience=1, min_delta=0.5), ("stopped early", 2, 1)),
        ([3, 2.75, 2.25, 2.25], dict(patience=2, min_delta=0.5), ("finished", 4, 3)),
        ([3, 2, 2.5, 1, 1], dict(patience=1, restore_best=False), ("stopped early", 3, 3)),
    ],
)  # fmt: skip
def test_when_a_run_stops_early_and_with_whose_weights(
    monkeypatch: pytest.MonkeyPatch,
    losses: list[float],
    options: dict[str, Any],
    expected: tuple[str, int, int],
) -> None:
    stopping = cnn.EarlyStopping(**options)
    model, history, after = scripted(monkeypatch, losses, early_stopping=stopping)
    assert (history.ended, len(history), same_as(model, after)) == expected


def test_the_best_checkpoint_is_the_first_of_the_least_loss(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    losses = [3.0, 2.0, 2.25, 2.0, 2.5]
    model, history, after = scripted(monkeypatch, losses, checkpoint=tmp_path)
    assert same_as(cnn.load(tmp_path / BEST), after) == 2
    assert (history.ended, same_as(model, after)) == ("finished", 5)


def test_patience_is_at_least_one() -> None:
    assert cnn.EarlyStopping(1).patience == 1
    for wrong in (0, -1, 1.5):
        with pytest.raises(cnn.GraphError, match=rf"patience must be at least 1, found {wrong}"):
            cnn.EarlyStopping(wrong)  # type: ignore[arg-type]


def test_a_run_resumed_for_less_epochs_than_it_has_is_finished(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _, done = run(monkeypatch, epochs=2, checkpoint=tmp_path)
    shown, again = run(monkeypatch, epochs=1, resume=tmp_path)
    assert (again.ended, again.rows, shown.batches) == ("finished", done.rows, [])


def test_many_numbers_take_several_lines() -> None:
    row = {f"{part}{out}_loss": 0.25 for part in ("", "val_") for out in ("digit", "angle", "sum")}
    assert epoch_lines(3, 12, {"loss": 0.5}, 8120) == "epoch 3/12  loss 0.5000  8,120 images/s"
    assert epoch_lines(3, 12, row, 8120, width=70).splitlines() == [
        "epoch 3/12  digit_loss 0.2500  angle_loss 0.2500  sum_loss 0.2500",
        "            val_digit_loss 0.2500  val_angle_loss 0.2500",
        "            val_sum_loss 0.2500  8,120 images/s",
    ]
