"""From one element type to another, vectors and scalars alike.

Floats shorter than 32 bits, and integers shorter than a byte, are in registers what they are in
memory: integers that hold their bits. They are cast by way of float32 and i32.
"""

from dataclasses import dataclass

import llvmlite.ir as ir

from graphcnn.ir.tensor_type import DType
from graphcnn.runtime.native.code.emit import I1, I32, I64, STORED, Emitter
from graphcnn.runtime.native.kernels.parts.math import (
    FLOAT,
    absolute,
    constant,
    element_of,
    retyped,
)


def cast(e: Emitter, x: ir.Value, source: DType, result: DType) -> ir.Value:
    """x as another element type, as `Cast` defines it."""
    if source is result:
        return x
    if source.is_small:
        wide = DType.FLOAT32 if source.is_float else DType.INT32
        return cast(e, _widened(e, x, source), wide, result)
    if result.is_small:
        return _narrowed(e, x, source, result)
    kind = retyped(x.type, I1 if result is DType.BOOL else STORED[result])
    if result is DType.BOOL:
        zero = constant(x.type, 0)
        return (
            e.b.fcmp_unordered("!=", x, zero) if source.is_float else e.b.icmp_signed("!=", x, zero)
        )
    if source.is_float and result.is_float:
        return (e.b.fpext if result.bytes > source.bytes else e.b.fptrunc)(x, kind)
    if source.is_float:
        return _whole(e, x, result, kind)
    if result.is_float:
        return (e.b.uitofp if source.is_unsigned else e.b.sitofp)(x, kind)
    if source is not DType.BOOL and result.bytes <= source.bytes:
        return e.b.trunc(x, kind) if result.bytes < source.bytes else x
    return (e.b.zext if source.is_unsigned else e.b.sext)(x, kind)


def _whole(e: Emitter, x: ir.Value, result: DType, kind: ir.Type) -> ir.Value:
    """Floats as integers of at least a byte, cut towards 0."""
    if result is DType.UINT64:
        top = constant(x.type, 2.0**63)
        high = e.b.fcmp_ordered(">=", x, top)
        low = _fitting(e, e.b.select(high, e.b.fsub(x, top), x), kind)
        return e.b.xor(low, e.b.select(high, constant(kind, -(1 << 63)), constant(kind, 0)))
    wide = retyped(x.type, I64 if result in (DType.INT64, DType.UINT32) else I32)
    whole = _fitting(e, x, wide)
    return whole if wide == kind else e.b.trunc(whole, kind)


def _fitting(e: Emitter, x: ir.Value, kind: ir.Type) -> ir.Value:
    """The whole number, or the least one of `kind` where it does not hold it: what LLVM leaves
    undefined is never chosen."""
    bits = element_of(kind).width
    low, high = -(2.0 ** (bits - 1)), 2.0 ** (bits - 1)
    if element_of(x.type) == FLOAT or bits == 64:
        above = e.b.fcmp_ordered(">=", x, constant(x.type, low))
    else:  # -2^31 - 1/2 is cut to -2^31
        above = e.b.fcmp_ordered(">", x, constant(x.type, low - 1))
    fits = e.b.and_(above, e.b.fcmp_ordered("<", x, constant(x.type, high)))
    inside = e.b.select(fits, x, constant(x.type, 0.0))
    return e.b.select(fits, e.b.fptosi(inside, kind), constant(kind, int(low)))


def _widened(e: Emitter, x: ir.Value, source: DType) -> ir.Value:
    """A small number as float32 or i32."""
    kind = retyped(x.type, I32)
    bits = e.b.zext(x, kind)
    if source.is_float:
        return SMALL_FLOATS[source].widened(e, bits)
    if source.is_unsigned:
        return bits
    unused = constant(kind, 32 - source.bits)
    return e.b.ashr(e.b.shl(bits, unused), unused)


