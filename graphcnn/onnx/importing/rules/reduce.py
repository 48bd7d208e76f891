"""Reductions of ONNX in our operators; of tensors without elements, while importing."""

from collections.abc import Callable
from typing import Any

import numpy as np

from graphcnn.ir.casting import range_of
from graphcnn.ir.node import Value, constant_of
from graphcnn.ir.tensor_type import DType
from graphcnn.onnx.importing.context import NUMPY_TYPES, Call, cast_to, imports, reshaped
from graphcnn.onnx.importing.known.fold import folds
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.elementwise import Abs, Exp, Log, Sqrt
from graphcnn.ops.reduce import Max, Mean, Prod

#: Reduces a value by an operator over the axes of the node.
Over = Callable[[Any, Value], Value]


def _axes(call: Call, rank: int) -> tuple[int, ...] | None:
    """The axes, by default all; None where none means that nothing is reduced."""
    axes = call.listed("axes", 1)
    if not axes:
        if call.attribute("noop_with_empty_axes", 0):
            return None
        axes = range(rank)
    return call.axes(tuple(axes), rank)


def _reduction(
    name: str,
    function: Callable[[Value, Over], Value],
    of_all: bool = False,
    whole: bool = True,
) -> None:
    """`of_all`: the function is applied even where nothing is reduced. Unless it is `whole`, what
    it gives for integers is no integer: it is computed in float64 and cut towards 0."""

    @imports(name)
    def rule(call: Call) -> Value:
        x = call.value(0)
        axes, kind = _axes(call, x.type.rank), x.dtype
        if not (whole or kind.is_float or kind is DType.BOOL):
            x = cast_to(x, DType.FLOAT64)
        if axes is None:
            return cast_to(function(x, lambda op, v: v) if of_all else x, kind)
        keep = bool(call.attribute("keepdims", 1))
        if x.dtype is DType.BOOL:
            numbers = function(cast_to(x, DType.UINT8), lambda op, v: op(axes, keep)(v))
            return cast_to(numbers, DType.BOOL)
        return cast_to(function(x, lambda op, v: op(axes, keep)(v) if axes else v), kind)


def mirrored(x: Value) -> Value:
    """The numbers in the opposite order: -x, but for integers one that cannot overflow."""
    if x.dtype.is_float:
        return -x
    return constant_of(range_of(x.dtype)[1] if x.dtype.is_unsigned else -1, x.dtype) - x


def _smallest(x: Value, over: Over) -> Value:
    return mirrored(over(Max, mirrored(x)))


_reduction("ReduceSum", lambda x, over: over(Sum, x))
_reduction("ReduceMean", lambda x, over: over(Mean, x), whole=False)
_reduction("ReduceProd", lambda x, over: over(Prod, x))
_reduction("ReduceMax", lambda x, over: over(Max, x))
_reduction("ReduceMin", _smallest)
_reduction("ReduceL1", lambda x, over: over(Sum, Abs()(x)), True)
_reduction("ReduceL2", lambda x, over: Sqrt()(over(Sum, x * x)), True, whole=False)
_reduction("ReduceSumSquare", lambda x, over: over(Sum, x * x), True)
_reduction("ReduceLogSum", lambda x, over: Log()(over(Sum, x)), True, whole=False)


@imports("ReduceLogSumExp")
def reduce_log_sum_exp(call: Call) -> Value:
    """m + log(sum of e^(x - m)) with m the maximum."""
    x = call.value(0)
    axes = _axes(call, x.type.rank)
    if axes is None:
        return x
    largest = Max(axes, True)(x)
    y = Log()(Sum(axes, True)(Exp()(x - largest))) + largest
    if call.attribute("keepdims", 1):
        return y
    return reshaped(y, tuple(d for a, d in enumerate(y.shape) if a not in axes))


# Known numbers


def _folding(name: str, function: Callable[..., Any], of_all: bool = False) -> None:
    @folds(name)
    def fold(call: Call, arrays: list[Any]) -> Any:
        x = arrays[0]
        axes = _axes(call, x.ndim)
        if axes is None:
            return None if of_all else x
        y = function(x, axis=axes, keepdims=bool(call.attribute("keepdims", 1)))
        return y if x.dtype == object else np.asarray(y).astype(x.dtype)


def _extreme(function: Any, sign: int) -> Callable[..., Any]:
    """The extreme of no numbers is the least (largest) one of the type."""

    def extreme(x: Any, **options: Any) -> Any:
        if x.size:
            return function(x, **options)
        if x.dtype == bool:
            return function(x, initial=sign < 0, **options)
        of_floats = NUMPY_TYPES[x.dtype].is_float
        limit = -sign * np.inf if of_floats else range_of(NUMPY_TYPES[x.dtype])[sign < 0]
        return function(x, initial=limit, **options)

    return extreme


_PLAIN: dict[str, Callable[..., Any]] = {
    "ReduceSum": np.sum, "ReduceProd": np.prod, "ReduceMean": np.mean,
    "ReduceMax": _extreme(np.max, 1), "ReduceMin": _extreme(np.min, -1),
}  # fmt: skip
for _name, _function in _PLAIN.items():
    _folding(_name, _function)
_MORE: dict[str, Callable[..., Any]] = {
    "ReduceL1": lambda x, **to: np.sum(np.abs(x), **to),
    "ReduceL2": lambda x, **to: np.sqrt(np.sum(x * x, **to)),
    "ReduceSumSquare": lambda x, **to: np.sum(x * x, **to),
    "ReduceLogSum": lambda x, **to: np.log(np.sum(x, **to)),
    "ReduceLogSumExp": lambda x, **to: np.log(np.sum(np.exp(x), **to)),
}
for _name, _sum in _MORE.items():
    _folding(_name, _sum, True)
