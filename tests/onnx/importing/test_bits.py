"""Bits of integers in ONNX: all types, by everybody."""

import numpy as np
import pytest
from onnx import helper, numpy_helper
from support.agreement import check_agreement

from graphcnn.errors import ImportModelError
from graphcnn.onnx.exporting.export import export_graph
from graphcnn.onnx.importing.importer import import_graph

TYPES = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


def element(name):
    return helper.np_dtype_to_tensor_dtype(np.dtype(name))


def network(dtype, nodes, outputs, stored=()):
    """Nodes on a (N, 3, 5) and b (3, 1) of integers."""
    shapes = {"a": ("N", 3, 5), "b": (3, 1)}
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info(k, element(dtype), s) for k, s in shapes.items()],
        [helper.make_tensor_value_info(k, element(dtype), None) for k in outputs], list(stored),
    )  # fmt: skip
    imports = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, ir_version=8, opset_imports=imports).SerializeToString()


def drawn(dtype, most=None):
    def feeds(n):
        rng, size = np.random.default_rng(n), np.dtype(dtype).itemsize
        a = rng.integers(0, 256, (n, 3, 5, size), np.uint8).view(dtype)[..., 0]
        b = rng.integers(0, 256, (3, 1, size), np.uint8).view(dtype)[..., 0]
        return {"a": a, "b": b if most is None else b % most}

    return feeds


@pytest.mark.parametrize("dtype", TYPES)
def test_bits(dtype):
    nodes = [
        helper.make_node("BitwiseAnd", ["a", "b"], ["and"]),
        helper.make_node("BitwiseOr", ["b", "a"], ["or"]),
        helper.make_node("BitwiseXor", ["a", "b"], ["xor"]),
        helper.make_node("BitwiseNot", ["a"], ["not"]),
    ]
    check_agreement(network(dtype, nodes, ["and", "or", "xor", "not"]), drawn(dtype))


@pytest.mark.parametrize("dtype", TYPES[4:])
def test_shifts(dtype):
    """By counts that are fed, and by a stored one."""
    stored = [numpy_helper.from_array(np.array([3], dtype), "three")]
    nodes = [
        helper.make_node("BitShift", ["a", "b"], ["left"], direction="LEFT"),
        helper.make_node("BitShift", ["a", "b"], ["right"], direction="RIGHT"),
        helper.make_node("BitShift", ["a", "three"], ["by_three"], direction="RIGHT"),
    ]
    content = network(dtype, nodes, ["left", "right", "by_three"], stored)
    check_agreement(content, drawn(dtype, 8 * np.dtype(dtype).itemsize))


def test_a_packed_picture_is_taken_apart():
    """Four numbers of a byte each out of one: shifts and masks that are known, in a row."""
    stored = [
        numpy_helper.from_array(np.array([24], np.uint32), "high"),
        numpy_helper.from_array(np.array([255], np.uint32), "mask"),
    ]
    nodes = [
        helper.make_node("BitShift", ["a", "high"], ["t"], direction="RIGHT"),
        helper.make_node("BitwiseAnd", ["t", "mask"], ["top"]),
        helper.make_node("BitShift", ["mask", "high"], ["known"], direction="LEFT"),
        helper.make_node("BitwiseXor", ["a", "known"], ["other"]),
    ]
    content = network("uint32", nodes, ["top", "other"], stored)
    check_agreement(content, drawn("uint32"))
    ops = [n.op.name for n in import_graph(content).graph.nodes]
    assert ops.count("bit_shift") == 1  # the other is computed while importing


def test_a_count_of_all_bits_is_written_out():
    """ONNX leaves open what it does: known counts need nothing, others a product with 0 or 1."""
    nodes = [helper.make_node("BitShift", ["a", "b"], ["y"], direction="LEFT")]
    fed = import_graph(network("uint8", nodes, ["y"])).graph
    stored = [numpy_helper.from_array(np.array([7], np.uint8), "k")]
    nodes = [helper.make_node("BitShift", ["a", "k"], ["y"], direction="LEFT")]
    known = import_graph(network("uint8", nodes, ["y"], stored)).graph
    kinds = [[n.op_type for n in export_graph(g, {}).graph.node] for g in (fed, known)]
    assert "Mul" in kinds[0] and kinds[1] == ["BitShift"]


def test_what_is_refused():
    bad = [helper.make_node("BitShift", ["a", "b"], ["y"], direction="UP")]
    with pytest.raises(ImportModelError, match="'direction' = 'UP' must be LEFT or RIGHT"):
        import_graph(network("uint8", bad, ["y"]))
    for op, inputs in (("BitwiseNot", ["a"]), ("BitwiseAnd", ["a", "b"])):
        with pytest.raises(ImportModelError, match="integer"):
            import_graph(network("float32", [helper.make_node(op, inputs, ["y"])], ["y"]))
