"""Operators of ONNX Runtime's own: what its optimiser and its quantiser write."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from support.evaluate import evaluate
from support.exported_networks import NETWORKS, Net

from graphcnn.errors import ImportModelError
from graphcnn.onnx.importing.importer import import_graph
from graphcnn.onnx.importing.report import report

ort = pytest.importorskip("onnxruntime")

MS = {"domain": "com.microsoft"}


class Own(Net):
    """A network that imports the domain of ONNX Runtime."""

    def model(self):
        model = super().model()
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
        return model

    def scale(self, *values):
        return self.const(values if len(values) > 1 else values[0], np.float32)

    def zero(self, value, dtype=np.uint8):
        return self.const(value, dtype)


def fused_conv(activation, *params, added=False):
    def build(net):
        x = net.input("x", "N", 3, 7, 7)
        inputs = [x, net.weight(4, 3, 3, 3), net.weight(4)]
        if added:
            inputs.append(net.conv(x, 3, 4))
        how = {"activation_params": params} if params else {}
        net.output(net.op("FusedConv", *inputs, pads=[1] * 4, activation=activation, **how, **MS))

    return build


def fused_gemm(net):
    x = net.input("x", "N", 6)
    net.output(
        net.op("FusedGemm", x, net.weight(4, 6), net.weight(4), transB=1, activation="LeakyRelu",
               activation_alpha=0.25, **MS)
    )  # fmt: skip


def fused_matmul(net):
    a, b = net.input("a", "N", 4, 3), net.input("b", "N", 5, 4)
    net.output(net.op("FusedMatMul", a, b, transA=1, transB=1, alpha=0.5, **MS))
    net.output(net.op("FusedMatMul", b, net.weight(4, 2), **MS))


def gelus(net):
    x = net.input("x", "N", 6)
    y = net.op("BiasGelu", net.op("Gelu", x, **MS), net.weight(6), **MS)
    net.output(net.op("FastGelu", y, net.weight(6), **MS))
    net.output(net.op("QuickGelu", net.op("FastGelu", x, **MS), alpha=1.5, **MS))
    net.output(net.op("QuickGelu", x, alpha=1.0, **MS))


def norms(net):
    """In the standard domain, before the opset that has them."""
    net.opset = 13
    x = net.input("x", "N", 4, 6)
    y = net.op("LayerNormalization", x, net.weight(6), net.weight(6), axis=-1)
    net.output(net.op("SimplifiedLayerNormalization", y, net.weight(6), axis=-1, epsilon=1e-6))


def skip_norms(net):
    a, b = net.input("a", "N", 5, 8), net.input("b", "N", 5, 8)
    scale, shift, bias = net.weight(8), net.weight(8), net.weight(8)
    net.output(net.op("SkipLayerNormalization", a, b, scale, shift, bias, epsilon=1e-5, **MS))
    names = ["z", "", "", "total"]
    inputs = [a, b, scale]
    net.nodes.append(helper.make_node("SkipLayerNormalization", inputs, names, **MS))
    for name in ("z", "total"):
        net.output(name)
    net.output(net.op("SkipSimplifiedLayerNormalization", a, b, scale, bias, **MS))


def attention(net):
    x = net.input("x", "N", 5, 8)
    net.output(net.op("Attention", x, net.weight(8, 24), net.weight(24), num_heads=2, **MS))
    net.output(
        net.op("Attention", x, net.weight(8, 20), net.weight(20), num_heads=2, scale=0.3,
               qkv_hidden_sizes=[8, 8, 4], **MS)
    )  # fmt: skip


def dynamic_product(net):
    """The whole batch has one scale."""
    x = net.input("x", "N", 5, 6)
    w = net.const(net.rng.integers(-100, 100, (6, 4)), np.int8)
    scales = net.scale(0.01, 0.02, 0.015, 0.03)
    net.output(net.op("DynamicQuantizeMatMul", x, w, scales, "", net.weight(4), **MS))
    net.output(net.op("DynamicQuantizeMatMul", x, w, net.scale(0.02), net.zero(3, np.int8), **MS))


def product_to_floats(net):
    x, scale, zero = integers(net, net.input("x", "N", 6), 0.05)
    w = net.const(net.rng.integers(-100, 100, (6, 4)), np.int8)
    own = net.scale(0.02), zero, net.zero(3, np.int8)
    net.output(net.op("MatMulIntegerToFloat", x, w, scale, *own, net.weight(4), **MS))


def quantised_conv(net):
    x = integers(net, net.input("x", "N", 7, 6, 3), 0.05)
    w = net.const(net.rng.integers(-100, 100, (4, 3, 3, 3)), np.int8)
    kernel = w, net.scale(0.02), net.zero(0, np.int8)
    to = net.scale(0.2), net.zero(120)
    bias = net.const(net.rng.integers(-500, 500, 4), np.int32)
    y = net.op("QLinearConv", *x, *kernel, *to, bias, channels_last=1, strides=[2, 1], **MS)
    result(net, y, *to)


def integers(net, x, scale=0.05, zero=120, dtype=np.uint8):
    pair = net.scale(scale), net.zero(zero, dtype)
    return (net.op("QuantizeLinear", x, *pair), *pair)


def result(net, y, scale, zero):
    net.output(net.op("DequantizeLinear", y, scale, zero))


def quantised_sum(dtype, zero):
    def build(net):
        a, b = net.input("a", "N", 3, 5, 5), net.input("b", "N", 3, 5, 5)
        a, b = integers(net, a, 0.05, zero, dtype), integers(net, b, 0.03, zero + 7, dtype)
        to = net.scale(0.07), net.zero(zero + 3, dtype)
        result(net, net.op("QLinearAdd", *a, *b, *to, **MS), *to)
        result(net, net.op("QLinearMul", *a, *b, *to, **MS), *to)

    return build


def quantised_unary(op, scale, zero, **attributes):
    def build(net):
        x = integers(net, net.input("x", "N", 4, 6, 6), 0.04, 110)
        to = net.scale(scale), net.zero(zero)
        result(net, net.op(op, *x, *to, **attributes, **MS), *to)

    return build


def quantised_concat(net):
    a, b = net.input("a", "N", 2, 3, 3), net.input("b", "N", 1, 3, 3)
    to = net.scale(0.06), net.zero(90)
    parts = (*integers(net, a, 0.05), *integers(net, b, 0.02, 60))
    result(net, net.op("QLinearConcat", *to, *parts, axis=1, **MS), *to)


def quantised_gemm(per_column, with_result):
    def build(net):
        x = integers(net, net.input("x", "N", 6), 0.05)
        w = net.const(net.rng.integers(-100, 100, (4, 6)), np.int8)
        scales = net.scale(*([0.01, 0.02, 0.015, 0.03] if per_column else [0.02]))
        zeros = net.const(np.zeros(4 if per_column else ()), np.int8)
        bias = net.const(net.rng.integers(-500, 500, 4), np.int32)
        to = (net.scale(0.1), net.zero(128)) if with_result else ()
        y = net.op("QGemm", *x, w, scales, zeros, bias, *to, transB=1, **MS)
        if with_result:
            result(net, y, *to)
        else:
            net.output(y)

    return build


def resized_integers(net):
    """What the quantiser leaves between two layers of an image that grows."""
    x, scale, zero = integers(net, net.input("x", "N", 2, 3, 4))
    y = net.op("Resize", x, "", net.const([1, 1, 2, 1.5], np.float32), mode="nearest",
               nearest_mode="floor", coordinate_transformation_mode="asymmetric")  # fmt: skip
    result(net, y, scale, zero)


def smoothed_integers(net):
    """ONNX Runtime cuts off what lies between two integers."""
    x, scale, zero = integers(net, net.input("x", "N", 2, 5, 4))
    y = net.op("Resize", x, "", net.const([1, 1, 2, 2], np.float32), mode="linear")
    result(net, y, scale, zero)


#: Networks, and by how many quantised steps the result may differ: where the sum lies between two.
CASES = {
    "conv": (fused_conv("Relu"), 0), "conv_added": (fused_conv("Relu", added=True), 0),
    "conv_leaky": (fused_conv("LeakyRelu", 0.2), 0), "conv_tanh": (fused_conv("Tanh"), 0),
    "conv_clip": (fused_conv("Clip", -0.5, 0.75), 0),
    "conv_sigmoid": (fused_conv("Sigmoid"), 0),
    "conv_hard": (fused_conv("HardSigmoid", 0.2, 0.4), 0),
    "gemm": (fused_gemm, 0), "matmul": (fused_matmul, 0), "gelus": (gelus, 0), "norms": (norms, 0),
    "sum": (quantised_sum(np.uint8, 100), 1), "signed_sum": (quantised_sum(np.int8, -5), 1),
    "sigmoid": (quantised_unary("QLinearSigmoid", 1 / 256, 0), 1),
    "leaky": (quantised_unary("QLinearLeakyRelu", 0.05, 60, alpha=0.1), 1),
    "softmax": (quantised_unary("QLinearSoftmax", 1 / 256, 0, axis=1, opset=13), 1),
    "global": (quantised_unary("QLinearGlobalAveragePool", 0.02, 128, channels_last=0), 1),
    "average": (
        quantised_unary("QLinearAveragePool", 0.03, 128, kernel_shape=[3, 2], strides=[2, 2]), 1
    ),
    "global_last": (quantised_unary("QLinearGlobalAveragePool", 0.02, 128, channels_last=1), 1),
    "average_last": (
        quantised_unary("QLinearAveragePool", 0.03, 128, kernel_shape=[3, 2], channels_last=1), 1
    ),
    "concat": (quantised_concat, 1), "qgemm": (quantised_gemm(False, True), 1),
    "qgemm_columns": (quantised_gemm(True, True), 1), "qgemm_f32": (quantised_gemm(True, False), 0),
    "skip_norms": (skip_norms, 0), "attention": (attention, 0),
    "dynamic_product": (dynamic_product, 0), "product_to_floats": (product_to_floats, 0),
    "conv_last": (quantised_conv, 1), "resize": (resized_integers, 0),
    "resize_linear": (smoothed_integers, 0),
}  # fmt: skip


def theirs(content, feeds, level="ORT_DISABLE_ALL", save=None):
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
    if save is not None:
        options.optimized_model_filepath = str(save)
    session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def drawn(graph, n=2):
    rng = np.random.default_rng(1)
    return {
        v.node.name: rng.normal(size=v.type.bind(n).shape).astype(np.float32) for v in graph.inputs
    }


@pytest.mark.parametrize("name", CASES)
def test_as_onnx_runtime_computes_it(name):
    build, steps = CASES[name]
    net = Own()
    build(net)
    content = net.model().SerializeToString()
    found = import_graph(content)
    feeds = drawn(found.graph)
    ours = evaluate(found.graph.bind(2), feeds, found.states)
    for key, y in theirs(content, feeds).items():
        assert (ours[key].shape, ours[key].dtype) == (y.shape, y.dtype)
        bound = 2e-6 * np.abs(y).max() if not steps else 1.01 * steps * step_of(y)
        assert np.abs(ours[key] - y).max() <= bound
        assert np.mean(np.abs(ours[key] - y) > 2e-6 * np.abs(y).max()) <= 0.02


def step_of(y):
    """The distance of neighbouring numbers."""
    values = np.unique(y)
    return np.diff(values).min()


@pytest.mark.parametrize("level", ["BASIC", "EXTENDED"])
@pytest.mark.parametrize("name", ["unet_with_resizing", "yolo_v5", "style_transfer", "vae"])
def test_optimised_files(name, level, tmp_path):
    """What ONNX Runtime saves when it has optimised a model, as we read the model itself."""
    plain = NETWORKS[name]().model().SerializeToString()
    found = import_graph(plain)
    feeds = drawn(found.graph, 1)
    path = tmp_path / "optimised.onnx"
    theirs(plain, feeds, f"ORT_ENABLE_{level}", path)
    domains = {n.domain for n in onnx.load(path).graph.node}
    assert "com.microsoft" not in domains or level == "EXTENDED"
    back = import_graph(path)
    expected = evaluate(found.graph.bind(1), feeds, found.states)
    for key, y in evaluate(back.graph.bind(1), feeds, back.states).items():
        np.testing.assert_allclose(y, expected[key], rtol=0, atol=2e-6 * np.abs(y).max())


def refused(build):
    net = Own()
    build(net)
    with pytest.raises(ImportModelError) as caught:
        import_graph(net.model().SerializeToString())
    return str(caught.value)


def test_what_is_refused():
    assert "'activation' = 'Softsign' with 0 numbers" in refused(fused_conv("Softsign"))
    assert "'activation' = 'Clip' with 1 numbers" in refused(fused_conv("Clip", 1.0))

    def parts(net):
        x = integers(net, net.input("x", "N", 2, 3, 3))
        to = net.scale(0.06), net.zero(90)
        result(net, net.op("QLinearConcat", *to, *x[:2], axis=1, **MS), *to)

    def lacking(net):
        net.output(net.op("EmbedLayerNormalization", net.input("x", "N", 4), **MS))

    def masked(net):
        x, mask = net.input("x", "N", 4, 6), net.const([1, 1], np.int32)
        net.output(net.op("Attention", x, net.weight(6, 18), "", mask, num_heads=2, **MS))

    def uneven(net):
        x = net.input("x", "N", 4, 6)
        net.output(net.op("Attention", x, net.weight(6, 18), num_heads=4, **MS))

    def smooth(net):
        x, *_ = integers(net, net.input("x", "N", 2, 3, 4))
        net.output(net.op("Resize", x, "", net.const([1, 1, 2, 2], np.float32), mode="cubic"),
                   TensorProto.UINT8)  # fmt: skip

    assert "4 inputs, expected 2 and 3 for every part" in refused(parts)
    lack = "the operator 'EmbedLayerNormalization' is ONNX Runtime's own"
    assert lack in refused(lacking)
    assert "its input 3 (a mask" in refused(masked)
    assert "[6, 6, 6] columns must fill the 18" in refused(uneven)
    assert "'mode' = 'cubic' of u8" in refused(smooth)


def test_a_form_that_is_lacking_names_no_neighbours():
    net = Own()
    fused_conv("Softsign")(net)
    assert "nearest supported: " in str(report(net.model().SerializeToString()))
    gathered = Net()
    x = gathered.input("x", "N", 3, 4)
    place = gathered.input("i", 2, kind=TensorProto.INT64)
    gathered.output(gathered.op("Gather", x, place, axis=0))
    text = str(report(gathered.model().SerializeToString()))
    assert "its size must be known" in text and "nearest supported" not in text


def test_an_even_picture_of_integers_stays_even():
    """Sums that are rounded to just below a whole number are not cut off."""
    for scale, how in [(1.25, "half_pixel"), (0.75, "asymmetric"), (2.5, "align_corners")]:
        net = Net()
        x = net.input("x", 1, 1, 8, 12, kind=TensorProto.INT8)
        scales = net.const([1, 1, scale, scale], np.float32)
        y = net.op("Resize", x, "", scales, mode="linear", coordinate_transformation_mode=how)
        net.output(y, TensorProto.INT8)
        found = import_graph(net.model().SerializeToString())
        for value in (-128, -7, 0, 3, 127):
            picture = np.full((1, 1, 8, 12), value, np.int8)
            (y,) = evaluate(found.graph, {"x": picture}, found.states).values()
            assert (y == value).all()
