"""Calling what a user wrote: arrays lent and results checked, errors with the method and its line.

A method gets copies that cannot be written to, and what it gives is copied: so it cannot change
what others read, nor see in something it kept what others wrote. Copies are row-major and so are
equal in every runtime, in the order of sums that NumPy makes of them, too.
"""

import traceback
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from graphcnn.errors import OperatorError
from graphcnn.ir.node import Array, Op
from graphcnn.ir.tensor_type import DType, TensorType


def call(op: Op, method: str, *arguments: Any) -> Any:
    """What the method gives. Raises `OperatorError` from whatever error it raises."""
    try:
        return getattr(op, method)(*arguments)
    except MemoryError:
        raise
    except Exception as error:
        raise OperatorError(
            f"{method} raised {type(error).__name__}: {error}{_place(op, error)}"
        ) from error


def _place(op: Op, error: Exception) -> str:
    """Where in the file of the operator it was raised: ` (layers.py:12)`."""
    frames = list(traceback.walk_tb(error.__traceback__))
    own = [(f, line) for f, line in frames if f.f_globals.get("__name__") == type(op).__module__]
    for frame, line in reversed(own or frames[1:]):
        return f" ({PurePath(frame.f_code.co_filename).name}:{line})"
    return ""


def lent(array: Array) -> Array:
    """A row-major copy that cannot be written to."""
    copy = np.array(array, order="C")
    copy.flags.writeable = False
    return copy


def types_of(arrays: Sequence[Array]) -> tuple[TensorType, ...]:
    """The types of arrays."""
    return tuple(TensorType(a.shape, DType.of(a.dtype)) for a in arrays)


def several(found: Any) -> tuple[Any, ...]:
    """What a method gave, one thing or several."""
    return tuple(found) if isinstance(found, tuple | list) else (found,)


def taken(found: Any, expected: TensorType, what: str) -> Array:
    """A copy of a result. Raises `OperatorError` unless it is of the type that was promised."""
    if not isinstance(found, np.ndarray | np.generic):
        raise OperatorError(f"{what} must be {expected}, found {type(found).__name__}")
    array = np.array(found, order="C")
    known = [d for d in DType if d.numpy == array.dtype]
    kind = str(known[0]) if known else str(array.dtype)
    if array.shape != expected.shape or array.dtype != expected.dtype.numpy:
        sizes = ",".join(map(str, array.shape))
        raise OperatorError(f"{what} must be {expected}, found {kind}[{sizes}]")
    return array
