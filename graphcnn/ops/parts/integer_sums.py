"""Sums of products of integers by arithmetic of floats, exactly.

Floats of 32 bits hold every integer below 2^24. As long as all partial sums stay below it, products
of integers may be summed as such floats, in any order, and nothing is rounded. Where a sum may grow
larger its terms are taken in groups whose sums do not, and the groups are added as i32; float64 is
for what cannot be grouped well.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from graphcnn.ir.casting import range_of
from graphcnn.ir.node import Array, Value, freeze
from graphcnn.ir.sources import Constant
from graphcnn.ir.tensor_type import DType, known_size
from graphcnn.ops.elementwise import Add, Cast
from graphcnn.ops.shape import Slice

#: Floats of 32 bits hold every integer up to this one.
EXACT = 1 << 24

#: Terms are grouped in whole multiples of so many: what native code holds together.
STEP = 16


@dataclass(frozen=True, eq=False)
class Factor:
    """Integers less their zero point, where they have one: x - zero."""

    x: Value
    zero: Value | None = None

    @property
    def known(self) -> Array | None:
        """The differences, i64, where they are constants."""
        x, zero = _array(self.x), None if self.zero is None else _array(self.zero)
        if x is None or (self.zero is not None and zero is None):
            return None
        return x.astype(np.int64) - (0 if zero is None else zero.astype(np.int64))

    @property
    def reach(self) -> int:
        """The largest absolute value that a difference can have."""
        known = self.known
        if known is not None:
            return int(np.abs(known).max(initial=0))
        (low, high), (least, most) = _range(self.x), (0, 0)
        if self.zero is not None:
            least, most = _range(self.zero)
        return max(abs(low - most), abs(high - least))

    def floats(self, dtype: DType) -> Value:
        """The differences as floats."""
        x = Cast(dtype)(self.x)
        return x if self.zero is None else x - Cast(dtype)(self.zero)

    def part(self, axis: int, start: int, size: int) -> "Factor":
        """Some places along one axis, counted from the last, -1."""
        zero = self.zero
        if zero is not None and zero.type.rank >= -axis and zero.shape[axis] != 1:
            zero = _cut(zero, axis, start, size)
        return Factor(_cut(self.x, axis, start, size), zero)


def _array(v: Value) -> Array | None:
    op: Any = v.node.op
    return op.array if isinstance(op, Constant) else None


def _range(v: Value) -> tuple[int, int]:
    array = _array(v)
    if array is None or not array.size:
        return range_of(v.dtype)
    return int(array.min()), int(array.max())


def _cut(x: Value, axis: int, start: int, size: int) -> Value:
    if x.shape[axis] == size:
        return x
    axis += x.type.rank
    array = _array(x)
    if array is not None:
        return Constant(freeze(array[(slice(None),) * axis + (slice(start, start + size),)]))()
    starts = tuple(start if a == axis else 0 for a in range(x.type.rank))
    sizes = tuple(size if a == axis else d for a, d in enumerate(x.shape))
    return Slice(starts, sizes, (1,) * x.type.rank)(x)


def summed(
    a: Factor,
    b: Factor,
    axes: tuple[int, int],
    others: Sequence[int],
    product: Callable[[Value, Value], Value],
    groups: bool = True,
) -> Value:
    """The i32 sums of products, modulo 2^32.

    Args:
        axes: of a and of b, counted from the last, along which the terms lie that may be grouped.
        others: further axes of b, counted from the last, that are summed over, too.
        product: makes the sums of two factors that are floats.
        groups: whether the terms may be grouped.
    """
    terms = b.x.shape[axes[1]]
    if not isinstance(terms, int):
        return _in_float64(a, b, product)
    largest = _bounds(a, b, axes[1], others)
    if largest(0, terms) < EXACT:
        y = product(a.floats(DType.FLOAT32), b.floats(DType.FLOAT32))
        return Cast(DType.INT32)(y)
    parts = _parts(terms, largest) if groups else None
    if parts is None:
        return _in_float64(a, b, product)
    sums = []
    for start, size in parts:
        left, right = a.part(axes[0], start, size), b.part(axes[1], start, size)
        y = product(left.floats(DType.FLOAT32), right.floats(DType.FLOAT32))
        sums.append(Cast(DType.INT32)(y))
    return reduce(Add(), sums)


def _in_float64(a: Factor, b: Factor, product: Callable[[Value, Value], Value]) -> Value:
    """By way of i64, whose lowest bits are kept."""
    y = product(a.floats(DType.FLOAT64), b.floats(DType.FLOAT64))
    return Cast(DType.INT32)(Cast(DType.INT64)(y))


def _bounds(a: Factor, b: Factor, axis: int, others: Sequence[int]) -> Callable[[int, int], int]:
    """The largest absolute sum that the terms from one to another can have."""
    known = b.known
    if known is None:
        count = a.reach * b.reach
        for other in others:
            count *= known_size(b.x.shape[other : other + 1 or None])
        return lambda start, stop: count * (stop - start)
    rank = known.ndim
    sizes = np.abs(known).sum(tuple(o + rank for o in others), keepdims=True)
    until = np.cumsum(np.moveaxis(sizes, axis, 0), axis=0).reshape(known.shape[axis], -1)
    until = np.concatenate([np.zeros_like(until[:1]), until])
    return lambda start, stop: a.reach * int((until[stop] - until[start]).max(initial=0))


def _parts(terms: int, largest: Callable[[int, int], int]) -> list[tuple[int, int]] | None:
    """(start, size) of as few groups as float32 can sum, or None where they would be small."""
    size = -(-terms // STEP) * STEP
    while size >= STEP:
        starts = range(0, terms, size)
        parts = [(start, min(size, terms - start)) for start in starts]
        if all(largest(start, start + count) < EXACT for start, count in parts):
            return parts
        count = len(parts) + 1
        while size >= STEP and -(-terms // size) < count:
            size -= STEP
    return None
