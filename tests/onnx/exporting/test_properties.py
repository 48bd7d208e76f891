"""Fifteen properties of a good export: `PROPERTIES` says where each is tested, and what no other
file tests is tested here."""

import ast
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from support.onnx_network import network, network_states
from support.small_networks import thin

import graphcnn as cnn
from graphcnn.data.normalisation import Normalisation
from graphcnn.ir.graph import Graph
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import N, TensorType
from graphcnn.model import import_onnx
from graphcnn.models import MODELS
from graphcnn.onnx.comparing import difference as comparing
from graphcnn.onnx.comparing.difference import difference, ulps
from graphcnn.onnx.exporting.export import IR_VERSIONS, export_graph
from graphcnn.onnx.importing.file.limits import Limits
from graphcnn.onnx.importing.file.validate import validate
from graphcnn.ops.activation import Relu
from graphcnn.ops.loops import Scan
from graphcnn.ops.pool import AvgPool2d, MaxPool2d
from graphcnn.ops.random import RandomUniform

PROPERTIES = {
    "1 the checker and our own validator accept every file": [
        "onnx/exporting/test_export.test_what_the_checker_refuses_is_not_written",
        "onnx/exporting/test_properties.test_built_in_networks_pass_all_checks",
    ],
    "2 our shapes are those of ONNX's strict inference, on every edge": [
        "onnx/exporting/test_export.test_every_edge_is_declared_with_our_type",
        "onnx/exporting/test_export.test_a_shape_that_onnx_disputes_is_refused",
        "onnx/exporting/test_properties.test_built_in_networks_pass_all_checks",
    ],
    "3 ONNX Runtime loads it at every level without a warning": [
        "onnx/exporting/test_properties.test_loads_at_every_level_without_a_warning",
        "onnx/exporting/test_export_forms.test_every_target_keeps_to_what_it_reads",
    ],
    "4 a report of parity: absolute, normalised, ULP, argmax, optimisations on and off": [
        "onnx/comparing/test_parity.test_a_network_agrees_at_all_batch_sizes",
        "onnx/comparing/test_parity.test_the_report_reads_well",
        "onnx/exporting/test_properties.test_the_report_has_every_number",
        "exchange/test_check.test_a_wrong_definition_is_found_at_its_node",
    ],
    "5 names are those of the network, and unique": [
        "onnx/exporting/test_export.test_names_are_those_of_the_graph",
        "onnx/exporting/test_export.test_names_are_unique_however_hostile",
        "onnx/exporting/test_export.test_an_output_cannot_be_called_like_an_input",
    ],
    "6 metadata: classes, normalisation, seed, versions; where each node was written": [
        "onnx/exporting/test_export.test_metadata",
        "onnx/exporting/test_properties.test_metadata_of_a_trained_model",
    ],
    "7 the batch size is open, proven at 1, 2 and 5": [
        "onnx/exporting/test_models.test_built_in_network",
        "onnx/exporting/test_export.test_the_batch_size_survives_reshaping",
        "onnx/exporting/test_export.test_a_fixed_batch_size_is_refused",
        "onnx/exporting/test_export_forms.test_every_form_computes_the_same_and_comes_back",
    ],
    "8 the lowest opset and IR version that suffice, or the ones asked for": [
        "onnx/exporting/test_export.test_opset_auto_takes_the_lowest_that_suffices",
        "onnx/exporting/test_export.test_ir_version_is_the_lowest_of_the_opset",
        "onnx/exporting/test_export.test_unknown_opsets",
        "onnx/exporting/test_export_forms.test_what_a_target_cannot_express_names_the_one_that_can",
    ],
    "9 flat, with names: no functions that inlining would strip of them": [
        "onnx/exporting/test_properties.test_files_are_flat",
    ],
    "10 equal graphs give equal bytes": [
        "onnx/exporting/test_export.test_equal_arguments_give_equal_bytes",
        "onnx/exporting/test_export.test_bytes_do_not_depend_on_the_process",
        "onnx/exporting/test_properties.test_nothing_of_the_day_or_the_machine_is_in_the_file",
    ],
    "11 external data above 1.8 GiB and on request": [
        "onnx/exporting/test_export_forms.test_large_arrays_lie_beside_the_model",
        "onnx/exporting/test_export_forms.test_above_the_limit_it_happens_by_itself",
        "onnx/exporting/test_export_forms.test_nothing_outside_the_folder_is_written",
    ],
    "12 quantised networks (QuantizeLinear, DequantizeLinear) are read; int8 is not written": [
        "onnx/importing/test_networks.test_networks_agree_with_onnx_runtime",
    ],
    "also: explicit padding, no auto_pad, ceil_mode only where it has no other form": [
        "onnx/exporting/test_export.test_all_attributes_are_explicit",
        "onnx/exporting/test_properties.test_padding_is_explicit",
    ],
    "13 float16 with inputs and outputs of float32": [
        "onnx/exporting/test_export_forms.test_float16_inside_float32_outside",
        "onnx/exporting/test_export_forms.test_what_float16_cannot_hold_is_refused_by_name",
    ],
    "14 the training step is exported too": [
        "exchange/test_training.test_thirty_steps_end_with_our_weights",
        "exchange/test_training.test_only_standard_operators_and_every_edge_has_a_type",
        "exchange/test_training.test_one_file_serves_every_batch_size",
    ],
    "also: batch norms are kept, or folded on request": [
        "onnx/exporting/test_export_forms.test_folded_weights_keep_their_names",
        "onnx/exporting/test_export_forms.test_batch_norms_without_a_layer_stay",
    ],
    "15 export, import, export gives the same bytes": [
        "onnx/importing/test_import.test_built_in_networks_come_back",
        "onnx/importing/test_import.test_random_networks_come_back",
        "onnx/exporting/test_export_forms.test_every_form_computes_the_same_and_comes_back",
    ],
}


