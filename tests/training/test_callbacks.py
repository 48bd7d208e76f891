"""The ready callbacks: what they write and set, and that a run that goes on does so exactly."""

import csv
import json
import math
import os
import signal
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.small_training import same_bits, small, stripes

import graphcnn as cnn
from graphcnn.training.callbacks import (
    CSV,
    JSONL,
    Checkpoints,
    NaNGuard,
    ReduceOnPlateau,
    TensorBoard,
)
from graphcnn.training.run import Run

#: Three batches of eight items an epoch.
QUIET: dict[str, Any] = dict(batch_size=8, seed=3, progress=False, optimizer=cnn.SGD(0.1))


def fit(model: cnn.Model, *callbacks: Any, **options: Any) -> Any:
    return model.fit(stripes(24), callbacks=list(callbacks), **QUIET | options)


class Interrupt(cnn.Watcher):
    def __init__(self, at: int) -> None:
        self.at = at

    def batch(self, run: Run, items: int, row: Mapping[str, float]) -> None:
        if run.done == self.at:
            os.kill(os.getpid(), signal.SIGINT)


class Late(cnn.Watcher):
    """Logs a number from the second epoch on."""

    def validation(self, run: Run, row: Mapping[str, float]) -> None:
        if run.position.epoch:
            run.log("late", run.position.epoch / 3)


def events(path: Path) -> list[tuple[int, dict[str, float]]]:
    """Step and numbers of every record, with its checksums compared. A reader of its own."""
    data, found = path.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        assert struct.unpack("<I", data[8:12])[0] == masked(data[:8])
        message, data = data[12 : 12 + length], data[12 + length :]
        assert struct.unpack("<I", data[:4])[0] == masked(message)
        data = data[4:]
        fields = dict(read(message))
        if 5 in fields:
            values = [dict(read(v)) for k, v in read(fields[5]) if k == 1]
            found.append((fields.get(2, 0), {v[1].decode(): v[2] for v in values}))
    return found


def masked(data: bytes) -> int:
    """CRC-32C by its definition, a division of polynomials, bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def read(message: bytes) -> list[tuple[int, Any]]:
    found, at = [], 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        key = varint()
        if key & 7 == 0:
            found.append((key >> 3, varint()))
            continue
        size = {1: 8, 5: 4}.get(key & 7) or varint()
        piece, at = message[at : at + size], at + size
        kinds: dict[int, Callable[[bytes], Any]] = {
            1: lambda b: struct.unpack("<d", b)[0],
            2: bytes,
            5: lambda b: struct.unpack("<f", b)[0],
        }
        found.append((key >> 3, kinds[key & 7](piece)))
    return found


def test_files_of_the_history_have_all_of_it_once(tmp_path: Path) -> None:
    """Stopped after every step in turn, and with the files spoilt by what came after: the same
    files as without a stop, but for the times in TensorBoard's."""
    told: dict[str, Any] = dict(epochs=3, validation=0.25, checkpoint_every=1)

    def callbacks(folder: Path) -> list[Any]:
        return [
            Late(), CSV(folder / "a.csv"), JSONL(folder / "a.jsonl"),
            JSONL(folder / "steps.jsonl", every_steps=2), TensorBoard(folder / "tb", 2),
        ]  # fmt: skip

    whole = tmp_path / "whole"
    history = fit(small(), *callbacks(whole), **told, checkpoint=whole)
    with (whole / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["late"] for row in rows] == ["", repr(1 / 3), repr(2 / 3)]
    for key in history.columns:
        assert [float(row[key] or "nan") for row in rows][1:] == history[key][1:]
    lines = [json.loads(line) for line in (whole / "steps.jsonl").read_text().splitlines()]
    assert [line.get("epoch", line["step"]) for line in lines] == [2, 1, 4, 6, 2, 8, 3]
    assert [line["loss"] for line in lines if "epoch" in line] == history["loss"]
    assert lines[-1]["step"] == 9 and lines[-1]["learning_rate"] == 0.1
    shown = events(next((whole / "tb").iterdir()))
    assert [step for step, _ in shown] == [2, 3, 4, 6, 6, 8, 9]
    assert shown[1][1]["train/loss"] == np.float32(history["loss"][0])
    assert shown[1][1]["validation/accuracy"] == np.float32(history["val_accuracy"][0])
    names = ("a.csv", "a.jsonl", "steps.jsonl")
    for at in range(1, 10):
        folder = tmp_path / str(at)
        fit(small(), *callbacks(folder), Interrupt(at), **told, checkpoint=folder)
        for name in ("steps.jsonl", "a.jsonl"):
            with (folder / name).open("a") as file:
                file.write('{"step": 99}\n{"half')  # what a later, lost part of the run wrote
        if at == 5:
            (folder / "a.jsonl").unlink()
        fit(small(), *callbacks(folder), **told, resume=folder)
        for name in names:
            assert (folder / name).read_bytes() == (whole / name).read_bytes(), (name, at)
        assert events(next((folder / "tb").iterdir())) == shown


