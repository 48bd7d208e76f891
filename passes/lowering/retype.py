"""A graph of float32 in float16: parameters, constants and all results; inputs and outputs stay.

Every edge has a type, so what is narrowed is exactly what was float32; sizes and positions keep
theirs, and so do the scales of integers and what goes from one scale to another. A number above
65504 has no float16 and is refused, with the name of its tensor.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace

import numpy as np

from graphcnn.errors import ExportError
from graphcnn.ir.graph import Graph, topological_order, unique_names
from graphcnn.ir.node import Array, Node, Op, Value, build, freeze
from graphcnn.ir.origin import inherit
from graphcnn.ir.sources import Constant, Input, State
from graphcnn.ir.tensor_type import DType
from graphcnn.ops.elementwise import Cast
from graphcnn.ops.integer import Dequantize, Quantize

#: The largest number of float16.
LARGEST = 65504.0

SINGLE = DType.FLOAT32


def to_float16(graph: Graph, states: Mapping[str, Array]) -> tuple[Graph, dict[str, Array]]:
    """The graph, and the values of its states, in float16 between inputs and outputs of float32.

    Raises `ExportError` for a parameter, constant or attribute that float16 cannot hold.
    """
    names = unique_names(graph)
    narrow = dict(states)
    new: dict[Value, Value] = {}
    for node in graph.nodes:
        if isinstance(node.op, State) and not _stays(node, graph) and _is_single(node):
            narrow[node.op.key] = _narrowed(states[node.op.key], node.op.key)
        with inherit(node.origin):
            if isinstance(node.op, Quantize | Dequantize) and node.inputs[1].dtype is SINGLE:
                results = _quantised(node, new, names[node])
            else:
                results = _in_float16(node, [new[v] for v in node.inputs], names[node], graph)
        new.update(zip(node.outputs, results, strict=True))
    outputs = {}
    for key, value in graph.outputs.items():
        if _stays(value.node, graph):
            outputs[key] = value
        elif value.dtype is DType.FLOAT32:
            with inherit(value.node.origin):
                outputs[key] = Cast(DType.FLOAT32)(new[value], name=key)
        else:
            outputs[key] = new[value]
    return Graph.of(graph.inputs, outputs, name=graph.name), narrow


def _stays(node: Node, graph: Graph) -> bool:
    """Whether it is an input, or a state that is an output as it is."""
    state = isinstance(node.op, State) and node.output in graph.results
    return state or isinstance(node.op, Input)


def _is_single(node: Node) -> bool:
    return node.output.dtype is DType.FLOAT32


def _in_float16(node: Node, inputs: Sequence[Value], name: str, graph: Graph) -> Sequence[Value]:
    op = node.op
    if _stays(node, graph):
        half = Cast(DType.FLOAT16)(node.output, name=f"{name}.float16")
        return [half] if _is_single(node) else node.outputs
    if isinstance(op, State):
        narrow = replace(op.type, dtype=DType.FLOAT16)
        op = replace(op, type=narrow) if op.type.dtype is DType.FLOAT32 else op
        return build(op, (), node.name, node.origin).outputs
    if isinstance(op, Constant):
        if node.output.dtype is DType.FLOAT32:
            op = Constant(freeze(_narrowed(op.array, name)))
        return build(op, (), node.name, node.origin).outputs
    op = _with_attributes(op, name)
    if any(v in graph.results for v in node.outputs):
        name = f"{name}.float16"  # the output itself keeps the name
    return build(op, inputs, name, node.origin).outputs


def _quantised(node: Node, new: Mapping[Value, Value], name: str) -> Sequence[Value]:
    """Scales stay float32, since integers depend on them, and so does what goes from one to
    another; numbers that come of integers are float16 again."""
    x, scale, *zero = node.inputs
    scale = scale if _is_constant(scale) else Cast(SINGLE)(new[scale])
    rest = [scale, *(new[v] for v in zero)]
    if isinstance(node.op, Dequantize):
        numbers = build(node.op, [new[x], *rest], f"{name}.float32", node.origin).output
        return [Cast(DType.FLOAT16)(numbers, name=name)]
    found = new[x].node
    again = isinstance(found.op, Cast) and isinstance(found.inputs[0].node.op, Dequantize)
    wide = found.inputs[0] if again else Cast(SINGLE)(new[x])
    return build(node.op, [wide, *rest], node.name, node.origin).outputs


def _is_constant(value: Value) -> bool:
    """Whether it is computed of constants alone."""
    order = topological_order([value.node])
    return all(isinstance(n.op, Constant) or n.inputs for n in order)


def _with_attributes(op: Op, name: str) -> Op:
    """The operator with float16 where it names a type; its numbers have to fit."""
    changes = {}
    for f in fields(op):
        value = getattr(op, f.name)
        if value is DType.FLOAT32:
            changes[f.name] = DType.FLOAT16
        if isinstance(value, float) and LARGEST < abs(value) < np.inf:
            raise ExportError(_overflow(f"{op.name} {name!r}: {f.name}", value))
    return replace(op, **changes) if changes else op


def _narrowed(array: Array, name: str) -> Array:
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    lost = np.isinf(half) & np.isfinite(array)
    if lost.any():
        raise ExportError(_overflow(f"the tensor {name!r}", float(array[lost].flat[0])))
    return half


def _overflow(what: str, value: float) -> str:
    return f"{what} holds {value:g}, float16 at most {LARGEST:g} in size: export it as float32"
