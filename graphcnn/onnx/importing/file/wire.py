"""Why bytes are no ONNX model, by the wire format of Protocol Buffers.

Source: protobuf.dev, "Encoding": a field is a tag, which is its number times 8 plus its wire type,
and a value, which is a number of 7 bits a byte, 4 or 8 bytes, or a length and so many bytes.
"""

from onnx import ModelProto, TensorProto

from graphcnn.base.file_kinds import recognised

#: The wire type of each field of a model: 0 for numbers, 2 for all with a length.
_FIELDS = {f.number: 0 if f.name in ("ir_version", "model_version") else 2
           for f in ModelProto.DESCRIPTOR.fields}  # fmt: skip
#: The longest number, in bytes.
_LONGEST = 10


def why_no_model(content: bytes, error: str) -> str:
    """What is said of bytes that are no model; `error` is what the reader of messages says."""
    known = recognised(content)
    if known:
        return known
    missing = bytes_missing(content)
    if missing:
        return (
            f"it ends in the middle, {missing:,} bytes before its end at least: it was not copied "
            "or downloaded whole"
        )
    if _is_tensor(content):
        return "it is a single tensor, as input_0.pb and output_0.pb of test data are"
    return error


def bytes_missing(content: bytes) -> int:
    """How many bytes of the last field of a model are not there; 0 where none is missing, or where
    what is there is no field of a model."""
    at = 0
    while at < len(content):
        tag, at = _number(content, at)
        if at > len(content):
            return 1 if at - len(content) < _LONGEST else 0
        if tag & 7 != _FIELDS.get(tag >> 3):
            return 0
        value, at = _number(content, at)
        if tag & 7 == 2:
            at += value
    return at - len(content)


def _number(content: bytes, at: int) -> tuple[int, int]:
    """A number and the place behind it, which lies behind the end where that is in the number."""
    value = 0
    for i in range(_LONGEST):
        if at + i >= len(content):
            break
        byte = content[at + i]
        value |= (byte & 127) << 7 * i
        if byte < 128:
            return value, at + i + 1
    else:
        return 0, len(content) + _LONGEST
    return 0, len(content) + 1


def _is_tensor(content: bytes) -> bool:
    tensor = TensorProto()
    try:
        tensor.ParseFromString(content)
    except Exception:  # its errors have no common base
        return False
    known = tensor.data_type in TensorProto.DataType.values()[1:]
    return known and bool(len(tensor.raw_data) or len(tensor.float_data) or tensor.dims)
