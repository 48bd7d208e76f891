"""Forms that only training takes: gradients over the batch, of windows side by side, by tiles."""

from typing import cast

import numpy as np
import pytest
from native.run_kernel import check_results, check_sample, run_node
from samples import Sample

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Op, Value, build
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.comparison import Where
from graphcnn.ops.conv import Conv2d, Conv2dWeightGrad, ConvTranspose2d
from graphcnn.ops.fused import fused
from graphcnn.ops.pool import MaxPool2dGrad
from graphcnn.runtime.native.code.registry import lower
from graphcnn.runtime.native.code.target import Target, host, named
from graphcnn.runtime.native.kernels.conv.geometry import geometry
from graphcnn.runtime.native.kernels.conv.weight_grad_winograd import (
    POINTS,
    M,
    tiled_weight_gradient,
)
from graphcnn.runtime.native.kernels.parts.numbers import Numbers

TARGETS = {"host": host(), "avx2": named("avx2"), "sse2": named("sse2")}
FLOATS = (np.float32, np.float64)

Shape = tuple[int, ...]


def masked(op: Op, dtype: object, *shapes: Shape) -> Node:
    """where(x > 0, op(...), 0) as one group, with x the operand of the result's shape."""
    kind = DType.of(np.dtype(cast(type, dtype)))

    def inputs() -> list[Value]:
        return [Input(f"x{i}", TensorType(s, kind))() for i, s in enumerate(shapes)]

    own = inputs()
    made = build(op, own[:2]).output
    like = next(v for v in own if v.shape == made.shape)
    y = Where()(like > 0, made, made * 0)
    return build(fused(Graph.of(own, {"y": y})), inputs())


def check(node: Node, target: Target, parts: int) -> None:
    rng = np.random.default_rng(1)
    arrays = [rng.standard_normal(cast(Shape, v.shape)).astype(v.dtype.numpy) for v in node.inputs]
    found = run_node(node, arrays, target, parts)
    check_results(node, found, node.op.evaluate(*arrays))
    for a, b in zip(found, run_node(node, arrays, target), strict=True):
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("padding", [(0, 0, 0, 0), (1, 0, 2, 1)])
def test_input_gradient_over_the_batch(
    padding: tuple[int, int, int, int], flip: bool, dtype: object, target: Target
) -> None:
    op = ConvTranspose2d(padding=padding, flip_kernel=flip)
    shapes = (64, 5, 7, 5), (5, 3, 3, 2)
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(s).astype(cast(type, dtype)) for s in (*shapes, (3,))]
    kinds = [Input("x", TensorType(a.shape, DType.of(a.dtype)))() for a in arrays]
    assert lower(build(op, kinds[:2]), target).algorithm == "images 3×2"
    for parts in (1, 2, 3):
        check_sample(Sample(op, *arrays[:2]), dtype, parts, target)
        check_sample(Sample(op, *arrays), dtype, parts, target)
    written = cast(Shape, build(op, kinds[:2]).output.shape)
    check(masked(op, dtype, *shapes, written), target, 2)
    few = arrays[0][: target.lanes(DType.of(arrays[0].dtype))]  # images of one vector
    kinds[0] = Input("x", TensorType(few.shape, kinds[0].dtype))()
    assert lower(build(op, kinds[:2]), target).algorithm == "images 3×1"
    check_sample(Sample(op, few, *arrays[1:]), dtype, 2, target)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    ("op", "x", "dy", "algorithm"),
    [
        (MaxPool2dGrad((2, 2), (2, 2)), (2, 3, 11, 13), (2, 3, 5, 6), "windows"),
        (MaxPool2dGrad((3, 2), (3, 2)), (2, 3, 9, 40), (2, 3, 3, 20), "windows"),
        (MaxPool2dGrad((3, 3), (2, 2)), (2, 3, 9, 21), (2, 3, 4, 10), "gather"),
        (MaxPool2dGrad((8, 8), (8, 8)), (2, 3, 17, 16), (2, 3, 2, 2), "loop"),
    ],
)  # fmt: skip
def test_pool_gradient_with_a_mask(
    op: Op, x: Shape, dy: Shape, algorithm: str, dtype: object, target: Target
) -> None:
    node = masked(op, dtype, x, dy)
    assert lower(node, target).algorithm == algorithm
    check(node, target, 1)
    check(node, target, 3)


def test_first_maximum_and_nan_win() -> None:
    x = np.array([[1, 1, np.nan, 2], [1, 1, 3, np.nan]], np.float32)[None, None]
    dy = np.array([[[[5, 7]]]], np.float32)
    for parts in (1, 2):
        check_sample(Sample(MaxPool2dGrad((2, 2), (2, 2)), x, dy), np.float32, parts)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("filters", [2, 3, 6, 7])
def test_weight_gradient_of_few_filters(filters: int, dtype: object) -> None:
    op = Conv2dWeightGrad(kernel=(5, 5), padding=(2, 2, 2, 2))
    check(masked(op, dtype, (3, 1, 9, 21), (3, filters, 9, 21), (filters, 1, 5, 5)), host(), 3)


def test_tiles_of_a_weight_gradient_are_chosen_where_they_pay() -> None:
    def schedule(size: int) -> object:
        op = Conv2d(padding=(1, 1, 1, 1))
        g = geometry(op, 64, (32, (size, size)), (32, (size, size)), (3, 3), 16)
        return tiled_weight_gradient(g, Numbers.alike(DType.FLOAT32), 2, named("avx512"))

    assert schedule(1) is None
    assert schedule(16) is not None
    assert (M, POINTS) == (4, 36)
