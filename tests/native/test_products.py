"""Matrix products by other ways than the plain one: the same sums, in the same order."""

from dataclasses import replace

import numpy as np
import pytest
from native.run_kernel import check_results, node_of, run_node
from native.test_kernels_conv import TARGETS, _group
from samples import Sample

from graphcnn.ir.node import Node
from graphcnn.ops.dense import MatMul
from graphcnn.runtime.native.code.registry import lower

#: As if the second cache were so small that every matrix is large, and so large that none is.
SMALL, LARGE = 4, 1 << 30


def node(k: int, m: int, n: int, dtype: object = np.float32) -> tuple[Node, tuple[np.ndarray, ...]]:
    return node_of(Sample(MatMul(transpose_a=True), (k, m), (k, n)), dtype)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "k, m, n", [(1, 2, 1), (5, 3, 7), (67, 30, 35), (300, 17, 67), (520, 140, 24), (256, 5, 130)]
)
def test_tall_products_have_the_bits_of_plain_ones(k: int, m: int, n: int, target: str) -> None:
    tall, plain = (replace(TARGETS[target], l2=size) for size in (SMALL, LARGE))
    product, arrays = node(k, m, n)
    assert lower(product, tall).method == "tall" and lower(product, plain).method == "panels"
    (expected,) = run_node(product, arrays, plain)
    for parts in (1, 2, 3):
        (found,) = run_node(product, arrays, tall, parts)
        assert found.tobytes() == expected.tobytes()
    check_results(product, (found,), product.op.evaluate(*arrays))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("target", TARGETS)
def test_what_follows_a_tall_product(dtype: str, target: str) -> None:
    tall = replace(TARGETS[target], l2=SMALL)
    shapes, extra = [(300, 9), (300, 21)], [(9, 21), (9, 1), (21,)]
    group = _group(MatMul(transpose_a=True), shapes, extra, dtype)
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(s).astype(dtype) for s in (*shapes, *extra)]
    assert lower(group, tall).method == "tall"
    for parts in (1, 3):
        check_results(group, run_node(group, arrays, tall, parts), group.op.evaluate(*arrays))


def test_where_there_are_enough_rows_the_gradient_of_a_weight_is_tall() -> None:
    target = replace(TARGETS[next(iter(TARGETS))], l2=1 << 19)
    assert lower(node(1024, 1024, 256)[0], target).method == "tall"
    assert lower(node(64, 400, 120)[0], target).method == "panels"
