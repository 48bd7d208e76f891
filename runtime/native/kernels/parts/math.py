"""Functions of floats, one vector at a time: exp, log, tanh, erf, pow and their relatives.

float32 is computed by polynomials, within 3 ulp of the true value up to the ends of the range:
infinities, NaN, numbers below the smallest normal one and overflow as in IEEE 754. The coefficients
interpolate the functions in the Chebyshev nodes of an interval (`tests/native/test_kernels_math.py`
derives them again). float64 goes to the C library of the process, one lane after the other.

Every function takes an open `Emitter` and a vector or scalar, and returns one of the same type.
"""

import math
from collections.abc import Callable, Sequence

import llvmlite.ir as ir

from graphcnn.runtime.native.code.emit import I32, I64, Emitter

FLOAT, DOUBLE = ir.FloatType(), ir.DoubleType()

#: (e^r - 1 - r) / r² on |r| <= log(2) / 2, highest power first, as all of them.
EXP = (0.00139262508, 0.00836323288, 0.0416665542, 0.166665767, 0.5)
#: (log(1 + f) - f + f²/2) / f³ on √½ - 1 <= f <= √2 - 1.
LOG = (
    0.0697161148, -0.114797339, 0.116854199, -0.124256873, 0.142490576, -0.166678023, 0.200007157,
    -0.24999997, 0.333333312,
)  # fmt: skip
#: erf(x) / x - 1 in powers of x², on 0 <= x <= 1.
ERF = (
    7.87587509e-05, -0.00080168643, 0.00518908742, -0.026854212, 0.112835947, -0.376126267,
    0.128379167,
)  # fmt: skip
#: -log(1 - erf(x)) on 1 <= x <= 4.
ERFC = (
    7.58268302e-08, -3.32168484e-06, 6.22983559e-05, -0.000685836698, 0.00506494698, -0.0270995234,
    0.111055018, 0.63095303, 1.13067514, -0.000416329246,
)  # fmt: skip

# log(2) in two parts: the product of the first with an exponent is exact.
_LN2_HIGH = 0.693359375
_LN2_LOW = math.log(2.0) - _LN2_HIGH
# Adding 1.5·2^23 (1.5·2^52) leaves a float rounded to an integer in the low bits.
_ROUND = {FLOAT: 1.5 * 2.0**23, DOUBLE: 1.5 * 2.0**52}


# Small tools


def lanes_of(kind: ir.Type) -> int:
    return kind.count if isinstance(kind, ir.VectorType) else 1


def element_of(kind: ir.Type) -> ir.Type:
    return kind.element if isinstance(kind, ir.VectorType) else kind


def retyped(kind: ir.Type, element: ir.Type) -> ir.Type:
    """A vector (or scalar) type of as many lanes as `kind`."""
    return ir.VectorType(element, kind.count) if isinstance(kind, ir.VectorType) else element


def constant(kind: ir.Type, number: float) -> ir.Value:
    """`number` in every lane of `kind`."""
    return kind(number)  # of a vector too, whose lanes share it: its text is made once


def polynomial(e: Emitter, x: ir.Value, coefficients: Sequence[float]) -> ir.Value:
    """c[0]·x^n + ... + c[n], by Horner's rule."""
    total = constant(x.type, coefficients[0])
    for c in coefficients[1:]:
        total = e.fma(total, x, constant(x.type, c))
    return total


def absolute(e: Emitter, x: ir.Value) -> ir.Value:
    return e.intrinsic("llvm.fabs", x.type, x)


def copysign(e: Emitter, magnitude: ir.Value, sign: ir.Value) -> ir.Value:
    return e.intrinsic("llvm.copysign", magnitude.type, magnitude, sign)


def at_most(e: Emitter, x: ir.Value, limit: float) -> ir.Value:
    """min(x, limit); NaN stays."""
    bound = constant(x.type, limit)
    return e.b.select(e.b.fcmp_ordered(">", x, bound), bound, x)


def at_least(e: Emitter, x: ir.Value, limit: float) -> ir.Value:
    """max(x, limit); NaN stays."""
    bound = constant(x.type, limit)
    return e.b.select(e.b.fcmp_ordered("<", x, bound), bound, x)


def libm(e: Emitter, name: str, *vectors: ir.Value) -> ir.Value:
    """A float64 function of the C library, lane by lane."""
    function = e.module.globals.get(name)
    if function is None:
        function = ir.Function(e.module, ir.FunctionType(DOUBLE, [DOUBLE] * len(vectors)), name)
        function.attributes.add("nounwind")
    kind = vectors[0].type
    if not isinstance(kind, ir.VectorType):
        return e.b.call(function, vectors)
    result = kind(ir.Undefined)
    for lane in range(kind.count):
        scalars = [e.b.extract_element(v, I32(lane)) for v in vectors]
        result = e.b.insert_element(result, e.b.call(function, scalars), I32(lane))
    return result


