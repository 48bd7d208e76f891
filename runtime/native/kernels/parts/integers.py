"""Division, powers and shifts of integers, without the traps of the processor."""

import llvmlite.ir as ir

from graphcnn.ir.tensor_type import DType
from graphcnn.runtime.native.code.emit import I1, Emitter
from graphcnn.runtime.native.kernels.parts.math import DOUBLE, constant, copysign, libm, retyped


def quotient(e: Emitter, dtype: DType, a: ir.Value, b: ir.Value) -> ir.Value:
    """a / b cut towards 0; 0 where b is 0. The least number by -1 is itself."""
    zero, one = constant(a.type, 0), constant(a.type, 1)
    none = e.b.icmp_signed("==", b, zero)
    safe = e.b.select(none, one, b)
    if dtype.is_unsigned:
        return e.b.select(none, zero, e.b.udiv(a, safe))
    negative = e.b.icmp_signed("==", b, constant(a.type, -1))
    y = e.b.sdiv(a, e.b.select(negative, one, safe))
    return e.b.select(none, zero, e.b.select(negative, e.b.sub(zero, a), y))


def remainder(e: Emitter, dtype: DType, truncated: bool, a: ir.Value, b: ir.Value) -> ir.Value:
    """What the division leaves, with the sign of b, or, truncated, that of a."""
    if dtype.is_float:
        return _of_floats(e, truncated, a, b)
    zero = constant(a.type, 0)
    rest = e.b.sub(a, e.b.mul(quotient(e, dtype, a, b), b))
    rest = e.b.select(e.b.icmp_signed("==", b, zero), zero, rest)
    if truncated or dtype.is_unsigned:
        return rest
    differ = e.b.icmp_signed("<", e.b.xor(rest, b), zero)
    differ = e.b.and_(differ, e.b.icmp_signed("!=", rest, zero))
    return e.b.select(differ, e.b.add(rest, b), rest)


def _of_floats(e: Emitter, truncated: bool, a: ir.Value, b: ir.Value) -> ir.Value:
    wide = retyped(a.type, DOUBLE)
    if a.type == wide:
        rest = libm(e, "fmod", a, b)
    else:  # the remainder of two float32 is one
        rest = e.b.fptrunc(libm(e, "fmod", e.b.fpext(a, wide), e.b.fpext(b, wide)), a.type)
    if truncated:
        return rest
    zero = constant(a.type, 0.0)
    below = e.b.xor(e.b.fcmp_ordered("<", rest, zero), e.b.fcmp_ordered("<", b, zero))
    moved = e.b.select(below, e.b.fadd(rest, b), rest)
    return e.b.select(e.b.fcmp_ordered("==", rest, zero), copysign(e, zero, b), moved)


def power(e: Emitter, dtype: DType, a: ir.Value, b: ir.Value) -> ir.Value:
    """a to the power b, wrapped around: squared for every bit of b, and multiplied where it is 1.

    To a negative power only 1 and -1 are not 0.
    """
    zero, one = constant(a.type, 0), constant(a.type, 1)

    def bit(i: ir.Value, y: ir.Value, square: ir.Value, rest: ir.Value) -> list[ir.Value]:
        odd = e.b.trunc(rest, retyped(a.type, I1))
        y = e.b.select(odd, e.b.mul(y, square), y)
        return [y, e.b.mul(square, square), e.b.lshr(rest, one)]

    whole, *_ = e.loop(0, 8 * dtype.bytes, bit, carry=(one, a, b))
    if dtype.is_unsigned:
        return whole
    size = e.b.select(e.b.icmp_signed("<", a, zero), e.b.sub(zero, a), a)
    # The loop takes a negative b as that number plus a power of two, which is as odd as b.
    unit = e.b.icmp_signed("==", size, one)
    keep = e.b.or_(unit, e.b.icmp_signed(">=", b, zero))
    return e.b.select(keep, whole, zero)


def shifted(e: Emitter, dtype: DType, left: bool, a: ir.Value, b: ir.Value) -> ir.Value:
    """The bits of a moved by b places; by a count outside of the type, moved out."""
    zero, last = constant(a.type, 0), constant(a.type, 8 * dtype.bytes - 1)
    inside = e.b.icmp_unsigned("<=", b, last)
    count = e.b.select(inside, b, last)
    if left:
        return e.b.select(inside, e.b.shl(a, count), zero)
    if dtype.is_unsigned:
        return e.b.select(inside, e.b.lshr(a, count), zero)
    return e.b.ashr(a, count)  # by the last place: 0 or -1
