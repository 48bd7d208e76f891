"""Native code of elementwise operators, reductions, softmax, losses, copies and random numbers."""

from typing import Any

import numpy as np
import pytest
from native.run_kernel import check_results, check_sample, has_kernel, run_node
from samples import (
    Sample,
    activation,
    broadcast,
    comparison,
    elementwise,
    gather,
    loss,
    random,
    reduce,
    shape,
    softmax,
)
from support.cases import each

from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Op, build, constant_of
from graphcnn.ir.philox import uniform
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.activation import Gelu, Relu, Sigmoid
from graphcnn.ops.broadcast import BroadcastTo, Sum
from graphcnn.ops.comparison import Where
from graphcnn.ops.elementwise import Add, Cast, Exp, Mul, Pow
from graphcnn.ops.fused import fused
from graphcnn.ops.loss import BinaryCrossEntropy, CrossEntropy, MeanAbsoluteError, MeanSquaredError
from graphcnn.ops.random import RandomUniform
from graphcnn.ops.reduce import ArgMax, Max, Mean
from graphcnn.ops.shape import Concat, Embed, Flatten, OneHot, Positions, Slice, Transpose
from graphcnn.ops.softmax import LogSoftmax, Softmax
from graphcnn.runtime.native.code.codegen import kernel_text
from graphcnn.runtime.native.code.registry import lower
from graphcnn.runtime.native.code.target import host, named

FAMILIES = (
    activation, broadcast, comparison, elementwise, gather, loss, random, reduce, shape, softmax
)  # fmt: skip
SAMPLES = [
    sample
    for family in FAMILIES
    for sample in family.SAMPLES
    if has_kernel(sample) and not getattr(sample.op, "dtype", DType.BOOL).is_small
]
TARGETS = ("host", "sse2", "avx2")


def _target(name: str) -> Any:
    return host() if name == "host" else named(name)


def _node(op: Op, *arrays: Array) -> Any:
    values = [
        Input(f"x{i}", TensorType(a.shape, DType.of(a.dtype)))() for i, a in enumerate(arrays)
    ]
    return build(op, values)


def _check(op: Op, *arrays: Array, target: str = "host") -> None:
    """Against the definition; the bits do not depend on the number of parts."""
    node = _node(op, *arrays)
    with np.errstate(all="ignore"):
        expected = op.evaluate(*arrays)
    found = run_node(node, arrays, _target(target), 1)
    check_results(node, found, expected)
    for parts in (2, 3, 7):
        again = run_node(node, arrays, _target(target), parts)
        assert [a.tobytes() for a in again] == [a.tobytes() for a in found], f"{parts} parts"


def _normal(*sizes: int, dtype: Any = np.float32) -> Array:
    return np.random.default_rng(len(sizes)).normal(size=sizes).astype(dtype)


@each((sample, dtype) for sample in SAMPLES for dtype in (np.float32, np.float64))
def test_samples(sample: Sample, dtype: Any) -> None:
    check_sample(sample, dtype, 3)


FIRST = {s.op.name: s for s in reversed(SAMPLES)}.values()


@each((sample, target) for sample in FIRST for target in TARGETS[1:])
def test_a_sample_on_generic_targets(sample: Sample, target: str) -> None:
    check_sample(sample, np.float32, 3, named(target))


@pytest.mark.sweep
@each((sample, target) for sample in SAMPLES for target in TARGETS[1:])
def test_all_samples_on_generic_targets(sample: Sample, target: str) -> None:
    check_sample(sample, np.float32, 3, named(target))


