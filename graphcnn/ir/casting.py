"""Arrays as another element type: one definition, which does not ask the processor.

In C, and so in NumPy, a float that does not fit an integer type is undefined: each processor, and
vector code beside scalar code, gives another number. Here each has one, for every pair of types.
"""

from typing import Any

import ml_dtypes
import numpy as np

from graphcnn.ir.node import Array
from graphcnn.ir.tensor_type import DType


def range_of(dtype: DType) -> tuple[int, int]:
    """The least and the largest number of an integer type."""
    info: Any = ml_dtypes.iinfo(dtype.numpy)  # type: ignore[no-untyped-call]
    return int(info.min), int(info.max)


def converted(x: Array, dtype: DType) -> Array:
    """x as `dtype`, as `Cast` defines it."""
    source = DType.of(x.dtype)
    with np.errstate(all="ignore"):
        if dtype is DType.BOOL or dtype.is_float:
            return _to_float_or_bool(x, source, dtype)
        whole = _whole(x.astype(np.float64), dtype) if source.is_float else x
        return _lowest_bits(whole, dtype)


def _to_float_or_bool(x: Array, source: DType, dtype: DType) -> Array:
    """By way of a type that NumPy knows and that holds every x, but for integers above 2^53."""
    if source.is_small and source is not dtype:
        x = x.astype(np.float32)
    if dtype is DType.BOOL:
        return np.asarray(x != 0)
    if dtype.is_small and not source.is_float:
        x = x.astype(np.float64 if source.bytes > 2 else np.float32)
    if dtype is DType.FLOAT4_E2M1FN and source is not dtype:
        x = np.where(np.isnan(x), x.dtype.type(0), x)
    return x.astype(dtype.numpy)


def _whole(x: Array, dtype: DType) -> Array:
    """The whole numbers, cut towards 0, in 64 bits of which the lowest are those of `dtype`."""
    t = np.trunc(x)
    if dtype is DType.UINT64:
        high = t >= 2.0**63
        low = _fitting(np.where(high, t - 2.0**63, t), 64).view(np.uint64)
        return low + np.where(high, np.uint64(1 << 63), np.uint64(0))
    return _fitting(t, 64 if dtype in (DType.INT64, DType.UINT32) else 32)


def _fitting(t: Array, bits: int) -> Array:
    """Whole numbers that `bits` bits with a sign hold; the least of these for all others."""
    least = -(1 << (bits - 1))
    fits = (t >= least) & (t < -float(least))
    found: Array = np.where(fits, np.where(fits, t, 0.0).astype(np.int64), least)
    return found


def _lowest_bits(x: Array, dtype: DType) -> Array:
    """Integers without the bits that are too high for `dtype`."""
    source = DType.of(x.dtype)
    if source.is_small or source is DType.BOOL:
        x = x.astype(np.int64)
    if not dtype.is_small:
        return x.astype(dtype.numpy)
    low: Any = x.astype(np.int64) & ((1 << dtype.bits) - 1)
    half = 0 if dtype.is_unsigned else 1 << (dtype.bits - 1)
    found: Array = ((low ^ half) - half).astype(np.int8).astype(dtype.numpy)
    return found
