"""An ONNX file as a message, with its external data: the only place where files are opened.

Nothing outside the folder of the model is read: the location of external data has to be relative,
without "..", through no symbolic link, and a regular file. Bytes have no folder, so a model given
as bytes may have no external data.
"""

import errno
import os
import stat
from contextlib import ExitStack
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from google.protobuf.unknown_fields import UnknownFieldSet  # type: ignore[import-untyped]

from graphcnn.base.files import reason
from graphcnn.base.regular_files import open_regular
from graphcnn.errors import ImportModelError
from graphcnn.ir.node import Array
from graphcnn.onnx.importing.file.limits import Limits
from graphcnn.onnx.importing.file.node_order import sort_nodes
from graphcnn.onnx.importing.file.wire import why_no_model

#: What an entry of external data may say.
KEYS = frozenset({"location", "offset", "length", "checksum"})

#: Flags that a system may lack: no link as the last part, no way into another process.
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_FOLDER = getattr(os, "O_DIRECTORY", 0)


def read_model(source: str | Path | bytes, limits: Limits) -> tuple[onnx.ModelProto, Path | None]:
    """The message and the folder for its external data (None for bytes).

    Raises `ImportModelError` for a missing, empty, too large or damaged file.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return parse(bytes(source), "the model", limits), None
    path = Path(source)
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > limits.file_bytes:
                raise ImportModelError(_too_large(str(path), size, limits))
            content = file.read() or b""
    except OSError as error:
        raise ImportModelError(f"cannot read {path}: {reason(error, path)}") from None
    return parse(content, str(path), limits), path.parent


def parse(content: bytes, what: str, limits: Limits) -> onnx.ModelProto:
    """The message that `content` holds, whole, its nodes in order."""
    if len(content) > limits.file_bytes:
        raise ImportModelError(_too_large(what, len(content), limits))
    if not content:
        raise ImportModelError(f"{what}: an ONNX model expected, found no bytes")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
        unknown = len(UnknownFieldSet(model))
        _check_text(model)
    except (DecodeError, RuntimeError, ValueError, UnicodeDecodeError) as error:
        why = why_no_model(content, one_line(error))
        raise ImportModelError(f"{what}: not an ONNX model: {why}") from None
    if unknown or not model.HasField("graph"):
        fault = f"{unknown} unknown fields at its end, expected none"
        why = why_no_model(content, fault if unknown else "it holds no graph, expected one")
        raise ImportModelError(f"{what}: not an ONNX model: {why}")
    sort_nodes(model)
    return model


def _check_text(model: Any) -> None:
    """Raise `ValueError` for a text that is not UTF-8: protobuf then gives its bytes."""
    messages = [model]
    while messages:
        for field, value in messages.pop().ListFields():
            if field.type not in (field.TYPE_STRING, field.TYPE_MESSAGE):
                continue
            many = (
                [value] if isinstance(value, bytes | str) or hasattr(value, "ListFields") else value
            )
            if field.type == field.TYPE_MESSAGE:
                messages.extend(many)
            elif any(isinstance(text, bytes) for text in many):
                raise ValueError(f"the field {field.name!r} is not UTF-8")


def one_line(error: object) -> str:
    """The message of an error of another library, short and on one line."""
    return " ".join(str(error).split())[:300]


def _too_large(what: str, size: int, limits: Limits) -> str:
    return f"{what}: {size:,} bytes, expected at most {limits.file_bytes:,} (limits.file_bytes)"


def is_external(tensor: onnx.TensorProto) -> bool:
    """Whether the array lies in another file."""
    return bool(tensor.data_location == onnx.TensorProto.EXTERNAL)


def external_bytes(tensor: onnx.TensorProto, folder: Path | None, expected: int) -> Array:
    """The bytes of a tensor that lie in a file of their own; `expected` is how many it needs."""
    where = f"external data of {tensor.name!r}"
    entries = _entries(tensor, where)
    offset = _number(entries.get("offset", "0"), f"{where}: offset")
    length = _number(entries.get("length", str(expected)), f"{where}: length")
    if length != expected:
        raise ImportModelError(f"{where}: length {length}, expected {expected}")
    if folder is None:
        raise ImportModelError(f"{where}: a model given as bytes has no folder to read it from")
    parts = safe_parts(entries["location"], where)
    with ExitStack() as stack:
        descriptor = _open(folder, parts, where, stack)
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            raise ImportModelError(f"{where}: {'/'.join(parts)} is no regular file")
        if info.st_nlink > 1:
            raise ImportModelError(f"{where}: {'/'.join(parts)} has a second name (hard link)")
        if offset + length > info.st_size:
            raise ImportModelError(
                f"{where}: offset {offset} + length {length} lies past the end of "
                f"{'/'.join(parts)}, {info.st_size} bytes"
            )
        return _read(descriptor, offset, length, where)


def _entries(tensor: onnx.TensorProto, where: str) -> dict[str, str]:
    entries: dict[str, str] = {}
    for entry in tensor.external_data:
        if entry.key not in KEYS or entry.key in entries:
            known = ", ".join(sorted(KEYS))
            raise ImportModelError(f"{where}: key {entry.key!r}, expected each of {known} once")
        entries[entry.key] = entry.value
    if not entries.get("location"):
        raise ImportModelError(f"{where}: location is missing")
    return entries


def _number(text: str, what: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ImportModelError(f"{what} {text[:40]!r}, expected a number of at least 0")
    return int(text)


def safe_parts(location: str, where: str) -> tuple[str, ...]:
    """The location in parts, all of them names of files or folders. Raises `ImportModelError` for
    one that leads, on some system, out of the folder."""
    inside = not PurePosixPath(location).is_absolute() and not PureWindowsPath(location).anchor
    parts = tuple(p for p in location.replace("\\", "/").split("/") if p not in ("", "."))
    if not inside or not parts or ".." in parts or "\0" in location or ":" in location:
        raise ImportModelError(
            f"{where}: location {location[:80]!r}, expected a file in the folder of the model"
        )
    return parts


def _open(folder: Path, parts: tuple[str, ...], where: str, stack: ExitStack) -> int:
    """A descriptor of the file, reached folder by folder through no symbolic link."""
    try:
        at = os.open(folder, os.O_RDONLY | _FOLDER)
        stack.callback(os.close, at)
        for part in parts[:-1]:
            at = os.open(part, _FLAGS | _FOLDER, dir_fd=at)
            stack.callback(os.close, at)
        at = os.open(parts[-1], _FLAGS | getattr(os, "O_NONBLOCK", 0), dir_fd=at)
        stack.callback(os.close, at)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        how = " without following links"
        if error.errno == errno.ENOENT:
            how, why = "", "there is no such file in the folder of the model, to which it belongs"
        raise ImportModelError(f"{where}: cannot open {'/'.join(parts)}{how}: {why}") from None
    return at


def _read(descriptor: int, offset: int, length: int, where: str) -> Array:
    array = np.empty(length, np.uint8)
    os.lseek(descriptor, offset, os.SEEK_SET)
    with open(descriptor, "rb", buffering=0, closefd=False) as file:
        done = 0
        while done < length:
            count = file.readinto(array.data[done:])
            if not count:
                raise ImportModelError(f"{where}: the file became shorter while it was read")
            done += count
    return array
