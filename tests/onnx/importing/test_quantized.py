"""Quantised models: ONNX Runtime's own quantiser, random nodes, and sums that float32 loses."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from support.whole_numbers import exact_here

from graphcnn.exchange.backend import GraphCnnBackend
from graphcnn.models import build

runtime = pytest.importorskip("onnxruntime")
runtime_errors = pytest.importorskip("onnxruntime.capi.onnxruntime_pybind11_state")
RUNTIMES = ("reference", "native")


def ours(model, feeds, where):
    backend = type("Backend", (GraphCnnBackend,), {"runtime": where})
    return backend.prepare(model).run(feeds)


def theirs(model, feeds):
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    content = model.SerializeToString()
    return runtime.InferenceSession(content, options, ["CPUExecutionProvider"]).run(None, feeds)


def model_of(op_type, arrays, weights=(), opset=21, outputs=1, **attributes):
    """One node. The names of inputs in `weights` are initializers."""
    names = list(arrays)
    node = helper.make_node(op_type, names, [f"y{i}" for i in range(outputs)], **attributes)
    infos = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for n, a in arrays.items()
        if n not in weights
    ]
    stored = [numpy_helper.from_array(a, n) for n, a in arrays.items() if n in weights]
    results = [onnx.ValueInfoProto(name=name) for name in node.output]
    graph = helper.make_graph([node], "node", infos, results, stored)
    imports = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=10)
    inferred = onnx.shape_inference.infer_shapes(model)
    return inferred, {n: a for n, a in arrays.items() if n not in weights}


@pytest.mark.parametrize("style", ["QDQ", "QOperator"])
@pytest.mark.parametrize("per_channel", [False, True])
def test_a_network_quantised_by_onnx_runtime(style, per_channel, tmp_path):
    quantization = pytest.importorskip("onnxruntime.quantization")
    rng = np.random.default_rng(3)
    net = build("digits_cnn")
    (x,) = net.graph.inputs
    name, shape = x.node.op.key, x.shape[1:]
    net.export_onnx(tmp_path / "float.onnx")

    class Reader(quantization.CalibrationDataReader):
        def __init__(self):
            self.batches = iter(rng.random((8, 1, *shape), np.float32))

        def get_next(self):
            batch = next(self.batches, None)
            return None if batch is None else {name: batch}

    # Its other operators have forms of their own, which are no part of ONNX.
    only = {"op_types_to_quantize": ["Conv"]} if style == "QOperator" else {}
    quantization.quantize_static(
        str(tmp_path / "float.onnx"), str(tmp_path / "int8.onnx"), Reader(),
        quant_format=quantization.QuantFormat[style], per_channel=per_channel,
        weight_type=quantization.QuantType.QInt8, **only,
    )  # fmt: skip
    model = onnx.load(tmp_path / "int8.onnx")
    assert any(n.op_type in ("QLinearConv", "DequantizeLinear") for n in model.graph.node)
    feeds = {name: rng.random((5, *shape), np.float32)}
    (expected,) = theirs(model, feeds)
    for where in RUNTIMES:
        (found,) = ours(model, feeds, where)
        # A sum that lies on a border between two steps may fall on either side.
        np.testing.assert_allclose(found, expected, atol=0.02 * np.abs(expected).max())
        assert np.mean(np.isclose(found, expected, rtol=1e-5, atol=1e-6)) > 0.9


def cases(count):
    """Random nodes: what they are called, their inputs, which are stored, attributes."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        kind = ["QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul",
                "ConvInteger", "MatMulInteger", "DynamicQuantizeLinear"][seed % 7]  # fmt: skip
        types = [np.uint8, np.int8]
        a, b = (types[i] for i in rng.integers(0, 2, 2))

        def scale(*shape, rng=rng, most=0.3):
            return np.asarray(rng.uniform(most / 30, most, shape), np.float32)

        def ints(shape, dtype, rng=rng):
            info = np.iinfo(dtype)
            return rng.integers(info.min, info.max, shape, endpoint=True).astype(dtype)

        if kind in ("QuantizeLinear", "DequantizeLinear"):
            axis = int(rng.integers(0, 3))
            shape = (3, 4, 5)
            many = () if rng.random() < 0.5 else (shape[axis],)
            x = ints(shape, a) if kind[0] == "D" else rng.normal(0, 9, shape).astype(np.float32)
            arrays = {"x": x, "s": scale(*many), "z": ints(many, a)}
            yield kind, arrays, (), {"axis": axis}
        elif kind == "DynamicQuantizeLinear":
            yield kind, {"x": rng.normal(1, 3, (3, 4)).astype(np.float32)}, (), {}
        elif "Conv" in kind:
            groups = int(rng.integers(1, 3))
            x, w = ints((2, 4, 6, 5), np.uint8), ints((4, 4 // groups, 3, 2), b)
            attributes = {
                "group": groups,
                "pads": [1, 0, 1, 1],
                "strides": [1, int(rng.integers(1, 3))],
            }
            if kind == "ConvInteger":
                arrays = {"x": x, "w": w, "xz": ints((), np.uint8), "wz": np.zeros((), b)}
            else:
                arrays = {"x": x, "xs": scale(), "xz": ints((), np.uint8), "w": w, "ws": scale(4),
                          "wz": np.zeros(4, b), "ys": scale(most=27.0), "yz": ints((), np.uint8),
                          "bias": rng.integers(-999, 999, 4).astype(np.int32)}  # fmt: skip
            yield kind, arrays, ("w", "ws", "wz", "bias"), attributes
        elif kind == "MatMulInteger":
            arrays = {"a": ints((3, 7), np.uint8), "b": ints((7, 4), b), "az": ints((), np.uint8),
                      "bz": ints((), b)}  # fmt: skip
            yield kind, arrays, (), {}
        else:
            arrays = {"a": ints((3, 7), np.uint8), "as": scale(), "az": ints((), np.uint8),
                      "b": ints((7, 4), b), "bs": scale(), "bz": ints((), b),
                      "ys": scale(most=27.0), "yz": ints((), np.uint8)}  # fmt: skip
            yield kind, arrays, (), {}


def test_random_nodes_against_onnx_runtime(full):
    wrong, halves, lacking = [], 0, 0
    for i, (kind, arrays, weights, attributes) in enumerate(cases(700 if full else 42)):
        many = 3 if kind == "DynamicQuantizeLinear" else 1
        arrays = exact_here(arrays)
        model, feeds = model_of(kind, arrays, weights, outputs=many, **attributes)
        try:
            expected = theirs(model, feeds)
        except runtime_errors.NotImplemented:  # older releases lack types of some operators
            lacking += 1
            continue
        for where in RUNTIMES if full or i < 14 else RUNTIMES[:1]:
            for found, y in zip(ours(model, feeds, where), expected, strict=True):
                assert (found.dtype, found.shape) == (y.dtype, y.shape)
                apart = np.abs(found.astype(np.float64) - y)
                exact = kind in ("ConvInteger", "MatMulInteger", "QuantizeLinear")
                if kind.startswith("QLinear"):  # the factor may differ in its last place
                    halves += int((apart == 1).sum())
                    apart = np.maximum(apart - 1, 0)
                if apart.max() > (0 if exact else 1e-6 * np.abs(y).max()):
                    wrong.append((i, kind, where, float(apart.max())))
    assert not wrong, wrong
    assert halves <= (40 if full else 2)
    assert lacking <= (70 if full else 6)


@pytest.mark.parametrize("where", RUNTIMES)
def test_sums_beyond_what_float32_holds_are_exact(where):
    rng = np.random.default_rng(0)
    a = rng.integers(200, 256, (2, 3001)).astype(np.uint8)
    b = rng.integers(100, 128, (3001, 3)).astype(np.int8)
    exact = a.astype(np.int64) @ b
    assert exact.max() > 1 << 24
    model, feeds = model_of("MatMulInteger", {"a": a, "b": b})
    np.testing.assert_array_equal(ours(model, feeds, where)[0], exact)
    x = a[:, :2880].reshape(2, 320, 3, 3)
    w = b[:2880].T.reshape(3, 320, 3, 3)
    model, feeds = model_of("ConvInteger", {"x": x, "w": w}, ("w",))
    expected = a[:, :2880].astype(np.int64) @ b[:2880]
    np.testing.assert_array_equal(ours(model, feeds, where)[0].reshape(2, 3), expected)


def test_a_scale_is_no_parameter():
    from graphcnn.onnx.importing.importer import import_proto

    arrays = {"x": np.ones((2, 3), np.float32), "s": np.full(3, 0.5, np.float32)}
    model, _ = model_of("QuantizeLinear", arrays, ("s",), axis=1)
    assert model.graph.output[0].type.tensor_type.elem_type == TensorProto.UINT8
    assert not import_proto(model).graph.states
