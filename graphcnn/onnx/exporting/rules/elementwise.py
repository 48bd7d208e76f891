"""Elementwise operators and activations in ONNX."""

import math
from typing import Any

from graphcnn.ir.node import Node
from graphcnn.ir.tensor_type import DType
from graphcnn.onnx.exporting.registry import exports, plain
from graphcnn.onnx.exporting.writer import ELEMENT_TYPES, NeedsOpset, NodeWriter

_PLAIN = {
    "add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "pow": "Pow",
    "maximum": "Max", "minimum": "Min",
    "neg": "Neg", "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "abs": "Abs", "sign": "Sign",
    "erf": "Erf", "sin": "Sin", "cos": "Cos", "atan": "Atan", "quotient": "Div",
    "floor": "Floor", "ceil": "Ceil", "round": "Round",
    "less": "Less", "less_equal": "LessOrEqual", "greater": "Greater",
    "greater_equal": "GreaterOrEqual", "equal": "Equal",
    "and": "And", "or": "Or", "not": "Not",
    "relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh",
    "hard_swish": "HardSwish",
    "probabilities": "Identity", "stop_gradient": "Identity",
}  # fmt: skip

for _name, _onnx_type in _PLAIN.items():
    exports(_name)(plain(_onnx_type))


@exports("clip")
def clip(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    op: Any = node.op
    bounds = [emit.scalar(bound, node.output.dtype) for bound in (op.low, op.high)]
    return [emit.add("Clip", inputs[0], *bounds)]


@exports("softplus")
def softplus(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    """Of float64, which ONNX Runtime lacks, max(x, 0) + log(1 + exp(-|x|))."""
    (x,), dtype = inputs, node.output.dtype
    if dtype is not DType.FLOAT64:
        return [emit.add("Softplus", x)]
    rest = emit.add("Exp", emit.add("Neg", emit.add("Abs", x)))
    rest = emit.add("Log", emit.add("Add", rest, emit.scalar(1.0, dtype)))
    return [emit.add("Add", emit.add("Max", x, emit.scalar(0.0, dtype)), rest)]


@exports("not_equal")
def not_equal(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    return [emit.add("Not", emit.add("Equal", *inputs))]


@exports("where")
def where(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    """ONNX Runtime chooses among numbers only: of booleans, (c and a) or (not c and b)."""
    if node.output.dtype is not DType.BOOL:
        return [emit.add("Where", *inputs)]
    condition, a, b = inputs
    chosen = emit.add("And", condition, a)
    return [emit.add("Or", chosen, emit.add("And", emit.add("Not", condition), b))]


@exports("remainder")
def remainder(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    """ONNX's rest of floats has the sign of a; where b has the other sign, b is added."""
    op: Any = node.op
    dtype = node.output.dtype
    if op.truncated or not dtype.is_float:
        return [emit.add("Mod", *inputs, fmod=int(op.truncated))]
    rest, zero = emit.add("Mod", *inputs, fmod=1), emit.scalar(0.0, dtype)
    signs = (emit.add("Less", v, zero) for v in (rest, inputs[1]))
    differ = emit.add(
        "And", emit.add("Xor", *signs), emit.add("Not", emit.add("Equal", rest, zero))
    )
    return [emit.add("Where", differ, emit.add("Add", rest, inputs[1]), rest)]


#: The first opset in which Cast knows an element type, where that is late.
_SINCE = {
    DType.FLOAT8_E4M3FN: 19, DType.FLOAT8_E4M3FNUZ: 19, DType.FLOAT8_E5M2: 19,
    DType.FLOAT8_E5M2FNUZ: 19, DType.INT4: 21, DType.UINT4: 21, DType.FLOAT4_E2M1FN: 23,
    DType.FLOAT8_E8M0FNU: 24, DType.INT2: 25, DType.UINT2: 25,
}  # fmt: skip


@exports("cast")
def cast(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    """Floats of 8 bits become NaN or infinite where the number is too large, as ours do."""
    dtype = node.output.dtype
    for each in (node.inputs[0].dtype, dtype):
        if emit.opset < _SINCE.get(each, 0):
            raise NeedsOpset(f"the element type {each}", _SINCE[each])
    how: dict[str, Any] = {"saturate": 0} if dtype.is_float and dtype.bits == 8 else {}
    if dtype is DType.FLOAT8_E8M0FNU:
        how["round_mode"] = "nearest"
    return [emit.add("Cast", inputs[0], to=ELEMENT_TYPES[dtype], **how)]


@exports("leaky_relu")
def leaky_relu(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    op: Any = node.op
    return [emit.add("LeakyRelu", inputs[0], alpha=float(op.alpha))]


@exports("prelu")
def prelu(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    """ONNX's slope broadcasts to x: one number per channel is (C, 1, 1)."""
    (x, slope), (image, own) = inputs, (v.shape for v in node.inputs)
    if len(own) == 1 and len(image) > 2:
        slope = emit.reshape(slope, own, (*own, *(1 for _ in image[2:])))
    return [emit.add("PRelu", x, slope)]


@exports("elu")
def elu(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    op: Any = node.op
    return [emit.add("Elu", inputs[0], alpha=float(op.alpha))]


@exports("hard_sigmoid")
def hard_sigmoid(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    op: Any = node.op
    return [emit.add("HardSigmoid", inputs[0], alpha=float(op.alpha), beta=float(op.beta))]


@exports("silu")
def silu(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    """x · sigmoid(x)."""
    return [emit.add("Mul", inputs[0], emit.add("Sigmoid", inputs[0]))]


@exports("mish")
def mish(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    """Below opset 18, which has it: x · tanh(log(1 + e^x))."""
    (x,) = inputs
    if emit.opset >= 18:
        return [emit.add("Mish", x)]
    return [emit.add("Mul", x, emit.add("Tanh", *softplus(emit, node, inputs)))]


@exports("gelu")
def gelu(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    """Below opset 20, which has it: x/2 · (1 + erf(x/√2)), or tanh(√(2/π)·(x + 0.044715·x³))."""
    op: Any = node.op
    (x,), dtype = inputs, node.output.dtype
    if emit.opset >= 20:
        return [emit.add("Gelu", x, approximate=op.approximate)]
    if op.approximate == "tanh":
        cube = emit.add("Mul", x, emit.add("Mul", x, x))
        inner = emit.add("Add", x, emit.add("Mul", cube, emit.scalar(0.044715, dtype)))
        inner = emit.add("Mul", inner, emit.scalar(math.sqrt(2 / math.pi), dtype))
        bend = emit.add("Tanh", inner)
    else:
        bend = emit.add("Erf", emit.add("Mul", x, emit.scalar(math.sqrt(0.5), dtype)))
    half = emit.add("Mul", x, emit.scalar(0.5, dtype))
    return [emit.add("Mul", half, emit.add("Add", bend, emit.scalar(1.0, dtype)))]


@exports("softmax", "log_softmax")
def softmax(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    op: Any = node.op
    kind = "Softmax" if op.name == "softmax" else "LogSoftmax"
    return [emit.add(kind, inputs[0], axis=op.axis)]


@exports("dropout")
def dropout(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    """The inference form, which passes x on."""
    op: Any = node.op
    return [emit.add("Dropout", inputs[0], emit.scalar(op.rate, node.output.dtype))]
