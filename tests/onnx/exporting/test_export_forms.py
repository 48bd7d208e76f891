"""The forms an exported file can have: external data, float16, folded batch norms, old runtimes."""

import json
import os

import numpy as np
import onnx
import pytest
from support.command_line import done, refused
from support.onnx_network import network, network_states

import graphcnn as cnn
from graphcnn.errors import ExportError, ImportModelError, OutputError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import constant_of
from graphcnn.ir.sources import Input, State
from graphcnn.ir.tensor_type import DType, N, TensorType
from graphcnn.model import import_onnx
from graphcnn.models import MODELS
from graphcnn.onnx.exporting import external
from graphcnn.onnx.exporting.export import IR_VERSIONS, export_graph
from graphcnn.onnx.exporting.targets import ONNXRUNTIME, first_release, newest_for
from graphcnn.onnx.importing.file.limits import Limits
from graphcnn.ops.activation import Gelu, LeakyRelu, Relu
from graphcnn.ops.elementwise import Add, Cast
from graphcnn.ops.padding import Pad2d
from graphcnn.passes.driver.base import PassLog
from graphcnn.passes.exchange.fold_norms import FoldNorms
from graphcnn.passes.lowering.retype import IN_FLOAT16
from graphcnn.runtime.reference import Reference

FORMS = {
    "plain": {},
    "external": {"external_data": True},
    "float16": {"float16": True},
    "folded": {"fold_batch_norm": True},
    "old": {"target": "onnxruntime>=1.12"},
    "all": {"external_data": True, "float16": True, "fold_batch_norm": True},
}


def alive(name):
    """A built-in network whose batch norms do something."""
    m = MODELS[name](**({"size": 32} if name == "resnet18" else {})).initialize(4)
    rng = np.random.default_rng(0)
    for key, array in m.states.items():
        if key.endswith((".gamma", ".variance")):
            m.set_parameters({key: rng.uniform(0.5, 1.5, array.shape)})
        elif key.endswith((".beta", ".mean")):
            m.set_parameters({key: rng.normal(0, 0.1, array.shape)})
    return m


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["digits_cnn", "unet"])
def test_every_form_computes_the_same_and_comes_back(name, form, tmp_path):
    """ONNX Runtime agrees at N = 1, 2 and 5; export, import, export gives the same bytes."""
    pytest.importorskip("onnxruntime")
    m, first, second = alive(name), tmp_path / "1", tmp_path / "2"
    first.mkdir()
    second.mkdir()
    parity = m.export_onnx(first / "m.onnx", **FORMS[form])
    kind = "float16" if FORMS[form].get("float16") else "float32"
    assert parity.passed and {v.arithmetic for v in parity.verdicts} == {kind}
    assert parity.worst <= (2e-3 if kind == "float16" else 2e-6)
    assert {d.batch for d in parity.differences} == {1, 2, 5}
    onnx.checker.check_model(str(first / "m.onnx"), full_check=True)
    again = {k: v for k, v in FORMS[form].items() if k in ("external_data", "target")}
    import_onnx(first / "m.onnx").export_onnx(second / "m.onnx", verify=False, **again)
    assert files(first) == files(second)


# External data


def test_large_arrays_lie_beside_the_model(tmp_path):
    path = tmp_path / "net.onnx"
    m = alive("lenet5")
    m.export_onnx(path, external_data=True, verify=False)
    assert {p.name for p in tmp_path.iterdir()} == {"net.onnx", "net.onnx.data"}
    tensors = {t.name: t for t in onnx.load(path, load_external_data=False).graph.initializer}
    assert {k for k, t in tensors.items() if t.external_data} == {
        key for key, array in m.states.items() if array.nbytes >= external.SMALL
    }
    end = 0
    for name, t in tensors.items():
        if not t.external_data:
            continue
        found = {e.key: e.value for e in t.external_data}
        assert found["location"] == "net.onnx.data"
        assert int(found["length"]) == m.states[name].nbytes
        assert int(found["offset"]) % external.PAGE == 0 and int(found["offset"]) >= end
        end = int(found["offset"]) + int(found["length"])
    assert (tmp_path / "net.onnx.data").stat().st_size == end
    back = import_onnx(path)
    assert all(np.array_equal(back.states[k], a) for k, a in m.states.items())
    whole = onnx.load(path)
    properties = {p.key: p.value for p in whole.metadata_props}
    assert len(properties["external_data.sha256"]) == 64


def test_large_arrays_are_aligned_as_memory_is_mapped():
    arrays = {"a": np.zeros(300, np.float32), "b": np.ones(1 << 18, np.float32)}
    data = external.DataFile.beside("m.onnx", arrays)
    assert dict(data.offsets()) == {"a": 0, "b": external.GRAIN}
    content = b"".join(map(bytes, data.pieces()))
    assert content[external.GRAIN :] == arrays["b"].tobytes() and len(content) == 1114112


