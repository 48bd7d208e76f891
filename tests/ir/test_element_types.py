"""Every element type: its names, its text form, its way through ONNX."""

import numpy as np
import onnx
import pytest
from onnx import helper
from support.evaluate import evaluate

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import freeze
from graphcnn.ir.sources import Constant, Input
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.onnx.exporting.export import export_graph
from graphcnn.onnx.exporting.writer import ELEMENT_TYPES
from graphcnn.onnx.importing.importer import import_graph
from graphcnn.ops.elementwise import Cast
from graphcnn.ops.reduce import Prod
from graphcnn.passes.training.backward import vjp
from graphcnn.text.parse import parse_graph
from graphcnn.text.write import dump_graph

TYPES = list(DType)
#: The lowest opset whose Cast knows the type, where it is not the lowest that is written.
SINCE = {"f8e4m3fn": 19, "f8e4m3fnuz": 19, "f8e5m2": 19, "f8e5m2fnuz": 19, "i4": 21, "u4": 21,
         "f4e2m1fn": 23, "f8e8m0fnu": 24, "i2": 25, "u2": 25}  # fmt: skip


def numbers(dtype, shape=(2, 3)):
    x = np.arange(int(np.prod(shape))).reshape(shape) % 2 + 1.0
    return x.astype(dtype.numpy)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_a_type_has_many_names(dtype):
    assert DType.of(dtype.numpy) is DType.of(str(dtype)) is DType.of(dtype.name.lower()) is dtype
    assert dtype.bytes == max(1, dtype.bits // 8)
    assert dtype.is_float == np.issubdtype(dtype.numpy, np.floating) or dtype.is_small
    assert dtype.is_unsigned == (np.dtype(dtype.numpy).kind in "ub" or dtype.name.startswith("U"))


def test_what_is_stored_only():
    names = {str(d) for d in TYPES if d.is_small}
    assert names == {"f16", "bf16", *(n for n in SINCE)}


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_constants_have_a_text(dtype):
    for shape in ((2, 3), (40, 50)):  # in numbers, and as base64
        y = Constant(freeze(numbers(dtype, shape)))(name="c")
        x = Input("x", TensorType((2,), dtype))()
        graph = Graph.of([x], {"y": y, "z": Cast(DType.FLOAT32)(x)})
        text = dump_graph(graph)
        again = parse_graph(text)
        assert dump_graph(again) == text
        assert np.array_equal(again.outputs["y"].node.op.array, y.node.op.array)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_casts_go_out_and_come_back(dtype):
    x = Input("x", TensorType((2, 3)))()
    c = Constant(freeze(numbers(dtype)))()
    graph = Graph.of([x], {"y": Cast(DType.FLOAT32)(Cast(dtype)(x)) + Cast(DType.FLOAT32)(c)})
    model = export_graph(graph, {})
    assert model.opset_import[0].version == SINCE.get(str(dtype), 17)
    onnx.checker.check_model(model, full_check=True)
    found = import_graph(model.SerializeToString())
    again = export_graph(found.graph, found.states)
    feeds = {"x": np.array([[0.2, 1, 3], [1.6, 0.75, 500]], np.float32)}
    with np.errstate(all="ignore"):
        expected = evaluate(graph, feeds)["y"]
        for each in (found, import_graph(again.SerializeToString())):
            np.testing.assert_array_equal(evaluate(each.graph, feeds, each.states)["y"], expected)


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_initializers_of_every_type_are_read(dtype, raw):
    """As raw bytes, and as the numbers of a field; an odd count does not fill the last byte."""
    array = numbers(dtype, (5,))
    code = ELEMENT_TYPES[dtype]
    if raw:
        tensor = onnx.numpy_helper.from_array(array, "c")
        assert tensor.raw_data
    else:
        tensor = helper.make_tensor("c", code, (5,), array.astype(np.float64).tolist())
        assert not tensor.raw_data
    node = helper.make_node("Cast", ["c"], ["y"], to=onnx.TensorProto.DOUBLE)
    infos = [helper.make_tensor_value_info("y", onnx.TensorProto.DOUBLE, (5,))]
    proto = helper.make_graph([node], "read", [], infos, [tensor])
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", 25)])
    found = import_graph(model.SerializeToString())
    y = evaluate(found.graph, {}, found.states)["y"]
    np.testing.assert_array_equal(y, array.astype(np.float64))


def test_the_gradient_of_a_product_where_elements_are_0():
    x = np.array([[0.0, 2.0, 3.0], [0.0, 1.5, 0.0], [-1.0, 2.0, 0.5]])
    value = Input("x", TensorType(x.shape, DType.FLOAT64))()
    y = Prod((1,))(value)
    one = Constant(freeze(np.ones(3)))()
    (dx,) = vjp([y], [one], [value])
    found = evaluate(Graph.of([value], {"dx": dx}), {"x": x})["dx"]
    others = [[np.prod(np.delete(row, i)) for i in range(3)] for row in x]
    np.testing.assert_allclose(found, others)
