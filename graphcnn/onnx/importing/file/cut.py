"""The part of a model before some of its values: a detector without its last selection, say."""

from collections.abc import Sequence

import onnx

from graphcnn.errors import ImportModelError
from graphcnn.onnx.importing.file.names import shown
from graphcnn.onnx.importing.file.names_read import names_read


def cut_model(model: onnx.ModelProto, outputs: Sequence[str]) -> onnx.ModelProto:
    """The model with these values as its outputs, and the nodes that they need, changed in place.

    Raises `ImportModelError` for a name that no node, input or initializer of the model has.
    """
    graph = model.graph
    names = {name for node in graph.node for name in node.output if name}
    sources = {v.name for v in graph.input} | {t.name for t in graph.initializer}
    sources |= {t.values.name for t in graph.sparse_initializer}
    for name in outputs:
        if name not in names | sources:
            known = ", ".join(shown(v.name) for v in graph.output)
            raise ImportModelError(
                f"the model computes no value {name!r}, expected names of results of its nodes; "
                f"its outputs are {known}"
            )
    if not outputs or len(set(outputs)) < len(outputs):
        raise ImportModelError(f"outputs must be different names, found {list(outputs)}")
    wanted, kept = set(outputs), []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(names_read(node))
    nodes = list(reversed(kept))
    declared = {v.name: v for v in (*graph.output, *graph.value_info, *graph.input)}
    infos = [declared.get(name, onnx.ValueInfoProto(name=name)) for name in outputs]
    copies = [type(p).FromString(p.SerializeToString()) for p in (*nodes, *infos)]
    del graph.node[:], graph.output[:]
    graph.node.extend(copies[: len(nodes)])
    graph.output.extend(copies[len(nodes) :])
    return model
