"""A run that ends in the middle of anything resumes to the bits of one that did not."""

import pathlib
import random
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from support.small_training import same_bits, small, stripes, train

import graphcnn as cnn
from graphcnn.training.checkpoint import BEST


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


@pytest.mark.skipif(sys.platform == "win32", reason="kills with a signal")
def test_a_run_killed_at_any_time_resumes_to_the_same_bits(tmp_path: Path, full: bool) -> None:
    """Three times in the same folder at random times, then to its end."""
    began = time.monotonic()
    whole = run(tmp_path / "whole")
    needs = time.monotonic() - began
    r = random.Random(0)
    for round_ in range(20 if full else 1):
        folder = tmp_path / str(round_)
        script = textwrap.dedent(
            f"""
            import sys
            from pathlib import Path
            sys.path[:0] = {list(map(str, Path(__file__).parents[:2]))!r}
            from test_interrupted_training import run
            print("ready", flush=True)
            run(Path({str(folder)!r}))
            """
        )
        for _ in range(3):
            with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as child:
                assert child.stdout is not None and child.stdout.readline() == b"ready\n"
                time.sleep(r.uniform(0, needs))
                child.kill()
        resumed = run(folder)
        assert same_bits(whole, resumed), f"round {round_}"
        assert resumed.history.rows == whole.history.rows
        assert (folder / BEST).read_bytes() == (tmp_path / "whole" / BEST).read_bytes()
