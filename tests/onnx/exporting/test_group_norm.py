"""Normalisations of items in ONNX: of groups one operator from opset 21 on, smaller ones before;
of instances, and along axes from opset 17 on, one operator."""

import numpy as np
import onnx
import pytest
from onnx import helper

import graphcnn as cnn
from graphcnn.ops.norm import GroupNorm, LayerNorm


def network() -> cnn.Model:
    image = cnn.input("image", (4, 5, 5))
    x = cnn.group_norm(image, 2, epsilon=0.01, name="norm")
    return cnn.Model(image, cnn.conv2d(x, 3, 3, name="after")).initialize(0)


@pytest.mark.parametrize("opset", [17, 20, 21, 23])
def test_the_operator_is_written_where_it_means_ours(opset, tmp_path):
    """Before 21 it has one scale per group."""
    network().export_onnx(tmp_path / "m.onnx", opset=opset)
    file = onnx.load(tmp_path / "m.onnx")
    assert ("GroupNormalization" in {n.op_type for n in file.graph.node}) is (opset >= 21)
    shapes = {v.name: len(v.type.tensor_type.shape.dim) for v in file.graph.value_info}
    assert shapes["norm"] == 4  # which ONNX itself does not infer


@pytest.mark.parametrize(
    ("kind", "attributes", "opset", "groups"),
    [
        ("GroupNormalization", {"num_groups": 2}, 21, 2),
        ("GroupNormalization", {"num_groups": 4}, 18, 4),
        ("InstanceNormalization", {}, 17, 4),
    ],
)
def test_what_is_group_normalisation_is_read_as_that(kind, attributes, opset, groups):
    rng = np.random.default_rng(0)
    arrays = {k: rng.normal(size=4).astype(np.float32) for k in "sb"}
    node = helper.make_node(kind, ["x", *arrays], ["y"], epsilon=0.1, **attributes)
    info = [helper.make_tensor_value_info(k, 1, ["N", 4, 3, 3]) for k in "xy"]
    initial = [onnx.numpy_helper.from_array(a, k) for k, a in arrays.items()]
    graph = helper.make_graph([node], "g", info[:1], info[1:], initial)
    file = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    model = cnn.import_onnx(file.SerializeToString())
    (found,) = model.graph.operations
    assert isinstance(found.op, GroupNorm)
    assert found.op.groups == groups and abs(found.op.epsilon - 0.1) < 1e-7


@pytest.mark.parametrize("opset", [17, 21])
def test_instance_and_layer_norms_come_back_from_files_of_others(opset, tmp_path):
    """Channels are moved to the end and back, where LayerNormalization takes them."""
    image = cnn.input("image", (4, 5, 6))
    x = cnn.layer_norm(cnn.instance_norm(image, name="each", epsilon=0.1), 1, name="channels")
    x = cnn.layer_norm(cnn.layer_norm(x, (1, 2, 3), name="whole"), -1, name="rows")
    model = cnn.Model(image, x).initialize(0)
    rng = np.random.default_rng(0)
    states = model.states.snapshot()
    model.update_states({k: rng.normal(size=a.shape).astype("f4") for k, a in states.items()})
    model.export_onnx(tmp_path / "m.onnx", opset=opset, verify=True)
    file = onnx.load(tmp_path / "m.onnx")
    written = [n.op_type for n in file.graph.node if n.op_type != "Transpose"]
    assert written == ["InstanceNormalization", *["LayerNormalization"] * 3]
    del file.metadata_props[:]  # our own note of the graph
    again = cnn.import_onnx(file.SerializeToString())
    found = {n.name: (type(n.op), getattr(n.op, "axes", None)) for n in again.graph.operations}
    assert found == {
        "each": (GroupNorm, None), "channels": (LayerNorm, (1,)),
        "whole": (LayerNorm, (1, 2, 3)), "rows": (LayerNorm, (3,)),
    }  # fmt: skip
    assert len(again.parameters.undecayed) == 2  # gamma and beta of "whole"
    x = rng.normal(size=(3, 4, 5, 6)).astype(np.float32)
    assert np.array_equal(again.predict(x), model.predict(x))


@pytest.mark.parametrize("opset", [16, 21])
def test_layer_norm_of_wider_numbers_and_older_opsets_is_written_out(opset, tmp_path):
    image = cnn.input("image", (4, 5), "float64" if opset > 16 else "float32")
    model = cnn.Model(image, cnn.layer_norm(cnn.layer_norm(image, 1), (1, 2))).initialize(0)
    assert model.export_onnx(tmp_path / "m.onnx", opset=opset, verify=True).passed
    file = onnx.load(tmp_path / "m.onnx")
    assert not {n.op_type for n in file.graph.node} & {"LayerNormalization", "GroupNormalization"}
