"""Types of tensors: element type, shape, layout. No arrays here, no rules of operators.

A shape is a tuple of ints, except that the batch axis may be the symbol `N`, which
`Graph.bind(N=64)` makes an int. Shapes are logical (N, C, H, W for images; O, I, H, W for
kernels) whatever the layout in memory.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

import numpy as np

from graphcnn.errors import GraphError


class DType(StrEnum):
    """Element type. The value is the short name that the text form prints."""

    FLOAT16 = "f16"
    FLOAT32 = "f32"
    FLOAT64 = "f64"
    UINT8 = "u8"
    INT32 = "i32"
    INT64 = "i64"
    BOOL = "bool"

    @classmethod
    def of(cls, name: Any) -> "DType":
        """The element type named by `f32`, `"float32"`, `np.float32` or an array's dtype."""
        if isinstance(name, DType):
            return name
        if isinstance(name, str) and name in cls._value2member_map_:
            return cls(name)
        try:
            return cls[np.dtype(name).name.upper()]
        except (TypeError, KeyError):
            known = ", ".join(d.numpy.name for d in cls)
            raise GraphError(f"unknown element type {name!r}; known are {known}") from None

    @property
    def numpy(self) -> "np.dtype[Any]":
        return np.dtype(self.name.lower())

    @property
    def is_float(self) -> bool:
        return self.name.startswith("FLOAT")

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
