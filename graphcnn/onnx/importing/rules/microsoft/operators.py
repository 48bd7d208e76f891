"""Operators of ONNX Runtime's own (domain "com.microsoft"): what its optimiser and its quantiser
write. Each is one or more standard operators, whose rules do the work.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from graphcnn.errors import ImportModelError
from graphcnn.ir.node import Value, constant_of
from graphcnn.onnx.importing.context import RULES, Call, Operand, Rule, UnsupportedError, imports
from graphcnn.onnx.importing.rules.quantized import constant_value, factor, product, requantised
from graphcnn.onnx.importing.rules.scatter import moved
from graphcnn.ops.activation import Gelu, Sigmoid
from graphcnn.ops.elementwise import Sqrt
from graphcnn.ops.integer import Dequantize, Quantize
from graphcnn.ops.reduce import Mean
from graphcnn.ops.shape import Transpose

MICROSOFT = "com.microsoft"

#: The rules by operator.
OWN: dict[str, Rule] = {}


def own(*names: str) -> Callable[[Rule], Rule]:
    """Register a function as the meaning of operators of ONNX Runtime."""

    def register(rule: Rule) -> Rule:
        OWN.update(dict.fromkeys(names, rule))
        return rule

    return register


def standard(call: Call, op_type: str, *inputs: Operand | None, **attributes: Any) -> Value:
    """What the rule of a standard operator makes of these inputs and attributes."""
    found = RULES[op_type](replace(call, op_type=op_type, inputs=inputs, attributes=attributes))
    if isinstance(found, list | tuple):
        found = found[0]
    if not isinstance(found, Value):
        raise UnsupportedError(f"{op_type} of known numbers")
    return found


def channels_first(x: Value) -> Value:
    """(N, ..., C) as (N, C, ...)."""
    return moved(x, x.type.rank - 1, 1)


def channels_last(x: Value) -> Value:
    return moved(x, 1, x.type.rank - 1)


def _without(call: Call, *names: str) -> dict[str, Any]:
    return {k: v for k, v in call.attributes.items() if k not in names}


# What becomes one operator with its neighbours


def _activated(call: Call, y: Value, params: Sequence[float]) -> Value:
    """The activation that an operator is fused with; `params` are its attributes in order."""
    name = call.attribute("activation", "")
    if not name:
        return y
    if name in ("Relu", "Sigmoid", "Tanh"):
        return standard(call, name, y)
    if name == "LeakyRelu" and len(params) >= 1:
        return standard(call, name, y, alpha=params[0])
    if name == "HardSigmoid" and len(params) >= 2:
        return standard(call, name, y, alpha=params[0], beta=params[1])
    if name == "Clip" and len(params) >= 2:
        low, high = (constant_of(float(p), y.dtype) for p in params[:2])
        return standard(call, "Min", standard(call, "Max", y, low), high)
    raise UnsupportedError(f"attribute 'activation' = {name!r} with {len(params)} numbers")


@own("FusedConv")
def fused_conv(call: Call) -> Value:
    """A convolution, plus a tensor that is added, and an activation."""
    attributes = _without(call, "activation", "activation_params")
    y = standard(call, "Conv", *call.inputs[:3], **attributes)
    y = y + call.value(3) if call.has(3) else y
    return _activated(call, y, call.attribute("activation_params", ()))


@own("FusedGemm")
def fused_gemm(call: Call) -> Value:
    names = ("activation_alpha", "activation_beta", "activation_gamma")
    y = standard(call, "Gemm", *call.inputs, **_without(call, "activation", *names))
    return _activated(call, y, [call.attributes[n] for n in names if n in call.attributes])


@own("FusedMatMul", "TransposeMatMul")
def fused_matmul(call: Call) -> Value:
    """alpha · a · b, either with its last two axes exchanged first; by `transBatch` the first axis
    is taken as the last but one before that."""
    a, b = (
        _turned(call.value(i), call.attribute(f"transBatch{key}", 0), call.attribute(also, 0))
        for i, (key, also) in enumerate((("A", "transA"), ("B", "transB")))
    )
    y, alpha = standard(call, "MatMul", a, b), call.attribute("alpha", 1.0)
    return y if alpha == 1.0 else y * alpha


def _turned(x: Value, batch: int, last: int) -> Value:
    if batch and x.type.rank > 2:
        x = moved(x, 0, x.type.rank - 2)
    return _exchanged(x) if last else x


def _exchanged(x: Value) -> Value:
    axes = tuple(range(x.type.rank))
    return x if len(axes) < 2 else Transpose((*axes[:-2], axes[-1], axes[-2]))(x)


@own("Gelu", "BiasGelu")
def gelu(call: Call) -> Value:
    x = call.value(0)
    return Gelu("none")(x + call.value(1) if call.has(1) else x)


@own("FastGelu")
def fast_gelu(call: Call) -> Value:
    x = call.value(0)
    return Gelu("tanh")(x + call.value(1) if call.has(1) else x)


@own("QuickGelu")
def quick_gelu(call: Call) -> Value:
    """x · sigmoid(alpha · x)."""
    x, alpha = call.value(0), call.attribute("alpha", 1.702)
    return x * Sigmoid()(x if alpha == 1.0 else x * alpha)


@imports("SimplifiedLayerNormalization")
def simplified_layer_normalization(call: Call) -> Value:
    """x over the root of its mean square, times a scale: in the standard domain all the same."""
    x = call.value(0)
    axis = call.axis(call.attribute("axis", -1), x.type.rank)
    if call.wanted > 1:
        raise UnsupportedError("its second result")
    mean = Mean(tuple(range(axis, x.type.rank)), keepdims=True)(x * x)
    return x / Sqrt()(mean + call.attribute("epsilon", 1e-5)) * call.value(1)


# Quantised: from integers to numbers, the operator, and back


def dequantised(call: Call, x: int, scale: int, zero: int) -> Value:
    """An input, given by the positions of its integers, scale and zero point."""
    point = call.inputs[zero] if call.has(zero) else None
    return standard(call, "DequantizeLinear", call.given(x), constant_value(call, scale), point)


def quantised(call: Call, y: Value, scale: int, zero: int) -> Value:
    point = call.inputs[zero] if call.has(zero) else None
    return standard(call, "QuantizeLinear", y, constant_value(call, scale), point)


@own("QLinearAdd", "QLinearMul")
def qlinear_binary(call: Call) -> Value:
    a, b = dequantised(call, 0, 1, 2), dequantised(call, 3, 4, 5)
    return quantised(call, a + b if call.op_type == "QLinearAdd" else a * b, 6, 7)


def _unary(name: str, op_type: str) -> None:
    @own(name)
    def rule(call: Call) -> Value:
        x, last = dequantised(call, 0, 1, 2), call.attribute("channels_last", 0)
        attributes = _without(call, "channels_last")
        y = standard(call, op_type, channels_first(x) if last else x, **attributes)
        return quantised(call, channels_last(y) if last else y, 3, 4)


_unary("QLinearSigmoid", "Sigmoid")
_unary("QLinearLeakyRelu", "LeakyRelu")
_unary("QLinearGlobalAveragePool", "GlobalAveragePool")
_unary("QLinearAveragePool", "AveragePool")


@own("QLinearSoftmax")
def qlinear_softmax(call: Call) -> Value:
    """By the rules of the opset that an attribute names."""
    call = replace(call, opset=call.attribute("opset", call.opset))
    y = standard(call, "Softmax", dequantised(call, 0, 1, 2), **_without(call, "opset"))
    return quantised(call, y, 3, 4)


@own("QLinearConcat")
def qlinear_concat(call: Call) -> Value:
    """Parts of different scales, joined. The scale of the result comes first."""
    starts = range(2, len(call.inputs), 3)
    if len(call.inputs) % 3 != 2 or not starts:
        raise ImportModelError(f"{len(call.inputs)} inputs, expected 2 and 3 for every part")
    parts = [dequantised(call, i, i + 1, i + 2) for i in starts]
    return quantised(call, standard(call, "Concat", *parts, **call.attributes), 0, 1)


@own("QGemm")
def qgemm(call: Call) -> Value:
    """A bias of integers has the product of the scales of both factors, and is added to the
    product of integers. Without a scale the result is f32."""
    a, b = (
        _exchanged(call.value(i)) if call.attribute(key, 0) else call.value(i)
        for i, key in ((0, "transA"), (3, "transB"))
    )
    y = product(call, a, b, (2, 5))
    y = y + call.value(6) if call.has(6) else y
    one, alpha = constant_value(call, 1), call.attribute("alpha", 1.0)
    one = one if alpha == 1.0 else one * alpha
    if not call.has(7):
        return Dequantize()(y, factor(one, constant_value(call, 4)))
    scale = factor(one, constant_value(call, 4), constant_value(call, 7))
    if not call.has(8):
        return Quantize(a.dtype)(Dequantize()(y, scale), constant_of(1.0))
    return requantised(call, y, scale, 8)


@own("QuantizeLinear")
def quantize_linear(call: Call) -> Value:
    return standard(call, "QuantizeLinear", *call.inputs, **call.attributes)


@own("DequantizeLinear")
def dequantize_linear(call: Call) -> Value:
    return standard(call, "DequantizeLinear", *call.inputs, **call.attributes)
