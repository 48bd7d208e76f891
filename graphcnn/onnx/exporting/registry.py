"""The registry: what each of our operators becomes in ONNX.

    @exports("relu")
    def relu(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
        return [emit.add("Relu", inputs[0])]

A function gets the names of the node's inputs, adds ONNX nodes, and returns the names of the
results. One that has no such function is written out in the operators that it expands to; one that
does not expand either is excused here by name.
"""

from collections.abc import Callable
from typing import Final

from graphcnn.errors import ExportError
from graphcnn.ir.graph import topological_order
from graphcnn.ir.node import Node, Op
from graphcnn.ir.sources import Constant, Input
from graphcnn.onnx.exporting.writer import NodeWriter
from graphcnn.ops.own.operator import OwnGradient, OwnOp

Exporter = Callable[[NodeWriter, Node, list[str]], list[str]]

EXPORTERS: dict[str, Exporter] = {}

#: Operators without a mapping, and why.
EXCUSED: Final = {
    "input": "the graph's own inputs; written by export_graph",
    "state": "the graph's own initializers; written by export_graph",
    "constant": "an initializer; written by export_graph",
    "fused": "made for the native runtime; export the graph before fuse_ops",
    "relayout": "made for the native runtime; export the graph before assign_layout",
    "own_gradient": "it is Python: the method backward of an operator of one's own",
    "placed": "made for the native runtime; export the graph before assign_layout",
}


def exports(*names: str) -> Callable[[Exporter], Exporter]:
    """Register a function as the mapping of the operators called `names`."""

    def register(function: Exporter) -> Exporter:
        for name in names:
            if name in EXPORTERS:
                raise TypeError(f"two mappings to ONNX for {name!r}")
            EXPORTERS[name] = function
        return function

    return register


def plain(onnx_type: str) -> Exporter:
    """The mapping of an operator that ONNX has under another name, without attributes."""

    def export(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
        return [emit.add(onnx_type, *inputs)]

    return export


def exporter_of(op: Op, name: str) -> Exporter:
    """What writes the operator of a node. Raises `ExportError` with its name where nothing does."""
    if op.name in EXPORTERS:
        return EXPORTERS[op.name]
    if op.has("expand") and op.name not in EXCUSED:
        return written_out
    if isinstance(op, OwnOp) and op.gives("onnx"):
        return written_out
    reason = EXCUSED.get(op.name, "no mapping is registered")
    if isinstance(op, OwnOp):
        reason = (
            f"it is {op.home()}, and defined in Python; give it a method onnx(self, "
            f"{', '.join(op.operands)}) with the same in functions of graphcnn"
        )
    elif isinstance(op, OwnGradient):
        reason = (
            f"it is the method backward of {op.op.name}, in Python; give this a method "
            "differentiate, with the same in functions of graphcnn"
        )
    raise ExportError(f"{op.name} {name!r} has no equivalent in ONNX: {reason}")


def written_out(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    """The operator as the smaller ones that it expands to."""
    stand_ins = [
        v if isinstance(v.node.op, Constant) else Input(f"operand{i}", v.type)()
        for i, v in enumerate(node.inputs)
    ]
    names = dict(zip(stand_ins, inputs, strict=True))
    op = node.op
    results = op.in_language(*stand_ins) if isinstance(op, OwnOp) else op.expand(*stand_ins)
    for inner in topological_order(v.node for v in results):
        if inner.outputs[0] in names:
            continue
        if isinstance(inner.op, Constant):
            names[inner.output] = emit.constant(inner.op.array)
            continue
        made = exporter_of(inner.op, node.name)(emit, inner, [names[v] for v in inner.inputs])
        names.update(zip(inner.outputs, made, strict=True))
    return [names[v] for v in results]
