"""Matrix products, normalisations, reductions, softmax and losses of ONNX in our operators."""

from collections.abc import Callable
from typing import Any

from graphcnn.errors import ImportModelError
from graphcnn.ir.node import Value, constant_of
from graphcnn.ir.sources import Role
from graphcnn.ir.tensor_type import DType, is_open, known_size
from graphcnn.onnx.importing.context import (
    Call,
    Known,
    UnsupportedError,
    cast_to,
    imports,
    reshaped,
)
from graphcnn.onnx.importing.rules.reduce import mirrored
from graphcnn.ops.broadcast import BroadcastTo, Sum
from graphcnn.ops.comparison import Equal
from graphcnn.ops.dense import Dense, MatMul
from graphcnn.ops.elementwise import Abs, Pow, Sqrt
from graphcnn.ops.loss import CrossEntropy
from graphcnn.ops.norm import BatchNorm, BatchNormTrain, GroupNorm, LayerNorm
from graphcnn.ops.pool import AvgPool2d
from graphcnn.ops.reduce import ArgMax, Mean
from graphcnn.ops.shape import OneHot, Transpose
from graphcnn.ops.softmax import LogSoftmax, Softmax


@imports("Gemm")
def gemm(call: Call) -> Value:
    """alpha · A · B + beta · C. A dense layer where B is transposed and the factors are 1."""
    a, b = call.value(0), call.value(1)
    alpha, beta = call.attribute("alpha", 1.0), call.attribute("beta", 1.0)
    ta, tb = bool(call.attribute("transA", 0)), bool(call.attribute("transB", 0))
    if a.type.rank != 2 or b.type.rank != 2:
        raise ImportModelError(f"A {a.type} and B {b.type} must be matrices")
    c = call.value(2) if call.has(2) else None
    units = b.shape[0 if tb else 1]
    plain = c is None or (c.shape == (units,) and beta == 1.0)
    if tb and not ta and alpha == 1.0 and plain and b.type.is_bound:
        return Dense()(a, b, *(() if c is None else (c,)))
    y = MatMul(ta, tb)(a, b)
    y = y if alpha == 1.0 else y * alpha
    if c is None or beta == 0.0:
        return y
    return y + (c if beta == 1.0 else c * beta)


@imports("MatMul")
def matmul(call: Call) -> Value:
    """Vectors become matrices of one row or one column for the product."""
    a, b = call.value(0), call.value(1)
    if not a.type.rank or not b.type.rank:
        raise ImportModelError(f"a {a.type} and b {b.type} must have axes")
    row, column = a.type.rank == 1, b.type.rank == 1
    a = reshaped(a, (1, *a.shape)) if row else a
    b = reshaped(b, (*b.shape, 1)) if column else b
    y = matrix_product(call, a, b)
    rows, columns = y.shape[-2:-1], y.shape[-1:]
    return reshaped(y, (*y.shape[:-2], *(() if row else rows), *(() if column else columns)))


def matrix_product(call: Call, a: Value, b: Value) -> Value:
    """a · b of floats; of integers, all products (..., i, k, j), and their sums along k, which
    wrap around as integers do."""
    if a.dtype.is_float or a.dtype is not b.dtype:
        return MatMul()(a, b)
    products = reshaped(a, (*a.shape, 1)) * reshaped(b, (*b.shape[:-2], 1, *b.shape[-2:]))
    call.limits.check_shape(products.shape, "all products of two matrices of integers")
    return Sum((products.type.rank - 2,))(products)


# Normalisation


def _per_channel(v: Value, x: Value) -> Value:
    """(C) as (C, 1, 1), to be broadcast over the pixels of x."""
    return reshaped(v, (*v.shape, *(1,) * (x.type.rank - 2)))


@imports("BatchNormalization")
def batch_normalization(call: Call) -> Value | list[Value]:
    """Training mode gives the running statistics too, with the population's variance. Before
    opset 14 it is what a node means that names more than one result."""
    x, gamma, beta = call.value(0), call.value(1), call.value(2)
    mean, variance = call.value(3, Role.STATISTIC), call.value(4, Role.STATISTIC)
    epsilon, momentum = call.attribute("epsilon", 1e-5), call.attribute("momentum", 0.9)
    shape, rank = x.shape, x.type.rank
    pixels = call.attribute("spatial", 1) == 0 and rank > 2
    old = call.opset < 14 and call.named > 1 and not call.attribute("is_test", 0)
    training = old or bool(call.attribute("training_mode", 0))
    if old and call.wanted > 1:
        raise UnsupportedError("statistics of the batch as outputs of batch normalisation")
    if pixels and training:
        raise UnsupportedError("attribute 'spatial' = 0 in training mode")
    if pixels or not (epsilon or training):
        return _scaled(x, (gamma, beta, mean, variance), epsilon, pixels)
    if rank not in (2, 4):
        if rank < 2 or is_open(shape[1:]):
            raise UnsupportedError(f"x must be (N, C, ...), found {x.type}")
        x = reshaped(x, (*shape[:2], 1, known_size(shape[2:])))
    if training:
        y, m, v = BatchNormTrain(epsilon)(x, gamma, beta).node.outputs
        rest = [old * momentum + new * (1 - momentum) for old, new in ((mean, m), (variance, v))]
        return [reshaped(y, shape), *rest]
    op = BatchNorm(epsilon, round(1.0 - momentum, 12))
    return reshaped(op(x, gamma, beta, mean, variance), shape)


