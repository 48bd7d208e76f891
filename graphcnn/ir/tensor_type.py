"""Types of tensors: element type, shape, layout. No arrays here, no rules of operators.

A shape is a tuple of ints, except that the batch axis has the size `N`, or a multiple `k * N` of
it where it was merged with others, until `Graph.bind(N=64)` makes an int of it. Shapes are logical
(N, C, H, W for images; O, I, H, W for kernels) whatever the layout in memory.
"""

import math
import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, ClassVar, Final

import ml_dtypes as ml_dtypes  # makes the names of the small types known to NumPy
import numpy as np

from graphcnn.errors import GraphError


class DType(StrEnum):
    """Element type. The value is the short name that the text form prints.

    The members are NumPy's names, and those of `ml_dtypes` for the types that NumPy lacks. Those
    of less than a byte take a byte each.
    """

    FLOAT16 = "f16"
    FLOAT32 = "f32"
    FLOAT64 = "f64"
    INT8 = "i8"
    INT16 = "i16"
    INT32 = "i32"
    INT64 = "i64"
    UINT8 = "u8"
    UINT16 = "u16"
    UINT32 = "u32"
    UINT64 = "u64"
    BOOL = "bool"
    BFLOAT16 = "bf16"
    FLOAT8_E4M3FN = "f8e4m3fn"
    FLOAT8_E4M3FNUZ = "f8e4m3fnuz"
    FLOAT8_E5M2 = "f8e5m2"
    FLOAT8_E5M2FNUZ = "f8e5m2fnuz"
    FLOAT8_E8M0FNU = "f8e8m0fnu"
    FLOAT4_E2M1FN = "f4e2m1fn"
    INT4 = "i4"
    INT2 = "i2"
    UINT4 = "u4"
    UINT2 = "u2"

    @classmethod
    def of(cls, name: Any) -> "DType":
        """The element type named by `f32`, `"float32"`, `np.float32` or an array's dtype."""
        if isinstance(name, DType):
            return name
        if isinstance(name, str) and name in cls._value2member_map_:
            return cls(name)
        try:
            if name is None:  # which NumPy reads as float64
                raise TypeError
            return cls[np.dtype(name).name.upper()]
        except (TypeError, KeyError):
            known = ", ".join(d.name.lower() for d in cls)
            raise GraphError(f"unknown element type {name!r}; known are {known}") from None

    @property
    def numpy(self) -> "np.dtype[Any]":
        return np.dtype(self.name.lower())

    @property
    def is_float(self) -> bool:
        return "FLOAT" in self.name

    @property
    def is_unsigned(self) -> bool:
        """Whether it is an integer type without negative numbers, or bool."""
        return self.name.startswith("UINT") or self is DType.BOOL

    @property
    def bits(self) -> int:
        """Bits that count: 4 of the byte that an i4 takes."""
        digits = re.match(r"B?[A-Z]+(\d+)", self.name)
        return int(digits[1]) if digits else 1

    @property
    def is_small(self) -> bool:
        """Whether it is stored only, and computed with in wider types."""
        return self is not DType.BOOL and self.bits < (32 if self.is_float else 8)

    @property
    def has_infinity(self) -> bool:
        """The names of float types without it say so: FN, finite."""
        return self.is_float and "FN" not in self.name

    @property
    def bytes(self) -> int:
        return self.numpy.itemsize


class BatchSize:
    """The size k·N of an axis: `times` = k elements for each of the N >= 1 items of a batch.

    `N` is `BatchSize(1)`, and `3 * N` the size of an axis that merges N with 3, until
    `Graph.bind` makes numbers of them. Sizes are added, subtracted and divided where the result
    is a size for every N: 3·N + N = 4·N, 4·N // 2 = 2·N, 4·N // N = 4; all else is a
    `GraphError`.
    """

    __slots__ = ("times",)
    times: int

    #: NumPy leaves `number * size` to this class.
    __array_ufunc__: ClassVar[None] = None

    def __init__(self, times: int = 1) -> None:
        if type(times) is not int or times < 1:
            raise GraphError(f"k·N needs a whole k of at least 1, found k = {times!r}")
        object.__setattr__(self, "times", times)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a size never changes")

    def __reduce__(self) -> tuple[type["BatchSize"], tuple[int]]:
        return BatchSize, (self.times,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BatchSize) and other.times == self.times

    def __hash__(self) -> int:
        return hash((BatchSize, self.times))

    def __str__(self) -> str:
        return "N" if self.times == 1 else f"{self.times}*N"

    __repr__ = __str__

    def __mul__(self, other: Any) -> "BatchSize":
        number = _whole(other)
        return NotImplemented if number is None else BatchSize(self.times * number)

    __rmul__ = __mul__

    def __floordiv__(self, other: Any) -> "Dim":
        number = other.times if isinstance(other, BatchSize) else _whole(other)
        if number is None:
            return NotImplemented
        if number < 1 or self.times % number:
            raise GraphError(f"{self} cannot be divided by {other} for every N")
        whole = self.times // number
        return whole if isinstance(other, BatchSize) else BatchSize(whole)

    def __add__(self, other: Any) -> "BatchSize":
        return self._plus(other, 1)

    __radd__ = __add__

    def __sub__(self, other: Any) -> "Dim":
        return 0 if other == self else self._plus(other, -1)

    def _plus(self, other: Any, sign: int) -> "BatchSize":
        if isinstance(other, BatchSize):
            return BatchSize(self.times + sign * other.times)
        if other != 0:
            sum_ = f"{self} {'+-'[sign * other < 0]} {abs(other)}"
            raise GraphError(f"{sum_} is no multiple of N for every N")
        return self


