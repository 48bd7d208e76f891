"""What an importer computes itself is what the network would have computed, to the last number."""

import numpy as np
import pytest
from onnx import TensorProto, helper
from support.evaluate import evaluate
from support.exported_networks import Net

from graphcnn.onnx.importing.importer import import_graph

FLOATS = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1, -1, 2.5, -2.5, 0.5, 1.5, 3e9, 1e19, -7, 7, 2]
ONE = "Floor Ceil Round Abs Neg Sqrt Reciprocal Sign Exp Log Clip Not".split()
TWO = "Add Sub Mul Div Pow Mod Max Min Equal Less Greater LessOrEqual GreaterOrEqual And".split()
TRUTH = ("Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual", "And", "Not")


def corners(dtype):
    if np.dtype(dtype).kind == "f":
        return np.array(FLOATS, dtype)
    info = np.iinfo(dtype)
    return np.array([0, 1, 2, 3, 7, 5, info.max, info.min, info.min + 1], dtype)


def found(net, feeds):
    graph = import_graph(net.model().SerializeToString())
    with np.errstate(all="ignore"):
        (y,) = evaluate(graph.graph, feeds, graph.states).values()
    return y


def both(op, arrays, **attributes):
    """The result as it is computed and as it is folded; None where there is no such operator."""
    kinds = [helper.np_dtype_to_tensor_dtype(a.dtype) for a in arrays]
    kind = TensorProto.BOOL if op in TRUTH else kinds[0]
    net, feeds = Net(opset=18), {f"x{i}": a for i, a in enumerate(arrays)}
    inputs = [
        net.input(k, *a.shape, kind=t) for (k, a), t in zip(feeds.items(), kinds, strict=True)
    ]
    net.output(net.op(op, *inputs, **attributes), kind)
    try:
        computed = found(net, feeds)
    except Exception:
        return None
    net = Net(opset=18)
    result = net.op(op, *map(net.const, arrays), **attributes)
    net.output(net.op("Where", net.input("z", 1, kind=TensorProto.BOOL), result, result), kind)
    with np.errstate(all="ignore"):
        return computed, found(net, {"z": np.ones(1, bool)})


@pytest.mark.parametrize("dtype", ["f4", "f8", "i1", "u1", "i4", "i8"])
def test_folded_is_computed(dtype):
    a = corners(dtype)
    first, second = (v.ravel() for v in np.meshgrid(a, a))
    count = 0
    for op in ONE + TWO:
        arrays = [first] if op in ONE else [first, second]
        for attributes in ({}, {"fmod": 1}) if op == "Mod" else ({},):
            pair = both(op, arrays, **attributes)
            if pair is not None:
                count += 1
                assert pair[0].dtype == pair[1].dtype
                np.testing.assert_array_equal(pair[1].reshape(pair[0].shape), pair[0], op)
    assert count > 9


def test_integers_divided_by_zero_give_zero():
    a, b = np.array([[7, -7, 0, 7], [0, 0, 0, -2]], np.int32)
    for op, attributes, expected in (
        ("Div", {}, [0, 0, 0, -3]),
        ("Mod", {}, [0, 0, 0, -1]),
        ("Mod", {"fmod": 1}, [0, 0, 0, 1]),
    ):
        for result in both(op, [a, b], **attributes):
            assert result.tolist() == expected


def test_powers_of_mixed_types():
    base, exponent = (
        np.array([2, 3, -1, 5, 7], np.int32),
        np.array([0.5, 40, 0.5, -1, 2], np.float32),
    )
    for a, b in ((base, exponent), (base, exponent.astype(np.int64)), (exponent, base)):
        computed, folded = both("Pow", [a, b])
        np.testing.assert_array_equal(folded, computed)
    assert both("Pow", [base, exponent])[0].tolist() == [1, -(2**31), -(2**31), 0, 49]
