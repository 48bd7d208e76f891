"""Quantised operators imported, exported again, and run in ONNX Runtime beside the first file.

Sums of integers are exact whatever their number, and an exported file has integer operators for
them: no float64, for which runtimes have no convolution.
"""

from collections import Counter

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from support.whole_numbers import exact_here

from graphcnn.errors import ExportError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import constant_of
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.onnx.exporting.export import export_graph
from graphcnn.onnx.importing.importer import import_graph
from graphcnn.ops.conv import Conv2d
from graphcnn.ops.elementwise import Cast
from graphcnn.ops.integer import ConvInteger, Dequantize, MatMulInteger, Quantize
from graphcnn.runtime.reference import Reference

runtime = pytest.importorskip("onnxruntime")
U8, I8 = np.uint8, np.int8
OWN = "com.microsoft"


def ints(rng, dtype, *shape):
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, endpoint=True).astype(dtype)


def scale(rng, *shape, low=0.01, high=0.1):
    return np.asarray(rng.uniform(low, high, shape), np.float32)


def model_of(node, arrays, fed, opset=17):
    """One node; what is `fed` has an open batch axis, the rest is stored."""
    infos = [
        helper.make_tensor_value_info(
            n, helper.np_dtype_to_tensor_dtype(arrays[n].dtype), ["N", *arrays[n].shape[1:]]
        )
        for n in fed
    ]
    stored = [numpy_helper.from_array(a, n) for n, a in arrays.items() if n not in fed]
    outputs = [onnx.ValueInfoProto(name=name) for name in node.output]
    graph = helper.make_graph([node], "g", infos, outputs, stored)
    imports = [helper.make_opsetid("", opset), helper.make_opsetid(OWN, 1)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=10 if opset > 20 else 8)
    return onnx.shape_inference.infer_shapes(model)


def run(model, feeds, optimised=True):
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    if not optimised:
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = runtime.InferenceSession(model.SerializeToString(), options)
    return session.run(None, feeds)


def again(model):
    """The model imported and exported."""
    found = import_graph(model.SerializeToString())
    back = export_graph(found.graph, found.states)
    types = [*back.graph.value_info, *back.graph.input, *back.graph.output]
    kinds = {v.type.tensor_type.elem_type for v in types}
    kinds |= {t.data_type for t in back.graph.initializer}
    assert TensorProto.DOUBLE not in kinds
    assert str(import_graph(back.SerializeToString()).graph) == str(found.graph)
    return back


def kinds_of(model):
    return Counter(n.op_type for n in model.graph.node)


