"""What a command says of the inputs of an ONNX file: --shape, and --set for their numbers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np

from graphcnn.base.files import reason
from graphcnn.base.regular_files import open_regular
from graphcnn.errors import DataError
from graphcnn.ir.node import Array
from graphcnn.ir.tensor_type import N, open_size

_WORDS = {"N": N, "true": True, "false": False, "True": True, "False": False}


def shapes_of(context: Any, parameter: Any, values: tuple[str, ...]) -> dict[str, tuple[Any, ...]]:
    """`x=1,3,224,224`, or `x=1x3x224x224`, as {"x": (1, 3, 224, 224)}; N is the batch axis."""
    found: dict[str, tuple[Any, ...]] = {}
    for text in values:
        name, equals, sizes = text.rpartition("=")
        parts = [part.strip() for part in sizes.replace("x", ",").split(",")]
        if not equals or not all(open_size(part) or part.isdecimal() for part in parts):
            raise click.BadParameter(f"{text!r} must be spelled NAME=SIZES, as in x=N,3,224,224")
        found[name] = tuple(part if open_size(part) else int(part) for part in parts)
    return found


def values_of(context: Any, parameter: Any, values: tuple[str, ...]) -> dict[str, Array]:
    """`sizes=1,3,64,64` or `sizes=FILE.npy` as {"sizes": array}; one number has no axis."""
    found: dict[str, Array] = {}
    for text in values:
        name, equals, numbers = text.partition("=")
        if not equals or not name:
            raise click.BadParameter(
                f"{text!r} must be spelled NAME=NUMBERS, as in sizes=1,3,64,64"
            )
        found[name] = value_of(name, numbers)
    return found


def value_of(name: str, given: Any) -> Array:
    """The numbers that are given for an input: a text, or what Python reads of it."""
    if not isinstance(given, str):
        return np.asarray(given)
    if given.endswith(".npy"):
        return read_array(Path(given))
    parts = [part.strip() for part in given.split(",")]
    numbers = [_number(name, part) for part in parts if part]
    if "" in parts[:-1] or not numbers:
        raise click.BadParameter(f"{name}={given} must be numbers, as in {name}=1,3,64,64")
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
    raise click.BadParameter(f"{name}={text} must be numbers, N for the batch size, or FILE.npy")


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


shape_option = click.option(
    "--shape", "shapes", metavar="NAME=SIZES", multiple=True, callback=shapes_of,
    help="The shape of an input of an ONNX file that leaves it open, as in x=N,3,224,224. N is "
    "the batch axis. May be repeated.",
)  # fmt: skip

set_option = click.option(
    "--set", "numbers", metavar="NAME=NUMBERS", multiple=True, callback=values_of,
    help="The numbers of an input that decides shapes, as in sizes=1,3,448,448, or a .npy file: it "
    "is an input no more. N is the batch size, where that is open. May be repeated.",
)  # fmt: skip