def test_above_the_limit_it_happens_by_itself(tmp_path, monkeypatch):
    m = alive("lenet5")
    size = sum(a.nbytes for a in m.states.values())
    monkeypatch.setattr(external, "EXTERNAL_ABOVE", size)
    m.export_onnx(tmp_path / "m.onnx", verify=False)
    assert [p.name for p in tmp_path.iterdir()] == ["m.onnx"]
    monkeypatch.setattr(external, "EXTERNAL_ABOVE", size - 1)
    m.export_onnx(tmp_path / "one.onnx", verify=False, external_data=False)
    assert not (tmp_path / "one.onnx.data").exists()
    m.export_onnx(tmp_path / "m.onnx", verify=False)
    assert (tmp_path / "m.onnx.data").exists()
    assert external.EXTERNAL_ABOVE + 1 == size and 1.8 * 2**30 - 1 < 1_932_735_283 < 1.8 * 2**30


def test_a_failed_write_leaves_both_old_files(tmp_path, monkeypatch):
    m = alive("digits_cnn")
    m.export_onnx(tmp_path / "m.onnx", external_data=True, verify=False)
    before, calls, real = files(tmp_path), [], os.fsync

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(28, "disk full")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="disk full"):
        m.initialize(9).export_onnx(tmp_path / "m.onnx", external_data=True, verify=False)
    assert files(tmp_path) == before and len(calls) == 2


def test_nothing_outside_the_folder_is_written(tmp_path):
    """A link in place of the file of data is replaced, not followed."""
    (tmp_path / "secret").write_text("mine")
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "m.onnx.data").symlink_to(tmp_path / "secret")
    alive("digits_cnn").export_onnx(inner / "m.onnx", external_data=True, verify=False)
    assert (tmp_path / "secret").read_text() == "mine"
    assert not (inner / "m.onnx.data").is_symlink()


def test_external_data_needs_a_path_with_a_plain_name(tmp_path):
    with pytest.raises(ExportError, match="give a path"):
        export_graph(network(), network_states(), external_data=True)
    for name in ("C:m.onnx", "a\\b.onnx"):
        with pytest.raises(ExportError, match="no name for a file of data"):
            export_graph(network(), network_states(), tmp_path / name, external_data=True)
    assert not list(tmp_path.iterdir())


def test_external_data_is_counted_before_it_is_read(tmp_path):
    m = alive("lenet5")
    m.export_onnx(tmp_path / "m.onnx", external_data=True, verify=False)
    need = sum(a.nbytes for a in m.states.values() if a.nbytes >= external.SMALL)
    import_onnx(tmp_path / "m.onnx", limits=Limits(external_bytes=need))
    with pytest.raises(ImportModelError, match=r"limits\.external_bytes"):
        import_onnx(tmp_path / "m.onnx", limits=Limits(external_bytes=need - 1))


# float16


def test_float16_inside_float32_outside(tmp_path):
    path = tmp_path / "m.onnx"
    alive("unet").export_onnx(path, float16=True, verify=False)
    plain = tmp_path / "plain.onnx"
    alive("unet").export_onnx(plain, verify=False)
    model = onnx.load(path)
    single, half = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16
    assert {v.type.tensor_type.elem_type for v in model.graph.input} == {single}
    assert {v.type.tensor_type.elem_type for v in model.graph.output} == {single}
    assert single not in {v.type.tensor_type.elem_type for v in model.graph.value_info}
    assert single not in {t.data_type for t in model.graph.initializer}
    assert half in {t.data_type for t in model.graph.initializer}
    assert path.stat().st_size < 0.6 * plain.stat().st_size


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda x: Add()(x, constant_of(1e5)), "the tensor 'constant_1' holds 100000"),
        (lambda x: Pad2d((1, 1, 1, 1), "constant", -1e9)(x, name="edge"), "pad2d 'edge': value"),
        (
            lambda x: Relu()(x, name="W") * State("big", TensorType((2, 1, 1)))(),
            "'big' holds -70000",
        ),
    ],
)
def test_what_float16_cannot_hold_is_refused_by_name(make, word):
    x = Input("x", TensorType((N, 2, 4, 4)))()
    states = {"big": np.array([[[1.0]], [[-70000.0]]], np.float32)}
    with pytest.raises(ExportError, match=f"{word}.*float16 at most 65504"):
        IN_FLOAT16.apply(Graph.of([x], {"y": make(x)}), states, PassLog())


def test_what_is_infinite_or_no_number_stays_so():
    x = Input("x", TensorType((N, 2)))()
    y = Add()(x, constant_of(np.array([np.inf, np.nan], np.float32)))
    graph = IN_FLOAT16(Graph.of([x], {"y": y}))
    found = Reference(graph.bind(1)).run({"x": np.zeros((1, 2), np.float32)})[0]["y"]
    assert found.dtype == np.float32 and np.isinf(found[0, 0]) and np.isnan(found[0, 1])


