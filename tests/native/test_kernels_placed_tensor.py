"""Tensor operators on values that lie in blocks: the native code runs over the storage."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from native.run_kernel import check_results, run_kernel, run_node

from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Op, build
from graphcnn.ir.sources import Input
from graphcnn.ir.storage import pack, storage_shape, unpack
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.activation import Relu, Sigmoid
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.elementwise import Add, Mul
from graphcnn.ops.fused import fused
from graphcnn.ops.layout import Placed
from graphcnn.ops.reduce import Mean
from graphcnn.ops.shape import Concat
from graphcnn.runtime.native.code.registry import PLACED, lower
from graphcnn.runtime.native.code.target import host
from graphcnn.runtime.native.kernels.tensor.elementwise import lower_placed


def _check(op: Op, reads: Sequence[str], *arrays: Array, parts: int = 1, writes: str = "") -> None:
    """The storage of the result, padding included, is that of the definition's result."""
    types = [
        TensorType(a.shape, DType.of(a.dtype), layout)
        for a, layout in zip(arrays, reads, strict=True)
    ]
    layout = next(name for name in reads if name != "plain")
    placed = Placed(op, tuple(reads), (writes or layout,))
    node = build(placed, [Input(f"x{i}", t)() for i, t in enumerate(types)])
    kernel = lower(node, host())
    # The kernel on the arrays that hold the operands, which the harness can lay out.
    stored = [pack(a, t).reshape(storage_shape(t)) for a, t in zip(arrays, types, strict=True)]
    flat = _Stored(kernel, node, stored)
    found = unpack(flat.run(parts), node.types[0])
    check_results(node, (found,), op.evaluate(*arrays))
    assert not flat.padding(found, node.types[0]).any()


class _Stored:
    """Runs a kernel on storage instead of logical arrays."""

    def __init__(self, kernel: Any, node: Any, stored: Sequence[Array]) -> None:
        self.kernel, self.stored = kernel, stored
        storage = storage_shape(node.types[0])
        values = [Input(f"s{i}", TensorType(a.shape))() for i, a in enumerate(stored)]
        self.node = replace(node, inputs=tuple(values), types=(TensorType(storage),))

    def run(self, parts: int) -> Array:
        (self.result,) = run_kernel(self.kernel, self.node, self.stored, host(), parts)
        return self.result

    def padding(self, found: Array, t: TensorType) -> Array:
        """What the storage holds besides the logical elements."""
        return self.result.reshape(-1) - pack(found, t)


def _normal(*sizes: int) -> Array:
    return np.random.default_rng(len(sizes)).normal(size=sizes).astype(np.float32)


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("layout", ["c16", "c8", "c4"])
def test_images_in_blocks(layout: str, parts: int) -> None:
    x, y = _normal(3, 32, 13, 17), _normal(3, 32, 13, 17) * 2
    _check(Add(), (layout, layout), x, y, parts=parts)
    _check(Sigmoid(), (layout,), x, parts=parts)
    _check(Add(), (layout, "plain"), x, _normal(32, 1, 1), parts=parts)
    _check(Mul(), (layout, "plain"), x, _normal(3, 32, 1, 1), parts=parts)
    _check(Mul(), ("plain", layout), _normal(13, 17), x, parts=parts)
    _check(Mul(), (layout, "plain"), x, np.float32(3.0).reshape(()), parts=parts)


def test_padding_stays_zero() -> None:
    x, y = _normal(2, 5, 3, 3), _normal(2, 5, 3, 3)
    _check(Relu(), ("c16",), x)
    _check(Add(), ("c8", "c8"), x, y)
    _check(Mul(), ("o16i16x2", "plain"), _normal(20, 3, 3, 3), np.float32(0.5).reshape(()))
    _check(Relu(), ("v16",), _normal(10))


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("layout", ["c16", "c8", "c4"])
def test_sums_and_joins_of_blocks(layout: str, parts: int) -> None:
    x, y = _normal(3, 32, 13, 17), _normal(3, 16, 13, 17)
    _check(Sum((0, 2, 3)), (layout,), x, parts=parts, writes="plain")
    _check(Mean((0, 2, 3)), (layout,), x, parts=parts, writes="plain")
    _check(Concat(1), (layout, layout), x, y, parts=parts)


def test_channels_that_fill_no_block_are_refused() -> None:
    with pytest.raises(GraphError, match="must be images in whole blocks of channels"):
        _check(Concat(1), ("c16", "c16"), _normal(2, 5, 3, 3), _normal(2, 16, 3, 3))


def test_groups_in_blocks() -> None:
    x, b = (Input(k, TensorType(s))() for k, s in (("x", (2, 16, 5, 5)), ("b", (16, 1, 1))))
    op = fused(Graph.of((x, b), {"y": Relu()(x * 2.0 + b)}))
    _check(op, ("c16", "plain"), _normal(2, 16, 5, 5), _normal(16, 1, 1))


def test_every_expression_can_be_placed() -> None:
    assert PLACED["relu"] is PLACED["fused"] is lower_placed


def test_plain_operands_run_as_they_are() -> None:
    x = _normal(3, 4)
    node = build(Placed(Relu(), ("plain",), ("plain",)), [Input("x", TensorType(x.shape))()])
    check_results(node, run_node(node, [x]), np.maximum(x, 0))
