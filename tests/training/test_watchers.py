"""Watchers: told of a run as it goes on, in one order, and able to stop it."""

import os
import re
import signal
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.small_training import small, stripes

import graphcnn as cnn
from graphcnn.training import keeping
from graphcnn.training.run import Run

#: Two batches of eight items an epoch.
QUIET: dict[str, Any] = dict(batch_size=8, seed=3, progress=False)


class Noting(cnn.Watcher):
    """Notes what it is told, and gives a reason for stopping after an epoch."""

    def __init__(self, name: str, told: list[tuple[Any, ...]], stop_after: int = 0) -> None:
        self.name, self.told, self.stop_after = name, told, stop_after

    def start(self, run: Run) -> None:
        self.told.append((self.name, "start", run.position.epoch, run.position.batch))

    def batch(self, run: Run, items: int, row: Mapping[str, float]) -> None:
        assert set(row) == {"loss", "accuracy"}
        self.told.append((self.name, "batch", run.position.batch, items))

    def epoch(self, run: Run, row: Mapping[str, float]) -> str | None:
        assert row is run.position.rows[-1]
        self.told.append((self.name, "epoch", run.position.epoch))
        return self.name if run.position.epoch == self.stop_after else None

    def end(self, run: Run) -> None:
        run.model.unfreeze()  # the model is nobody's any more
        self.told.append((self.name, "end", run.ended))


def test_all_are_told_of_everything_in_their_order() -> None:
    told: list[tuple[Any, ...]] = []
    watching = [Noting("a", told, 2), Noting("b", told, 1), lambda *row: told.append(row[:1])]
    history = small().fit(stripes(12), epochs=3, callbacks=watching, **QUIET)
    both = [("batch", 1, 8), ("batch", 2, 4), ("epoch", 1)]
    assert told == [
        ("a", "start", 0, 0), ("b", "start", 0, 0),
        *((name, *what) for what in both for name in "ab"), (1,),
        ("a", "end", "b"), ("b", "end", "b"),
    ]  # fmt: skip
    assert (history.ended, len(history)) == ("b", 1)


def test_a_reason_after_the_last_epoch_stops_nothing() -> None:
    told: list[tuple[Any, ...]] = []
    history = small().fit(stripes(12), epochs=2, callbacks=[Noting("a", told, 2)], **QUIET)
    assert history.ended == "finished" and told[-1] == ("a", "end", "finished")


def test_whoever_was_started_is_told_of_an_end_by_an_error() -> None:
    told: list[tuple[Any, ...]] = []

    class Failing(cnn.Watcher):
        def batch(self, run: Run, items: int, row: Mapping[str, float]) -> None:
            raise KeyError("mine")

        def end(self, run: Run) -> None:
            raise ValueError("this too")

    with pytest.raises(ValueError, match="this too") as error:
        small().fit(stripes(12), callbacks=[Failing(), Noting("a", told)], **QUIET)
    assert isinstance(error.value.__context__, KeyError)
    assert told == [("a", "start", 0, 0), ("a", "end", "")]


def test_a_run_goes_on_with_what_a_watcher_wrote_after_a_batch(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Killed behind any checkpoint, resumed to the same bits; none is written twice in vain."""

    class Clip(cnn.Watcher):
        def __init__(self, stop_at: int = 0) -> None:
            self.stop_at = stop_at

        def batch(self, run: Run, items: int, row: Mapping[str, float]) -> None:
            states = run.model.states
            run.model.update_states({k: np.clip(a, -0.1, 0.1) for k, a in states.items()})
            if run.done == self.stop_at:
                os.kill(os.getpid(), signal.SIGINT)

    data, whole, resumed = stripes(12), small(), small()
    whole.fit(data, epochs=2, callbacks=[Clip()], **QUIET)
    options = dict(epochs=2, checkpoint_every=1, **QUIET)
    history = resumed.fit(data, callbacks=[Clip(1)], checkpoint=tmp_path, **options)
    assert history.ended == "interrupted"
    written: list[tuple[int, int]] = []
    save = keeping.save_checkpoint

    def note(folder: Path, states: Any, position: Any) -> None:
        written.append((position.epoch, position.batch))
        save(folder, states, position)

    monkeypatch.setattr(keeping, "save_checkpoint", note)
    resumed.fit(data, callbacks=[Clip()], resume=tmp_path, **options)
    assert all(np.array_equal(whole.states[k], resumed.states[k]) for k in whole.states)
    assert written == [(0, 2), (1, 0), (1, 1), (1, 2), (2, 0)]


def test_the_example_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    told = cnn.Model.fit.__doc__
    (code,) = re.findall(r"\n\n( +class \w+\(cnn\.Watcher\).*?)\n\n +Returns", told, re.S)
    known = dict(cnn=cnn, model=small(), train=stripes(), held_out=stripes(40, 1))
    exec(textwrap.dedent(code), known)
    (ended, epochs) = re.fullmatch(r"(.*) after (\d+) epochs\n", capsys.readouterr().out).groups()
    assert ended == "accurate enough" and 1 <= int(epochs) < 50
    accuracy = known["history"]["val_accuracy"]
    assert accuracy[-1] > 0.95 and all(each <= 0.95 for each in accuracy[:-1])


def test_what_is_no_watcher_is_refused() -> None:
    class Wrong(cnn.Watcher):
        def epoch(self, run: Run, row: Mapping[str, float]) -> Any:
            return True

    with pytest.raises(cnn.DataError, match="the reason why training ends, or None, found True"):
        small().fit(stripes(12), callbacks=[Wrong()], **QUIET)
    with pytest.raises(cnn.DataError, match=r"a run has one EarlyStopping, found Early.*, Early"):
        twice = dict(early_stopping=3, callbacks=[cnn.EarlyStopping(2)])
        small().fit(stripes(12), **twice, **QUIET)
    with pytest.raises(cnn.DataError, match=r"give an object, Wrong\(\), and not the class"):
        small().fit(stripes(12), callbacks=[Wrong], **QUIET)
