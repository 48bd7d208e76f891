"""A network that ONNX Runtime has quantised, read and written again: the same numbers to the bit,
and the same operators once its optimiser has been at both files."""

from collections import Counter

import numpy as np
import onnx
import pytest

from graphcnn.compile.pipelines import export_pipeline
from graphcnn.models import build
from graphcnn.onnx.exporting.export import export_graph
from graphcnn.onnx.importing.importer import import_graph

runtime = pytest.importorskip("onnxruntime")
quantization = pytest.importorskip("onnxruntime.quantization")

RNG = np.random.default_rng(3)


def reader(name, shape):
    class Reader(quantization.CalibrationDataReader):
        def __init__(self):
            self.batches = iter(RNG.random((4, 1, *shape), np.float32))

        def get_next(self):
            batch = next(self.batches, None)
            return None if batch is None else {name: batch}

    return Reader()


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A file of floats, and what is fed to it."""
    net = build("digits_cnn")
    (x,) = net.graph.inputs
    path = tmp_path_factory.mktemp("net") / "float.onnx"
    net.export_onnx(path, verify=False)
    return path, {x.node.name: RNG.random((5, *x.shape[1:]), np.float32)}


def run(model, feeds, optimised, path):
    """The results, and the operators that the optimiser leaves."""
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(path)
    if not optimised:
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = runtime.InferenceSession(model.SerializeToString(), options)
    kinds = Counter(n.op_type for n in onnx.load(path).graph.node)
    return session.run(None, feeds), kinds


def compared(model, feeds, folder):
    found = import_graph(model.SerializeToString())
    back = export_graph(found.graph, found.states)
    for optimised in (False, True):
        (ys, kinds), (others, expected) = (
            run(m, feeds, optimised, folder / "optimised.onnx") for m in (back, model)
        )
        for y, other in zip(ys, others, strict=True):
            np.testing.assert_array_equal(y, other)
    return kinds, expected


@pytest.mark.parametrize("style", ["QDQ", "QOperator"])
@pytest.mark.parametrize("per_channel", [False, True])
def test_with_the_ranges_of_some_images(network, style, per_channel, tmp_path):
    path, feeds = network
    (name,) = feeds
    quantization.quantize_static(
        str(path), str(tmp_path / "int8.onnx"), reader(name, feeds[name].shape[1:]),
        quant_format=quantization.QuantFormat[style], per_channel=per_channel,
        weight_type=quantization.QuantType.QInt8,
    )  # fmt: skip
    kinds, expected = compared(onnx.load(tmp_path / "int8.onnx"), feeds, tmp_path)
    assert kinds["QLinearConv"] == expected["QLinearConv"] == 2
    if style == "QDQ":
        assert kinds == expected
    else:  # QGemm is in standard operators
        assert kinds["MatMulInteger"] == expected["QGemm"] == 1


def test_integers_stay_what_they_are_in_float16(network, tmp_path):
    """Their scales are float32: in float16 other integers would come out."""
    path, feeds = network
    (name,) = feeds
    images = reader(name, feeds[name].shape[1:])
    form = quantization.QuantFormat.QOperator
    quantization.quantize_static(str(path), str(tmp_path / "q.onnx"), images, quant_format=form)
    found = import_graph(str(tmp_path / "q.onnx"))
    plain = export_graph(found.graph, found.states)
    half = export_graph(*export_pipeline(float16=True).apply(found.graph, found.states))
    count = Counter(n.op_type for n in half.graph.node)
    assert count["QLinearConv"] == 2 and count["MaxPool"] == count["MatMulInteger"] == 1
    scales = [t for t in half.graph.initializer if t.data_type == onnx.TensorProto.FLOAT]
    assert len(scales) >= 7
    # what is quantised first has been float16 already, so a few integers are others
    y, other = (run(m, feeds, False, tmp_path / "o.onnx")[0][0] for m in (half, plain))
    np.testing.assert_allclose(y, other, atol=0.02 * np.abs(other).max())


def test_with_the_ranges_of_each_image(network, tmp_path):
    path, feeds = network
    weights = quantization.QuantType.QUInt8
    quantization.quantize_dynamic(str(path), str(tmp_path / "int8.onnx"), weight_type=weights)
    kinds, expected = compared(onnx.load(tmp_path / "int8.onnx"), feeds, tmp_path)
    assert kinds["ConvInteger"] == expected["ConvInteger"] == 2
    assert not kinds["Conv"]
