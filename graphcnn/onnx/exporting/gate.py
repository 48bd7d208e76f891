"""The gate before a file is written: the checker, and shape inference against ours.

Shapes are inferred on a skeleton of the model, in which large initializers are mere declarations.
"""

import math
from collections.abc import Iterable

import onnx
from onnx import helper

from graphcnn.errors import ExportError
from graphcnn.onnx.importing.file.load import is_external

#: Initializers of up to so many numbers stay in the skeleton: shapes, axes and pads are read from
#: them. Their bytes are not asked for, which protobuf writes all of to count them.
_SMALL = 1 << 8

#: The most that one protobuf message can hold.
_LIMIT = (1 << 31) - 1

#: Operators whose results ONNX infers no shapes of: what we declare of them stands.
_UNINFERRED = frozenset({"GroupNormalization"})


def _skeleton(model: onnx.ModelProto, declared: bool) -> onnx.ModelProto:
    """The model without large arrays and, unless `declared`, without our types of edges that ONNX
    can infer."""
    graph = model.graph
    inputs = list(graph.input)
    trusted = {name for n in graph.node if n.op_type in _UNINFERRED for name in n.output}
    arrays = []
    for tensor in graph.initializer:
        if math.prod(tensor.dims) <= _SMALL and not is_external(tensor):
            arrays.append(tensor)
        else:
            inputs.append(
                helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
            )
    outputs = list(graph.output)
    if not declared:
        given = {v.name for v in graph.input} | {t.name for t in graph.initializer}
        given |= trusted
        outputs = [
            v
            if v.name in given
            else helper.make_tensor_value_info(v.name, v.type.tensor_type.elem_type, None)
            for v in graph.output
        ]
    infos = [v for v in graph.value_info if declared or v.name in trusted]
    small = helper.make_graph(graph.node, graph.name, inputs, outputs, arrays, None, infos)
    return helper.make_model(
        small, ir_version=model.ir_version, opset_imports=list(model.opset_import)
    )


def _inferred(model: onnx.ModelProto, declared: bool) -> dict[str, onnx.TypeProto]:
    try:
        found = onnx.shape_inference.infer_shapes(
            _skeleton(model, declared), check_type=True, strict_mode=True, data_prop=True
        )
    except onnx.shape_inference.InferenceError as error:
        raise ExportError(f"ONNX cannot infer the shapes of the exported graph: {error}") from None
    return {v.name: v.type for v in (*found.graph.value_info, *found.graph.output)}


def helper_types(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """Declarations of the edges that only the mapping knows, inferred from ours around them."""
    declared = {v.name for v in (*model.graph.value_info, *model.graph.output)}
    types = _inferred(model, declared=True)
    made = sorted(name for node in model.graph.node for name in node.output if name)
    infos = []
    for name in made:
        if name in declared:
            continue
        tensor = types[name].tensor_type if name in types else onnx.TypeProto.Tensor()
        if not tensor.HasField("shape"):
            raise ExportError(f"ONNX infers no shape for the edge {name!r}")
        sizes = [_size(d) for d in tensor.shape.dim]
        infos.append(helper.make_tensor_value_info(name, tensor.elem_type, sizes))
    return infos


def _size(d: onnx.TensorShapeProto.Dimension) -> int | str | None:
    """A number, "N", or None: names that inference makes up mean nothing."""
    if d.HasField("dim_value"):
        return int(d.dim_value)
    return "N" if d.dim_param == "N" else None


def _sizes(type: onnx.TypeProto) -> list[int | str | None]:
    return [_size(d) for d in type.tensor_type.shape.dim]


def check(model: onnx.ModelProto) -> None:
    """Raise `ExportError` unless ONNX accepts the model and infers the types that we declare.

    Inference starts from the inputs and parameters alone. It may leave a size unknown where we
    say N; every size that it knows must be ours.
    """
    if model.ByteSize() > _LIMIT:
        raise ExportError(
            f"the model takes {model.ByteSize():,} bytes, one ONNX file holds at most {_LIMIT:,}"
        )
    # where arrays lie in a file that is not written yet, the checker sees their declarations
    apart = any(is_external(t) for t in model.graph.initializer)
    try:
        onnx.checker.check_model(_skeleton(model, True) if apart else model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"onnx.checker refuses the exported graph: {error}") from None
    found = _inferred(model, declared=False)
    for info in (*model.graph.value_info, *model.graph.output):
        ours, theirs = _sizes(info.type), _sizes(found[info.name])
        same_type = info.type.tensor_type.elem_type == found[info.name].tensor_type.elem_type
        if not same_type or not _agree(ours, theirs):
            raise ExportError(
                f"the edge {info.name!r} has the shape {ours} here and {theirs} in ONNX's inference"
            )


def _agree(ours: list[int | str | None], theirs: list[int | str | None]) -> bool:
    return len(ours) == len(theirs) and all(
        a == b or (b is None and not isinstance(a, int)) for a, b in zip(ours, theirs, strict=True)
    )


def edges(model: onnx.ModelProto) -> Iterable[str]:
    """The names of all edges: inputs, initializers, results of nodes."""
    graph = model.graph
    yield from (v.name for v in graph.input)
    yield from (t.name for t in graph.initializer)
    yield from (name for node in graph.node for name in node.output if name)
