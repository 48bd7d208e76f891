"""A graph as an ONNX model: standard operators, every edge typed, the batch size left open.

The opset is the lowest from 17 on that has all that the graph needs, and the IR version the
lowest that goes with it, so that old runtimes can load the file. Nothing is written before
`onnx.checker` has accepted the model and its shape inference agrees with ours.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata as package_metadata
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

import graphcnn.onnx.exporting.rules  # noqa: F401 - fills the registry
from graphcnn.base.files import atomic_write, atomic_write_together
from graphcnn.compile.pipelines import observers, onnx_pipeline
from graphcnn.errors import ExportError
from graphcnn.ir.graph import Graph, unique_names
from graphcnn.ir.naming import Names, result_name
from graphcnn.ir.node import Array, Node, Value
from graphcnn.ir.sources import Constant, Input, State
from graphcnn.ir.tensor_type import DType
from graphcnn.onnx.exporting import external
from graphcnn.onnx.exporting.external import DataFile
from graphcnn.onnx.exporting.gate import check, helper_types
from graphcnn.onnx.exporting.groups import NodeGroup, find_groups
from graphcnn.onnx.exporting.recurrent import Recurrence, in_order
from graphcnn.onnx.exporting.registry import exporter_of
from graphcnn.onnx.exporting.targets import first_release, newest_for
from graphcnn.onnx.exporting.writer import (
    ELEMENT_TYPES,
    Most,
    NeedsOpset,
    NodeWriter,
    value_info,
)
from graphcnn.onnx.importing.file.names_read import names_read
from graphcnn.text.write import format_graph

#: The lowest IR version of each opset that can be asked for.
IR_VERSIONS = {
    15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 11, 24: 12, 25: 13, 26: 13,
    27: 13, 28: 14,
}  # fmt: skip

#: The property with the text of our graph: an operator of ours may be several of ONNX, and what
#: reads the file back (`graphcnn.onnx.importing.file.written`) has to know which.
NOTE = "graph"

#: The opset where "auto" starts: that of late 2022, which every runtime in use has.
FIRST_OPSET = 17


def export_graph(
    graph: Graph,
    states: Mapping[str, Array],
    path: str | Path | None = None,
    *,
    opset: int | str = "auto",
    metadata: Mapping[str, str] | None = None,
    doc: str = "",
    target: str | None = None,
    external_data: bool | None = None,
) -> onnx.ModelProto:
    """`graph` with the values of its `states` as an ONNX model, written to `path` unless None.

    Inputs, outputs and initializers bear the keys of the graph, nodes their unique names. Updates
    of states are left out. `metadata` goes into the model's properties, beside the text of the
    graph, by which the file is read back as it was. Equal arguments give equal bytes. `target`
    keeps opset and IR version to what releases of ONNX Runtime read, as in "onnxruntime>=1.16".
    With `external_data` large arrays go to a file of their own beside `path`; None does so where
    the model would take more than `EXTERNAL_ABOVE` bytes.

    Raises `ExportError` where the graph cannot be expressed (in this opset), and `OutputError`
    where the file cannot be written; what stood there before is untouched then.
    """
    model, data = build_model(
        graph, states, path, opset=opset, metadata=metadata, doc=doc, target=target,
        external_data=external_data,
    )  # fmt: skip
    if path is not None:
        write_model(model, data, path)
    return model


def write_model(model: onnx.ModelProto, data: DataFile | None, path: str | Path) -> None:
    """Write what `build_model` made for this path."""
    content = model.SerializeToString(deterministic=True)
    if data is None:
        atomic_write(path, content)
        return
    model_path = Path(path)
    atomic_write_together(
        {model_path.with_name(data.location): data.pieces(), model_path: (content,)}
    )


def build_model(
    graph: Graph,
    states: Mapping[str, Array],
    path: str | Path | None = None,
    *,
    opset: int | str = "auto",
    metadata: Mapping[str, str] | None = None,
    doc: str = "",
    target: str | None = None,
    external_data: bool | None = None,
) -> tuple[onnx.ModelProto, DataFile | None]:
    """The model of `export_graph`, checked and not written, and what is to lie beside it."""
    level = _first_opset(opset, target)
    graph = Graph.of(graph.inputs, graph.outputs, name=graph.name)
    _check_states(graph, states)
    graph, states = onnx_pipeline().apply(graph, states, observers())
    while True:
        try:
            model, data = _model(
                graph, states, level, _properties(metadata), doc, path, external_data
            )
            break
        except TooLow as low:
            if target is not None and low.need.opset > newest_for(target)[0]:
                first = first_release(low.need.opset, IR_VERSIONS[low.need.opset])
                raise ExportError(
                    f"{low.node.op.name} {low.name!r} becomes {low.need.what}, which needs opset "
                    f"{low.need.opset}; found target = {target!r}. Ask for {first!r}"
                ) from None
            if opset != "auto":
                raise ExportError(
                    f"{low.node.op.name} {low.name!r} becomes {low.need.what}, which needs opset "
                    f"{low.need.opset}; found opset = {opset}. Ask for {low.need.opset} or 'auto'"
                ) from None
            level = low.need.opset
    check(model)
    return model, data


@dataclass
class TooLow(Exception):
    """A node that the opset cannot express."""

    node: Node
    name: str
    need: NeedsOpset


def _first_opset(opset: int | str, target: str | None) -> int:
    """The opset to try first; for "auto" higher ones may follow."""
    newest = min(max(IR_VERSIONS), onnx.defs.onnx_opset_version())
    most, most_ir = newest_for(target) if target is not None else (newest, IR_VERSIONS[newest])
    if opset == "auto":
        return min(FIRST_OPSET, most)
    if not isinstance(opset, int) or not min(IR_VERSIONS) <= opset <= newest:
        raise ExportError(
            f"opset must be 'auto' or a number from {min(IR_VERSIONS)} to {newest}, found {opset!r}"
        )
    if opset > most or IR_VERSIONS[opset] > most_ir:
        first = first_release(opset, IR_VERSIONS[opset])
        raise ExportError(
            f"opset {opset} needs {first}, found target = {target!r}, which reads {most} at most"
        )
    return opset


def _check_states(graph: Graph, states: Mapping[str, Array]) -> None:
    for value in graph.states:
        op: Any = value.node.op
        if not op.key:
            raise ExportError(f"{value!r} has no name: initializers need one")
        if op.key not in states:
            raise ExportError(f"no value for the state {op.key!r}, {op.type}")
        array = states[op.key]
        if array.shape != op.type.shape or array.dtype != op.type.dtype.numpy:
            raise ExportError(
                f"the state {op.key!r} must be {op.type}, found {array.dtype}{list(array.shape)}"
            )


def _properties(metadata: Mapping[str, str] | None) -> dict[str, str]:
    properties = {"producer": f"graphcnn {_version()}", **(metadata or {})}
    for key, value in properties.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise ExportError(f"metadata must map text to text, found {key!r}: {value!r}")
    return properties


def _version() -> str:
    try:
        return package_metadata.version("graphcnn")
    except package_metadata.PackageNotFoundError:
        return "0"


def _model(
    graph: Graph,
    states: Mapping[str, Array],
    opset: int,
    properties: Mapping[str, str],
    doc: str,
    path: str | Path | None,
    external_data: bool | None,
) -> tuple[onnx.ModelProto, DataFile | None]:
    emit, values = emit_graph(graph, states, opset)
    data, initializers = _initializers(emit, graph.outputs, path, external_data)
    if data is not None:
        properties = {**properties, "external_data.sha256": data.digest()}
    properties = {**properties, NOTE: format_graph(graph)}
    proto = helper.make_graph(
        emit.nodes,
        graph.name,
        [value_info(values[v], v.type) for v in graph.inputs],
        [value_info(key, v.type) for key, v in graph.outputs.items()],
        initializers,
        doc_string=doc or None,
    )
    model = helper.make_model(
        proto,
        ir_version=IR_VERSIONS[opset],
        opset_imports=[helper.make_opsetid("", opset)],
        producer_name="graphcnn",
        producer_version=_version(),
    )
    helper.set_model_props(model, dict(sorted(properties.items())))
    ours = {values[v]: v.type for node in graph.nodes for v in node.outputs}
    declared = {v.name for v in (*proto.input, *proto.output)} | {t.name for t in proto.initializer}
    made = {name for node in emit.nodes for name in node.output}
    for name in sorted((made & set(ours)) - declared):
        model.graph.value_info.append(value_info(name, ours[name]))
    model.graph.value_info.extend(helper_types(model))
    return model, data


def emit_graph(
    graph: Graph, states: Mapping[str, Array], opset: int, most: Most | None = None
) -> tuple[NodeWriter, dict[Value, str]]:
    """The nodes of a graph and the arrays that they read, and the names of its values."""
    nodes = unique_names(graph)
    values = value_names(graph, nodes)
    names = [*values.values(), *graph.outputs]
    emit = NodeWriter(opset, names, list(nodes.values()), graph.inputs, most)
    groups = find_groups(graph)
    inside = {inner for group in groups.values() for inner in group.inner}
    for node, whole in in_order(graph):
        if node not in inside:
            _emit(emit, node, nodes[node], values, states, whole or groups.get(node))
    for key, value in graph.outputs.items():
        if values[value] != key:  # an input, a constant, or a value that has two keys
            emit.alias(values[value], key)
    return emit, values


def value_names(graph: Graph, nodes: Mapping[Node, str]) -> dict[Value, str]:
    """Names of all edges: keys of inputs, states and outputs first, then names of nodes."""
    names: dict[Value, str] = {}
    for value in (*graph.inputs, *graph.states):
        names[value] = nodes[value.node]
    taken = set(names.values())
    for key, value in graph.outputs.items():
        if names.get(value) == key:  # an input or a state, which is an output as it is
            continue
        if key in taken or not key:
            raise ExportError(
                f"the output {key!r} needs another name: in ONNX, inputs, states and outputs share "
                "one set of names"
            )
        if not isinstance(value.node.op, Input | State | Constant):
            names.setdefault(value, key)
    unique = Names([*taken, *graph.outputs])
    for node in graph.nodes:
        for i, value in enumerate(node.outputs):
            if value not in names:
                name = nodes[node]
                names[value] = unique.fresh(f"{name}.{result_name(node.op, i)}" if i else name)
    return names


def _emit(
    emit: NodeWriter,
    node: Node,
    name: str,
    values: Mapping[Value, str],
    states: Mapping[str, Array],
    group: NodeGroup | Recurrence | None,
) -> None:
    if isinstance(node.op, Input):
        return
    if isinstance(node.op, State | Constant):
        array = states[node.op.key] if isinstance(node.op, State) else node.op.evaluate()
        emit.arrays[values[node.output]] = array
        return
    exporter = exporter_of(node.op, name)
    emit.begin(name, str(node.origin))
    try:
        if group is not None:
            results = group.emit(emit, node, values)
        else:
            results = exporter(emit, node, [values[v] for v in node.inputs])
    except NeedsOpset as need:
        raise TooLow(node, name, need) from None
    made = group.results if isinstance(group, Recurrence) else node.outputs
    emit.finish(results, [values[v] for v in made])


def written_arrays(emit: NodeWriter, outputs: Iterable[str]) -> dict[str, Array]:
    """The arrays that nodes read, or graphs inside of them, or that are outputs."""
    read = {name for node in emit.nodes for name in names_read(node)} | set(outputs)
    return {name: array for name, array in emit.arrays.items() if name in read}


def _initializers(
    emit: NodeWriter, outputs: Iterable[str], path: str | Path | None, external_data: bool | None
) -> tuple[DataFile | None, Sequence[onnx.TensorProto]]:
    """Large arrays as references to a file of data where it is wanted."""
    arrays = {name: _little(array) for name, array in written_arrays(emit, outputs).items()}
    if external_data is None:
        external_data = sum(a.nbytes for a in arrays.values()) > external.EXTERNAL_ABOVE
    if not external_data:
        return None, [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    if path is None:
        raise ExportError("external data lies beside the model: give a path to write it to")
    data = DataFile.beside(path, arrays)
    offsets = dict(data.offsets())
    tensors = []
    for name, array in arrays.items():
        if name in offsets:
            code = ELEMENT_TYPES[DType.of(array.dtype)]
            tensor = onnx.TensorProto(name=name, data_type=code, dims=array.shape)
            data.declare(tensor, offsets[name])
        else:
            tensor = numpy_helper.from_array(array, name)
        tensors.append(tensor)
    return data, tensors


def _little(array: Array) -> Array:
    """The array in the order of bytes that ONNX stores."""
    assert DType.of(array.dtype) in ELEMENT_TYPES
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)
