"""Loops in ONNX files: one file for every batch size, with the numbers of the definition."""

import numpy as np
import pytest

import graphcnn as cnn

runtime = pytest.importorskip("onnxruntime")


@pytest.mark.parametrize("reverse", [False, True])
def test_one_file_serves_every_batch_size(tmp_path, reverse):
    x = cnn.input("x", (5, 3))

    def step(h, v):
        h = cnn.tanh(cnn.dense(v, 4) + cnn.dense(h, 4))
        return h, h * 2.0

    last, ys = cnn.scan(step, cnn.zeros((cnn.N, 4)), x, reverse=reverse)
    model = cnn.Model(x, {"last": last, "ys": ys})
    model.export_onnx(tmp_path / "loop.onnx")
    session = runtime.InferenceSession(tmp_path / "loop.onnx", providers=["CPUExecutionProvider"])
    for n in (1, 4):
        items = np.random.default_rng(n).normal(size=(n, 5, 3)).astype("f")
        expected = model.predict(items, runtime="reference")
        for name, found in zip(expected, session.run(list(expected), {"x": items}), strict=True):
            np.testing.assert_allclose(found, expected[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("reverse", [False, True])
def test_the_gradient_of_a_loop_serves_every_batch_size(tmp_path, reverse):
    x = cnn.input("x", (5, 3))

    def step(h, v):
        h = cnn.tanh(cnn.dense(v, 4) + cnn.dense(h, 4))
        return h, h * h

    last, ys = cnn.scan(step, cnn.zeros((cnn.N, 4)), x, reverse=reverse)
    (dx,) = cnn.gradients(cnn.sum(last) + cnn.sum(ys), [x])
    model = cnn.Model(x, {"dx": dx})
    model.export_onnx(tmp_path / "back.onnx")
    session = runtime.InferenceSession(tmp_path / "back.onnx", providers=["CPUExecutionProvider"])
    for n in (1, 4):
        items = np.random.default_rng(n).normal(size=(n, 5, 3)).astype("f")
        expected = model.predict(items, runtime="reference")
        (found,) = session.run(["dx"], {"x": items})
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
        assert np.abs(found).min() > 0
