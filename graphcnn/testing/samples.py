"""Samples of operators: what the checks of this room try an operator on."""

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Node, Op, Value, build
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, TensorType


@dataclass(frozen=True)
class Draw:
    """A random array: uniform in [low, high), or integers where the dtype is one."""

    shape: tuple[int, ...]
    low: float = -2.0
    high: float = 2.0
    dtype: str = "float64"
    #: Smallest distance between any two elements: keeps finite differences off ties and kinks.
    distinct: bool = False

    def array(self, rng: np.random.Generator) -> Array:
        if self.dtype == "bool":
            return rng.random(self.shape) < 0.5
        if not self.dtype.startswith("float"):
            return rng.integers(int(self.low), int(self.high), self.shape).astype(self.dtype)
        count = int(np.prod(self.shape))
        if self.distinct:
            step = (self.high - self.low) / (count + 1)
            values = self.low + step * (1.0 + rng.permutation(count) + 0.3 * rng.random())
            return values.reshape(self.shape).astype(self.dtype)
        return rng.uniform(self.low, self.high, self.shape).astype(self.dtype)


class Sample:
    """An operator and its inputs: shapes (drawn from [-2, 2)), `Draw`s or arrays.

    `label` names it in messages, and is the seed of what is drawn.
    """

    def __init__(self, op: Op, *inputs: Any, label: str = "") -> None:
        self.op = op
        self.inputs = inputs
        self.label = label or f"{op.name}-{format_attributes(op)}-{_shapes(inputs)}"

    def arrays(self, dtype: Any = np.float64) -> tuple[Array, ...]:
        """The inputs, floats as `dtype`. The same at every call."""
        rng = np.random.default_rng(zlib.crc32(self.label.encode()))
        drawn = []
        for spec in self.inputs:
            draw = Draw(spec) if isinstance(spec, tuple) else spec
            array = draw.array(rng) if isinstance(draw, Draw) else np.asarray(draw)
            drawn.append(array.astype(dtype) if array.dtype.kind == "f" else array)
        return tuple(drawn)

    def types(self, dtype: Any = np.float64) -> tuple[TensorType, ...]:
        return tuple(TensorType(a.shape, DType.of(a.dtype)) for a in self.arrays(dtype))

    def __repr__(self) -> str:
        return self.label


class ErrorSample:
    """An operator that refuses inputs of these types with a message matching `match` (a regex)."""

    def __init__(self, op: Op, *types: TensorType | tuple[int, ...], match: str) -> None:
        self.op = op
        self.types = tuple(t if isinstance(t, TensorType) else TensorType(t) for t in types)
        self.match = match

    def __repr__(self) -> str:
        return f"{self.op.name}-{format_attributes(self.op)}-{self.match}"


def format_attributes(op: Op) -> str:
    return ",".join(f"{k}={v}" for k, v in op.attributes.items() if not isinstance(v, np.ndarray))


def _shapes(inputs: tuple[Any, ...]) -> str:
    return ";".join(str(getattr(i, "shape", i)) for i in inputs)


def node_of(sample: Sample, dtype: Any = np.float64) -> tuple[Node, dict[Value, Array]]:
    """The sample's operator applied to inputs, and the arrays to feed them."""
    values = [Input(f"x{i}", t)(name=f"x{i}") for i, t in enumerate(sample.types(dtype))]
    return build(sample.op, values), dict(zip(values, sample.arrays(dtype), strict=True))


def graph_of(sample: Sample, dtype: Any = np.float64) -> Graph:
    """The graph of the sample's operator alone."""
    node, _ = node_of(sample, dtype)
    return Graph.of(node.inputs, {f"y{i}": y for i, y in enumerate(node.outputs)})


def require(holds: bool, message: str) -> None:
    """Raise `AssertionError` with the message unless it holds, however Python was started."""
    if not holds:
        raise AssertionError(message)
