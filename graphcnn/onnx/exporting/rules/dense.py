"""Matrix products, normalisation and losses in ONNX."""

from typing import Any

from graphcnn.ir.node import Node, Value
from graphcnn.ir.tensor_type import DType, Shape
from graphcnn.onnx.exporting.registry import exports, written_out
from graphcnn.onnx.exporting.writer import ELEMENT_TYPES, NodeWriter


@exports("dense")
def dense(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    return [emit.add("Gemm", *inputs, alpha=1.0, beta=1.0, transA=0, transB=1)]


@exports("matmul")
def matmul(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    op: Any = node.op
    sides = zip(inputs, node.inputs, (op.transpose_a, op.transpose_b), strict=True)
    return [emit.add("MatMul", *(_matrix(emit, *side) for side in sides))]


def _matrix(emit: NodeWriter, name: str, value: Value, transposed: bool) -> str:
    rank = value.type.rank
    return emit.transpose(name, *range(rank - 2), rank - 1, rank - 2) if transposed else name


@exports("batch_norm")
def batch_norm(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    """ONNX's momentum is the weight of the old statistics, ours of the new ones."""
    op: Any = node.op
    momentum = 1.0 - op.momentum
    y = emit.add(
        "BatchNormalization", *inputs, epsilon=op.epsilon, momentum=momentum, training_mode=0
    )
    return [y]


@exports("group_norm")
def group_norm(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    """InstanceNormalization, where every channel is a group; it is of float32 in ONNX Runtime.
    Before opset 21 GroupNormalization has one scale per group; ours are one per channel."""
    op: Any = node.op
    channels, *pixels = node.output.type.shape[1:]
    if op.groups == channels and pixels and node.output.dtype is DType.FLOAT32:
        return [emit.add("InstanceNormalization", *inputs, epsilon=op.epsilon)]
    if emit.opset < 21:
        return written_out(emit, node, inputs)
    wide = DType.FLOAT64 if node.output.dtype is DType.FLOAT64 else DType.FLOAT32
    y = emit.add(
        "GroupNormalization", *inputs, epsilon=op.epsilon, num_groups=op.groups,
        stash_type=ELEMENT_TYPES[wide],
    )  # fmt: skip
    return [y]


@exports("layer_norm")
def layer_norm(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    """LayerNormalization takes the last axes: others are moved there and back. It computes in
    float32, and opset 17 is the first that has it."""
    op: Any = node.op
    (x, *numbers), rank, dtype = inputs, node.output.type.rank, node.output.dtype
    if emit.opset < 17 or dtype is not DType.FLOAT32:
        centred = emit.add("Sub", x, emit.reduce("ReduceMean", x, op.axes, True))
        variance = emit.reduce("ReduceMean", emit.add("Mul", centred, centred), op.axes, True)
        root = emit.add("Sqrt", emit.add("Add", variance, emit.scalar(op.epsilon, dtype)))
        wide = tuple(d if a in op.axes else 1 for a, d in enumerate(node.output.shape))
        gamma, beta = (emit.reshape(v, node.inputs[1].shape, wide) for v in numbers)
        return [emit.add("Add", emit.add("Mul", emit.add("Div", centred, root), gamma), beta)]
    perm = [*(a for a in range(rank) if a not in op.axes), *op.axes]
    moved = perm != sorted(perm)
    y = emit.add(
        "LayerNormalization", emit.transpose(x, *perm) if moved else x, *numbers,
        axis=rank - len(op.axes), epsilon=op.epsilon, stash_type=1,
    )  # fmt: skip
    return [emit.transpose(y, *map(perm.index, range(rank))) if moved else y]


def _channels(emit: NodeWriter, v: str, shape: Shape) -> str:
    """One number per channel, (C), as (1, C, 1, 1)."""
    return emit.reshape(v, shape[1:2], (1, shape[1], *(1 for _ in shape[2:])))


def _axes(shape: Shape) -> tuple[int, ...]:
    return (0, *range(2, len(shape)))


@exports("batch_norm_train")
def batch_norm_train(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    op: Any = node.op
    (x, gamma, beta), shape, dtype = inputs, node.output.shape, node.output.dtype
    mean = emit.reduce("ReduceMean", x, _axes(shape), False)
    centred = emit.add("Sub", x, _channels(emit, mean, shape))
    square = emit.add("Mul", centred, centred)
    variance = emit.reduce("ReduceMean", square, _axes(shape), False)
    root = emit.add("Sqrt", emit.add("Add", variance, emit.scalar(op.epsilon, dtype)))
    scale = _channels(emit, emit.add("Div", gamma, root), shape)
    y = emit.add("Add", emit.add("Mul", centred, scale), _channels(emit, beta, shape))
    return [y, mean, variance]


@exports("batch_norm_grad")
def batch_norm_grad(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    """gamma · r · (dy - mean of dy - x^ · mean of (dy · x^)), with sums for gamma and beta."""
    op: Any = node.op
    x, gamma, mean, variance, dy = inputs
    shape, dtype = node.output.shape, node.output.dtype
    root = emit.add("Sqrt", emit.add("Add", variance, emit.scalar(op.epsilon, dtype)))
    centred = emit.add("Sub", x, _channels(emit, mean, shape))
    normal = emit.add("Div", centred, _channels(emit, root, shape))
    product = emit.add("Mul", dy, normal)
    dbeta, dgamma = (emit.reduce("ReduceSum", v, _axes(shape), False) for v in (dy, product))
    shift = emit.reduce("ReduceMean", dy, _axes(shape), True)
    slope = emit.reduce("ReduceMean", product, _axes(shape), True)
    rest = emit.add("Sub", dy, emit.add("Add", shift, emit.add("Mul", normal, slope)))
    scale = _channels(emit, emit.add("Div", gamma, root), shape)
    return [emit.add("Mul", scale, rest), dgamma, dbeta]


@exports("cross_entropy")
def cross_entropy(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    """With smoothing s: (1 - s) · loss - s · mean of the log probabilities."""
    op: Any = node.op
    s, dtype = op.label_smoothing, node.output.dtype
    if not s:
        return [emit.add("SoftmaxCrossEntropyLoss", *inputs, reduction="mean")]
    loss, log_p = emit.add_many("SoftmaxCrossEntropyLoss", 2, *inputs, reduction="mean")
    sharp = emit.add("Mul", loss, emit.scalar(1 - s, dtype))
    smooth = emit.add("Mul", _mean(emit, log_p, node.inputs[0]), emit.scalar(s, dtype))
    return [emit.add("Sub", sharp, smooth)]


def _mean(emit: NodeWriter, x: str, like: Value) -> str:
    return emit.reduce("ReduceMean", x, range(like.type.rank), False) if like.type.rank else x


@exports("binary_cross_entropy")
def binary_cross_entropy(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    """Mean of log(1 + e^z) - z·t."""
    logits, targets = inputs
    loss = emit.add("Sub", emit.add("Softplus", logits), emit.add("Mul", logits, targets))
    return [_mean(emit, loss, node.inputs[0])]


@exports("mean_squared_error")
def mean_squared_error(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    difference = emit.add("Sub", *inputs)
    return [_mean(emit, emit.add("Mul", difference, difference), node.inputs[0])]


@exports("mean_absolute_error")
def mean_absolute_error(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    return [_mean(emit, emit.add("Abs", emit.add("Sub", *inputs)), node.inputs[0])]
