"""Numbers that depend on the batch size, as they appear while shapes are computed: a·N + b.

Exporters compute some sizes as floats, int(B / (H · W / 64.0)), so a and b may be fractions, and
`real` is the float type then. What is not decided for every N >= 1 is `Undecided`: then the number
is left to the run, where that does.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from graphcnn.errors import ImportModelError
from graphcnn.ir.node import Array
from graphcnn.ir.tensor_type import BatchSize, Dim, DType, Shape, is_open

Number = int | Fraction


class UndecidedError(ImportModelError):
    """A number is no a·N + b, or a question about it has another answer for another N."""


@dataclass(frozen=True)
class Affine:
    """a·N + b with a ≠ 0. Arithmetic that leaves this form raises `UndecidedError`."""

    a: Number
    b: Number = 0
    real: DType | None = None

    def at(self, n: int) -> int | float:
        """The number for batches of `n` items."""
        return (float if self.real else int)(self.a * n + self.b)

    def like(self, a: Number, b: Number) -> Any:
        """a·N + b of the same type; a plain number where a is 0."""
        if a:
            return Affine(a, b, self.real)
        return self.real.numpy.type(float(b)) if self.real else int(b)

    def __add__(self, other: Any) -> Any:
        a, b = self._parts(other)
        return self.like(self.a + a, self.b + b)

    __radd__ = __add__

    def __neg__(self) -> "Affine":
        return Affine(-self.a, -self.b, self.real)

    def __sub__(self, other: Any) -> Any:
        a, b = self._parts(other)
        return self.like(self.a - a, self.b - b)

    def __rsub__(self, other: Any) -> Any:
        return (-self).__add__(other)

    def __mul__(self, other: Any) -> Any:
        a, b = self._parts(other)
        if a:
            raise UndecidedError("the square of the batch size N is not supported")
        return self.like(self.a * b, self.b * b)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        a, b = self._parts(other)
        if (a and self.b * a != b * self.a) or not (a or b):
            raise UndecidedError(f"({self}) / ({other}) is unknown before N is")
        if a:
            return self.like(0, Fraction(self.a) / a)
        return self.like(Fraction(self.a) / b, Fraction(self.b) / b)

    def __floordiv__(self, other: Any) -> Any:
        """Of integers that are not negative, the remainder the same for every N; rounded down."""
        a, b = self._parts(other)
        if not a and b > 0 and not self.a % b and (self >= 0 or not self.b % b):
            return self.like(self.a // b, self.b // b)
        found = self.__truediv__(other)
        return self._whole(found, f"({self}) / ({other})") if isinstance(found, Affine) else found

    def __mod__(self, other: Any) -> int:
        a, b = self._parts(other)
        if not a and b and not self.a % b:
            return int(self.b % b)
        raise UndecidedError(f"({self}) modulo {other} is unknown before N is")

    def __rtruediv__(self, other: Any) -> Any:
        raise UndecidedError(f"{other} / ({self}) is unknown before N is")

    __rfloordiv__ = __rtruediv__

    def __floor__(self) -> "Affine":
        return self._whole(self, f"{self}, rounded,")

    __ceil__ = __floor__

    def to_int(self) -> "Affine":
        """Of a float that is whole for every N."""
        found = self._whole(self, f"{self} as an integer")
        return Affine(int(found.a), int(found.b))

    def _whole(self, found: "Affine", what: str) -> "Affine":
        if found.a % 1 or found.b % 1:
            raise UndecidedError(f"{what} is unknown before N is")
        return found if self.real else Affine(int(found.a), int(found.b))

    def _parts(self, x: Any) -> tuple[Number, Number]:
        if isinstance(x, Affine):
            return x.a, x.b
        number = Fraction(float(x)) if np.isfinite(float(x)) else None
        if number is None or (not self.real and number.denominator > 1):
            raise UndecidedError(f"{x} times or plus the batch size N is not supported")
        return 0, number if self.real else int(number)

    def compared(self, other: Any, ask: Callable[[Any, Any], bool]) -> bool:
        """`ask(self, other)`, where it has one answer for every N >= 1."""
        a, b = self._parts(other)
        slope, first = self.a - a, self.a - a + self.b - b
        if not slope:
            return ask(first, 0)
        # the difference is `first` for N = 1, has the sign of the slope in the end, and is 0 once
        zero = 1 - Fraction(first) / slope
        signs = [first, slope, *([0] if zero >= 1 and zero.denominator == 1 else [])]
        answers = {ask(sign, 0) for sign in signs}
        if len(answers) > 1:
            raise UndecidedError(f"how {self} compares to {other} is unknown before N is")
        return answers.pop()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Affine | int | float | np.number):
            return NotImplemented
        return self.compared(other, operator.eq)

    def __lt__(self, other: Any) -> bool:
        return self.compared(other, operator.lt)

    def __le__(self, other: Any) -> bool:
        return self.compared(other, operator.le)

    def __gt__(self, other: Any) -> bool:
        return self.compared(other, operator.gt)

    def __ge__(self, other: Any) -> bool:
        return self.compared(other, operator.ge)

    def __bool__(self) -> bool:
        return self != 0

    def __hash__(self) -> int:
        return hash((self.a, self.b, self.real))

    def __int__(self) -> int:
        raise UndecidedError(f"{self} is unknown before N is")

    __index__ = __float__ = __int__

    def __str__(self) -> str:
        first = "N" if self.a == 1 else f"{self.a}·N"
        return f"{first} {'+-'[self.b < 0]} {abs(self.b)}" if self.b else first


def symbolic_type(array: Array) -> "np.dtype[Any]":
    """The element type of an array; of one with numbers that depend on N, theirs."""
    if array.dtype != object:
        return array.dtype
    real = next((x.real for x in array.flat if isinstance(x, Affine)), None)
    return real.numpy if real else np.dtype(np.int64)


def shape_array(shape: Shape) -> Array:
    """A shape as a list of 64-bit integers; with N in it, of Python objects."""
    if not is_open(shape):
        return np.array(shape, np.int64)
    array = np.empty(len(shape), object)
    array[:] = [Affine(d.times) if isinstance(d, BatchSize) else d for d in shape]
    return array


def simplified(array: Array) -> Array:
    """Symbolic numbers in which no N is left as plain ones."""
    if array.dtype != object or any(isinstance(x, Affine) for x in array.flat):
        return array
    real = next((x.dtype for x in array.flat if isinstance(x, np.floating)), None)
    return array.astype(np.int64 if real is None else real)


def dims_of(array: Array, what: str) -> tuple[Dim, ...]:
    """Integers of a list (or one number) as sizes, with multiples of N."""
    dims: list[Dim] = []
    for x in np.ravel(array).tolist():
        if isinstance(x, Affine):
            if x.real or x.b or x.a < 0:
                raise ImportModelError(
                    f"{what} is {x}, but sizes are numbers or multiples of N; give the model a "
                    'fixed batch size by inputs={"name": (1, ...)}'
                )
            dims.append(BatchSize(int(x.a)))
        elif isinstance(x, float) and not x.is_integer():
            raise ImportModelError(f"{what} must be integers, found {x}")
        else:
            dims.append(int(x))
    return tuple(dims)


def at_batch(array: Array, n: int) -> Array:
    """An array whose numbers may depend on the batch size, for n items."""
    if array.dtype != object:
        return array
    numbers = [x.at(n) if isinstance(x, Affine) else x for x in array.flat]
    return np.array(numbers, symbolic_type(array)).reshape(array.shape)