def test_float16_keeps_other_types_and_inputs_that_are_outputs():
    x, i = Input("x", TensorType((N, 3)))(), Input("i", TensorType((N, 3), DType.INT64))()
    y = LeakyRelu(0.1)(x, name="leak") + Cast(DType.FLOAT32)(i)
    graph = IN_FLOAT16(Graph.of([x, i], {"y": y, "same": x, "count": Add()(i, i)}))
    assert [str(v.type) for v in graph.outputs.values()] == ["f32[N,3]", "f32[N,3]", "i64[N,3]"]
    assert graph.outputs["same"] is x
    assert {str(n.output.dtype) for n in graph.nodes if n.op.name == "leaky_relu"} == {"f16"}


# Batch norms


def test_folded_weights_keep_their_names(tmp_path):
    pytest.importorskip("onnxruntime")
    m = alive("resnet18")
    assert m.export_onnx(tmp_path / "kept.onnx", verify=False) is None
    m.export_onnx(tmp_path / "m.onnx", fold_batch_norm=True).require()
    kept, folded = (import_onnx(tmp_path / f"{n}.onnx") for n in ("kept", "m"))
    assert sum(n.op.name == "batch_norm" for n in kept.graph.operations) == 20
    assert not [n for n in folded.graph.operations if n.op.name == "batch_norm"]
    weights = {k for k in m.states if k.endswith(".weight")}
    assert {k for k in folded.states if k.endswith(".weight")} == weights
    assert all(k.endswith((".weight", ".bias")) for k in folded.states)
    assert len(m.states) == 102  # the model itself is as it was


def test_batch_norms_without_a_layer_stay():
    x = Input("x", TensorType((N, 3, 4, 4)))()
    m = cnn.Model(x, cnn.batch_norm(cnn.relu(x), name="bn")).initialize(0)
    graph, arrays = FoldNorms().apply(m.graph, m.states, PassLog())
    assert [n.op.name for n in graph.operations] == ["relu", "batch_norm"]
    assert dict(arrays) == dict(m.states)


# Targets


def test_every_target_keeps_to_what_it_reads():
    for (major, minor), (opset, ir) in ONNXRUNTIME.items():
        target = f"onnxruntime>={major}.{minor}"
        assert newest_for(target) == (opset, ir) and first_release(opset, ir) <= target
        model = export_graph(network(), network_states(), target=target)
        assert model.opset_import[0].version == min(17, opset) and model.ir_version <= ir
        assert IR_VERSIONS[opset] == ir or minor >= 20
    assert newest_for("onnxruntime >= 1.16.3") == (19, 9) == newest_for("onnxruntime>=1.15")
    assert newest_for("onnxruntime>=2.0") == ONNXRUNTIME[1, 31]


def test_what_a_target_cannot_express_names_the_one_that_can(monkeypatch):
    x = Input("x", TensorType((N, 2)))()
    from graphcnn.onnx.exporting.registry import EXPORTERS

    monkeypatch.setitem(EXPORTERS, "gelu", lambda emit, node, inputs: [emit.add("Gelu", *inputs)])
    graph = Graph.of([x], {"y": Gelu()(x, name="act")})
    message = "gelu 'act' becomes Gelu, which needs opset 20; found target = 'onnxruntime>=1.16'. "
    with pytest.raises(ExportError, match=message + "Ask for 'onnxruntime>=1.17'"):
        export_graph(graph, {}, target="onnxruntime>=1.16")
    assert export_graph(graph, {}, target="onnxruntime>=1.17").opset_import[0].version == 20
    with pytest.raises(ExportError, match=r"opset 20 needs onnxruntime>=1\.17, found target"):
        export_graph(graph, {}, opset=20, target="onnxruntime>=1.16")


@pytest.mark.parametrize("target", ["", "onnxruntime", "onnxruntime==1.16", "tensorrt>=8.6"])
def test_unknown_targets(target):
    with pytest.raises(ExportError, match=r"target must be spelled 'onnxruntime>=1\.16', found"):
        export_graph(network(), network_states(), target=target)


def test_targets_that_are_too_old():
    with pytest.raises(ExportError, match=r"target must be at least onnxruntime>=1\.10"):
        export_graph(network(), network_states(), target="onnxruntime>=1.9")


# The command


def test_the_command(tmp_path):
    pytest.importorskip("onnxruntime")
    path, report = tmp_path / "m.onnx", tmp_path / "report.json"
    options = ("--float16", "--fold-batch-norm", "--external-data", "--report", report)
    text = done("export", "digits_cnn", "-o", path, "--target", "onnxruntime>=1.16", *options)
    assert "within float16" in text and (tmp_path / "m.onnx.data").exists()
    found = json.loads(report.read_text())
    assert found["passed"] and found["versions"]["graphcnn"] and found["runtime"]
    keys = {"max_abs", "normalised", "max_ulp", "median_ulp", "argmax_agreement", "optimised"}
    assert all(keys <= set(row) for row in found["differences"])
    assert "onnxruntime>=1.16" in refused(1, "export", "lenet5", "-o", path, "--target", "ort")
