"""Tensors of an ONNX file as arrays, and declared types as ours."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from graphcnn.errors import ImportModelError
from graphcnn.ir import Array
from graphcnn.onnx.limits import Limits
from graphcnn.onnx.load import external_bytes
from graphcnn.onnx.writer import ELEMENT_TYPES
from graphcnn.tensor_type import DType

#: Element types that a graph of ours can have.
DTYPES = {int(code): dtype for dtype, code in ELEMENT_TYPES.items()}

#: Element types of stored tensors, and the field that holds them where raw_data does not.
_STORED: dict[int, tuple[str, str]] = {
    TensorProto.FLOAT: ("float32", "float_data"),
    TensorProto.DOUBLE: ("float64", "double_data"),
    TensorProto.FLOAT16: ("float16", "int32_data"),
    TensorProto.UINT8: ("uint8", "int32_data"),
    TensorProto.INT8: ("int8", "int32_data"),
    TensorProto.UINT16: ("uint16", "int32_data"),
    TensorProto.INT16: ("int16", "int32_data"),
    TensorProto.INT32: ("int32", "int32_data"),
    TensorProto.INT64: ("int64", "int64_data"),
    TensorProto.UINT32: ("uint32", "uint64_data"),
    TensorProto.UINT64: ("uint64", "uint64_data"),
    TensorProto.BOOL: ("bool", "int32_data"),
}
_DATA = ("float_data", "double_data", "int32_data", "int64_data", "uint64_data", "string_data")


def type_name(code: int) -> str:
    """The name of an element type of ONNX, for messages."""
    known = TensorProto.DataType.values()
    return TensorProto.DataType.Name(code) if code in known else f"number {code}"


def element_type(code: int, what: str) -> DType:
    """Our element type for ONNX's. Raises `ImportModelError` for those we lack."""
    if code not in DTYPES:
        known = ", ".join(type_name(c) for c in DTYPES)
        raise ImportModelError(f"{what} has the element type {type_name(code)}, expected {known}")
    return DTYPES[code]


def check_type(info: onnx.ValueInfoProto, limits: Limits) -> None:
    """Raise unless a declared type, where it is one, is a tensor of a known element type."""
    what = f"the declared type of {info.name!r}"
    kind = info.type.WhichOneof("value")
    if kind is None:
        return
    if kind != "tensor_type":
        raise ImportModelError(f"{what} is {kind}, expected a tensor")
    tensor = info.type.tensor_type
    if tensor.elem_type not in TensorProto.DataType.values():
        raise ImportModelError(f"{what} has the unknown element type {tensor.elem_type}")
    sizes = [d.dim_value for d in tensor.shape.dim if d.HasField("dim_value")]
    for d in sizes:
        if d < 0:
            raise ImportModelError(f"{what} has the size {d}, expected at least 0")
    limits.check_shape(
        [d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim], what
    )


def check_tensor(tensor: TensorProto, what: str, limits: Limits) -> None:
    """Raise unless the tensor has as much data as its shape and type need, in one place."""
    if tensor.data_type not in TensorProto.DataType.values() or not tensor.data_type:
        raise ImportModelError(f"{what} has the unknown element type {tensor.data_type}")
    count = limits.check_shape(tuple(tensor.dims), what)
    if tensor.HasField("segment"):
        raise ImportModelError(f"{what} is a segment of a tensor, expected a whole one")
    filled = [f for f in (*_DATA, "raw_data") if len(getattr(tensor, f))]
    if tensor.data_location == TensorProto.EXTERNAL:
        if filled:
            raise ImportModelError(f"{what} is external and holds {', '.join(filled)} too")
        return
    if len(filled) > 1:
        raise ImportModelError(f"{what} holds {' and '.join(filled)}, expected one of them")
    if tensor.data_type not in _STORED:
        return  # refused where it is read
    dtype, field = _STORED[tensor.data_type]
    if filled == ["raw_data"]:
        found, expected, unit = len(tensor.raw_data), count * np.dtype(dtype).itemsize, "bytes"
    else:
        found, expected, unit = len(getattr(tensor, field)), count, f"numbers of {field}"
        if filled and filled != [field]:
            raise ImportModelError(f"{what} holds {filled[0]}, expected {field} or raw_data")
    if found != expected:
        raise ImportModelError(
            f"{what} of shape {tuple(tensor.dims)} holds {found} {unit}, expected {expected}"
        )


def array_of(tensor: TensorProto, what: str, folder: Path | None, limits: Limits) -> Array:
    """The array of a tensor that `check_tensor` has accepted."""
    if tensor.data_type not in _STORED:
        raise ImportModelError(
            f"{what} has the element type {type_name(tensor.data_type)}, which is not supported"
        )
    name, field = _STORED[tensor.data_type]
    dtype, shape = np.dtype(name), tuple(tensor.dims)
    if tensor.data_location == TensorProto.EXTERNAL:
        expected = math.prod(shape) * dtype.itemsize
        raw = external_bytes(tensor, folder, expected, limits)
        return np.frombuffer(raw, dtype.newbyteorder("<")).astype(dtype).reshape(shape)
    if len(tensor.raw_data):
        stored = np.frombuffer(tensor.raw_data, dtype.newbyteorder("<"))
        return stored.astype(dtype, copy=False).reshape(shape)
    data: Any = getattr(tensor, field)
    if tensor.data_type == TensorProto.FLOAT16:
        return np.array(data, np.uint16).view(np.float16).reshape(shape)
    return np.array(data, np.int64 if field == "int32_data" else None).astype(dtype).reshape(shape)