def _whole(x: Any) -> int | None:
    """x as an int, where it is a whole number."""
    try:
        return operator.index(x)
    except TypeError:
        return None


#: The size of the batch axis.
N: Final = BatchSize()
Dim = int | BatchSize
Shape = tuple[Dim, ...]


def open_size(x: object) -> BatchSize | None:
    """The size that None, "N" or "4*N" means, as sizes of inputs are given; None for others."""
    if x is None or isinstance(x, BatchSize):
        return x or N
    found = re.fullmatch(r"(?:([1-9][0-9]{0,8})\*)?N", x) if isinstance(x, str) else None
    return BatchSize(int(found[1] or 1)) if found else None


def is_open(shape: Sequence[Any]) -> bool:
    """Whether N stands in a shape (or in any tuple), alone or times a number."""
    return BatchSize in map(type, shape)


def open_axes(shape: Shape) -> tuple[int, ...]:
    """The axes whose sizes depend on N."""
    return tuple([a for a, d in enumerate(shape) if isinstance(d, BatchSize)])


def item_axis(shape: Shape) -> int | None:
    """The axis with one element for each item: the only one that depends on N, and of size N."""
    return shape.index(N) if N in shape and len(open_axes(shape)) == 1 else None


def times_n(size: Dim) -> int:
    """k of k·N; a number itself: the size where N is 1."""
    return size.times if isinstance(size, BatchSize) else size


def affine(size: Dim) -> tuple[int, int]:
    """(a, b) where the size is a·N + b."""
    return (size.times, 0) if isinstance(size, BatchSize) else (0, size)


def bind_shape(shape: Shape, n: int) -> Shape:
    """`shape` with `n` for N."""
    return tuple([d.times * n if isinstance(d, BatchSize) else d for d in shape])


def known_size(shape: Shape) -> int:
    """Product of the sizes for N = 1: the elements of one item where one axis depends on N."""
    return math.prod(map(times_n, shape))


def element_count(shape: Shape) -> tuple[int, int]:
    """(k, p) where the product of the sizes is k·N to the power p."""
    return known_size(shape), len(open_axes(shape))


def remaining_size(whole: Shape, others: Shape) -> Dim | None:
    """The size that makes a shape of the `others` have as many elements as `whole`, if any does."""
    (have, power), (need, other) = element_count(whole), element_count(others)
    if need < 1 or have % need or power - other not in (0, 1):
        return None
    return have // need * (N if power > other else 1)


def merged_size(sizes: Shape) -> Dim:
    """The product of sizes as a size. Raises `GraphError` where N is in it more than once."""
    number, power = element_count(sizes)
    if power > 1:
        raise GraphError(f"the product of {format_shape(sizes)} has N to the power {power}")
    return number * N if power else number


def size_words(shape: Shape) -> list[str]:
    """The sizes for people to read: "4·N"."""
    return [str(d).replace("*", "·") for d in shape]


def format_shape(shape: Shape) -> str:
    return "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"


@dataclass(frozen=True)
class TensorType:
    """Element type, logical shape and layout of one value.

    `layout` says how the elements lie in memory ("plain" is row-major); it never changes the
    meaning of `shape`.
    """

    shape: Shape
    dtype: DType = DType.FLOAT32
    layout: str = "plain"

    def __str__(self) -> str:
        at = "" if self.layout == "plain" else f"@{self.layout}"
        return f"{self.dtype}[{','.join(map(str, self.shape))}]{at}"

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def is_bound(self) -> bool:
        """Whether every size is a number."""
        return not is_open(self.shape)

    @property
    def size(self) -> int:
        """Number of elements. Raises `GraphError` while the batch size is unknown."""
        if not self.is_bound:
            raise GraphError(f"{self} has no size before bind(N=...)")
        return known_size(self.shape)

    @property
    def bytes(self) -> int:
        """Bytes of the elements. Raises `GraphError` while the batch size is unknown."""
        return self.size * self.dtype.bytes

    def bind(self, n: int) -> "TensorType":
        return self if self.is_bound else replace(self, shape=bind_shape(self.shape, n))

    def with_shape(self, shape: Shape) -> "TensorType":
        return replace(self, shape=shape, layout="plain")

    def with_dtype(self, dtype: DType) -> "TensorType":
        return replace(self, dtype=dtype)
