"""What `graphcnn import` tells of a file, and commands that take ONNX files as models."""

import json

import numpy as np
import pytest
from onnx import TensorProto, helper
from support.command_line import run
from support.malformed_models import array, model, node, relu

from graphcnn.errors import ImportModelError
from graphcnn.model import import_onnx
from graphcnn.models import MODELS
from graphcnn.models.resolve import UnknownModelError, find
from graphcnn.onnx.importing.report import report


def with_gaps(declared):
    """Relu, an operator that we lack, Relu."""
    made = model(
        [
            relu(to="a"),
            node("Unique", "a", outputs=("b",), name="r1"),
            node("Unique", "b", outputs=("c",), name="r2"),
            relu("c"),
        ],
        (None, 4),
    )
    if declared:
        for name in "bc":
            info = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 4])
            made.graph.value_info.append(info)
    return made


def test_a_network_that_runs(tmp_path):
    m = MODELS["lenet5"]().initialize(0)
    m.export_onnx(tmp_path / "m.onnx", verify=False)
    found = report(tmp_path / "m.onnx")
    assert found.runs and found.rest_runs
    assert found.parameters == sum(a.size for a in m.parameters.values())
    assert found.operators["Conv"] >= 2 and found.multiply_adds > 0
    text = str(found)
    for word in ("graphcnn", "opset 17", "IR 8", f"{found.parameters:,}", "Conv"):
        assert word in text
    assert json.loads(found.to_json())["runs"] is True


@pytest.mark.parametrize("declared", [True, False])
def test_what_is_missing_is_named(declared):
    found = report(with_gaps(declared).SerializeToString())
    (missing,) = found.unsupported
    assert (missing.op_type, missing.nodes) == ("Unique", ("r1", "r2"))
    assert found.rest_runs and found.assumed == (() if declared else ("Unique",))
    assert ("shaped like their first input" in str(found)) is not declared
    assert "r1" in str(found) and "nearest supported" in str(found)


def test_the_command(tmp_path):
    path = tmp_path / "m.onnx"
    weights = array("w", 3, 2, 3, 3)
    made = model([node("Conv", "x", "w", name="C1")], (None, 2, None, None), [weights])
    path.write_bytes(made.SerializeToString())
    failed = run("import", path)
    assert failed.exit_code == 1 and "axis 2" in failed.stderr
    saved = tmp_path / "m.safetensors"
    done = run("import", path, "--input", "x=N,2,8,8", "-o", saved)
    assert done.exit_code == 0 and "parameters     54" in done.output and saved.is_file()
    assert find(str(saved)).build().graph.outputs["y"].shape[1:] == (3, 6, 6)
    assert json.loads(run("import", path, "--input", "x=N,2,8,8", "--json").output)
    assert run("import", path, "--input", "x=a").exit_code == 2
    path.write_bytes(with_gaps(True).SerializeToString())
    lacking = run("import", path)
    assert lacking.exit_code == 1 and "Unique" in lacking.output


def test_onnx_files_are_models(tmp_path):
    path = tmp_path / "m.onnx"
    m = MODELS["digits_cnn"]().initialize(0)
    m.export_onnx(path, verify=False)
    found = find(str(path))
    assert found.saved
    assert all(np.array_equal(a, m.states[k]) for k, a in found.build().states.items())
    assert run("summary", path).exit_code == 0
    with pytest.raises(UnknownModelError, match="no such file"):
        find(str(tmp_path / "none.onnx"))


def test_what_stands_before_an_unsupported_node_can_be_read(tmp_path):
    made = model(
        [
            relu(to="a"),
            helper.make_node("Frobnicate", ["a"], ["b"], "f1", domain="own"),
            relu("b", "y"),
            node("Neg", "x", outputs=("n",)),
            node("Add", "n", "a", outputs=("z",)),
        ],
        (None, 1, 2, 2),
        outputs=("y", "z"),
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("own", 1)],
    )
    content = made.SerializeToString()
    found = report(content)
    assert found.rest_runs and found.assumed == ("Frobnicate",) and found.before == ("z", "a")
    assert "'own' is unknown" in str(found) and "--until z --until a" in str(found)
    cut = report(content, outputs=found.before)
    assert cut.runs and list(cut.outputs) == ["z", "a"]
    assert report(content, outputs=["z"]).operators == {"Relu": 1, "Neg": 1, "Add": 1}
    x = np.array([-1, 2, 3, -4], np.float32).reshape(1, 1, 2, 2)
    m = import_onnx(content, outputs=["a"])
    np.testing.assert_array_equal(m.predict(x), np.maximum(x, 0))
    assert len(m.graph.outputs) == 1
    for outputs, match in ((["none"], "no value 'none'"), ([], "different names")):
        with pytest.raises(ImportModelError, match=match):
            import_onnx(content, outputs=outputs)
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    assert run("import", path).exit_code == 1
    assert run("import", path, "--until", "a").exit_code == 0


def test_a_selection_of_boxes_at_the_end_is_in_the_way_of_nothing():
    boxes = [array("b", 1, 3, 4), array("s", 1, 2, 3)]
    nodes = [
        node("Add", "b", "x", outputs=("boxes",)),
        node("NonMaxSuppression", "boxes", "s", outputs=("chosen",)),
    ]
    found = report(model(nodes, (1, 3, 4), boxes, ("chosen",)).SerializeToString())
    assert found.rest_runs and not found.assumed and found.before == ("boxes",)
    assert "decided by the boxes" in str(found)
