"""The registry: what each of our operators becomes in ONNX.

    @exports("relu")
    def relu(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
        return [emit.add("Relu", inputs[0])]

A function gets the names of the node's inputs, adds ONNX nodes, and returns the names of the
results. An operator is either in `EXPORTERS` or excused here by name.
"""

from collections.abc import Callable
from typing import Final

from graphcnn.ir.node import Node
from graphcnn.onnx.exporting.writer import NodeWriter

Exporter = Callable[[NodeWriter, Node, list[str]], list[str]]

EXPORTERS: dict[str, Exporter] = {}

#: Operators without a mapping, and why.
EXCUSED: Final = {
    "input": "the graph's own inputs; written by export_graph",
    "state": "the graph's own initializers; written by export_graph",
    "constant": "an initializer; written by export_graph",
    "fused": "made for the native runtime; export the graph before fuse_ops",
    "relayout": "made for the native runtime; export the graph before assign_layout",
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
