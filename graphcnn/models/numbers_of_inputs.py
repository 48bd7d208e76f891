"""Numbers of the inputs of a model that is an ONNX file, as a user spells them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from graphcnn.base.files import reason
from graphcnn.base.regular_files import open_regular
from graphcnn.errors import DataError, WrongUseError
from graphcnn.ir.node import Array
from graphcnn.ir.tensor_type import N

_WORDS = {"N": N, "true": True, "false": False, "True": True, "False": False}


def value_of(name: str, given: Any) -> Array:
    """The numbers that are given for an input: a text, or what Python reads of it."""
    if not isinstance(given, str):
        return np.asarray(given)
    if given.endswith(".npy"):
        return read_array(Path(given))
    parts = [part.strip() for part in given.split(",")]
    numbers = [_number(name, part) for part in parts if part]
    if "" in parts[:-1] or not numbers:
        raise WrongUseError(f"{name}={given} must be numbers, as in {name}=1,3,64,64")
    if N in numbers:
        array = np.empty(len(numbers), object)
        array[:] = numbers
    else:
        array = np.array(numbers)
    return array if len(parts) > 1 else array[0]


def _number(name: str, text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    raise WrongUseError(f"{name}={text} must be numbers, N for the batch size, or FILE.npy")


def read_array(path: Path) -> Array:
    """The array of a .npy file."""
    try:
        with open_regular(path) as file:
            return np.asarray(np.load(file, allow_pickle=False))
    except OSError as error:
        raise DataError(f"cannot read {path}: {reason(error, path)}") from None
    except (ValueError, EOFError, MemoryError) as error:
        raise DataError(f"{path} is no .npy file: {error}") from None


def values(settings: Mapping[str, Any] | None) -> dict[str, Array]:
    """Settings of a model that is an ONNX file: the numbers of inputs."""
    return {name: value_of(name, given) for name, given in (settings or {}).items()}
