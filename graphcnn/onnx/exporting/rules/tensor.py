"""Shapes, parts, joins, reductions and indicator vectors in ONNX."""

from typing import Any

from graphcnn.ir.node import Node
from graphcnn.ir.tensor_type import DType, is_open, known_size, open_axes
from graphcnn.onnx.exporting.registry import exports
from graphcnn.onnx.exporting.writer import ELEMENT_TYPES, NodeWriter


@exports("reshape")
def reshape(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    return [emit.reshape(inputs[0], node.inputs[0].shape, node.output.shape)]


@exports("flatten")
def flatten(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    return [emit.add("Flatten", inputs[0], axis=1)]


@exports("transpose")
def transpose(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    op: Any = node.op
    return [emit.transpose(inputs[0], *op.perm)]


@exports("concat")
def concat(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    op: Any = node.op
    return [emit.add("Concat", *inputs, axis=op.axis)]


@exports("broadcast_to")
def broadcast_to(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    return [emit.add("Expand", inputs[0], emit.shape(node.output.shape))]


@exports("element_count")
def element_count(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    """A constant, or a constant times the batch size of the run."""
    op: Any = node.op
    count = emit.scalar(known_size(op.shape), op.dtype)
    if not is_open(op.shape):
        return [count]
    batch = emit.add("Squeeze", emit.batch(), emit.integers((0,), "axes"))
    batch = emit.add("Cast", batch, to=int(ELEMENT_TYPES[op.dtype]))
    for _ in range(len(open_axes(op.shape))):
        count = emit.add("Mul", batch, count)
    return [count]


@exports("positions")
def positions(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    op: Any = node.op
    zero, one = (emit.scalar(k, DType.INT64) for k in (0, 1))
    count = emit.add("Squeeze", emit.elements(op.shape), emit.integers((0,), "axes"))
    return [emit.add("Reshape", emit.add("Range", zero, count, one), emit.shape(op.shape))]


@exports("one_hot")
def one_hot(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    """label == 0, 1, 2, ...; ONNX's OneHot takes no label of rank 0."""
    op: Any = node.op
    labels = emit.add("Unsqueeze", inputs[0], emit.integers((-1,), "axes"))
    hit = emit.add("Equal", labels, emit.integers(range(op.depth), "classes"))
    return [emit.add("Cast", hit, to=int(ELEMENT_TYPES[op.dtype]))]


#: ONNX Runtime sums all pixels of an image in one row; of so many it loses a digit. One axis first,
#: then the rest, costs the same and loses none.
_LARGE = 1024

#: Integers that ONNX or ONNX Runtime does not sum up: in 64 bits, of which the lowest are kept.
_SHORT = {
    DType.INT8, DType.UINT8, DType.INT16, DType.UINT16, DType.UINT32, DType.UINT64,
}  # fmt: skip


def _reduction(onnx_type: str) -> None:
    @exports(onnx_type.removeprefix("Reduce").lower())
    def reduction(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
        op: Any = node.op
        if not op.axes:
            return [inputs[0]]
        x, shape = inputs[0], node.inputs[0].shape
        if onnx_type in ("ReduceSum", "ReduceProd") and node.output.dtype in _SHORT:
            whole = emit.add("Cast", x, to=ELEMENT_TYPES[DType.INT64])
            whole = emit.reduce(onnx_type, whole, op.axes, op.keepdims)
            return [emit.add("Cast", whole, to=ELEMENT_TYPES[node.output.dtype])]
        sums = onnx_type in ("ReduceSum", "ReduceMean") and node.output.dtype.is_float
        if sums and op.axes == (0, 2, 3) and known_size(shape[2:]) >= _LARGE:
            x = emit.reduce(onnx_type, x, (2,), True)
        return [emit.reduce(onnx_type, x, op.axes, op.keepdims)]


for _onnx_type in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceProd"):
    _reduction(_onnx_type)


@exports("argmax")
def argmax(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    op: Any = node.op
    y = emit.add("ArgMax", inputs[0], axis=op.axis, keepdims=int(op.keepdims), select_last_index=0)
    return [y]
