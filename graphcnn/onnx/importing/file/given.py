"""What a caller says of the inputs of a model: their shapes, or the numbers that they hold.

A tuple or a list is a shape. An array or a number is a value: the input becomes a constant, and is
no input any more. So sizes that a model is told when it runs can decide shapes here, where all
shapes are known before.
"""

from collections.abc import Mapping, Sequence
from shlex import quote
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto

from graphcnn.errors import ImportModelError
from graphcnn.ir.node import Array
from graphcnn.ir.tensor_type import DType, N, TensorType
from graphcnn.onnx.importing.file.arrays import element_type, sizes_of
from graphcnn.onnx.importing.known.affine import Affine

#: Shapes and values by the name of the input.
Inputs = Mapping[str, Any]


def given_inputs(
    model: ModelProto, inputs: Inputs | None
) -> tuple[dict[str, Sequence[Any]], dict[str, Array]]:
    """The shapes, and the values in the types that the model declares.

    The value of an initializer, which is the default of an input or not, takes its place in
    `model`. Raises `ImportModelError` for a name that there is not, and for a value of another
    type or shape.
    """
    stored = {t.name: t for t in model.graph.initializer}
    sparse = {t.values.name: t for t in model.graph.sparse_initializer}
    declared = {v.name: v for v in model.graph.input}
    shapes: dict[str, Sequence[Any]] = {}
    values: dict[str, Array] = {}
    for name, given in (inputs or {}).items():
        if isinstance(given, tuple | list):
            if name in declared:
                _refuse_numbers(name, given, declared[name])
            shapes[name] = given
        elif name in stored:
            tensor = stored[name]
            sizes = tuple(tensor.dims)
            if name in declared:
                sizes = _declared_sizes(declared[name])
            array = _value(name, given, tensor.data_type, sizes)
            if array.dtype == object:
                raise ImportModelError(f"the value of initializer {name!r} must be numbers, not N")
            tensor.CopyFrom(onnx.numpy_helper.from_array(array, name))
        elif name in sparse and name not in declared:
            array = _value(name, given, sparse[name].values.data_type, tuple(sparse[name].dims))
            model.graph.sparse_initializer.remove(sparse[name])
            model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
        elif name in declared:
            tensor = declared[name].type.tensor_type
            values[name] = _value(name, given, tensor.elem_type, _declared_sizes(declared[name]))
        else:
            known = ", ".join(k for k in declared if k not in stored) or "none"
            raise ImportModelError(f"the model has no input {name!r}; it has {known}")
    return shapes, values


def _refuse_numbers(name: str, given: Sequence[Any], info: onnx.ValueInfoProto) -> None:
    """Raise where a shape is given for a list of integers, whose numbers it may well be."""
    tensor, sizes = info.type.tensor_type, _declared_sizes(info)
    whole = tensor.elem_type in (onnx.TensorProto.INT64, onnx.TensorProto.INT32)
    if whole and sizes is not None and len(sizes) < 2 and len(given) != len(sizes):
        numbers = ", ".join(map(str, given))
        axes = "axis" if len(sizes) == 1 else "axes"
        raise ImportModelError(
            f"input {name!r} has {len(sizes)} {axes}, found the shape {_in_brackets(given)}; "
            f"numbers are given as an array: inputs={{{name!r}: np.array([{numbers}])}}"
        )


def _in_brackets(sizes: Sequence[Any]) -> str:
    text = ", ".join("?" if d is None else str(d) for d in sizes)
    return f"({text},)" if len(sizes) == 1 else f"({text})"


def _declared_sizes(info: onnx.ValueInfoProto) -> Any:
    tensor = info.type.tensor_type
    return sizes_of(tensor) if tensor.HasField("shape") else None


def _value(name: str, given: Any, code: int, sizes: Sequence[int | None] | None) -> Array:
    what = f"the value of input {name!r}"
    dtype, array = element_type(code, what), np.asarray(given)
    array = _symbolic(what, array, dtype) if array.dtype.kind in "OU" else array
    if array.dtype != object:
        array = _converted(what, array, dtype)
    if sizes is None:
        return array
    if array.size == 1 and min(array.ndim, len(sizes)) == 0:  # one number, with or without an axis
        array = array.reshape((1,) * len(sizes))
    fits = array.ndim == len(sizes) and all(
        d in (None, found) for d, found in zip(sizes, array.shape, strict=True)
    )
    if not fits:
        hint = ""
        if array.ndim == 1 and len(array) == len(sizes):
            shape = tuple(np.asarray(given).tolist())
            hint = f"; a shape is a tuple: inputs={{{name!r}: {_in_brackets(shape)}}}"
        raise ImportModelError(
            f"{what} must have the shape {_in_brackets(sizes)}, found "
            f"{_in_brackets(array.shape)}{hint}"
        )
    return array


def _symbolic(what: str, array: Array, dtype: DType) -> Array:
    """Numbers among which N stands for the batch size."""
    found = np.empty(array.shape, object)
    for place, x in np.ndenumerate(array):
        if x in (N, "N"):
            found[place] = Affine(1)
        elif isinstance(x, int | np.integer) or (isinstance(x, str) and x.isdecimal()):
            found[place] = int(x)
        else:
            raise ImportModelError(f"{what} must be numbers, found {str(x)!r}")
    if dtype is not DType.INT64:
        raise ImportModelError(f"{what} is {dtype}, in which N cannot stand, only in i64")
    return found


def _converted(what: str, array: Array, dtype: DType) -> Array:
    """The same numbers in another type; floats are rounded to it."""
    if array.dtype.kind not in "biuf" and array.dtype != dtype.numpy:
        raise ImportModelError(f"{what} must be {dtype}, found {array.dtype}")
    with np.errstate(all="ignore"):
        same = array.astype(dtype.numpy)
        exact = dtype.is_float or bool(np.all(same == array))
    if not exact:
        found = ", ".join(map(str, array.ravel().tolist()[:8]))
        raise ImportModelError(f"{what} must be numbers of the type {dtype}, found {found}")
    return same


def is_settable(kind: TensorType) -> bool:
    """Whether an input may hold numbers about shapes: one, or a list of them, for all items."""
    return kind.is_bound and kind.rank <= 1


def needed(what: str, inputs: Mapping[str, TensorType]) -> str:
    """What is said where `what` depends on these inputs of a model, and what to write."""
    text = f"{what} must be known while importing, but"
    if not inputs:
        return f"{text} depends on the batch size: give it, as in inputs={{name: (1, ...)}}"
    one = "" if len(inputs) == 1 else "s"
    names = " and ".join(f"{name!r} {kind}" for name, kind in inputs.items())
    if not all(map(is_settable, inputs.values())):
        return (
            f"{text} depends on the numbers of the input{one} {names}: shapes that the data "
            "decide are not supported"
        )
    python = ", ".join(f"{name!r}: {_example(kind)[0]}" for name, kind in inputs.items())
    options = " ".join(f"--set {quote(name)}={_example(kind)[1]}" for name, kind in inputs.items())
    return (
        f"{text} depends on the input{one} {names}: give its numbers by inputs={{{python}}}, or "
        f"{options} on the command line"
    )


def _example(kind: TensorType) -> tuple[str, str]:
    """How the value of an input of at most one axis is written, in Python and in a command."""
    if not kind.rank:
        return ("True", "true") if kind.dtype is DType.BOOL else ("n", "n")
    count = int(kind.shape[0])  # type: ignore[arg-type]
    numbers = [f"n{i + 1}" for i in range(count)] if count <= 8 else ["n1", "...", f"n{count}"]
    return f"np.array([{', '.join(numbers)}])", ",".join(numbers)
