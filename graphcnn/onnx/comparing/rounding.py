"""What rounding does to the results of a graph: runs in float64, exact or with noise.

The noise is that of arithmetic of the types that the graph has: every result is changed at random
by a unit in the last place, and so is what goes into sums, more where more terms are added, for a
sum of K terms loses up to about the square root of K units. Several such runs show how far apart
right implementations of a graph may be, whatever their order of adding: an output that loses all
its digits to cancellation shows it, and so does one that loses none. The method is Monte Carlo
arithmetic: D. S. Parker, UCLA CSD-970002, 1997.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from graphcnn.ir.evaluate import Evaluator, Results, results_of
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Node, Op, Value
from graphcnn.ir.sources import Constant, Input, State
from graphcnn.ir.tensor_type import DType
from graphcnn.onnx.comparing.terms import terms
from graphcnn.onnx.comparing.widened import FLOATS
from graphcnn.ops.activation import Elu, Gelu, HardSigmoid, HardSwish, Mish, Sigmoid, Silu, Softplus
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.elementwise import Add, Div, Mul, Sub
from graphcnn.ops.integer import Dequantize
from graphcnn.ops.pool import GlobalAvgPool2d
from graphcnn.ops.reduce import Mean

#: Functions whose implementations add and subtract numbers near 1, or keep to a range beyond which
#: they are constant, so that small results are as uncertain as large ones: the share of a unit.
NEAR_ONE: dict[type[Op], float] = {Sigmoid: 0.25, HardSigmoid: 0.25, Softplus: 1.0, Elu: 1.0}
#: The same for those that multiply such a function by their input.
NEAR_INPUT = (Gelu, Silu, Mish, HardSwish)
#: Arithmetic whose one result is the nearest number to that of the operands as they are.
ROUNDED_ONCE = (Add, Sub, Mul, Div, Dequantize)

#: The noise of a sum of K terms, in units times the square root of K.
SUM_NOISE = 0.25
#: Numbers of one sign, added one by one, lose a unit for so many more terms.
LONG_SUM = 1024

#: Random numbers are drawn once and used again from other places on.
_POOL = 1 << 18


@dataclass(frozen=True, eq=False)
class Rounding:
    """Runs a bound, widened graph like the reference runtime, node by node.

    Attributes:
        kinds: the types that the values had.
        rng: of the noise; None runs without.
        given: arrays to take as the results of these values, whatever is computed.
        integers: whether the graph computes with integers in floats, which sums keep exact.
        narrowed: whether inputs, states and constants are rounded to their kinds, too.
    """

    graph: Graph
    kinds: Mapping[Value, DType]
    rng: np.random.Generator | None = None
    given: Mapping[Value, Array] = field(default_factory=dict)
    integers: bool = False
    narrowed: bool = False

    def __post_init__(self) -> None:
        if self.rng is not None:
            pool = self.rng.uniform(-1.0, 1.0, _POOL)
            object.__setattr__(self, "_pool", pool)

    def run(
        self, feeds: Mapping[str, Array], states: Mapping[str, Array], keep: Collection[Value]
    ) -> dict[Value, Array]:
        """The arrays of the values of `keep`."""

        def compute(node: Node, operands: Sequence[Array]) -> Results:
            if isinstance(node.op, Input | State):
                source = feeds if isinstance(node.op, Input) else states
                return self._stored(node, np.asarray(source[node.op.key]))
            if isinstance(node.op, Constant):
                return self._stored(node, node.op.evaluate())
            return self._computed(node, [*operands])

        return Evaluator(self.graph.nodes, keep).run(compute=compute)

    def _computed(self, node: Node, inputs: list[Array]) -> Results:
        noisy = self.rng is not None and node.op.rounds
        if noisy and self.integers and self._whole(node, inputs):
            noisy = False
        if noisy:
            inputs = self._operands(node, inputs)
        results = [*results_of(node, inputs)]
        for i, (value, y) in enumerate(zip(node.outputs, results, strict=True)):
            kind = self.kinds[value]
            if value in self.given:
                results[i] = self.given[value]
            elif kind in FLOATS:
                if noisy:
                    y = self._result(node.op, inputs, y, kind)
                results[i] = _in_range(y, kind)
        return tuple(results)

    def _stored(self, node: Node, x: Array) -> Results:
        kind = self.kinds[node.output]
        if self.rng is None or not self.narrowed or kind not in FLOATS:
            return (x,)
        return (_in_range(self._noisy(x, 0.5 * unit(kind)), kind),)

    def _operands(self, node: Node, inputs: list[Array]) -> list[Array]:
        """The operands with noise, where they are terms of sums or arguments of functions."""
        count = terms(node.op, inputs)
        if isinstance(node.op, ROUNDED_ONCE):
            return inputs
        changed = [*inputs]
        for i, value in enumerate(node.inputs):
            kind = self.kinds[value]
            if kind in FLOATS and (i == 0 or count == 1):
                factor = 1.0 if kind.is_small else max(1.0, SUM_NOISE * math.sqrt(count))
                changed[i] = self._noisy(inputs[i], unit(kind) * factor)
        return changed

    def _result(self, op: Op, inputs: list[Array], y: Array, kind: DType) -> Array:
        """A result with noise."""
        count = 1 if kind.is_small else terms(op, inputs)
        steps = count / LONG_SUM if isinstance(op, Sum | Mean | GlobalAvgPool2d) else 0.0
        y = self._noisy(y, unit(kind) * max(1.0, SUM_NOISE * math.sqrt(count) + steps))
        if type(op) in NEAR_ONE:
            y = y + NEAR_ONE[type(op)] * unit(kind) * self._drawn(y.size).reshape(y.shape)
        elif isinstance(op, NEAR_INPUT):
            near = np.where(np.isfinite(inputs[0]), inputs[0], 0.0)
            y = y + self._noisy(near, unit(kind)) - near
        if kind.is_small:
            y = y + least(kind) * self._drawn(y.size).reshape(y.shape)
        return y

    def _noisy(self, x: Array, amount: float) -> Array:
        if not x.size:
            return x
        factor = self._drawn(x.size).reshape(x.shape) * amount
        factor += 1.0  # infinities stay what they are
        factor *= x
        return factor

    def _drawn(self, size: int) -> Array:
        """Numbers between -1 and 1."""
        assert self.rng is not None
        pool: Array = self._pool  # type: ignore[attr-defined]
        at = int(self.rng.integers(_POOL))
        if at + size <= _POOL:
            return pool[at : at + size]
        return np.resize(np.roll(pool, -at), size)

    def _whole(self, node: Node, inputs: list[Array]) -> bool:
        """Whether an operator adds and multiplies whole numbers, which is exact."""
        if not node.op.integral:
            return False
        return all(x.dtype.kind != "f" or bool(np.all(x == np.rint(x))) for x in inputs)


#: The number of digits after the first, the exponents of the smallest number (in 32 bits and more
#: that of full precision, as some arithmetic has none below) and of what is too large.
_FORMATS = {
    DType.FLOAT16: (10, -24, 16),
    DType.BFLOAT16: (7, -126, 128),
    DType.FLOAT32: (23, -126, 128),
    DType.FLOAT64: (52, -1022, 1024),
}


def unit(kind: DType) -> float:
    """One unit in the last place, relative to the number."""
    return 2.0 ** -_FORMATS[kind][0]


def least(kind: DType) -> float:
    """The smallest number above 0."""
    return 2.0 ** _FORMATS[kind][1]


def _in_range(y: Array, kind: DType) -> Array:
    """Numbers that the type cannot hold as infinities, as arithmetic in it gives them."""
    digits, _, power = _FORMATS[kind]
    limit = (1 - 2.0 ** -(digits + 2)) * 2.0 ** (power - 1) * 2.0
    if not y.size or (y.max() < limit and y.min() > -limit):
        return y
    with np.errstate(all="ignore"):
        return np.where(np.abs(y) >= limit, np.copysign(np.inf, y), y)
