"""Loops in ONNX files: Scan, or RNN, GRU and LSTM; one file for every batch size, with the numbers
of the definition, and the same graph when it is read again."""

import numpy as np
import onnx
import pytest

import graphcnn as cnn
from graphcnn.ops.loops import Scan

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


def written(model, tmp_path):
    """The file of a model, and the names of its operators."""
    model.export_onnx(tmp_path / "m.onnx")
    made = onnx.load(tmp_path / "m.onnx")
    return made, [n.op_type for n in made.graph.node]


def same_everywhere(model, made, items=3, same_loops=True):
    """ONNX Runtime, and the file read with and without our note, have the model's numbers."""
    rng = np.random.default_rng(7)
    feeds = {}
    for v in model.graph.inputs:
        shape = [d if isinstance(d, int) else items for d in v.shape]
        ints = not v.dtype.is_float
        feeds[v.node.name] = rng.integers(-1, 9, shape) if ints else rng.normal(size=shape)
        feeds[v.node.name] = feeds[v.node.name].astype(v.dtype.numpy)
    expected = model.predict(feeds, runtime="reference")
    session = runtime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    names = list(expected)
    results = [dict(zip(names, session.run(names, feeds), strict=True))]
    again = cnn.import_onnx(made.SerializeToString())
    assert str(again.graph) == str(model.graph)
    del made.metadata_props[:]
    bare = cnn.import_onnx(made.SerializeToString())
    loops = [
        sorted(repr(n.op) for n in g.nodes if isinstance(n.op, Scan))
        for g in (model.graph, bare.graph)
    ]
    assert loops[0] == loops[1] or not same_loops
    results += [again.predict(feeds), bare.predict(feeds)]
    for found in results:
        for name in names:
            np.testing.assert_allclose(found[name], expected[name], rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("form", ["plain", "reverse", "bidirectional", "lengths", "no bias"])
def test_a_recurrent_layer_is_one_node(kind, form, tmp_path):
    x, n = cnn.input("x", (6, 3)), cnn.input("n", (), dtype="int64")
    more = {"lengths": n} if form == "lengths" else {}
    more |= {form: True} if form in ("reverse", "bidirectional") else {}
    ys, last = getattr(cnn, kind)(x, 4, bias=form != "no bias", **more)
    states = last if isinstance(last, tuple) else (last,)
    outputs = {"ys": ys, **{f"s{i}": v for i, v in enumerate(states)}}
    model = cnn.Model([x, n] if form == "lengths" else x, outputs)
    made, ops = written(model, tmp_path)
    assert ops.count(kind.upper()) == 1 and "Scan" not in ops and "Gemm" not in ops
    same_everywhere(model, made)


def test_what_is_a_layer_is_proven_by_its_body_alone(tmp_path):
    """Loops with the names, shapes and weights of a layer, but for one operator, are Scan."""
    x = cnn.input("x", (5, 16))

    def step(factor):
        def lstm(carry, given):
            h, c = carry
            i, f, g, o = (
                (given + cnn.dense(h, 16, bias=False, name="recurrent"))[:, 4 * k : 4 * k + 4]
                for k in range(4)
            )
            c = cnn.sigmoid(f) * c + cnn.sigmoid(i) * cnn.tanh(g)
            h = cnn.sigmoid(o) * cnn.tanh(c)
            return (h * factor if factor else h, c), h

        return lstm

    zeros = cnn.zeros((cnn.N, 4))
    for factor in (0, 2.0):
        (last, _), ys = cnn.scan(step(factor), (zeros, zeros), x, name="lstm")
        model = cnn.Model(x, {"ys": ys, "last": last})
        made, ops = written(model, tmp_path)
        assert "Scan" in ops and "LSTM" not in ops
        same_everywhere(model, made)


def test_loops_in_loops_and_loops_over_nothing(tmp_path):
    x = cnn.input("x", (3, 4, 2))

    def outer(total, rows):
        last, ys = cnn.scan(lambda h, r: (cnn.tanh(h + r), h * r), total, rows)
        doubled, _ = cnn.scan(lambda h, _: (h * 1.5, ()), last, length=3)
        return doubled, (ys, total)

    last, (ys, before) = cnn.scan(outer, cnn.zeros((cnn.N, 2)), x, reverse=True)
    model = cnn.Model(x, {"last": last, "ys": ys, "before": before})
    made, ops = written(model, tmp_path)
    assert ops.count("Scan") == 1
    same_everywhere(model, made, same_loops=False)  # ONNX's Scan goes through something


def test_layers_that_wait_for_each_other_are_not_joined(tmp_path):
    x = cnn.input("x", (4, 3))
    forward, h = cnn.gru(x, 2, name="a")
    backward, _ = cnn.gru(x, 2, start=h, reverse=True, name="b")
    model = cnn.Model(x, {"forward": forward, "backward": backward})
    made, ops = written(model, tmp_path)
    assert ops.count("GRU") == 2
    same_everywhere(model, made)


def test_the_gradient_of_a_layer_is_written_with_scan(tmp_path):
    x = cnn.input("x", (5, 3))
    ys, _ = cnn.lstm(x, 4)
    (dx,) = cnn.gradients(cnn.sum(ys * ys), [x])
    made, ops = written(cnn.Model(x, {"dx": dx}), tmp_path)
    assert "Scan" in ops
    session = runtime.InferenceSession(made.SerializeToString())
    items = np.random.default_rng(1).normal(size=(2, 5, 3)).astype("f")
    expected = cnn.Model(x, {"dx": dx})
    model = cnn.import_onnx(made.SerializeToString())
    found = session.run(["dx"], {"x": items})[0]
    assert expected.graph.outputs["dx"].shape == model.graph.outputs["dx"].shape
    np.testing.assert_allclose(found, model.predict(items, runtime="reference"), atol=1e-5)
