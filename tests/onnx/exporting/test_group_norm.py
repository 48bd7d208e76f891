"""Group normalisation in ONNX: one operator from opset 21 on, smaller ones before."""

import numpy as np
import onnx
import pytest
from onnx import helper

import graphcnn as cnn
from graphcnn.ops.norm import GroupNorm


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
