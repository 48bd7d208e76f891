"""Elementwise operators as code: one vector of each operand in, one vector of the result out.

`emit_expression` turns a whole body of such operators into straight code. It knows nothing about
loops or memory, so the loops of `elementwise`, and the epilogues of convolutions and matrix
products, share it. In registers truth values are i1; `to_register` and `to_memory` convert them.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import llvmlite.ir as ir

from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Op, Value
from graphcnn.ir.sources import Constant, Input
from graphcnn.ir.tensor_type import DType
from graphcnn.ops.elementwise import Cast
from graphcnn.runtime.native.code.emit import I1, I8, STORED, Emitter
from graphcnn.runtime.native.code.registry import EXPRESSIONS, expresses
from graphcnn.runtime.native.kernels.parts import integers
from graphcnn.runtime.native.kernels.parts import math as vector
from graphcnn.runtime.native.kernels.parts.casts import cast
from graphcnn.runtime.native.kernels.parts.math import (
    absolute,
    at_least,
    at_most,
    constant,
    element_of,
    retyped,
)


def emit_expression(
    e: Emitter, body: Graph | Iterable[Node], inputs: Mapping[Value, ir.Value], lanes: int
) -> dict[Value, ir.Value]:
    """The vectors of all values of a body, from those of the values that it does not compute.

    Constants of one element may be part of the body. Raises `GraphError` for other operators than
    those in `EXPRESSIONS`.
    """
    vectors = dict(inputs)
    for node in body.nodes if isinstance(body, Graph) else body:
        op = node.op
        if all(v in vectors for v in node.outputs):
            continue
        if isinstance(op, Input):
            raise GraphError(f"the vector of the input {op.key!r} was not given")
        if isinstance(op, Constant) or op.name == "element_count":
            vectors[node.output] = _constant(op, node.types[0].dtype, lanes)
            continue
        if op.name not in EXPRESSIONS:
            raise GraphError(f"{op.name} cannot be computed element by element")
        operands = [vectors[v] for v in node.inputs]
        if whole_exponent(node) is not None:
            vectors[node.output] = _whole_power(e, operands[0], whole_exponent(node) or 1)
            continue
        vectors[node.output] = EXPRESSIONS[op.name](e, op, node.inputs[0].dtype, *operands)
    return vectors


def is_expression(node: Node) -> bool:
    """Whether a node may be part of a body: elementwise, or a constant of one element."""
    if isinstance(node.op, Constant):
        return bool(node.op.array.size == 1)
    return node.op.name in EXPRESSIONS or node.op.name == "element_count"


def _constant(op: Op, dtype: DType, lanes: int) -> ir.Value:
    array = op.evaluate()
    if array.size != 1:
        raise GraphError(f"a constant of shape {array.shape} must be an operand, not in the body")
    kind = I1 if dtype is DType.BOOL else STORED[dtype]
    if dtype.is_small:  # its bits
        array = array.view(f"u{dtype.bytes}")
    number = array.reshape(()).item()
    number = float(number) if array.dtype.kind == "f" else int(number)
    return constant(ir.VectorType(kind, lanes) if lanes > 1 else kind, number)


def to_register(e: Emitter, stored: ir.Value, dtype: DType) -> ir.Value:
    """What was loaded as it is computed with: bytes become truth values."""
    if dtype is not DType.BOOL:
        return stored
    return e.b.icmp_unsigned("!=", stored, constant(stored.type, 0))


def to_memory(e: Emitter, value: ir.Value) -> ir.Value:
    """A result as it is stored: truth values become bytes."""
    if element_of(value.type) != I1:
        return value
    return e.b.zext(value, retyped(value.type, I8))


# Arithmetic


def _compare(e: Emitter, sign: str, dtype: DType, a: ir.Value, b: ir.Value) -> ir.Value:
    if dtype.is_float:
        compare = e.b.fcmp_unordered if sign == "!=" else e.b.fcmp_ordered
    else:
        compare = e.b.icmp_unsigned if dtype.is_unsigned else e.b.icmp_signed
    return compare(sign, a, b)


def _arithmetic(name: str, of_floats: str, of_integers: str | None = None) -> None:
    def binary(e: Emitter, op: Op, dtype: DType, a: ir.Value, b: ir.Value) -> ir.Value:
        method = of_floats if dtype.is_float else of_integers
        assert method is not None
        return getattr(e.b, method)(a, b)

    expresses(name)(binary)


_arithmetic("add", "fadd", "add")
_arithmetic("sub", "fsub", "sub")
_arithmetic("mul", "fmul", "mul")
_arithmetic("div", "fdiv")


def maximum(e: Emitter, dtype: DType, a: ir.Value, b: ir.Value) -> ir.Value:
    """The larger one, a if they are equal; NaN wins."""
    return _extreme(e, ">", dtype, a, b)


def _extreme(e: Emitter, sign: str, dtype: DType, a: ir.Value, b: ir.Value) -> ir.Value:
    # `a > b ? a : b` is one instruction, which gives b where one of them is NaN.
    chosen = e.b.select(_compare(e, sign, dtype, a, b), a, b)
    if not dtype.is_float:
        return chosen
    return e.b.select(e.b.fcmp_unordered("uno", a, a), a, chosen)


@expresses("maximum")
def _maximum(e: Emitter, op: Op, dtype: DType, a: ir.Value, b: ir.Value) -> ir.Value:
    return maximum(e, dtype, a, b)


@expresses("minimum")
def _minimum(e: Emitter, op: Op, dtype: DType, a: ir.Value, b: ir.Value) -> ir.Value:
    return _extreme(e, "<", dtype, a, b)


@expresses("clip")
def _clip(e: Emitter, op: Any, dtype: DType, x: ir.Value) -> ir.Value:
    low, high = (constant(x.type, bound) for bound in (op.low, op.high))
    return _extreme(e, "<", dtype, _extreme(e, ">", dtype, x, low), high)


@expresses("quotient")
def _quotient(e: Emitter, op: Op, dtype: DType, a: ir.Value, b: ir.Value) -> ir.Value:
    return integers.quotient(e, dtype, a, b)


@expresses("remainder")
def _remainder(e: Emitter, op: Any, dtype: DType, a: ir.Value, b: ir.Value) -> ir.Value:
    return integers.remainder(e, dtype, op.truncated, a, b)


@expresses("pow")
def _pow(e: Emitter, op: Op, dtype: DType, a: ir.Value, b: ir.Value) -> ir.Value:
    return vector.power(e, a, b) if dtype.is_float else integers.power(e, dtype, a, b)


@expresses("and", "bit_and")
def _and(e: Emitter, op: Op, dtype: DType, a: ir.Value, b: ir.Value) -> ir.Value:
    return e.b.and_(a, b)


@expresses("or", "bit_or")
def _or(e: Emitter, op: Op, dtype: DType, a: ir.Value, b: ir.Value) -> ir.Value:
    return e.b.or_(a, b)


@expresses("bit_xor")
def _bit_xor(e: Emitter, op: Op, dtype: DType, a: ir.Value, b: ir.Value) -> ir.Value:
    return e.b.xor(a, b)


@expresses("bit_shift")
def _bit_shift(e: Emitter, op: Any, dtype: DType, a: ir.Value, b: ir.Value) -> ir.Value:
    return integers.shifted(e, dtype, op.left, a, b)


def whole_exponent(node: Node) -> int | None:
    """The exponent of a power, if it is a constant that a product or two can replace."""
    of_floats = node.op.name == "pow" and node.types[0].dtype.is_float
    exponent = node.inputs[1].node.op if of_floats else None
    if not isinstance(exponent, Constant) or exponent.array.size != 1:
        return None
    return next((k for k in (-1, 1, 2, 3) if exponent.array.reshape(()) == k), None)


def _whole_power(e: Emitter, x: ir.Value, exponent: int) -> ir.Value:
    if exponent == -1:
        return e.b.fdiv(constant(x.type, 1.0), x)
    y = x
    for _ in range(exponent - 1):
        y = e.mul(y, x)
    return y


@expresses("neg")
def _neg(e: Emitter, op: Op, dtype: DType, x: ir.Value) -> ir.Value:
    return e.b.fneg(x) if dtype.is_float else e.b.sub(constant(x.type, 0), x)


@expresses("abs")
def _abs(e: Emitter, op: Op, dtype: DType, x: ir.Value) -> ir.Value:
    if dtype.is_float:
        return absolute(e, x)
    if dtype.is_unsigned:
        return x
    zero = constant(x.type, 0)
    return e.b.select(e.b.icmp_signed("<", x, zero), e.b.sub(zero, x), x)


@expresses("sign")
def _sign(e: Emitter, op: Op, dtype: DType, x: ir.Value) -> ir.Value:
    zero, one = constant(x.type, 0), constant(x.type, 1)
    y = e.b.select(_compare(e, ">", dtype, x, zero), one, x)
    if dtype.is_unsigned:
        return y
    return e.b.select(_compare(e, "<", dtype, x, zero), constant(x.type, -1), y)


def _function(name: str, code: Callable[[Emitter, ir.Value], ir.Value]) -> None:
    def unary(e: Emitter, op: Op, dtype: DType, x: ir.Value) -> ir.Value:
        return code(e, x)

    expresses(name)(unary)


for _name, _code in {
    "exp": vector.exp,
    "log": vector.log,
    "erf": vector.erf,
    "tanh": vector.tanh,
    "sigmoid": vector.sigmoid,
    "softplus": vector.softplus,
    "sin": vector.sin,
    "cos": vector.cos,
    "atan": vector.atan,
    "sqrt": vector.sqrt,
    "floor": vector.floor,
    "ceil": vector.ceil,
    "round": vector.rint,
}.items():
    _function(_name, _code)


# Comparison and choice


def _comparison(name: str, sign: str) -> None:
    def compare(e: Emitter, op: Op, dtype: DType, a: ir.Value, b: ir.Value) -> ir.Value:
        return _compare(e, sign, dtype, a, b)

    expresses(name)(compare)


for _name, _relation in {
    "equal": "==",
    "not_equal": "!=",
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
}.items():
    _comparison(_name, _relation)


@expresses("not")
def _not(e: Emitter, op: Op, dtype: DType, x: ir.Value) -> ir.Value:
    return e.b.xor(x, constant(x.type, 1))


@expresses("where")
def _where(e: Emitter, op: Op, dtype: DType, c: ir.Value, a: ir.Value, b: ir.Value) -> ir.Value:
    return e.b.select(c, a, b)


@expresses("broadcast_to", "dropout", "probabilities", "stop_gradient")
def _same(e: Emitter, op: Op, dtype: DType, x: ir.Value) -> ir.Value:
    return x


# Activations


@expresses("relu")
def _relu(e: Emitter, op: Op, dtype: DType, x: ir.Value) -> ir.Value:
    return at_least(e, x, 0.0)


@expresses("leaky_relu")
def _leaky_relu(e: Emitter, op: Any, dtype: DType, x: ir.Value) -> ir.Value:
    positive = e.b.fcmp_ordered(">", x, constant(x.type, 0.0))
    return e.b.select(positive, x, e.mul(x, constant(x.type, op.alpha)))


@expresses("elu")
def _elu(e: Emitter, op: Any, dtype: DType, x: ir.Value) -> ir.Value:
    below = e.mul(vector.expm1(e, at_most(e, x, 0.0)), constant(x.type, op.alpha))
    return e.b.select(e.b.fcmp_ordered(">", x, constant(x.type, 0.0)), x, below)


@expresses("silu")
def _silu(e: Emitter, op: Op, dtype: DType, x: ir.Value) -> ir.Value:
    return e.mul(x, vector.sigmoid(e, x))


@expresses("mish")
def _mish(e: Emitter, op: Op, dtype: DType, x: ir.Value) -> ir.Value:
    two = constant(x.type, 2.0)
    power = vector.exp(e, at_most(e, x, 20.0))  # beyond, the quotient is 1
    n = e.mul(power, e.add(power, two))
    return e.mul(x, e.b.fdiv(n, e.add(n, two)))


@expresses("gelu")
def _gelu(e: Emitter, op: Any, dtype: DType, x: ir.Value) -> ir.Value:
    if op.approximate == "none":
        inner = vector.erf(e, e.mul(x, constant(x.type, math.sqrt(0.5))))
    else:
        scale = math.sqrt(2.0 / math.pi)
        cubic = e.mul(e.mul(x, x), constant(x.type, scale * 0.044715))
        inner = vector.tanh(e, e.mul(x, e.add(cubic, constant(x.type, scale))))
    half = constant(x.type, 0.5)
    return e.mul(x, e.add(e.mul(inner, half), half))


@expresses("hard_sigmoid")
def _hard_sigmoid(e: Emitter, op: Any, dtype: DType, x: ir.Value) -> ir.Value:
    line = e.add(e.mul(x, constant(x.type, op.alpha)), constant(x.type, op.beta))
    return at_most(e, at_least(e, line, 0.0), 1.0)


@expresses("hard_swish")
def _hard_swish(e: Emitter, op: Op, dtype: DType, x: ir.Value) -> ir.Value:
    line = e.add(e.mul(x, constant(x.type, 1 / 6)), constant(x.type, 0.5))
    return e.mul(x, at_most(e, at_least(e, line, 0.0), 1.0))


# Element types


@expresses("cast")
def _cast(e: Emitter, op: Any, dtype: DType, x: ir.Value) -> ir.Value:
    return cast(e, x, dtype, op.dtype)


def refuse_half(node: Node) -> None:
    """Raise `GraphError` where a node computes with types that are stored only, f16 for one."""
    if isinstance(node.op, Cast | Input | Constant):
        return
    for t in (*(v.type for v in node.inputs), *node.types):
        if t.dtype.is_small:
            raise GraphError(
                f"{node.op.name} has no native lowering for {t.dtype}, found {t}; cast to a "
                "wider type, as the pass widen_types does"
            )