def _scaled(x: Value, numbers: tuple[Value, ...], epsilon: float, pixels: bool) -> Value:
    """gamma · (x - mean) / sqrt(variance + epsilon) + beta written out, for what our operator has
    not: statistics of every pixel, (C, H, W), and an epsilon of 0."""
    each = numbers if pixels else [_per_channel(v, x) for v in numbers]
    gamma, beta, mean, variance = each
    return gamma * (x - mean) / Sqrt()(variance + epsilon) + beta


def _normalised(x: Value, axes: tuple[int, ...], epsilon: float) -> tuple[Value, Value, Value]:
    """(x - mean) / sqrt(variance + epsilon) over `axes`, the mean, and 1 / the root."""
    mean = Mean(axes, True)(x)
    centred = x - mean
    variance = Mean(axes, True)(centred * centred)
    root = Sqrt()(variance + epsilon)
    return centred / root, mean, 1.0 / root


@imports("InstanceNormalization")
def instance_normalization(call: Call) -> Value:
    x, epsilon = call.value(0), call.attribute("epsilon", 1e-5)
    if x.type.rank > 1 and not is_open(x.shape[1:]) and epsilon > 0:
        return GroupNorm(known_size(x.shape[1:2]), epsilon)(x, call.value(1), call.value(2))
    y, *_ = _normalised(x, tuple(range(2, x.type.rank)), epsilon)
    return y * _per_channel(call.value(1), x) + _per_channel(call.value(2), x)


@imports("LayerNormalization")
def layer_normalization(call: Call) -> list[Value]:
    """Written out where the statistics are read, too, and where our operator would do more or less
    than that: of other types, of scales that broadcast, and with an epsilon of 0."""
    x, gamma = call.value(0), _shift(call, 1)
    beta = _shift(call, 2) if call.has(2) else None
    axis = call.axis(call.attribute("axis", -1), x.type.rank)
    if call.attribute("stash_type", 1) != 1:
        raise UnsupportedError("attribute 'stash_type' other than 1")
    epsilon, sizes = call.attribute("epsilon", 1e-5), x.shape[axis:]
    wide = cast_to(x, DType.FLOAT32)
    axes = tuple(range(axis, x.type.rank))
    fits = gamma.shape == sizes and (beta is None or beta.shape == sizes) and not is_open(sizes)
    if wide is x and fits and epsilon > 0 and call.wanted < 2:
        zeros = BroadcastTo(sizes)(call.like(0, x)) if beta is None else beta
        return [LayerNorm(axes, epsilon)(x, gamma, zeros)]
    y, mean, inverse = _normalised(wide, axes, epsilon)
    y = cast_to(y, x.dtype) * gamma
    y = y if beta is None else y + beta
    return [y, mean, inverse][: max(1, call.wanted)]


def _shift(call: Call, index: int) -> Value:
    """A scale or shift, which weight decay leaves alone however many axes it has; that of a single
    axis needs no mark."""
    given = call.given(index)
    return call.value(index, decays=isinstance(given, Known) and given.array.ndim < 2)


@imports("GroupNormalization")
def group_normalization(call: Call) -> Value:
    """Scale and bias are one per group until opset 21, then one per channel."""
    x, scale, bias = (call.value(i) for i in range(3))
    groups, epsilon = call.attribute("num_groups", 0), call.attribute("epsilon", 1e-5)
    n, c, *pixels = x.shape
    if is_open((c, *pixels)) or groups < 1 or int(c) % groups:  # type: ignore[arg-type]
        raise ImportModelError(f"num_groups {groups} must divide the channels of {x.type}")
    per_group = int(c) // groups  # type: ignore[arg-type]
    grouped = reshaped(x, (n, groups, per_group * known_size(tuple(pixels))))
    if scale.shape == bias.shape == (c,) and epsilon > 0:
        return GroupNorm(groups, epsilon)(x, scale, bias)
    y, *_ = _normalised(grouped, (2,), epsilon)
    if scale.shape == (groups,) and groups != c:
        y = y * reshaped(scale, (groups, 1)) + reshaped(bias, (groups, 1))
        return reshaped(y, x.shape)
    return reshaped(y, x.shape) * _per_channel(scale, x) + _per_channel(bias, x)