def _is_double(x: ir.Value) -> bool:
    return isinstance(element_of(x.type), ir.DoubleType)


def _double(name: str) -> Callable[..., Callable[..., ir.Value]]:
    """Send float64 to the function `name` of the C library."""

    def wrap(single: Callable[..., ir.Value]) -> Callable[..., ir.Value]:
        def either(e: Emitter, *vectors: ir.Value) -> ir.Value:
            return libm(e, name, *vectors) if _is_double(vectors[0]) else single(e, *vectors)

        either.__doc__ = single.__doc__
        return either

    return wrap


# Roots and whole numbers


def sqrt(e: Emitter, x: ir.Value) -> ir.Value:
    """The square root: an instruction of every processor."""
    return e.intrinsic("llvm.sqrt", x.type, x)


def rint(e: Emitter, x: ir.Value) -> ir.Value:
    """The nearest whole number, the even one of two."""
    if e.target.rounds:
        return e.intrinsic("llvm.rint", x.type, x)
    kind = x.type
    # Up there floats are whole numbers, so that the sum is rounded to one; what lies there is one.
    whole = constant(kind, 2.0 ** (52 if _is_double(x) else 23))
    size = absolute(e, x)
    rounded = copysign(e, e.sub(e.add(size, whole), whole), x)  # of -0.25 it is -0
    return e.b.select(e.b.fcmp_ordered("<", size, whole), rounded, x)


def floor(e: Emitter, x: ir.Value) -> ir.Value:
    """The largest whole number that is not above x."""
    if e.target.rounds:
        return e.intrinsic("llvm.floor", x.type, x)
    y = rint(e, x)
    lower = e.b.select(e.b.fcmp_ordered(">", y, x), constant(x.type, 1.0), constant(x.type, 0.0))
    return copysign(e, e.sub(y, lower), x)  # -0 stays


def ceil(e: Emitter, x: ir.Value) -> ir.Value:
    """The smallest whole number that is not below x."""
    if e.target.rounds:
        return e.intrinsic("llvm.ceil", x.type, x)
    return e.b.fneg(floor(e, e.b.fneg(x)))


# Exponentials


def _reduced(e: Emitter, x: ir.Value) -> tuple[ir.Value, ir.Value]:
    """(r, n): x = r + n·log(2), |r| <= log(2) / 2, n an i32 (garbage where x is NaN)."""
    kind = x.type
    shift = constant(kind, _ROUND[FLOAT])
    shifted = e.fma(x, constant(kind, 1.0 / math.log(2.0)), shift)
    n = e.sub(shifted, shift)
    r = e.fma(n, constant(kind, -_LN2_HIGH), x)
    r = e.fma(n, constant(kind, -_LN2_LOW), r)
    whole = retyped(kind, I32)
    return r, e.b.sub(e.b.bitcast(shifted, whole), e.b.bitcast(shift, whole))


def _power_of_two(e: Emitter, n: ir.Value) -> ir.Value:
    """2^n for -126 <= n <= 127, made of bits."""
    kind = n.type
    bits = e.b.shl(e.b.add(n, constant(kind, 127)), constant(kind, 23))
    return e.b.bitcast(bits, retyped(kind, FLOAT))


def _exp_minus_one(e: Emitter, r: ir.Value) -> ir.Value:
    """e^r - 1 for |r| <= log(2) / 2."""
    return e.fma(e.mul(r, r), polynomial(e, r, EXP), r)


@_double("exp")
def exp(e: Emitter, x: ir.Value) -> ir.Value:
    """e^x."""
    r, n = _reduced(e, at_least(e, at_most(e, x, 89.0), -104.0))
    one = constant(x.type, 1.0)
    # The factor 2^n in two steps: below the smallest normal number one alone would be 0.
    half = e.b.ashr(n, constant(n.type, 1))
    # What is 0 anyhow is made 0 early: a product that vanishes slowly costs a hundred cycles.
    gone = e.b.fcmp_ordered("<", x, constant(x.type, -150 * math.log(2.0)))
    scale = e.b.select(gone, constant(x.type, 0.0), _power_of_two(e, half))
    y = e.mul(e.add(_exp_minus_one(e, r), one), scale)
    return e.mul(y, _power_of_two(e, e.b.sub(n, half)))


