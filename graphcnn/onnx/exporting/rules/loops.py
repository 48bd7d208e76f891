"""Loops as ONNX's Scan: the body is a graph inside the node."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from onnx import GraphProto, helper

from graphcnn.ir.graph import unique_names
from graphcnn.ir.node import Node, Value
from graphcnn.ir.sources import Constant, Input
from graphcnn.onnx.exporting.registry import exporter_of, exports
from graphcnn.onnx.exporting.writer import BodyWriter, NodeWriter, value_info


@exports("scan")
def scan(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    """Carries, then slices along axis 0; what is given the body reads by its name outside."""
    op: Any = node.op
    carries, scanned, given = op.parts(inputs)
    inner = op.parts(op.body.inputs)
    if not scanned:  # ONNX's Scan has the number of steps from what it goes through
        scanned = (emit.constant(np.zeros(op.length, bool), "steps"),)
    body = _body(emit, node, dict(zip(inner.given, given, strict=True)), len(scanned))
    back = int(op.reverse)
    ys = len(op.body.outputs) - op.carries
    ways = {"scan_output_directions": [back] * ys} if ys else {}
    return emit.add_many(
        "Scan",
        len(op.body.outputs),
        *carries,
        *scanned,
        body=body,
        num_scan_inputs=len(scanned),
        scan_input_directions=[back] * len(scanned),
        **ways,
    )


def _body(emit: NodeWriter, node: Node, given: Mapping[Value, str], scanned: int) -> GraphProto:
    op: Any = node.op
    graph, writer = op.body, emit.body()
    labels, names = unique_names(graph), dict(given)
    read = op.parts(graph.inputs)
    inputs = []
    for value in (*read.carries, *read.scanned):
        names[value] = emit.fresh(f"{emit.scope}.{labels[value.node]}")
        inputs.append(value_info(names[value], value.type))
    if scanned > len(read.scanned):
        step = helper.make_tensor_value_info(emit.fresh(f"{emit.scope}.step"), 9, [])
        inputs.append(step)
    for inner in graph.nodes:
        _emit(writer, inner, f"{emit.scope}/{labels[inner]}", names)
    outputs = []
    made = {name for n in writer.nodes for name in n.output}
    for key, value in graph.outputs.items():
        name = names[value]
        if name not in made:  # of outside, or an output already
            name = writer.fresh(f"{emit.scope}.{key}")
            writer.begin(writer.fresh_node(f"{emit.scope}/{key}"))
            writer.finish([names[value]], [name])
        made.discard(name)
        outputs.append(value_info(name, value.type))
    return helper.make_graph(writer.nodes, f"{emit.scope}.body", inputs, outputs)


def _emit(writer: BodyWriter, node: Node, label: str, names: dict[Value, str]) -> None:
    if isinstance(node.op, Input):
        return
    if isinstance(node.op, Constant):
        names[node.output] = writer.constant(node.op.array)
        return
    exporter = exporter_of(node.op, label)
    writer.begin(writer.fresh_node(label), str(node.origin))
    results = exporter(writer, node, [names[v] for v in node.inputs])
    final = [writer.fresh(label.replace("/", ".")) for _ in results]
    writer.finish(results, final)
    names.update(zip(node.outputs, final, strict=True))