@pytest.mark.parametrize("n", [*range(1, 68, 3), 2, 16, 17, 32, 33, 128, 127, 4096, 4099])
def test_lengths_that_no_vector_divides(n: int) -> None:
    x, rows = _normal(n), _normal(3, n)
    _check(Exp(), x)
    _check(Mul(), rows, x)
    _check(Sum((1,)), rows)
    _check(Max((0,)), rows)
    _check(Sum((0,)), (rows * 9).astype(np.int32))  # what lies after the end changes in sums
    _check(Softmax(1), rows)
    _check(ArgMax(1), rows)
    _check(Transpose((1, 0)), rows)
    _check(MeanSquaredError(), x, x[::-1].copy())
    _check(OneHot(n), np.array([0, n - 1, n // 2]))
    _check(RandomUniform((n,), 3), np.array(5), np.array(-9))
    _check(Positions((n,)))


def test_elements_far_apart_are_not_read_after_the_end() -> None:
    x = _normal(30 * 4098 + 1)
    _check(Slice((0,), (4099,), (30,)), x)


@pytest.mark.parametrize("exponent", [-1.0, 1.0, 2.0, 3.0, 0.5])
def test_powers_with_constant_exponents(exponent: float) -> None:
    x = np.array([0.0, -0.0, 1.5, np.inf, 3.0, np.nan] * 4, np.float32)
    value = Input("x", TensorType(x.shape))()
    power = Pow()(value, constant_of(exponent, DType.FLOAT32)).node
    with np.errstate(all="ignore"):
        expected = np.power(x, np.float32(exponent))
    check_results(power, run_node(power, [x, np.float32(exponent)]), expected)
    op = fused(Graph.of((value,), {"y": power.output}))
    check_results(_node(op, x), run_node(_node(op, x), [x]), expected)


# Large enough to be cut into parts
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "op, shapes",
    [
        (Add(), [(20470,), (20470,)]),
        (Add(), [(3, 7, 29, 31), (7, 1, 1)]),
        (Mul(), [(3, 7, 29, 31), (3, 1, 29, 31)]),
        (Add(), [(7, 1, 2500), (3, 1)]),
        (BroadcastTo((7, 50, 60)), [(50, 1)]),
        (Sum((0, 2, 3)), [(8, 37, 9, 9)]),
        (Sum((0, 2)), [(6, 37, 5, 41)]),
        (Mean((1,)), [(5, 70, 11, 13)]),
        (Mean((0,)), [(300, 100)]),
        (Max((1, 2)), [(40, 13, 50)]),
        (ArgMax(1), [(1000, 23)]),
        (ArgMax(1), [(9, 21, 10, 11)]),
        (Softmax(1), [(130, 200)]),
        (Softmax(1), [(1000, 19)]),
        (Softmax(1), [(4, 5, 31, 41)]),
        (LogSoftmax(1), [(130, 200)]),
        (LogSoftmax(0), [(7, 3000)]),
        (Flatten(), [(3, 70, 100)]),
        (Transpose((1, 0)), [(133, 150)]),
        (Transpose((0, 2, 3, 1)), [(5, 37, 11, 13)]),
        (Transpose((0, 3, 1, 2)), [(5, 11, 13, 37)]),
        (Transpose((2, 1, 0)), [(33, 20, 35)]),
        (Transpose((3, 0, 2, 1)), [(7, 9, 11, 40)]),
        (Concat(1), [(3, 50, 60), (3, 1, 60), (3, 70, 60)]),
        (Concat(0), [(9000,), (9001,)]),
        (Slice((1, 2, 0, 3), (3, 20, 31, 16), (1, 2, 1, 2)), [(5, 50, 31, 40)]),
        (Embed((5, 50, 31, 40), (1, 2, 0, 3), (1, 2, 1, 2)), [(3, 20, 31, 16)]),
        (Embed((5, 50, 100), (0, 0, 5), (1, 1, 1)), [(5, 50, 90)]),
    ],
    ids=lambda v: repr(v),
)
def test_bits_do_not_depend_on_the_number_of_parts(op: Op, shapes: Any, target: str) -> None:
    arrays = [_normal(*sizes) for sizes in shapes]
    assert lower(_node(op, *arrays), host()).units > 1
    _check(op, *arrays, target=target)


@pytest.mark.parametrize("count", [100_000, 1 << 20])
def test_long_sums_do_not_lose_digits(count: int) -> None:
    x = np.random.default_rng(1).uniform(0, 1, (count, 3)).astype(np.float32)
    exact = x.sum(axis=0, dtype=np.float64)
    for op, array in ((Sum((0,)), x), (Sum((1,)), x.T.copy())):
        found = run_node(_node(op, array), [array])[0]
        np.testing.assert_allclose(found, exact, rtol=1e-6)
    square = np.ascontiguousarray(x.T).reshape(3, 1, count // 4, 4).transpose(2, 0, 1, 3).copy()
    found = run_node(_node(Sum((0, 2, 3)), square), [square])[0]
    np.testing.assert_allclose(found, exact, rtol=1e-6)


def test_losses_of_many_items() -> None:
    z, t = _normal(3000, 7), _normal(3000, 7)[::-1].copy()
    for op in (MeanSquaredError(), MeanAbsoluteError(), BinaryCrossEntropy()):
        _check(op, z, t)
    labels = np.random.default_rng(2).integers(0, 7, 3000)
    _check(CrossEntropy(), z, labels)
    _check(CrossEntropy(0.1), z, labels)
    many = np.random.default_rng(3).integers(0, 101, 60)
    _check(CrossEntropy(), _normal(60, 101), many)
    _check(CrossEntropy(0.1), _normal(60, 101), many)
    _check(CrossEntropy(0.1), z.reshape(40, 7, 75), labels.reshape(40, 75))


def test_not_a_number_wins_and_the_first_maximum_counts() -> None:
    x = np.zeros((4, 40), np.float32)
    x[0, 7], x[0, 3], x[1, 33], x[1, 20], x[2, 39] = np.nan, np.inf, np.nan, np.nan, 1.0
    for op in (Max((1,)), Max((0,)), ArgMax(1), ArgMax(0), Softmax(1), LogSoftmax(1), Sum((1,))):
        _check(op, x)
    _check(ArgMax(1), np.full((2, 37), -np.inf, np.float32))


def test_random_numbers_have_the_bits_of_the_definition() -> None:
    seed, step = np.array(-(2**40) + 3), np.array(2**33 + 17)
    for dtype in (DType.FLOAT32, DType.FLOAT64):
        node = _node(RandomUniform((50_021,), 2**32 - 1, dtype), seed, step)
        for target in TARGETS:
            found = run_node(node, (seed, step), _target(target), 3)[0]
            expected = uniform(int(seed), int(step), 2**32 - 1, 50_021).astype(dtype.numpy)
            assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", [DType.FLOAT32, DType.FLOAT64])
def test_fused_bodies(dtype: DType, target: str) -> None:
    shape = (3, 5, 29, 37)
    x, bias, rest = (
        Input(k, TensorType(s, dtype))() for k, s in (("x", shape), ("b", (5, 1, 1)), ("r", shape))
    )
    biased = Sigmoid()(x + bias) * 2.0
    large = biased > 1.0
    chosen = Where()(large, Gelu()(biased), Relu()(rest) * constant_of([[0.5]], dtype))
    body = Graph.of(
        (x, bias, rest), {"y": chosen, "large": large, "cut": Cast(DType.INT64)(chosen * 9.0)}
    )
    arrays = [_normal(*v.shape, dtype=dtype.numpy) for v in body.inputs]
    op = fused(body)
    node = _node(op, *arrays)
    found = run_node(node, arrays, _target(target), 3)
    expected = op.evaluate(*arrays)
    check_results(node, found[:2], expected[:2])
    assert np.abs(found[2] - expected[2]).max() <= 1  # cut at a whole number
    assert (2, 0) in lower(node, _target(target)).inplace
    again = run_node(node, arrays, _target(target), 2, inplace=(2, 0))
    assert all(np.array_equal(a, b) for a, b in zip(found, again, strict=True))


def test_half_precision_is_refused() -> None:
    x = np.zeros(3, np.float16)
    with pytest.raises(GraphError, match=r"exp has no native lowering for f16, found f16\[3\]"):
        lower(_node(Exp(), x), host())


def test_a_body_with_a_wide_constant_is_refused() -> None:
    x = Input("x", TensorType((3,)))()
    body = Graph.of((x,), {"y": x + constant_of([1.0, 2.0, 3.0], DType.FLOAT32)})
    node = _node(fused(body), np.zeros(3, np.float32))
    with pytest.raises(GraphError, match=r"a constant of shape \(3,\) must be an operand"):
        run_node(node, [np.zeros(3, np.float32)])


@pytest.mark.parametrize("family", FAMILIES, ids=lambda m: m.__name__)
def test_every_operator_compiles_for_another_architecture(family: Any) -> None:
    seen: set[str] = set()
    for sample in family.SAMPLES:
        if sample.op.name not in seen and sample in SAMPLES:
            seen.add(sample.op.name)
            check_sample(sample, np.float32, 1, named("neon"))


def test_results_that_may_lie_where_an_operand_does_are_not_promised_apart() -> None:
    """LLVM may move a read of an operand behind a write through a pointer that is `noalias`."""
    inputs = [Input(f"x{i}", TensorType((33,)))() for i in range(2)]
    sums = {"a": inputs[0] + inputs[1], "b": inputs[0] * inputs[1]}
    kernel = lower(build(fused(Graph.of(inputs, sums)), inputs), host())
    assert set(kernel.inplace) == {(i, j) for i in (0, 1) for j in (0, 1)}
    lines = kernel_text(kernel, host()).splitlines()
    (signature,) = (line for line in lines if line.startswith("define internal"))
    assert signature.count("ptr ") == 4 and "noalias" not in signature
