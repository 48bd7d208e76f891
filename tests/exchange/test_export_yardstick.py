"""The yardstick of `export`: a file takes its name after the comparison, or not at all."""

import json

import numpy as np
import pytest
from onnx import numpy_helper
from support.command_line import run
from support.yardstick_models import RIGHT, classifier, model, node, sums

import graphcnn as cnn
from graphcnn.errors import VerifyError
from graphcnn.exchange import export as exporting
from graphcnn.exchange.export import ParityError
from graphcnn.models import MODELS
from graphcnn.onnx.exporting import export as writing

pytest.importorskip("onnxruntime")


@pytest.mark.parametrize("make", [m for m in RIGHT if m is not sums])  # its batch is summed up
def test_right_models_are_written(make, tmp_path):
    read = cnn.import_onnx(make(2).SerializeToString())
    parity = read.export_onnx(tmp_path / "m.onnx", verify=True)
    assert (
        parity.passed
        and parity.bound is None
        and all(v.agreed for v in parity.verdicts)
        and not parity.notes
    )
    assert (tmp_path / "m.onnx").exists()
    assert all(" exact" in v["words"] for v in json.loads(parity.to_json())["verdicts"])


def written_wrongly(monkeypatch, change):
    """Let the exporter put other numbers into the file."""
    right = writing.build_model

    def wrong(*arguments, **options):
        made, data = right(*arguments, **options)
        for tensor in made.graph.initializer:
            array = change(tensor.name, numpy_helper.to_array(tensor).copy())
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
        return made, data

    monkeypatch.setattr(writing, "build_model", wrong)


def off(name, array):
    """One weight of one layer off by 1 %."""
    if name == "C1.weight":
        array.flat[0] *= np.float32(1.01)
    return array


@pytest.mark.parametrize("before", [None, b"old"])
def test_a_wrong_file_does_not_take_its_name(monkeypatch, tmp_path, before):
    path = tmp_path / "m.onnx"
    if before is not None:
        path.write_bytes(before)
    written_wrongly(monkeypatch, off)
    lenet = MODELS["lenet5"]().initialize(1)
    with pytest.raises(ParityError, match="verify=False") as caught:
        lenet.export_onnx(path)
    assert isinstance(caught.value, VerifyError) and not caught.value.parity.passed
    assert ("as it was before" if before else "not there") in str(caught.value)
    assert (path.read_bytes() if path.exists() else None) == before
    assert [p.name for p in tmp_path.iterdir()] == (["m.onnx"] if before else [])
    assert lenet.export_onnx(path, verify=False) is None and path.stat().st_size > 1000


def test_the_command_says_written_last_or_not_at_all(monkeypatch, tmp_path):
    path, report = tmp_path / "m.onnx", tmp_path / "report.json"
    right = run("export", "lenet5", "-o", path)
    assert right.exit_code == 0 and right.stdout.splitlines()[-1] == f"written: {path}"
    path.unlink()
    written_wrongly(monkeypatch, off)
    wrong = run("export", "lenet5", "-o", path, "--report", report)
    assert wrong.exit_code == 1 and not path.exists()
    assert "written:" not in wrong.output and "--no-verify" in wrong.output
    assert json.loads(report.read_text())["passed"] is False


def test_a_node_that_onnx_runtime_computes_less_exactly_is_a_note(tmp_path):
    """Its exponentials of numbers that nearly cancel are as good as ours; its GroupNormalization
    beside a large mean is not, but the exporter writes that in smaller operators."""
    norm = node("GroupNormalization", "t s o", "y", num_groups=2)
    arrays = {"s": np.ones(2, np.float32), "o": np.zeros(2, np.float32), "m": np.float32(3000)}
    made = model([node("Add", "x m", "t"), norm], arrays, ["N", 8, 8, 8], "y", 18)
    found = cnn.import_onnx(made.SerializeToString()).export_onnx(tmp_path / "m.onnx")
    assert found.passed


def test_without_time_for_the_exact_result_a_constant_judges_first(monkeypatch, tmp_path):
    monkeypatch.setattr("graphcnn.onnx.comparing.effort.SECONDS", 0.0)
    lenet = MODELS["lenet5"]().initialize(1)
    parity = lenet.export_onnx(tmp_path / "m.onnx")
    assert parity.passed and parity.bound == 2e-6 and not parity.verdicts
    assert any("batch 1: judged by a constant, 2e-06" in note for note in parity.notes)
    written_wrongly(monkeypatch, off)
    with pytest.raises(ParityError, match="than float32 explains") as caught:
        lenet.export_onnx(tmp_path / "m.onnx")
    assert {v.batch for v in caught.value.parity.verdicts} == {1}  # what is off is judged


def test_without_memory_for_the_exact_result_a_constant_judges(monkeypatch, tmp_path):
    monkeypatch.setattr("graphcnn.exchange.trial.available_memory", lambda: 1000)
    parity = MODELS["lenet5"]().initialize(1).export_onnx(tmp_path / "m.onnx")
    assert parity.passed and parity.bound == 2e-6 and not parity.verdicts
    assert "no memory for the exact result" in str(parity)
    found = cnn.check_onnx(tmp_path / "m.onnx")
    assert found.passed and found.bounds == {"native": 1e-5, "reference": 2e-6}
    assert "no memory for the exact result" in str(found) and not found.verdicts


def test_a_refused_file_is_not_written(monkeypatch, tmp_path):
    def refuse(*arguments, **options):
        raise exporting.ExportError("ONNX Runtime refuses the model: no")

    monkeypatch.setattr(exporting, "_compared", refuse)
    path = tmp_path / "m.onnx"
    with pytest.raises(exporting.ExportError, match="is not there: to write"):
        cnn.import_onnx(classifier(0).SerializeToString()).export_onnx(path)
    assert not path.exists()
