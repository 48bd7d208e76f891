"""A run that ends in the middle of anything resumes to the bits of one that did not."""

import pathlib
import random
import subprocess
import sys
import textwrap
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.small_training import same_bits, small, stripes, train

import graphcnn as cnn
from graphcnn.training.checkpoint import BEST, LAST
from graphcnn.training.run import Run


class Cut(BaseException):
    """Stands for the end of the process: nothing below `fit` may handle it."""


def run(folder: Path | None = None) -> cnn.Model:
    """A run that validates, with a checkpoint after every third batch."""
    return train(
        small(),
        epochs=4,
        optimizer=cnn.SGD(3.0),
        validation=stripes(40, 1),
        early_stopping=cnn.EarlyStopping(patience=4),
        checkpoint_every=3 if folder else None,
        resume=folder,
    )


def test_a_run_cut_between_any_two_of_its_files_resumes_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`best` and `last` take turns; whichever of them was the last to be written, the other fits:
    a position that names a best epoch never stands there before the weights of that epoch."""
    whole = run(tmp_path / "whole")
    best = (tmp_path / "whole" / BEST).read_bytes()
    replace = pathlib.Path.replace
    left = [0]

    def counted(path: Path, target: Path) -> Path:
        if not left[0]:
            raise Cut
        left[0] -= 1
        return replace(path, target)

    monkeypatch.setattr(pathlib.Path, "replace", counted)
    for files in range(100):
        folder = tmp_path / str(files)
        left[0] = files
        try:
            run(folder)
            break
        except Cut:
            left[0] = -1  # as many as there are
            resumed = run(folder)
            assert same_bits(whole, resumed), f"cut after {files} files"
            assert resumed.history.rows == whole.history.rows
            assert (folder / BEST).read_bytes() == best, f"cut after {files} files"
    assert files > 10


class Read:
    """Images that are read while training, and are no array."""

    digest = "stripes"

    def __init__(self, images: Any) -> None:
        self.images, self.shape, self.dtype = images, images.shape, images.dtype

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: Any) -> Any:
        return self.images[index]


class Remembering(cnn.Watcher):
    """Lowers the rate for good by what it saw of all steps, and writes into the model."""

    def __init__(self) -> None:
        self.seen = np.zeros(2)

    def batch(self, run: Run, items: int, row: Mapping[str, float]) -> None:
        self.seen += (1, row["loss"])
        run.log("seen", self.seen[1])

    def validation(self, run: Run, row: Mapping[str, float]) -> None:
        kernel = run.model.states["logits.bias"]
        run.model.update_states({"logits.bias": np.clip(kernel, -0.5, 0.5)})

    def epoch(self, run: Run, row: Mapping[str, float]) -> None:
        if run.position.epoch == 3:
            run.learning_rate = run.learning_rate * float(self.seen[1] / self.seen[0])

    def state(self) -> Any:
        return {"seen": self.seen}

    def restore(self, state: Any) -> None:
        self.seen = state["seen"]


def with_everything(folder: Path) -> cnn.Model:
    """A run with all that has a state or draws numbers, which leaves files of all kinds."""
    data = stripes()
    read = replace(data, images=Read(data.images)).weighted("balanced")
    augment, callbacks = cnn.augment, cnn.callbacks
    rates = cnn.schedules.Cosine(0.2, steps=None, warmup=cnn.schedules.epochs(1))
    rule = cnn.SGD(rates, momentum=0.9, groups={"*.bias": {"learning_rate": 2}})
    return train(
        small(),
        read.augmented(augment.flip(), augment.crop(1), augment.cutout(2), augment.mixup()),
        epochs=5,
        shards=2,
        loss="cross_entropy",
        optimizer=cnn.EMA(rule, decay=0.9),
        metrics=["accuracy", "f1"],
        validation=stripes(40, 1),
        validate_at_steps=5,
        early_stopping=cnn.EarlyStopping(4, monitor="val_accuracy"),
        step_history=True,
        checkpoint_every=3,
        resume=folder,
        callbacks=[
            Remembering(),
            callbacks.ReduceOnPlateau(patience=0, factor=0.5),
            callbacks.CSV(folder / "a.csv"),
            callbacks.JSONL(folder / "a.jsonl", every_steps=1),
            callbacks.Checkpoints(folder / "models", monitor="val_loss", keep=2),
        ],
    )


def files(folder: Path) -> dict[str, bytes]:
    """All of a run but its checkpoint, which tells how often it was resumed."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != LAST)
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.mark.skipif(sys.platform == "win32", reason="kills with a signal")
def test_a_run_killed_at_any_time_resumes_to_the_same_bits(tmp_path: Path, full: bool) -> None:
    """Killed in the same folder at random times, until it comes to its end: the same states, rows,
    rates, steps and files as without. `--full` does so twenty times."""
    began = time.monotonic()
    whole = with_everything(tmp_path / "whole")
    needs = time.monotonic() - began
    r = random.Random(0)
    for round_ in range(20 if full else 1):
        folder = tmp_path / str(round_)
        script = textwrap.dedent(
            f"""
            import sys
            from pathlib import Path
            sys.path[:0] = {list(map(str, Path(__file__).parents[:2]))!r}
            from test_interrupted_training import with_everything
            print("ready", flush=True)
            with_everything(Path({str(folder)!r}))
            """
        )
        for _ in range(3):
            with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as child:
                assert child.stdout is not None and child.stdout.readline() == b"ready\n"
                time.sleep(r.uniform(0, needs))
                child.kill()
        resumed = with_everything(folder)
        assert same_bits(whole, resumed), f"round {round_}"
        for what in ("rows", "rates", "steps", "ended"):
            found, expected = getattr(resumed.history, what), getattr(whole.history, what)
            assert found == expected, f"round {round_}: {what}"
        assert files(folder) == files(tmp_path / "whole"), f"round {round_}"
    assert {"a.csv", "a.jsonl", BEST} < set(files(tmp_path / "whole"))
