"""Native code of gathering, scattering and the k best: ties, NaN, places out of range, threads."""

from typing import Any

import numpy as np
import pytest
from native.run_kernel import check_results, run_node

from graphcnn.errors import DataError
from graphcnn.ir.node import Array, Op, build
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.gather import REDUCTIONS, Gather, Scatter, TopK
from graphcnn.ops.loss import CrossEntropy
from graphcnn.ops.shape import OneHot
from graphcnn.ops.unpool import MaxUnpool2d, MaxUnpool2dGrad
from graphcnn.runtime.native.code.target import host, named


def _run(op: Op, *arrays: Array, target: str = "host", parts: int = 1) -> tuple[Any, Any]:
    inputs = [
        Input(f"x{i}", TensorType(a.shape, DType.of(a.dtype)))() for i, a in enumerate(arrays)
    ]
    node = build(op, inputs)
    return node, run_node(node, arrays, host() if target == "host" else named(target), parts)


@pytest.mark.parametrize("target", ["host", "sse2", "avx2"])
@pytest.mark.parametrize("largest", [True, False])
def test_the_best_of_long_rows_with_ties_and_nan(largest: bool, target: str) -> None:
    rng = np.random.default_rng(1)
    for width, k in ((1, 1), (2, 2), (33, 5), (100, 100), (1000, 64), (5000, 1)):
        x = rng.integers(0, width // 2 + 1, (3, width)).astype(np.float32)
        x[rng.random(x.shape) < 0.05] = np.nan
        x[rng.random(x.shape) < 0.05] = np.inf
        for array in (
            x,
            np.sort(x),
            np.sort(x)[:, ::-1].copy(),
            np.nan_to_num(x, posinf=7).astype(np.int64),
        ):
            op = TopK(k, largest)
            _, found = _run(op, array, target=target)
            for got, expected in zip(found, op.evaluate(array), strict=True):
                np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize("reduction", ["none", *REDUCTIONS])
def test_many_rows_by_several_threads(reduction: str, parts: int) -> None:
    rng = np.random.default_rng(2)
    x, updates = (rng.normal(size=s).astype(np.float32) for s in ((6, 50, 67), (6, 40, 67)))
    places = np.stack([rng.permutation(50)[:40] for _ in range(6)])
    if reduction != "none":
        places[:, 20:] = places[:, :20]
    op = Scatter(1, reduction)
    node, found = _run(op, x, places, updates, parts=parts)
    check_results(node, found, op.evaluate(x, places, updates))
    node, found = _run(Gather(1), x, places, parts=parts)
    np.testing.assert_array_equal(found[0], Gather(1).evaluate(x, places))


def test_places_out_of_range_are_not_touched() -> None:
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    places = np.array([1, -1, 3, 2**40])
    _, (read,) = _run(Gather(), x, places)
    np.testing.assert_array_equal(read[0], x[1])
    assert np.isnan(read[1:]).all()
    _, (written,) = _run(Scatter(), x, places, np.full((4, 2), 9, np.float32))
    np.testing.assert_array_equal(written, [[0, 1], [9, 9], [4, 5]])


#: Numbers out of range of which the lowest 32, or 8, bits are in range.
WRAPPED = [1 << 32, (1 << 32) + 1, -(1 << 32), 1 << 62, 256, -1, 3, 2**63 - 1, -(2**63)]


@pytest.mark.parametrize("wrong", WRAPPED)
def test_numbers_out_of_range_never_wrap_into_it(wrong: int) -> None:
    """The definition refuses each; native code makes it visible, and takes it for no other."""
    images = np.arange(12, dtype=np.float32).reshape(1, 3, 2, 2)
    rows, plane = images.reshape(4, 3), np.zeros((1, 2, 2), np.int64)
    labels = np.array([0, 1, wrong, 2])
    plane[0, 1, 1] = wrong
    places = np.array([[0, 1], [2, wrong]]).reshape(1, 1, 2, 2)
    nan = np.float32(np.nan)
    cases: list[tuple[Op, tuple[Array, ...], Any]] = [
        (CrossEntropy(), (rows, labels), nan),
        (CrossEntropy(0.1), (rows, labels), nan),
        (CrossEntropy(), (images, plane), nan),
        (CrossEntropy(0.1), (images, plane), nan),
        (OneHot(3), (labels,), [[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1]]),
        (MaxUnpool2d((1, 3)), (images[:, :1], places), [[[[0, 1, 2]]]]),
        (MaxUnpool2dGrad(), (rows[:1].reshape(1, 1, 1, 3), places), [[[[0, 1], [2, nan]]]]),
        (Gather(), (rows[:3], labels), np.array([*rows[:2], [nan] * 3, rows[2]])),
        (Scatter(), (rows[:3] * 0, labels, rows), rows[[0, 1, 3]]),
    ]
    for op, arrays, expected in cases:
        with pytest.raises(DataError):
            op.evaluate(*arrays)
        np.testing.assert_array_equal(_run(op, *arrays)[1][0], expected, str(op))


def test_known_labels_have_a_loss() -> None:
    logits = np.log(np.array([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]], np.float32))
    (found,) = _run(CrossEntropy(), logits, np.array([0, 2]))[1]
    np.testing.assert_allclose(found, -(np.log(0.5) + np.log(0.7)) / 2, rtol=1e-6)
