"""Element types in machine code: casts between all of them, and the arithmetic of integers."""

import llvmlite.binding as llvm
import numpy as np
import pytest
from native.emulated import TOOLS, can_emulate
from native.run_kernel import run_node

from graphcnn.compile.native import Prepared
from graphcnn.ir.casting import converted
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import build, constant_of
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.bits import BitAnd, BitOr, BitShift, BitXor
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.conv import Conv2d
from graphcnn.ops.elementwise import Add, Cast, Floor, Mul, Pow, Quotient, Remainder, Round, Sub
from graphcnn.ops.random import RandomUniform, kept_bits
from graphcnn.ops.reduce import Max, Prod
from graphcnn.passes.lowering.widen_types import WidenTypes
from graphcnn.runtime.native.code.target import can_run, host, named
from graphcnn.runtime.reference import Reference

WIDE = [DType.FLOAT32, DType.INT32, DType.BOOL]
INTEGERS = [d for d in DType if not d.is_float and not d.is_small and d is not DType.BOOL]
SMALL = [d for d in DType if d.is_small]
BITS = [BitAnd(), BitOr(), BitXor(), BitShift(), BitShift(left=False)]

#: Numbers at the ends of the ranges of short floats, between two of them, and beyond.
CORNERS = [
    0.0, -0.0, np.inf, -np.inf, np.nan, 1.5, 2.5, 448, 464, 465, 240, 248, 57344, 61440, 65504,
    65520, 6, 5, 7, 0.25, 0.75, 1e-45, 2.0**-127, 2.0**-126, 3 * 2.0**-128, 3 * 2.0**-10,
]  # fmt: skip


def run(op, *arrays, target="host"):
    values = [
        Input(f"x{i}", TensorType(a.shape, DType.of(a.dtype)))() for i, a in enumerate(arrays)
    ]
    (y,) = run_node(build(op, values), arrays, host() if target == "host" else named(target))
    return y


def bits(a):
    return a.view(f"u{a.dtype.itemsize}")


def pairs(all_pairs):
    for source in DType:
        for result in DType:
            if all_pairs or source in WIDE or result in WIDE:
                yield source, result


@pytest.mark.parametrize("all_pairs", [False, pytest.param(True, marks=pytest.mark.sweep)])
def test_every_cast_is_numpys(all_pairs):
    for source, result in pairs(all_pairs):
        x = np.array([0, 1, 2, 3, 100, 127, 5]).astype(source.numpy)
        if not source.is_small and source not in (DType.BOOL, *INTEGERS[4:]):
            x[1:4] *= -1 if not result.is_unsigned or not source.is_float else 1
        with np.errstate(all="ignore"):
            wide = np.float32 if source.is_float else np.int32
            expected = (x.astype(wide) if source.is_small else x).astype(result.numpy)
        found = run(Cast(result), x)
        assert found.dtype == expected.dtype
        if source.is_float and not result.is_float:  # NaN is not NumPy's matter
            expected, found = (a[x == x] for a in (expected, found))
        wide = np.float32 if result.is_float else np.int64
        np.testing.assert_array_equal(
            found.astype(wide), expected.astype(wide), f"{source} to {result}"
        )


def test_a_float64_is_rounded_once_to_float16() -> None:
    """By way of the nearest float32 these would come to lie halfway, and go to the even one."""
    near, tie = 2.0**-30, 1 + 2.0**-11
    x = np.array([tie, tie + near, tie - near, tie + 2**-10, tie + 2**-10 - near, 2**-25 + 2**-55])
    x = np.concatenate([x, -x, 2.0**-14 * x, 65504 + np.array([16, 16 - 1e-9, 15.9])])
    found = run(Cast(DType.FLOAT16), x)
    with np.errstate(over="ignore"):
        expected = x.astype(np.float16)
        assert (expected != x.astype(np.float32).astype(np.float16)).any()
    np.testing.assert_array_equal(bits(found), bits(expected))