def test_the_table_names_tests():
    numbers = [int(text.split()[0]) for text in PROPERTIES if text[0].isdigit()]
    assert sorted(numbers) == list(range(1, 16))
    here = Path(__file__).parents[2]
    known = {
        f"{path.relative_to(here).with_suffix('').as_posix()}.{f.name}"
        for path in here.rglob("test_*.py")
        for f in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(f, ast.FunctionDef)
    }
    missing = {name for names in PROPERTIES.values() for name in names} - known
    assert not missing


def exported(name, full=False):
    model = thin(name, full).initialize(0)
    return export_graph(model.graph, model.states, metadata=model.metadata())


@pytest.mark.parametrize("name", MODELS)
def test_built_in_networks_pass_all_checks(name, full):
    """Checker, our validator, and strict inference that starts from the inputs alone: equal to
    what the file declares for every edge."""
    model = exported(name, full)
    onnx.checker.check_model(model, full_check=True)
    validate(model, Limits())
    declared = {v.name: v.type for v in (*model.graph.value_info, *model.graph.output)}
    made = {name for node in model.graph.node for name in node.output if name}
    assert made == set(declared)
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    del bare.graph.value_info[:]
    found = onnx.shape_inference.infer_shapes(bare, check_type=True, strict_mode=True)
    inferred = {v.name: v.type for v in (*found.graph.value_info, *found.graph.output)}
    unknown = RandomUniform, Scan
    drawing = any(isinstance(node.op, unknown) for node in thin(name, full).graph.nodes)
    for value, of in inferred.items():  # which knows no products of symbols, such as 18*N
        sizes = of.tensor_type.shape.dim, declared[value].tensor_type.shape.dim
        for size, said in zip(*sizes, strict=True):
            # ... and not how many numbers are drawn, or zeros a loop begins with, which is computed
            # of the shape of an input
            if size.dim_param.startswith("unk__") and ("*N" in said.dim_param or drawing):
                size.CopyFrom(said)
    assert {k: t.tensor_type for k, t in declared.items()} == {
        k: inferred[k].tensor_type for k in declared
    }


@pytest.mark.parametrize("name", ["lenet5", "digits_cnn", "unet", "autoencoder"])
def test_loads_at_every_level_without_a_warning(name, capfd):
    runtime = pytest.importorskip("onnxruntime")
    levels = runtime.GraphOptimizationLevel
    content = exported(name).SerializeToString()
    for level in (levels.ORT_DISABLE_ALL, levels.ORT_ENABLE_BASIC, levels.ORT_ENABLE_EXTENDED,
                  levels.ORT_ENABLE_ALL):  # fmt: skip
        options = runtime.SessionOptions()
        options.graph_optimization_level = level
        options.log_severity_level = 2  # warnings
        runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    assert capfd.readouterr().err == ""


def test_the_report_has_every_number():
    ours = np.array([[1.0, 2.0, 4.0], [0.0, -3.0, 5.0]], np.float32)
    theirs = ours.copy()
    theirs[0, 2] = np.nextafter(np.float32(4), np.float32(9))
    theirs[1, 1] = np.nextafter(np.nextafter(np.float32(-3), np.float32(0)), np.float32(0))
    found = difference("y", 2, True, theirs, ours)
    assert (found.max_abs, found.max_ulp, found.median_ulp) == (2.0**-21, 2.0, 0.0)
    assert found.normalised == pytest.approx(2.0**-21 / 5) and found.argmax_agreement == 1.0
    theirs[0, 0] = 9
    assert difference("y", 2, True, theirs, ours).argmax_agreement == 0.5


def test_units_in_the_last_place():
    """Across zero, between types, for what is no number."""
    tiny = np.float32(1e-45)  # the least
    other_nan = np.copysign(np.float32(np.nan), np.float32(-1))
    a = np.array([0.0, -0.0, tiny, -tiny, np.nan, np.nan, np.inf, 1.0], np.float32)
    b = np.array([-0.0, 0.0, -tiny, tiny, other_nan, 1.0, np.inf, 1.0], np.float32)
    np.testing.assert_array_equal(ulps(a, b), [0, 0, 2, 2, 0, np.inf, 0, 0])
    one = np.ones(1, np.float64)
    assert ulps(one, np.nextafter(one, 2))[0] == 1
    half = np.array([1.0], np.float16)
    assert ulps(half, half + np.float16(2**-10))[0] == 1
    assert ulps(np.array([3, 4]), np.array([3, 9])).tolist() == [0, 5]


