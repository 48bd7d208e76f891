"""Vector functions against float64, and where their coefficients come from."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from native.run_kernel import run_node
from numpy.polynomial import Chebyshev, Polynomial

from graphcnn.ir.node import Array, Op, build
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.activation import Elu, Gelu, Mish, Relu, Sigmoid, Silu, Softplus, Tanh
from graphcnn.ops.elementwise import Cast, Erf, Exp, Log, Maximum, Minimum, Pow, Sign, Sqrt
from graphcnn.ops.parts.erf import erf
from graphcnn.runtime.native.code.target import host, named
from graphcnn.runtime.native.kernels.parts import math as vector

TARGETS = ("host", "sse2", "avx2")
SPECIAL = np.array(
    [0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 3.0, -3.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45,
     2.0**-126, 3.4e38, -3.4e38, 2.0**24 + 2, 33554431.0, 1e30, 88.8, -104.0, -87.4, 4.0, -9.1]
)  # fmt: skip


def _run(op: Op, *arrays: Array, target: str = "host") -> Array:
    values = [
        Input(f"x{i}", TensorType(a.shape, DType.of(a.dtype)))() for i, a in enumerate(arrays)
    ]
    where = host() if target == "host" else named(target)
    return run_node(build(op, values), arrays, where)[0]


def _sigmoid(x: Array) -> Array:
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, small) / (1.0 + small)


def _softplus(x: Array) -> Array:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


FUNCTIONS: list[tuple[Op, Callable[[Array], Array], float]] = [
    (Exp(), np.exp, 1.2),
    (Log(), np.log, 1.0),
    (Tanh(), np.tanh, 3.0),
    (Sigmoid(), _sigmoid, 3.0),
    (Softplus(), _softplus, 2.0),
    (Erf(), erf, 1.5),
    (Elu(), lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))), 1.2),
    (Sqrt(), np.sqrt, 0.51),
]


def _ulps(found: Array, exact: Array) -> Array:
    """Distance to the float64 value in units of the last place of its float32."""
    with np.errstate(all="ignore"):
        rounded = exact.astype(np.float32)
        unit = np.spacing(np.abs(rounded)).astype(np.float64)
        off = np.abs(found.astype(np.float64) - exact) / unit
    same = (found == rounded) | (np.isnan(found) & np.isnan(exact))
    return np.where(same, 0.0, np.where(np.isnan(off), np.inf, off))


def _numbers() -> Array:
    """All exponents and signs, subnormal numbers, infinities and NaN among them; then [-110, 110]
    and [-5, 5] closely."""
    bits = np.arange(0, 2**32, 20011, dtype=np.uint64).astype(np.uint32).view(np.float32)
    lines = [np.linspace(-r, r, 100_001).astype(np.float32) for r in (110.0, 5.0)]
    return np.concatenate([bits, *lines, SPECIAL.astype(np.float32)])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("op, exact, bound", FUNCTIONS, ids=lambda v: getattr(v, "name", ""))
def test_float32_functions_are_within_a_few_ulp_everywhere(
    op: Op, exact: Callable[[Array], Array], bound: float, target: str
) -> None:
    x = _numbers()
    found = _run(op, x, target=target)
    with np.errstate(all="ignore"):
        expected = exact(x.astype(np.float64))
    ulps = _ulps(found, expected)
    worst = int(np.argmax(ulps))
    # Without fused multiply-add each step rounds once more.
    assert ulps[worst] <= bound * (1.5 if target == "sse2" else 1.0), (
        f"{op.name}({x[worst]!r}) = {found[worst]!r}, is {expected[worst]!r}: {ulps[worst]} ulp"
    )


@pytest.mark.parametrize("op, exact, bound", FUNCTIONS, ids=lambda v: getattr(v, "name", ""))
def test_float64_functions_agree_with_numpy(op: Op, exact: Any, bound: float) -> None:
    x = np.concatenate([np.linspace(-40.0, 40.0, 1003), SPECIAL])
    with np.errstate(all="ignore"):
        expected = exact(x)
    np.testing.assert_allclose(_run(op, x), expected, rtol=4e-15, atol=0)


@pytest.mark.parametrize("target", TARGETS)
def test_powers_follow_the_rules_of_ieee_754(target: str) -> None:
    x, y = (a.astype(np.float32).ravel() for a in np.meshgrid(SPECIAL, SPECIAL))
    with np.errstate(all="ignore"):
        expected = np.power(x, y)
    found = _run(Pow(), x, y, target=target)
    np.testing.assert_allclose(found, expected, rtol=2e-7, atol=0)
    numbers = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(found[numbers]), np.signbit(expected[numbers]))


def test_powers_are_correctly_rounded_nearly_everywhere() -> None:
    rng = np.random.default_rng(0)
    x = np.exp(rng.uniform(-20, 20, 50_000)).astype(np.float32)
    y = rng.uniform(-5, 5, 50_000).astype(np.float32)
    with np.errstate(all="ignore"):
        expected = np.power(x.astype(np.float64), y.astype(np.float64))
    assert _ulps(_run(Pow(), x, y), expected).max() <= 0.51


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("target", TARGETS)
def test_special_numbers_pass_as_in_numpy(dtype: Any, target: str) -> None:
    x = SPECIAL.astype(dtype)
    a, b = (v.ravel().copy() for v in np.meshgrid(x, x))
    with np.errstate(all="ignore"):
        for op in (Maximum(), Minimum()):
            np.testing.assert_array_equal(_run(op, a, b, target=target), op.evaluate(a, b))
        for op in (Relu(), Sign()):
            np.testing.assert_array_equal(_run(op, x, target=target), op.evaluate(x))
        for op in (Silu(), Mish(), Gelu(), Gelu("tanh")):
            expected = op.evaluate(x)
            np.testing.assert_allclose(_run(op, x, target=target), expected, rtol=1e-5, atol=1e-30)


def test_numbers_that_integers_cannot_hold_become_the_least() -> None:
    x = np.array([1e30, -1e30, 2.9, -2.9, np.nan, np.inf], np.float32)
    found = _run(Cast(DType.INT32), x)
    np.testing.assert_array_equal(found, [-(2**31), -(2**31), 2, -2, -(2**31), -(2**31)])
    np.testing.assert_array_equal(_run(Cast(DType.BOOL), x), [True] * 6)


# Where the coefficients come from


def _interpolated(
    f: Callable[[float], float], low: float, high: float, degree: int
) -> Sequence[float]:
    """The polynomial through f at the Chebyshev nodes of [low, high], highest power first."""
    nodes = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
    x = (low + high) / 2 + (high - low) / 2 * nodes
    fit = Chebyshev.fit(x, [f(v) for v in x], degree, domain=[low, high])
    return list(fit.convert(kind=Polynomial, domain=[-1, 1], window=[-1, 1]).coef[::-1])


def _exp_rest(r: float) -> float:
    return math.fsum(r**k / math.factorial(k + 2) for k in range(25))


def _log_rest(f: float) -> float:
    if abs(f) < 0.25:
        return math.fsum((-f) ** k / (k + 3) for k in range(60))
    return (math.log1p(f) - f + f * f / 2) / f**3


def _erf_rest(square: float) -> float:
    """erf(x) / x - 1 as a series in x²."""
    terms = ((-square) ** k / (math.factorial(k) * (2 * k + 1)) for k in range(60))
    return 2 / math.sqrt(math.pi) * math.fsum(terms) - 1


@pytest.mark.parametrize(
    "coefficients, f, low, high",
    [
        (vector.EXP, _exp_rest, -0.5005 * math.log(2), 0.5005 * math.log(2)),
        (vector.LOG, _log_rest, math.sqrt(0.5) - 1, math.sqrt(2) - 1),
        (vector.ERF, _erf_rest, 0.0, 1.0),
        (vector.ERFC, lambda a: -math.log(math.erfc(a)), 1.0, 4.0),
    ],
    ids=["exp", "log", "erf", "erfc"],
)
def test_coefficients_interpolate_the_function(
    coefficients: Sequence[float], f: Callable[[float], float], low: float, high: float
) -> None:
    derived = _interpolated(f, low, high, len(coefficients) - 1)
    np.testing.assert_allclose(coefficients, derived, rtol=1e-6)
