"""Numbers that depend on the batch size, as they appear while shapes are computed: a·N + b."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from graphcnn.errors import ImportModelError
from graphcnn.ir import Array
from graphcnn.tensor_type import BatchSize, Dim, Shape, is_open


@dataclass(frozen=True)
class Affine:
    """a·N + b with a ≠ 0. Arithmetic that leaves this form is refused."""

    a: int
    b: int = 0

    def __add__(self, other: Any) -> "Affine | int":
        a, b = _parts(other)
        return _affine(self.a + a, self.b + b)

    __radd__ = __add__

    def __neg__(self) -> "Affine":
        return Affine(-self.a, -self.b)

    def __sub__(self, other: Any) -> "Affine | int":
        a, b = _parts(other)
        return _affine(self.a - a, self.b - b)

    def __rsub__(self, other: Any) -> "Affine | int":
        return (-self).__add__(other)

    def __mul__(self, other: Any) -> "Affine | int":
        a, b = _parts(other)
        if a:
            raise ImportModelError("the square of the batch size N is not supported")
        return _affine(self.a * b, self.b * b)

    __rmul__ = __mul__

    def __floordiv__(self, other: Any) -> "Affine | int":
        a, b = _parts(other)
        if (a and (self.a % a or self.b * a != b * self.a)) or (not a and not b):
            raise ImportModelError(f"({self}) / ({other}) is unknown before N is")
        if a:
            return self.a // a
        if self.a % b or self.b % b:
            raise ImportModelError(f"({self}) / {b} is unknown before N is")
        return _affine(self.a // b, self.b // b)

    def __rfloordiv__(self, other: Any) -> "Affine | int":
        raise ImportModelError(f"{other} / ({self}) is unknown before N is")

    def __mod__(self, other: Any) -> int:
        a, b = _parts(other)
        if not a and b and not self.a % b:
            return self.b % b
        raise ImportModelError(f"({self}) modulo {other} is unknown before N is")

    __truediv__, __rtruediv__ = __floordiv__, __rfloordiv__

    def __bool__(self) -> bool:
        raise ImportModelError(f"whether {self} is zero is unknown before N is")

    def _unordered(self, other: Any) -> bool:
        raise ImportModelError(f"whether {self} exceeds {other} is unknown before N is")

    __lt__ = __le__ = __gt__ = __ge__ = _unordered

    def __int__(self) -> int:
        raise ImportModelError(f"{self} is unknown before N is")

    __index__ = __float__ = __int__

    def __str__(self) -> str:
        return f"{self.a}·N + {self.b}" if self.b else ("N" if self.a == 1 else f"{self.a}·N")


def _parts(x: Any) -> tuple[int, int]:
    if isinstance(x, Affine):
        return x.a, x.b
    if float(x) != int(x):
        raise ImportModelError(f"{x} times or plus the batch size N is not supported")
    return 0, int(x)


def _affine(a: int, b: int) -> "Affine | int":
    return Affine(a, b) if a else b


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
    return array.astype(np.int64)


def dims_of(array: Array, what: str) -> tuple[Dim, ...]:
    """Integers of a list (or one number) as sizes, with multiples of N."""
    dims: list[Dim] = []
    for x in np.ravel(array).tolist():
        if isinstance(x, Affine):
            if x.b or x.a < 0:
                raise ImportModelError(
                    f"{what} is {x}, but sizes are numbers or multiples of N; give the model a "
                    'fixed batch size by inputs={"name": (1, ...)}'
                )
            dims.append(BatchSize(x.a))
        elif isinstance(x, float) and not x.is_integer():
            raise ImportModelError(f"{what} must be integers, found {x}")
        else:
            dims.append(int(x))
    return tuple(dims)


def at_batch(array: Array, n: int) -> Array:
    """An array whose numbers may depend on the batch size, for n items."""
    if array.dtype != object:
        return array
    numbers = [x.a * n + x.b if isinstance(x, Affine) else int(x) for x in array.flat]
    return np.array(numbers, np.int64).reshape(array.shape)
