"""Samples of operators on the bits of integers."""

import numpy as np

from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.bits import BitAnd, BitOr, BitShift, BitXor
from samples import ErrorSample, Sample

_TYPES = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_OPS = (BitAnd(), BitOr(), BitXor(), BitShift(), BitShift(left=False))


def _numbers(name: str, *shape: int) -> np.ndarray:
    """All bits by chance."""
    rng = np.random.default_rng(len(name))
    raw = rng.integers(0, 256, (*shape, np.dtype(name).itemsize), np.uint8)
    return raw.view(name)[..., 0]


def _counts(name: str) -> np.ndarray:
    """Of places: none, some, all but one, all, more than all, and less than none."""
    bits, info = 8 * np.dtype(name).itemsize, np.iinfo(name)
    return np.array([0, 3, bits - 1, bits, bits + 1, int(info.max), max(info.min, -1)], name)


SAMPLES = [
    Sample(op, _numbers(name, 3, 7), _numbers(name, 7), label=f"{op.name}-{name}")
    for name in ("int8", "uint32", "int64")
    for op in _OPS[:3]
]
SAMPLES += [
    Sample(op, _numbers(name, 3, 7), _counts(name), label=f"{op.name}-{op.left}-{name}")
    for name in _TYPES
    for op in (BitShift(), BitShift(left=False))
]
SAMPLES += [
    Sample(op, _numbers("uint32", 2, 1, 2), _numbers("uint32", 2, 1, 4, 1) % 32)
    for op in (BitAnd(), BitShift(), BitShift(left=False))
]

_BYTES, _WORDS = TensorType((2, 3), DType.UINT8), TensorType((2, 3), DType.INT32)

ERRORS = [
    *(ErrorSample(op, (2, 3), (2, 3), match="a must be of an integer type") for op in _OPS),
    ErrorSample(BitOr(), TensorType((2,), DType.BOOL), _BYTES, match="a must be of a number type"),
    ErrorSample(BitXor(), _BYTES, _WORDS, match="element type"),
    ErrorSample(BitShift(), _BYTES, TensorType((2,), DType.UINT8), match="broadcast"),
]
