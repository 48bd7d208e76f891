"""Arithmetic, comparisons and functions of single elements.

Functions of two operands take tensors, arrays and Python numbers on either side (at least one of
them a tensor) and broadcast by the rule of NumPy: axes are matched from the last one, and sizes
must agree or be 1.
"""

import math
from typing import Any

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.node import Op, Value, constant_of
from graphcnn.ir.tensor_type import DType
from graphcnn.language.arguments import number, scoped
from graphcnn.language.errors import located
from graphcnn.ops import comparison as compare
from graphcnn.ops import elementwise as ops
from graphcnn.ops import trigonometry


@located
def add(a: Any, b: Any, *, name: str = "") -> Value:
    """a + b."""
    return apply(ops.Add(), a, b, name=name)


@located
def sub(a: Any, b: Any, *, name: str = "") -> Value:
    """a - b."""
    return apply(ops.Sub(), a, b, name=name)


@located
def mul(a: Any, b: Any, *, name: str = "") -> Value:
    """a · b, element by element; see `matmul` for the matrix product."""
    return apply(ops.Mul(), a, b, name=name)


@located
def div(a: Any, b: Any, *, name: str = "") -> Value:
    """a / b, for float types; see `quotient`. Division by 0 gives ±inf or NaN."""
    return apply(ops.Div(), a, b, name=name)


@located
def pow(a: Any, b: Any, *, name: str = "") -> Value:
    """a to the power b. A negative a with a fractional b gives NaN; integers wrap around."""
    return apply(ops.Pow(), a, b, name=name)


@located
def quotient(a: Any, b: Any, *, name: str = "") -> Value:
    """The whole part of a / b, for integers. Division by 0 gives 0."""
    return apply(ops.Quotient(), a, b, name=name)


@located
def remainder(a: Any, b: Any, *, truncated: bool = False, name: str = "") -> Value:
    """What the division of a by b leaves, with the sign of b, or, `truncated`, that of a."""
    return apply(ops.Remainder(bool(truncated)), a, b, name=name)


@located
def maximum(a: Any, b: Any, *, name: str = "") -> Value:
    """The larger of a and b, element by element; see `max` for the largest element of a tensor."""
    return apply(ops.Maximum(), a, b, name=name)


@located
def minimum(a: Any, b: Any, *, name: str = "") -> Value:
    """The smaller of a and b, element by element."""
    return apply(ops.Minimum(), a, b, name=name)


@located
def clip(x: Value, low: float | None = None, high: float | None = None, *, name: str = "") -> Value:
    """x, but `low` where x is less and `high` where it is more: min(max(x, low), high).

    The gradient passes from low to high, both included, and is 0 outside. None is no bound.
    """
    below = -math.inf if low is None else number(low, "low")
    above = math.inf if high is None else number(high, "high")
    return apply(compare.Clip(below, above), x, name=name)


@located
def neg(x: Value, *, name: str = "") -> Value:
    """-x."""
    return apply(ops.Neg(), x, name=name)


@located
def exp(x: Value, *, name: str = "") -> Value:
    """e to the power x."""
    return apply(ops.Exp(), x, name=name)


@located
def log(x: Value, *, name: str = "") -> Value:
    """Natural logarithm: -inf at 0, NaN below."""
    return apply(ops.Log(), x, name=name)


@located
def sqrt(x: Value, *, name: str = "") -> Value:
    """√x: NaN below 0."""
    return apply(ops.Sqrt(), x, name=name)


@located
def abs(x: Value, *, name: str = "") -> Value:
    """|x|. The derivative at 0 is 0."""
    return apply(ops.Abs(), x, name=name)


@located
def sign(x: Value, *, name: str = "") -> Value:
    """-1, 0 or 1."""
    return apply(ops.Sign(), x, name=name)


@located
def erf(x: Value, *, name: str = "") -> Value:
    """The error function, 2/√π times the integral of exp(-t²) from 0 to x."""
    return apply(ops.Erf(), x, name=name)


@located
def sin(x: Value, *, name: str = "") -> Value:
    """The sine of x in radians."""
    return apply(trigonometry.Sin(), x, name=name)


@located
def cos(x: Value, *, name: str = "") -> Value:
    """The cosine of x in radians."""
    return apply(trigonometry.Cos(), x, name=name)


