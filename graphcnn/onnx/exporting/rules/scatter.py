"""Reading and writing at computed places, and the k best, in ONNX."""

from typing import Any

from graphcnn.ir.node import Node
from graphcnn.ir.tensor_type import merged_size
from graphcnn.onnx.exporting.registry import exports
from graphcnn.onnx.exporting.writer import NeedsOpset, NodeWriter


@exports("gather")
def gather(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    op: Any = node.op
    if not op.batch:
        return [emit.add("Gather", *inputs, axis=0)]
    tuples = emit.add("Unsqueeze", inputs[1], emit.integers((-1,), "axes"))
    return [emit.add("GatherND", inputs[0], tuples, batch_dims=op.batch)]


@exports("scatter")
def scatter(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    """Without a batch by tuples of one index; with one, an index for every element."""
    op: Any = node.op
    if op.reduction in ("max", "min") and emit.opset < 18:
        raise NeedsOpset(f"ScatterElements with reduction={op.reduction!r}", 18)
    how = {} if op.reduction == "none" else {"reduction": op.reduction}
    x, indices, updates = inputs
    if not op.batch:
        tuples = emit.add("Unsqueeze", indices, emit.integers((-1,), "axes"))
        return [emit.add("ScatterND", x, tuples, updates, **how)]
    shape, old = node.inputs[0].shape, node.inputs[1].shape
    items, rest = shape[: op.batch], shape[op.batch + 1 :]
    count = merged_size(old[op.batch :])
    rows = emit.reshape(indices, old, (*items, count, *(1 for _ in rest)))
    if any(d != 1 for d in rest):
        rows = emit.add("Expand", rows, emit.shape((*items, count, *rest)))
    new = emit.reshape(updates, node.inputs[2].shape, (*items, count, *rest))
    return [emit.add("ScatterElements", x, rows, new, axis=op.batch, **how)]


@exports("top_k")
def top_k(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    op: Any = node.op
    how = {"axis": -1, "largest": int(op.largest), "sorted": 1}
    return emit.add_many("TopK", 2, inputs[0], emit.integers((op.k,), "k"), **how)
