"""Floats that are stored only: bfloat16 and those of 8 and 4 bits are computed with in float32.

So does native code, and so must the definition. In these types themselves a sum of eight bits loses
most of what is added, and neither -infinity, where a maximum begins, nor 0 is in all of them.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from graphcnn.tensor_type import DType, TensorType

#: float16 is not among them: NumPy computes with it, by the same rule.
STORED_ONLY = frozenset(
    d.numpy for d in DType if d.is_float and d.is_small and d is not DType.FLOAT16
)


def in_wider_types(evaluate: Callable[..., Any]) -> Callable[..., Any]:
    """`Op.evaluate` that takes such arrays as float32, and gives back what `infer` promises."""

    @wraps(evaluate)
    def widened(self: Any, *arrays: Any, **options: Any) -> Any:
        if self.of_stored_types or not any(
            getattr(a, "dtype", None) in STORED_ONLY for a in arrays
        ):
            return evaluate(self, *arrays, **options)
        types = self.infer(*(TensorType(a.shape, DType.of(a.dtype)) for a in arrays))
        wide = (a.astype(np.float32) if a.dtype in STORED_ONLY else a for a in arrays)
        found = evaluate(self, *wide, **options)
        if isinstance(found, tuple):
            return tuple(_as(a, t) for a, t in zip(found, types, strict=True))
        return _as(found, types[0] if isinstance(types, tuple) else types)

    return widened


def _as(array: Any, t: TensorType) -> Any:
    """The one kind of result that has another type than is promised: float32 in place of short."""
    with np.errstate(all="ignore"):
        return array if array.dtype == t.dtype.numpy else array.astype(t.dtype.numpy)
