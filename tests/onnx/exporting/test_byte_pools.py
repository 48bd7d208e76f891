"""Maxima of integers of 8 bits: one node where our pool, of floats, stands between casts."""

from collections import Counter

import numpy as np
import pytest
from onnx import helper

from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.onnx.exporting.export import export_graph
from graphcnn.onnx.importing.importer import import_graph
from graphcnn.ops.elementwise import Cast
from graphcnn.ops.pool import MaxPool2d
from graphcnn.runtime.reference import Reference

runtime = pytest.importorskip("onnxruntime")
I8, U8, F32 = DType.INT8, DType.UINT8, DType.FLOAT32


def pooled(x, op, through=F32, to=None):
    return Cast(to or x.dtype)(op(Cast(through)(x)), name="y")


def kinds_of(graph):
    """The operators of the exported file, which computes the numbers of the graph."""
    model = export_graph(graph, {})
    rng = np.random.default_rng(0)
    x = rng.integers(-128, 127, (2, 3, 7, 6)).astype(graph.inputs[0].dtype.numpy)
    session = runtime.InferenceSession(model.SerializeToString())
    expected = Reference(graph).run({"x": x}, {})[0]
    for found, y in zip(session.run(None, {"x": x}), expected.values(), strict=True):
        assert found.dtype == y.dtype
        np.testing.assert_array_equal(found, y)
    return Counter(n.op_type for n in model.graph.node)


def image(dtype=U8, *sizes):
    return Input("x", TensorType((2, 3, *(sizes or (7, 6))), dtype))(name="x")


@pytest.mark.parametrize("dtype", [I8, U8])
@pytest.mark.parametrize(
    "op",
    [
        MaxPool2d((2, 2), (2, 2)),
        MaxPool2d((3, 2), (2, 2), (1, 1, 0, 1)),
        MaxPool2d((3, 3), (2, 2), ceil_mode=True),
        MaxPool2d((2, 2), dilation=(2, 3), padding=(1, 1, 1, 1)),
    ],
    ids=repr,
)
def test_one_node(dtype, op):
    x = image(dtype)
    assert kinds_of(Graph.of([x], {"y": pooled(x, op)})) == {"MaxPool": 1}


def test_only_what_is_the_same():
    x, op = image(), MaxPool2d((2, 2), (2, 2))
    other = Graph.of([x], {"y": pooled(x, op, to=DType.INT32)})
    assert kinds_of(other) == {"Cast": 2, "MaxPool": 1}
    y = pooled(x, op)
    read = Graph.of([x], {"y": y, "z": y.node.inputs[0]})  # the pool is an output, too
    assert kinds_of(read) == {"Cast": 2, "MaxPool": 1}
    shared = Graph.of([x], {"y": y, "z": y.node.inputs[0].node.inputs[0]})  # the floats are
    assert kinds_of(shared) == {"Cast": 1, "MaxPool": 1}
    wide = image(DType.INT32)
    assert kinds_of(Graph.of([wide], {"y": pooled(wide, op)})) == {"Cast": 2, "MaxPool": 1}


def test_every_window_meets_a_pixel():
    """Else the maximum of i8 would be -128 in ONNX, and what becomes of -∞ here."""
    with pytest.raises(GraphError, match="a window would see padding only"):
        MaxPool2d((1, 2), dilation=(1, 2), padding=(0, 0, 1, 1))(image(F32, 7, 1))


def test_a_file_comes_back():
    node = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], strides=[2, 2])
    x, y = (helper.make_tensor_value_info(n, 2, ["N", 3, 7, 6]) for n in "xy")
    y.type.tensor_type.ClearField("shape")
    graph = helper.make_graph([node], "g", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    found = import_graph(model.SerializeToString())
    back = export_graph(found.graph, {})
    assert [n.op_type for n in back.graph.node] == ["MaxPool"]
    assert str(import_graph(back.SerializeToString()).graph) == str(found.graph)