@_double("expm1")
def expm1(e: Emitter, x: ir.Value) -> ir.Value:
    """e^x - 1, exact to the last places around 0, for x <= 0."""
    r, n = _reduced(e, at_least(e, x, -30.0))
    scale = _power_of_two(e, n)
    return e.fma(_exp_minus_one(e, r), scale, e.sub(scale, constant(x.type, 1.0)))


@_double("tanh")
def tanh(e: Emitter, x: ir.Value) -> ir.Value:
    """-u / (u + 2) with u = e^(-2|x|) - 1, and the sign of x."""
    u = expm1(e, e.mul(absolute(e, x), constant(x.type, -2.0)))
    return copysign(e, e.b.fdiv(u, e.add(u, constant(x.type, 2.0))), x)


def sigmoid(e: Emitter, x: ir.Value) -> ir.Value:
    """1 / (1 + e^-x), forming only e^-|x|."""
    one = constant(x.type, 1.0)
    small = exp(e, e.b.fneg(absolute(e, x)))
    positive = e.b.fcmp_ordered(">=", x, constant(x.type, 0.0))
    return e.b.fdiv(e.b.select(positive, one, small), e.add(one, small))


# Logarithms


def _log_of_parts(e: Emitter, f: ir.Value, n: ir.Value) -> ir.Value:
    """log(2^n · (1 + f)), the float n a whole number."""
    kind = f.type
    square = e.mul(f, f)
    y = e.mul(e.mul(square, f), polynomial(e, f, LOG))
    y = e.fma(n, constant(kind, _LN2_LOW), y)
    y = e.fma(square, constant(kind, -0.5), y)
    return e.fma(n, constant(kind, _LN2_HIGH), e.add(f, y))


@_double("log")
def log(e: Emitter, x: ir.Value) -> ir.Value:
    """The natural logarithm: -inf at 0, NaN below."""
    kind, whole = x.type, retyped(x.type, I32)
    zero = constant(kind, 0.0)
    tiny = e.b.fcmp_ordered("<", x, constant(kind, 2.0**-126))
    normal = e.b.select(tiny, e.mul(x, constant(kind, 2.0**23)), x)
    # The bits of √½ taken off: what remains above the mantissa is the exponent of x/√½.
    offset = constant(whole, 0x3F3504F3)
    bits = e.b.sub(e.b.bitcast(normal, whole), offset)
    exponent = e.b.ashr(bits, constant(whole, 23))
    mantissa = e.b.add(e.b.and_(bits, constant(whole, 0x007FFFFF)), offset)
    f = e.sub(e.b.bitcast(mantissa, kind), constant(kind, 1.0))
    exponent = e.b.sub(exponent, e.b.select(tiny, constant(whole, 23), constant(whole, 0)))
    y = _log_of_parts(e, f, e.b.sitofp(exponent, kind))
    infinite = e.b.fcmp_unordered("==", x, constant(kind, math.inf))  # or NaN
    y = e.b.select(infinite, x, y)
    y = e.b.select(e.b.fcmp_ordered("==", x, zero), constant(kind, -math.inf), y)
    return e.b.select(e.b.fcmp_ordered("<", x, zero), constant(kind, math.nan), y)


@_double("log1p")
def log1p(e: Emitter, x: ir.Value) -> ir.Value:
    """log(1 + x) for 0 <= x <= 1."""
    kind = x.type
    above = e.b.fcmp_ordered(">", x, constant(kind, math.sqrt(2.0) - 1.0))
    half = e.mul(e.sub(x, constant(kind, 1.0)), constant(kind, 0.5))  # 1 + x = 2 (1 + half)
    f = e.b.select(above, half, x)
    return _log_of_parts(e, f, e.b.select(above, constant(kind, 1.0), constant(kind, 0.0)))


def softplus(e: Emitter, x: ir.Value) -> ir.Value:
    """log(1 + e^x) = max(x, 0) + log(1 + e^-|x|)."""
    return e.add(at_least(e, x, 0.0), log1p(e, exp(e, e.b.fneg(absolute(e, x)))))


# The error function


@_double("erf")
def erf(e: Emitter, x: ir.Value) -> ir.Value:
    """2/√π times the integral of exp(-t²) from 0 to x."""
    kind = x.type
    one = constant(kind, 1.0)
    a = at_most(e, absolute(e, x), 4.0)  # beyond 4 it is 1 in float32
    near = e.fma(a, polynomial(e, e.mul(a, a), ERF), a)
    far = e.sub(one, exp(e, e.b.fneg(polynomial(e, a, ERFC))))
    return copysign(e, e.b.select(e.b.fcmp_ordered("<", a, one), near, far), x)


# Powers: float32 goes through float64, where twice the digits make up for what the exponential
# loses. Both series are Taylor's; the terms left out are below 1e-11.

