"""Randomness, as a pure function of a seed and a step. See `graphcnn.ir.philox`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import ml_dtypes
import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.batch import Batches, Rule, Types, mixed
from graphcnn.ir.node import Array, Node, Op, Value, constant_of
from graphcnn.ir.philox import uniform
from graphcnn.ir.tensor_type import DType, Shape, TensorType, known_size
from graphcnn.ops.elementwise import Log, Sqrt
from graphcnn.ops.parts.checks import check_float
from graphcnn.ops.shape import Reshape, Slice
from graphcnn.ops.trigonometry import Cos

#: Streams from here on are those of random numbers that a model draws by its definition; below are
#: those of a training step.
OF_MODEL = 1 << 31


def kept_bits(dtype: DType) -> int:
    """The bits of uniform numbers that a float type holds: 24, of float16 11, of bfloat16 8."""
    return min(24, int(ml_dtypes.finfo(dtype.numpy).nmant) + 1)  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class RandomUniform(Op):
    """y[i] in [0, 1), uniform: word i of the stream `stream` of Philox at (seed, step).

    Operands: seed i64[], step i64[]; y has `shape` and a float `dtype`. Equal seed, step and
    stream give equal numbers on any machine; every user of one graph takes a stream of its own.
    With `first`, i64[], y is the part from row `first` on along axis 0 of a larger tensor: a shard
    of a batch draws what its items have in the whole.
    Values are multiples of 2^-24; shorter floats keep so many of the top bits as they hold
    (`kept_bits`), so that 1 is never reached.
    """

    shape: Shape = ()
    stream: int = 0
    dtype: DType = DType.FLOAT32

    operands: ClassVar = ("seed", "step", "first?")
    piecewise_constant: ClassVar[bool] = True
    family: ClassVar = "shape"

    def infer(
        self, seed: TensorType, step: TensorType, first: TensorType | None = None
    ) -> TensorType:
        for name, t in (("seed", seed), ("step", step), ("first", first)):
            if t is not None and (t.shape or t.dtype is not DType.INT64):
                raise GraphError(f"{name} must be i64[], found {t}")
        if first is not None and not self.shape:
            raise GraphError("first is a row of a tensor, and a shape of () has no rows")
        if not 0 <= self.stream < 2**32:
            raise GraphError(f"stream must be in 0 to 2^32 - 1, found {self.stream}")
        result = TensorType(self.shape, self.dtype)
        check_float(y=result)
        return result

    def evaluate(self, seed: Array, step: Array, first: Array | None = None) -> Array:
        start = 0 if first is None else int(first) * known_size(self.shape[1:])
        u = uniform(int(seed), int(step), self.stream, known_size(self.shape), start)
        if kept_bits(self.dtype) < 24:
            u = np.floor(u * 2.0 ** kept_bits(self.dtype)) * 2.0 ** -kept_bits(self.dtype)
        return u.reshape(self.shape).astype(self.dtype.numpy)  # type: ignore[arg-type]

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return mixed("draws numbers by their place in the batch")


def uniform_of_model(shape: Shape, seed: int, stream: int, dtype: DType) -> Value:
    """Numbers that a model draws by its definition: the same at every run, others at every step of
    training (`training_mode`). Of float64 or float32, from which shorter types are cast."""
    wide = DType.FLOAT64 if dtype is DType.FLOAT64 else DType.FLOAT32
    drawn = RandomUniform(shape, OF_MODEL + stream, wide)
    return drawn(constant_of(seed, DType.INT64), constant_of(0, DType.INT64))


def normal_of_uniform(both: Value) -> Value:
    """√(-2 log(1 - u)) · cos(2π v) of u = both[0] and v = both[1]: mean 0, variance 1.

    G. Box, M. Muller, 1958. 1 - u is never 0.
    """
    shape = both.shape[1:]
    u, v = (
        Reshape(shape)(Slice((i, *[0] * len(shape)), (1, *shape), (1,) * (1 + len(shape)))(both))
        for i in (0, 1)
    )
    return Sqrt()(Log()(1.0 - u) * -2.0) * Cos()(v * (2 * math.pi))


@dataclass(frozen=True)
class InTraining(Op):
    """y = predicting: the form of inference. In training y = training. Both have the type of y.

    What is drawn in training only stands here with what stands for it in a prediction, such as its
    mean. The pass that makes the training graph takes the second; where the first is taken, nothing
    of the second is left.
    """

    operands: ClassVar = ("predicting", "training")
    elementwise: ClassVar[bool] = True
    family: ClassVar = "shape"
    rounds: ClassVar[bool] = False

    def infer(self, predicting: TensorType, training: TensorType) -> TensorType:
        if predicting != training:
            raise GraphError(
                f"predicting and training must be of one type, found {predicting} and {training}"
            )
        return predicting

    def evaluate(self, predicting: Array, training: Array) -> Array:
        return predicting

    def expand(self, predicting: Value, training: Value) -> tuple[Value, ...]:
        return (predicting,)


@dataclass(frozen=True)
class Dropout(Op):
    """y = x: the form of inference. Shapes: y as x, any float dtype.

    In training, each element is dropped with probability `rate` and the others are scaled so that
    the mean stays: y = x · (u >= rate) / (1 - rate), u uniform in [0, 1). The pass that makes the
    training graph writes that out with `random_uniform` (N. Srivastava et al., JMLR 15, 2014).
    """

    rate: float = 0.5

    operands: ClassVar = ("x",)
    elementwise: ClassVar[bool] = True
    family: ClassVar = "shape"

    def infer(self, x: TensorType) -> TensorType:
        check_float(x=x)
        if not 0 <= self.rate < 1:
            raise GraphError(
                f"rate must be at least 0 and less than 1 (it drops), found {self.rate}"
            )
        return x

    def evaluate(self, x: Array) -> Array:
        return x

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        return [dy]
