"""Activations that a later opset has, or that have a shape of their own in ONNX."""

import numpy as np
import onnx
import pytest

import graphcnn as cnn
from graphcnn.ops.activation import Mish, PRelu


def network() -> cnn.Model:
    image = cnn.input("image", (3, 6, 6))
    x = cnn.conv2d(image, 4, 3, activation="mish", name="a")
    x = cnn.prelu(cnn.conv2d(x, 5, 3, name="b"), name="each")
    x = cnn.prelu(cnn.dense(cnn.flatten(x), 4, name="c"), shared=True, init=-0.5, name="all")
    return cnn.Model(image, x).initialize(0)


def kinds(model: onnx.ModelProto) -> list[str]:
    return [n.op_type for n in model.graph.node]


@pytest.mark.parametrize("opset", [17, 18])
def test_mish_and_prelu_come_back_from_files_of_others(opset, tmp_path):
    """Below 18 there is no Mish: it is written out, and recognised."""
    model, path = network(), tmp_path / "m.onnx"
    model.export_onnx(path, opset=opset, verify=True)
    file = onnx.load(path)
    assert ("Mish" in kinds(file)) is (opset == 18) and kinds(file).count("PRelu") == 2
    del file.metadata_props[:]  # our own note of the graph
    again = cnn.import_onnx(file.SerializeToString())
    found = [n.op for n in again.graph.operations if n.op.family == "activation"]
    assert found == [Mish(), PRelu(), PRelu()]
    shapes = {k: a.shape for k, a in again.states.snapshot().items() if "slope" in k}
    assert shapes == {"each.slope": (5,), "all.slope": (1,)}
    x = np.random.default_rng(0).normal(size=(2, 3, 6, 6)).astype(np.float32)
    assert np.abs(again.predict(x) - model.predict(x)).max() < 1e-6


@pytest.mark.parametrize(
    ("slope", "opset", "expected"),
    [((3, 1, 1), 17, (3,)), ((3,), 6, (3,)), ((3,), 17, (1, 3)), ((1, 3, 2, 3), 17, (1, 3, 2, 3))],
)
def test_slopes_of_onnx_keep_their_axes(slope, opset, expected):
    """Since opset 7 one axis is that of columns, here as many as channels."""
    node = onnx.helper.make_node("PRelu", ["x", "s"], ["y"])
    info = [onnx.helper.make_tensor_value_info(k, 1, ["N", 3, 2, 3]) for k in "xy"]
    array = np.random.default_rng(0).normal(size=slope).astype(np.float32)
    graph = onnx.helper.make_graph(
        [node], "g", info[:1], info[1:], [onnx.numpy_helper.from_array(array, "s")]
    )
    imports = [onnx.helper.make_opsetid("", opset)]
    model = cnn.import_onnx(onnx.helper.make_model(graph, opset_imports=imports, ir_version=8)
                            .SerializeToString())  # fmt: skip
    found = model.graph.operations[-1]
    assert isinstance(found.op, PRelu) and found.inputs[1].shape == expected
    x = np.random.default_rng(1).normal(size=(2, 3, 2, 3)).astype(np.float32)
    wide = array.reshape(3, 1, 1) if opset < 7 else array
    np.testing.assert_array_equal(model.predict(x), np.where(x > 0, x, x * wide))
