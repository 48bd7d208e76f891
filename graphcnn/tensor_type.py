"""Types of tensors: element type, shape, layout. No arrays here, no rules of operators.

A shape is a tuple of ints, except that the batch axis may be the symbol `N`, which
`Graph.bind(N=64)` makes an int. Shapes are logical (N, C, H, W for images; O, I, H, W for
kernels) whatever the layout in memory.
"""

import math
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

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


class BatchSymbol:
    """The size of the batch axis before `Graph.bind` gives it a number. There is one: `N`."""

    _instance: "BatchSymbol | None" = None

    def __new__(cls) -> "BatchSymbol":
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance

    def __repr__(self) -> str:
        return "N"

    def __reduce__(self) -> str:
        return "N"


N: Final = BatchSymbol()
Dim = int | BatchSymbol
Shape = tuple[Dim, ...]


def bind_shape(shape: Shape, n: int) -> Shape:
    """`shape` with the symbol `N` replaced by `n`."""
    return tuple(n if d is N else d for d in shape)


def known_size(shape: Shape) -> int:
    """Product of the sizes that are numbers: the elements of one item where `N` leads."""
    return math.prod(d for d in shape if isinstance(d, int))


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
        return N not in self.shape

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
