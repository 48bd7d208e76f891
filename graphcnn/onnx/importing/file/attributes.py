"""Attributes of ONNX nodes as Python numbers, texts and arrays."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from onnx import AttributeProto, NodeProto

from graphcnn.onnx.importing.context import Store, UnsupportedError
from graphcnn.onnx.importing.file.sparse import dense_array


def resolved(
    node: NodeProto, attributes: Mapping[str, AttributeProto] | None
) -> dict[str, AttributeProto]:
    """The attributes of a node, references to those of the enclosing function followed."""
    found: dict[str, AttributeProto] = {}
    for a in node.attribute:
        if not a.ref_attr_name:
            found[a.name] = a
        elif attributes and a.ref_attr_name in attributes:
            copy = AttributeProto()
            copy.CopyFrom(attributes[a.ref_attr_name])
            copy.name = a.name
            found[a.name] = copy
    return found


def decimal(number: float) -> float:
    """The shortest decimal that is stored as this float32: 0.1 for 0.10000000149."""
    return float(str(np.float32(number)))


def plain_attributes(
    given: Mapping[str, AttributeProto], store: Store, folder: Path | None
) -> dict[str, Any]:
    """All attributes by name but those that are graphs."""
    return {
        name: _plain(a, store, folder)
        for name, a in given.items()
        if a.type != AttributeProto.GRAPH
    }


def _plain(a: AttributeProto, store: Store, folder: Path | None) -> Any:
    kinds = AttributeProto
    if a.type == kinds.FLOAT:
        return decimal(a.f)
    if a.type == kinds.FLOATS:
        return [decimal(f) for f in a.floats]
    if a.type == kinds.TENSOR:
        return store.array(a.t, f"attribute {a.name!r}", folder)
    if a.type == kinds.SPARSE_TENSOR:
        return dense_array(a.sparse_tensor, f"attribute {a.name!r}", folder, store)
    if a.type == kinds.STRING:
        return a.s.decode("utf-8", "replace")
    if a.type == kinds.STRINGS:
        return [text.decode("utf-8", "replace") for text in a.strings]
    if a.type == kinds.INT:
        return int(a.i)
    if a.type == kinds.INTS:
        return list(a.ints)
    if a.type == kinds.TYPE_PROTO:
        return a.tp.WhichOneof("value")
    kind = kinds.AttributeType.Name(a.type)
    raise UnsupportedError(f"attribute {a.name!r} holds {kind}, which is not supported")