@pytest.mark.parametrize("kind", [np.float32, np.float16, np.int64])
def test_differences_are_the_same_in_any_pieces(monkeypatch, kind):
    rng = np.random.default_rng(0)
    ours = (100 * rng.normal(size=(3, 4, 5))).astype(kind)
    theirs = (ours + rng.normal(size=ours.shape)).astype(kind)
    theirs[2, 3, 4] += 50  # in the last piece
    whole = difference("y", 3, True, theirs, ours)
    monkeypatch.setattr(comparing, "_AT_A_TIME", 59)
    assert difference("y", 3, True, theirs, ours) == whole and whole.max_abs > 40
    if ours.dtype.kind == "f":
        theirs[2, 3, 4] = np.nan
        assert difference("y", 3, True, theirs, ours).normalised == np.inf


def test_metadata_of_a_trained_model(tmp_path):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (20, 1, 8, 8), np.uint8), rng.integers(0, 10, 20)
    model = MODELS["digits_cnn"]()
    model.normalisation = Normalisation((0.5,), (0.25,))
    model.classes = tuple("abcdefghij")
    model.fit((images, labels), epochs=1, batch_size=10, seed=7, progress=False)
    path = tmp_path / "m.onnx"
    model.export_onnx(path, verify=False)
    stored = onnx.load(path)
    properties = {p.key: p.value for p in stored.metadata_props}
    assert list(properties) == sorted(properties)
    assert json.loads(properties["classes"]) == list("abcdefghij")
    assert json.loads(properties["normalisation"])["mean"] == [0.5]
    assert (properties["seed"], properties["loss"]) == ("7", "cross_entropy")
    assert properties["producer"] == f"graphcnn {cnn.__version__}"
    assert (stored.producer_name, stored.producer_version) == ("graphcnn", cnn.__version__)
    back = import_onnx(path)
    assert (back.seed, back.classes, back.loss) == (7, model.classes, "cross_entropy")
    assert back.normalisation == model.normalisation
    expected = model.predict(images, runtime="reference")
    assert np.array_equal(back.predict(images, runtime="reference"), expected)


def test_a_model_from_elsewhere_has_no_seed():
    x = Input("x", TensorType((N, 2)))()
    content = export_graph(Graph.of([x], {"y": Relu()(x)}), {}).SerializeToString()
    assert import_onnx(content).seed is None


def test_files_are_flat(full):
    for name in MODELS:
        model = exported(name, full)
        assert not model.functions and {o.domain for o in model.opset_import} == {""}
        # A loop has its body as a graph, and nothing else has one.
        plain = [n for n in model.graph.node if n.op_type != "Scan"]
        kinds = {a.type for n in plain for a in n.attribute}
        assert onnx.AttributeProto.GRAPH not in kinds


def test_nothing_of_the_day_or_the_machine_is_in_the_file(tmp_path):
    """Neither folder, nor time, nor versions of other packages."""
    paths = [tmp_path / "a" / "m.onnx", tmp_path / "other folder" / "m.onnx"]
    for path in paths:
        path.parent.mkdir()
        MODELS["lenet5"]().initialize(0).export_onnx(path, verify=False)
    one, two = (path.read_bytes() for path in paths)
    assert one == two
    assert str(tmp_path).encode() not in one and onnx.__version__.encode() not in one


@pytest.mark.parametrize("op", [MaxPool2d, AvgPool2d])
@pytest.mark.parametrize("size", range(5, 12))
def test_padding_is_explicit(op, size):
    """Windows that hang over the edge become padding; `auto_pad` is never left to the reader."""
    x = Input("x", TensorType((N, 2, size, size)))()
    for padding in ((0, 0, 0, 0), (1, 0, 0, 1)):
        y = op((3, 3), (2, 2), padding, ceil_mode=True)(x)
        model = export_graph(Graph.of([x], {"y": y}), {})
        for node in model.graph.node:
            given = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            assert "auto_pad" not in given
            if "Pool" in node.op_type:
                assert given.get("ceil_mode", 0) == 0 and len(given["pads"]) == 4


def test_opsets_and_their_ir_versions_are_those_of_onnx():
    known = {o: ir for (d, o), ir in onnx.helper.OP_SET_ID_VERSION_MAP.items() if d == "ai.onnx"}
    assert {o: known[o] for o in IR_VERSIONS if o in known} == {
        o: ir for o, ir in IR_VERSIONS.items() if o in known
    }
    model = export_graph(network(), network_states())
    assert (model.opset_import[0].version, model.ir_version) == (17, 8)
