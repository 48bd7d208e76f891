"""Floats that are stored only: the definition computes in float32, as native code does."""

import numpy as np
import pytest
from samples import all_samples

from graphcnn.compile.native import Prepared
from graphcnn.ir.casting import converted
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import build
from graphcnn.ir.sources import Input
from graphcnn.ir.stored_types import WIDER
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.gather import TopK
from graphcnn.ops.pool import MaxPool2d
from graphcnn.ops.reduce import ArgMax, Max
from graphcnn.ops.softmax import Softmax
from graphcnn.ops.unpool import MaxUnpool2d

SHORT = [d for d in DType if d.is_float and d.numpy in WIDER]
SIGNED = [d for d in SHORT if d is not DType.FLOAT8_E8M0FNU]


def typed(arrays):
    return [Input(f"x{i}", TensorType(a.shape, DType.of(a.dtype)))() for i, a in enumerate(arrays)]


def listed(found):
    return found if isinstance(found, tuple) else (found,)


@pytest.mark.parametrize("dtype", SHORT, ids=str)
def test_every_operator_is_computed_in_float32(dtype):
    """And rounded once, to the type that was inferred."""
    count = 0
    for sample in all_samples():
        wide = sample.arrays(np.float32)
        if sample.op.name in ("placed", "fused", "scan") or all(
            a.dtype != np.float32 for a in wide
        ):
            continue
        short = [converted(a, dtype) if a.dtype == np.float32 else a for a in wide]
        wide = [a.astype(np.float32) if a.dtype == dtype.numpy else a for a in short]
        types = build(sample.op, typed(short)).types
        with np.errstate(all="ignore"):
            expected = listed(sample.op.evaluate(*wide))
            found = listed(sample.op.evaluate(*short))
        for a, b, t in zip(found, expected, types, strict=True):
            assert a.dtype == t.dtype.numpy, sample.label
            b = b if b.dtype == a.dtype else converted(b, t.dtype)
            np.testing.assert_array_equal(a.astype(np.float64), b.astype(np.float64), sample.label)
        count += 1
    assert count > 200


def both(op, *arrays):
    """What the definition and native code find, which is one."""
    node = build(op, typed(arrays))
    names = [f"r{i}" for i in range(len(node.outputs))]
    prepared = Prepared(Graph.of(node.inputs, dict(zip(names, node.outputs, strict=True))))
    prepared.bind_states({})
    native = prepared.run({f"x{i}": a for i, a in enumerate(arrays)})[0]
    defined = listed(op.evaluate(*arrays))
    for name, array in zip(names, defined, strict=True):
        assert native[name].dtype == array.dtype
        np.testing.assert_array_equal(native[name].astype(float), array.astype(float))
    return [a.astype(float).reshape(-1).tolist() for a in defined]


@pytest.mark.parametrize("dtype", SIGNED, ids=str)
def test_the_largest_of_negative_numbers(dtype):
    """Also where the type has no infinity to begin with."""
    x = np.array([[-3, -1], [-2, -4]], np.float32).reshape(1, 1, 2, 2)
    x = converted(x, dtype)
    assert both(MaxPool2d((2, 2), indices=True), x) == [[-1.0], [1.0]]
    assert both(MaxPool2d((2, 2), padding=(1, 1, 1, 1)), x)[0] == [
        -3,
        -1,
        -1,
        -2,
        -1,
        -1,
        -2,
        -2,
        -4,
    ]
    row = x.reshape(1, 4)
    assert both(Max((1,)), row) == [[-1.0]]
    assert both(ArgMax(1), row) == [[1.0]]
    assert both(TopK(2), row) == [[-1.0, -2.0], [1.0, 2.0]]
    assert both(Softmax(), converted(np.full((1, 2), -2, np.float32), dtype)) == [[0.5, 0.5]]
    places = np.array([[3, 0], [2, 1]]).reshape(1, 1, 2, 2)
    assert both(MaxUnpool2d((2, 2)), x, places) == [[-1.0, -4.0, -2.0, -3.0]]


def test_the_largest_power_of_two():
    x = converted(np.array([[0.5, 2, 4, 1]], np.float32), DType.FLOAT8_E8M0FNU)
    assert both(MaxPool2d((2, 2)), x.reshape(1, 1, 2, 2)) == [[4.0]]
    assert both(TopK(2), x) == [[4.0, 2.0], [2.0, 1.0]]