def _narrowed(e: Emitter, x: ir.Value, source: DType, result: DType) -> ir.Value:
    """A number as the bits of a small one."""
    kind = retyped(x.type, STORED[result])
    if not result.is_float:
        whole = cast(e, x, source, DType.INT32)
        kept = e.b.and_(whole, constant(whole.type, (1 << result.bits) - 1))
        return e.b.trunc(kept, kind)
    if not source.is_float:
        wide = DType.FLOAT64 if source.bytes > 2 else DType.FLOAT32
        x, source = cast(e, x, source, wide), wide
    if source is DType.FLOAT64 and result is DType.FLOAT16:
        x = _odd(e, x)
    elif source is DType.FLOAT64:  # rounded twice, as `ml_dtypes` does
        x = e.b.fptrunc(x, retyped(x.type, FLOAT))
    return e.b.trunc(SMALL_FLOATS[result].narrowed(e, x), kind)


def _odd(e: Emitter, x: ir.Value) -> ir.Value:
    """A float64 as a float32 next to it, the odd one where it lies between two: what is then
    rounded to fewer bits is as if it had been rounded once."""
    y = e.b.fptrunc(x, retyped(x.type, FLOAT))
    back = e.b.fpext(y, x.type)
    whole = retyped(x.type, I32)
    beyond = e.b.fcmp_ordered(">", absolute(e, back), absolute(e, x))
    inexact = e.b.fcmp_ordered("!=", back, x)
    bits = e.b.sub(e.b.bitcast(y, whole), e.b.zext(beyond, whole))
    return e.b.bitcast(e.b.or_(bits, e.b.zext(inexact, whole)), y.type)


@dataclass(frozen=True)
class SmallFloat:
    """How the bits of a short float are read: sign, `exponent` bits, `mantissa` bits.

    Attributes:
        infinite: codes with the highest exponent are infinities and NaN, as in IEEE 754.
        nan: else the code that is NaN: the highest one, that of -0, or None; there is no infinity.
            Too large numbers become NaN, or the largest one where there is none.
    """

    exponent: int
    mantissa: int
    bias: int
    infinite: bool = False
    nan: str | None = None

    @property
    def _sign(self) -> int:
        return 1 << (self.exponent + self.mantissa)

    @property
    def _top(self) -> int:
        """The first code, without sign, that is no finite number."""
        if self.infinite:
            return ((1 << self.exponent) - 1) << self.mantissa
        return self._sign - 1 if self.nan == "highest" else self._sign

    def widened(self, e: Emitter, bits: ir.Value) -> ir.Value:
        """The float32 for codes in i32."""
        b, kind = e.b, bits.type
        real = retyped(kind, FLOAT)
        code = b.and_(bits, constant(kind, self._sign - 1))
        moved = b.shl(code, constant(kind, 23 - self.mantissa))
        # Numbers below the smallest normal one come out right too: the product normalises them.
        y = e.mul(b.bitcast(moved, real), constant(real, 2.0 ** (127 - self.bias)))
        if self.infinite:
            special = b.or_(moved, constant(kind, 0x7F800000))
            high = b.icmp_signed(">=", code, constant(kind, self._top))
            y = b.select(high, b.bitcast(special, real), y)
        elif self.nan == "highest":
            y = self._not_a_number(e, b.icmp_signed("==", code, constant(kind, self._top)), y)
        sign = b.and_(bits, constant(kind, self._sign))
        sign = b.shl(sign, constant(kind, 31 - self.exponent - self.mantissa))
        y = b.bitcast(b.or_(b.bitcast(y, kind), sign), real)
        if self.nan == "negative zero":
            y = self._not_a_number(e, b.icmp_signed("==", bits, constant(kind, self._sign)), y)
        return y

    def _not_a_number(self, e: Emitter, where: ir.Value, y: ir.Value) -> ir.Value:
        return e.b.select(where, constant(y.type, float("nan")), y)

    def narrowed(self, e: Emitter, x: ir.Value) -> ir.Value:
        """Codes in i32 of the numbers nearest to float32, the even of two."""
        b, real = e.b, x.type
        kind = retyped(real, I32)
        whole = b.bitcast(x, kind)
        size = b.and_(whole, constant(kind, 0x7FFFFFFF))
        shift, smallest = 23 - self.mantissa, 1 - self.bias
        # Half of the last place is added, less 1 where the last place is even: ties to even.
        rebased = b.sub(size, constant(kind, (127 - self.bias) << 23))
        last = b.and_(b.lshr(rebased, constant(kind, shift)), constant(kind, 1))
        rounded = b.add(b.add(rebased, constant(kind, (1 << (shift - 1)) - 1)), last)
        code = b.ashr(rounded, constant(kind, shift))
        # Below the smallest normal number the places are those of a sum with a power of two.
        magic = constant(real, 2.0 ** (smallest + shift))
        tiny = b.bitcast(e.add(b.bitcast(size, real), magic), kind)
        tiny = b.sub(tiny, b.bitcast(magic, kind))
        normal = b.icmp_signed(">=", size, constant(kind, (smallest + 127) << 23))
        code = b.select(normal, code, tiny)
        top = constant(kind, self._top)
        too_large = b.icmp_signed(">=", code, top)
        undefined = b.icmp_signed(">", size, constant(kind, 0x7F800000))
        sign = b.lshr(b.and_(whole, constant(kind, -(1 << 31))),
                      constant(kind, 31 - self.exponent - self.mantissa))  # fmt: skip
        if self.nan == "negative zero":
            code = b.select(b.icmp_signed("==", code, constant(kind, 0)), code, b.or_(code, sign))
            return b.select(b.or_(too_large, undefined), constant(kind, self._sign), code)
        if self.infinite:
            quiet = b.or_(top, constant(kind, 1 << (self.mantissa - 1)))
            code = b.select(undefined, quiet, b.select(too_large, top, code))
        elif self.nan == "highest":
            code = b.select(b.or_(too_large, undefined), top, code)
        else:
            code = b.select(too_large, constant(kind, self._sign - 1), code)
            return b.select(undefined, constant(kind, 0), b.or_(code, sign))
        return b.or_(code, sign)


