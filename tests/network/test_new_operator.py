"""An operator is one class with its definition: gradient, kernel and ONNX rule are for speed.

Group normalisation is taken without them, as it was when it was new.
"""

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.compile.native import planned
from graphcnn.onnx.exporting.registry import EXPORTERS
from graphcnn.ops.norm import GroupNorm
from graphcnn.runtime.native.code.registry import LOWERINGS, load_lowerings


@pytest.fixture(autouse=True)
def new(monkeypatch, tmp_path):
    load_lowerings()
    monkeypatch.setenv("GRAPHCNN_CACHE", str(tmp_path))  # where no plan with a kernel waits
    monkeypatch.delitem(LOWERINGS, "group_norm")
    monkeypatch.delitem(EXPORTERS, "group_norm")
    monkeypatch.delattr(GroupNorm, "gradient")


def network() -> cnn.Model:
    image = cnn.input("image", (2, 6, 6))
    x = cnn.conv2d(image, 8, 3, padding=1, name="conv")
    x = cnn.group_norm(x, 4, activation="relu", name="norm")
    return cnn.Model(image, cnn.dense(cnn.flatten(x), 3, name="logits")).initialize(0)


IMAGES = np.random.default_rng(0).normal(size=(5, 2, 6, 6)).astype(np.float32)


def test_it_runs_as_what_it_expands_to():
    model = network()
    plan = planned(model.graph.bind(N=5))
    assert not [n for n in plan.graph.nodes if n.op.name == "group_norm"]
    native, reference = (model.predict(IMAGES, runtime=r) for r in ("native", "reference"))
    np.testing.assert_allclose(native, reference, rtol=1e-5, atol=1e-6)


def test_it_trains():
    losses = {}
    for runtime in ("native", "reference"):
        session = cnn.Session(network(), "cross_entropy", cnn.SGD(0.1), runtime=runtime)
        losses[runtime] = [session.step(IMAGES, np.arange(5) % 3)["loss"] for _ in range(4)]
    np.testing.assert_allclose(losses["native"], losses["reference"], rtol=1e-4)
    assert losses["native"][-1] < losses["native"][0]


def test_it_is_exported_and_read_back(tmp_path):
    pytest.importorskip("onnxruntime")
    model, path = network(), tmp_path / "model.onnx"
    parity = model.export_onnx(path, verify=True)
    assert parity is not None and parity.passed
    found = cnn.import_onnx(path)
    assert [n.op for n in found.graph.operations] == [n.op for n in model.graph.operations]
    np.testing.assert_array_equal(found.predict(IMAGES), model.predict(IMAGES))


def test_a_training_step_is_exported(tmp_path):
    pytest.importorskip("onnxruntime")
    network().export_onnx_training(tmp_path / "step", optimizer=cnn.SGD(0.1))