@located
def atan(x: Value, *, name: str = "") -> Value:
    """The angle from -π/2 to π/2 whose tangent is x."""
    return apply(trigonometry.Atan(), x, name=name)


@located
def floor(x: Value, *, name: str = "") -> Value:
    """The largest whole number that is at most x."""
    return apply(ops.Floor(), x, name=name)


@located
def ceil(x: Value, *, name: str = "") -> Value:
    """The smallest whole number that is at least x."""
    return apply(ops.Ceil(), x, name=name)


@located
def round(x: Value, *, name: str = "") -> Value:
    """The nearest whole number; of two equally near ones the even one. It has no gradient."""
    return apply(ops.Round(), x, name=name)


@located
def equal(a: Any, b: Any, *, name: str = "") -> Value:
    """Whether a = b, bool. There is no operator for it: `==` of tensors compares identity."""
    return apply(compare.Equal(), a, b, name=name)


@located
def not_equal(a: Any, b: Any, *, name: str = "") -> Value:
    """Whether a ≠ b, bool."""
    return apply(compare.NotEqual(), a, b, name=name)


@located
def less(a: Any, b: Any, *, name: str = "") -> Value:
    """Whether a < b, bool."""
    return apply(compare.Less(), a, b, name=name)


@located
def less_equal(a: Any, b: Any, *, name: str = "") -> Value:
    """Whether a ≤ b, bool."""
    return apply(compare.LessEqual(), a, b, name=name)


@located
def greater(a: Any, b: Any, *, name: str = "") -> Value:
    """Whether a > b, bool."""
    return apply(compare.Greater(), a, b, name=name)


@located
def greater_equal(a: Any, b: Any, *, name: str = "") -> Value:
    """Whether a ≥ b, bool."""
    return apply(compare.GreaterEqual(), a, b, name=name)


@located
def logical_and(a: Any, b: Any, *, name: str = "") -> Value:
    """Whether a and b, both bool, hold."""
    return apply(compare.And(), a, b, name=name)


@located
def logical_or(a: Any, b: Any, *, name: str = "") -> Value:
    """Whether a or b or both, bool, hold."""
    return apply(compare.Or(), a, b, name=name)


@located
def logical_not(x: Value, *, name: str = "") -> Value:
    """Whether x, bool, does not hold."""
    return apply(compare.Not(), x, name=name)


@located
def where(condition: Any, a: Any, b: Any, *, name: str = "") -> Value:
    """a where the condition (bool) holds, else b. The three broadcast together.

    The branch not taken has no influence on the result nor on the gradient.
    """
    if not isinstance(condition, Value):
        condition = constant_of(condition, DType.BOOL)
    op = compare.Where()
    if not isinstance(a, Value) and not isinstance(b, Value):
        a = constant_of(a, DType.FLOAT32 if isinstance(b, float) else None)
    return op(condition, *_operands(a, b), name=scoped(name, op.name))


@located
def cast(x: Value, dtype: Any, *, name: str = "") -> Value:
    """x as another element type: "float32", "int64", "bool" and so on.

    Floats are cut towards 0 to become integers; bool is x ≠ 0. Gradients pass between float
    types only.
    """
    return apply(ops.Cast(DType.of(dtype)), x, name=name)


def apply(op: Op, *operands: Any, name: str) -> Value:
    """The operator at work on tensors, arrays and numbers."""
    values = _operands(*operands) if len(operands) > 1 else operands
    return op(*values, name=scoped(name, op.name))


def _operands(*operands: Any) -> tuple[Value, ...]:
    """The operands as tensors; numbers and arrays take the element type of the tensor."""
    like = next((x for x in operands if isinstance(x, Value)), None)
    if like is None:
        raise GraphError("at least one operand must be a tensor of the graph; see constant(...)")
    return tuple(x if isinstance(x, Value) else _constant(x, like.dtype) for x in operands)


def _constant(x: Any, dtype: DType) -> Value:
    """A constant of `dtype`, refused where an integer type cannot hold it."""
    array = np.asarray(x)
    if array.dtype.kind not in "biuf":
        raise GraphError(f"operands must be tensors, arrays or numbers, found {x!r}")
    with np.errstate(invalid="ignore"):
        stored = array.astype(dtype.numpy)
    if not dtype.is_float and np.any(array != stored):
        raise GraphError(f"{x!r} cannot be stored in {dtype}, the type of the other operand")
    return constant_of(x, dtype)
