"""Moving values between layouts gives the storage that packing gives."""

from dataclasses import replace

import numpy as np
import pytest
from native.run_kernel import check_results, run_kernel

from graphcnn.ir.node import Node, build
from graphcnn.ir.sources import Input
from graphcnn.ir.storage import pack, storage_shape
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.layout import Relayout
from graphcnn.runtime.native.code.registry import lower
from graphcnn.runtime.native.code.target import host, named

IMAGES = ["plain", "c16", "c16+1,1,1,1", "c16+0,2,3,1"]
KERNELS = ["plain", "o16i16x1", "o16i16x2", "i16o16x1", "i16o16x3"]


def check(shape, before, after, dtype="float32", parts=3, target=None, share=1e-30):
    target = target or host()
    array = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    value = Input("x", TensorType(shape, DType.of(dtype), before))()
    node = build(Relayout(after), [value])

    def stored(t):
        return replace(t, shape=storage_shape(t), layout="plain")

    flat = Node(node.op, (Input("x", stored(value.type))(),), (stored(node.types[0]),))
    storage = pack(array, value.type).reshape(flat.inputs[0].type.shape)
    found = run_kernel(lower(node, target), flat, [storage], target, parts)
    expected = pack(array, node.types[0]).reshape(flat.types[0].shape)
    check_results(flat, found, expected, share)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 16, 5, 7), (1, 67, 3, 19), (3, 32, 4, 4)])
@pytest.mark.parametrize("before", IMAGES)
@pytest.mark.parametrize("after", IMAGES)
def test_images(shape, before, after):
    if before != after:
        check(shape, before, after)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (32, 16, 3, 3), (5, 67, 2, 3), (40, 9)])
@pytest.mark.parametrize("before", KERNELS)
@pytest.mark.parametrize("after", KERNELS)
def test_kernels(shape, before, after):
    if before != after:
        check(shape, before, after)


@pytest.mark.parametrize("shape", [(1, 1, 3, 3), (32, 16, 3, 3), (21, 67, 3, 3)])
@pytest.mark.parametrize("before", KERNELS)
@pytest.mark.parametrize("after", ["w4o16i16x2", "w2o16i16x1", "w4i16o16x1", "w2i16o16x2"])
def test_transformed_kernels(shape, before, after):
    """Blocks are as wide as the vectors of this processor."""
    lanes = host().lanes(DType.FLOAT32)
    before, after = (layout.replace("16", str(lanes)) for layout in (before, after))
    check(shape, before, after, share=1e-6)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (32, 1, 3, 3), (21, 1, 5, 4)])
def test_depthwise_kernels(shape):
    check(shape, "plain", "d16")
    check(shape, "d16", "plain")
    check(shape, "plain", "d8", target=named("avx2"))


@pytest.mark.parametrize("size", [1, 16, 37])
def test_vectors(size):
    check((size,), "plain", "v16")
    check((size,), "v16", "plain")


def test_other_lanes_and_types():
    for target in ("sse2", "avx2"):
        for dtype in ("float32", "float64"):
            check((2, 19, 5, 3), "plain", "c8+1,1,1,1", dtype, target=named(target))
            check((2, 19, 5, 3), "c8", "plain", dtype, target=named(target))
            check((19, 9, 3, 2), "o8i8x2", "i8o8x1", dtype, target=named(target))
            check((19, 9, 3, 2), "plain", "o4i4x2", dtype, target=named(target))
