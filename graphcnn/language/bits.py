"""Integers as rows of bits. Operands broadcast as those of arithmetic do, and are of one type."""

from typing import Any

from graphcnn.ir.node import Value
from graphcnn.language.elementwise import apply
from graphcnn.language.errors import located
from graphcnn.ops import bits as ops


@located
def bit_and(a: Any, b: Any, *, name: str = "") -> Value:
    """The bits that a and b both have; of integers. See `logical_and` for booleans."""
    return apply(ops.BitAnd(), a, b, name=name)


@located
def bit_or(a: Any, b: Any, *, name: str = "") -> Value:
    """The bits that a or b or both have; of integers."""
    return apply(ops.BitOr(), a, b, name=name)


@located
def bit_xor(a: Any, b: Any, *, name: str = "") -> Value:
    """The bits that either a or b has, but not both; of integers. With -1, or 255 of uint8, it
    turns all bits over."""
    return apply(ops.BitXor(), a, b, name=name)


@located
def bit_shift(a: Any, b: Any, *, left: bool = True, name: str = "") -> Value:
    """The bits of a moved by b places: a·2^b wrapped around or, to the right, ⌊a / 2^b⌋.

    A count below 0, or of at least the bits of the type, moves all of them out.
    """
    return apply(ops.BitShift(bool(left)), a, b, name=name)
