"""What a file is that was taken for a model, by its first bytes: for messages, nothing else.

Sources: the format specifications of zip, gzip, HDF5, FlatBuffers, safetensors and Protocol
Buffers, and `saved_model.proto`, `graph.proto` and `node_def.proto` of TensorFlow.
"""

import re
from typing import Final

#: Bytes that are looked at, at the beginning and at the end.
HEAD: Final = 1 << 16

_ONNX = "a .onnx file is what its exporter writes"
_PYTORCH = "torch.onnx.export(model, ...) writes ONNX"
_TENSORFLOW = "python -m tf2onnx.convert writes ONNX"

#: How a file begins, where in it, and what it then is.
_MAGIC: Final = (
    (0, b"\x1f\x8b", "it is compressed by gzip: unpack it first"),
    (0, b"BZh", "it is compressed by bzip2: unpack it first"),
    (0, b"\xfd7zXZ\x00", "it is compressed by xz: unpack it first"),
    (0, b"(\xb5/\xfd", "it is compressed by zstd: unpack it first"),
    (0, b"7z\xbc\xaf", "it is a 7z archive: unpack it first"),
    (0, b"Rar!", "it is a rar archive: unpack it first"),
    (257, b"ustar", "it is a tar archive: unpack it first"),
    (0, b"\x89HDF\r\n", f"it is HDF5, as Keras writes it: {_TENSORFLOW}"),
    (4, b"TFL3", "it is a model of TensorFlow Lite: python -m tf2onnx.convert --tflite reads it"),
    (4, b"ORTM", f"it is in ONNX Runtime's own format (.ort): {_ONNX}, and what it was made of"),
    (0, b"\x89PNG", "it is a picture"),
    (0, b"\xff\xd8\xff", "it is a picture"),
    (0, b"GIF8", "it is a picture"),
    (0, b"%PDF", "it is a PDF document"),
    (0, b"\x93NUMPY", "it is an array of NumPy (.npy)"),
    (0, b"\x7fELF", "it is a program"),
    (0, b"version https://git-lfs", "it is a pointer of Git LFS: git lfs pull fetches the file"),
)  # fmt: skip

#: What stands at the beginning of a text, after blanks.
_TEXTS: Final = (
    (rb"<!doctype html|<html", "it is a web page: the file itself was not downloaded"),
    (rb"<\?xml[^>]*>\s*<net\b|<net\b", "it is a model of OpenVINO: it was made of a .onnx file"),
    (rb"<\?xml|<svg", "it is XML"),
    (rb"<\s*(ir_version|opset_import|producer_name)\s*:",
     "it is ONNX in text form: onnx.load(path, format='onnxtxt') reads it, onnx.save writes bytes"),
    (rb"(ir_version|producer_name|opset_import|graph)\s*[:{]",
     "it is ONNX in text form: onnx.load(path, format='textproto') reads it, onnx.save writes "
     "bytes"),
    (rb"\{\s*\"(irversion|graph|producername|opsetimport)\"",
     "it is ONNX as JSON: onnx.load(path, format='json') reads it, onnx.save writes bytes"),
    (rb"[\{\[]", "it is JSON"),
    (rb"(import |from |def |#!)", "it is a program"),
)  # fmt: skip

#: How a pickle begins since its second protocol.
_PICKLE: Final = re.compile(rb"\x80[\x02-\x05][\s\S]")


def recognised(content: bytes) -> str:
    """What a file is, with what helps, as a part of a sentence; "" where it is not known."""
    for start, magic, what in _MAGIC:
        if content[start : start + len(magic)] == magic:
            return what
    if content[:4] == b"PK\x03\x04":
        return _archive(content)
    if _PICKLE.match(content):
        return f"it is a pickle, as old files of PyTorch are: {_PYTORCH}"
    if _is_safetensors(content):
        return "it is a safetensors file: graphcnn.load reads those that graphcnn wrote"
    text = content[:HEAD].lstrip(b"\xef\xbb\xbf \t\r\n")
    for pattern, what in _TEXTS:
        if re.match(pattern, text, re.IGNORECASE):
            return what
    return _of_tensorflow(content)


def is_pickle(start: bytes) -> bool:
    """Whether a file begins as what Python pickles, or as a zip archive with a pickle in it, which
    `torch.save` writes."""
    return _PICKLE.match(start) is not None or (start[:2] == b"PK" and b"data.pkl" in start)


def _archive(content: bytes) -> str:
    """What a zip file is, by the names in it."""
    names = content[:HEAD] + content[-HEAD:]
    if b"data.pkl" in names:
        return f"it is a file of PyTorch: {_PYTORCH}"
    if b"model.weights.h5" in names:
        return f"it is a model of Keras: {_TENSORFLOW}"
    if b".npy" in names:
        return "it is an archive of NumPy arrays (.npz)"
    return "it is a zip archive: unpack it first"


def _is_safetensors(content: bytes) -> bool:
    """Eight bytes with the length of a header, which is JSON."""
    length = int.from_bytes(content[:8], "little")
    return content[8:9] == b"{" and 2 <= length <= 100_000_000


def _of_tensorflow(content: bytes) -> str:
    """A graph is a list of nodes with a name and an operator, a SavedModel a version and a graph
    with what belongs to it."""
    node = rb"\n[\s\S]{1,3}?\n[\s\S]([\w./\-]+)\x12[\s\S]([A-Z]\w*)"
    if re.match(node, content[:HEAD]):
        return f"it is a graph of TensorFlow (.pb): {_TENSORFLOW}"
    if re.match(rb"\x08\x01\x12[\s\S]{1,5}?\n", content[:16]):
        return f"it is a SavedModel of TensorFlow: {_TENSORFLOW}"
    return ""


def is_onnx(start: bytes) -> bool:
    """Whether a file begins as ONNX models do, with the version of their format, and is no
    safetensors file."""
    return start[:1] == b"\x08" and not _is_safetensors(start)