#: Numbers at the ends of every integer type, beyond all of them, and what is no number.
BEYOND = [
    np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, 0.9, -0.9, -1.0, -1.9, 127.9, 128, 200, 255.9, 256,
    300, -128.9, -129, -200, 32768, 40000, 65536, 70000, -32769, 2.0**31 - 1, 2.0**31, 3e9,
    -(2.0**31), -(2.0**31) - 0.5, -(2.0**31) - 1, -3e9, 2.0**32, 5e9, 2.0**53, 2.0**62,
    2.0**63 - 1024, 2.0**63, 1e19, 2.0**64 - 2048, 2.0**64, 1e20, -(2.0**63), -1e19, 1e38, -1e38,
    448, 464, 6, 7, 1e-7,
]  # fmt: skip


def beyond(source):
    """All of them that a type holds, and some integers that a float does not hold."""
    if source.is_float:
        with np.errstate(all="ignore"):
            return (
                np.array(BEYOND)
                .astype(np.float32 if source.is_small else source.numpy)
                .astype(source.numpy)
            )
    if source.is_small or source is DType.BOOL:
        return np.arange(1 << source.bits).astype(f"u{source.bytes}").view(source.numpy)
    info = np.iinfo(source.numpy)
    odd = [
        info.max,
        info.max - 1,
        info.min,
        info.min + 1,
        info.max // 3,
        0,
        1,
        2,
        9,
        127,
        info.max // 2,
    ]
    return np.array(odd, source.numpy)


@pytest.mark.parametrize(
    "target", ["host", "sse2", "avx2", "avx512", pytest.param("neon", marks=pytest.mark.sweep)]
)
@pytest.mark.parametrize("all_pairs", [False, pytest.param(True, marks=pytest.mark.sweep)])
def test_numbers_that_do_not_fit_are_cast_as_defined(all_pairs, target):
    if target == "avx512" and not llvm.get_host_cpu_features().get("avx512f"):
        pytest.skip("this processor has no AVX-512")
    if target == "neon" and not (can_emulate(named("neon")) or can_run(named("neon"))):
        pytest.skip(f"needs {', '.join(TOOLS['aarch64'])}")
    for source, result in pairs(all_pairs):
        x = beyond(source)
        expected, found = Cast(result).evaluate(x), run(Cast(result), x, target=target)
        assert found.dtype == expected.dtype == result.numpy
        same = bits(found) == bits(expected)
        if result.is_float:  # of NaN there are many
            same |= np.isnan(found.astype(np.float32)) & np.isnan(expected.astype(np.float32))
        assert same.all(), (source, result, x[~same], found[~same], expected[~same])


@pytest.mark.parametrize(("result", "expected"), {
    "u8": [0, 0, 0, 255, 44, 0, 0, 127], "i8": [0, 0, 0, -1, 44, 0, 0, 127],
    "u16": [0, 0, 0, 65535, 300, 0, 0, 65407], "i16": [0, 0, 0, -1, 300, 0, 0, -129],
    "i32": [-(1 << 31), -(1 << 31), -(1 << 31), -1, 300, -(1 << 31), -(1 << 31), -129],
    "u32": [0, 0, 0, (1 << 32) - 1, 300, 3 * 10**9, 0, (1 << 32) - 129],
    "i64": [-(1 << 63)] * 3 + [-1, 300, 3 * 10**9, -(1 << 63), -129],
    "u64": [1 << 63, 0, 1 << 63, (1 << 64) - 1, 300, 3 * 10**9, 10**19, (1 << 64) - 129],
    "i4": [0, 0, 0, -1, -4, 0, 0, -1], "u4": [0, 0, 0, 15, 12, 0, 0, 15],
    "i2": [0, 0, 0, -1, 0, 0, 0, -1], "u2": [0, 0, 0, 3, 0, 0, 0, 3],
    "bool": [True] * 8,
}.items())  # fmt: skip
def test_what_does_not_fit_in_numbers(result, expected):
    x = np.array([np.nan, np.inf, -np.inf, -1.9, 300.9, 3e9, 1e19, -129.5])
    found = Cast(DType.of(result)).evaluate(x)
    assert found.astype(object).tolist() == expected
    assert run(Cast(DType.of(result)), x).astype(object).tolist() == expected


