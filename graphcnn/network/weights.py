"""Weights on disk: safetensors, which hold tensors and text and can run no code.

A saved model is one file: every parameter and running statistic by name, and in its metadata the
graph in text form, the normalisation of its images and the names of its classes. Element types that
the library does not read as NumPy arrays lie there as their bytes, and the metadata name them.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, deserialize, safe_open
from safetensors.numpy import save

from graphcnn.base.file_kinds import HEAD, recognised
from graphcnn.base.files import atomic_write
from graphcnn.base.regular_files import is_regular, kind_of, open_regular
from graphcnn.errors import OutputError, WeightsError, shortened
from graphcnn.ir.graph import state_of
from graphcnn.ir.node import Array, Value
from graphcnn.ir.tensor_type import DType

FORMAT = "graphcnn 1"

#: The entry of the metadata with the element types of tensors that are stored as bytes, by name.
ELEMENT_TYPES = "element_types"


def check_suffix(path: str | Path) -> None:
    """Raise `OutputError` for the name of an ONNX file: a saved model is none."""
    if Path(path).suffix.lower() == ".onnx":
        raise OutputError(
            f"{path}: a model is saved as .safetensors; export_onnx (graphcnn export) writes .onnx"
        )


def write_tensors(
    path: str | Path, tensors: Mapping[str, Array], metadata: Mapping[str, str]
) -> Path:
    """Write tensors and text beside `path`, then rename: the old file stays valid until then."""
    return atomic_write(path, packed(tensors, metadata))


def packed(tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> bytes:
    """The bytes of a safetensors file: equal tensors and text are equal bytes."""
    contiguous = {key: np.asarray(array, order="C") for key, array in tensors.items()}
    coded = {k: DType.of(a.dtype) for k, a in contiguous.items() if _is_coded(a.dtype)}
    contiguous |= {key: contiguous[key].view(np.uint8) for key in coded}
    data = {"format": FORMAT, **metadata}
    if coded:
        data[ELEMENT_TYPES] = json.dumps(coded, sort_keys=True)
    return _sorted(save(contiguous, data))


def unpacked(file: bytes, source: object) -> tuple[dict[str, Array], dict[str, str]]:
    """Tensors and metadata of `packed`. Raises `WeightsError` for what is no whole safetensors
    file."""
    try:
        found = {
            name: np.frombuffer(t["data"], DType(t["dtype"].lower()).numpy).reshape(t["shape"])
            for name, t in deserialize(file)  # type: ignore[no-untyped-call]
        }
        header = json.loads(file[8 : 8 + int.from_bytes(file[:8], "little")])
        metadata = dict(header.get("__metadata__", {}))
        return _decoded(found, metadata.pop(ELEMENT_TYPES, "{}")), metadata
    except (SafetensorError, ValueError, KeyError) as error:
        raise WeightsError(f"{source}: not a whole safetensors file: {error}") from None


def _is_coded(dtype: Any) -> bool:
    """Whether it is one of the types of a byte or less that NumPy lacks."""
    return dtype.itemsize == 1 and dtype not in (np.uint8, np.int8, np.bool_)


def _decoded(tensors: dict[str, Array], types: str) -> dict[str, Array]:
    """Tensors with the element types that the metadata name. Raises ValueError."""
    try:
        named = json.loads(types)
        found = {key: DType(name).numpy for key, name in named.items()}
    except (ValueError, AttributeError, RecursionError):
        raise ValueError(f"its {ELEMENT_TYPES} are {types[:60]!r}") from None
    for key, dtype in found.items():
        if key not in tensors or tensors[key].dtype != np.uint8 or not _is_coded(dtype):
            raise ValueError(f"its {ELEMENT_TYPES} name {key!r} as {DType.of(dtype)}")
    return tensors | {key: tensors[key].view(dtype) for key, dtype in found.items()}


def _sorted(file: bytes) -> bytes:
    """The same safetensors file with its header in order: the library writes the entries of the
    metadata in another order each time, and equal models shall be equal files."""
    size = int.from_bytes(file[:8], "little")
    header = json.dumps(
        json.loads(file[8 : 8 + size]), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + file[8 + size :]


def read_tensors(path: str | Path) -> tuple[dict[str, Array], dict[str, str]]:
    """Tensors and metadata of a file. Raises `WeightsError` if it is missing or damaged."""
    if not is_regular(path):
        kind = kind_of(path)
        raise WeightsError(f"{path}: {f'it is {kind}' if kind else 'no such file'}")
    if Path(path).suffix == ".onnx":
        raise WeightsError(f"{path}: an ONNX file, which import_onnx reads")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = dict(file.metadata() or {})
            tensors = {key: file.get_tensor(key) for key in file.keys()}
            return _decoded(tensors, metadata.pop(ELEMENT_TYPES, "{}")), metadata
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError) as error:
        with open_regular(path) as found:
            known = recognised(found.read(HEAD) or b"")
        raise WeightsError(
            f"{path}: not a whole safetensors file: {error}"
            if "safetensors" in known or not known
            else f"{path}: not a safetensors file: {known}"
        ) from None


def as_stored(key: str, array: Any, dtype: DType | None) -> Array:
    """A copy of what is given for the state `key`, of its element type where that is known.

    Raises `WeightsError` for what is no numbers, and for numbers that the type cannot hold.
    """
    try:
        given: Array = np.array(array)
        if given.dtype.kind in "cmMOSU":
            raise TypeError(f"found {given.dtype.name}")
        with np.errstate(all="ignore"):
            made: Array = given if dtype is None else given.astype(dtype.numpy, copy=False)
    except (TypeError, ValueError) as error:
        raise WeightsError(
            f"{shortened(str(key))} cannot be made an array of numbers: {error}"
        ) from None
    if dtype is None or dtype.is_float:
        lost = np.isfinite(made) != np.isfinite(given)
    else:  # NumPy compares its own integers, of whatever types, as numbers
        own = made.dtype.kind != "V"
        lost = made != given if own else made.astype(given.dtype) != given
    if lost.any():
        raise WeightsError(f"{shortened(key)}: {given[lost][0]} does not fit into {dtype}")
    return made


def check_states(found: Mapping[str, Array], states: Iterable[Value], source: object) -> None:
    """Raise `WeightsError` listing the tensors that are missing, extra, or of another type."""
    expected = {state_of(s).key: s.type for s in states}
    problems = [f"missing {shortened(key)} {expected[key]}" for key in expected if key not in found]
    problems += [
        f"extra {shortened(key)} {list(found[key].shape)}" for key in found if key not in expected
    ]
    for key, t in expected.items():
        if key in found and (found[key].shape, found[key].dtype) != (t.shape, t.dtype.numpy):
            array = found[key]
            problems.append(
                f"{shortened(key)}: expected {t}, found {array.dtype}{list(array.shape)}"
            )
    if problems:
        shown = "\n  ".join(problems[:20])
        more = f"\n  and {len(problems) - 20} more" if len(problems) > 20 else ""
        raise WeightsError(f"{source} holds the weights of another model:\n  {shown}{more}")
