"""How much of an export is compared: by what it costs, by the clock, and all on request."""

import json
import sys

import numpy as np
import pytest
from support.command_line import done, refused

import graphcnn as cnn
from graphcnn.errors import MissingExtraError
from graphcnn.models import MODELS
from graphcnn.onnx.comparing import effort, modes
from graphcnn.onnx.comparing.effort import Effort, cost, order
from graphcnn.onnx.comparing.parity import compare
from graphcnn.onnx.exporting.export import export_graph

pytest.importorskip("onnxruntime")

ALL = [(n, on) for n in (1, 2, 5) for on in (True, False)]


class Clock:
    """Time that passes only where somebody works."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    """A clock that ONNX Runtime moves by 0.1 s for every item."""
    found = Clock()
    monkeypatch.setattr(effort, "clock", found)
    right = modes.ort.run

    def run(session, feeds, names=None):
        found.now += 0.1 * len(next(iter(feeds.values())))
        return right(session, feeds, names)

    monkeypatch.setattr(modes.ort, "run", run)
    return found


def graph(*shape):
    x = cnn.input("x", shape)
    return cnn.Model(x, cnn.relu(x)).graph


def compared(clock, seconds, ours=0.1, model=None, **options):
    def run(feeds):
        clock.now += ours * len(feeds["x"])
        return {"output": np.maximum(feeds["x"], 0)}

    parity = compare(export_graph(model or graph(4), {}), run, seconds=seconds, **options)
    return [(d.batch, d.optimised) for d in parity.differences], " ".join(parity.notes)


def test_the_order_is_that_of_what_is_told():
    assert order([1, 2, 5]) == [(1, True), (2, True), (1, False), (2, False), (5, True), (5, False)]
    assert order([8]) == [(8, True), (8, False)]


@pytest.mark.parametrize(
    ("seconds", "steps", "note"),
    [
        (None, ALL, ""),
        (2.5, ALL, ""),
        (1.0, ALL[:4], "left out: batch 5, about 1.5 s more; verify=True"),
        (0.75, ALL[:3], "left out: batch 5, batch 2 with optimisations off, about 1.7 s"),
        (0.65, [ALL[0], ALL[2]], "batch 5, batch 1 with optimisations off, batch 2 with optim"),
        (0.45, ALL[:2], "left out: batch 2 and 5, about 2.1 s more"),
        (0.2, ALL[:1], "left out: batch 2 and 5, batch 1 with optimisations off, about 2.2 s more"),
        (0.0, ALL[:1], "left out: batch 2 and 5, batch 1 with optimisations off, about 2.2 s more"),
    ],
)
def test_what_fits_is_compared_and_the_rest_is_named(clock, seconds, steps, note):
    found, notes = compared(clock, seconds)
    assert found == steps and note in notes and bool(note) == bool(notes)


def test_a_fixed_batch_has_its_modes_left_out(clock):
    found, notes = compared(clock, 1.0, model=graph(4).bind(3))
    assert found == [(3, True), (3, False)] and not notes
    found, notes = compared(clock, 0.5, model=graph(4).bind(3))
    assert found == [(3, True)] and "left out: batch 3 with optimisations off, about 0.3 s" in notes


def test_a_busy_machine_does_not_count(clock):
    """What takes long and costs little waits for others."""
    assert compared(clock, 1.0, ours=60.0)[0] == [(1, True)]
    assert compared(clock, 1.0, ours=60.0, cost=0.01)[0] == ALL
    assert compared(clock, 1.0, ours=60.0, cost=0.03, model=graph(4).bind(3))[0] == [
        (3, True), (3, False)
    ]  # fmt: skip


def test_a_mode_that_is_lost_is_not_left_out(clock, monkeypatch):
    right = modes.ort.run

    def run(session, feeds, names=None):
        if session.optimised:
            raise modes.CrashError("died with its optimisations on")
        return right(session, feeds, names)

    monkeypatch.setattr(modes.ort, "run", run)
    found, notes = compared(clock, 0.0)
    assert found == [(1, False)]
    assert "compared without this mode left out: batch 2 with optimisations off, batch 5" in notes


def test_cost_counts_multiply_adds_and_what_is_written(monkeypatch):
    monkeypatch.setattr(effort, "MULTIPLY_ADDS", 1.0)
    monkeypatch.setattr(effort, "WRITTEN", float("inf"))
    x = cnn.input("x", (3, 8, 8))
    y = cnn.Model(x, cnn.relu(cnn.conv2d(x, 4, 3))).graph
    assert cost(y) == 4 * 6 * 6 * 27
    monkeypatch.setattr(effort, "MULTIPLY_ADDS", float("inf"))
    monkeypatch.setattr(effort, "WRITTEN", 1.0)
    assert cost(y) == 3 * 8 * 8 + 4 * 27 + 4 + 2 * 4 * 6 * 6


def test_loading_counts_by_the_size_of_the_model(clock, monkeypatch):
    model = export_graph(graph(4), {})
    monkeypatch.setattr(effort, "LOADED", 1.0)
    monkeypatch.setattr(effort, "LEAST", 0.5)
    assert effort.loading(model, {"w": np.ones(3, np.float32)}) == 0.5 + model.ByteSize() + 12
    assert effort.loading("m.onnx", {}) == float("inf")
    each = Effort(1.0)
    with each.timed("load", most=0.25):
        clock.now += 5.0
    assert each.spent == 0.25


def test_time_without_end():
    each = Effort(None)
    with each.timed("load"), each.timed(True, 3):
        pass
    assert each.allows((5, False), {"load": 1, "ours": 5, False: 5}) and not each.notes()


# Export


def test_export_takes_its_time_on_request(tmp_path, monkeypatch):
    model = MODELS["lenet5"]().initialize(0)
    monkeypatch.setattr(effort, "SECONDS", 0.0)
    quick = model.export_onnx(tmp_path / "m.onnx")
    assert [(d.batch, d.optimised) for d in quick.differences] == ALL[:1] and quick.passed
    assert "left out: batch 2 and 5" in str(quick)
    assert "left out" in json.loads(quick.to_json())["notes"][0]
    whole = model.export_onnx(tmp_path / "m.onnx", verify=True)
    assert [(d.batch, d.optimised) for d in whole.differences] == ALL and not whole.notes
    monkeypatch.setattr(effort, "SECONDS", 1000.0)
    assert model.export_onnx(tmp_path / "m.onnx") == whole
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert model.export_onnx(tmp_path / "m.onnx") is None
    with pytest.raises(MissingExtraError):
        model.export_onnx(tmp_path / "m.onnx", verify=True)


def test_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(effort, "SECONDS", 0.0)
    to = ("export", "lenet5", "-o", tmp_path / "m.onnx")
    assert "left out: batch 2 and 5" in done(*to)
    text = done(*to, "--verify")
    rows = [line for line in text.split("\n\n")[0].split("\n") if line.startswith("logits")]
    assert "left out" not in text and len(rows) == 6
    assert done(*to, "--no-verify").strip() == f"written: {tmp_path / 'm.onnx'}"
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert "graphcnn[verify]" in refused(1, *to, "--verify")
