"""Native convolutions and matrix products in the plain layout, against their definitions."""

import numpy as np
import pytest
from native.run_kernel import check_results, check_sample, run_node
from samples import Sample
from samples.conv import SAMPLES as ALL_CONV
from samples.dense import SAMPLES as DENSE
from support.cases import each

from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Op, Value, build
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.activation import Relu
from graphcnn.ops.comparison import Where
from graphcnn.ops.conv import Conv2d, Conv2dWeightGrad, ConvTranspose2d
from graphcnn.ops.dense import Dense, MatMul
from graphcnn.ops.fused import fused
from graphcnn.runtime.native.code.registry import choices, lower
from graphcnn.runtime.native.code.target import host, named

TARGETS = {"host": host(), "avx2": named("avx2"), "sse2": named("sse2")}
P1 = (1, 1, 1, 1)


#: There is code for masks of whole taps; others are written into the graph.
CONV = [sample for sample in ALL_CONV if sample.op.whole_taps]

#: float64 takes the same paths with half the lanes: once is enough, but for the full run.
KINDS = [*(("float32", target) for target in TARGETS), ("float64", "host")]


@each((sample, *kind) for sample in CONV + DENSE for kind in KINDS)
def test_samples(sample, dtype, target):
    check_sample(sample, np.dtype(dtype), parts=3, target=TARGETS[target])


@each((sample,) for sample in ALL_CONV if not sample.op.whole_taps)
def test_single_weights_of_masks_are_refused(sample):
    node = build(sample.op, [Input(f"x{i}", t)() for i, t in enumerate(sample.types())])
    with pytest.raises(GraphError, match="no code for the single weights"):
        lower(node, host())
    if not isinstance(sample.op, ConvTranspose2d):
        with pytest.raises(GraphError, match="no code for the single weights"):
            choices(node, host())


@pytest.mark.sweep
@each((sample, target) for sample in CONV + DENSE for target in ("avx2", "sse2"))
def test_samples_in_float64(sample, target):
    check_sample(sample, np.float64, parts=3, target=TARGETS[target])


# (batch, channels, height, width), filters, kernel, attributes: odd sizes, and each way to tile.
ODD = [
    ((1, 1, 1, 1), 1, (1, 1), {}),
    ((33, 3, 1, 1), 67, (1, 1), {}),
    ((2, 67, 13, 7), 17, (3, 3), dict(padding=P1)),
    ((1, 5, 31, 29), 37, (5, 3), dict(padding=(2, 2, 1, 1))),
    ((3, 16, 11, 11), 31, (3, 3), dict(stride=(2, 2), padding=P1)),
    ((2, 3, 37, 41), 19, (7, 7), dict(stride=(2, 2), padding=(3, 3, 3, 3))),
    ((1, 3, 43, 47), 8, (11, 11), dict(stride=(4, 4), padding=(2, 2, 2, 2))),
    ((2, 32, 9, 17), 32, (3, 3), dict(padding=P1, groups=32)),
    ((2, 12, 9, 17), 20, (3, 3), dict(padding=(2, 2, 2, 2), dilation=(2, 2), groups=4)),
    ((5, 64, 6, 5), 10, (1, 1), dict(stride=(2, 2))),
    ((2, 6, 14, 14), 16, (5, 5), {}),
    ((1, 3, 82, 82), 24, (3, 3), dict(padding=P1)),
    ((1, 23, 1, 61), 29, (1, 3), dict(padding=(0, 0, 1, 1))),
]


@pytest.mark.parametrize(("x", "filters", "kernel", "attributes"), ODD, ids=str)
@pytest.mark.parametrize("target", TARGETS)
def test_odd_convolutions(x, filters, kernel, attributes, target):
    conv = Conv2d(**attributes)
    weight = (filters, x[1] // conv.groups, *kernel)
    forward = Sample(conv, x, weight, (filters,))
    dy = conv.infer(*forward.types()).shape
    extra = tuple(
        (size + before + after - (k - 1) * d - 1) % s
        for size, before, after, k, d, s in zip(
            x[2:], conv.padding[::2], conv.padding[1::2], kernel, conv.dilation, conv.stride,
            strict=True,
        )
    )  # fmt: skip
    for sample in (
        forward,
        Sample(ConvTranspose2d(**attributes, output_padding=extra), dy, weight),
        Sample(Conv2dWeightGrad(**attributes, kernel=kernel), x, dy),
    ):
        check_sample(sample, np.float32, parts=3, target=TARGETS[target])


@pytest.mark.parametrize("m", [1, 2, 3, 17, 64])
@pytest.mark.parametrize("n", [1, 7, 16, 67, 130])
@pytest.mark.parametrize("k", [1, 5, 67])
def test_products(m, n, k):
    for sample in (
        Sample(Dense(), (m, k), (n, k), (n,)),
        Sample(MatMul(), (m, k), (k, n)),
        Sample(MatMul(True, True), (3, k, m), (1, n, k)),
    ):
        check_sample(sample, np.float32, parts=3)


def test_long_sums_keep_their_digits():
    check_sample(
        Sample(Conv2dWeightGrad(padding=P1, kernel=(3, 3)), (64, 2, 32, 32), (64, 3, 32, 32))
    )


def _inputs(*shapes: tuple[int, ...], dtype: DType) -> list[Value]:
    return [Input(f"x{i}", TensorType(s, dtype))() for i, s in enumerate(shapes)]


def _group(op: Op, shapes: list[tuple[int, ...]], extra: list[tuple[int, ...]], kind: str) -> Node:
    """A heavy operator, then relu(y + each extra), or y where the first extra is positive."""
    dtype = DType.of(kind)
    values = _inputs(*shapes, *extra, dtype=dtype)
    y, rest = op(*values[: len(shapes)]), values[len(shapes) :]
    if len(rest) == 1:
        y = Where()(rest[0] > 0, y, y * 0.25)
    else:
        for value in rest:
            y = y + value
        y = Relu()(y)
    body = Graph.of(values, {"y": y})
    return build(fused(body), _inputs(*shapes, *extra, dtype=dtype))


GROUPS = [
    (Conv2d(padding=P1), [(2, 3, 7, 5), (4, 3, 3, 3), (4,)], [(2, 4, 7, 5), (4, 1, 1)]),
    (Conv2d(stride=(2, 2)), [(2, 3, 9, 9), (21, 3, 3, 3)], [(2, 21, 4, 4)]),
    (Conv2d(groups=2), [(2, 4, 5, 5), (6, 2, 1, 1)], [(5,), (2, 1, 5, 1), (1, 6, 1, 1)]),
    (ConvTranspose2d((2, 2)), [(2, 3, 4, 4), (3, 5, 3, 3)], [(2, 5, 9, 9)]),
    (Conv2dWeightGrad(kernel=(2, 2)), [(2, 3, 4, 4), (2, 5, 3, 3)], [(5, 3, 2, 2)]),
    (Dense(), [(5, 9), (21, 9), (21,)], [(5, 21), (21,), (5, 1)]),
    (Dense(), [(1, 9), (21, 9), (21,)], [(1, 21)]),
    (MatMul(), [(2, 3, 4), (4, 35)], [(2, 3, 35), (3, 1), ()]),
]


@pytest.mark.parametrize(("op", "shapes", "extra"), GROUPS, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("target", TARGETS)
def test_groups(op, shapes, extra, dtype, target):
    node = _group(op, shapes, extra, dtype)
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(s).astype(dtype) for s in (*shapes, *extra)]
    for parts in (1, 3):
        found = run_node(node, arrays, TARGETS[target], parts)
        check_results(node, found, node.op.evaluate(*arrays))
