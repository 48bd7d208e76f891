"""What an exported file promises: names, types, opset, bytes, and that nothing is half-written."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from support.onnx_network import network, network_states

from graphcnn.errors import ExportError, OutputError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import build, constant_of
from graphcnn.ir.sources import Input, State
from graphcnn.ir.tensor_type import N, TensorType
from graphcnn.onnx.exporting.export import IR_VERSIONS, NOTE, export_graph
from graphcnn.onnx.exporting.gate import edges
from graphcnn.onnx.exporting.registry import EXCUSED, EXPORTERS
from graphcnn.ops.activation import HardSwish, Relu
from graphcnn.ops.conv import Conv2d, Conv2dWeightGrad
from graphcnn.ops.elementwise import Add, Mul
from graphcnn.ops.norm import BatchNormTrain
from graphcnn.ops.pool import MaxPool2d, MaxPool2dGrad
from graphcnn.ops.shape import ElementCount, Reshape
from graphcnn.text.parse import parse_graph


def image(key="x", channels=2, size=6):
    return Input(key, TensorType((N, channels, size, size)))()


def names_of(model):
    return [n.name for n in model.graph.node]


def test_names_are_those_of_the_graph():
    model = export_graph(network(), network_states())
    assert [v.name for v in model.graph.input] == ["x"]
    assert [v.name for v in model.graph.output] == ["logits", "probabilities"]
    parameters = {t.name for t in model.graph.initializer}
    assert set(network_states()) <= parameters
    assert {"C1", "bn", "relu_1", "P1", "fc", "probabilities"} <= set(names_of(model))
    assert {"C1", "bn", "relu_1", "P1"} <= set(edges(model))


def test_names_are_unique_however_hostile():
    x = image("node")
    w = State("node/conv", TensorType((2, 2, 1, 1)))()
    y = Conv2d()(x, w, name="out")  # the name of an output
    pads = Conv2d(flip_kernel=True)(y, Mul()(w, w, name="node"), name="node")  # of the input
    z = Relu()(pads, name="node.conv")  # what a helper would be called
    odd = Relu()(Relu()(z, name='<b>"&\n\t\\'), name="größe 100 %")
    twice = Add()(Relu()(odd, name="r"), Relu()(odd, name="r"), name="node/conv")
    graph = Graph.of([x], {"out": twice, "node.slice": y, "too": twice, "in": x, "r_2": w})
    model = export_graph(graph, {"node/conv": np.ones((2, 2, 1, 1), np.float32)})
    assert len(set(names_of(model))) == len(names_of(model))
    assert len(set(edges(model))) == len(list(edges(model)))
    assert "" not in names_of(model)
    assert [v.name for v in model.graph.output] == ["out", "node.slice", "too", "in", "r_2"]
    assert {'<b>"&\n\t\\', "größe 100 %"} <= set(names_of(model))
    pytest.importorskip("onnxruntime").InferenceSession(model.SerializeToString())


def test_an_output_cannot_be_called_like_an_input():
    x = image()
    with pytest.raises(ExportError, match=r"the output 'x' needs another name: in ONNX"):
        export_graph(Graph.of([x], {"x": Relu()(x)}), {})


def test_every_edge_is_declared_with_our_type():
    graph = network()
    model = export_graph(graph, network_states())
    infos = (*model.graph.value_info, *model.graph.input, *model.graph.output)
    declared = {v.name: v.type.tensor_type for v in infos}
    assert len(declared) == len(infos)
    assert set(edges(model)) <= set(declared) | {t.name for t in model.graph.initializer}
    sizes = [d.dim_param or d.dim_value for d in declared["P1"].shape.dim]
    assert sizes == ["N", 4, 4, 4]


def test_a_shape_that_onnx_disputes_is_refused(monkeypatch):
    def wrong(emit, node, inputs):
        return [emit.slice(inputs[0], (0,), (1,), (3,))]

    monkeypatch.setitem(EXPORTERS, "relu", wrong)
    x = image()
    with pytest.raises(ExportError, match="ONNX"):
        export_graph(Graph.of([x], {"y": Relu()(x)}), {})


def test_a_fixed_batch_size_is_refused(monkeypatch):
    def baked(emit, node, inputs):
        return [emit.add("Reshape", inputs[0], emit.integers((1, 2, 6, 6)))]

    monkeypatch.setitem(EXPORTERS, "relu", baked)
    x = image()
    message = r"'y' has the shape \['N', 2, 6, 6\] here and \[1, 2, 6, 6\] in ONNX's inference"
    with pytest.raises(ExportError, match=message):
        export_graph(Graph.of([x], {"y": Relu()(x)}), {})


def test_a_size_that_onnx_cannot_infer_is_refused(monkeypatch):
    def vague(emit, node, inputs):
        total = emit.reduce("ReduceSum", inputs[0], (0, 1, 2, 3), False)
        end = emit.reshape(emit.add("Cast", total, to=onnx.TensorProto.INT64), (), (1,))
        return [emit.add("Slice", inputs[0], emit.integers((0,)), end, emit.integers((3,)))]

    monkeypatch.setitem(EXPORTERS, "relu", vague)
    x = image()
    with pytest.raises(ExportError, match=r"'y' has the shape .* here and .*None, None\]"):
        export_graph(Graph.of([x], {"y": Relu()(x)}), {})


def test_a_mapping_may_return_one_value_twice_or_an_input(monkeypatch):
    def same(emit, node, inputs):
        return [inputs[0], *[emit.add("Neg", inputs[1])] * 2]

    monkeypatch.setitem(EXPORTERS, "batch_norm_train", same)
    x, gamma = Input("x", TensorType((N, 2)))(), Input("gamma", TensorType((2,)))()
    results = build(BatchNormTrain(), (x, gamma, gamma), "bn").outputs
    graph = Graph.of([x, gamma], {"y": results[0], "m": results[1], "v": results[2]})
    model = export_graph(graph, {})
    nodes = {n.output[0]: (n.op_type, n.input[0]) for n in model.graph.node}
    assert nodes == {"m": ("Neg", "gamma"), "v": ("Identity", "m"), "y": ("Identity", "x")}
    assert len(set(names_of(model))) == 3


def test_what_the_checker_refuses_is_not_written(monkeypatch, tmp_path):
    def refuse(model, full_check):
        assert full_check
        raise onnx.checker.ValidationError("no")

    monkeypatch.setattr(onnx.checker, "check_model", refuse)
    with pytest.raises(ExportError, match=r"onnx\.checker refuses the exported graph: no"):
        export_graph(network(), network_states(), tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_the_batch_size_survives_reshaping():
    x = image()
    y = Reshape((N, 36, 2))(Reshape((2, N, 36))(Reshape((N, 72))(x)))
    model = export_graph(Graph.of([x], {"y": y}), {})
    targets = {tuple(onnx.numpy_helper.to_array(t)) for t in model.graph.initializer}
    assert targets == {(0, 72), (2, -1, 36), (-1, 36, 2)}


def test_inputs_without_users_stay():
    x, unused = image(), image("unused")
    model = export_graph(Graph.of([x, unused], {"y": Relu()(x)}), {})
    assert [v.name for v in model.graph.input] == ["x", "unused"]


def test_constants_and_updates():
    x = image()
    count = State("count", TensorType(()))()
    y = Add()(x, constant_of(2.0), name="plus")
    model = export_graph(Graph.of([x], {"y": y}, {count: count + 1.0}), {})
    assert [t.name for t in model.graph.initializer] == ["constant_1"]


def test_flipped_kernels_are_flipped_in_the_file():
    x, w = image(), State("w", TensorType((1, 2, 3, 2)))()
    weight = np.arange(12, dtype=np.float32).reshape(1, 2, 3, 2)
    model = export_graph(
        Graph.of([x], {"y": Conv2d(flip_kernel=True)(x, w, name="C1")}), {"w": weight}
    )
    (stored,) = model.graph.initializer
    assert (stored.name, names_of(model)) == ("C1.flipped", ["C1"])
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(stored), weight[:, :, ::-1, ::-1])


def test_all_attributes_are_explicit():
    model = export_graph(network(), network_states())
    conv = next(n for n in model.graph.node if n.op_type == "Conv")
    found = {a.name: onnx.helper.get_attribute_value(a) for a in conv.attribute}
    assert found == {
        "dilations": [1, 1], "group": 1, "kernel_shape": [3, 3], "pads": [1, 0, 1, 0],
        "strides": [1, 1],
    }  # fmt: skip
    norm = next(n for n in model.graph.node if n.op_type == "BatchNormalization")
    found = {a.name: onnx.helper.get_attribute_value(a) for a in norm.attribute}
    assert found == pytest.approx({"epsilon": 1e-5, "momentum": 0.9, "training_mode": 0})
    assert all(a.name != "auto_pad" for n in model.graph.node for a in n.attribute)


@pytest.mark.parametrize("opset", sorted(IR_VERSIONS))
def test_ir_version_is_the_lowest_of_the_opset(opset):
    x = image()
    if opset > onnx.defs.onnx_opset_version():
        pytest.skip("this onnx does not know the opset")
    model = export_graph(Graph.of([x], {"y": Relu()(x)}), {}, opset=opset)
    known = onnx.helper.OP_SET_ID_VERSION_MAP["ai.onnx", opset]
    assert (model.opset_import[0].version, model.ir_version) == (opset, known)


def test_opset_auto_takes_the_lowest_that_suffices(monkeypatch):
    x = image()
    graph = Graph.of([x], {"y": Relu()(x, name="act")})
    assert export_graph(graph, {}).opset_import[0].version == 17
    monkeypatch.setitem(EXPORTERS, "relu", lambda emit, node, inputs: [emit.add("Mish", *inputs)])
    assert export_graph(graph, {}).opset_import[0].version == 18
    with pytest.raises(ExportError, match=r"relu 'act' becomes Mish, which needs opset 18; .*17"):
        export_graph(graph, {}, opset=17)


def test_an_opset_that_is_too_low_is_refused():
    x = image()
    pool = MaxPool2d((2, 2), (1, 1))(x)  # the windows overlap
    graph = Graph.of([x], {"dx": build(MaxPool2dGrad((2, 2), (1, 1)), (x, pool), "back").output})
    message = "max_pool2d_grad 'back' becomes ScatterElements with reduction, which needs opset 16"
    with pytest.raises(ExportError, match=message):
        export_graph(graph, {}, opset=15)
    export_graph(graph, {}, opset=16)


@pytest.mark.parametrize("opset", [14, 29, 0, "latest", None])
def test_unknown_opsets(opset):
    x = image()
    with pytest.raises(ExportError, match="opset must be 'auto' or a number from 15"):
        export_graph(Graph.of([x], {"y": HardSwish()(x)}), {}, opset=opset)


def test_what_has_no_equivalent_is_refused_with_the_reason(monkeypatch):
    x = image()
    graph = Graph.of([x], {"y": Relu()(x, name="act")})
    monkeypatch.delitem(EXPORTERS, "relu")
    with pytest.raises(ExportError, match="relu 'act' has no equivalent in ONNX: no mapping is"):
        export_graph(graph, {})
    monkeypatch.setitem(EXCUSED, "relu", "too simple")
    with pytest.raises(ExportError, match="relu 'act' has no equivalent in ONNX: too simple"):
        export_graph(graph, {})


def test_states_must_fit():
    states = network_states()
    with pytest.raises(ExportError, match=r"no value for the state 'fc.weight', f32\[3,64\]"):
        export_graph(network(), {k: v for k, v in states.items() if k != "fc.weight"})
    with pytest.raises(ExportError, match=r"'fc.bias' must be f32\[3\], found float64\[3\]"):
        export_graph(network(), {**states, "fc.bias": np.zeros(3)})


def test_equal_arguments_give_equal_bytes(tmp_path):
    first = {"labels": "X,O", "mean": "0.5"}
    second = {"mean": "0.5", "labels": "X,O"}
    for name, metadata in (("a.onnx", first), ("b.onnx", second)):
        export_graph(network(), network_states(), tmp_path / name, metadata=metadata)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_bytes_do_not_depend_on_the_process(tmp_path):
    code = (
        "from support.onnx_network import *; import sys;"
        "from graphcnn.onnx.exporting.export import export_graph;"
        "export_graph(network(), network_states(), sys.argv[1])"
    )
    path = os.pathsep.join(map(str, Path(__file__).parents[2:4]))
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path}
        subprocess.run([sys.executable, "-c", code, tmp_path / seed], env=environment, check=True)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_metadata(tmp_path):
    path = tmp_path / "m.onnx"
    export_graph(network(), network_states(), path, metadata={"labels": "X,O"}, doc="X or O?")
    model = onnx.load(path)
    properties = {p.key: p.value for p in model.metadata_props}
    assert parse_graph(properties.pop(NOTE)).outputs.keys() == {"logits", "probabilities"}
    assert properties == {"labels": "X,O", "producer": f"graphcnn {model.producer_version}"}
    assert (model.producer_name, model.graph.doc_string) == ("graphcnn", "X or O?")
    conv = next(n for n in model.graph.node if n.name == "C1")
    assert conv.doc_string.startswith("onnx_network.py:")
    with pytest.raises(ExportError, match="metadata must map text to text, found 'classes': 2"):
        export_graph(network(), network_states(), metadata={"classes": 2})


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "m.onnx"
    path.write_bytes(b"old")

    def full(descriptor):
        raise OSError(28, "disk full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"cannot write .*m\.onnx: disk full"):
        export_graph(network(), network_states(), path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_unwritable_folder(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for folder in ("missing", "file"):
        with pytest.raises(OutputError, match="cannot write"):
            export_graph(network(), network_states(), tmp_path / folder / "m.onnx")


def test_nothing_is_written_before_the_check(tmp_path, monkeypatch):
    monkeypatch.setitem(EXPORTERS, "relu", lambda emit, node, inputs: [emit.add("Sqrt", "nobody")])
    x = image()
    with pytest.raises(ExportError):
        export_graph(Graph.of([x], {"y": Relu()(x)}), {}, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_batch_sizes_in_attributes_stay_open():
    runtime = pytest.importorskip("onnxruntime")
    x, dy = image(channels=4), Input("dy", TensorType((N, 2, 4, 4)))()
    count = ElementCount((N, 3))()
    dw = build(Conv2dWeightGrad(groups=2, kernel=(3, 3)), (x, dy), "dw").output
    model = export_graph(Graph.of([x, dy], {"count": count, "dw": dw}), {})
    session = runtime.InferenceSession(model.SerializeToString())
    for n in (1, 2, 5):
        fed = {"x": np.ones((n, 4, 6, 6), np.float32), "dy": np.ones((n, 2, 4, 4), np.float32)}
        found = session.run(["count", "dw"], fed)
        assert float(found[0]) == 3 * n
        np.testing.assert_array_equal(found[1], np.full((2, 2, 3, 3), 16.0 * n))
