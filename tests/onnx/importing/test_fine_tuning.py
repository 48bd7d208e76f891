"""Training goes on with networks of other frameworks, as their exporters write them."""

import numpy as np
import pytest
from support.exported_networks import Net

import graphcnn as cnn
from graphcnn.ir.graph import state_of
from graphcnn.ir.sources import Role
from graphcnn.model import import_onnx


def new_network(copies):
    """Two batch norms as they begin. Equal arrays are stored once; what else bears their numbers
    is, with `copies`, an Identity, as in PyTorch's files; or else the same array."""
    net = Net()
    ones, zeros = net.const(np.ones(4), np.float32), net.const(np.zeros(4), np.float32)
    x = net.input("x", "N", 1, 6, 6)
    for c in (1, 4):
        names = ("gamma", "beta", "mean", "variance")
        arrays = dict(zip(names, (ones, zeros, zeros, ones), strict=True))
        if copies:
            for key, array in arrays.items():
                arrays[key] = net.op("Identity", array)
        x = net.op("Conv", x, net.weight(4, c, 3, 3), pads=[1] * 4)
        x = net.op("Relu", net.op("BatchNormalization", x, *arrays.values(), momentum=0.9))
    x = net.op("Flatten", net.op("GlobalAveragePool", x))
    net.output(net.op("Gemm", x, net.weight(2, 4), net.weight(2), transB=1))
    return net.model().SerializeToString()


def stripes(n=256):
    """Horizontal and vertical lines."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, n)
    lines = rng.integers(0, 2, (n, 6, 1)) * np.ones((1, 1, 6))
    images = np.where(labels[:, None, None], lines, lines.transpose(0, 2, 1))
    return images[:, None].astype(np.float32), labels


@pytest.mark.parametrize("copies", [True, False])
def test_equal_statistics_are_states_of_their_own(copies):
    model = import_onnx(new_network(copies))
    roles = [state_of(s).role for s in model.graph.states]
    assert roles.count(Role.STATISTIC) == 4
    norms = [node for node in model.graph.nodes if node.op.name == "batch_norm"]
    states = [v for node in norms for v in node.inputs[3:]]
    assert len(set(states)) == 4 and not set(states) & set(norms[0].inputs[1:3])
    shared = norms[0].inputs[1] is norms[1].inputs[1]
    assert shared == (not copies)  # one array for two scales may be meant so


@pytest.mark.parametrize("copies", [True, False])
def test_a_new_network_learns(copies):
    model, data = import_onnx(new_network(copies)), stripes()
    model.fit(data, epochs=6, batch_size=32, optimizer=cnn.SGD(0.05, momentum=0.9), seed=0)
    assert model.evaluate(data)["accuracy"] > 0.95
    means = [a for k, a in model.states.items() if np.ndim(a) == 1 and np.abs(a).max() > 0]
    assert len({a.tobytes() for a in means}) == len(means)


def test_the_file_of_a_new_network_predicts_as_before(tmp_path):
    model = import_onnx(new_network(True))
    path = tmp_path / "again.onnx"
    model.export_onnx(path, verify=False)
    x = stripes(5)[0]
    np.testing.assert_array_equal(import_onnx(path).predict(x), model.predict(x))


def test_copies_of_copies():
    net = Net()
    x = net.input("x", "N", 3)
    w = net.const(np.ones(3), np.float32)
    once, twice = net.op("Identity", w), net.op("Identity", net.op("Identity", w))
    net.output(net.op("Mul", net.op("Mul", x, once), net.op("Add", twice, w)))
    model = import_onnx(net.model().SerializeToString())
    assert len(model.states) == 3
    y = model.predict(np.full((2, 3), 2, np.float32))
    np.testing.assert_array_equal(y, np.full((2, 3), 4))


def test_a_fixed_batch_size_is_opened():
    net = Net()
    x = net.op("Flatten", net.input("x", 1, 1, 6, 6))
    net.output(net.op("Gemm", x, net.weight(2, 36), net.weight(2), transB=1))
    content = net.model().SerializeToString()
    images, labels = stripes(8)
    model = import_onnx(content, inputs={"x": ("N", 1, 6, 6)})
    np.testing.assert_allclose(
        import_onnx(content).predict(images), model.predict(images), rtol=1e-5, atol=1e-6
    )
    assert model.evaluate((images, labels))["accuracy"] >= 0