@imports("LRN")
def lrn(call: Call) -> Value:
    """x / (bias + alpha / size · sum of x² over `size` channels)^beta.

    The sum is an average pool over the channels, taken as the height of an image.
    """
    x, size = call.value(0), call.attribute("size", 0)
    n, c, *pixels = x.shape
    if not 1 <= size <= call.limits.window or is_open((c, *pixels)):
        raise ImportModelError(f"attribute 'size' = {size} must be at least 1, x of known sizes")
    image = reshaped(x * x, (n, 1, c, known_size(tuple(pixels))))
    sides = ((size - 1) // 2, size // 2, 0, 0)
    mean = AvgPool2d((size, 1), padding=sides, count_include_pad=True)(image)
    base = mean * call.attribute("alpha", 1e-4) + call.attribute("bias", 1.0)
    root = Pow()(base, call.like(call.attribute("beta", 0.75), base))
    return x / reshaped(root, x.shape)


@imports("LpNormalization")
def lp_normalization(call: Call) -> Value:
    x, p = call.value(0), call.attribute("p", 2)
    axis = call.axis(call.attribute("axis", -1), x.type.rank)
    if p == 1:
        norm = Sum((axis,), True)(Abs()(x))
    else:
        norm = Sqrt()(Sum((axis,), True)(x * x))
    zero = call.like(0, x)
    from graphcnn.ops.comparison import Where

    return Where()(Equal()(norm, zero), zero, x / norm)


def short(number: float, dtype: DType) -> float:
    """The shortest decimal that is this number in `dtype`."""
    return float(str(dtype.numpy.type(number)))


# Softmax


@imports("Softmax")
def softmax(call: Call) -> Value:
    return _softmax(call, Softmax)


@imports("LogSoftmax")
def log_softmax(call: Call) -> Value:
    return _softmax(call, LogSoftmax)


@imports("Hardmax")
def hardmax(call: Call) -> Value:
    return _softmax(call, None)


def _softmax(call: Call, op: Any) -> Value:
    """Along one axis from opset 13 on; before, over all axes from `axis` on as one."""
    x = call.value(0)
    rank = x.type.rank
    axis = call.axis(call.attribute("axis", -1 if call.opset >= 13 else 1), max(rank, 1))
    make: Callable[[int], Callable[[Value], Value]] = op or _hard
    if call.opset >= 13 or all(d == 1 for d in x.shape[axis + 1 :]):
        return make(axis)(x)
    if is_open(x.shape[axis:]):
        raise UnsupportedError(f"softmax over the batch axis of {x.type}")
    flat = reshaped(x, (*x.shape[:axis], known_size(x.shape[axis:])))
    return reshaped(make(axis)(flat), x.shape)


def _hard(axis: int) -> Callable[[Value], Value]:
    def hard(x: Value) -> Value:
        rank, size = x.type.rank, x.shape[axis]
        if not isinstance(size, int):
            raise UnsupportedError(f"hardmax over the batch axis of {x.type}")
        hot = OneHot(size, x.dtype)(ArgMax(axis)(x))
        perm = (*range(axis), rank - 1, *range(axis, rank - 1))
        return hot if axis == rank - 1 else Transpose(perm)(hot)

    return hard


# Positions of extremes


@imports("ArgMax")
def arg_max(call: Call) -> Value:
    return _arg(call, call.value(0))


@imports("ArgMin")
def arg_min(call: Call) -> Value:
    return _arg(call, mirrored(call.value(0)))


def _arg(call: Call, x: Value) -> Value:
    """The last of equal ones is the first from behind."""
    axis = call.axis(call.attribute("axis", 0), x.type.rank)
    keep = bool(call.attribute("keepdims", 1))
    if not call.attribute("select_last_index", 0):
        return ArgMax(axis, keep)(x)
    import numpy as np

    from graphcnn.onnx.importing.rules.parts import take

    size = x.shape[axis]
    if not isinstance(size, int):
        raise UnsupportedError(f"the last maximum along the batch axis of {x.type}")
    behind = take(call, x, axis, np.arange(size)[::-1])
    return constant_of(size - 1, DType.INT64) - ArgMax(axis, keep)(behind)


# Losses


@imports("SoftmaxCrossEntropyLoss")
def softmax_cross_entropy(call: Call) -> list[Value]:
    """The mean over a batch of vectors; other reductions and weights are written out by ONNX."""
    x, labels = call.value(0), call.value(1)
    plain = not call.has(2) and "ignore_index" not in call.attributes
    if x.type.rank != 2 or not plain or call.attribute("reduction", "mean") != "mean":
        raise UnsupportedError("a loss with weights, ignored labels, or another reduction")
    loss = CrossEntropy()(x, cast_to(labels, DType.INT64))
    return [loss, LogSoftmax(1)(x)][: max(1, call.wanted)]
