"""Partial evaluation: nodes whose inputs are known are computed while importing, with NumPy.

Shapes that a model computes for itself (Shape, Gather, Mul, Concat, Reshape, ...) vanish this way.
Elements may be integers that depend on the batch size N; Python's operators do the arithmetic.
Every size is checked against the budget before an array is made.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from graphcnn.errors import ImportModelError
from graphcnn.ir.casting import converted
from graphcnn.ir.node import Array
from graphcnn.ir.tensor_type import DType, is_open, times_n
from graphcnn.onnx.importing.context import Call, Known, UnsupportedError, imports
from graphcnn.onnx.importing.file.arrays import element_type
from graphcnn.onnx.importing.known.affine import Affine, UndecidedError, shape_array, simplified
from graphcnn.onnx.importing.known.slicing import bounds, split_sizes
from graphcnn.ops.elementwise import Pow, Quotient, Remainder

Fold = Callable[[Call, list[Any]], Any]

FOLDS: dict[str, Fold] = {}


def numpy_type(code: int) -> "np.dtype[Any]":
    return element_type(code, "the result").numpy


def folds(*names: str) -> Callable[[Fold], Fold]:
    def register(fold: Fold) -> Fold:
        FOLDS.update(dict.fromkeys(names, fold))
        return fold

    return register


def folded(call: Call) -> list[Array] | None:
    """The results of a node whose inputs are all known, None where it is not one of those.

    A tensor without elements cannot be part of a graph: what is done to one has to be known.
    """
    fold = FOLDS.get(call.op_type)
    if fold is None:
        return None
    first = call.inputs[0] if call.inputs else None
    if isinstance(first, Known) and 0 in first.array.shape and call.op_type != "Concat":
        for i in range(len(call.inputs)):
            if call.has(i):
                call.known(i, f"input {i} of {call.op_type}, whose first input is empty,")
    elif not all(i is None or isinstance(i, Known) for i in call.inputs):
        return None
    if any(isinstance(i, Known) and i.learned for i in call.inputs):
        return None
    arrays = [call.known(i, "an input") if call.has(i) else None for i in range(len(call.inputs))]
    try:
        with np.errstate(all="ignore"):
            found = fold(call, arrays)
    except UndecidedError:
        return None  # computed by the run, where the node has a rule for that
    except TypeError:
        if any(a is not None and a.dtype == object for a in arrays):
            return None  # as are functions of N that are no a·N + b
        raise
    if found is None:
        return None
    results = found if isinstance(found, list) else [found]
    return [simplified(np.asarray(r)) for r in results]


# Elementwise


def _elementwise(name: str, function: Callable[..., Any], keep: bool = True) -> None:
    @folds(name)
    def fold(call: Call, arrays: list[Any]) -> Any:
        if "broadcast" in call.attributes:
            return None  # the rule of opset 6 knows what it means
        shape = np.broadcast_shapes(*(a.shape for a in arrays))
        first = next((a for a in arrays if a.dtype != object), None)
        call.store.fold(shape, np.int64 if first is None else first.dtype)
        y = np.asarray(function(*arrays))
        if keep and first is not None and y.dtype not in (object, first.dtype):
            y = y.astype(first.dtype)
        return y


def _divide(a: Array, b: Array) -> Array:
    """Integers are cut towards 0."""
    if a.dtype.kind == "f":
        return a / b
    if object in (a.dtype, b.dtype):
        _check_divisors(b)
        real = any(isinstance(x, Affine) and x.real for x in (*a.flat, *b.flat))
        return a / b if real else a // b
    return np.asarray(Quotient().evaluate(a, b))


def _check_divisors(b: Array) -> None:
    if any(isinstance(d, int) and d == 0 for d in b.flat):
        raise ImportModelError("sizes that depend on N are divided by 0")


def _power(a: Array, b: Array) -> Array:
    """By the operator that computes it, the result of the type of the base."""
    if object in (a.dtype, b.dtype):
        if np.any(b < 0):
            raise ImportModelError("an integer to a negative power")
        return np.asarray(np.power(a, b))
    kind = DType.of(a.dtype)
    if kind.is_float or b.dtype.kind != "f":
        return np.asarray(Pow().evaluate(a, converted(b, kind)))
    real = np.power(a.astype(np.float64), b.astype(np.float64))
    return converted(real, kind)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": _divide, "Pow": _power,
    "Neg": np.negative, "Abs": np.abs, "Sign": np.sign, "Floor": np.floor, "Ceil": np.ceil,
    "Round": np.round, "Sqrt": np.sqrt, "Exp": np.exp, "Log": np.log, "Not": np.logical_not,
    "And": np.logical_and, "Or": np.logical_or, "Xor": np.logical_xor, "Reciprocal": np.reciprocal,
    "BitwiseAnd": np.bitwise_and, "BitwiseOr": np.bitwise_or, "BitwiseXor": np.bitwise_xor,
    "BitwiseNot": np.bitwise_not, "Sin": np.sin, "Cos": np.cos,
}  # fmt: skip
for _name, _function in _FUNCTIONS.items():
    _elementwise(_name, _function)

for _name, _compare in {
    "Equal": np.equal, "Less": np.less, "Greater": np.greater, "LessOrEqual": np.less_equal,
    "GreaterOrEqual": np.greater_equal,
}.items():  # fmt: skip
    _elementwise(_name, lambda a, b, f=_compare: f(a, b).astype(bool), keep=False)

_elementwise("Where", lambda c, a, b: np.where(c, a, b), keep=False)
_elementwise("Max", lambda *xs: _reduce(np.maximum, xs))
_elementwise("Min", lambda *xs: _reduce(np.minimum, xs))
_elementwise("Sum", lambda *xs: _reduce(np.add, xs))


def _reduce(function: Any, xs: tuple[Any, ...]) -> Any:
    y = xs[0]
    for x in xs[1:]:
        y = function(y, x)
    return y


@folds("Mod")
def _mod(call: Call, arrays: list[Any]) -> Any:
    a, b = arrays
    call.store.fold(np.broadcast_shapes(a.shape, b.shape), np.int64)
    truncated = bool(call.attribute("fmod", 0))
    if object in (a.dtype, b.dtype):
        _check_divisors(b)
        return np.fmod(a, b) if truncated else a % b
    return np.asarray(Remainder(truncated).evaluate(a, b))


@folds("Clip")
def _clip(call: Call, arrays: list[Any]) -> Any:
    if arrays[0].dtype == object or call.opset < 11:
        return None
    low, high = (*arrays[1:], None, None)[:2]
    x = arrays[0] if low is None else np.maximum(arrays[0], low)
    return (x if high is None else np.minimum(x, high)).astype(arrays[0].dtype)


# Shapes and parts


@imports("Shape")
def _shape(call: Call) -> Array:
    start, end = call.attribute("start", 0), call.attribute("end", None)
    return shape_array(_shape_of(call))[start:end]


@imports("Size")
def _size(call: Call) -> Array:
    sizes = shape_array(_shape_of(call))
    total: Any = 1
    for d in sizes.tolist():
        total = d * total
    return simplified(np.array(total, object if is_open(_shape_of(call)) else np.int64))


def _shape_of(call: Call) -> Any:
    operand = call.given(0)
    return operand.array.shape if isinstance(operand, Known) else operand.shape


@folds("Gather")
def _gather(call: Call, arrays: list[Any]) -> Any:
    data, indices = arrays
    axis = call.axis(call.attribute("axis", 0), data.ndim)
    size = data.shape[axis]
    check_indices(indices, size)
    shape = data.shape[:axis] + indices.shape + data.shape[axis + 1 :]
    call.store.fold(shape, np.int64 if data.dtype == object else data.dtype)
    return np.asarray(np.take(data, indices, axis))


def check_indices(indices: Array, size: int) -> None:
    """Raise unless all indices, counted from either end, lie within `size`."""
    if indices.dtype.kind not in "iu":
        raise ImportModelError(f"indices must be integers, found {indices.dtype}")
    wrong = indices[(indices < -size) | (indices >= size)]
    if wrong.size:
        raise ImportModelError(f"index {int(wrong[0])} must be from {-size} to {size - 1}")


@folds("Concat")
def _concat(call: Call, arrays: list[Any]) -> Any:
    axis = call.attribute("axis", 1)
    axis = call.axis(axis, arrays[0].ndim)
    shape = list(arrays[0].shape)
    shape[axis] = sum(a.shape[axis] for a in arrays)
    call.store.fold(shape, arrays[0].dtype if arrays[0].dtype != object else np.int64)
    return np.concatenate(arrays, axis)


@folds("Slice")
def _slice(call: Call, arrays: list[Any]) -> Any:
    data = arrays[0]
    starts, ends = call.listed("starts", 1), call.listed("ends", 2)
    axes = call.listed("axes", 3, tuple(range(len(starts))))
    steps = call.listed("steps", 4, (1,) * len(starts))
    index = [slice(None)] * data.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if not step:
            raise ImportModelError("steps must not be 0")
        axis = call.axis(axis, data.ndim)
        start, end, step = bounds(start, end, step, data.shape[axis])
        index[axis] = slice(start, end if end >= 0 else None, step)
    return data[tuple(index)]


@folds("Reshape")
def _reshape(call: Call, arrays: list[Any]) -> Any:
    target = list(call.listed("shape", 1))
    if not call.attribute("allowzero", 0):
        target = [arrays[0].shape[i] if not d else d for i, d in enumerate(target)]
    call.limits.check_shape([abs(d) for d in target], "the shape")
    return arrays[0].reshape(target)


@folds("Squeeze")
def _squeeze(call: Call, arrays: list[Any]) -> Any:
    axes = call.listed("axes", 1)
    return np.squeeze(arrays[0], None if axes is None else call.axes(axes, arrays[0].ndim))


@folds("Unsqueeze")
def _unsqueeze(call: Call, arrays: list[Any]) -> Any:
    axes = call.listed("axes", 1)
    rank = arrays[0].ndim + len(axes)
    call.limits.check_shape((1,) * rank, "the result")
    return np.expand_dims(arrays[0], call.axes(axes, rank))


@folds("Transpose")
def _transpose(call: Call, arrays: list[Any]) -> Any:
    rank = arrays[0].ndim
    perm = call.ints("perm", tuple(reversed(range(rank))), rank)
    return arrays[0].transpose(perm)


@folds("Expand")
def _expand(call: Call, arrays: list[Any]) -> Any:
    if arrays[1].dtype == object:
        return None
    target = call.numbers(1, "shape")
    call.limits.check_shape(target, "the shape")
    shape = np.broadcast_shapes(arrays[0].shape, target)
    call.store.fold(shape, arrays[0].dtype if arrays[0].dtype != object else np.int64)
    return np.broadcast_to(arrays[0], shape).copy()


@folds("Tile")
def _tile(call: Call, arrays: list[Any]) -> Any:
    if call.opset < 6:
        return None
    repeats = call.numbers(1, "repeats")
    if min(repeats, default=1) < 0 or len(repeats) != arrays[0].ndim:
        raise ImportModelError(f"repeats must be one number of at least 0 per axis: {repeats}")
    call.store.fold([d * r for d, r in zip(arrays[0].shape, repeats, strict=True)], np.int64)
    return np.tile(arrays[0], repeats)


@folds("Split")
def _split(call: Call, arrays: list[Any]) -> Any:
    axis = call.axis(call.attribute("axis", 0), arrays[0].ndim)
    sizes = split_sizes(call, arrays[0].shape[axis])
    return np.split(arrays[0], np.cumsum([*map(times_n, sizes)])[:-1].tolist(), axis)


# Tensors out of nothing. These have no other rule: what they make has to be known.


def only_known(name: str, *needed: str) -> None:
    @imports(name)
    def rule(call: Call) -> Any:
        for i, what in enumerate(needed):
            if call.has(i):
                call.known(i, f"{what} of {name}")
        results = FOLDS[name](call, [None if o is None else call.known(i, name)
                                     for i, o in enumerate(call.inputs)])  # fmt: skip
        if results is None:
            raise UnsupportedError("its result is unknown while importing")
        return results


@folds("Constant")
def _constant(call: Call, arrays: list[Any]) -> Any:
    for key, value in call.attributes.items():
        if key in ("value", "sparse_value"):
            return value
        if key in ("value_float", "value_floats"):
            return np.array(value, np.float32)
        if key in ("value_int", "value_ints"):
            return np.array(value, np.int64)
        raise UnsupportedError(f"a constant given as {key!r} is not supported")
    raise ImportModelError("attribute 'value' is missing")


@folds("ConstantOfShape")
def _constant_of_shape(call: Call, arrays: list[Any]) -> Any:
    fill = np.asarray(call.attribute("value", np.zeros(1, np.float32)))
    if fill.size != 1:
        raise ImportModelError(f"attribute 'value' must be one number, found shape {fill.shape}")
    if arrays[0].dtype == object:
        return None
    shape = call.numbers(0, "shape")
    call.store.fold(shape, fill.dtype)
    return np.full(shape, fill.reshape(()))


@folds("Range")
def _range(call: Call, arrays: list[Any]) -> Any:
    if any(a.dtype == object for a in arrays):
        return None
    start, limit, step = (a.reshape(()).item() for a in arrays)
    if not step:
        raise ImportModelError("delta of Range must not be 0")
    count = max(0, -(-(limit - start) // step))
    call.store.fold((int(count),), arrays[0].dtype)
    return (start + np.arange(int(count)) * step).astype(arrays[0].dtype)


@imports("EyeLike")
def _eye_like(call: Call) -> Array:
    shape = _shape_of(call)
    if is_open(shape) or len(shape) != 2:
        raise UnsupportedError(f"the shape must be two numbers, found {shape}")
    rows, columns = shape
    x = call.given(0)
    own = x.array.dtype if isinstance(x, Known) else x.dtype.numpy
    dtype = numpy_type(call.attributes["dtype"]) if "dtype" in call.attributes else own
    call.store.fold((rows, columns), dtype)
    return np.eye(rows, columns, call.attribute("k", 0), dtype)


@folds("NonZero")
def _non_zero(call: Call, arrays: list[Any]) -> Any:
    return np.array(np.nonzero(arrays[0]), np.int64).reshape(arrays[0].ndim, -1)


only_known("Constant")
only_known("NonZero", "the input")
