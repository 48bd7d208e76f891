"""Tensors of an ONNX file as arrays, and declared types as ours."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from graphcnn.errors import ImportModelError
from graphcnn.ir.node import Array
from graphcnn.ir.tensor_type import DType
from graphcnn.onnx.exporting.writer import ELEMENT_TYPES
from graphcnn.onnx.importing.file.limits import Limits
from graphcnn.onnx.importing.file.load import external_bytes, is_external

#: Element types that a graph of ours can have.
DTYPES = {int(code): dtype for dtype, code in ELEMENT_TYPES.items()}

#: The fields that hold elements where raw_data does not, all of the other types int32_data.
_FIELDS = {
    DType.FLOAT32: "float_data", DType.FLOAT64: "double_data", DType.INT64: "int64_data",
    DType.UINT32: "uint64_data", DType.UINT64: "uint64_data",
}  # fmt: skip
_DATA = ("float_data", "double_data", "int32_data", "int64_data", "uint64_data", "string_data")


def type_name(code: int) -> str:
    """The name of an element type of ONNX, for messages."""
    known = TensorProto.DataType.values()
    return TensorProto.DataType.Name(code) if code in known else f"number {code}"


def element_type(code: int, what: str) -> DType:
    """Our element type for ONNX's. Raises `ImportModelError` for those we lack."""
    if code not in DTYPES:
        raise ImportModelError(
            f"{what} has the element type {type_name(code)}, expected floats, integers or BOOL"
        )
    return DTYPES[code]


def check_type(info: onnx.ValueInfoProto, limits: Limits) -> None:
    """Raise unless a declared type, where it is one, is a tensor of a known element type."""
    what = f"the declared type of {info.name!r}"
    kind = info.type.WhichOneof("value")
    if kind is None:
        return
    if kind in ("sequence_type", "optional_type"):
        return  # such an input is refused where the caller gives no value for it
    if kind != "tensor_type":
        raise ImportModelError(f"{what} is {kind}, expected a tensor")
    tensor = info.type.tensor_type
    if tensor.elem_type not in TensorProto.DataType.values():
        raise ImportModelError(
            f"{what} has the unknown element type {tensor.elem_type}, expected one of ONNX"
        )
    limits.check_shape(sizes_of(tensor), what)


def sizes_of(tensor: Any) -> list[int | None]:
    """Declared sizes, None for those that are open: exporters write -1, and some 0, for these."""
    return [int(d.dim_value) if d.dim_value >= 1 else None for d in tensor.shape.dim]


def check_tensor(tensor: TensorProto, what: str, limits: Limits) -> None:
    """Raise unless the tensor has as much data as its shape and type need, in one place."""
    if tensor.data_type not in TensorProto.DataType.values() or not tensor.data_type:
        raise ImportModelError(
            f"{what} has the unknown element type {tensor.data_type}, expected one of ONNX"
        )
    count = limits.check_shape(tuple(tensor.dims), what)
    if tensor.HasField("segment"):
        raise ImportModelError(f"{what} is a segment of a tensor, expected a whole one")
    filled = [f for f in (*_DATA, "raw_data") if len(getattr(tensor, f))]
    if is_external(tensor):
        if filled:
            raise ImportModelError(f"{what} is external and holds {', '.join(filled)} too")
        return
    if len(filled) > 1:
        raise ImportModelError(f"{what} holds {' and '.join(filled)}, expected one of them")
    if tensor.data_type not in DTYPES:
        return  # refused where it is read
    dtype = DTYPES[tensor.data_type]
    field = _FIELDS.get(dtype, "int32_data")
    if filled == ["raw_data"]:
        found, expected, unit = len(tensor.raw_data), _bytes(dtype, count), "bytes"
    else:
        expected = count if _is_whole(dtype) else _bytes(dtype, count)
        found, unit = len(getattr(tensor, field)), f"numbers of {field}"
        if filled and filled != [field]:
            raise ImportModelError(f"{what} holds {filled[0]}, expected {field} or raw_data")
    if found != expected:
        raise ImportModelError(
            f"{what} of shape {tuple(tensor.dims)} holds {found} {unit}, expected {expected}"
        )


def _bytes(dtype: DType, count: int) -> int:
    """Bytes of so many elements in a file: those of less than a byte share one."""
    return count * dtype.bytes if _is_whole(dtype) else -(-count * dtype.bits // 8)


def _is_whole(dtype: DType) -> bool:
    return dtype is DType.BOOL or dtype.bits >= 8


def stored_bytes(tensor: TensorProto) -> int:
    """Bytes of the array in a file; 0 for types that cannot be read."""
    dtype = DTYPES.get(tensor.data_type)
    return _bytes(dtype, math.prod(tensor.dims)) if dtype is not None else 0


def array_of(tensor: TensorProto, what: str, folder: Path | None, limits: Limits) -> Array:
    """The array of a tensor that `check_tensor` has accepted."""
    dtype, shape = element_type(tensor.data_type, what), tuple(tensor.dims)
    if is_external(tensor):
        raw = external_bytes(tensor, folder, _bytes(dtype, math.prod(shape)))
        return _from_bytes(raw, dtype, shape)
    if len(tensor.raw_data):
        return _from_bytes(tensor.raw_data, dtype, shape)
    field = _FIELDS.get(dtype, "int32_data")
    data: Any = getattr(tensor, field)
    if dtype.is_small:  # the bits as numbers
        codes = np.array(data, np.int64).astype(f"<u{dtype.bytes}")
        return _from_bytes(codes.tobytes(), dtype, shape)
    wide = np.array(data, np.int64 if field == "int32_data" else None)
    return wide.astype(dtype.numpy).reshape(shape)


def _from_bytes(raw: bytes | Array, dtype: DType, shape: tuple[int, ...]) -> Array:
    if not dtype.is_small:
        stored = np.frombuffer(raw, dtype.numpy.newbyteorder("<"))
        return stored.astype(dtype.numpy, copy=False).reshape(shape)
    codes: Array = np.frombuffer(raw, f"<u{dtype.bytes}").astype(f"u{dtype.bytes}")
    if not _is_whole(dtype):  # the lowest bits are the first element
        places = np.arange(0, 8, dtype.bits, dtype=np.uint8)
        codes = codes[:, None] >> places & np.uint8((1 << dtype.bits) - 1)
        codes = codes.reshape(-1)[: math.prod(shape)]
    return codes.view(dtype.numpy).reshape(shape)