@pytest.mark.parametrize("target", ["host", "sse2", "avx2"])
@pytest.mark.parametrize("dtype", SMALL, ids=str)
def test_every_code_of_a_small_type_is_read(dtype, target):
    codes = np.arange(1 << dtype.bits).astype(f"u{dtype.bytes}")
    x = codes.view(dtype.numpy)
    found, expected = run(Cast(DType.FLOAT32), x, target=target), x.astype(np.float32)
    np.testing.assert_array_equal(found, expected)
    numbers = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(found[numbers]), np.signbit(expected[numbers]))


@pytest.mark.parametrize("wide", [np.float32, np.float64])
@pytest.mark.parametrize("dtype", [d for d in SMALL if d.is_float], ids=str)
def test_rounding_to_a_short_float_is_that_of_numpy(dtype, wide):
    rng = np.random.default_rng(0)
    drawn = rng.standard_normal(2000) * 10.0 ** rng.integers(-12, 6, 2000)
    with np.errstate(all="ignore"):
        near = np.float64(np.float32(drawn)) * (1 + 1e-9)  # beside a float32
        x = np.concatenate([drawn, near, CORNERS, -np.array(CORNERS)]).astype(wide)
        expected = x.astype(dtype.numpy)
    found = run(Cast(dtype), x)
    nan = np.isnan(expected.astype(np.float32))
    np.testing.assert_array_equal(np.isnan(found.astype(np.float32)), nan)
    np.testing.assert_array_equal(bits(found)[~np.isnan(x)], bits(expected)[~np.isnan(x)])


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_integers_divide_and_wrap_as_in_numpy(dtype):
    info = np.iinfo(dtype.numpy)
    ends = [info.min, info.min + 1, info.max, *range(8), 13, 100]
    numbers = np.array(ends + [-1, -2, -3, -100] * (info.min < 0), dtype.numpy)
    a, b = (v.ravel().copy() for v in np.meshgrid(numbers, numbers))
    with np.errstate(all="ignore"):
        for op in (Quotient(), Remainder(), Remainder(True), Pow(), *BITS):
            np.testing.assert_array_equal(run(op, a, b), op.evaluate(a, b), str(op))
        for op in (Sum((0,)), Max((0,)), Prod((0,))):
            x = np.stack([a, b])
            np.testing.assert_array_equal(run(op, x), op.evaluate(x), str(op))


def test_quotients_are_cut_towards_0():
    a, b = np.array([7, -7, 7, -7, 5]), np.array([2, 2, -2, -2, 0])
    assert run(Quotient(), a, b).tolist() == [3, -3, -3, 3, 0]
    assert run(Remainder(), a, b).tolist() == [1, 1, -1, -1, 0]
    assert run(Remainder(True), a, b).tolist() == [1, -1, 1, -1, 0]
    assert run(Pow(), np.array([2, -1, -1, 3]), np.array([-1, -3, -4, 2])).tolist() == [0, -1, 1, 9]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("target", ["host", "sse2"])
def test_remainders_and_roundings_of_special_numbers(dtype, target):
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 2.5, -2.5, 3.3, 1e5, 1e-3, 0.5], dtype)
    a, b = (v.ravel().copy() for v in np.meshgrid(x, x))
    with np.errstate(all="ignore"):
        for op in (Remainder(), Remainder(True)):
            np.testing.assert_array_equal(run(op, a, b, target=target), op.evaluate(a, b))
        for op in (Floor(), Round()):
            np.testing.assert_array_equal(run(op, x, target=target), op.evaluate(x))