class PowerOfTwo(SmallFloat):
    """Eight bits of exponent and nothing else: 2^(code - 127), the last code is NaN. The higher
    one of two equally near numbers is taken."""

    def widened(self, e: Emitter, bits: ir.Value) -> ir.Value:
        b, kind = e.b, bits.type
        least = b.icmp_signed("==", bits, constant(kind, 0))
        moved = b.select(least, constant(kind, 1 << 22), b.shl(bits, constant(kind, 23)))
        y = b.bitcast(moved, retyped(kind, FLOAT))
        return self._not_a_number(e, b.icmp_signed("==", bits, constant(kind, 255)), y)

    def narrowed(self, e: Emitter, x: ir.Value) -> ir.Value:
        b, kind = e.b, retyped(x.type, I32)
        bits = b.bitcast(x, kind)
        code = b.ashr(b.add(bits, constant(kind, 1 << 22)), constant(kind, 23))
        # Below the smallest normal number 2^-126 there is 2^-127 alone.
        low = b.icmp_signed("<", bits, constant(kind, 0x00600000))
        code = b.select(low, constant(kind, 0), code)
        positive = b.fcmp_ordered(">", x, constant(x.type, 0.0))
        fits = b.and_(positive, b.icmp_signed("<", code, constant(kind, 255)))
        return b.select(fits, code, constant(kind, 255))


SMALL_FLOATS = {
    DType.FLOAT16: SmallFloat(5, 10, 15, infinite=True),
    DType.BFLOAT16: SmallFloat(8, 7, 127, infinite=True),
    DType.FLOAT8_E5M2: SmallFloat(5, 2, 15, infinite=True),
    DType.FLOAT8_E4M3FN: SmallFloat(4, 3, 7, nan="highest"),
    DType.FLOAT8_E4M3FNUZ: SmallFloat(4, 3, 8, nan="negative zero"),
    DType.FLOAT8_E5M2FNUZ: SmallFloat(5, 2, 16, nan="negative zero"),
    DType.FLOAT4_E2M1FN: SmallFloat(2, 1, 1),
    DType.FLOAT8_E8M0FNU: PowerOfTwo(8, 0, 127),
}
