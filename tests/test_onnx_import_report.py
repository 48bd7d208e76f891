"""What `graphcnn import` tells of a file, and commands that take ONNX files as models."""

import json

import click
import numpy as np
import pytest
from click.testing import CliRunner
from malformed_models import array, model, node, relu
from onnx import TensorProto, helper

from graphcnn.models import MODELS
from graphcnn.onnx.report import report
from graphcnn.tools.commands.import_ import import_
from graphcnn.tools.commands.look import summary
from graphcnn.tools.resolve import UnknownModelError, find


def run(*arguments):
    """The command line with these two commands; its settings are those of `graphcnn`."""
    settings = {"help_option_names": ["-h", "--help"]}
    group = click.Group(context_settings=settings, commands={"import": import_, "summary": summary})
    return CliRunner().invoke(group, list(map(str, arguments)))


def with_round(declared):
    """Relu, an operator that we lack, Relu."""
    made = model(
        [
            relu(to="a"),
            node("Round", "a", outputs=("b",), name="r1"),
            node("Round", "b", outputs=("c",), name="r2"),
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
    found = report(with_round(declared).SerializeToString())
    (missing,) = found.unsupported
    assert (missing.op_type, missing.nodes) == ("Round", ("r1", "r2") if declared else ("r1",))
    assert found.rest_runs is declared
    assert "r1" in str(found) and "nearest supported" in str(found)


def test_the_command(tmp_path):
    path = tmp_path / "m.onnx"
    weights = array("w", 3, 2, 3, 3)
    made = model([node("Conv", "x", "w", name="C1")], (None, 2, None, None), [weights])
    path.write_bytes(made.SerializeToString())
    failed = run("import", path)
    assert failed.exit_code == 1 and "axis 2" in str(failed.exception)
    saved = tmp_path / "m.safetensors"
    done = run("import", path, "--input", "x=N,2,8,8", "-o", saved)
    assert done.exit_code == 0 and "parameters     54" in done.output and saved.is_file()
    assert find(str(saved)).build().graph.outputs["y"].shape[1:] == (3, 6, 6)
    assert json.loads(run("import", path, "--input", "x=N,2,8,8", "--json").output)
    assert run("import", path, "--input", "x=a").exit_code == 2
    path.write_bytes(with_round(True).SerializeToString())
    lacking = run("import", path)
    assert lacking.exit_code == 1 and "Round" in lacking.output


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
