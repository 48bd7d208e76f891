"""Random numbers of ONNX: RandomNormal, RandomUniform, their Like forms, Bernoulli, Multinomial.

ONNX says how the numbers are distributed, and each runtime draws others. Here they come from the
counter-based generator of `graphcnn.ir.philox`: the same in every run, on every machine, with any
number of threads. Nodes of equal `seed` draw from one stream, as they do in ONNX Runtime; a node
without one has a stream of its own. In training each step draws anew (`training_mode`).
"""

from typing import Any

import numpy as np

from graphcnn.errors import ImportModelError
from graphcnn.ir.node import Value, constant_of
from graphcnn.ir.tensor_type import Dim, DType, Shape
from graphcnn.onnx.importing.context import (
    Call,
    Known,
    cast_to,
    imports,
    reshaped,
)
from graphcnn.onnx.importing.file.arrays import element_type
from graphcnn.onnx.importing.rules.scatter import size_of
from graphcnn.ops.elementwise import Exp, Log, Maximum
from graphcnn.ops.random import normal_of_uniform, uniform_of_model
from graphcnn.ops.reduce import ArgMax, Max


def uniform(call: Call, shape: Shape, dtype: DType) -> Value:
    """Numbers in [0, 1), float64 where the node has these, else float32."""
    call.limits.check_shape(shape, "the random numbers")
    stream, seed = 0, 0
    if "seed" in call.attributes:
        seed = int(np.float32(call.attributes["seed"]).view(np.int32))
    else:
        call.store.streams += 1
        stream = call.store.streams
    return uniform_of_model(shape, seed, stream, dtype)


def _shape(call: Call) -> Shape:
    sizes = call.ints("shape", ())
    if "shape" not in call.attributes or min(sizes, default=1) < 1:
        raise ImportModelError(f"attribute 'shape' = {sizes} must have sizes of at least 1")
    return sizes


def _shape_of(call: Call) -> tuple[Shape, DType | None]:
    """Of the first input, whose numbers do not matter, and its type, if it is one of ours."""
    like = call.given(0)
    if isinstance(like, Known):
        known: dict[Any, DType] = {d.numpy: d for d in DType}
        sizes: tuple[Dim, ...] = like.array.shape
        return sizes, known.get(like.array.dtype)
    return like.shape, like.dtype


def _type(call: Call, default: DType | None) -> DType:
    """The element type that is asked for: a float one."""
    found = default
    if "dtype" in call.attributes:
        found = element_type(call.attributes["dtype"], "the result")
    if found is None or not found.is_float:
        raise ImportModelError(f"attribute 'dtype' must be a float type, found {found}")
    return found


def _spread(call: Call, shape: Shape, dtype: DType, normal: bool) -> Value:
    if normal:
        base, factor = call.attribute("mean", 0.0), call.attribute("scale", 1.0)
        x = normal_of_uniform(uniform(call, (2, *shape), dtype))
    else:
        base = call.attribute("low", 0.0)
        factor = call.attribute("high", 1.0) - base
        x = uniform(call, shape, dtype)
    x = x if factor == 1.0 else x * float(factor)
    return cast_to(x if base == 0.0 else x + float(base), dtype)


@imports("RandomNormal", "RandomUniform")
def random(call: Call) -> Value:
    dtype = _type(call, DType.FLOAT32)
    return _spread(call, _shape(call), dtype, call.op_type == "RandomNormal")


@imports("RandomNormalLike", "RandomUniformLike")
def random_like(call: Call) -> Value:
    shape, own = _shape_of(call)
    return _spread(call, shape, _type(call, own), call.op_type == "RandomNormalLike")


@imports("Bernoulli")
def bernoulli(call: Call) -> Value:
    """1 with the probability that x is, else 0."""
    x = call.value(0)
    dtype = x.dtype
    if "dtype" in call.attributes:
        dtype = element_type(call.attributes["dtype"], "the result")
    u = uniform(call, x.shape, x.dtype)
    return cast_to(u < cast_to(x, u.dtype), dtype)


@imports("Multinomial")
def multinomial(call: Call) -> Value:
    """Classes drawn by unnormalised logarithms of their probabilities (N, C).

    The largest p / e wins, where e = -log u: of clocks that ring at the rates p, the first one.
    """
    x, count = call.value(0), call.attribute("sample_size", 1)
    dtype = element_type(call.attribute("dtype", 6), "the result")
    if x.type.rank != 2 or not x.dtype.is_float or count < 1:
        raise ImportModelError(f"expected logarithms (N, C) and samples, found {x.type}, {count}")
    n, classes = x.shape[0], size_of(x, 1)
    u = uniform(call, (n, count, classes), x.dtype)
    x = cast_to(x, u.dtype)
    p = reshaped(Exp()(x - Max((1,), True)(x)), (n, 1, classes))
    waits = -Log()(Maximum()(u, constant_of(2.0**-25, u.dtype)))
    return cast_to(ArgMax(2)(p / waits), dtype)
