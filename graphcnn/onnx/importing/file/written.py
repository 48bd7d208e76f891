"""Files that we wrote, read back as they were written.

An operator of ours may be several of ONNX, so such a file holds the text of our graph too. It is
believed only if, written once more, it gives the nodes, inputs, outputs and constants of the file:
then the file means this graph, whoever has made it. All other files are read node by node.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from graphcnn.errors import ExportError, GraphError, ImportModelError
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.node import Array, freeze
from graphcnn.ir.sources import Constant
from graphcnn.onnx.exporting.export import NOTE, TooLow, emit_graph, written_arrays
from graphcnn.onnx.exporting.writer import Most, value_info
from graphcnn.onnx.importing.context import Store
from graphcnn.onnx.importing.file.limits import Limits
from graphcnn.onnx.importing.file.names_read import all_nodes
from graphcnn.onnx.importing.file.validate import check_opsets
from graphcnn.onnx.importing.imported import Imported
from graphcnn.text.parse import parse_graph

#: Elements of a constant that are made without asking whether the file has as many.
SPARE = 1 << 16


def as_written(model: onnx.ModelProto, limits: Limits, folder: Path | None) -> Imported | None:
    """The graph that the file says it holds, or None where it says nothing or something else."""
    text = next((p.value for p in model.metadata_props if p.key == NOTE), None)
    apart = model.functions or model.graph.sparse_initializer
    if text is None or model.producer_name != "graphcnn" or apart:
        return None
    store = Store(limits)
    arrays = {
        t.name: store.array(t, f"initializer {t.name!r}", folder) for t in model.graph.initializer
    }
    try:
        graph = parse_graph(text, _digests(arrays) if "digest" in text else {})
        _check(graph, limits)
        return _proven(graph, model, arrays)
    except (GraphError, ExportError, ImportModelError, TooLow):
        return None


def _digests(arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {Constant(freeze(a)).digest: a for a in arrays.values()}


def _check(graph: Graph, limits: Limits) -> None:
    """Raises where the graph exceeds the budgets."""
    if len(graph.nodes) > limits.nodes:
        raise ImportModelError("more nodes than limits.nodes")
    edge_bytes = 0
    for node in graph.nodes:
        for value in node.outputs:
            edge_bytes += limits.check_shape(value.shape, "a result") * value.dtype.bytes
    if edge_bytes > limits.edge_bytes:
        raise ImportModelError("results of more bytes than limits.edge_bytes")


def _proven(graph: Graph, model: onnx.ModelProto, arrays: Mapping[str, Array]) -> Imported | None:
    """The graph, if the file is what becomes of it."""
    states = {state_of(s).key: s.type for s in graph.states}
    if graph.updates or any(
        key not in arrays or (arrays[key].dtype, arrays[key].shape) != (t.dtype.numpy, t.shape)
        for key, t in states.items()
    ):
        return None
    kept = {key: np.require(arrays[key], requirements=["OWNDATA", "WRITEABLE"]) for key in states}
    file = model.graph
    most = Most(sum(1 for _ in all_nodes(file)), SPARE + sum(a.nbytes for a in arrays.values()))
    emit, values = emit_graph(graph, kept, check_opsets(model.opset_import, "the model")[""], most)
    written = written_arrays(emit, graph.outputs)
    same = (
        graph.name == file.name
        and _bytes(emit.nodes) == _bytes(file.node)
        and _bytes(value_info(values[v], v.type) for v in graph.inputs) == _bytes(file.input)
        and _bytes(value_info(k, v.type) for k, v in graph.outputs.items()) == _bytes(file.output)
        and set(written) == set(arrays)
        and all(_equal(written[name], arrays[name]) for name in set(arrays) - set(states))
    )
    return Imported(graph, kept, model) if same else None


def _bytes(messages: Iterable[Any]) -> list[bytes]:
    return [m.SerializeToString(deterministic=True) for m in messages]


def _equal(a: Array, b: Array) -> bool:
    """The same bits."""
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