def check(node, arrays, fed=("x",), opset=17, unoptimised=True):
    """The file and what becomes of it give the same numbers. Returns the latter's operators."""
    arrays = exact_here(arrays)
    model = model_of(node, arrays, fed, opset)
    feeds = {name: arrays[name] for name in fed}
    expected = run(model, feeds, False)
    back = again(model)
    for optimised in (True, False)[: 1 + unoptimised]:
        for a, b in zip(run(back, feeds, optimised), expected, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
    return kinds_of(back)


#: Types of both factors and of the result that ONNX Runtime has.
TYPES = {"u8u8": (U8, U8, U8), "u8i8": (U8, I8, U8), "i8i8": (I8, I8, I8)}


@pytest.mark.parametrize("channels", [1, 32, 256, 1024, 4096])
@pytest.mark.parametrize("types", TYPES)
def test_sums_over_few_and_many_channels(channels, types):
    a, b, y = TYPES[types]
    rng = np.random.default_rng(channels)
    many = (4,) if types == "u8i8" else ()
    kernel = (3, 3) if channels < 1024 else (1, 1)
    conv = {
        "x": ints(rng, a, 2, channels, 6, 5), "xs": scale(rng), "xz": ints(rng, a),
        "w": ints(rng, b, 4, channels, *kernel), "ws": scale(rng, *many), "wz": ints(rng, b, *many),
        "ys": scale(rng, low=20, high=27), "yz": ints(rng, y),
        "bias": rng.integers(-999, 999, 4).astype(np.int32),
    }  # fmt: skip
    node = helper.make_node("QLinearConv", list(conv), ["y"], auto_pad="SAME_UPPER", strides=[2, 1])
    assert check(node, conv) == {"QLinearConv": 1}
    point = {**conv, "wz": ints(rng, b)}
    node = helper.make_node("ConvInteger", ["x", "w", "xz", "wz"], ["y"], pads=[1, 0, 1, 1])
    assert check(node, point) == {"ConvInteger": 1}
    product = {**conv, "x": ints(rng, a, 5, channels), "w": ints(rng, b, channels, 4)}
    node = helper.make_node("QLinearMatMul", list(product)[:8], ["y"])
    assert check(node, product) == {"QLinearMatMul": 1}
    node = helper.make_node("MatMulInteger", ["x", "w", "xz", "wz"], ["y"])
    assert check(node, product) == {"MatMulInteger": 1}


@pytest.mark.parametrize("op_type", ["QLinearConv", "ConvInteger"])
@pytest.mark.parametrize("sizes", [(9,), (6, 5), (5, 6, 5)])
def test_signals_images_and_volumes_in_groups(op_type, sizes):
    """Zero points of x are not 0: what lies outside is one of them."""
    rng = np.random.default_rng(1)
    arrays = {
        "x": ints(rng, U8, 2, 4, *sizes), "xs": scale(rng), "xz": U8(7) + ints(rng, U8) // 2,
        "w": ints(rng, I8, 6, 2, *(2, 3, 2)[: len(sizes)]), "ws": scale(rng, 6),
        "wz": np.zeros(6, I8), "ys": scale(rng, low=2, high=3), "yz": ints(rng, U8),
    }  # fmt: skip
    names = list(arrays) if op_type == "QLinearConv" else ["x", "w", "xz"]
    pads = [1, 0, 2][: len(sizes)] + [0, 1, 1][: len(sizes)]
    node = helper.make_node(op_type, names, ["y"], group=2, pads=pads)
    kinds = check(node, arrays)
    if len(sizes) < 3:
        assert kinds[op_type] == 1 and set(kinds) <= {op_type, "Reshape"}
    assert kinds["Conv"] == 0


def test_zero_points_of_filters_rows_and_columns():
    """Which ONNX Runtime does not take, in ConvInteger and MatMulInteger of ONNX as well."""
    rng = np.random.default_rng(2)
    arrays = {"x": ints(rng, U8, 2, 4, 5, 6), "w": ints(rng, I8, 6, 2, 3, 2), "xz": ints(rng, U8),
              "wz": ints(rng, I8, 6)}  # fmt: skip
    node = helper.make_node("ConvInteger", list(arrays), ["y"], group=2, pads=[1, 1, 0, 1])
    rows = {"x": ints(rng, U8, 3, 5), "w": ints(rng, I8, 5, 4), "xz": ints(rng, U8, 3),
            "wz": ints(rng, I8, 4)}  # fmt: skip
    product = helper.make_node("MatMulInteger", list(rows), ["y"])
    for each, stored in ((node, arrays), (product, rows)):
        model = model_of(each, stored, ("x",))
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = len(stored["x"])
        found = import_graph(model.SerializeToString()).graph
        (expected, *_), _ = Reference(found.bind(N=len(stored["x"]))).run({"x": stored["x"]}, {})
        (y,) = run(again(model), {"x": stored["x"]})
        expected = Reference(found).run({"x": stored["x"]}, {})[0]["y"]
        np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("opset", [13, 19, 21])
@pytest.mark.parametrize(("many", "axis"), [((), 1), ((3,), 1), ((5,), -1)])
def test_numbers_and_integers(opset, many, axis):
    rng = np.random.default_rng(opset)
    wide = (np.int16, np.uint16) if opset > 20 else ()
    for dtype in (U8, I8, *wide):
        arrays = {"x": rng.normal(0, 3, (2, 3, 4, 5)).astype(np.float32), "s": scale(rng, *many),
                  "z": ints(rng, dtype, *many)}  # fmt: skip
        for op_type in ("QuantizeLinear", "DequantizeLinear"):
            if op_type[0] == "D":
                arrays["x"] = ints(rng, dtype, 2, 3, 4, 5)
            node = helper.make_node(op_type, list(arrays), ["y"], axis=axis)
            assert check(node, arrays, opset=opset) == {op_type: 1}


def test_other_forms_of_numbers():
    rng = np.random.default_rng(4)
    sums = {"x": ints(rng, np.int32, 2, 3, 4), "s": scale(rng, 3)}
    node = helper.make_node("DequantizeLinear", list(sums), ["y"])
    assert check(node, sums) == {"DequantizeLinear": 1}
    zero = {**sums, "z": np.zeros(3, np.int32)}  # as ONNX Runtime's quantiser writes it
    node = helper.make_node("DequantizeLinear", list(zero), ["y"])
    assert check(node, zero) == {"DequantizeLinear": 1}
    x = {"x": rng.normal(0, 3, (4, 5)).astype(np.float32)}
    node = helper.make_node("DynamicQuantizeLinear", ["x"], ["y", "s", "z"])
    assert check(node, x)["QuantizeLinear"] == 1


@pytest.mark.parametrize(("size", "block"), [(6, 3), (7, 3), (6, 2)])
def test_blocks(size, block):
    """Of which each has a scale of its own; the last one may be shorter."""
    rng = np.random.default_rng(size)
    count = -(-size // block)
    arrays = {"x": ints(rng, I8, 2, size, 4), "s": scale(rng, 2, count, 4),
              "z": ints(rng, I8, 2, count, 4)}  # fmt: skip
    for op_type, names in (("DequantizeLinear", 3), ("QuantizeLinear", 3), ("QuantizeLinear", 2)):
        if op_type[0] == "Q":
            arrays["x"] = rng.normal(0, 3, (2, size, 4)).astype(np.float32)
        inputs = list(arrays)[:names]
        node = helper.make_node(op_type, inputs, ["y"], axis=1, block_size=block)
        model = model_of(node, {name: arrays[name] for name in inputs}, ("x",), 21)
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
        found = import_graph(model.SerializeToString())
        back = export_graph(found.graph, found.states)
        assert kinds_of(back) == {op_type: 1}
        (attribute,) = (a.i for a in back.graph.node[0].attribute if a.name == "block_size")
        assert attribute == block
        feeds = {"x": arrays["x"]}
        np.testing.assert_array_equal(run(back, feeds)[0], run(model, feeds)[0])


@pytest.mark.parametrize("name", ["int4", "uint4"])
@pytest.mark.parametrize(("many", "how"), [((), {}), ((6,), {"axis": 1}), ((2, 6), {"axis": 0})])
def test_weights_of_four_bits(name, many, how):
    dtype = np.dtype(name)
    rng = np.random.default_rng(6)
    low = -8 if name == "int4" else 0
    w, z = (rng.integers(low, low + 16, shape).astype(dtype) for shape in ((8, 6), many))
    how = {**how, "block_size": 4} if len(many) == 2 else how
    nodes = [helper.make_node("DequantizeLinear", ["w", "s", "z"], ["d"], **how),
             helper.make_node("MatMul", ["x", "d"], ["y"])]  # fmt: skip
    stored = {"w": w, "s": scale(rng, *many), "z": z}
    x = helper.make_tensor_value_info("x", 1, ["N", 8])
    y = helper.make_tensor_value_info("y", 1, None)
    arrays = [numpy_helper.from_array(a, n) for n, a in stored.items()]
    graph = helper.make_graph(nodes, "g", [x], [y], arrays)
    imports = [helper.make_opsetid("", 21)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=10)
    found = import_graph(model.SerializeToString())
    back = export_graph(found.graph, found.states)
    assert kinds_of(back) == {"DequantizeLinear": 1, "MatMul": 1}
    feeds = {"x": rng.normal(0, 1, (3, 8)).astype(np.float32)}
    for optimised in (True, False):
        found = run(back, feeds, optimised)[0]
        np.testing.assert_array_equal(found, run(model, feeds, optimised)[0])


def own(dtype):
    """Operators of ONNX Runtime's own: what, inputs, which are fed, attributes."""
    rng = np.random.default_rng(5)
    two = {"a": ints(rng, dtype, 2, 4, 6, 5), "as": scale(rng), "az": ints(rng, dtype),
           "b": ints(rng, dtype, 2, 4, 6, 5), "bs": scale(rng), "bz": ints(rng, dtype),
           "ys": scale(rng, low=0.1, high=0.2), "yz": ints(rng, dtype)}  # fmt: skip
    yield "QLinearAdd", two, ("a", "b"), {}
    yield "QLinearMul", two, ("a", "b"), {}
    parts = {name: two[name] for name in ("ys", "yz", "a", "as", "az", "b", "bs", "bz")}
    yield "QLinearConcat", parts, ("a", "b"), {"axis": 1}
    one = {"x": two["a"], **{name: two[name] for name in ("as", "az", "bs", "bz")}}
    yield "QLinearSigmoid", one, ("x",), {}
    yield "QLinearLeakyRelu", one, ("x",), {"alpha": 0.1}
    yield "QLinearGlobalAveragePool", one, ("x",), {}
    window = {"kernel_shape": [2, 3], "pads": [1, 0, 0, 1]}
    yield "QLinearAveragePool", one, ("x",), window
    yield "QLinearAveragePool", one, ("x",), {**window, "count_include_pad": 1, "strides": [2, 2]}
    yield "QLinearSoftmax", one, ("x",), {"axis": 1, "opset": 13}
    for k, transposed, alpha in ((5, 1, 1.0), (1030, 0, 0.7)):
        product = {
            "a": ints(rng, dtype, 3, k), "as": scale(rng), "az": ints(rng, dtype),
            "b": ints(rng, I8, *((4, k) if transposed else (k, 4))), "bs": scale(rng, 4),
            "bz": np.zeros(4, I8), "bias": rng.integers(-999, 999, 4).astype(np.int32),
            "ys": scale(rng, low=2, high=3), "yz": ints(rng, dtype),
        }  # fmt: skip
        yield "QGemm", product, ("a",), {"transB": transposed, "alpha": alpha}
        floats = dict(list(product.items())[:7])
        yield "QGemm", floats, ("a",), {"transB": transposed}


@pytest.mark.parametrize("dtype", [U8, I8])
def test_operators_of_onnx_runtime(dtype):
    for op_type, arrays, fed, attributes in own(dtype):
        node = helper.make_node(op_type, list(arrays), ["y"], domain=OWN, **attributes)
        # as one node the softmax rounds by a table of its own, which the optimiser makes of ours
        kinds = check(node, arrays, fed, unoptimised=op_type != "QLinearSoftmax")
        assert kinds["MatMul"] == kinds["Gemm"] == 0


# Which nodes become one


def chain(
    x=DType.UINT8, w=DType.INT8, y=DType.UINT8, unit=1.0, spread=(4, 1, 1), bias=(4, 1, 1), **more
):
    """A convolution of integers, its bias, and the change of scale, as of QLinearConv."""
    image = Input("x", TensorType((2, 3, 5, 5), x))(name="x")
    kernel = constant_of(np.arange(4 * 3 * 9).reshape(4, 3, 3, 3) % 100, w)
    sums = ConvInteger()(image, kernel, name="sums")
    total = sums + constant_of(np.full(bias, 9), DType.INT32) if bias is not None else sums
    scales = constant_of(np.full(spread, 0.01), DType.FLOAT32)
    numbers = Dequantize()(total, scales, name="numbers")
    result = Quantize(y)(numbers, constant_of(unit, DType.FLOAT32), name="y")
    extra = {"sums": sums} if more.get("read") else {}
    return Graph.of([image], {"y": result, **extra})


@pytest.mark.parametrize(
    ("how", "joined"),
    [
        ({}, True),
        ({"x": DType.INT8, "y": DType.INT8}, True),
        ({"bias": None, "spread": ()}, True),
        ({"bias": (1, 4, 1, 1)}, True),
        ({"bias": ()}, True),
        ({"y": DType.INT8}, False),  # u8 to i8: ONNX Runtime has no such
        ({"y": DType.UINT16}, False),
        ({"x": DType.INT8, "w": DType.UINT8}, False),
        ({"unit": 0.5}, False),
        ({"spread": (3, 3)}, False),  # along the pixels
        ({"bias": (4, 3, 1)}, False),
        ({"read": True}, False),
    ],
)
def test_what_becomes_one_node(how, joined):
    graph = chain(**how)
    model = export_graph(graph, {})
    assert (kinds_of(model)["QLinearConv"] == 1) is joined
    assert kinds_of(model)["ConvInteger"] == 1 - joined
    x = np.arange(150).reshape(2, 3, 5, 5).astype(graph.inputs[0].dtype.numpy)
    expected = Reference(graph).run({"x": x}, {})[0]
    for name, found in zip(graph.outputs, run(model, {"x": x}), strict=True):
        np.testing.assert_array_equal(found, expected[name])


def test_scales_are_told_apart_where_they_are():
    """a·b / y is written as three numbers, anything else as the scale of the kernel."""
    a, b, y = (constant_of(v, DType.FLOAT32) for v in (0.5, [[0.25], [0.125]], 4.0))
    x = Input("x", TensorType((2, 3), DType.UINT8))(name="x")
    w = constant_of(np.ones((3, 1)), DType.INT8)
    for factor, names in ((constant_of(0.5) * constant_of(0.25) / constant_of(4.0), 3), (a * y, 1)):
        sums = Dequantize()(MatMulInteger()(x, w), factor)
        graph = Graph.of([x], {"y": Quantize(DType.UINT8)(sums, constant_of(1.0))})
        model = export_graph(graph, {})
        (node,) = (n for n in model.graph.node if n.op_type == "QLinearMatMul")
        arrays = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        found = [
            float(arrays[node.input[i]]) if node.input[i] in arrays else None for i in (1, 4, 6)
        ]
        assert found == ([0.5, 0.25, 4.0] if names == 3 else [1.0, None, 1.0])
    assert b.shape == (2, 1)


def test_a_row_of_scales_for_products_of_stacks_is_left_alone():
    x = Input("x", TensorType((2, 2, 3), DType.UINT8))(name="x")
    w = constant_of(np.ones((2, 3, 4)), DType.INT8)
    sums = Dequantize()(MatMulInteger()(x, w), constant_of([0.5, 1, 2, 4], DType.FLOAT32))
    model = export_graph(Graph.of([x], {"y": Quantize(DType.UINT8)(sums, constant_of(1.0))}), {})
    assert kinds_of(model) == {"MatMulInteger": 1, "DequantizeLinear": 1, "QuantizeLinear": 1}


def test_a_later_opset_is_asked_for_where_integers_need_it():
    x = Input("x", TensorType((2, 3)))(name="x")
    graph = Graph.of([x], {"y": Quantize(DType.INT16)(x, constant_of(0.5))})
    assert export_graph(graph, {}).opset_import[0].version == 21
    with pytest.raises(ExportError, match="QuantizeLinear of i16 and f32, which needs opset 21"):
        export_graph(graph, {}, opset=17)


def test_floats_of_integers_stay_what_they_are():
    """A convolution of casts is no ConvInteger: nothing says that it is meant to be exact."""
    x = Input("x", TensorType((1, 1, 3, 3), DType.UINT8))(name="x")
    w = constant_of(np.ones((1, 1, 3, 3)), DType.FLOAT32)
    graph = Graph.of([x], {"y": Conv2d()(Cast(DType.FLOAT32)(x), w)})
    assert kinds_of(export_graph(graph, {})) == {"Cast": 1, "Conv": 1}