@pytest.mark.parametrize("dtype", [DType.FLOAT16, DType.BFLOAT16], ids=str)
def test_networks_of_short_floats_run(dtype):
    rng = np.random.default_rng(1)
    x = Input("x", TensorType((2, 3, 6, 6), dtype))()
    w = Input("w", TensorType((4, 3, 3, 3), dtype))()
    graph = Graph.of([x, w], {"y": Max((1,))(Conv2d(padding=(1, 1, 1, 1))(x, w) * 2.0)})
    feeds = {v.node.name or v.node.op.key: rng.standard_normal(v.shape).astype(dtype.numpy)
             for v in (x, w)}  # fmt: skip
    prepared = Prepared(graph)
    prepared.bind_states({})
    found = prepared.run(feeds)[0]["y"]
    wide = WidenTypes()(graph)
    assert {n.op.name for n in wide.operations if n.types[0].dtype is dtype} == {"cast"}
    exact = Conv2d(padding=(1, 1, 1, 1)).evaluate(*(feeds[k].astype(np.float32) for k in "xw"))
    assert found.dtype == dtype.numpy
    bound = 4 * float(np.abs(exact).max()) * 2.0 ** (-10 if dtype is DType.FLOAT16 else -7)
    np.testing.assert_allclose(found.astype(np.float32), 2 * exact.max(1), rtol=0, atol=bound)


@pytest.mark.parametrize("dtype", [d for d in SMALL if d.is_float], ids=str)
def test_the_check_of_every_step_knows_short_floats(dtype, monkeypatch):
    monkeypatch.setenv("GRAPHCNN_VERIFY", "numbers")
    x = Input("x", TensorType((4,)))()
    prepared = Prepared(Graph.of([x], {"y": Cast(dtype)(x + 0.5)}))
    prepared.bind_states({})
    found = prepared.run({"x": np.array([np.nan, np.inf, 1.0, 3.5], np.float32)})[0]["y"]
    assert found.astype(np.float32)[3] == 4.0


def test_what_needs_no_wider_type_stays_as_it_is():
    x = Input("x", TensorType((2, 3)))()
    graph = Graph.of([x], {"y": x + 1.0})
    assert WidenTypes()(graph) is graph


@pytest.mark.parametrize("dtype", [DType.FLOAT16, DType.BFLOAT16], ids=str)
def test_short_random_numbers_stay_below_1(dtype):
    """They are cut off to the bits of the type, not rounded."""
    seed, step = (constant_of(k, DType.INT64) for k in (7, 3))
    graph = Graph.of([], {"y": RandomUniform((20000,), 0, dtype)(seed, step)})
    prepared = Prepared(graph)
    prepared.bind_states({})
    found, expected = prepared.run({})[0]["y"], Reference(graph).run({})[0]["y"]
    np.testing.assert_array_equal(bits(found), bits(expected))
    assert 1 - 2 * 2.0 ** -kept_bits(dtype) < found.astype(np.float32).max() < 1


@pytest.mark.parametrize("dtype", [d for d in SMALL if not d.is_float], ids=str)
def test_short_integers_wrap_around(dtype):
    """Every pair of them, in 64 bits without the ones that are too high."""
    low = 0 if dtype.is_unsigned else -(1 << (dtype.bits - 1))
    every = np.arange(low, low + (1 << dtype.bits))
    a, b = (v.reshape(-1) for v in np.meshgrid(every, every))
    inputs = [Input(n, TensorType(a.shape, dtype))() for n in "ab"]
    for op in (Add(), Sub(), Mul(), Pow(), Quotient(), Remainder(), Remainder(True), *BITS):
        prepared = Prepared(Graph.of(inputs, {"y": op(*inputs)}))
        prepared.bind_states({})
        short = [v.astype(dtype.numpy) for v in (a, b)]
        found = prepared.run(dict(zip("ab", short, strict=True)))[0]["y"]
        expected = converted(op.evaluate(a, b), dtype)
        np.testing.assert_array_equal(found, expected, str(op))
        np.testing.assert_array_equal(op.evaluate(*short), expected, str(op))