def test_tensorboard_reads_its_files(tmp_path: Path) -> None:
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    history = fit(small(), TensorBoard(tmp_path), epochs=2)
    found = loader.EventAccumulator(str(tmp_path))
    found.Reload()
    assert set(found.Tags()["scalars"]) == {"train/loss", "train/accuracy", "learning_rate"}
    assert [(e.step, e.value) for e in found.Scalars("train/loss")] == [
        (step, np.float32(x)) for step, x in zip((3, 6), history["loss"], strict=True)
    ]


#: Values, settings, and the rates after each epoch by torch 2.13's ReduceLROnPlateau on SGD(0.1).
PLATEAUS = [
    ([5, 4, 4, 4, 4, 3, 3, 3], dict(patience=1, factor=0.5),
     [0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05, 0.025]),
    ([5, 5, 5, 5, 5, 5, 5, 5], dict(patience=0, factor=0.1, cooldown=2, min_rate=0.002),
     [0.1, 0.01, 0.01, 0.01, 0.002, 0.002, 0.002, 0.002]),
    ([1, 2, 2.1, 2.15, 2.16, math.nan, 3, 3], 
     dict(patience=1, factor=0.5, mode="max", threshold=0.1),
     [0.1, 0.1, 0.1, 0.05, 0.05, 0.025, 0.025, 0.025]),
    ([1, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65],
     dict(patience=1, factor=0.5, threshold=0.1, threshold_mode="abs"),
     [0.1, 0.1, 0.05, 0.05, 0.05, 0.025, 0.025, 0.025]),
]  # fmt: skip


@pytest.mark.parametrize(("values", "settings", "expected"), PLATEAUS)
def test_plateaus_are_those_of_torch(
    values: list[float], settings: dict[str, Any], expected: list[float], tmp_path: Path
) -> None:
    """Also where the run is stopped and goes on in the middle of it."""

    rates: list[float] = []

    class Told(cnn.Watcher):
        def validation(self, run: Run, row: Mapping[str, float]) -> None:
            run.log("score", values[run.position.epoch])

        def epoch(self, run: Run, row: Mapping[str, float]) -> None:
            rates.append(run.learning_rate)

    settings = {"mode": "min"} | settings
    for at in (24, 13):
        rates.clear()
        folder = tmp_path / str(at)
        for _ in range(2):
            plateau = ReduceOnPlateau("score", **settings)
            watching = [plateau, Told(), *([] if rates else [Interrupt(at)])]
            fit(small(), *watching, epochs=8, validation=0.25, resume=folder)
        assert rates == pytest.approx(expected, rel=1e-12)


