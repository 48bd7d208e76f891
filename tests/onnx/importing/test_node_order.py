"""Files whose nodes stand in another order than they are computed in, and unusual imports."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from support.malformed_models import FLOAT, array, model, node, relu

import graphcnn as cnn
from graphcnn.onnx.importing.file.node_order import sort_nodes

X = np.random.default_rng(0).normal(size=(2, 4, 8, 8)).astype(np.float32)


def test_nodes_are_sorted_and_stay_near_their_places():
    nodes = [
        node("Add", "b", "c"),
        node("Neg", "a", outputs=("b",)),
        relu("a", "c"),
        relu("x", "a"),
    ]
    unsorted = model(nodes, ("N", 4, 8, 8))
    expected = np.maximum(np.maximum(X, 0), 0) - np.maximum(X, 0) + 0
    found = cnn.import_onnx(unsorted.SerializeToString())
    np.testing.assert_array_equal(found.predict(X), expected)
    sort_nodes(unsorted)
    assert [n.output[0] for n in unsorted.graph.node] == ["a", "b", "c", "y"]
    part = cnn.import_onnx(unsorted.SerializeToString(), outputs=["b"])
    np.testing.assert_array_equal(part.predict(X), -np.maximum(X, 0))


def test_what_is_in_order_keeps_its_order():
    nodes = [relu("x", "a"), relu("x", "b"), node("Sub", "b", "a")]
    made = model(nodes)
    before = made.SerializeToString()
    sort_nodes(made)
    assert made.SerializeToString() == before


def test_a_graph_inside_a_node_counts_what_it_reads_outside():
    def branch(name, op):
        inner = [node(op, "late", outputs=("deep",)), relu("deep", name)]
        return helper.make_graph(
            inner[::-1], name, [], [helper.make_tensor_value_info(name, FLOAT, None)]
        )

    choice = node("If", "yes", then_branch=branch("t", "Neg"), else_branch=branch("e", "Abs"))
    nodes = [choice, node("Mul", "x", "two", outputs=("late",))]
    stored = [numpy_helper.from_array(np.array(True), "yes"), array("two", 1)]
    made = model(nodes, ("N", 4, 8, 8), stored)
    two = numpy_helper.to_array(stored[1])
    found = cnn.import_onnx(made.SerializeToString())
    np.testing.assert_array_equal(found.predict(X), np.maximum(-(X * two), 0))


def test_a_model_of_operators_of_another_domain_imports_no_standard_ones():
    qadd = helper.make_node(
        "QLinearAdd", ["x", "s", "z", "x", "s", "z", "s", "z"], ["y"], domain="com.microsoft"
    )
    graph = helper.make_graph(
        [qadd],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, ["N", 6])],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, ["N", 6])],
        [numpy_helper.from_array(np.float32(0.5), "s"), numpy_helper.from_array(np.uint8(3), "z")],
    )
    imports = [helper.make_opsetid("com.microsoft", 1)]
    made = helper.make_model(graph, ir_version=8, opset_imports=imports)
    x = np.arange(12, dtype=np.uint8).reshape(2, 6)
    expected = (x.astype(int) - 3) * 2 + 3
    found = cnn.import_onnx(made.SerializeToString()).predict(x)
    np.testing.assert_array_equal(found, np.clip(expected, 0, 255).astype(np.uint8))


def test_an_opset_that_is_imported_twice_alike_is_one():
    twice = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx", 17)]
    made = model([relu()], ("N", 4, 8, 8), opset_imports=twice)
    np.testing.assert_array_equal(
        cnn.import_onnx(made.SerializeToString()).predict(X), np.maximum(X, 0)
    )
