"""`fast_dev_run`: a call of `fit` from its first batch to its last callback; nothing is changed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.command_line import XO, done
from support.small_training import same_bits, small, stripes

import graphcnn as cnn
from graphcnn.training.callbacks import CSV, Checkpoints, ReduceOnPlateau, TensorBoard


class Told(cnn.Watcher):
    def __init__(self) -> None:
        self.moments: list[str] = []
        self.rates: list[float] = []

    def start(self, run: Any) -> None:
        self.moments.append("start")

    def batch(self, run: Any, items: int, row: Any) -> None:
        self.moments.append(f"batch of {items}")
        self.rates.append(run.session.last_rate)

    def validation(self, run: Any, row: Any) -> None:
        self.moments.append(f"validation of {len(run.held_out)}")

    def epoch(self, run: Any, row: Any) -> None:
        self.moments.append(f"epoch with {', '.join(row)}")

    def end(self, run: Any) -> None:
        self.moments.append("end")


def test_everything_is_told_nothing_is_kept_and_nothing_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, plain, told = small(), small(), Told()
    plateau = ReduceOnPlateau(patience=0, factor=0.5)
    folders = [CSV(tmp_path / "log.csv"), TensorBoard(tmp_path / "logs")]
    options: dict[str, Any] = dict(
        epochs=3, batch_size=16, validation=0.25, seed=4, optimizer=cnn.EMA(cnn.Adam(0.01)),
        learning_rate=cnn.schedules.Linear(0.02, 0.01),
    )  # fmt: skip
    rehearsal = model.fit(
        stripes(),
        fast_dev_run=2,
        callbacks=[told, plateau, *folders, Checkpoints(tmp_path / "models")],
        checkpoint=tmp_path / "run",
        validate_at_steps=50,
        **options,
    )
    assert told.moments == [
        "start", "batch of 16", "batch of 16", "validation of 30",
        "epoch with loss, accuracy, val_loss, val_accuracy", "end",
    ]  # fmt: skip
    assert told.rates == [0.02, 0.02 - 0.01 / 18]  # the schedule is that of 18 steps
    assert len(rehearsal) == 1 and rehearsal.ended == (
        "fast_dev_run: 2 steps and a validation; small is as it was, and nothing was written, "
        "without CSV, TensorBoard, Checkpoints"
    )
    assert rehearsal.ended in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == []
    assert not model.is_initialized and model.normalisation is None and not model.classes
    assert model.loss == "cross_entropy" and model.seed is None
    # The run finds model and callbacks as if there had been no rehearsal.
    first = model.fit(stripes(), callbacks=[plateau], progress=False, **options)
    again = ReduceOnPlateau(patience=0, factor=0.5)
    second = plain.fit(stripes(), callbacks=[again], progress=False, **options)
    assert same_bits(model, plain) and first.rows == second.rows and first.rates == second.rates
    before = {key: array.copy() for key, array in model.states.items()}
    model.fit(stripes(), fast_dev_run=True, progress=False, seed=9)
    assert all(np.array_equal(before[key], model.states[key]) for key in before)
    assert model.seed == 4


def test_its_steps_are_the_first_of_the_run_also_of_streams() -> None:
    steps = dict(step_history=True, progress=False, batch_size=16, seed=2)
    run = small().fit(stripes(), threads=2, **steps)
    short = small().fit(stripes(), fast_dev_run=3, epochs=9, threads=1, **steps)
    assert short.steps == run.steps[:3]
    drawn: list[int] = []

    def batches(epoch: int) -> Any:
        for images, labels in stripes().epoch(0, epoch, 16):
            drawn.append(len(labels))
            yield np.asarray(images), np.asarray(labels)

    stream = cnn.data.stream(batches)
    found = small().fit(stream, validation=stream, fast_dev_run=True, progress=False)
    assert "1 step and a validation" in found.ended and len(drawn) < 8
    few = small().fit(stripes(), fast_dev_run=100, progress=False, batch_size=60)
    assert "2 steps;" in few.ended


def test_what_a_run_would_fail_of_fails_now() -> None:
    class Broken(cnn.Watcher):
        def end(self, run: Any) -> None:
            raise ValueError("at the very end")

    with pytest.raises(ValueError, match="at the very end"):
        small().fit(stripes(), fast_dev_run=True, callbacks=[Broken()], progress=False)
    for wrong in (0, -1, 1.5, "yes"):
        with pytest.raises(cnn.DataError, match="fast_dev_run: True, or a number of steps"):
            small().fit(stripes(), fast_dev_run=wrong)  # type: ignore[arg-type]


def test_the_command_rehearses_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(
        "import graphcnn as cnn\n"
        "def net(classes=2):\n"
        "    image = cnn.input('image', (1, 12, 12))\n"
        "    return cnn.Model(image, cnn.dense(cnn.flatten(image), classes), name='net')\n"
    )
    told = done("train", "net.py:net", "--data", XO, "--fast-dev-run", "2", "--epochs", "50",
                "--log", "run.csv", "--checkpoint", "run", "--curves", "c.svg",
                "--no-progress")  # fmt: skip
    assert told == "fast_dev_run: 2 steps; net is as it was, and nothing was written, without CSV\n"
    assert [path.name for path in tmp_path.iterdir() if path.name != "__pycache__"] == ["net.py"]
    assert "1 step;" in done("train", "net.py:net", "--data", XO, "--no-progress", "--fast-dev-run")


def test_a_length_that_is_none_is_refused_where_it_is_said() -> None:
    with pytest.raises(cnn.DataError, match="MaxSteps: steps must be at least 1, and whole"):
        cnn.callbacks.MaxSteps("10")  # type: ignore[arg-type]


def test_averages_of_a_rehearsal_read_its_batches_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    name = "graphcnn.training.averages.recalibrate"
    monkeypatch.setattr(name, lambda model, data, **_: seen.append(len(data)))
    options = dict(optimizer=cnn.SWA(cnn.SGD(0.1), start=1), batch_size=16, progress=False)
    small().fit(stripes(), fast_dev_run=2, **options)
    small().fit(stripes(), **options)
    assert seen == [32, 120]
