"""More operators of ONNX Runtime's own (domain "com.microsoft"): those that stand for a whole
pattern, as a sum and its layer norm, attention, or a product of numbers that are quantised for it.
"""

from dataclasses import replace

from graphcnn.errors import ImportModelError
from graphcnn.ir.node import Value, constant_of
from graphcnn.ir.tensor_type import DType
from graphcnn.onnx.importing.context import RULES, Call, Operand, UnsupportedError, reshaped
from graphcnn.onnx.importing.rules.microsoft.operators import own
from graphcnn.onnx.importing.rules.parts import cut
from graphcnn.onnx.importing.rules.quantized import constant_value, factor, product
from graphcnn.ops.comparison import Equal, Where
from graphcnn.ops.dense import MatMul
from graphcnn.ops.elementwise import Maximum, Sqrt
from graphcnn.ops.integer import Dequantize, Quantize
from graphcnn.ops.reduce import Max, Mean
from graphcnn.ops.shape import Transpose
from graphcnn.ops.softmax import Softmax

# Sums and their layer norms


def _sum(call: Call, bias: int) -> Value:
    """The input, what is added to it, and a bias where there is one."""
    found = call.value(0) + call.value(1)
    return found + call.value(bias) if call.has(bias) else found


@own("SkipLayerNormalization")
def skip_layer_normalization(call: Call) -> list[Operand | None]:
    """The fourth result is the sum itself."""
    total = _sum(call, 4)
    beta = [call.given(3)] if call.has(3) else []
    inner = replace(
        call,
        op_type="LayerNormalization",
        inputs=(total, call.given(2), *beta),
        outputs=call.outputs[:3],
        attributes={"axis": -1, "epsilon": call.attribute("epsilon", 1e-12)},
    )
    found = RULES["LayerNormalization"](inner)
    assert isinstance(found, list)
    return [*found, *[None] * (3 - len(found)), total]


@own("SkipSimplifiedLayerNormalization")
def skip_simplified_layer_normalization(call: Call) -> list[Operand | None]:
    total = _sum(call, 3)
    mean = Mean((total.type.rank - 1,), keepdims=True)(total * total)
    y = total / Sqrt()(mean + call.attribute("epsilon", 1e-12)) * call.value(2)
    return [y, None, None, total]


# Attention


@own("Attention")
def attention(call: Call) -> Value:
    """Queries, keys and values of x (N, S, C) by one matrix, heads side by side in its columns."""
    for i in range(3, len(call.inputs)):
        if call.has(i):
            raise UnsupportedError(f"its input {i} (a mask, or results of former calls)")
    for name in ("unidirectional", "do_rotary", "past_present_share_buffer"):
        if call.attribute(name, 0):
            raise UnsupportedError(f"attribute {name!r} = {call.attribute(name)}")
    x, weight = call.value(0), call.value(1)
    if x.type.rank != 3 or weight.type.rank != 2:
        raise ImportModelError(f"x {x.type} and weights {weight.type} must have 3 and 2 axes")
    parts = call.attributes.get("qkv_hidden_sizes") or [int(weight.shape[1]) // 3] * 3  # type: ignore[arg-type]
    heads = call.attribute("num_heads", 1)
    y = MatMul()(x, weight)
    y = y + call.value(2) if call.has(2) else y
    if sum(parts) != y.shape[2] or any(p % heads for p in parts) or parts[0] != parts[1]:
        raise ImportModelError(
            f"queries, keys and values of {parts} columns must fill the {y.shape[2]} of the "
            f"weights, the first two alike, each of {heads} heads"
        )
    n, s = y.shape[:2]

    def part(i: int) -> Value:
        wide = cut(y, 2, sum(parts[:i]), parts[i])
        return Transpose((0, 2, 1, 3))(reshaped(wide, (n, s, heads, parts[i] // heads)))

    q, k, v = (part(i) for i in range(3))
    scale = call.attribute("scale", 0.0) or (parts[0] // heads) ** -0.5
    weights = Softmax(3)(MatMul()(q, Transpose((0, 1, 3, 2))(k)) * scale)
    together = Transpose((0, 2, 1, 3))(MatMul()(weights, v))
    return reshaped(together, (n, s, parts[2]))


# Products that are quantised on the way


def _scaled(call: Call, y: Value, a_scale: Value, b_scale: Value, bias: int) -> Value:
    y = Dequantize()(y, factor(a_scale, b_scale))
    return y + call.value(bias) if call.has(bias) else y


@own("MatMulIntegerToFloat")
def matmul_integer_to_float(call: Call) -> Value:
    y = product(call, call.value(0), call.value(1), (4, 5))
    return _scaled(call, y, constant_value(call, 2), constant_value(call, 3), 6)


@own("DynamicQuantizeMatMul")
def dynamic_quantize_matmul(call: Call) -> Value:
    """The left factor in 256 steps from its smallest number, or 0, to its largest, or 0."""
    x = call.value(0)
    axes = tuple(range(x.type.rank))
    high = Maximum()(Max(axes)(x), constant_of(0.0))
    low = -Maximum()(Max(axes)(-x), constant_of(0.0))
    scale = (high - low) / 255.0
    scale = Where()(Equal()(scale, constant_of(0.0)), constant_of(1.0), scale)
    zero = Quantize(DType.UINT8)(-low / scale, constant_of(1.0))
    integers = Quantize(DType.UINT8)(x, scale, zero)
    zeros = (integers, call.given(1), zero, call.inputs[3] if call.has(3) else None)
    inner = replace(call, inputs=zeros)
    y = product(inner, integers, inner.value(1), (2, 3))
    return _scaled(call, y, scale, constant_value(call, 2), 4)


@own("QLinearConv")
def qlinear_conv(call: Call) -> Value:
    """The standard one, or with the channels as the last axis of the images."""
    x = call.value(0)
    last, turned = x.type.rank - 1, call.attribute("channels_last", 0)
    if turned:
        x = Transpose((0, last, *range(1, last)))(x)
    y = RULES["QLinearConv"](replace(call, inputs=(x, *call.inputs[1:])))
    assert isinstance(y, Value)
    return Transpose((0, *range(2, last + 1), 1))(y) if turned else y
