"""Types that are stored only: floats of 16, 8 and 4 bits are computed with in float32, integers of
4 and 2 bits in 8 bits, of which the lowest are kept.

So does native code, and so must the definition. In these types themselves a sum of eight bits loses
most of what is added, each step of a longer formula is rounded to a few digits, and neither
-infinity, where a maximum begins, nor 0 is in all of them.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from graphcnn.ir.tensor_type import DType, TensorType

#: What is computed with, by the type that is stored only.
WIDER: "dict[np.dtype[Any], type[np.generic]]" = {
    d.numpy: np.float32 if d.is_float else np.uint8 if d.is_unsigned else np.int8
    for d in DType
    if d.is_small
}


def in_wider_types(evaluate: Callable[..., Any]) -> Callable[..., Any]:
    """`Op.evaluate` that takes such arrays as float32, and gives back what `infer` promises.

    NumPy does not warn of what overflows or is not a number: operators say what comes of it.
    """

    @wraps(evaluate)
    def widened(self: Any, *arrays: Any, **options: Any) -> Any:
        with np.errstate(all="ignore"):
            if self.of_stored_types or not any(getattr(a, "dtype", None) in WIDER for a in arrays):
                return evaluate(self, *arrays, **options)
            types = self.infer(*(TensorType(a.shape, DType.of(a.dtype)) for a in arrays))
            wide = (a.astype(WIDER[a.dtype]) if a.dtype in WIDER else a for a in arrays)
            found = evaluate(self, *wide, **options)
            if isinstance(found, tuple):
                return tuple(_as(a, t) for a, t in zip(found, types, strict=True))
            return _as(found, types[0] if isinstance(types, tuple) else types)

    return widened


def _as(array: Any, t: TensorType) -> Any:
    """As promised: what is computed in a wider type is of that type."""
    return array if array.dtype == t.dtype.numpy else array.astype(t.dtype.numpy)
