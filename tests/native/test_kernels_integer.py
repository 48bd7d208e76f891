"""Quantisation and sums of integers in native code: the numbers of the reference, to the bit."""

import numpy as np
import pytest
from samples.integer import SAMPLES
from support.cases import each

from graphcnn.compile.native import Prepared
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Value, build, constant_of
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.integer import ConvInteger, MatMulInteger, Quantize
from graphcnn.passes.lowering.expand import Expand


def both(op, arrays, stored=()):
    """What native code finds and the definition; the inputs at `stored` are constants."""
    values: list[Value] = [
        constant_of(a) if i in stored else Input(f"x{i}", TensorType(a.shape, DType.of(a.dtype)))()
        for i, a in enumerate(arrays)
    ]
    fed = [v for i, v in enumerate(values) if i not in stored]
    graph = Graph.of(fed, {"y": build(op, values).output})
    prepared = Prepared(graph)
    prepared.bind_states({})
    feeds = {f"x{i}": a for i, a in enumerate(arrays) if i not in stored}
    return prepared.run(feeds)[0]["y"], op.evaluate(*arrays), graph


@each((sample, stored) for sample in SAMPLES for stored in (False, True))
def test_samples(sample, stored):
    arrays = sample.arrays(np.float32)
    found, expected, _ = both(sample.op, arrays, range(1, len(arrays)) if stored else ())
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def multiplied(graph):
    """The element types of what is multiplied and summed."""
    nodes = Expand()(graph).nodes
    return [n.output.dtype for n in nodes if n.op.name in ("conv2d", "matmul")]


F32, F64 = DType.FLOAT32, DType.FLOAT64


def extremes(dtype, shape, sign=1):
    """Numbers of the largest size that the type has."""
    info = np.iinfo(dtype)
    return np.full(shape, info.max if sign > 0 or not info.min else info.min, dtype)


@pytest.mark.parametrize(
    ("channels", "stored", "kinds"),
    [
        (57, True, [F32]),  # 57 · 9 · 255 · 128 < 2^24
        (58, True, [F32, F32]),
        (58, False, [F32, F32]),
        (256, True, [F32] * 6),
    ],
)
def test_sums_of_a_convolution_are_grouped_as_float32_holds_them(channels, stored, kinds):
    x = extremes(np.uint8, (1, channels, 4, 3))
    w = extremes(np.int8, (17, channels, 3, 3), -1)
    w[::2] = 127
    found, expected, graph = both(ConvInteger(), (x, w), (1,) if stored else ())
    exact = (x.astype(np.int64)[:, None, :, :3, :3] * w).sum((2, 3, 4))
    assert (expected[0, :, 0, 0] == exact[0]).all()
    np.testing.assert_array_equal(found, expected)
    assert multiplied(graph) == kinds


def test_small_weights_need_no_groups():
    """What the weights hold is known, not only their type."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (1, 512, 3, 3)).astype(np.uint8)
    w = rng.integers(-14, 15, (4, 512, 3, 3)).astype(np.int8)
    found, expected, graph = both(ConvInteger(), (x, w), (1,))
    np.testing.assert_array_equal(found, expected)
    assert multiplied(graph) == [F32]


@pytest.mark.parametrize(
    ("shape", "groups", "kind"), [((1, 8, 20, 20), 1, F64), ((2, 66, 3, 3), 2, F32)]
)
def test_what_cannot_be_grouped(shape, groups, kind):
    """Few channels under a large kernel, and groups of channels."""
    x, kernel = extremes(np.uint8, shape), shape[2:]
    w = extremes(np.uint8, (2 * groups, shape[1] // groups, *kernel))
    found, expected, graph = both(ConvInteger(groups=groups), (x, w), (1,))
    np.testing.assert_array_equal(found, expected)
    taps = shape[1] // groups * kernel[0] * kernel[1]
    assert (expected == taps * 255 * 255).all()
    assert multiplied(graph) == [F32 if taps * 255 * 255 < 1 << 24 else F64] and kind


def test_products_wrap_around_at_32_bits():
    a, b = extremes(np.uint8, (1, 33027)), extremes(np.uint8, (33027, 1))
    expected = np.array([[33027 * 255 * 255]], np.int64).astype(np.int32)
    for stored in ((), (1,)):
        found, defined, graph = both(MatMulInteger(), (a, b), stored)
        assert found == defined == expected and expected < 0
        assert set(multiplied(graph)) == {F32}


def test_what_is_no_number_is_0():
    x = np.array([np.nan, 1.0, np.nan], np.float32)
    for dtype in (DType.INT8, DType.UINT8, DType.INT16):
        found, expected, _ = both(Quantize(dtype), (x, np.float32(1)))
        assert found.tolist() == expected.tolist() == [0, 1, 0]
