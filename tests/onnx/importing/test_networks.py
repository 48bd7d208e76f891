"""Networks of the known architectures: imported with an open batch, run, exported again."""

import numpy as np
import pytest
from support.evaluate import evaluate
from support.exported_networks import NETWORKS, Net

from graphcnn.compile.runner import Runner
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import constant_of
from graphcnn.onnx.exporting.export import export_graph
from graphcnn.onnx.importing.importer import import_graph
from graphcnn.ops.broadcast import Sum
from graphcnn.passes.training.backward import vjp
from graphcnn.runtime.execution import Execution

runtime = pytest.importorskip("onnxruntime")

#: Largest error allowed, normalised by the largest output.
BOUND = 5e-6


def feeds_of(model, batch):
    rng = np.random.default_rng(5)
    shapes = {
        v.name: [d.dim_value or batch for d in v.type.tensor_type.shape.dim]
        for v in model.graph.input
    }
    return {name: rng.uniform(-1, 1, shape).astype(np.float32) for name, shape in shapes.items()}


def theirs(model, feeds):
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, feeds)


def compare(name, found, expected):
    for (key, y), other in zip(found.items(), expected, strict=True):
        assert (y.shape, y.dtype) == (other.shape, other.dtype), key
        if name == "quantised":  # a sum at half a step may be rounded to either side
            off = np.abs(y - other)
            assert off.max() <= 0.03125 + 1e-6 and np.mean(off > 1e-6) < 0.01
            continue
        scale = np.abs(other).max()
        np.testing.assert_allclose(y / scale, other / scale, rtol=0, atol=BOUND, err_msg=key)


@pytest.mark.parametrize("kind", ["reference", "native"])
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_agree_with_onnx_runtime(name, kind):
    model = NETWORKS[name]().model()
    graph = import_graph(model.SerializeToString())
    batch = 1 if graph.graph.inputs[0].type.is_bound else 3
    feeds = feeds_of(model, batch)
    found, _ = Runner(graph.graph, Execution(kind)).run(feeds, graph.states)
    compare(name, found, theirs(model, feeds))


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_are_exported_again(name):
    model = NETWORKS[name]().model()
    graph = import_graph(model.SerializeToString())
    again = export_graph(graph.graph, graph.states, opset="auto")
    feeds = feeds_of(model, 1 if graph.graph.inputs[0].type.is_bound else 2)
    found = dict(zip(graph.graph.outputs, theirs(again, feeds), strict=True))
    compare(name, found, theirs(model, feeds))
    content = again.SerializeToString(deterministic=True)
    back = import_graph(content)
    twice = export_graph(back.graph, back.states, opset="auto")
    found = dict(zip(back.graph.outputs, theirs(twice, feeds), strict=True))
    compare(name, found, theirs(model, feeds))


def test_shapes_computed_by_scattering_are_folded():
    """As PyTorch writes an expansion to a shape whose batch size is open."""
    net = Net(opset=18)
    x = net.input("x", "N", 4, 3)
    shape = net.op("ScatterElements", net.op("Shape", x), net.ints(1), net.ints(2), axis=0)
    ones = net.op("ConstantOfShape", net.op("Shape", shape))
    shape = net.op("Where", net.op("Equal", shape, ones), ones, shape)
    index = net.op("Expand", net.const([[[2], [0]]], np.int64), shape)
    part = net.op("Slice", x, net.ints(0), net.ints(2), net.ints(1))
    net.output(net.op("ScatterElements", x, index, part, axis=1))
    found = import_graph(net.model().SerializeToString())
    feeds = feeds_of(net.model(), 3)
    result, _ = Runner(found.graph, Execution("reference")).run(feeds, found.states)
    expected = feeds["x"].copy()
    expected[:, [2, 0]] = feeds["x"][:, :2]
    np.testing.assert_array_equal(next(iter(result.values())), expected)


@pytest.mark.parametrize("name", ["spatial_transformer", "segnet", "volumes", "shifted_windows"])
def test_gradients_flow_through_all_parameters(name):
    """Each weight's gradient, by a step along it: the loss falls as much as the gradient says."""
    model = NETWORKS[name]().model()
    found = import_graph(model.SerializeToString())
    graph = found.graph.bind(N=2)
    weights = [s for s in graph.states if s.node.op.trainable]
    loss = sum_of_squares(list(graph.outputs.values()))
    gradients = vjp([loss], [constant_of(1.0, loss.dtype)], weights)
    assert all(g is not None for g in gradients)
    outputs = {"loss": loss, **{w.node.op.key: g for w, g in zip(weights, gradients, strict=True)}}
    feeds, states = feeds_of(model, 2), dict(found.states)
    both = Graph.of(graph.inputs, outputs)
    before = evaluate(both, feeds, states)
    square = sum(float(np.sum(before[w.node.op.key].astype(np.float64) ** 2)) for w in weights)
    step = 1e-4 * float(before["loss"]) / square
    for w in weights:
        states[w.node.op.key] = states[w.node.op.key] - step * before[w.node.op.key]
    after = evaluate(both, feeds, states)
    fall = (float(before["loss"]) - float(after["loss"])) / (step * square)
    assert 0.9 < fall < 1.1


def sum_of_squares(values):
    total = constant_of(0.0, values[0].dtype)
    for v in values:
        total = total + Sum(tuple(range(v.type.rank)))(v * v)
    return total


@pytest.mark.parametrize("opset", [9, 13])
def test_sizes_of_scales_that_are_rounded(opset):
    """9 pixels times 17/9, as a float32, are 17: ONNX multiplies in float32 and takes the floor."""
    for size, new in [(9, 17), (10, 19), (7, 11), (3, 23), (11, 30), (13, 7), (6, 5), (22, 21)]:
        net = Net(opset=opset)
        scales = net.const([1, 1, np.float32(new / size), 1], np.float32)
        x = net.input("x", 1, 2, size, 4)
        if opset == 9:
            net.output(net.op("Upsample", x, scales, mode="linear"))
        else:
            net.output(net.op("Resize", x, "", scales, mode="linear"))
        content = net.model().SerializeToString()
        found, feeds = import_graph(content), {"x": np.ones((1, 2, size, 4), np.float32)}
        (ours,) = evaluate(found.graph, feeds, found.states).values()
        if opset == 9 and new < size:
            continue  # ONNX Runtime refuses
        session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
        assert ours.shape == session.run(None, feeds)[0].shape, (size, new)
