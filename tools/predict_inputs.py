"""What `graphcnn predict` feeds: pictures, or arrays for models that take something else."""

from pathlib import Path
from typing import Any

import numpy as np

from graphcnn.errors import DataError
from graphcnn.ir.batch import items
from graphcnn.ir.item_places import count_items, fed_items
from graphcnn.ir.node import Array, Value
from graphcnn.ir.tensor_type import format_shape, is_open
from graphcnn.model import Model
from graphcnn.tools.pictures import read_array, read_picture


def read_inputs(model: Model, words: tuple[str, ...], resize: bool) -> tuple[Any, list[str]]:
    """What to predict, and a name for every item.

    Args:
        words: files of pictures or arrays for the one input of a model; NAME=FILE.npy for each
            input of a model that has several; nothing for a model without inputs.
    """
    inputs = model.graph.inputs
    if not inputs:
        if words:
            raise DataError(f"{model.name} has no inputs, found {words[0]}")
        return None, []
    if len(inputs) > 1:
        return _by_name(model, words)
    if not words:
        raise DataError(f"{model.name} needs a file for its input {_named(inputs[0])}")
    paths = tuple(map(Path, words))
    if len(inputs[0].shape) == 4 and not is_open(inputs[0].shape[1:]):
        return _images(model, paths, resize)
    return _arrays(inputs[0], paths)


def _images(model: Model, paths: tuple[Path, ...], resize: bool) -> tuple[Array, list[str]]:
    """All images as one array."""
    names: list[str] = []
    arrays: list[Array] = []
    for path in paths:
        found = read_picture(path, model.graph.inputs[0].shape, resize)
        names += _items(path, len(found))
        arrays.append(found)
    if len({a.dtype for a in arrays}) > 1:
        arrays = [a if a.dtype.kind == "f" else a / np.float32(255) for a in arrays]
    return np.concatenate(arrays), names


def _arrays(value: Value, paths: tuple[Path, ...]) -> tuple[Array, list[str]]:
    """Arrays of the input's type, joined along its axis N; one item may come without it."""
    shape, place = value.shape, fed_items(value.type)
    if place is None and len(shape) > 1:
        place = items(0)  # of a batch whose size is a number
    if place is None:
        if len(paths) > 1:
            raise DataError(
                f"the input {_named(value)} has no batch axis N, so it takes one file, found "
                f"{len(paths)}"
            )
        return _read(paths[0], value), []
    axis = place.axis
    names: list[str] = []
    arrays: list[Array] = []
    for path in paths:
        found = _read(path, value)
        found = np.expand_dims(found, axis) if found.ndim == len(shape) - 1 else found
        sizes = [found.shape[a] == d or a == axis for a, d in enumerate(shape[: found.ndim])]
        if found.ndim != len(shape) or not all(sizes):
            wanted = format_shape(shape).replace("N", "n")
            raise DataError(
                f"{path} holds an array of shape {found.shape}; the input {_named(value)} takes "
                f"{wanted}"
            )
        names += _items(path, count_items(found.shape, place))
        arrays.append(found)
    return np.concatenate(arrays, axis), names


def _by_name(model: Model, words: tuple[str, ...]) -> tuple[dict[str, Array], list[str]]:
    """An array for every input, by name."""
    values = {v.node.name: v for v in model.graph.inputs}
    feeds: dict[str, Array] = {}
    for word in words:
        name, equals, file = word.partition("=")
        if not equals or name not in values:
            wanted = " ".join(f"{each}=FILE.npy" for each in values)
            raise DataError(f"{model.name} has several inputs: give {wanted}, found {word!r}")
        feeds[name] = _read(Path(file), values[name])
    counts = [
        count_items(feeds[k].shape, place)
        for k, v in values.items()
        if k in feeds and (place := fed_items(v.type)) and feeds[k].ndim > place.axis
    ]
    return feeds, [f"item {i}" for i in range(counts[0] if counts else 0)]


def _read(path: Path, value: Value) -> Array:
    if path.suffix.lower() != ".npy":
        raise DataError(f"{path}: the input {_named(value)} takes no pictures but .npy arrays")
    return read_array(path)


def _named(value: Value) -> str:
    return f"{value.node.name!r} ({value.type})"


def _items(path: Path, count: int) -> list[str]:
    return [str(path)] if count == 1 else [f"{path}[{i}]" for i in range(count)]
