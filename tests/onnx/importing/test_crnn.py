"""A reader of lines of text, convolutions and two bidirectional layers, node by node as PyTorch's
exporters write it: it runs, trains, and is written again."""

import numpy as np
import onnx
import pytest
from support.exported_networks import FLOAT, Net

import graphcnn as cnn
from graphcnn.ops.loops import Scan

runtime = pytest.importorskip("onnxruntime")

UNITS, STEPS = 6, 8


def crnn(op):
    """Images (n, 1, 8, 16) to (n, 8, 5): n is open, and states of zeros are made for it."""
    net = Net(opset=17)
    gates, states = {"LSTM": (4, 2), "GRU": (3, 1)}[op]

    def add(kind, *inputs, **attributes):
        out = f"v{len(net.nodes)}"
        net.nodes.append(onnx.helper.make_node(kind, list(inputs), [out], out, **attributes))
        return out

    def some(*shape):
        return net.const(net.rng.normal(size=shape, scale=0.4).astype(np.float32))

    x = net.input("x", "n", 1, 8, 16)
    y = add("Conv", x, some(4, 1, 3, 3), some(4), pads=[1, 1, 1, 1], kernel_shape=[3, 3])
    y = add("MaxPool", add("Relu", y), kernel_shape=[2, 2], strides=[2, 2])
    y = add("Transpose", y, perm=[0, 3, 1, 2])
    one = net.const(np.array([0]), np.int64)
    items = add("Unsqueeze", add("Gather", add("Shape", y), net.const(0, np.int64), axis=0), one)
    rest = [net.const(np.array([k]), np.int64) for k in (STEPS, 16)]
    y = add("Reshape", y, add("Concat", items, *rest, axis=0))
    y, features = add("Transpose", y, perm=[1, 0, 2]), 16
    sizes = [net.const(np.array([k]), np.int64) for k in (4, UNITS)]
    zeros = add("ConstantOfShape", add("Concat", sizes[0], items, sizes[1], axis=0))
    for layer in range(2):
        ends = [net.const(np.array([k]), np.int64) for k in (2 * layer, 2 * layer + 2)]
        start = add("Slice", zeros, *ends, one)
        inputs = [y, some(2, gates * UNITS, features), some(2, gates * UNITS, UNITS)]
        inputs += [some(2, 2 * gates * UNITS), "", *[start] * states]
        more = {"linear_before_reset": 1} if op == "GRU" else {}
        y = add(op, *inputs, direction="bidirectional", hidden_size=UNITS, **more)
        y = add("Transpose", y, perm=[0, 2, 1, 3])
        y = add("Reshape", y, net.const(np.array([0, 0, -1]), np.int64))
        features = 2 * UNITS
    y = add("MatMul", add("Transpose", y, perm=[1, 0, 2]), some(features, 5))
    net.nodes.append(onnx.helper.make_node("Add", [some(5), y], ["y"], "out"))
    graph = onnx.helper.make_graph(
        net.nodes, "crnn", net.inputs,
        [onnx.helper.make_tensor_value_info("y", FLOAT, ["n", STEPS, 5])], net.stored,
    )  # fmt: skip
    opsets = [onnx.helper.make_opsetid("", 17)]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)


@pytest.mark.parametrize("op", ["LSTM", "GRU"])
def test_a_reader_runs_trains_and_is_written_again(op, tmp_path):
    made = crnn(op)
    onnx.checker.check_model(made, full_check=True)
    model = cnn.import_onnx(made.SerializeToString())
    assert sum(isinstance(n.op, Scan) for n in model.graph.nodes) == 4
    images = np.random.default_rng(1).normal(size=(3, 1, 8, 16)).astype(np.float32)

    def by_onnxruntime(content):
        session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
        return session.run(["y"], {"x": images})[0]

    expected = by_onnxruntime(made.SerializeToString())
    np.testing.assert_allclose(model.predict(images), expected, rtol=2e-5, atol=2e-6)
    goal = np.zeros((3, STEPS, 5), np.float32)
    history = model.fit((images, goal), loss="mse", epochs=4, batch_size=3, seed=0,
                        optimizer=cnn.Adam(0.01), progress=False)  # fmt: skip
    assert history[-1]["loss"] < 0.8 * history[0]["loss"]
    trained = model.predict(images)
    assert np.abs(trained - expected).max() > 0.01
    model.export_onnx(tmp_path / "again.onnx")
    again = onnx.load(tmp_path / "again.onnx")
    assert [n.op_type for n in again.graph.node].count(op) == 2
    np.testing.assert_allclose(
        by_onnxruntime(again.SerializeToString()), trained, rtol=2e-5, atol=2e-6
    )
