"""The parity report: whole networks against ONNX Runtime, and what it says of a wrong one."""

import json
import math
import sys

import numpy as np
import pytest
from support.evaluate import evaluate
from support.onnx_network import network, network_states

from graphcnn.errors import ExportError, MissingExtraError, VerifyError
from graphcnn.ir.graph import Graph
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import N, TensorType
from graphcnn.onnx.comparing import process
from graphcnn.onnx.comparing.parity import compare
from graphcnn.onnx.exporting.export import export_graph
from graphcnn.ops.elementwise import Sqrt


def ours(inputs):
    return evaluate(network().bind(len(inputs["x"])), inputs, network_states())


FED = {"x": np.linspace(-1, 1, 160, dtype=np.float32).reshape(1, 2, 8, 10)}


@pytest.fixture
def model():
    pytest.importorskip("onnxruntime")
    return export_graph(network(), network_states())


def test_a_network_agrees_at_all_batch_sizes(model, capfd):
    parity = compare(model, ours)
    assert parity.passed and parity.worst <= 2e-6
    found = {(d.output, d.batch, d.optimised) for d in parity.differences}
    assert found == {
        (o, n, on) for o in ("logits", "probabilities") for n in (1, 2, 5) for on in (True, False)
    }
    assert all(d.argmax_agreement == 1.0 for d in parity.differences)
    assert parity.require() is parity
    assert capfd.readouterr().err == ""  # no warnings from ONNX Runtime


def test_files_and_fed_inputs(model, tmp_path):
    path = tmp_path / "m.onnx"
    export_graph(network(), network_states(), path)
    fed = []

    def feed(n):
        fed.append(n)
        return {"x": np.full((n, 2, 8, 10), 0.25, np.float32)}

    assert compare(path, ours, feed=feed, batches=(3,)).passed
    assert fed == [3]


def test_a_bound_model_runs_at_its_own_batch_size(model):
    model = export_graph(network().bind(4), network_states())
    parity = compare(model, ours)
    assert parity.passed and {d.batch for d in parity.differences} == {4}


def test_the_report_reads_well(model):
    parity = compare(model, ours, batches=(2,))
    lines = str(parity).splitlines()
    head = "output batch optimised max abs normalised max ulp med ulp argmax"
    assert lines[0].split() == head.split()
    assert lines[1].startswith("logits ") and lines[1].endswith("100.0%")
    assert lines[-1].startswith("onnxruntime ") and lines[-1].endswith("within 2e-06")
    report = json.loads(parity.to_json())
    assert report["passed"] is True and len(report["differences"]) == 4


def test_a_wrong_network_is_found(model):
    def wrong(inputs):
        y = ours(inputs)
        return {**y, "logits": y["logits"] * np.float32(1.0001)}

    parity = compare(model, wrong, batches=(2,))
    assert not parity.passed and 5e-5 < parity.worst < 2e-4
    with pytest.raises(VerifyError, match="ABOVE 2e-06"):
        parity.require()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_nan_on_one_side_is_infinitely_wrong(model, bad):
    parity = compare(model, lambda x: {k: v * np.float32(bad) for k, v in ours(x).items()})
    assert math.isinf(parity.worst) and not parity.passed


def test_errors_are_normalised_by_the_largest_output(model):
    def wrong(inputs):
        return {key: 100 * y + np.float32(0.5) for key, y in ours(inputs).items()}

    parity = compare(model, wrong, batches=(1,), feed=lambda n: FED)
    for d in parity.differences:
        right, expected = ours(FED)[d.output], wrong(FED)[d.output]
        error = np.abs(expected - right).max()
        assert d.max_abs == pytest.approx(error)
        assert d.normalised == pytest.approx(error / np.abs(expected).max())


def test_nan_on_both_sides_agrees():
    pytest.importorskip("onnxruntime")
    x = Input("x", TensorType((N, 40)))()
    graph = Graph.of([x], {"y": Sqrt()(x)})
    parity = compare(export_graph(graph, {}), lambda f: {"y": Sqrt().evaluate(f["x"])})
    assert parity.passed


def test_optimisations_are_switched_off_for_one_of_two_runs(model, monkeypatch):
    import onnxruntime

    levels, real = [], onnxruntime.InferenceSession

    def spy(source, options, providers):
        levels.append((options.graph_optimization_level.name, options.intra_op_num_threads))
        return real(source, options, providers=providers)

    monkeypatch.setattr(process, "start", process.Here)
    monkeypatch.setattr(onnxruntime, "InferenceSession", spy)
    compare(model, ours)
    assert sorted(levels) == [("ORT_DISABLE_ALL", 1), ("ORT_ENABLE_ALL", 1)]


def test_other_outputs_and_shapes_are_refused(model):
    with pytest.raises(VerifyError, match=r"the model has the outputs \['logits', 'probabilities'"):
        compare(model, lambda x: {"logits": ours(x)["logits"]})
    with pytest.raises(VerifyError, match=r"output 'logits': ONNX Runtime gives float32\[1, 3\]"):
        compare(model, lambda x: {k: v[0] for k, v in ours(x).items()})


def test_a_model_that_onnx_runtime_refuses(model, tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"no model")
    with pytest.raises(ExportError, match="ONNX Runtime refuses the model"):
        compare(tmp_path / "m.onnx", ours)
    narrow = np.zeros((1, 2, 8, 9), np.float32)
    with pytest.raises(ExportError, match="ONNX Runtime cannot run the model"):
        compare(model, lambda x: {"logits": 0, "probabilities": 0}, feed=lambda n: {"x": narrow})


def test_without_onnx_runtime(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r'pip install "graphcnn\[verify\]"'):
        compare(export_graph(network(), network_states()), ours)