def test_checkpoints_keep_the_last_and_the_best(tmp_path: Path) -> None:
    scores = [1.0, 3.0, 2.0, 5.0, 4.0, 0.0]

    class Score(cnn.Watcher):
        def validation(self, run: Run, row: Mapping[str, float]) -> None:
            run.log("score", scores[run.position.epoch])

    def callbacks() -> list[Any]:
        by = dict(monitor=lambda row: row["score"], keep=2)
        return [
            Score(),
            Checkpoints(tmp_path / "last", keep=2),
            Checkpoints(tmp_path / "even", every=2),
            Checkpoints(tmp_path / "most", mode="max", name="{epoch}-{score:.1f}", **by),
            Checkpoints(tmp_path / "least", mode="min", **by),
        ]

    told: dict[str, Any] = dict(epochs=6, validation=0.25, resume=tmp_path / "run")
    model, watching = small(), callbacks()
    fit(model, *callbacks(), Interrupt(11), **told)
    fit(model, *watching, **told)
    found = {
        folder: sorted(path.stem for path in (tmp_path / folder).iterdir())
        for folder in ("last", "even", "most", "least")
    }
    assert found == {
        "last": ["epoch-0005", "epoch-0006"],
        "even": ["epoch-0002", "epoch-0004", "epoch-0006"],
        "most": ["4-5.0", "5-4.0"],
        "least": ["epoch-0001", "epoch-0006"],
    }
    assert [path.stem for path in watching[3].kept] == ["4-5.0", "5-4.0"]
    assert same_bits(cnn.load(tmp_path / "last" / "epoch-0006.safetensors"), model)
    with pytest.raises(cnn.GraphError, match=r"cannot be filled in .*'nothing'.*known are epoch"):
        fit(small(), Checkpoints(tmp_path / "x", name="{nothing}"))


def test_a_weight_that_is_not_finite_is_found_behind_a_finite_loss() -> None:
    class Spoil(cnn.Watcher):
        def batch(self, run: Run, items: int, row: Mapping[str, float]) -> None:
            if run.done == 2:
                slot = next(k for k in run.session.states if "bn1" in k and "mean" in k)
                run.model.update_states({slot: np.full(4, np.inf, np.float32)})

    with pytest.raises(cnn.TrainingError, match=r"after step 2, bn1.*mean is not finite, though"):
        fit(small(), Spoil(), NaNGuard(every=1))
    with pytest.raises(cnn.TrainingError, match="after step 3,"):
        fit(small(), Spoil(), NaNGuard())


@pytest.mark.parametrize("threads", [1, 2])
def test_averaged_weights_are_measured_kept_and_left(tmp_path: Path, threads: int) -> None:
    """EMA and SWA: stopped anywhere, the same bits; the model ends with what was measured."""
    told: dict[str, Any] = dict(epochs=3, validation=stripes(16, 1), threads=threads)
    for make in (cnn.EMA, lambda o: cnn.SWA(o, start=4, every=2)):
        told["optimizer"] = make(cnn.SGD(0.5))
        whole, plain = small(), small()
        history = fit(whole, **told)
        fit(plain, **told | dict(optimizer=cnn.SGD(0.5)))
        assert not same_bits(whole, plain)
        if make is cnn.EMA:
            measured = whole.evaluate(stripes(16, 1), batch_size=8)
            assert history[-1]["val_loss"] == measured["loss"]
            norms = [k for k in whole.states if "bn1" in k and "running" in k]
            assert all(np.array_equal(whole.states[k], plain.states[k]) for k in norms)
        else:  # normalised for the mean of the weights
            again = cnn.load(whole.save(tmp_path / "swa.safetensors"))
            again.recalibrate(stripes(24), threads=1)
            assert same_bits(again, whole)
        for at in (2, 4, 8):
            folder = tmp_path / f"{type(told['optimizer']).__name__}{at}"
            resumed = small()
            fit(resumed, Interrupt(at), checkpoint=folder, **told)
            second = fit(resumed, resume=folder, **told)
            assert same_bits(whole, resumed) and second.rows == history.rows
            best = history["val_loss"].index(min(history["val_loss"]))
            kept = cnn.load(folder / "best.safetensors").evaluate(stripes(16, 1), batch_size=8)
            assert kept["loss"] == history["val_loss"][best]