_ATANH = tuple(2.0 / (2 * k + 1) for k in range(7, -1, -1))
_TAYLOR = tuple(1.0 / math.factorial(k) for k in range(10, -1, -1))


@_double("pow")
def power(e: Emitter, x: ir.Value, y: ir.Value) -> ir.Value:
    """x to the power y by the rules of IEEE 754: x^0 = 1^y = 1, NaN for x < 0 unless y is whole."""
    b, wide = e.b, retyped(x.type, DOUBLE)
    x, y = b.fpext(x, wide), b.fpext(y, wide)
    zero, one = constant(wide, 0.0), constant(wide, 1.0)
    size = absolute(e, x)
    result = _exp_double(e, e.mul(y, _log_double(e, size)))
    # |x| = 1 times an infinite y, and 1^NaN.
    unit = b.and_(b.fcmp_ordered("==", size, one), b.fcmp_ordered("ord", y, y))
    unit = b.or_(unit, b.or_(b.fcmp_ordered("==", x, one), b.fcmp_ordered("==", y, zero)))
    result = b.select(unit, one, result)
    # All float32 from 2^24 on are even numbers: the bits of a clamped y tell.
    shift = constant(wide, _ROUND[DOUBLE])
    near = at_least(e, at_most(e, y, 2.0**25), -(2.0**25))
    shifted = e.add(near, shift)
    whole = b.fcmp_ordered("==", e.sub(shifted, shift), near)
    bits = b.bitcast(shifted, retyped(wide, I64))
    low = b.and_(bits, constant(bits.type, 1))
    odd = b.and_(whole, b.icmp_signed("!=", low, constant(bits.type, 0)))
    result = b.select(odd, copysign(e, result, x), result)
    negative = b.and_(
        b.fcmp_ordered("<", x, zero), b.fcmp_ordered(">", x, constant(wide, -math.inf))
    )
    undefined = b.and_(negative, b.not_(whole))
    result = b.select(undefined, constant(wide, math.nan), result)
    return b.fptrunc(result, retyped(wide, FLOAT))


def _log_double(e: Emitter, x: ir.Value) -> ir.Value:
    """log(x) of float32 numbers x >= 0 in float64: 2·atanh((m - 1) / (m + 1)) + n·log(2)."""
    b, kind, whole = e.b, x.type, retyped(x.type, I64)
    offset = constant(whole, 0x3FE6A09E667F3BCD)  # the bits of √½
    bits = b.sub(b.bitcast(x, whole), offset)
    mantissa = b.add(b.and_(bits, constant(whole, (1 << 52) - 1)), offset)
    # The exponent fits 32 bits, which every processor turns into floats.
    high = b.trunc(b.ashr(bits, constant(whole, 52)), retyped(kind, I32))
    m, one = b.bitcast(mantissa, kind), constant(kind, 1.0)
    s = b.fdiv(e.sub(m, one), e.add(m, one))
    y = e.mul(s, polynomial(e, e.mul(s, s), _ATANH))
    y = e.fma(b.sitofp(high, kind), constant(kind, math.log(2.0)), y)
    y = b.select(b.fcmp_unordered("==", x, constant(kind, math.inf)), x, y)
    return b.select(b.fcmp_ordered("==", x, constant(kind, 0.0)), constant(kind, -math.inf), y)


def _exp_double(e: Emitter, x: ir.Value) -> ir.Value:
    """e^x in float64, as far as float32 reaches: 0 below -150, inf in float32 above 128."""
    b, kind, whole = e.b, x.type, retyped(x.type, I64)
    x = at_least(e, at_most(e, x, 128.0), -150.0)
    shift = constant(kind, _ROUND[DOUBLE])
    shifted = e.fma(x, constant(kind, 1.0 / math.log(2.0)), shift)
    r = e.fma(e.sub(shifted, shift), constant(kind, -math.log(2.0)), x)
    n = b.sub(b.bitcast(shifted, whole), b.bitcast(shift, whole))
    bits = b.shl(b.add(n, constant(whole, 1023)), constant(whole, 52))
    return e.mul(polynomial(e, r, _TAYLOR), b.bitcast(bits, kind))


# Angles: float32 goes through float64 here.


def _angle(name: str, doc: str) -> Callable[[Emitter, ir.Value], ir.Value]:
    def function(e: Emitter, x: ir.Value) -> ir.Value:
        if _is_double(x):
            return libm(e, name, x)
        return e.b.fptrunc(libm(e, name, e.b.fpext(x, retyped(x.type, DOUBLE))), x.type)

    function.__doc__ = doc
    return function


sin = _angle("sin", "The sine.")
cos = _angle("cos", "The cosine.")
atan = _angle("atan", "The angle whose tangent is x.")
